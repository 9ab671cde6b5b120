"""Keeps one party's failures from everybody else: counts them under a name and logs each name once per window."""

import logging
import time
from collections.abc import Callable

__all__ = ["Isolation"]

WINDOW_SECONDS = 60.0
"""How long a name stays silent in the log after one of its failures was logged."""


class Isolation:
    """Counts failures by name. Every method may be called from any thread and never raises."""

    def __init__(self, logger: logging.Logger, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Log to `logger`; `clock` gives seconds."""
        self._logger = logger
        self._clock = clock
        self._counts: dict[str, int] = {}
        self._logged_at: dict[str, float] = {}

    def record(self, name: str, doing: str, error: BaseException) -> None:
        """Count one failure of `name` while `doing` something; log it unless `name` was logged within the window."""
        self._counts.setdefault(name, 0)
        self._counts[name] += 1  # atomic under the GIL: no call between reading and writing
        now = self._clock()
        last = self._logged_at.get(name)
        if last is not None and now - last < WINDOW_SECONDS:
            return
        self._logged_at[name] = now
        try:
            self._logger.error("%s failed in %s (%d so far)", name, doing, self._counts[name], exc_info=error)
        except Exception:  # a handler of the application's logging may fail; the failure is counted already
            return

    def counts(self) -> dict[str, int]:
        """Return how often each name failed, as a dict of the caller's own."""
        return dict(self._counts)

    @property
    def total(self) -> int:
        """All failures of all names."""
        return sum(self.counts().values())
