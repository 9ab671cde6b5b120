"""How runs are found to be over that nobody reports."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from uuid import uuid4

import pytest
from tests.langchain.support import Chat, Recording

from relay_core.vocabulary import ScopeType
from relay_langchain.anchors import IdAnchor, TaskAnchors
from relay_langchain.runs import Run


def run(key: int) -> Run:
    """Return a run with this key."""
    return Run(key, "tool", "t", None, (), {}, ScopeType.Tool, None)


def test_an_id_that_is_gone() -> None:
    """When the last reference to an id goes, the anchor tells which one it was."""
    gone: list[int] = []
    run_id = uuid4()
    key = run_id.int
    anchor = IdAnchor(run_id, lambda anchor: gone.append(anchor.key))
    anchor.key = key
    assert anchor() is run_id

    del run_id

    assert [key] == gone
    assert anchor() is None


@pytest.mark.anyio
async def test_a_cancelled_task() -> None:
    """A task that is cancelled leaves the runs behind that it started and that have not ended."""
    left: list[set[int]] = []
    anchors = TaskAnchors(left.append)
    ended = run(2)

    async def work() -> None:
        for it in (run(1), ended, run(3)):
            anchors.add(it)
        await asyncio.Event().wait()

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    assert ended.task_runs is not None
    ended.task_runs.discard(ended.key)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)

    assert [{1, 3}] == left


@pytest.mark.anyio
async def test_a_task_that_is_done() -> None:
    """A task that ends by itself says nothing: LangChain reports starts in little tasks of their own."""
    left: list[set[int]] = []
    anchors = TaskAnchors(left.append)

    async def work() -> None:
        anchors.add(run(1))

    await asyncio.ensure_future(work())
    await asyncio.sleep(0)

    assert [] == left


def test_outside_of_a_loop() -> None:
    """Without a running loop there is no task to tie a run to."""
    tied = run(1)
    TaskAnchors(lambda _: None).add(tied)

    assert tied.task_runs is None


@pytest.mark.anyio
async def test_a_long_task_keeps_nothing_of_its_calls(recording: Recording) -> None:
    """A task that lives on keeps nothing alive of what was in the context of the calls that it made."""

    class Request:
        """What a call works on."""

    held: contextvars.ContextVar[Request] = contextvars.ContextVar("held")

    def call() -> weakref.ref[Request]:
        request = Request()
        held.set(request)
        Chat().invoke("x", recording.config)
        return weakref.ref(request)

    request = contextvars.copy_context().run(call)

    gc.collect()
    assert request() is None
