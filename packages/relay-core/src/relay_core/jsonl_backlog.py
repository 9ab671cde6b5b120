"""The lines that a file has not taken yet: kept up to a limit, and what is given up is counted. No I/O."""

import time

import orjson
from uuid_utils import uuid7

from relay_core.timestamps import format_timestamp
from relay_core.vocabulary import ATOF_VERSION

__all__ = ["Backlog"]


class Backlog:
    """Lines in the order in which they have to be written."""

    def __init__(self, max_bytes: int) -> None:
        """Keep at most `max_bytes` of lines after a failure."""
        self.lines: list[bytes] = []
        self.lost = 0
        """How many lines were given up."""
        self._max_bytes = max_bytes
        self._unmarked = 0

    def give_up_oldest(self) -> None:
        """Drop the oldest lines that are beyond the limit."""
        excess = sum(map(len, self.lines)) - self._max_bytes
        count = 0
        while excess > 0:
            excess -= len(self.lines[count])
            count += 1
        del self.lines[:count]
        self.lost += count
        self._unmarked += count

    def marked(self) -> list[bytes]:
        """Return what has to be written: the lines, and ahead of them a mark if lines are missing there."""
        return [_loss_mark(self._unmarked), *self.lines] if self._unmarked else self.lines

    def settle(self, rest: list[bytes]) -> None:
        """Keep what is left of `marked()` after an attempt to write it."""
        if len(rest) > len(self.lines):  # not even the mark was written
            return
        self.lines = rest
        self._unmarked = 0


def _loss_mark(count: int) -> bytes:
    return orjson.dumps(
        {
            "kind": "mark",
            "atof_version": ATOF_VERSION,
            "uuid": str(uuid7()),
            "parent_uuid": None,
            "propagation_root_uuid": None,
            "timestamp": format_timestamp(time.time_ns() // 1000),
            "name": "relay.events_dropped",
            "category": None,
            "category_profile": None,
            "data": {"count": count, "reason": "sink_failed"},
            "data_schema": None,
            "metadata": None,
        }
    )
