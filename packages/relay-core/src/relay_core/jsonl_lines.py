"""Reads a JSONL file line by line, and says what is wrong with a line. What the lines mean is the reader's business."""

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import orjson

from relay_core.json_values import is_object

__all__ = ["Problem", "Severity", "scan", "what_is_wrong"]

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something that is wrong with a file of events."""

    line: int
    """The line's number; the first is 1."""
    severity: Severity
    """``"error"``: the file breaks the format. ``"warning"``: it may be right, or says itself why it is not whole."""
    message: str
    """What is wrong, for a reader of the file."""

    def __str__(self) -> str:
        return f"line {self.line}: {self.severity}: {self.message}"


def scan(path: str | PathLike[str]) -> Iterator[tuple[int, bytes, dict[str, Any] | None]]:
    """Yield number, bytes and decoded object of each line of a file; blank lines are left out.

    The object is None where the line holds none: `what_is_wrong` says why. Only the line at hand is in memory.

    Raises:
        OSError: The file cannot be read. Raised when the first line is asked for.
    """
    loads = orjson.loads
    with Path(path).open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                fields = loads(line)
            except orjson.JSONDecodeError:
                if line.isspace():
                    continue
                fields = None
            yield number, line, fields if is_object(fields) else None


def what_is_wrong(line: bytes) -> str:
    """Say why `line`, which `scan` found to hold no object, holds none."""
    if not line.endswith(b"\n"):
        return "torn line: the file ends before the line does"
    if line.startswith(b"{"):
        return "torn line: it holds no complete JSON object"
    return "the line is no JSON object"
