"""How LangChain's own types are recorded."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.agents import AgentAction, AgentActionMessageLog, AgentFinish, AgentStep
from langchain_core.callbacks import CallbackManager, StdOutCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, Generation, LLMResult
from langchain_core.prompt_values import ChatPromptValue, ImagePromptValue, StringPromptValue
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.stores import InMemoryStore
from langchain_core.tools import tool
from tests.langchain.support import Chat

from relay_langchain.projections import payload_encoder


def project(value: object) -> Any:
    """Project a value as the payload encoder does, one level deep."""
    projection = payload_encoder(type(value))
    assert projection is not None
    return projection(value)


MESSAGE = HumanMessage("hi")
ACTION = AgentAction("add", {"a": 1}, "log")


class Note(Document):
    """A document class of the application's own."""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (MESSAGE, {"role": "user", "content": "hi"}),
        (Document("x"), {"content": "x", "metadata": {}}),
        (Note("x", id="d1"), {"content": "x", "metadata": {}, "id": "d1"}),
        (
            Document("x", metadata={"relevance_score": 0.5}),
            {"content": "x", "metadata": {"relevance_score": 0.5}, "score": 0.5},
        ),
        (ChatPromptValue(messages=[MESSAGE]), {"messages": [{"role": "user", "content": "hi"}]}),
        (StringPromptValue(text="x"), "x"),
        (ImagePromptValue(image_url={"url": "u"}), {"image_url": {"url": "u"}}),
        (ACTION, {"tool": "add", "tool_input": {"a": 1}, "log": "log"}),
        (
            AgentActionMessageLog(tool="add", tool_input="1", log="log", message_log=[MESSAGE]),
            {"tool": "add", "tool_input": "1", "log": "log"},
        ),
        (
            AgentStep(action=ACTION, observation=2),
            {"action": {"tool": "add", "tool_input": {"a": 1}, "log": "log"}, "observation": 2},
        ),
        (AgentFinish({"out": 1}, "bye"), {"return_values": {"out": 1}, "log": "bye"}),
        (Generation(text="x"), {"text": "x"}),
        (ChatGeneration(message=AIMessage("x")), {"role": "assistant", "content": "x"}),
        (LLMResult(generations=[[]]), {"choices": [], "usage": None}),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, dict | str) else None,
)
def test_projections(value: object, expected: object) -> None:
    """Each of LangChain's value types, its subclasses too, is recorded by what it says."""
    assert expected == project(value)


@pytest.mark.parametrize(
    "value",
    [Chat(), ChatPromptTemplate.from_template("x"), CallbackManager([]), StdOutCallbackHandler(), InMemoryStore()],
    ids=lambda value: type(value).__name__,
)
def test_machinery(value: object) -> None:
    """Models, templates, callbacks and stores, which may hold credentials or whole applications, are a type name."""
    kind = type(value)

    assert {"$type": f"{kind.__module__}.{kind.__qualname__}"} == project(value)


def test_what_langgraph_injects() -> None:
    """A tool's runtime with the graph's state and store, and the store itself, are type names."""
    from langgraph.prebuilt import ToolRuntime
    from langgraph.runtime import Runtime
    from langgraph.store.memory import InMemoryStore as GraphStore

    runtime: Any = ToolRuntime(
        state={"secret": 1}, context=None, config={}, stream_writer=print, tool_call_id="c", store=None
    )

    assert {"$type": "langgraph.prebuilt.tool_node.ToolRuntime"} == project(runtime)
    assert {"$type": "langgraph.runtime.Runtime"} == project(Runtime())
    assert {"$type": "langgraph.store.memory.InMemoryStore"} == project(GraphStore())


def test_a_tool() -> None:
    """A tool is recorded as the definition that a model gets."""

    @tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    definition = project(add)

    assert ("function", "add", "Add two numbers.") == (
        definition["type"],
        definition["function"]["name"],
        definition["function"]["description"],
    )
    assert ["a", "b"] == definition["function"]["parameters"]["required"]


def test_a_tool_with_a_json_schema() -> None:
    """A tool whose schema is plain JSON is recorded with it."""
    from langchain_core.tools import StructuredTool

    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    definition = project(StructuredTool.from_function(print, name="f", description="d", args_schema=schema))

    assert schema["properties"] == definition["function"]["parameters"]["properties"]


@pytest.mark.parametrize("kind", [dict, int, type, Exception])
def test_other_types(kind: type) -> None:
    """Types that are not LangChain's are left to the core."""
    assert payload_encoder(kind) is None
