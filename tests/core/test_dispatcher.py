"""The states of delivery, row by row: who delivers in each, who waits, and what is counted."""

import _thread
import ctypes
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.core.recorder import Recorder

from relay_core import MarkEvent, Relay, ScopeEvent, dispatcher, hookimpl, process_exit
from relay_core.testing import isolated_runtime

IN_TIME = 10.0


class Stuck:
    """A subscriber that does not return from the event `stuck` before it is freed."""

    def __init__(self, relay: Relay) -> None:
        self.names: list[str] = []
        self.reached = threading.Event()
        self._free = threading.Event()
        relay.subscribers.register("stuck", self)

    def __call__(self, event: ScopeEvent | MarkEvent) -> None:
        self.names.append(event.name)
        if event.name == "stuck":
            self.reached.set()
            self._free.wait(30)

    def free(self) -> None:
        """Let it return."""
        self._free.set()


@contextmanager
def stuck_runtime() -> Iterator[tuple[Relay, Stuck]]:
    """A runtime whose delivery thread hangs in a subscriber until the end of the block."""
    relay = Relay()
    relay.startup.ready = relay.scopes.ready = True
    stuck = Stuck(relay)
    relay.scopes.event("stuck")
    assert stuck.reached.wait(IN_TIME)
    yield relay, stuck
    stuck.free()
    relay.shutdown()
    wait_until(lambda: not relay.dispatcher._turn.locked())


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait, bounded, for what another thread does."""
    deadline = time.monotonic() + IN_TIME
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def delivery_threads() -> set[int | None]:
    """Return the idents of all delivery threads of the process."""
    return {it.ident for it in threading.enumerate() if it.name == "relay-delivery"}


# --- Idle, running ---------------------------------------------------------------------------------------------------


def test_idle(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first event there is no thread, whatever was registered, pushed or flushed."""
    started: list[object] = []
    monkeypatch.setattr(_thread, "start_new_thread", lambda *_: started.append(_))
    relay.scopes.pop(relay.scopes.push("work"))
    relay.subscribers.register("seen", print)

    assert relay.subscribers.flush()
    assert [] == started


def test_running(relay: Relay) -> None:
    """The first event starts one thread with a name, which delivers everything from then on."""
    threads: set[int] = set()
    names: set[str] = set()

    def see(event: ScopeEvent | MarkEvent) -> None:
        threads.add(threading.get_ident())
        names.add(threading.current_thread().name)

    relay.subscribers.register("see", see)
    for _ in range(3):
        relay.scopes.event("note")
        assert relay.subscribers.flush()

    assert ({"relay-delivery"}, 1) == (names, len(threads))
    assert threads <= delivery_threads()


def test_one_thread_for_many_first_emitters() -> None:
    """When many threads emit first at once, one delivery thread is started and nothing is lost."""
    for _ in range(20):
        with isolated_runtime() as relay:
            threads: set[int] = set()
            relay.subscribers.register("see", lambda event: threads.add(threading.get_ident()))  # noqa: B023
            barrier = threading.Barrier(8)

            def emit() -> None:
                barrier.wait()  # noqa: B023 - joined below
                relay.scopes.event("note")

            emitters = [threading.Thread(target=emit) for _ in range(8)]
            for thread in emitters:
                thread.start()
            for thread in emitters:
                thread.join()
            assert relay.subscribers.flush()

            assert (1, 8) == (len(threads), relay.statistics().delivered)


def test_delivery_without_a_flush(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events come by themselves, also when the thread has gone to sleep between them."""
    monkeypatch.setattr(dispatcher, "LINGER_SECONDS", 0.0005)
    monkeypatch.setattr(dispatcher, "SLEEP_SECONDS", 3600.0)  # nothing but an emitter ends the sleep
    seen: list[str] = []
    relay.subscribers.register("see", lambda event: seen.append(event.name))
    for number in range(300):
        relay.scopes.event(f"{number}")
        wait_until(lambda: len(seen) > number)  # noqa: B023
        time.sleep(0.0002 * (number % 12))  # sometimes it lingers, sometimes it sleeps, sometimes it is on its way

    assert [f"{number}" for number in range(300)] == seen


def test_many_events_end_the_linger(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """When many events or bytes have gathered the thread does not wait for more."""
    monkeypatch.setattr(dispatcher, "LINGER_SECONDS", 3600.0)
    seen: list[int] = []
    relay.subscribers.register("see", lambda event: seen.append(0))
    relay.scopes.event("note")
    assert relay.subscribers.flush()
    for count, size in ((2000, 1), (20, 1_000_000)):
        before = len(seen)
        for _ in range(count):
            relay.scopes.event("note", data="x" * size)
        wait_until(lambda: len(seen) > before)  # noqa: B023


# --- A subscriber that hangs -----------------------------------------------------------------------------------------


def test_flush_of_what_hangs() -> None:
    """Where a subscriber hangs a flush is over in time and says so; the application goes on."""
    with stuck_runtime() as (relay, stuck):
        relay.scopes.event("note")
        assert not relay.subscribers.flush(0.01)
        assert 1 == relay.statistics().queued
        stuck.free()

        assert relay.subscribers.flush()
        assert ["stuck", "note"] == stuck.names
        assert relay.shutdown()


def test_shutdown_of_what_hangs(caplog: pytest.LogCaptureFixture) -> None:
    """At exit a subscriber that hangs is left behind in time; what it did not get is counted and said in the log."""
    with stuck_runtime() as (relay, stuck):
        for _ in range(3):
            relay.scopes.event("note")
        assert not relay.shutdown(0.01)
        assert {"exit": 3} == relay.statistics().dropped
        relay.scopes.event("later")  # would hang, if its emitter delivered it
        assert {"exit": 4} == relay.statistics().dropped
        assert not relay.subscribers.flush(0.01)
        assert not relay.shutdown(0.01)
        (record,) = caplog.records
        assert ("relay_core", logging.WARNING) == (record.name, record.levelno)
        assert "3 events not delivered within 0.01 s" == record.message
    assert ["stuck"] == stuck.names
    statistics = relay.statistics()
    assert statistics.emitted == statistics.delivered + statistics.dropped["exit"]


# --- Exiting ---------------------------------------------------------------------------------------------------------


def test_shutdown(relay: Relay, recorder: Recorder) -> None:
    """A shutdown delivers everything, ends the thread, and tells plugins once, after the last event."""
    ends: list[tuple[int, bool]] = []

    class Plugin:
        @hookimpl
        def relay_shutdown(self, timeout: float) -> None:
            ends.append((relay.statistics().delivered, 0 < timeout <= 5.0))

    relay.registry.register(Plugin(), "plugin")
    for _ in range(1000):
        relay.scopes.event("note")
    assert relay.shutdown()
    assert relay.shutdown()

    assert [(1000, True)] == ends
    assert relay.dispatcher._thread == 0


def test_emitting_after_the_shutdown(relay: Relay) -> None:
    """After the shutdown each event is delivered by who emits it, at once, in the scope that stays its own."""
    seen: list[tuple[str, int, object]] = []
    relay.subscribers.register(
        "see", lambda event: seen.append((event.name, threading.get_ident(), relay.scopes.current()))
    )
    assert relay.shutdown()
    with relay.scopes.scope("outer") as outer:
        relay.scopes.event("note")
        assert outer is relay.scopes.current()
        with relay.scopes.scope("inner") as inner:
            assert inner.parent_uuid == outer.uuid
        assert outer is relay.scopes.current()
    assert relay.scopes.current() is None

    here = threading.get_ident()
    names = ["outer", "note", "inner", "inner", "outer"]
    current = [outer, outer, inner, outer, None]
    assert list(zip(names, [here] * 5, current, strict=True)) == seen
    assert relay.subscribers.flush()


def test_feedback_after_the_shutdown(relay: Relay) -> None:
    """What a subscriber emits then comes after the event that it got; endless feedback is cut off as ever."""
    seen: list[str] = []

    def feed(event: ScopeEvent | MarkEvent) -> None:
        seen.append(event.name)
        if not event.name.startswith("relay."):
            relay.scopes.event(f"{event.name}+")
        seen.append("done")

    relay.subscribers.register("feed", feed)
    assert relay.shutdown()
    relay.scopes.event("x")

    names = [it for it in seen if it.startswith("x")]
    assert ["x" + "+" * depth for depth in range(9)] == names
    assert ["x", "done", "x+", "done"] == seen[:4]


def test_many_emitters_after_the_shutdown(relay: Relay, recorder: Recorder) -> None:
    """Many threads may emit at once then: one delivers at a time, and nothing is lost."""
    inside: list[int] = []
    together: list[int] = []

    def see(event: ScopeEvent | MarkEvent) -> None:
        inside.append(1)
        together.append(len(inside))
        inside.pop()

    relay.subscribers.register("see", see)
    assert relay.shutdown()

    def emit() -> None:
        for _ in range(500):
            relay.scopes.event("note")

    threads = [threading.Thread(target=emit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 2000 == len(recorder.events)
    assert {1} == set(together)


def test_shutting_down_while_others_emit() -> None:
    """An event that is emitted during the shutdown is delivered, by whomever."""
    for _ in range(20):
        with isolated_runtime() as relay:
            recorder = Recorder(relay)
            started = threading.Barrier(4)

            def emit() -> None:
                started.wait()  # noqa: B023 - joined below
                for _ in range(300):
                    relay.scopes.event("note")

            threads = [threading.Thread(target=emit) for _ in range(3)]
            for thread in threads:
                thread.start()
            started.wait()
            assert relay.shutdown()
            for thread in threads:
                thread.join()

            assert 900 == len(recorder.events)


def test_shutdown_by_a_subscriber(relay: Relay, recorder: Recorder) -> None:
    """A subscriber that shuts Relay down gets everything that is queued all the same."""
    answers: list[bool] = []

    def end(event: ScopeEvent | MarkEvent) -> None:
        if event.name == "end":
            answers.append(relay.shutdown())

    relay.subscribers.register("end", end)
    for name in ["end"] + ["note"] * 1000:
        relay.scopes.event(name)
    wait_until(lambda: relay.statistics().delivered == 1001)

    assert [False] == answers
    assert relay.shutdown()
    assert 1001 == len(recorder.events)


def test_no_thread_can_be_started(relay: Relay, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be started any more the emitter delivers."""

    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    threads: list[int] = []
    relay.subscribers.register("see", lambda event: threads.append(threading.get_ident()))
    relay.scopes.event("note")

    assert [threading.get_ident()] == threads
    assert ["note"] == recorder.names


def test_first_use_in_an_exit_handler(relay: Relay, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the first event comes after the end of the main thread the emitter delivers: no thread would be drained."""
    monkeypatch.setattr(process_exit, "has_begun", lambda: True)
    threads: list[int] = []
    relay.subscribers.register("see", lambda event: threads.append(threading.get_ident()))
    relay.scopes.event("note")

    assert [threading.get_ident()] == threads
    assert ["note"] == recorder.names


# --- Our own mistakes ------------------------------------------------------------------------------------------------


def test_a_mistake_in_delivery(recorder: Recorder, relay: Relay) -> None:
    """A mistake of our own costs one event, is counted, and delivery goes on."""

    def fail(*_: object) -> None:
        raise AssertionError("ours")

    relay.chains.snapshot = {}
    relay.event_metadata.register_injector("injector", 1, lambda event: {})
    delivery = relay.dispatcher._delivery
    transform, delivery._transform = delivery._transform, fail  # type: ignore[assignment]
    relay.scopes.event("lost")
    assert relay.subscribers.flush()
    delivery._transform = transform
    relay.scopes.event("note")

    assert ["note"] == recorder.names
    assert 1 == relay.statistics().suppressed_errors
    relay.own_errors._counts.clear()


def test_an_exception_thrown_into_the_thread(relay: Relay, recorder: Recorder) -> None:
    """An exception that somebody throws into the delivery thread does not end it."""
    relay.scopes.event("before")
    assert relay.subscribers.flush()
    thread = relay.dispatcher._thread
    assert 1 == ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(SystemExit))
    wait_until(lambda: relay.statistics().suppressed_errors == 1)
    relay.scopes.event("after")

    assert ["before", "after"] == recorder.names
    relay.own_errors._counts.clear()


# --- Forking ---------------------------------------------------------------------------------------------------------


def test_beginning_anew(relay: Relay, recorder: Recorder) -> None:
    """What a forked child does first: the counters are at zero, nothing is queued, and another thread delivers."""
    relay.scopes.event("before")
    handle = relay.scopes.push("inherited")
    assert relay.subscribers.flush()
    old = relay.dispatcher._stopped, relay.dispatcher._wake
    stop, relay.dispatcher._state = relay.dispatcher._state, dispatcher._EXITING
    old[1].release()
    assert old[0].acquire(timeout=IN_TIME)
    relay.dispatcher._state = stop

    relay.dispatcher.after_fork()
    recorder.forget()

    statistics = relay.statistics()
    assert (0, 0, 0, 0) == (statistics.emitted, statistics.delivered, statistics.queued, statistics.open_scopes)
    assert handle is relay.scopes.current()
    relay.scopes.event("after")
    relay.scopes.pop(handle)
    relay.scopes.event("last")
    assert ["after", "last"] == recorder.names
    assert {"after": handle.uuid, "last": None} == {it.name: it.parent_uuid for it in recorder.marks}
    assert 2 == relay.statistics().emitted
