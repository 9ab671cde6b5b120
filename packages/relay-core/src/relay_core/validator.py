"""The strict validator behind `relay validate`: lines, then events one by one, then scopes and runs. One pass.

What stays in memory is an id and a little more per event, and no payload.
"""

from os import PathLike
from typing import Any, Final

from relay_core.envelope import complaints
from relay_core.jsonl_lines import Problem, scan, what_is_wrong
from relay_core.pairing import Pairing

__all__ = ["Problem", "Validator", "validate"]

_MAX_TORN: Final = 100


def validate(path: str | PathLike[str]) -> list[Problem]:
    """Return what is wrong with a file of events, by line; an empty list for a perfect one.

    Errors: a line that is no event, keys that are missing or of the wrong type, a start or an end without the other, an
    end that is not later than its start or differs from it, a parent that is not there or started later than its child.
    Warnings instead: a torn last line, or a torn line that was written again as a whole; missing partners and parents
    where the file says that events were dropped, and where a run began before the file does, began in another process
    or is still going on when the file ends; and what a newer version or another vendor may mean.

    Raises:
        OSError: The file cannot be read.
    """
    validator = Validator()
    for number, line, fields in scan(path):
        validator.add(number, line, fields)
    return validator.finish()


class Validator:
    """Validates one file, line by line."""

    def __init__(self) -> None:
        """Begin before the first line."""
        self.events = 0
        """How many lines hold an object."""
        self._last = 0
        self._pairing = Pairing()
        self._problems: list[Problem] = []
        self._torn: dict[int, bytes] = {}

    def add(self, number: int, line: bytes, fields: dict[str, Any] | None) -> None:
        """Take one line, as `relay_core.jsonl_lines.scan` yields it."""
        self._last = number
        if fields is None:
            self._add_broken(number, line)
            return
        self.events += 1
        if self._torn:
            self._forgive_torn(number, line)
        for severity, message in complaints(fields):
            self._problems.append(Problem(number, severity, message))
        self._pairing.add(number, fields)

    def finish(self) -> list[Problem]:
        """Return all problems by line, once the last line was added."""
        problems = self._problems + self._pairing.finish()
        for number, line in self._torn.items():
            accounted_for = number == self._last or self._pairing.dropped > 0
            problems.append(Problem(number, "warning" if accounted_for else "error", what_is_wrong(line)))
        return sorted(problems)

    def _add_broken(self, number: int, line: bytes) -> None:
        if line.startswith(b"{") and len(self._torn) < _MAX_TORN:
            self._torn[number] = line
        else:
            self._problems.append(Problem(number, "error", what_is_wrong(line)))

    def _forgive_torn(self, number: int, line: bytes) -> None:
        """A writer whose disk was full writes the whole line again: nothing is lost."""
        for torn in [torn for torn, start in self._torn.items() if line.startswith(start.rstrip(b"\n"))]:
            del self._torn[torn]
            self._problems.append(Problem(torn, "warning", f"torn line: line {number} repeats it as a whole"))
