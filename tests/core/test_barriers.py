"""Waiting for delivery: what a flush waits for, where it may, and what it says afterwards."""

import asyncio
import threading
import time

import pytest
from tests.core.gate import Gate
from tests.core.recorder import Recorder

from relay_core import Relay, hookimpl
from relay_core.errors import RunningLoopError


def test_flush_with_nothing_to_do(relay: Relay) -> None:
    """Where nothing was ever emitted a flush is over at once."""
    assert relay.subscribers.flush(0.0)
    relay.subscribers.register("a", print)
    assert relay.subscribers.flush(0.0)


def test_flush_when_all_is_delivered(relay: Relay) -> None:
    """Without time to wait a flush says whether there is anything to wait for: events, or buffers of plugins."""

    class Sink:
        @hookimpl
        def relay_flush(self, timeout: float) -> None:
            """Have nothing to write."""

    gate = Gate(relay)
    assert not relay.subscribers.flush(0.0)
    gate.open()
    assert relay.subscribers.flush()
    assert relay.subscribers.flush(0.0)

    relay.registry.register(Sink(), "sink")
    assert relay.subscribers.flush(0.0)
    relay.scopes.event("note")
    while relay.statistics().delivered < 2:
        time.sleep(0.001)
    assert not relay.subscribers.flush(0.0)
    assert relay.subscribers.flush()
    assert relay.subscribers.flush(0.0)


@pytest.mark.anyio
async def test_flush_async_when_all_is_delivered(relay: Relay) -> None:
    """The same in an event loop."""
    relay.subscribers.register("see", print)
    relay.scopes.event("note")
    assert await relay.subscribers.flush_async()

    assert await relay.subscribers.flush_async(0.0)


@pytest.mark.anyio
async def test_flush_in_a_loop(relay: Relay, recorder: Recorder) -> None:
    """A flush refuses to block an event loop and names the one that does not."""
    relay.scopes.event("note")
    with pytest.raises(RunningLoopError, match=r"await subscribers\.flush_async\(\)"):
        relay.subscribers.flush()

    assert await relay.subscribers.flush_async()
    assert 1 == relay.statistics().delivered


@pytest.mark.anyio
async def test_flush_async_does_not_block(relay: Relay) -> None:
    """While an asynchronous flush waits the loop goes on; it says when it was not over in time; it can be cancelled."""
    gate = Gate(relay)
    assert not await relay.subscribers.flush_async(0.01)

    task = asyncio.create_task(relay.subscribers.flush_async())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    task = asyncio.create_task(relay.subscribers.flush_async())
    await asyncio.sleep(0.01)
    assert not task.done()
    gate.open()
    assert await task


def test_flush_async_whose_loop_is_gone(relay: Relay) -> None:
    """A flush that nobody waits for any more disturbs nobody."""
    gate = Gate(relay)
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(relay.subscribers.flush_async(), 0.01))
    gate.open()

    assert relay.subscribers.flush()


def test_flush_out_of_a_subscriber(relay: Relay) -> None:
    """A subscriber that runs a loop of its own to flush gets an answer at once."""
    answers: list[bool] = []
    relay.subscribers.register("see", lambda event: answers.append(asyncio.run(relay.subscribers.flush_async())))
    relay.scopes.event("note")
    assert relay.subscribers.flush()

    assert [False] == answers


def test_many_flushes_at_once(relay: Relay, recorder: Recorder) -> None:
    """Several threads may flush at once, each for what it emitted before."""
    problems: list[str] = []

    def work(name: str) -> None:
        for number in range(30):
            relay.scopes.event(f"{name} {number}")
            if not relay.subscribers.flush():
                problems.append("not finished")
            if f"{name} {number}" not in recorder.seen:
                problems.append(f"{name} {number}")

    threads = [threading.Thread(target=work, args=(f"{it}",)) for it in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == problems


def test_a_plugin_that_cannot_flush(relay: Relay) -> None:
    """A flush says when a plugin could not write out what it holds; everything was delivered all the same."""

    class Sink:
        @hookimpl
        def relay_flush(self, timeout: float) -> None:
            raise OSError("disk full")

    relay.registry.register(Sink(), "sink")
    recorder: list[object] = []
    relay.subscribers.register("recorder", recorder.append)
    relay.scopes.event("note")

    assert not relay.subscribers.flush()
    assert 1 == len(recorder)
