"""The lines that a file has not taken yet: kept up to a limit, and what is given up is counted. No I/O."""

import time

import orjson
from uuid_utils import uuid7

from relay_core.jsonl_file import split
from relay_core.timestamps import format_timestamp
from relay_core.vocabulary import ATOF_VERSION

__all__ = ["Backlog"]


class Backlog:
    """Lines in the order in which they have to be written."""

    def __init__(self, max_bytes: int) -> None:
        """Keep at most `max_bytes` of lines after a failure."""
        self.blocks: list[bytes] = []
        """What waits, in blocks of whole lines."""
        self.lost = 0
        """How many lines were given up."""
        self._max_bytes = max_bytes
        self._offered = 0
        self._unmarked = 0
        self._mark = b""

    @property
    def waiting(self) -> int:
        """How many lines wait."""
        return sum(block.count(b"\n") for block in self.blocks.copy())

    @property
    def written(self) -> int:
        """How many lines have gone into the file, marks included."""
        return self._offered - self.lost - self.waiting

    def add(self, block: bytes, count: int) -> None:
        """Have `count` lines wait."""
        self.blocks.append(block)
        self._offered += count

    def give_up_oldest(self) -> None:
        """Drop the oldest lines that are beyond the limit."""
        excess = sum(map(len, self.blocks)) - self._max_bytes
        if excess <= 0:
            return
        lines = split(self.blocks)
        count = 0
        while excess > 0:
            excess -= len(lines[count])
            count += 1
        self.blocks = lines[count:]
        self.lost += count
        self._unmarked += count

    def marked(self) -> list[bytes]:
        """Return what has to be written: all that waits, and ahead of it a mark if lines are missing there."""
        self._mark = _loss_mark(self._unmarked) if self._unmarked else b""
        return [self._mark, *self.blocks] if self._mark else self.blocks

    def settle(self, rest: list[bytes]) -> None:
        """Keep what is left of `marked()` after an attempt to write it."""
        if self._mark and rest[:1] == [self._mark]:  # not even the mark was written
            self.blocks = rest[1:]
        else:
            self.blocks = rest
            self._offered += 1 if self._mark else 0
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
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )
