"""The bounded queue between those who emit and the one who delivers: limits, losses and the places of barriers.

There is no lock on the emitting path, so an emission inside a signal handler, a `__del__` or a garbage collector's
callback cannot find one taken. What replaces it: `deque.append` and `deque.popleft` are atomic, and so is a line
without a call, like `x += n` for plain ints or `old, x = x, new`, because CPython 3.11 to 3.13 switches threads, runs
signal handlers and collects garbage only at calls, at backward jumps and where it allocates a container. A test holds
the counters to that.
"""

import _thread
import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from relay_core.delivery import Delivery, Item

__all__ = ["FEEDBACK_DEPTH", "LOSS_DEPTH", "Barrier", "EventQueue", "QueueLimits", "locked", "release", "running_loop"]

FEEDBACK_DEPTH: Final = 8
"""Emissions caused by delivery deeper than this are dropped: a subscriber that feeds itself would never end."""
LOSS_DEPTH: Final = FEEDBACK_DEPTH + 1
"""The depth of the marks that tell losses: nothing that they cause is fed back, nor told as a loss."""
BATCH_EVENTS: Final = 256
"""How many events leave the queue at once: bounds what is in flight, and what a sink gets in one call."""
BATCH_BYTES: Final = 1 << 20
"""The same in bytes; a batch has at least one event whatever its size."""

_DEPTH: Final = 10
_SIZE: Final = 11


class QueueLimits:
    """The bounds of the queue."""

    __slots__ = ("full_wait", "max_bytes", "max_events")

    def __init__(self, max_events: int = 65_536, max_bytes: int = 256 << 20, full_wait: float = 0.05) -> None:
        """Bound the queue to `max_events` and to `max_bytes` of payload; `full_wait` is in seconds."""
        self.max_events = max_events
        self.max_bytes = max_bytes
        self.full_wait = full_wait


class Barrier:
    """A place in the queue: `done` is told, once, whether everything before it is delivered and flushed."""

    __slots__ = ("deadline", "done")

    def __init__(self, timeout: float, done: Callable[[bool], None]) -> None:
        """Pass within `timeout` seconds."""
        self.deadline = time.monotonic() + timeout
        self.done = done


class EventQueue:
    """What waits, and what was lost. `emit` may be called from anywhere at any time."""

    __slots__ = (
        "_alert_bytes",
        "_alert_events",
        "_attend",
        "_delivery",
        "_space",
        "barriers",
        "bytes",
        "delivering_in",
        "emitted",
        "items",
        "latched",
        "limits",
        "losses",
        "passing",
        "reported",
        "unreported",
    )

    def __init__(self, delivery: Delivery, attend: Callable[[], None]) -> None:
        """Hold what `delivery` gets later; `attend` is called when the queue has grown beyond `alert_at`."""
        self.limits = QueueLimits()
        self._delivery = delivery
        self._attend = attend
        self.reset()

    def reset(self) -> None:
        """Begin as if nothing had been emitted."""
        self.items: deque[Item | Barrier] = deque()
        self.barriers = 0
        """How many of the items are barriers."""
        self.passing: deque[Barrier] = deque()
        """Barriers that have left the queue; they pass when the batch that is being delivered is done."""
        self.bytes = 0
        self.emitted = 0
        self.delivering_in = 0
        """The thread that delivers a batch at this moment, or 0."""
        self.losses = {"queue_full": 0, "feedback": 0, "exit": 0}
        self.reported = dict(self.losses)
        self.unreported = False
        self.latched = False
        self._space = locked()
        self.alert_at(-1, 0)

    def alert_at(self, events: int, size: int) -> None:
        """Have `attend` called by every emission that leaves more than this in the queue."""
        self._alert_events = events
        self._alert_bytes = size

    def emit(self, item: Item) -> None:
        """Queue one event. Never raises, never waits for a listener; any thread, also inside signal handlers."""
        self.emitted += 1
        if self.delivering_in and _thread.get_ident() == self.delivering_in:
            depth = self._delivery.depth + 1
            if depth > FEEDBACK_DEPTH:
                self.losses["feedback"] += 1
                self.unreported = self.unreported or depth <= LOSS_DEPTH
                return
            item = (*item[:_DEPTH], depth, item[_SIZE])
        items = self.items
        self.bytes += item[_SIZE]
        items.append(item)
        if len(items) > self._alert_events or self.bytes > self._alert_bytes:
            self._attend()

    def put(self, barrier: Barrier) -> None:
        """Put a barrier behind what waits now."""
        self.barriers += 1
        self.items.append(barrier)

    # The other end ----------------------------------------------------------------------------------------------------

    def take(self) -> tuple[list[Item], Barrier | None]:
        """Return the oldest that wait, up to one batch, and the barrier that ended it."""
        popleft = self.items.popleft
        batch: list[Item] = []
        size = 0
        barrier = None
        while len(batch) < BATCH_EVENTS and size < BATCH_BYTES:
            try:
                item = popleft()
            except IndexError:
                break
            if isinstance(item, Barrier):
                self.barriers -= 1
                barrier = item
                break
            batch.append(item)
            size += item[_SIZE]
        self.bytes -= size
        if self.latched:
            self._unlatch()
        return batch, barrier

    # Full -------------------------------------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether the queue holds more than it may."""
        return len(self.items) > self.limits.max_events or self.bytes > self.limits.max_bytes

    def make_room(self, *, may_wait: bool) -> None:
        """Wait once per episode, where the thread `may_wait`; then drop the oldest until the rest fits."""
        space = self._space
        if not self.latched:
            self.latched = True
            if may_wait and running_loop() is None:
                space.acquire(timeout=self.limits.full_wait)
        while self.is_full and self.drop_oldest("queue_full"):
            pass

    def drop_oldest(self, reason: str) -> bool:
        """Drop one event, for a reason that is counted; say whether there was anything in the queue."""
        try:
            item = self.items.popleft()
        except IndexError:
            return False
        if isinstance(item, Barrier):
            # All before it has left the queue.
            self.barriers -= 1
            self.passing.append(item)
        else:
            self.bytes -= item[_SIZE]
            self.losses[reason] += 1
            self.unreported = True
        return True

    def _unlatch(self) -> None:
        limits = self.limits
        if len(self.items) * 4 < limits.max_events * 3 and self.bytes * 4 < limits.max_bytes * 3:
            waited_for, self._space = self._space, locked()
            release(waited_for)
            self.latched = False


def locked() -> _thread.LockType:
    """Return a lock that is taken."""
    lock = _thread.allocate_lock()
    lock.acquire()
    return lock


def release(lock: _thread.LockType) -> None:
    """Release `lock`, or leave it released."""
    with contextlib.suppress(RuntimeError):
        lock.release()


def running_loop() -> object | None:
    """Return this thread's running event loop; asyncio is not imported for the question."""
    events = sys.modules.get("asyncio.events")
    return None if events is None else events._get_running_loop()
