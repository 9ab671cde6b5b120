"""Each hook of the core, as its declaration promises, on a real runtime. One plugin per test, and no mock."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from relay_core import LLMRequest
from relay_core.events import MarkEvent, ScopeEvent
from relay_core.handles import ScopeHandle
from relay_core.hookspecs import hookimpl
from relay_core.runtime import Relay
from relay_core.vocabulary import Outcome


class Recorder:
    """Observes every event, and the thread it comes on."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.events: list[ScopeEvent | MarkEvent] = []
        self.threads: set[int] = set()

    def _see(self, hook: str, event: ScopeEvent | MarkEvent) -> None:
        self.seen.append((hook, event.name))
        self.events.append(event)
        self.threads.add(threading.get_ident())

    @hookimpl
    def relay_scope_start(self, event: ScopeEvent) -> None:
        self._see("start", event)

    @hookimpl
    def relay_scope_end(self, event: ScopeEvent) -> None:
        self._see("end", event)

    @hookimpl
    def relay_mark(self, event: MarkEvent) -> None:
        self._see("mark", event)


def work(relay: Relay) -> None:
    """Do what an application does, and wait for delivery."""
    handle = relay.scopes.push("work", input={"question": 1})
    relay.scopes.event("note", data={"x": 1})
    relay.scopes.pop(handle, output={"answer": 2})
    assert relay.subscribers.flush(10.0)


def test_observing_single_events(relay: Relay) -> None:
    """`relay_scope_start`, `relay_mark` and `relay_scope_end` see each event in order, on one thread of Relay's own."""
    recorder = Recorder()
    relay.registry.register(recorder)
    work(relay)

    assert [("start", "work"), ("mark", "note"), ("end", "work")] == recorder.seen
    assert [{"question": 1}, {"x": 1}, {"answer": 2}] == [event.data for event in recorder.events]
    assert 1 == len(recorder.threads - {threading.get_ident()})


def test_dispatch(relay: Relay) -> None:
    """`relay_dispatch` gets every event once, in order, in tuples that are never empty."""
    batches: list[tuple[ScopeEvent | MarkEvent, ...]] = []

    class Sink:
        @hookimpl
        def relay_dispatch(self, events: tuple[ScopeEvent | MarkEvent, ...]) -> None:
            batches.append(events)

    relay.registry.register(Sink())
    for number in range(50):
        relay.scopes.event(str(number))
    relay.subscribers.flush(10.0)

    assert [str(number) for number in range(50)] == [event.name for batch in batches for event in batch]
    assert all(isinstance(batch, tuple) and batch for batch in batches)


@pytest.mark.parametrize("hook", ["relay_scope_start", "relay_scope_end", "relay_mark", "relay_dispatch"])
def test_observer_that_raises(relay: Relay, hook: str, caplog: pytest.LogCaptureFixture) -> None:
    """An observer that raises is counted and logged under its name; the others still see the event."""

    def fail(self: object) -> None:
        raise SystemExit(1)

    recorder = Recorder()
    relay.registry.register(type("Broken", (), {hook: hookimpl(fail)})(), "broken")
    relay.registry.register(recorder)
    work(relay)

    assert ({"broken": 1}, 3) == (relay.statistics().failed, len(recorder.seen))
    assert "broken" in caplog.text


def test_sanitize(relay: Relay) -> None:
    """`relay_sanitize` changes what all observers see; each plugin gets what the one before returned; None keeps it."""

    class Masking:
        @hookimpl
        def relay_sanitize(self, event: ScopeEvent | MarkEvent) -> ScopeEvent | MarkEvent:
            return event.replace(data={"masked": event.data})

    class Looking:
        @hookimpl(trylast=True)
        def relay_sanitize(self, event: ScopeEvent | MarkEvent) -> None:
            looked.append(event.data)

    looked: list[object] = []
    recorder = Recorder()
    for plugin in (recorder, Looking(), Masking()):
        relay.registry.register(plugin)
    relay.scopes.event("note", data=1)
    relay.subscribers.flush(10.0)

    assert [{"masked": 1}] == looked == [event.data for event in recorder.events]


@pytest.mark.parametrize("answer", [ValueError("no"), "not an event"])
def test_sanitize_fails_closed(relay: Relay, answer: object) -> None:
    """A sanitizer that raises, or returns something else, leaves nothing of the payload; the event itself goes on."""

    class Broken:
        @hookimpl
        def relay_sanitize(self, event: object) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

    recorder = Recorder()
    relay.registry.register(Broken(), "broken")
    relay.registry.register(recorder)
    relay.scopes.event("note", data="secret", metadata={"secret": 1})
    relay.subscribers.flush(10.0)

    assert [("mark", "note")] == recorder.seen
    assert "secret" not in recorder.events[0].to_json()
    assert {"broken": 1} == relay.statistics().failed


def test_flush(relay: Relay) -> None:
    """`relay_flush` comes after everything emitted before was delivered, with the seconds that are left."""
    calls: list[object] = []

    class Buffering:
        @hookimpl
        def relay_mark(self, event: MarkEvent) -> None:
            calls.append(event.name)

        @hookimpl
        def relay_flush(self, timeout: float) -> None:
            calls.append(0 <= timeout <= 10)

    relay.registry.register(Buffering())
    relay.scopes.event("note")
    relay.subscribers.flush(10.0)

    assert ["note", True] == calls


def test_flush_that_raises(relay: Relay) -> None:
    """A plugin that cannot flush does not keep the next one from it; the caller is told that something is missing."""
    calls: list[str] = []

    class Broken:
        @hookimpl
        def relay_flush(self) -> None:
            raise ValueError

    class Fine(Recorder):
        @hookimpl
        def relay_flush(self) -> None:
            calls.append("flushed")

    relay.registry.register(Broken(), "broken")
    relay.registry.register(Fine())
    relay.scopes.event("note")

    assert (False, ["flushed"]) == (relay.subscribers.flush(10.0), calls)


def test_shutdown(relay: Relay) -> None:
    """`relay_shutdown` comes once everything is delivered; what is emitted later is still delivered."""
    calls: list[object] = []

    class Closing:
        @hookimpl
        def relay_mark(self, event: MarkEvent) -> None:
            calls.append(event.name)

        @hookimpl
        def relay_shutdown(self, timeout: float) -> None:
            calls.append(0 <= timeout <= 10)

    relay.registry.register(Closing())
    relay.scopes.event("before")
    relay.shutdown(10.0)
    relay.scopes.event("after")

    assert ["before", True, "after"] == calls


def test_payload_encoder(relay: Relay) -> None:
    """`relay_payload_encoder` is asked once per type, in the emitting thread; the first answer wins."""
    asked: list[tuple[str, int]] = []

    class Money:
        def __init__(self, amount: int) -> None:
            self.amount = amount

    class First:
        @hookimpl
        def relay_payload_encoder(self, type: type) -> Callable[[Any], object] | None:
            asked.append((type.__name__, threading.get_ident()))
            return (lambda money: {"amount": money.amount}) if type is Money else None

    class Second:
        @hookimpl
        def relay_payload_encoder(self) -> Callable[[object], object]:
            return lambda _: "second"

    recorder = Recorder()
    for plugin in (First(), Second(), recorder):
        relay.registry.register(plugin)
    for amount in (1, 2):
        relay.scopes.event("paid", data=[Money(amount)])
    relay.subscribers.flush(10.0)

    assert [[{"amount": 1}], [{"amount": 2}]] == [event.data for event in recorder.events]
    assert [("Money", threading.get_ident())] == asked


def test_current_scope(relay: Relay) -> None:
    """`relay_current_scope` says what is current; a scope that user code opened inside is the inner one."""
    run = relay.scopes.start("run")

    class Integration:
        @hookimpl
        def relay_current_scope(self) -> ScopeHandle | None:
            return run if run.is_open else None

    relay.registry.register(Integration())
    inside = relay.scopes.get_handle()
    mine = relay.scopes.push("mine")
    innermost = relay.scopes.get_handle()
    relay.scopes.pop(mine)
    relay.scopes.end(run, outcome=Outcome.OK)

    assert (run, mine, run.uuid, None) == (inside, innermost, mine.parent_uuid, relay.scopes.current())


def test_current_scope_that_raises(relay: Relay) -> None:
    """An integration that fails to answer is counted, and the next one is asked."""
    run = relay.scopes.start("run")

    class Broken:
        @hookimpl
        def relay_current_scope(self) -> ScopeHandle | None:
            raise ValueError

    class Fine:
        @hookimpl
        def relay_current_scope(self) -> ScopeHandle | None:
            return run

    relay.registry.register(Broken(), "broken")
    relay.registry.register(Fine())

    assert (run, True) == (relay.scopes.get_handle(), relay.statistics().failed["broken"] >= 1)


class Pause(Exception):  # noqa: N818 - no error
    """How some framework stops its work for a while."""


class Framework:
    """Knows its own control flow, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[type[BaseException]] = []

    @hookimpl
    def relay_classify_outcome(self, error: BaseException) -> Outcome | None:
        self.asked.append(type(error))
        return Outcome.INTERRUPTED if isinstance(error, Pause) else None


def pausing(*_: object) -> None:
    """Raise the framework's control flow, with a payload in it."""
    raise Pause("payload")


def in_a_block(relay: Relay) -> None:
    """Pause in a block."""
    with relay.scopes.scope("it"):
        pausing()


def in_a_function(relay: Relay) -> None:
    """Pause in a decorated function."""
    relay.scopes.scope("it")(pausing)()


def in_a_coroutine(relay: Relay) -> None:
    """Pause in a decorated coroutine."""

    @relay.scopes.scope("it")
    async def work() -> None:
        pausing()

    asyncio.run(work())


def in_a_generator(relay: Relay) -> None:
    """Pause in a decorated generator."""

    @relay.scopes.scope("it")
    def work() -> Iterator[int]:
        yield 1
        pausing()

    list(work())


def in_an_async_generator(relay: Relay) -> None:
    """Pause in a decorated async generator."""

    @relay.scopes.scope("it")
    async def work() -> AsyncIterator[int]:
        yield 1
        pausing()

    async def consume() -> None:
        async for _ in work():
            pass

    asyncio.run(consume())


def in_a_tool(relay: Relay) -> None:
    """Pause in a managed tool call."""
    asyncio.run(relay.tools.execute("it", {}, pausing))


def in_a_sync_tool(relay: Relay) -> None:
    """Pause in a managed tool call without a loop."""
    relay.tools.execute_sync("it", {}, pausing)


def in_a_tool_with_middleware(relay: Relay) -> None:
    """Pause in a managed tool call that an intercept rewrites."""
    relay.intercepts.register_tool_request("same", 1, lambda name, args: args)
    asyncio.run(relay.tools.execute("it", {}, pausing))


def in_a_model(relay: Relay) -> None:
    """Pause in a managed model call."""
    asyncio.run(relay.llm.execute("it", LLMRequest({}, {}), pausing))


def in_a_stream(relay: Relay) -> None:
    """Pause in a managed stream without a loop."""

    def chunks(_: object) -> Iterator[int]:
        yield 1
        pausing()

    list(relay.llm.stream_execute_sync("it", LLMRequest({}, {}), chunks, lambda chunk: None, lambda: None))


def in_an_async_stream(relay: Relay) -> None:
    """Pause in a managed stream."""

    async def chunks(_: object) -> AsyncIterator[int]:
        yield 1
        pausing()

    async def consume() -> None:
        stream = await relay.llm.stream_execute("it", LLMRequest({}, {}), chunks, lambda chunk: None, lambda: None)
        async for _ in stream:
            pass

    asyncio.run(consume())


@pytest.mark.parametrize(
    "leave",
    [
        in_a_block,
        in_a_function,
        in_a_coroutine,
        in_a_generator,
        in_an_async_generator,
        in_a_tool,
        in_a_sync_tool,
        in_a_tool_with_middleware,
        in_a_model,
        in_a_stream,
        in_an_async_stream,
    ],
)
def test_classify_outcome(relay: Relay, leave: Callable[[Relay], None]) -> None:
    """`relay_classify_outcome` says that an exception is no error, wherever it leaves a scope; it is asked once."""
    recorder, framework = Recorder(), Framework()
    relay.registry.register(recorder)
    relay.registry.register(framework)
    with pytest.raises(Pause, match="payload"):
        leave(relay)
    relay.subscribers.flush(10.0)

    end = recorder.events[-1]
    assert isinstance(end, ScopeEvent)
    assert ("it", Outcome.INTERRUPTED, [Pause]) == (end.name, end.outcome, framework.asked)
    assert {"otel.status_code": "UNSET", "otel.status_description": "interrupted", "relay.outcome": "interrupted"} == (
        end.metadata
    )


@pytest.mark.parametrize("error", [GeneratorExit, KeyboardInterrupt, SystemExit, asyncio.CancelledError, None])
def test_classify_outcome_is_not_asked(relay: Relay, error: type[BaseException] | None) -> None:
    """Python's own words for stopping are not for integrations to classify, and nobody is asked about a good end."""
    framework = Framework()
    relay.registry.register(framework)
    with contextlib.suppress(BaseException), relay.scopes.scope("it"):
        if error is not None:
            raise error

    assert [] == framework.asked


class Raises:
    @hookimpl
    def relay_classify_outcome(self, error: BaseException) -> Outcome | None:
        raise SystemExit


class Nonsense:
    @hookimpl
    def relay_classify_outcome(self, error: BaseException) -> Any:
        return "interrupted"


@pytest.mark.parametrize("plugin", [Raises(), Nonsense()])
def test_classify_outcome_that_fails(relay: Relay, plugin: object) -> None:
    """A plugin that raises or returns no outcome is counted and the next one asked; with no answer it is an error."""
    recorder = Recorder()
    relay.registry.register(plugin, "broken")
    relay.registry.register(recorder)
    with pytest.raises(Pause):
        in_a_block(relay)
    relay.registry.register(Framework())
    with pytest.raises(Pause):
        in_a_block(relay)
    relay.subscribers.flush(10.0)

    ends = [event for event in recorder.events if isinstance(event, ScopeEvent) and event.scope_category == "end"]
    assert [Outcome.ERROR, Outcome.INTERRUPTED] == [end.outcome for end in ends]
    assert {"broken": 2} == relay.statistics().failed


def test_late_registration_while_events_flow(relay: Relay) -> None:
    """Plugins come and go while other threads emit: each sees all that was emitted while it was there, and no more."""
    passing = [Recorder() for _ in range(20)]
    started = threading.Barrier(3)

    def emit() -> None:
        started.wait(10)
        for number in range(1000):
            relay.scopes.event("noise")
            if number % 100 == 0:
                relay.subscribers.flush(10.0)

    relay.registry.register(Recorder(), "always")
    emitters = [threading.Thread(target=emit) for _ in range(2)]
    for thread in emitters:
        thread.start()
    started.wait(10)
    for number, recorder in enumerate(passing):
        relay.registry.register(recorder)
        relay.scopes.event(f"mark {number}")
        relay.registry.unregister(recorder)
        relay.scopes.event("too late")
    for thread in emitters:
        thread.join()
    relay.subscribers.flush(10.0)

    seen = [[event.name for event in recorder.events if event.name != "noise"] for recorder in passing]
    assert [[f"mark {number}"] for number in range(20)] == seen
    assert ({}, {}) == (relay.statistics().failed, relay.statistics().dropped)
