"""The two halves of an interrupted run find each other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt
from tests.langchain.support import Recording
from tests.langgraph.support import EMPTY, asks, builder, metadata, thread

from relay_core import jsonl
from relay_core.tree import build_tree, linked
from relay_core.vocabulary import ScopeType

ROOT = Path(__file__).parent.parent.parent


def link(node: Any) -> Any:
    """Return what joins a root to another one."""
    return metadata(node).get("relay.link")


def groups(events: Any) -> list[int]:
    """Return how many roots belong together."""
    return [len(group) for group in linked(build_tree(events).roots)]


def test_link(recording: Recording) -> None:
    """Both roots name the same checkpoint of the same thread; the second one names the first one, too."""
    graph, config = builder("ask", ask=asks()).compile(checkpointer=InMemorySaver()), thread(recording)
    graph.invoke(EMPTY, config)
    graph.invoke(Command(resume="yes"), config)

    first, second = recording.roots
    assert {"thread_id", "checkpoint_ns", "checkpoint_id"} == set(link(first))
    assert ("t1", "") == (link(first)["thread_id"], link(first)["checkpoint_ns"])
    assert first.marks[0].data["checkpoint_id"] == link(first)["checkpoint_id"]
    assert {**link(first), "uuid": first.start.uuid} == link(second)
    assert [2] == groups(recording.events)


def test_links_of_a_run_in_the_middle(recording: Recording) -> None:
    """A run that is resumed and interrupted again has a link to either side."""

    def ask(state: Any) -> Any:
        interrupt("first?")
        return {"seen": []}

    graph = builder("one", "two", one=ask, two=asks()).compile(checkpointer=InMemorySaver())
    config = thread(recording)
    for inputs in (EMPTY, Command(resume=1), Command(resume=2)):
        graph.invoke(inputs, config)

    first, second, third = recording.roots
    assert [{**link(first), "uuid": first.start.uuid}, {k: v for k, v in link(third).items() if k != "uuid"}] == link(
        second
    )
    assert second.start.uuid == link(third)["uuid"]
    assert [3] == groups(recording.events)


def test_threads_stay_apart(recording: Recording) -> None:
    """Runs of different threads, and of one thread at different times, are not joined."""
    graph = builder("ask", ask=asks()).compile(checkpointer=InMemorySaver())
    for thread_id in ("t1", "t2", "t1"):
        graph.invoke(EMPTY, thread(recording, thread_id))
        graph.invoke(Command(resume="yes"), thread(recording, thread_id))

    assert [2, 2, 2] == groups(recording.events)


def test_without_thread(recording: Recording) -> None:
    """Where nobody can resume there is nothing to join."""
    builder("a", "b").compile(interrupt_before=["b"]).invoke(EMPTY, recording.config)

    assert link(recording.roots[0]) is None


def test_root_around_the_graph(recording: Recording) -> None:
    """Whatever contains the graph carries the link as well: a chain, and a scope of the user's own."""
    graph = builder("ask", ask=asks()).compile(name="G", checkpointer=InMemorySaver())
    chain = RunnableLambda(lambda x: x) | graph
    with recording.relay.scopes.scope("request", ScopeType.Agent):
        chain.invoke(EMPTY, thread(recording))
    graph.invoke(Command(resume="yes"), thread(recording))

    first, second = recording.roots
    assert ["request", "G"] == [first.name, second.name]
    expected = {key: value for key, value in link(second).items() if key != "uuid"}
    for node in (first, recording.node("RunnableSequence"), recording.nodes("G")[0]):
        assert expected == link(node)
    assert first.start.uuid == link(second)["uuid"]
    assert "ok" == metadata(first)["relay.outcome"]


def test_consumer_stops_at_the_interrupt(recording: Recording) -> None:
    """Where LangGraph tells nobody the checkpoint, the node that asks joins both halves in this process."""
    graph = builder("ask", ask=asks()).compile(checkpointer=InMemorySaver())
    for _ in graph.stream(EMPTY, thread(recording), stream_mode="updates"):
        break
    graph.invoke(Command(resume="yes"), thread(recording))

    first, second = recording.roots
    assert first.start.uuid == link(second)[1]["uuid"]
    assert metadata(second.children[0])["langgraph.checkpoint_ns"] == link(first)["checkpoint_ns"]
    assert [2] == groups(recording.events)


@pytest.mark.parametrize("way", ["handler", "installed"])
def test_two_processes(tmp_path: Path, way: str) -> None:
    """Interrupt in one process, resume in another, on one SQLite file: two roots, in two files, with the same link."""
    files = [tmp_path / "ask.jsonl", tmp_path / "answer.jsonl"]
    for path, half in zip(files, ("ask", "answer"), strict=True):
        command = [
            sys.executable,
            "-m",
            "tests.langgraph.two_processes",
            str(tmp_path / "state.db"),
            str(path),
            half,
            way,
        ]
        subprocess.run(command, check=True, cwd=ROOT)

    assert [[], []] == [jsonl.validate(path) for path in files]
    tree = build_tree(event for path in files for event in jsonl.read(path))
    first, second = tree.roots
    assert ["interrupted", "ok"] == [str(first.outcome), str(second.outcome)]
    assert first.metadata["relay.link"] == second.metadata["relay.link"]
    assert "order-7" == first.metadata["relay.link"]["thread_id"]
    assert (first.metadata["relay.link"]["checkpoint_id"] is None) == (way == "installed")
    assert [[first, second]] == linked(tree.roots)


@pytest.mark.parametrize("limit", [0, 2])
def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    """Of the interrupts of this process the last ones are remembered, as many as the settings say."""
    monkeypatch.setenv("RELAY_PLUGINS__LANGGRAPH__REMEMBERED_INTERRUPTS", str(limit))
    recording = Recording()
    graph = builder("ask", ask=asks()).compile(checkpointer=InMemorySaver())
    threads = [thread(recording, f"t{i}") for i in range(4)]
    for config in threads:
        graph.invoke(EMPTY, config)
    for config in threads:
        graph.invoke(Command(resume="yes"), config)

    assert [i >= 4 - limit for i in range(4)] == ["uuid" in link(root) for root in recording.roots[4:]]
    assert [2, 2, 2, 2] == groups(recording.events)
