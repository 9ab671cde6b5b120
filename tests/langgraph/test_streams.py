"""What a graph's own stream tells on request: cached nodes, replayed nodes and checkpoints, as marks."""

from __future__ import annotations

import itertools
from typing import Any
from uuid import uuid4

import pytest
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy, Command, interrupt
from tests.langchain.support import Recording
from tests.langgraph.support import EMPTY, State, asks, builder, marks, says, thread

import relay_langgraph
from relay_langgraph.streams import CACHED, CHECKPOINT

SHAPES = list(itertools.product([None, "values", "updates", ["values"], ["updates", "checkpoints"]], [False, True]))


def cached_graph(run_async: bool = False) -> Any:
    """Return a graph with a node that is cached, and one that is not."""
    graph: Any = StateGraph(State)
    graph.add_node("costly", says("costly", run_async), cache_policy=CachePolicy())
    graph.add_node("cheap", says("cheap", run_async)).add_edge(START, "costly").add_edge("costly", "cheap")
    return graph.compile(name="G", cache=InMemoryCache(), checkpointer=InMemorySaver())


@pytest.mark.parametrize(("mode", "subgraphs"), SHAPES, ids=str)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_chunks(recording: Recording, mode: Any, subgraphs: bool, version: Any) -> None:
    """The chunks are those that the graph itself streams, in the same shape."""
    inner = builder("n").compile(name="INNER")
    graph = builder("a", "sub", sub=inner).compile(name="G")
    options: Any = {"subgraphs": subgraphs, "version": version}
    if mode is not None:
        options["stream_mode"] = mode
    expected = [shape(chunk) for chunk in graph.stream(EMPTY, {}, **options)]
    actual = [
        shape(chunk)
        for chunk in relay_langgraph.stream(graph, EMPTY, recording.config, runtime=recording.relay, **options)
    ]

    assert expected == actual
    assert "G{a sub{INNER{n}}}" == recording.tree


def shape(chunk: Any) -> Any:
    """Return a chunk without what differs from run to run."""
    if isinstance(chunk, dict):
        return {key: shape(value) for key, value in chunk.items()}
    if isinstance(chunk, list | tuple):
        return type(chunk)(shape(item) for item in chunk)
    return chunk.partition(":")[0] if isinstance(chunk, str) else chunk


def test_cached_nodes(recording: Recording) -> None:
    """A node that does not run, because its result is cached, leaves a mark on the graph."""
    graph = cached_graph()
    for i in range(2):
        config = thread(recording, f"t{i}")
        result = list(relay_langgraph.stream(graph, EMPTY, config, stream_mode="values", runtime=recording.relay))
        assert {"seen": ["costly", "cheap"]} == result[-1]

    assert "G{costly cheap} G{cheap}" == recording.tree
    assert [("G", {"nodes": ["costly"], "checkpoint_ns": ""})] == marks(recording, CACHED)


@pytest.mark.anyio
async def test_cached_async_nodes(recording: Recording) -> None:
    """So does one of an async graph."""
    graph = cached_graph(run_async=True)
    for i in range(2):
        stream = relay_langgraph.astream(graph, EMPTY, thread(recording, f"t{i}"), runtime=recording.relay)
        assert 2 == len([chunk async for chunk in stream])
    await recording.settle()

    assert [("G", {"nodes": ["costly"], "checkpoint_ns": ""})] == marks(recording, CACHED)


def test_checkpoints(recording: Recording) -> None:
    """Each checkpoint is a mark: its id, what made it, and what comes next; the last one is that of the interrupt."""
    graph = builder("a", "ask", ask=asks()).compile(name="G", checkpointer=InMemorySaver())
    list(relay_langgraph.stream(graph, EMPTY, thread(recording), runtime=recording.relay))

    found = [data for _, data in marks(recording, CHECKPOINT)]
    assert [("input", -1, ["__start__"]), ("loop", 0, ["a"]), ("loop", 1, ["ask"])] == [
        (data["source"], data["step"], data["next"]) for data in found
    ]
    assert dict(marks(recording, "Graph Interrupt"))["G"]["checkpoint_id"] == found[-1]["checkpoint_id"]


def test_replayed_nodes(recording: Recording) -> None:
    """A node whose result a resume takes from before the interrupt leaves a mark, too."""
    graph: Any = StateGraph(State)
    graph.add_node("done", says("done")).add_node("ask", asks()).add_edge(START, "done").add_edge(START, "ask")
    compiled = graph.compile(name="G", checkpointer=InMemorySaver())
    for inputs in (EMPTY, Command(resume="yes")):
        list(relay_langgraph.stream(compiled, inputs, thread(recording), runtime=recording.relay))

    assert "G{ask}" == str(recording.roots[1])
    assert [["done"]] == [data["nodes"] for _, data in marks(recording, CACHED)]


def test_replayed_tasks(recording: Recording) -> None:
    """Of a task whose result a resume takes from before LangGraph's streams tell nothing either."""

    @task
    def work(x: int) -> int:
        return x

    @entrypoint(checkpointer=InMemorySaver())
    def flow(x: int) -> Any:
        return work(x).result(), interrupt("sure?")

    for inputs in (1, Command(resume="yes")):
        list(relay_langgraph.stream(flow, inputs, thread(recording), runtime=recording.relay))

    assert "LangGraph!interrupted{flow!interrupted{work}} LangGraph{flow}" == recording.tree
    assert [] == marks(recording, CACHED)


def test_run_id_of_the_caller(recording: Recording) -> None:
    """A run id that the caller chose is kept."""
    run_id = uuid4()
    list(
        relay_langgraph.stream(cached_graph(), EMPTY, {**thread(recording), "run_id": run_id}, runtime=recording.relay)
    )

    assert str(run_id) == (recording.roots[0].start.metadata or {})["langchain.run_id"]


def test_left_early(recording: Recording) -> None:
    """Leaving the stream leaves the graph."""
    stream = relay_langgraph.stream(cached_graph(), EMPTY, thread(recording), runtime=recording.relay)
    next(stream)
    stream.close()

    assert "G!abandoned{costly}" == recording.tree
    recording.assert_complete()


def test_without_handler(recording: Recording) -> None:
    """Where nobody records the graph it streams all the same."""
    assert 2 == len(list(relay_langgraph.stream(cached_graph(), EMPTY, {"configurable": {"thread_id": "t"}})))
