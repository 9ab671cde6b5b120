"""How the runs of a graph end: errors, control flow, timeouts, and whoever stops early."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.tools import tool
from langgraph.errors import GraphBubbleUp, GraphDrained, GraphRecursionError, NodeTimeoutError
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.runtime import RunControl, Runtime
from langgraph.types import Command, RetryPolicy
from tests.langchain.support import Recording
from tests.langgraph.support import (
    EMPTY,
    State,
    builder,
    calls,
    kinds,
    marks,
    metadata,
    model,
    outcomes,
    run,
    says,
)


def boom(state: Any) -> Any:
    """Fail."""
    raise ValueError("no")


def test_error(recording: Recording, run_async: bool) -> None:
    """A node's error is an error up to the root."""
    with pytest.raises(ValueError, match="no"):
        run(builder("a", "b", b=boom).compile(name="G"), EMPTY, recording.config, run_async)

    assert "G!error{a b!error}" == recording.tree
    assert "ValueError" == metadata(recording.roots[0])["error.type"]
    recording.assert_complete()


def test_recursion_limit(recording: Recording) -> None:
    """A graph that runs in circles ends with an error of its own."""
    graph = builder("a").add_edge("a", "a").compile(name="G")
    with pytest.raises(GraphRecursionError):
        graph.invoke(EMPTY, {**recording.config, "recursion_limit": 3})

    assert "G!error{a a a}" == recording.tree


def test_error_beside_a_running_node(recording: Recording) -> None:
    """In sync code the sibling of a failed node ends first."""
    failed = threading.Event()

    def fails(state: Any) -> Any:
        failed.set()
        raise ValueError("no")

    def slow(state: Any) -> Any:
        assert failed.wait(10)
        return EMPTY

    graph: Any = StateGraph(State)
    graph.add_node("bad", fails).add_node("slow", slow).add_edge(START, "bad").add_edge(START, "slow")
    with pytest.raises(ValueError, match="no"):
        graph.compile(name="G").invoke(EMPTY, recording.config)

    assert "G!error{bad!error slow}" == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
async def test_error_beside_a_running_async_node(recording: Recording) -> None:
    """In async code it is cancelled."""

    async def fails(state: Any) -> Any:
        raise ValueError("no")

    async def slow(state: Any) -> Any:
        await asyncio.Event().wait()

    graph: Any = StateGraph(State)
    graph.add_node("slow", slow).add_node("bad", fails).add_edge(START, "bad").add_edge(START, "slow")
    with pytest.raises(ValueError, match="no"):
        await graph.compile(name="G").ainvoke(EMPTY, recording.config)
    await recording.settle()

    assert {"G": "error", "bad": "error", "slow": "cancelled"} == {
        node.name: str(node.end and node.end.outcome) for node in recording.roots[0].walk()
    }
    recording.assert_complete()


# --- Control flow ----------------------------------------------------------------------------------------------------


def to_parent(state: Any) -> Any:
    """Hand off."""
    return Command(graph=Command.PARENT, goto="b", update={"seen": ["for b"]})


def test_parent_command(recording: Recording, run_async: bool) -> None:
    """A node that hands off to its parent graph says what it hands over; all around it are handed off, too."""
    inner = builder("ia", ia=to_parent).compile(name="INNER")
    graph: Any = StateGraph(State)
    graph.add_node("sub", inner).add_node("b", says("b")).add_edge(START, "sub")
    run(graph.compile(name="G"), EMPTY, recording.config, run_async)

    assert "G{sub!handed_off{INNER!handed_off{ia!handed_off}} b}" == recording.tree
    for name in ("sub", "INNER", "ia"):
        told = metadata(recording.node(name))
        assert ("UNSET", "handed off to b") == (told["otel.status_code"], told["otel.status_description"])
        assert ["b"] == told["langgraph.goto"]
        assert "error.type" not in told
    ends = {name: recording.node(name).end for name in ("sub", "INNER", "ia")}
    handed = {"update": {"seen": ["for b"]}, "goto": "b", "graph": "__parent__"}
    assert {"sub": None, "INNER": None, "ia": handed} == {name: end and end.data for name, end in ends.items()}
    recording.assert_complete()


def test_other_bubbles(recording: Recording) -> None:
    """Whatever LangGraph or an application lets bubble up through a graph is no error, by its type."""

    class Escalation(GraphBubbleUp):
        pass

    def escalates(state: Any) -> Any:
        raise Escalation("with private words")

    with pytest.raises(Escalation):
        builder("a", a=escalates).compile(name="G").invoke(EMPTY, recording.config)

    assert {"handed_off"} == outcomes(recording)
    assert "private" not in metadata(recording.node("a"))["otel.status_description"]


def test_names_prove_nothing(recording: Recording) -> None:
    """An error that only sounds like control flow is an error."""

    class GraphInterrupt(Exception):  # noqa: N818
        pass

    def fails(state: Any) -> Any:
        raise GraphInterrupt("GraphInterrupt")

    with pytest.raises(GraphInterrupt):
        builder("a", a=fails).compile(name="G").invoke(EMPTY, recording.config)

    assert {"error"} == outcomes(recording)


def test_drained(recording: Recording, run_async: bool) -> None:
    """A graph that is asked to stop is drained; the node that was running ends well."""
    control = RunControl()

    def stops(state: Any, runtime: Runtime[Any]) -> Any:
        control.request_drain("deploy")
        return EMPTY

    with pytest.raises(GraphDrained):
        run(builder("a", "b", a=stops).compile(name="G"), EMPTY, recording.config, run_async, control=control)

    assert "G!drained{a}" == recording.tree
    assert "Graph drained: deploy" == metadata(recording.roots[0])["otel.status_description"]


def agents() -> Any:
    """Return three levels: a supervisor, a team in it, and its members, where a tool hands off to a sibling."""

    @tool
    def to_writer() -> Any:
        """Hand off to the writer."""
        return Command(graph=Command.PARENT, goto="writer", update={"messages": [("user", "over to you")]})

    researcher = create_agent(model(calls("to_writer")), [to_writer], name="researcher")
    writer = create_agent(model("written"), [], name="writer")
    team: Any = StateGraph(MessagesState)
    team.add_node("researcher", researcher).add_node("writer", writer).add_edge(START, "researcher")
    graph: Any = StateGraph(MessagesState)
    graph.add_node("plan", lambda state: Command(goto="team")).add_node("team", team.compile(name="team"))
    graph.add_edge(START, "plan")
    return graph.compile(name="supervisor")


def test_multi_agent_handoff(recording: Recording, run_async: bool) -> None:
    """In a graph of three levels of agents with a handoff nothing is an error."""
    run(agents(), {"messages": [("user", "write")]}, recording.config, run_async)

    assert (
        "supervisor{plan team{team{"
        "researcher!handed_off{researcher!handed_off{model{Chat} tools!handed_off{to_writer}}} "
        "writer{writer{model{Chat}}}}}}"
    ) == recording.tree
    assert {"ok", "handed_off"} == outcomes(recording)
    assert "subgraph" == kinds(recording)["team"]
    recording.assert_complete()


# --- Timeouts and cancellation ---------------------------------------------------------------------------------------


async def never(state: Any) -> Any:
    """Wait for ever."""
    await asyncio.Event().wait()


async def never_answers(state: Any) -> Any:
    """Ask a model that never answers."""
    chat = model("x")
    chat.abody = lambda: never(state)
    await chat.ainvoke("hi")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("node", "tree"), [(never, "slow!cancelled"), (never_answers, "slow!cancelled{Chat!cancelled}")]
)
async def test_node_timeout(recording: Recording, node: Any, tree: str) -> None:
    """A node that takes too long is cancelled, with all that is in it; its graph says which limit it was."""
    graph: Any = StateGraph(State)
    graph.add_node("slow", node, timeout=0.02).add_edge(START, "slow")
    with pytest.raises(NodeTimeoutError):
        await graph.compile(name="G").ainvoke(EMPTY, recording.config)
    await recording.settle()

    assert f"G!error{{{tree}}}" == recording.tree
    root = metadata(recording.roots[0])
    assert "langgraph.errors.NodeTimeoutError" == root["error.type"]
    told = root["langgraph.timeout"]
    assert ("slow", "run", 0.02) == (told["node"], told["kind"], told["timeout"])
    recording.assert_complete()


@pytest.mark.anyio
async def test_retry_after_a_timeout(recording: Recording) -> None:
    """An attempt that follows one that timed out says so, although that one ends later."""
    attempts: list[int] = []

    async def slow_once(state: Any) -> Any:
        attempts.append(1)
        if len(attempts) == 1:
            await never(state)
        return EMPTY

    graph: Any = StateGraph(State)
    policy = RetryPolicy(initial_interval=0, jitter=False)
    graph.add_node("slow", slow_once, timeout=0.05, retry_policy=policy).add_edge(START, "slow")
    await graph.compile(name="G").ainvoke(EMPTY, recording.config)
    await recording.settle()

    assert "G{slow!cancelled slow}" == recording.tree
    assert [("G", {"attempt": 2, "error_type": "langgraph.errors.NodeTimeoutError", "node": "slow"})] == marks(
        recording, "Retry"
    )


def test_step_timeout(recording: Recording) -> None:
    """A step that takes too long ends the graph with an error; a sync node is waited for."""
    over = threading.Event()

    def slow(state: Any) -> Any:
        over.wait(0.2)
        return EMPTY

    graph = builder("a", a=slow).compile(name="G")
    graph.step_timeout = 0.02
    graph.stream_eager = True
    with pytest.raises(TimeoutError):
        graph.invoke(EMPTY, recording.config)

    assert "G!error{a}" == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
async def test_async_step_timeout(recording: Recording) -> None:
    """An async node is cancelled then."""
    graph = builder("a", a=never).compile(name="G")
    graph.step_timeout = 0.02
    with pytest.raises(TimeoutError):
        await graph.ainvoke(EMPTY, recording.config)
    await recording.settle()

    assert "G!error{a!cancelled}" == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
@pytest.mark.parametrize("inside", ["node", "model", "tool"])
async def test_cancellation(recording: Recording, inside: str) -> None:
    """Cancelling a graph cancels all that is open in it, whatever awaits in there."""
    started = asyncio.Event()

    async def waits() -> None:
        started.set()
        await asyncio.Event().wait()

    @tool
    async def wait_tool() -> str:
        """Wait."""
        await waits()
        return ""

    async def node(state: Any) -> Any:
        if inside == "model":
            chat = model("x")
            chat.abody = waits
            await chat.ainvoke("hi")
        elif inside == "tool":
            await wait_tool.ainvoke({})
        await waits()

    task = asyncio.create_task(builder("a", a=node).compile(name="G").ainvoke(EMPTY, recording.config))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await recording.settle()

    assert {"cancelled"} == outcomes(recording)
    recording.assert_complete()


def test_node_raises_cancelled(recording: Recording, run_async: bool) -> None:
    """A node that raises a cancellation itself is cancelled, and for its graph that is an error."""

    def raises(state: Any) -> Any:
        raise asyncio.CancelledError

    async def araises(state: Any) -> Any:
        raise asyncio.CancelledError

    with pytest.raises(Exception, match="raised asyncio"):
        run(builder("a", a=araises if run_async else raises).compile(name="G"), EMPTY, recording.config, run_async)

    assert "G!error{a!cancelled}" == recording.tree
    assert "langgraph.errors.NodeCancelledError" == metadata(recording.roots[0])["error.type"]


def test_keyboard_interrupt(recording: Recording) -> None:
    """Ctrl-C in a node, in a thread of its own too, cancels and leaves nothing open."""

    def interrupted(state: Any) -> Any:
        raise KeyboardInterrupt

    graph: Any = StateGraph(State)
    graph.add_node("a", interrupted).add_node("b", says("b")).add_edge(START, "a").add_edge(START, "b")
    with pytest.raises(KeyboardInterrupt):
        graph.compile(name="G").invoke(EMPTY, recording.config)

    assert {"G": "cancelled", "a": "cancelled", "b": "ok"} == {
        node.name: str(node.end and node.end.outcome) for node in recording.roots[0].walk()
    }
    recording.assert_complete()


@pytest.mark.anyio
async def test_cancelled_while_it_ends(recording: Recording) -> None:
    """A root that LangGraph reports as ended twice, cancelled and well, ends once."""
    ending = asyncio.Event()

    class Slow(AsyncCallbackHandler):
        async def on_chain_end(self, outputs: Any, *, parent_run_id: Any = None, **kwargs: Any) -> None:
            if parent_run_id is None:
                ending.set()
                await asyncio.sleep(0.01)

    config = {"callbacks": [recording.handler(), Slow()]}
    task = asyncio.create_task(builder("a", run_async=True).compile(name="G").ainvoke(EMPTY, config))
    await ending.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await recording.settle()

    assert ["G", "a"] == [node.name for node in recording.roots[0].walk()]
    assert 1 == len(recording.roots)
    recording.assert_complete()
