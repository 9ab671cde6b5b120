"""Delivery: one bounded queue and one thread, first in, first out. Emitters never wait for a subscriber.

The states, and who does what in each:

| state | who delivers | who may wait | what is counted |
|---|---|---|---|
| IDLE: nothing emitted yet | nobody; there is no thread | nobody | nothing |
| RUNNING | the delivery thread | nobody | emitted, delivered |
| full, latched until the queue is below 3/4 | the thread | one emitter per episode, once, `full_wait` seconds; never one \
whose thread runs an event loop, never the delivery thread | drops, oldest first |
| forked child: IDLE again, queue empty | a thread of its own, from its first emission on | nobody | from zero |
| EXITING: after the exit drain, or where no thread can be started | the emitter | the emitter | as usual |

There is no lock on the emitting path, so an emission inside a signal handler, a `__del__` or a garbage collector's
callback cannot find one taken. What replaces it: `deque.append` and `deque.popleft` are atomic, and so is `x += n` for
plain ints, because CPython 3.11 to 3.13 switches threads, runs signal handlers and collects garbage only at calls and
at backward jumps, and an int is not tracked by the collector. A test holds the counters to that.
"""

import _thread
import contextlib
import enum
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from relay_core import process_exit
from relay_core.audience import Audience
from relay_core.delivery import FEEDBACK_DEPTH, Delivery, Item, Locals
from relay_core.errors import RunningLoopError
from relay_core.events import Record

__all__ = ["Dispatcher", "QueueLimits"]

_logger = logging.getLogger("relay_core")

BATCH_EVENTS: Final = 256
"""How many events leave the queue at once: bounds what is in flight, and what a sink gets in one call."""
BATCH_BYTES: Final = 1 << 20
"""The same in bytes; a batch has at least one event whatever its size."""
LINGER_SECONDS: Final = 0.05
"""How long the thread lets events gather, unless somebody flushes or the queue fills: a thread that takes each event
as it comes takes the GIL from the emitter each time, which was measured to double the cost of an emission."""
GATHER_EVENTS: Final = 1024
"""So many events end the linger."""
GATHER_BYTES: Final = 2 << 20
"""So many bytes of payload do, too: memory that is used again while it is in the cache is half the cost of an emission."""
LINGER_ROUNDS: Final = 2
"""How many empty rounds it looks by itself before it sleeps and has to be woken: waking costs a system call."""
SLEEP_SECONDS: Final = 5.0
"""How long it sleeps at the most: a KeyboardInterrupt may hit an emitter that was about to wake it."""


class QueueLimits:
    """The bounds of the queue."""

    __slots__ = ("full_wait", "max_bytes", "max_events")

    def __init__(self, max_events: int = 65_536, max_bytes: int = 256 << 20, full_wait: float = 0.05) -> None:
        """Bound the queue to `max_events` and to `max_bytes` of payload; `full_wait` is in seconds."""
        self.max_events = max_events
        self.max_bytes = max_bytes
        self.full_wait = full_wait


class _State(enum.Enum):
    IDLE = enum.auto()
    RUNNING = enum.auto()
    EXITING = enum.auto()


class _Barrier:
    """A place in the queue: `done` is told whether everything before it is delivered and flushed."""

    __slots__ = ("deadline", "done")

    def __init__(self, timeout: float, done: Callable[[bool], None]) -> None:
        self.deadline = time.monotonic() + timeout
        self.done = done


class Dispatcher:
    """The queue, its thread and its counters. `emit` may be called from anywhere at any time."""

    def __init__(
        self,
        delivery: Delivery,
        *,
        flush_plugins: Callable[[float], bool],
        end_plugins: Callable[[float], None],
        drop_mark: Callable[[str, int], tuple[Record, Audience] | None],
    ) -> None:
        """Set up without starting anything.

        Args:
            delivery: Delivers a batch.
            flush_plugins: Flushes plugins with buffers of their own within so many seconds; says whether all did.
            end_plugins: Tells plugins, with a deadline in seconds, that the process ends.
            drop_mark: Builds the mark that carries a loss, from reason and count; None where nobody listens.
        """
        self.limits = QueueLimits()
        self.exit_timeout = 5.0
        """Seconds that the drain at exit may take."""
        self.forked: list[Callable[[], None]] = []
        """Called in a forked child, after everything begins anew."""
        self._delivery = delivery
        self._flush_plugins = flush_plugins
        self._end_plugins = end_plugins
        self._drop_mark = drop_mark
        self.reset()

    def after_fork(self) -> None:
        """Begin anew in a forked child: it has none of the threads, and any lock may be held by one of them."""
        self.reset()
        for begin_anew in self.forked:
            begin_anew()

    def reset(self) -> None:
        """Begin as if nothing had been emitted."""
        self._queue: deque[Item | _Barrier] = deque()
        self._passing: deque[_Barrier] = deque()
        self._bytes = 0
        # An emitter that sees more than this in the queue looks after it.
        self._attention_events = self._attention_bytes = 0
        self._state = _State.IDLE
        # True sends the next emission to `_rouse`: nobody delivers yet, or the thread sleeps.
        self._asleep = True
        self._urgent = False
        self._wake = _locked()
        self._stopped = _locked()
        self._start_ticket = [True]
        self._thread = 0
        self._delivering = False
        self._latched = False
        self._space = _locked()
        self._turn = _thread.allocate_lock()
        self.emitted = 0
        self._delivery.delivered = 0
        self._dropped = {"queue_full": 0, "feedback": 0, "exit": 0}
        self._reported = dict(self._dropped)
        self._unreported = False

    # Counters ---------------------------------------------------------------------------------------------------------

    @property
    def delivered(self) -> int:
        """How many events went to everyone who listened."""
        return self._delivery.delivered

    @property
    def dropped(self) -> dict[str, int]:
        """How many events were lost, by reason."""
        return {reason: count for reason, count in self._dropped.items() if count}

    @property
    def queued(self) -> int:
        """How many events wait."""
        return len(self._queue)

    @property
    def queued_bytes(self) -> int:
        """How many bytes of payload wait."""
        return self._bytes

    # Emitting ---------------------------------------------------------------------------------------------------------

    def emit(self, record: Record, audience: Audience | None, local: Locals | None, size: int) -> None:
        """Queue one event. Never raises, never waits for a listener; any thread, also inside signal handlers.

        Args:
            record: The event; everything in it is detached from live objects.
            audience: Who listens.
            local: Who listens on the scopes that contain it.
            size: The payload's bytes.
        """
        self.emitted += 1
        depth = 0
        if self._delivering and _thread.get_ident() == self._thread:
            depth = self._delivery.depth + 1
            if depth > FEEDBACK_DEPTH:
                self._count_drop("feedback")
                return
        queue = self._queue
        self._bytes += size
        queue.append((record, audience, local, depth, size))
        if self._asleep:
            self._rouse()
        if len(queue) > self._attention_events or self._bytes > self._attention_bytes:
            self._attend()

    def _rouse(self) -> None:
        """Have the queue delivered: wake the thread, start it, or do it here where no thread can do it any more."""
        if self._state is _State.RUNNING:
            self._asleep = False
            _release(self._wake)
        elif self._state is _State.IDLE:
            self._start()
        else:
            self._drain_here()

    def _start(self) -> None:
        try:
            self._start_ticket.pop()
        except IndexError:  # somebody else is starting it
            return
        self._asleep = False
        self._state = _State.RUNNING
        try:
            # Not threading.Thread: its start() takes locks that the code which we interrupted may hold.
            _thread.start_new_thread(self._run, ())
        except RuntimeError:  # the interpreter is going down, or the system has no thread left
            self._asleep = True
            self._state = _State.EXITING
            self._drain_here()
        else:
            process_exit.watch(self)

    def _attend(self) -> None:
        """The queue has grown: end the thread's linger, or make room."""
        limits = self.limits
        if len(self._queue) > limits.max_events or self._bytes > limits.max_bytes:
            self._make_room()
        else:
            self._attention_events, self._attention_bytes = limits.max_events, limits.max_bytes
            _release(self._wake)

    def _watch_growth(self) -> None:
        self._attention_events = min(self.limits.max_events // 8, GATHER_EVENTS)
        self._attention_bytes = min(self.limits.max_bytes // 8, GATHER_BYTES)

    def _make_room(self) -> None:
        """The queue is full: wait once per episode, then drop the oldest until it fits."""
        limits, queue = self.limits, self._queue
        if not self._latched:
            self._latched = True
            if self._state is _State.RUNNING and _thread.get_ident() != self._thread and _running_loop() is None:
                self._space.acquire(timeout=limits.full_wait)
        while len(queue) > limits.max_events or self._bytes > limits.max_bytes:
            try:
                item = queue.popleft()
            except IndexError:
                return
            if isinstance(item, _Barrier):
                # All before it has left the queue; it passes when the batch that is being delivered is done.
                self._passing.append(item)
            else:
                self._bytes -= item[4]
                self._count_drop("queue_full")

    def _count_drop(self, reason: str) -> None:
        self._dropped[reason] += 1
        self._unreported = True

    # Delivering -------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        """The delivery thread."""
        self._thread = _thread.get_ident()
        threading.current_thread().name = "relay-delivery"
        rounds = 0
        while self._state is not _State.EXITING:
            if self._deliver_batch():
                rounds = 0
                continue
            self._watch_growth()
            if rounds < LINGER_ROUNDS:
                rounds += 1
                self._linger()
            else:
                self._sleep()
        self._stopped.release()

    def _linger(self) -> None:
        if not self._urgent:
            self._wake.acquire(timeout=LINGER_SECONDS)

    def _sleep(self) -> None:
        """Wait to be woken, then let events gather. The order matters: an emitter appends first and looks second."""
        self._asleep = True
        if not self._queue and not self._passing and self._state is _State.RUNNING:
            self._wake.acquire(timeout=SLEEP_SECONDS)
            self._asleep = False
            self._linger()
        self._asleep = False

    def _deliver_batch(self) -> bool:
        """Deliver the oldest that waits, up to one batch; say whether there was anything."""
        batch, barrier = self._take()
        if self._latched:
            self._unlatch()
        if batch:
            self._delivering = True
            try:
                if self._unreported:
                    self._report_drops()
                self._delivery.deliver(batch)
            finally:
                self._delivering = False
        if barrier is not None:
            self._passing.append(barrier)
        passing = len(self._passing)
        for _ in range(passing):
            self._pass(self._passing.popleft())
        return bool(batch) or passing > 0

    def _take(self) -> tuple[list[Item], _Barrier | None]:
        queue = self._queue
        batch: list[Item] = []
        size = 0
        barrier = None
        while len(batch) < BATCH_EVENTS and size < BATCH_BYTES:
            try:
                item = queue.popleft()
            except IndexError:
                break
            if isinstance(item, _Barrier):
                barrier = item
                break
            batch.append(item)
            size += item[4]
        self._bytes -= size
        return batch, barrier

    def _unlatch(self) -> None:
        limits = self.limits
        if len(self._queue) * 4 < limits.max_events * 3 and self._bytes * 4 < limits.max_bytes * 3:
            _release(self._space)
            self._space = _locked()
            self._latched = False

    def _report_drops(self) -> None:
        """Put the losses since the last report into the stream, ahead of the next event."""
        self._unreported = False
        for reason, total in self._dropped.items():
            count = total - self._reported[reason]
            built = self._drop_mark(reason, count) if count else None
            if built is None:
                continue
            self._reported[reason] = total
            self.emitted += 1
            # At full depth: nothing that this mark causes is fed back, or it could go on for ever.
            self._delivery.deliver([(built[0], built[1], None, FEEDBACK_DEPTH, 0)])

    def _pass(self, barrier: _Barrier) -> None:
        self._urgent = False
        barrier.done(self._flush_plugins(max(0.0, barrier.deadline - time.monotonic())))

    # Barriers ---------------------------------------------------------------------------------------------------------

    def flush(self, timeout: float) -> bool:
        """Wait until everything emitted before this call is delivered and flushed.

        Args:
            timeout: Seconds to wait at the most.

        Returns:
            Whether it finished in time. False at once when called on the delivery thread.

        Raises:
            RunningLoopError: An event loop runs in this thread; await `flush_async` there.
        """
        if _thread.get_ident() == self._thread:
            return False
        if _running_loop() is not None:
            raise RunningLoopError("subscribers.flush()", instead="subscribers.flush_async()")
        return self._wait(timeout)

    async def flush_async(self, timeout: float) -> bool:
        """Do as `flush`, without blocking the loop and without its default executor. Cancellable."""
        import asyncio  # whoever awaits this has it; `import relay_core` does not pay for it

        if self._is_idle():
            return True
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()

        def resolve(flushed: bool) -> None:
            if not future.done():
                future.set_result(flushed)

        def done(flushed: bool) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(resolve, flushed)

        self._enqueue(_Barrier(timeout, done))
        try:
            return await asyncio.wait_for(future, timeout)
        except TimeoutError:
            return False

    def drain(self, timeout: float = 5.0) -> None:
        """Wait, bounded, until what was emitted before is delivered; not on the delivery thread, not in a loop's."""
        if _thread.get_ident() != self._thread and _running_loop() is None:
            self._wait(timeout)

    def _wait(self, timeout: float) -> bool:
        if self._is_idle():
            return True
        passed = _locked()
        result: list[bool] = []

        def done(flushed: bool) -> None:
            result.append(flushed)
            passed.release()

        self._enqueue(_Barrier(timeout, done))
        return passed.acquire(timeout=max(0.0, min(timeout, _thread.TIMEOUT_MAX))) and result[0]

    def _is_idle(self) -> bool:
        return self._state is _State.IDLE and not self._queue

    def _enqueue(self, barrier: _Barrier) -> None:
        self._urgent = True
        self._queue.append(barrier)
        if self._state is _State.RUNNING:
            self._asleep = False
            _release(self._wake)
        else:
            self._rouse()

    # The end ----------------------------------------------------------------------------------------------------------

    def shutdown(self, timeout: float | None = None) -> bool:
        """Deliver what is queued and stop the thread; from now on whoever emits delivers. Runs at exit by itself.

        Args:
            timeout: Seconds to wait at the most; by default `exit_timeout`.

        Returns:
            Whether everything was delivered; what was not is counted as dropped, for the reason ``exit``.
        """
        deadline = time.monotonic() + (self.exit_timeout if timeout is None else timeout)
        finished = True
        if self._state is _State.RUNNING and _thread.get_ident() != self._thread:
            finished = self._wait(deadline - time.monotonic())
            self._state = _State.EXITING
            _release(self._wake)
            finished = finished and self._stopped.acquire(timeout=max(0.0, deadline - time.monotonic()))
            self._end_plugins(max(0.0, deadline - time.monotonic()))
        self._state = _State.EXITING
        self._asleep = True
        if finished:
            self._drain_here()
        else:
            self._abandon_queue()
        return finished

    def _drain_here(self) -> None:
        """Deliver in this thread; a nested or concurrent emission leaves its event to whoever is at it.

        Bounded: threads that emit without end must not keep the process from ending.
        """
        until = time.monotonic() + self.exit_timeout
        while (self._queue or self._passing) and time.monotonic() < until and self._turn.acquire(blocking=False):
            outer, self._thread = self._thread, _thread.get_ident()
            try:
                while self._deliver_batch() and time.monotonic() < until:
                    pass
            finally:
                self._thread = outer
                self._turn.release()

    def _abandon_queue(self) -> None:
        lost = 0
        while self._queue:
            item = self._queue.popleft()
            if not isinstance(item, _Barrier):
                self._bytes -= item[4]
                lost += 1
        self._dropped["exit"] += lost
        if lost and not sys.is_finalizing():
            _logger.warning("%d events were not delivered: a subscriber did not return in time", lost)


def _locked() -> _thread.LockType:
    lock = _thread.allocate_lock()
    lock.acquire()
    return lock


def _release(lock: _thread.LockType) -> None:
    """Release `lock`, or leave it released."""
    with contextlib.suppress(RuntimeError):
        lock.release()


def _running_loop() -> object | None:
    """Return this thread's running event loop; asyncio is not imported for the question."""
    events = sys.modules.get("asyncio.events")
    return None if events is None else events._get_running_loop()  # pyright: ignore[reportPrivateUsage]
