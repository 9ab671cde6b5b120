"""The bounded queue: what is lost when it is full, who waits, and that the counters add up whatever happens."""

import asyncio
import gc
import itertools
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.core.recorder import Recorder

from relay_core import MarkEvent, Relay, ScopeEvent
from relay_core.event_queue import BATCH_EVENTS
from relay_core.testing import isolated_runtime

pytestmark = pytest.mark.usefixtures("implementation")

LOSS = "relay.events_dropped"


class Held:
    """A subscriber that takes events one at a time, when it is let."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.names: list[str] = []
        self.told: list[dict[str, object]] = []
        self._reached = threading.Event()
        self._open = threading.Event()
        relay.subscribers.register("held", self)
        relay.scopes.event("first")
        assert self._reached.wait(10)

    def __call__(self, event: ScopeEvent | MarkEvent) -> None:
        self._reached.set()
        assert self._open.wait(30)
        if event.name == LOSS:
            self.told.append(event.data)
        else:
            self.names.append(event.name)

    def let_go(self) -> None:
        """Take everything."""
        self._open.set()
        assert self.relay.subscribers.flush()


def check_sums(relay: Relay, held: Held) -> int:
    """Check that nothing was lost silently; give the number of losses."""
    statistics = relay.statistics()
    lost = statistics.dropped.get("queue_full", 0)
    assert statistics.emitted == statistics.delivered + lost
    assert (0, 0) == (statistics.queued, statistics.queued_bytes)
    assert lost == sum(int(str(it["count"])) for it in held.told)
    assert {"queue_full"} >= {it["reason"] for it in held.told}
    assert statistics.delivered == len(held.names) + len(held.told)
    return lost


# --- Full ------------------------------------------------------------------------------------------------------------


def test_full_by_events() -> None:
    """Beyond its limit of events the queue drops the oldest; a mark ahead of the next event tells how many."""
    with isolated_runtime(queue={"max_events": 10, "full_wait": 0}) as relay:
        held = Held(relay)
        for number in range(25):
            relay.scopes.event(f"{number}")
        assert 10 == relay.statistics().queued
        held.let_go()

        assert ["first", *(f"{number}" for number in range(15, 25))] == held.names
        assert [{"count": 15, "reason": "queue_full"}] == held.told
        assert 15 == check_sums(relay, held)


def test_full_by_bytes() -> None:
    """Beyond its limit of bytes it does the same; a single event that is larger than the limit is lost."""
    with isolated_runtime(queue={"max_bytes": 1000, "full_wait": 0}) as relay:
        held = Held(relay)
        for number in range(20):
            relay.scopes.event(f"{number}", data="x" * 98)
        assert (10, 1000) == (relay.statistics().queued, relay.statistics().queued_bytes)
        relay.scopes.event("large", data="x" * 1000)
        relay.scopes.event("small")
        held.let_go()

        assert ["first", "small"] == held.names
        assert 21 == check_sums(relay, held)


def test_bytes_are_counted_out_again(relay: Relay, recorder: Recorder) -> None:
    """What leaves the queue is not counted any more, whatever its size."""
    for size in (0, 1, 1000, 3_000_000, 7):
        relay.scopes.event("note", data="x" * size)
        relay.scopes.pop(relay.scopes.push("work", input="y" * size, metadata={"a": "z" * size}), output="x" * size)

    assert 15 == len(recorder.events)
    assert (0, 0) == (relay.statistics().queued, relay.statistics().queued_bytes)


def test_a_barrier_in_a_full_queue() -> None:
    """A flush is not lost with the events around it: it is over when what was before it has come or gone."""
    with isolated_runtime(queue={"max_events": 10, "full_wait": 0}) as relay:
        held = Held(relay)
        relay.scopes.event("before")
        over: list[bool] = []
        thread = threading.Thread(target=lambda: over.append(relay.subscribers.flush()))
        thread.start()
        while not relay.dispatcher.queue.barriers:
            pass
        for number in range(50):
            relay.scopes.event(f"{number}")
        held.let_go()
        thread.join(10)

        assert [True] == over
        check_sums(relay, held)


def test_a_slow_subscriber_and_many_emitters() -> None:
    """Against a subscriber that is slower than several emitters every loss is counted, and told in the stream."""
    with isolated_runtime(queue={"max_events": 500, "full_wait": 0.001}) as relay:
        held = Held(relay)
        held._open.set()
        pause = threading.Event()
        relay.subscribers.register("slow", lambda event: pause.wait(0.0001))

        def emit() -> None:
            for number in range(3000):
                relay.scopes.event(f"{number}", data=number)
                assert relay.statistics().queued <= 500 + 4

        threads = [threading.Thread(target=emit) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        held.let_go()

        assert check_sums(relay, held) > 0


# --- Waiting ---------------------------------------------------------------------------------------------------------


@contextmanager
def counted_waits(relay: Relay) -> Iterator[list[int]]:
    """Count the threads that wait for room."""
    queue = relay.dispatcher.queue
    waits: list[int] = []

    class Counting:
        def acquire(self, timeout: float) -> bool:
            waits.append(threading.get_ident())
            return False

        def release(self) -> None:
            """Wake nobody."""

    queue._space = Counting()  # type: ignore[assignment]
    yield waits


def test_one_emitter_waits_once() -> None:
    """When the queue is full one emitter waits, once in the episode."""
    with isolated_runtime(queue={"max_events": 10}) as relay:
        held = Held(relay)
        with counted_waits(relay) as waits:
            for number in range(100):
                relay.scopes.event(f"{number}")
        held.let_go()

        assert [threading.get_ident()] == waits
        assert not relay.dispatcher.queue.latched


def test_the_wait_ends_when_there_is_room() -> None:
    """An emitter that waits goes on as soon as the queue is below three quarters, and nothing is lost."""
    with isolated_runtime(queue={"max_events": 10, "full_wait": 30}) as relay:
        held = Held(relay)
        for number in range(10):
            relay.scopes.event(f"{number}")
        waiting = threading.Thread(target=relay.scopes.event, args=("one too many",))
        waiting.start()
        while not relay.dispatcher.queue.latched:
            pass
        held.let_go()
        waiting.join(10)

        assert not waiting.is_alive()
        assert relay.subscribers.flush()
        assert 0 == check_sums(relay, held)


@pytest.mark.anyio
async def test_a_loop_never_waits() -> None:
    """A thread that runs an event loop does not wait for room."""
    with isolated_runtime(queue={"max_events": 10}) as relay:
        held = Held(relay)
        with counted_waits(relay) as waits:
            for number in range(50):
                relay.scopes.event(f"{number}")
        await asyncio.to_thread(held.let_go)

        assert [] == waits
        assert 40 == check_sums(relay, held)


def test_the_delivery_thread_never_waits() -> None:
    """A subscriber that fills the queue itself does not wait for itself."""
    with isolated_runtime(queue={"max_events": 10}) as relay:

        def flood(event: ScopeEvent | MarkEvent) -> None:
            if event.name == "go":
                for number in range(50):
                    relay.scopes.event(f"{number}")

        relay.subscribers.register("flood", flood)
        with counted_waits(relay) as waits:
            relay.scopes.event("go")
            assert relay.subscribers.flush()
            assert relay.subscribers.flush()

        assert [] == waits
        statistics = relay.statistics()
        assert statistics.emitted == statistics.delivered + statistics.dropped["queue_full"]


# --- Counters --------------------------------------------------------------------------------------------------------


@pytest.fixture
def frantic() -> Iterator[None]:
    """Switch threads as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("frantic")
def test_exact_counters(relay: Relay) -> None:
    """Counters without a lock are exact under eight threads that switch as often as they can."""
    seen = [0]

    def count(event: ScopeEvent | MarkEvent) -> None:
        seen[0] += 1

    relay.subscribers.register("count", count)

    def emit() -> None:
        for number in range(3000):
            handle = relay.scopes.start("work", input=number)
            relay.scopes.end(handle, output="x" * (number % 50))

    threads = [threading.Thread(target=emit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert relay.subscribers.flush()

    statistics = relay.statistics()
    assert [48_000] * 3 == [statistics.emitted, statistics.delivered, seen[0]]
    assert (0, 0, 0) == (statistics.open_scopes, statistics.queued, statistics.queued_bytes)


@pytest.mark.usefixtures("frantic")
def test_exact_counters_when_full() -> None:
    """The counters of losses are exact, too."""
    with isolated_runtime(queue={"max_events": 64, "max_bytes": 2000, "full_wait": 0}) as relay:
        held = Held(relay)
        held._open.set()

        def emit() -> None:
            for number in range(3000):
                relay.scopes.event("note", data="x" * (number % 70))

        threads = [threading.Thread(target=emit) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        held.let_go()

        check_sums(relay, held)


# --- From anywhere ---------------------------------------------------------------------------------------------------


def test_signal_handlers(relay: Relay, recorder: Recorder) -> None:
    """A signal handler may emit, whatever it interrupts."""
    emitted = [0]

    def handle(number: int, frame: object) -> None:
        relay.scopes.event("signal", data="x" * 100)
        with relay.scopes.scope("handler"):
            emitted[0] += 1

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        number = 0
        while emitted[0] < 200:
            relay.scopes.pop(relay.scopes.push("work", input=number))
            number += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    signals = [it for it in recorder.marks if it.name == "signal"]
    assert 2 * number + 3 * emitted[0] == len(recorder.events)
    assert emitted[0] == len(signals)
    assert 0 == relay.statistics().open_scopes


def test_finalizers_and_gc_callbacks(relay: Relay, recorder: Recorder) -> None:
    """A `__del__` and a callback of the garbage collector may emit, in whatever thread and place they run."""
    counts = {"del": 0, "gc": 0}

    class Cyclic:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            counts["del"] += 1
            relay.scopes.event("del")

    def collected(phase: str, info: object) -> None:
        counts["gc"] += 1
        relay.scopes.event("gc")

    thresholds = gc.get_threshold()
    gc.callbacks.append(collected)
    gc.set_threshold(50, 5, 5)
    try:
        for number in range(3000):
            Cyclic()
            relay.scopes.pop(relay.scopes.push("work", input=[number]))
        gc.collect()
    finally:
        gc.callbacks.remove(collected)
        gc.set_threshold(*thresholds)

    names = [it.name for it in recorder.events]
    assert counts == {"del": names.count("del"), "gc": names.count("gc")}
    assert counts["del"] == 3000
    assert 6000 == names.count("work")
    statistics = relay.statistics()
    assert statistics.emitted == statistics.delivered == len(names)


def test_batches_are_bounded(relay: Relay) -> None:
    """No more than so many events are in flight at once, so that a slow sink holds up no more than these."""
    sizes: list[int] = []
    relay.subscribers.register("see", lambda event: sizes.append(relay.statistics().queued))
    held = Held(relay)
    for number in range(3 * BATCH_EVENTS):
        relay.scopes.event(f"{number}")
    held.let_go()

    assert all(before - after in (0, BATCH_EVENTS) for before, after in itertools.pairwise(sizes[1:]))
