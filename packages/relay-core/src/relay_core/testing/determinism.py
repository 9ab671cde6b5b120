"""A clock and ids of a test's own, so that two runs emit the same events, byte for byte."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from relay_core.runtime import Relay, default
from relay_core.timestamps import from_datetime, to_datetime

__all__ = ["FixedClock", "SequentialIds", "deterministic"]

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


class FixedClock:
    """A clock that stands still until it is told to go on. Any thread may read and move it."""

    def __init__(self, start: datetime = NEW_YEAR, *, step: timedelta = timedelta(0)) -> None:
        """Stand at `start`.

        Args:
            start: Timezone-aware.
            step: How far it goes on by itself at each reading.

        Raises:
            ValueError: `start` is naive.
        """
        self._lock = threading.Lock()
        self._us = from_datetime(start, "start")
        self._step_us = step // timedelta(microseconds=1)

    @property
    def now(self) -> datetime:
        """What the clock shows; reading it here does not move it."""
        return to_datetime(self._us)

    def advance(self, seconds: float) -> None:
        """Go on by `seconds`, in steps of a microsecond."""
        with self._lock:
            self._us += round(seconds * 1_000_000)

    def __call__(self) -> int:
        """Return the time in nanoseconds since the epoch, as `time.time_ns` does."""
        with self._lock:
            shown = self._us
            self._us += self._step_us
        return shown * 1000


class SequentialIds:
    """Ids that count: ``00000000-0000-7000-8000-000000000001`` and so on. Any thread may draw one."""

    def __init__(self) -> None:
        """Begin with 1."""
        self._lock = threading.Lock()
        self._last = 0

    def __call__(self) -> str:
        """Return the next id."""
        with self._lock:
            self._last += 1
            return f"00000000-0000-7000-8000-{self._last:012x}"


@contextmanager
def deterministic(
    relay: Relay | None = None, *, clock: FixedClock | None = None, ids: Callable[[], str] | None = None
) -> Generator[FixedClock]:
    """Have a runtime take time and ids from the test, for the block.

    An end is still later than its start, by a microsecond where the clock stands still.

    Args:
        relay: The runtime; by default the one that the module functions speak to.
        clock: By default one that stands at the beginning of 2026.
        ids: By default a new `SequentialIds`.

    Yields:
        The clock.
    """
    scopes = (default() if relay is None else relay).scopes
    before = scopes.time_ns, scopes.new_uuid
    clock = FixedClock() if clock is None else clock
    scopes.time_ns, scopes.new_uuid = clock, SequentialIds() if ids is None else ids
    try:
        yield clock
    finally:
        scopes.time_ns, scopes.new_uuid = before
