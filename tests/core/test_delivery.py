"""Who gets which event, in which order and in which scope; and that nobody's failure is anybody else's."""

import asyncio
import logging
import threading
from typing import Any

import pytest
from tests.core.gate import Gate
from tests.core.recorder import Recorder

from relay_core import MarkEvent, RegistrationError, Relay, ScopeEvent, hookimpl
from relay_core.trajectory import Trajectory

# --- Order -----------------------------------------------------------------------------------------------------------


def test_emission_order(relay: Relay, recorder: Recorder) -> None:
    """Events come in the order in which they were emitted, over many batches."""
    for number in range(5000):
        relay.scopes.event(f"{number}")

    assert [f"{number}" for number in range(5000)] == recorder.names


def test_emission_order_of_each_thread(relay: Relay, recorder: Recorder) -> None:
    """The events of each thread come in its own order."""

    def work(name: str) -> None:
        for number in range(1000):
            relay.scopes.event(name, data=number)

    threads = [threading.Thread(target=work, args=(f"{it}",)) for it in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for name in ("0", "1", "2", "3"):
        assert list(range(1000)) == [it.data for it in recorder.marks if it.name == name]


def test_registration_order(relay: Relay) -> None:
    """Each event goes to the subscribers in the order of their registration, in a thread of its own."""
    seen: list[str] = []
    threads: set[int] = set()
    for name in "cab":

        def see(event: ScopeEvent | MarkEvent, name: str = name) -> None:
            seen.append(name + event.name)
            threads.add(threading.get_ident())

        relay.subscribers.register(name, see)
    relay.scopes.event("1")
    relay.scopes.event("2")
    assert relay.subscribers.flush()

    assert ["c1", "a1", "b1", "c2", "a2", "b2"] == seen
    assert 1 == len(threads - {threading.get_ident()})


def test_local_subscribers(relay: Relay) -> None:
    """After the global subscribers come those of the scopes, from root to leaf, each with its scope's subtree."""
    seen: dict[str, list[str]] = {"global": [], "outer": [], "inner": []}
    order: list[str] = []

    def register(name: str, handle: Any = None) -> None:
        def see(event: ScopeEvent | MarkEvent) -> None:
            phase = {"start": "+", "end": "-"}.get(getattr(event, "scope_category", ""), "")
            seen[name].append(phase + event.name)
            order.append(name)

        if handle is None:
            relay.subscribers.register(name, see)
        else:
            relay.subscribers.register_local(handle, name, see)

    with relay.scopes.scope("outer") as outer, relay.scopes.scope("inner") as inner:
        register("inner", inner)
        register("outer", outer)
        register("global")
        relay.scopes.event("note")
        relay.scopes.event("elsewhere", handle=relay.root)
    relay.scopes.event("after")
    assert relay.subscribers.flush()

    assert ["note", "-inner"] == seen["inner"]
    assert ["note", "-inner", "-outer"] == seen["outer"]
    assert ["note", "elsewhere", "-inner", "-outer", "after"] == seen["global"]
    assert ["global", "outer", "inner"] == order[:3]


def test_local_subscribers_alone(relay: Relay) -> None:
    """A local subscriber gets its events where nobody else listens; outside of its scope nothing is built."""
    seen: list[str] = []
    with relay.scopes.scope("request") as request:
        relay.subscribers.register_local(request, "local", lambda event: seen.append(event.name))
        relay.scopes.pop(relay.scopes.push("work", input=1))
        relay.scopes.pop(relay.scopes.push("elsewhere", handle=relay.root))
    assert relay.subscribers.flush()

    assert ["work", "work", "request"] == seen
    assert 3 == relay.statistics().emitted


def test_all_who_get_an_event(relay: Relay) -> None:
    """A plugin's own hooks and subscribers come first, then the scopes', then the sinks, then whole trajectories."""
    order: list[str] = []

    class Plugin:
        @hookimpl
        def relay_trajectory(self, trajectory: Trajectory) -> None:
            order.append(f"trajectory of {trajectory.events[0].name}")

        @hookimpl
        def relay_dispatch(self, events: tuple[ScopeEvent | MarkEvent, ...]) -> None:
            order.extend(f"sink {it.name}" for it in events)

        @hookimpl
        def relay_scope_end(self, event: ScopeEvent) -> None:
            order.append(f"hook {event.name}")

    gate = Gate(relay)
    relay.registry.register(Plugin(), "plugin")
    for name in "ab":
        with relay.scopes.scope(name) as scope:
            relay.subscribers.register_local(scope, "local", lambda event: order.append(f"local {event.name}"))
    gate.open()
    assert relay.subscribers.flush()

    single = ["hook a", "local a", "hook b", "local b"]
    assert [*single, *(f"sink {it}" for it in "aabb"), "trajectory of a", "trajectory of b"] == order


# --- The audience is a snapshot --------------------------------------------------------------------------------------


def test_the_audience_of_an_event(relay: Relay) -> None:
    """Who is deregistered, or whose scope ends, still gets what was emitted before; who comes later does not."""
    gate = Gate(relay)
    seen: list[str] = []
    scope = relay.scopes.push("scope")
    relay.subscribers.register("early", lambda event: seen.append(f"early {event.name}"))
    relay.subscribers.register_local(scope, "local", lambda event: seen.append(f"local {event.name}"))

    relay.scopes.event("note")
    assert relay.subscribers.deregister("early")
    relay.subscribers.register("late", lambda event: seen.append(f"late {event.name}"))
    relay.scopes.pop(scope)
    relay.scopes.event("last")
    gate.open()
    assert relay.subscribers.flush()

    assert ["early note", "local note", "late scope", "local scope", "late last"] == seen


# --- Inside of a subscriber ------------------------------------------------------------------------------------------


def test_the_current_scope_of_a_subscriber(relay: Relay) -> None:
    """While a subscriber runs, the emitter's scope is current, or its nearest open ancestor, or none."""
    gate = Gate(relay)
    current: dict[str, object] = {}
    relay.subscribers.register("see", lambda event: current.setdefault(event.name, relay.scopes.current()))
    outer = relay.scopes.push("outer")
    inner = relay.scopes.push("inner")
    relay.scopes.event("in inner")
    relay.scopes.event("in outer", handle=outer)
    relay.scopes.event("alone", handle=relay.root)
    relay.scopes.pop(inner)
    gate.open()
    assert relay.subscribers.flush()

    # Inner has ended by the time its events are delivered.
    assert {"outer": outer, "inner": outer, "in inner": outer, "in outer": outer, "alone": None} == current


def test_a_scope_of_a_subscriber(relay: Relay, recorder: Recorder) -> None:
    """What a subscriber pushes is inside of the emitter's scope, and gone with the next event."""

    def work(event: ScopeEvent | MarkEvent) -> None:
        if event.name == "note":
            relay.scopes.push("of the subscriber")
            relay.scopes.event("inside")

    relay.subscribers.register("work", work)
    with relay.scopes.scope("outer"):
        relay.scopes.event("note")
        assert relay.subscribers.flush()

    assert {"of the subscriber": "outer", "inside": "of the subscriber"}.items() <= recorder.parents().items()


def test_work_that_a_subscriber_schedules(relay: Relay, recorder: Recorder) -> None:
    """Work that a subscriber gives to an event loop stays in the scope of its event, whatever comes meanwhile."""
    ready, go_on = threading.Event(), threading.Event()
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        over = asyncio.Event()
        loops.append((asyncio.get_running_loop(), over))
        ready.set()
        await over.wait()

    async def work() -> None:
        await asyncio.to_thread(go_on.wait, 10)
        relay.scopes.event("scheduled")
        loops[0][1].set()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(10)

    def schedule(event: ScopeEvent | MarkEvent) -> None:
        if event.name == "note":
            asyncio.run_coroutine_threadsafe(work(), loops[0][0])

    relay.subscribers.register("schedule", schedule)
    first = relay.scopes.push("first")
    relay.scopes.event("note")
    relay.scopes.push("second")
    relay.scopes.event("something else")
    assert relay.subscribers.flush()
    go_on.set()
    thread.join(10)

    assert first.uuid == recorder.mark("scheduled").parent_uuid


def test_no_scope_for_batches(relay: Relay) -> None:
    """A sink that gets whole batches is in no scope."""
    current: list[object] = []

    class Sink:
        @hookimpl
        def relay_dispatch(self, events: tuple[ScopeEvent | MarkEvent, ...]) -> None:
            current.append(relay.scopes.current())

    relay.registry.register(Sink(), "sink")
    with relay.scopes.scope("work"):
        relay.scopes.event("note")
        assert relay.subscribers.flush()

    assert [None] == current


def test_feedback(relay: Relay) -> None:
    """What a subscriber emits is queued behind what is queued already."""
    gate = Gate(relay)
    seen: list[str] = []

    def feed(event: ScopeEvent | MarkEvent) -> None:
        seen.append(event.name)
        if event.name in ("a", "b"):
            relay.scopes.event(f"{event.name} caused")

    relay.subscribers.register("feed", feed)
    for name in "abc":
        relay.scopes.event(name)
    gate.open()
    assert relay.subscribers.flush()
    assert relay.subscribers.flush()

    assert ["a", "b", "c", "a caused", "b caused"] == seen


def test_endless_feedback(relay: Relay) -> None:
    """A subscriber that feeds itself is cut off eight levels deep; the loss is counted and told in the stream."""
    seen: list[str] = []
    told: list[Any] = []

    def feed(event: ScopeEvent | MarkEvent) -> None:
        if event.name == "relay.events_dropped":
            told.append(event.data)
        else:
            seen.append(event.name)
        relay.scopes.event(f"{event.name}+")

    relay.subscribers.register("feed", feed)
    relay.scopes.event("x")
    for _ in range(12):
        assert relay.subscribers.flush()

    assert ["x" + "+" * depth for depth in range(9)] == seen
    assert [{"count": 1, "reason": "feedback"}] == told
    statistics = relay.statistics()
    assert {"feedback": 2} == statistics.dropped  # the mark's own reaction, too, but that is not told again
    assert statistics.emitted == statistics.delivered + 2


def test_registering_from_a_subscriber(relay: Relay) -> None:
    """A subscriber may register and deregister, also itself, and may ask for a flush, which it does not get."""
    seen: list[object] = []

    def once(event: ScopeEvent | MarkEvent) -> None:
        seen.append(relay.subscribers.deregister("once"))
        relay.subscribers.register("next", lambda event: seen.append(event.name))
        seen.append(relay.subscribers.flush())

    relay.subscribers.register("once", once)
    relay.scopes.event("1")
    assert relay.subscribers.flush()
    relay.scopes.event("2")
    assert relay.subscribers.flush()

    assert [True, False, "2"] == seen


# --- Failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt(), SystemExit(1), GeneratorExit()])
def test_a_subscriber_that_raises(relay: Relay, caplog: pytest.LogCaptureFixture, error: BaseException) -> None:
    """Whatever a subscriber raises is counted under its name and logged once; the others still get every event."""
    seen: list[str] = []

    def fail(event: ScopeEvent | MarkEvent) -> None:
        raise error

    relay.subscribers.register("bad one", fail)
    relay.subscribers.register("good one", lambda event: seen.append(event.name))
    with relay.scopes.scope("work"):
        relay.scopes.event("note")
    assert relay.subscribers.flush()

    assert ["work", "note", "work"] == seen
    assert {"bad one": 3} == relay.statistics().failed
    (record,) = (it for it in caplog.records if "bad one" in it.message)
    assert ("relay_core", logging.ERROR) == (record.name, record.levelno)
    assert 3 == relay.statistics().delivered


def test_a_sink_that_raises(relay: Relay, recorder: Recorder) -> None:
    """A sink that raises is counted; the other sinks still get the batch."""
    batches: list[int] = []

    class Bad:
        @hookimpl
        def relay_dispatch(self, events: tuple[ScopeEvent | MarkEvent, ...]) -> None:
            raise OSError("disk full")

    class Good:
        @hookimpl
        def relay_dispatch(self, events: tuple[ScopeEvent | MarkEvent, ...]) -> None:
            batches.append(len(events))

    relay.registry.register(Bad(), "bad")
    relay.registry.register(Good(), "good")
    for _ in range(10):
        relay.scopes.event("note")

    assert 10 == len(recorder.events) == sum(batches)
    assert relay.statistics().failed["bad"] >= 1


@pytest.mark.parametrize("hook", ["relay_scope_start", "relay_scope_end", "relay_mark"])
def test_a_plugin_that_raises(relay: Relay, caplog: pytest.LogCaptureFixture, hook: str) -> None:
    """What the log says of a plugin that raises is the hook: it is no subscriber."""

    class Plugin:
        @hookimpl(specname=hook)
        def fail(self, event: ScopeEvent | MarkEvent) -> None:
            raise ValueError("no")

    relay.registry.register(Plugin(), "acme")
    with relay.scopes.scope("work"):
        relay.scopes.event("note")
    assert relay.subscribers.flush()

    assert f"acme failed in {hook} (1 so far)" in [it.getMessage() for it in caplog.records]
    assert {"acme": 1} == relay.statistics().failed


# --- Registering -----------------------------------------------------------------------------------------------------


def test_names(relay: Relay) -> None:
    """A subscriber's name is taken until it is deregistered; deregistering an unknown one says so."""
    relay.subscribers.register("a", print)
    with pytest.raises(RegistrationError, match="subscriber 'a' already exists"):
        relay.subscribers.register("a", print)
    assert relay.subscribers.deregister("a")
    assert not relay.subscribers.deregister("a")
    relay.subscribers.register("a", print)


def test_local_names(relay: Relay) -> None:
    """Names are a scope's own."""
    handle, other = relay.scopes.push("work"), relay.scopes.push("other")
    relay.subscribers.register_local(handle, "a", print)
    relay.subscribers.register_local(other, "a", print)
    with pytest.raises(RegistrationError, match="subscriber 'a' already exists"):
        relay.subscribers.register_local(handle, "a", print)
    assert relay.subscribers.deregister_local(handle, "a")
    assert not relay.subscribers.deregister_local(handle, "a")


async def asynchronous(event: object) -> None:
    """Be no subscriber."""


@pytest.mark.parametrize(
    ("name", "callback", "says"),
    [
        (7, print, "name must be a str, not int"),
        ("a", None, "must be callable, not NoneType"),
        ("a", asynchronous, "must not be async"),
    ],
)
def test_wrong_registrations(relay: Relay, name: Any, callback: Any, says: str) -> None:
    """A name that is no text, and what cannot be called synchronously, is refused at once."""
    handle = relay.scopes.push("work")
    with pytest.raises(TypeError, match=says):
        relay.subscribers.register(name, callback)
    with pytest.raises(TypeError, match=says):
        relay.subscribers.register_local(handle, name, callback)
