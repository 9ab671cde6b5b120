"""Streamed graphs: every mode, and every way to stop early."""

from __future__ import annotations

import asyncio
import gc
from contextlib import aclosing
from typing import Any

import pytest
from langgraph.types import StreamWriter
from tests.langchain.support import Recording, StreamingChat
from tests.langgraph.support import EMPTY, builder, metadata, outcomes

MODES = ["values", "updates", "debug", "tasks", "checkpoints", "messages", "custom"]
BETA = pytest.mark.filterwarnings("ignore:The v3 streaming protocol on Pregel is experimental")


def talking() -> Any:
    """Return a graph whose node asks a model and writes to the stream."""

    def talk(state: Any, writer: StreamWriter) -> Any:
        writer("hi")
        return {"seen": [StreamingChat().invoke("hi").content]}

    return builder("a", "talk", talk=talk).compile(name="G")


def atalking() -> Any:
    """Return the same graph for async code."""

    async def talk(state: Any) -> Any:
        return {"seen": [(await StreamingChat().ainvoke("hi")).content]}

    return builder("a", "talk", run_async=True, talk=talk).compile(name="G")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("subgraphs", [False, True])
def test_modes(recording: Recording, mode: Any, subgraphs: bool) -> None:
    """No stream mode changes the tree."""
    assert (
        list(talking().stream(EMPTY, recording.config, stream_mode=mode, subgraphs=subgraphs)) or mode == "checkpoints"
    )

    assert "G{a talk{StreamingChat}}" == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
@pytest.mark.parametrize("mode", MODES)
async def test_async_modes(recording: Recording, mode: Any) -> None:
    """Neither does one in async code."""
    async for _ in atalking().astream(EMPTY, recording.config, stream_mode=mode):
        pass
    await recording.settle()

    assert "G{a talk{StreamingChat}}" == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
async def test_astream_events(recording: Recording) -> None:
    """Nor does `astream_events`."""
    async for _ in atalking().astream_events(EMPTY, recording.config, version="v2"):
        pass
    await recording.settle()

    assert "G{a talk{StreamingChat}}" == recording.tree
    recording.assert_complete()


@pytest.mark.parametrize("how", ["break", "close", "raise"])
def test_left_early(recording: Recording, how: str) -> None:
    """A graph whose consumer stops is abandoned; what had run, had run."""
    chunks = builder("a", "b").compile(name="G").stream(EMPTY, recording.config, stream_mode="updates")
    if how == "close":
        next(chunks)
        chunks.close()
    else:
        try:
            for _ in chunks:
                if how == "raise":
                    raise ValueError
                break
        except ValueError:
            pass
        del chunks

    assert "G!abandoned{a}" == recording.tree
    recording.assert_complete()


def test_left_in_the_middle_of_an_answer(recording: Recording) -> None:
    """A sync node runs to its end before its graph is left."""
    chunks = talking().stream(EMPTY, recording.config, stream_mode="messages")
    next(chunks)
    chunks.close()

    assert "G!abandoned{a talk{StreamingChat}}" == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
async def test_async_left_early(recording: Recording) -> None:
    """An async graph that is left is abandoned at once; what was at work in it is cancelled."""
    begun = asyncio.Event()

    async def slow(state: Any) -> Any:
        begun.set()
        await asyncio.Event().wait()

    graph = builder("a", "slow", run_async=True, slow=slow).compile(name="G")
    async with aclosing(graph.astream(EMPTY, recording.config, stream_mode=["updates", "custom"])) as chunks:
        async for _ in chunks:
            break
    await recording.settle()

    assert recording.tree in ("G!abandoned{a}", "G!abandoned{a slow!cancelled}")
    recording.assert_complete()


@pytest.mark.anyio
async def test_async_left_in_the_middle_of_an_answer(recording: Recording) -> None:
    """So is a model's answer that nobody waits for any more."""
    async with aclosing(atalking().astream(EMPTY, recording.config, stream_mode="messages")) as chunks:
        async for _ in chunks:
            break
    await recording.settle()

    assert "abandoned" == metadata(recording.roots[0])["relay.outcome"]
    assert outcomes(recording) <= {"ok", "abandoned", "cancelled"}
    recording.assert_complete()


@BETA
@pytest.mark.anyio
async def test_typed_streams(recording: Recording) -> None:
    """LangGraph's typed streams show the same tree, sync and async."""
    with talking().stream_events(EMPTY, recording.config, version="v3") as stream:
        for _ in stream:
            pass
    async with await atalking().astream_events(EMPTY, recording.config, version="v3") as astream:
        async for _ in astream:
            pass
    await recording.settle()

    assert "G{a talk{StreamingChat}} G{a talk{StreamingChat}}" == recording.tree
    recording.assert_complete()


@BETA
def test_typed_stream_left_early(recording: Recording) -> None:
    """One that is left without being closed ends as abandoned, once it is collected."""
    stream = builder("a", "b").compile(name="G").stream_events(EMPTY, recording.config, version="v3")
    next(iter(stream))
    del stream
    gc.collect()

    assert "abandoned" == metadata(recording.roots[0])["relay.outcome"]
    recording.assert_complete()
