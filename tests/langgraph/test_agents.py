"""Prebuilt agents and tool nodes: their tools, their errors, their middleware, and agents in tools of agents."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelRetryMiddleware
from langchain.agents.structured_output import ToolStrategy
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from pydantic import BaseModel
from tests.langchain.support import Recording
from tests.langgraph.support import calls, kinds, metadata, model, outcomes, run

ASK: Any = {"messages": [("user", "hi")]}


@tool
def add(a: int = 1, b: int = 2) -> int:
    """Add."""
    return a + b


@tool
def boom() -> int:
    """Fail."""
    raise ValueError("no")


def test_tool_node(recording: Recording, run_async: bool) -> None:
    """A tool node's tools are under it; a tool whose error it handles has failed, the node has not."""
    graph: Any = StateGraph(MessagesState)
    graph.add_node("tools", ToolNode([add, boom], handle_tool_errors=True)).add_edge(START, "tools")
    run(graph.compile(name="G"), {"messages": [calls("add", "boom")]}, recording.config, run_async)

    (node,) = recording.nodes("tools")
    assert {"add": "ok", "boom": "error"} == {
        child.name: str(child.end and child.end.outcome) for child in node.children
    }
    assert ("tool_node", "ok") == (metadata(node)["langgraph.kind"], metadata(node)["relay.outcome"])
    recording.assert_complete()


def test_unknown_tool(recording: Recording) -> None:
    """A tool that does not exist runs no callback; the node tells the model."""
    graph: Any = StateGraph(MessagesState)
    graph.add_node("tools", ToolNode([add])).add_edge(START, "tools")
    graph.compile(name="G").invoke({"messages": [calls("subtract")]}, recording.config)

    assert "G{tools}" == recording.tree


def test_tool_error(recording: Recording, run_async: bool) -> None:
    """An error that nobody handles fails the tool, its node and the agent."""
    agent = create_agent(model(calls("boom")), [boom], name="agent")
    with pytest.raises(ValueError, match="no"):
        run(agent, ASK, recording.config, run_async)

    assert "agent!error{model{Chat} tools!error{boom!error}}" == recording.tree
    recording.assert_complete()


def test_tool_call_id(recording: Recording) -> None:
    """A tool says for which call of the model it ran."""
    create_agent(model(calls("add"), "three"), [add]).invoke(ASK, recording.config)

    node = recording.node("add")
    assert node.end is not None
    assert ["call-add-0"] * 2 == [(event.category_profile or {})["tool_call_id"] for event in (node.start, node.end)]


def test_structured_output(recording: Recording) -> None:
    """Structured output by a tool call runs no tool."""

    class Answer(BaseModel):
        """An answer."""

        value: int

    agent = create_agent(model(calls("Answer", value=3)), [add], response_format=ToolStrategy(Answer), name="agent")
    result = agent.invoke(ASK, recording.config)

    assert 3 == result["structured_response"].value
    assert "agent{model{Chat}}" == recording.tree


def test_middleware(recording: Recording) -> None:
    """What middleware does before and after is a node; what it wraps is part of the model's node."""

    class Watch(AgentMiddleware[Any, Any]):
        def before_model(self, state: Any, runtime: Any) -> Any:
            recording.relay.scopes.event("before")
            return None

        def wrap_model_call(self, request: Any, handler: Any) -> Any:
            recording.relay.scopes.event("wrapped")
            return handler(request)

    create_agent(model("hello"), [], middleware=[Watch()], name="agent").invoke(ASK, recording.config)

    assert "agent{Watch.before_model model{Chat}}" == recording.tree
    assert ["node", "node"] == [kinds(recording)[name] for name in ("Watch.before_model", "model")]
    assert ["before"] == [mark.name for mark in recording.node("Watch.before_model").marks]
    assert ["wrapped"] == [mark.name for mark in recording.node("model").marks]


def test_model_retried_by_middleware(recording: Recording) -> None:
    """A model that is asked again is asked in the same node."""
    retry = ModelRetryMiddleware(max_retries=1, initial_delay=0.0, jitter=False)
    create_agent(model(ValueError("busy"), "hello"), [], middleware=[retry], name="agent").invoke(ASK, recording.config)

    assert "agent{model{Chat!error Chat}}" == recording.tree
    assert "langgraph.attempt" not in metadata(recording.node("model"))


@pytest.mark.parametrize("name", ["inner", None])
def test_agent_in_a_tool(recording: Recording, name: str | None) -> None:
    """An agent in a tool of an agent is under the tool; without a name of its own it cannot be told from a subgraph."""
    inner = create_agent(model("done"), [], name=name)

    @tool
    def delegate() -> str:
        """Delegate."""
        return str(inner.invoke(ASK)["messages"][-1].content)

    create_agent(model(calls("delegate"), "done"), [delegate], name="outer").invoke(ASK, recording.config)

    shown = name or "LangGraph"
    assert f"outer{{model{{Chat}} tools{{delegate{{{shown}{{model{{Chat}}}}}}}} model{{Chat}}}}" == recording.tree
    (node,) = recording.nodes(shown)
    expected = ("agent", "agent") if name else ("function", "subgraph")
    assert expected == (node.start.category, metadata(node)["langgraph.kind"])
    assert {"ok"} == outcomes(recording)
