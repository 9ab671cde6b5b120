"""What a run is, as far as LangChain alone tells."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from tests.langchain.support import Chat, Recording

from relay_core.vocabulary import ScopeType
from relay_langchain.classify import is_agent, is_marked_hidden, retry_attempt, run_name, scope_type_of
from relay_langchain.runs import Run

HIDDEN = "langsmith:hidden"


def run(*, tags: tuple[str, ...] = (), **metadata: Any) -> Run:
    """Return a run to be somebody's parent."""
    return Run(1, "chain", "parent", None, tags, metadata, ScopeType.Function, None)


@pytest.mark.parametrize(
    ("run_type", "expected"),
    [
        ("prompt", ScopeType.Function),
        ("parser", ScopeType.Function),
        ("llm", ScopeType.Llm),
        ("retriever", ScopeType.Retriever),
    ],
)
def test_scope_types(run_type: str, expected: ScopeType) -> None:
    """LangChain's own word for a chain says what it is."""
    assert expected is scope_type_of(run_type)


def test_agents() -> None:
    """What differs from the parent makes an agent; what is inherited does not."""
    assert is_agent({"lc_agent_name": "a"}, None)
    assert is_agent({"lc_agent_name": "b"}, run(lc_agent_name="a"))
    assert is_agent({"ls_integration": "langchain_create_agent"}, run(ls_integration="langgraph"))
    assert not is_agent({"lc_agent_name": "a"}, run(lc_agent_name="a"))
    assert not is_agent({"ls_integration": "langgraph"}, None)
    assert not is_agent({}, None)


@pytest.mark.parametrize(
    ("serialized", "metadata", "expected"),
    [
        ({"name": "cls"}, {}, "cls"),
        ({"id": ["a", "B"]}, {}, "B"),
        ({}, {"langgraph_node": "n"}, "n"),
        (None, {}, "chain"),
        ({"id": []}, {}, "chain"),
    ],
)
def test_names(serialized: dict[str, Any] | None, metadata: dict[str, Any], expected: str) -> None:
    """A run without a run name is called by its class, its node, or what it is."""
    assert expected == run_name("chain", serialized, metadata)


def test_retry_attempts() -> None:
    """Repeated attempts are known by their tag."""
    assert [None, 2, None] == [retry_attempt(tags) for tags in ((), (1, "x", "retry:attempt:2"), ("retry:attempt:x",))]


def test_hidden() -> None:
    """A run is hidden by its own tag, not by one that it inherits."""
    assert is_marked_hidden((HIDDEN,), None)
    assert is_marked_hidden((HIDDEN,), run())
    assert not is_marked_hidden((HIDDEN,), run(tags=(HIDDEN,)))
    assert not is_marked_hidden((), None)


def test_hidden_runs_are_left_out(recording: Recording) -> None:
    """A hidden run leaves no scope; its children and marks go to what contains it, and its error stays unseen."""
    inner: RunnableLambda[Any, Any] = RunnableLambda(lambda x: x, name="inner")
    hidden = RunnableLambda(inner.invoke, name="hidden").with_config(tags=[HIDDEN])

    RunnableLambda(hidden.invoke, name="outer").invoke(1, recording.config)
    hidden.invoke(1, recording.config)

    assert "outer{inner} inner" == recording.tree
    recording.assert_complete()


def test_hidden_runs_shown(recording: Recording) -> None:
    """The setting `show_hidden` records hidden runs like any other."""
    recording.handler().runs.show_hidden = True
    RunnableLambda(lambda x: x, name="hidden").with_config(tags=[HIDDEN]).invoke(1, recording.config)

    assert "hidden" == recording.tree


def test_a_created_agent(recording: Recording) -> None:
    """An agent that LangChain makes is an agent by its name; what is inside of it is not."""

    @tool
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    call = {"name": "add", "args": {"a": 1, "b": 2}, "id": "c1"}
    from langchain_core.messages import AIMessage

    agent = create_agent(Chat(answers=[AIMessage("", tool_calls=[call]), "three"]), [add], name="calculator")
    agent.invoke({"messages": [("user", "1+2?")]}, recording.config)

    (root,) = recording.roots
    assert ("calculator", "agent") == (root.name, root.start.category)
    assert 1 == sum(node.start.category == "agent" for node in root.walk())
    assert ["llm", "tool", "llm"] == [
        node.start.category for node in root.walk() if node.start.category in ("llm", "tool")
    ]
    recording.assert_complete()
