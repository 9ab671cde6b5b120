"""Scopes that user code opens around LangGraph's control flow: they end as the run around them does, not as errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, interrupt
from tests.langchain.support import Recording
from tests.langgraph.support import EMPTY, State, builder, calls, metadata, outcomes, run, thread

from relay_core import LLMRequest, Relay

SECRET = "is 4111 1111 the card?"


def in_a_block(relay: Relay) -> Any:
    """Ask in a block."""
    with relay.scopes.scope("mine"):
        return interrupt(SECRET)


def in_a_function(relay: Relay) -> Any:
    """Ask in a decorated function."""
    return relay.scopes.scope("mine")(interrupt)(SECRET)


def in_a_generator(relay: Relay) -> Any:
    """Ask in a decorated generator."""

    @relay.scopes.scope("mine")
    def answers() -> Iterator[Any]:
        yield interrupt(SECRET)

    return next(answers())


def in_a_tool(relay: Relay) -> Any:
    """Ask in a managed tool call."""
    return relay.tools.execute_sync("mine", {}, lambda _: interrupt(SECRET)).result


def in_a_model(relay: Relay) -> Any:
    """Ask in a managed model call."""
    return relay.llm.execute_sync("mine", LLMRequest({}, {}), lambda _: interrupt(SECRET))


def in_a_stream(relay: Relay) -> Any:
    """Ask in a managed stream without a loop."""

    def chunks(_: object) -> Iterator[Any]:
        yield interrupt(SECRET)

    stream = relay.llm.stream_execute_sync("mine", LLMRequest({}, {}), chunks, lambda _: None, lambda: None)
    (answer,) = stream
    return answer


def asking(ask: Callable[[], Any]) -> Any:
    """Return a graph whose one node asks."""
    return builder("ask", ask=lambda _: {"seen": [ask()]}).compile(name="G", checkpointer=InMemorySaver())


def descriptions(recording: Recording) -> set[str]:
    """Return how all scopes that did not end well describe it."""
    nodes = [node for root in recording.roots for node in root.walk()]
    return {told for node in nodes if (told := metadata(node).get("otel.status_description"))}


@pytest.mark.parametrize("ask", [in_a_block, in_a_function, in_a_tool, in_a_model, in_a_stream])
def test_interrupt_and_resume(recording: Recording, run_async: bool, ask: Callable[[Relay], Any]) -> None:
    """What a human is asked from within a scope interrupts the scope, too; with the answer it ends well."""
    graph, config = asking(lambda: ask(recording.relay)), thread(recording)
    run(graph, EMPTY, config, run_async)
    first = recording.tree
    answered = run(graph, Command(resume="yes"), config, run_async)

    assert "G!interrupted{ask!interrupted{mine!interrupted}}" == first
    assert f"{first} G{{ask{{mine}}}}" == recording.tree
    assert ["yes"] == answered["seen"]
    assert {"interrupted"} == descriptions(recording)


def test_generator(recording: Recording, run_async: bool) -> None:
    """The scope of a generator that asks is interrupted; left after the answer it is abandoned, as everywhere."""
    graph, config = asking(lambda: in_a_generator(recording.relay)), thread(recording)
    run(graph, EMPTY, config, run_async)
    run(graph, Command(resume="yes"), config, run_async)

    assert "G!interrupted{ask!interrupted{mine!interrupted}} G{ask{mine!abandoned}}" == recording.tree
    assert SECRET not in str(descriptions(recording))


def test_several_scopes(recording: Recording, run_async: bool) -> None:
    """All scopes between the question and the node are interrupted, with spans of errors that are handled in them."""
    scope = recording.relay.scopes.scope

    def ask() -> Any:
        with scope("outer"):
            try:
                with scope("failing"):
                    raise ValueError("wrong")
            except ValueError:
                pass
            with scope("inner"):
                return interrupt(SECRET)

    run(asking(ask), EMPTY, thread(recording), run_async)

    assert "G!interrupted{ask!interrupted{outer!interrupted{failing!error inner!interrupted}}}" == recording.tree


def test_in_a_tool_of_a_tool_node(recording: Recording) -> None:
    """A scope in a tool that asks is interrupted like the tool."""

    @tool
    def book() -> str:
        """Book a table."""
        with recording.relay.scopes.scope("mine"):
            return str(interrupt(SECRET))

    graph: Any = StateGraph(dict)
    graph.add_node("tools", ToolNode([book]))
    graph.add_edge(START, "tools")
    compiled = graph.compile(name="G", checkpointer=InMemorySaver())
    compiled.invoke({"messages": [calls("book")]}, thread(recording))

    assert "G!interrupted{tools!interrupted{book!interrupted{mine!interrupted}}}" == recording.tree


def test_command_to_the_parent(recording: Recording, run_async: bool) -> None:
    """A scope that hands control to the parent graph is handed off, without the command's payload."""

    def hand_over(_: State) -> Any:
        from langgraph.errors import ParentCommand

        with recording.relay.scopes.scope("mine"):
            raise ParentCommand(Command(graph=Command.PARENT, goto="b", update={"seen": [SECRET]}))

    inner = builder("ia", ia=hand_over).compile(name="INNER")
    graph: Any = StateGraph(State)
    graph.add_node("sub", inner, destinations=("b",))
    graph.add_node("b", lambda _: {"seen": ["b"]})
    graph.add_edge(START, "sub")
    run(graph.compile(name="OUTER"), EMPTY, thread(recording), run_async)

    assert {"ok", "handed_off"} == outcomes(recording)
    assert "mine!handed_off" in recording.tree
    assert SECRET not in str(descriptions(recording))


def test_errors_stay_errors(recording: Recording, run_async: bool) -> None:
    """A real error in a scope of a node is one, with its message."""

    def fail() -> Any:
        with recording.relay.scopes.scope("mine"):
            raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        run(asking(fail), EMPTY, thread(recording), run_async)

    assert "G!error{ask!error{mine!error}}" == recording.tree
    assert {"wrong"} == descriptions(recording)
