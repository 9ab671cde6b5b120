"""Who records a controlled call, so that it is recorded exactly once."""

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from tests.langchain.support import Chat, Recording

from relay_langchain import RelayCallbackHandler, RelayMiddleware, managed, not_instrumented
from relay_langchain.instrument import instrument, uninstrument


def answers() -> list[Any]:
    """Return what a model says that uses a tool."""
    return [AIMessage("", tool_calls=[{"name": "add", "args": {"a": 1, "b": 2}, "id": "c1"}]), "ok"]


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def run(recording: Recording, model: Any, used: Any, config: Any = None) -> list[str]:
    """Run an agent and return the categories of model and tool scopes, in order of their starts."""
    agent: Any = create_agent(model, [used], middleware=[RelayMiddleware(runtime=recording.relay)])
    agent.invoke({"messages": [HumanMessage("hi")]}, config)
    nodes = [node.start.category for root in recording.roots for node in root.walk()]
    return [category for category in nodes if category in ("llm", "tool")]


def test_installed(recording: Recording) -> None:
    """Where `install()` records every run, nothing is recorded twice."""
    instrument(recording.relay)
    try:
        assert ["llm", "tool", "llm"] == run(recording, Chat(answers=answers()), add)
        recording.clear()
        managed(Chat(), runtime=recording.relay).invoke("hi")
    finally:
        uninstrument(recording.relay)

    assert "Chat" == recording.tree
    recording.assert_complete()


def test_opted_out(recording: Recording) -> None:
    """Where the user opted out of `install()`, controlled calls are recorded all the same: control was asked for."""
    instrument(recording.relay)
    try:
        with not_instrumented():
            assert ["llm", "tool", "llm"] == run(recording, Chat(answers=answers()), add)
    finally:
        uninstrument(recording.relay)


def test_handler_of_the_model_and_of_the_tool(recording: Recording) -> None:
    """A handler that was given to the model or the tool itself counts."""
    model = Chat(answers=answers(), callbacks=[recording.handler()])
    used = add.model_copy(update={"callbacks": [recording.handler()]})

    assert ["llm", "tool", "llm"] == run(recording, model, used)


def test_handler_of_another_runtime(recording: Recording) -> None:
    """A handler that records elsewhere does not count: each runtime has its own record."""
    other = Recording()

    assert ["llm", "tool", "llm"] == run(recording, Chat(answers=answers()), add, other.config)
    assert "tool" in [node.start.category for root in other.roots for node in root.walk()]
    other.relay.shutdown(5.0)


def test_detached_handler(recording: Recording) -> None:
    """A handler that was detached does not count."""
    handler = recording.handler()
    handler.detach()

    assert ["llm", "tool", "llm"] == run(recording, Chat(answers=answers()), add, {"callbacks": [handler]})


def test_what_a_tool_does_nests_under_it(recording: Recording) -> None:
    """Without a handler the tool's own scope is current inside of the tool."""

    @tool("add")
    def marking(a: int, b: int) -> int:
        """Add two numbers and leave a mark."""
        recording.relay.scopes.event("inside")
        return a + b

    run(recording, Chat(answers=answers()), marking)

    assert ["inside"] == [mark.name for mark in recording.node("add").marks]


def test_everything_under_a_users_scope(recording: Recording) -> None:
    """Without a handler, calls are children of the user's scope."""
    with recording.relay.scopes.scope("request"):
        run(recording, Chat(answers=answers()), add)

    assert "request{Chat add Chat}" == recording.tree


@pytest.mark.parametrize("count", [2])
def test_two_handlers(recording: Recording, count: int) -> None:
    """Several handlers of one runtime record a call once."""
    config = {"callbacks": [RelayCallbackHandler(runtime=recording.relay) for _ in range(count)]}

    assert ["llm", "tool", "llm"] == run(recording, Chat(answers=answers()), add, config)
