"""Delivery: one bounded queue and one thread, first in, first out. Emitters never wait for a subscriber.

The states, and who does what in each:

| state | who delivers | who may wait | what is counted |
|---|---|---|---|
| idle: nothing emitted yet | nobody; there is no thread | nobody | nothing |
| running | the delivery thread | nobody | emitted, delivered |
| full, latched until the queue is below 3/4 | the thread | one emitter per episode, once, `full_wait` seconds; never \
in a thread that runs an event loop, never the delivery thread | drops, oldest first |
| forked child: idle again, queue empty | a thread of its own, from its first emission on | nobody | from zero |
| exiting: after the exit drain, or where no thread can be started | the emitter | the emitter, for another one that \
delivers, once for each event, `full_wait` seconds | as usual |
| abandoned: the exit drain was not over in time | nobody | nobody | drops |

Whoever delivers holds `_turn`; nobody waits for it. The queue is in `event_queue`, and there it says why no lock is
needed to emit.
"""

import _thread
import enum
import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

from relay_core import process_exit
from relay_core.barriers import Barriers
from relay_core.current import get_entry, set_entry, watch_collector
from relay_core.delivery import Delivery, Item
from relay_core.event_queue import Barrier, EventQueue, QueueLimits, locked, release, running_loop
from relay_core.isolation import Isolation
from relay_core.wording import counted

__all__ = ["Dispatcher", "QueueLimits"]

_logger = logging.getLogger("relay_core")

LINGER_SECONDS: Final = 0.05
"""How long the thread lets events gather, unless somebody flushes or the queue fills: a thread that takes each event
as it comes takes the GIL from the emitter each time, which was measured to double the cost of an emission."""
GATHER_EVENTS: Final = 1024
"""So many events end the linger."""
GATHER_BYTES: Final = 2 << 20
"""So many bytes of payload do, too: memory that is used again while it is in the cache is half the cost of an
emission."""
LINGER_ROUNDS: Final = 2
"""How many empty rounds it looks by itself before it sleeps and has to be woken: waking costs a system call."""
KEPT_BYTES: Final = 8 << 20
"""A block of this size is made and dropped once: glibc then keeps about twice as much free memory instead of returning
it to the system with each batch and faulting it in again, which was measured to double the cost of 12 KB payloads."""
SLEEP_SECONDS: Final = 5.0
"""How long it sleeps at the most: a KeyboardInterrupt may hit an emitter that was about to wake it."""


class _State(enum.Enum):
    IDLE = enum.auto()
    RUNNING = enum.auto()
    EXITING = enum.auto()
    ABANDONED = enum.auto()


# Bound here: on 3.11 a member read from its class is a call into Python.
_IDLE: Final = _State.IDLE
_RUNNING: Final = _State.RUNNING
_EXITING: Final = _State.EXITING
_ABANDONED: Final = _State.ABANDONED


class Dispatcher:
    """The thread behind the queue, and its end."""

    def __init__(
        self,
        delivery: Delivery,
        *,
        own_errors: Isolation,
        has_buffers: Callable[[], bool],
        flush_plugins: Callable[[float], bool],
        end_plugins: Callable[[float], None],
        loss_mark: Callable[[str, int], Item | None],
    ) -> None:
        """Set up without starting anything.

        Args:
            delivery: Delivers a batch.
            own_errors: Counts and logs what is our own mistake.
            has_buffers: Says whether any plugin has a buffer of its own to flush.
            flush_plugins: Flushes plugins with buffers of their own within so many seconds; says whether all did.
            end_plugins: Tells plugins, with a deadline in seconds, that the process ends.
            loss_mark: Builds the mark that carries a loss, from reason and count; None where nobody listens. Its depth
                is `LOSS_DEPTH`.
        """
        self.queue = EventQueue(delivery, self._attend)
        """What waits."""
        self.emit: Callable[[Item], None] = self.queue.emit
        """Queues one event; see `EventQueue.emit`."""
        self.barriers = Barriers(
            put=self._put, is_idle=self._is_idle, is_settled=self._is_settled, can_wait=self._can_wait
        )
        """Wait until everything emitted before is delivered."""
        self.exit_timeout = 5.0
        """Seconds that the drain at exit may take."""
        self.forked: list[Callable[[], None]] = []
        """Called in a forked child, after everything begins anew."""
        self._delivery = delivery
        self._own_errors = own_errors
        self._has_buffers = has_buffers
        self._flush_plugins = flush_plugins
        self._end_plugins = end_plugins
        self._loss_mark = loss_mark
        self._begin()

    def _begin(self) -> None:
        self._state = _IDLE
        # Whether the thread waits for the first event: it has to be woken, and then lets more of them gather.
        self._asleep = False
        self._urgent = False
        self._wake = locked()
        self._stopped = locked()
        self._turn = _thread.allocate_lock()
        self._thread = 0
        self._plugins_due = False
        # How many events were delivered when all plugins had last been flushed.
        self._flushed = 0

    def after_fork(self) -> None:
        """Begin anew in a forked child: it has none of the threads, and any lock may be held by one of them."""
        self._begin()
        self.queue.reset()
        self._delivery.delivered = 0
        for begin_anew in self.forked:
            begin_anew()

    def arm(self) -> None:
        """See to it that plugins learn of the end of the process, and that a forked child begins anew."""
        self._plugins_due = True
        process_exit.watch(self)
        watch_collector()

    # Counters ---------------------------------------------------------------------------------------------------------

    @property
    def emitted(self) -> int:
        """How many events were emitted."""
        return self.queue.emitted

    @property
    def delivered(self) -> int:
        """How many events went to everyone who listened."""
        return self._delivery.delivered

    @property
    def dropped(self) -> dict[str, int]:
        """How many events were lost, by reason."""
        return {reason: count for reason, count in self.queue.losses.items() if count}

    @property
    def queued(self) -> int:
        """How many events wait."""
        return max(0, len(self.queue.items) - self.queue.barriers)

    @property
    def queued_bytes(self) -> int:
        """How many bytes of payload wait."""
        return self.queue.bytes

    # Emitting ---------------------------------------------------------------------------------------------------------

    def _attend(self) -> None:
        """An emission has made the queue longer than was asked for: have it delivered, or make room."""
        queue = self.queue
        if queue.is_full and self._state is not _ABANDONED:
            queue.make_room(may_wait=self._state is _RUNNING and _thread.get_ident() != self._thread)
        if self._state is _RUNNING:
            if self._asleep:
                self._asleep = False
                self._watch_growth()
            else:
                queue.alert_at(queue.limits.max_events, queue.limits.max_bytes)
            release(self._wake)  # last: whatever was set above, the thread looks again
        else:
            self._deliver_somehow()

    def _deliver_somehow(self) -> None:
        """Have the queue delivered where there is no thread yet, or none any more."""
        state = self._state
        if state is _IDLE and not process_exit.has_begun():
            self._start()
        elif state is _IDLE or state is _EXITING:
            self._leave(_EXITING)
            self._drain_here()
            self._let_drain()
        elif state is _ABANDONED:
            self._abandon_queue()

    def _start(self) -> None:
        if self._state is not _IDLE:
            return
        self._state = _RUNNING
        try:
            # Not threading.Thread: its start() takes locks that the code which we interrupted may hold.
            _thread.start_new_thread(self._run, ())
        except RuntimeError:  # the interpreter is going down, or the system has no thread left
            self._state = _EXITING
            self._drain_here()
        else:
            self.arm()

    def _watch_growth(self) -> None:
        limits = self.queue.limits
        self.queue.alert_at(min(limits.max_events // 8, GATHER_EVENTS), min(limits.max_bytes // 8, GATHER_BYTES))

    # The thread -------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        """The delivery thread."""
        if not self._turn.acquire(blocking=False):
            return
        self._thread = _thread.get_ident()
        threading.current_thread().name = "relay-delivery"
        bytes(KEPT_BYTES)
        rounds = 0
        while self._state is _RUNNING:
            try:
                rounds = 0 if self._deliver_batch() else rounds + 1
                if rounds:
                    self._rest(rounds)
            except BaseException as error:  # ours, or thrown into the thread from outside: delivery goes on
                self._own_errors.record("relay", "the delivery thread", error)
        self._thread = 0
        self._turn.release()
        self._drain_here()  # what was emitted while nobody else could take the turn
        self._stopped.release()

    def _rest(self, rounds: int) -> None:
        """Nothing waits: let events gather, or sleep after some rounds without any."""
        self._watch_growth()
        if rounds > LINGER_ROUNDS:
            self._sleep()
        if not self._urgent and self._state is _RUNNING:
            self._wake.acquire(timeout=LINGER_SECONDS)

    def _sleep(self) -> None:
        """Wait to be woken. The order matters: an emitter appends first and looks second."""
        self._asleep = True
        self.queue.alert_at(-1, 0)
        if not self.queue.items and not self.queue.passing and self._state is _RUNNING:
            self._wake.acquire(timeout=SLEEP_SECONDS)
        self._asleep = False
        self._watch_growth()

    def _deliver_batch(self) -> bool:
        """Deliver the oldest that waits, up to one batch; say whether there was anything."""
        queue = self.queue
        batch, barrier = queue.take()
        queue.delivering_in = _thread.get_ident()
        try:
            if queue.unreported:
                self._report_losses()
            if batch:
                self._delivery.deliver(batch)
        finally:
            queue.delivering_in = 0
        if barrier is not None:
            queue.passing.append(barrier)
        passing = len(queue.passing)
        for _ in range(passing):
            self._pass(queue.passing.popleft())
        return bool(batch) or passing > 0

    def _report_losses(self) -> None:
        """Put the losses since the last report into the stream, ahead of the next event."""
        queue = self.queue
        queue.unreported = False
        for reason, total in queue.losses.items():
            count = total - queue.reported[reason]
            if not count:
                continue
            built = self._loss_mark(reason, count)
            if built is None:
                queue.unreported = True  # nobody listens: later, perhaps
                continue
            queue.reported[reason] = total
            queue.emitted += 1
            self._delivery.deliver([built])

    def _pass(self, barrier: Barrier) -> None:
        self._urgent = False
        flushed = self._flush_plugins(max(0.0, barrier.deadline - time.monotonic()))
        if flushed:
            self._flushed = self._delivery.delivered
        barrier.done(flushed)

    # Barriers ---------------------------------------------------------------------------------------------------------

    def _put(self, barrier: Barrier) -> None:
        self._urgent = True
        self.queue.put(barrier)
        if self._state is _RUNNING:
            release(self._wake)
        else:
            self._deliver_somehow()

    def _is_idle(self) -> bool:
        return self._state is _IDLE and not self.queue.items

    def _is_settled(self) -> bool:
        delivered = self._delivery.delivered
        lost = sum(self.queue.losses.values())
        # In this order: an event that is counted only now is not among those delivered or lost, and makes it False.
        return delivered + lost == self.queue.emitted and (self._flushed == delivered or not self._has_buffers())

    def _can_wait(self) -> bool:
        return self._state is not _ABANDONED and _thread.get_ident() != self._thread

    # The end ----------------------------------------------------------------------------------------------------------

    def shutdown(self, timeout: float | None = None) -> bool:
        """Deliver what is queued and stop the thread; from now on whoever emits delivers. Runs at exit by itself.

        Args:
            timeout: Seconds to wait at the most; by default `exit_timeout`.

        Returns:
            Whether everything was delivered; what was not is counted as dropped, for the reason ``exit``. False on the
            delivery thread, which goes on until the queue is empty.
        """
        patience = self.exit_timeout if timeout is None else timeout
        deadline = time.monotonic() + patience
        if _thread.get_ident() == self._thread:
            self._leave(_EXITING)
            return False
        if self._state is _RUNNING:
            self.barriers.wait(patience)
            self._leave(_EXITING)
            if not self._stopped.acquire(timeout=max(0.0, deadline - time.monotonic())):
                self._leave(_ABANDONED)
                lost = self._abandon_queue()
                if lost and not sys.is_finalizing():
                    limit = f"exit_timeout ({patience:g} s)" if timeout is None else f"{patience:g} s"
                    _logger.warning("%s not delivered within %s", counted(lost, "event"), limit)
        elif self._state is not _ABANDONED:
            self._leave(_EXITING)
            self._drain_here()
        if self._plugins_due:
            self._plugins_due = False
            self._end_plugins(max(0.0, deadline - time.monotonic()))
        return self._state is not _ABANDONED

    def _leave(self, state: _State) -> None:
        self._state = state
        self.queue.alert_at(-1, 0)  # from now on every emission is attended to
        release(self._wake)

    def _drain_here(self) -> None:
        """Deliver in this thread; a nested or concurrent emission leaves its event to whoever is at it."""
        queue = self.queue
        while (queue.items or queue.passing) and self._state is _EXITING and self._turn.acquire(blocking=False):
            outer = get_entry()
            self._thread = _thread.get_ident()
            try:
                while self._deliver_batch():
                    pass
            finally:
                self._thread = 0
                set_entry(outer)
                self._turn.release()

    def _let_drain(self) -> None:
        """Wait once, bounded, for whoever delivers: threads that emit for ever would outrun the drain at exit."""
        mine = _thread.get_ident()
        if not self.queue.items or self._thread == mine or running_loop() is not None:
            return
        if self._turn.acquire(timeout=self.queue.limits.full_wait):
            self._turn.release()
            self._drain_here()

    def _abandon_queue(self) -> int:
        """Drop what waits; say how much that was."""
        lost = self.queue.losses["exit"]
        while self.queue.drop_oldest("exit"):
            pass
        return self.queue.losses["exit"] - lost
