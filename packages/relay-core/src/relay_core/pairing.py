"""Starts against ends and children against parents, over one file of events. The envelope is checked elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from relay_core.envelope import microseconds
from relay_core.json_values import as_mapping
from relay_core.jsonl_lines import Problem, Severity

__all__ = ["Pairing"]

_SAME: Final = ("name", "category", "attributes", "parent_uuid", "propagation_root_uuid")


@dataclass(slots=True)
class _Open:
    """A scope whose end has not come yet."""

    line: int
    start: int | None
    same: tuple[Any, ...]


@dataclass(slots=True)
class _StrayEnd:
    """The end of a scope whose start has not been seen."""

    line: int
    name: str
    root: str | None


@dataclass(slots=True)
class _Absent:
    """A parent that has not been seen, and what refers to it."""

    line: int
    root: str | None
    start: int | None
    count: int = 1


class Pairing:
    """Follows every scope of one file. Holds an id, a time and a run per scope, and no payload."""

    def __init__(self) -> None:
        """Begin before the first event."""
        self.dropped = 0
        """How many events are missing, as the file itself says."""
        self._problems: list[Problem] = []
        self._started: dict[str, tuple[int | None, str | None]] = {}
        self._marks: set[str] = set()
        self._open: dict[str, _Open] = {}
        self._stray: dict[str, _StrayEnd] = {}
        self._absent: dict[str, _Absent] = {}
        self._roots: dict[str, str] = {}
        self._begins_cleanly: bool | None = None
        self._first = ""  # the id of the first event that came into being while this file was written

    def add(self, line: int, event: dict[str, Any]) -> None:
        """Take the event of `line`."""
        uuid = event.get("uuid")
        if not isinstance(uuid, str):
            return
        phase = event.get("scope_category")
        if self._begins_cleanly is None:
            self._begins_cleanly = event.get("parent_uuid") is None and phase != "end"
        if not self._first and phase != "end":
            self._first = uuid
        root = _text(event.get("propagation_root_uuid"))
        root = self._roots.setdefault(root, root) if root is not None else None
        if event.get("kind") == "mark":
            self._mark(line, uuid, root, event)
        elif phase == "start":
            self._start(line, uuid, root, event)
        elif phase == "end":
            self._end(line, uuid, root, event)

    def finish(self) -> list[Problem]:
        """Return what is wrong, once the last event was added; in no particular order."""
        self._problems += self._unfinished()
        return self._problems

    def _report(self, line: int, severity: Severity, message: str) -> None:
        self._problems.append(Problem(line, severity, message))

    # One event --------------------------------------------------------------------------------------------------------

    def _start(self, line: int, uuid: str, root: str | None, event: dict[str, Any]) -> None:
        if self._is_taken(line, uuid, "start"):
            return
        start = microseconds(event.get("timestamp"))
        parent = _text(event.get("parent_uuid"))
        if parent is None and root is not None and root != uuid:
            self._report(line, "error", "a top-level scope names another scope as its 'propagation_root_uuid'")
        self._check_parent(line, uuid, parent, root, start)
        self._started[uuid] = (start, root)
        if (end := self._stray.pop(uuid, None)) is not None:
            self._report(line, "error", f"the start of {_named(event)} comes after its end, line {end.line}")
        else:
            self._open[uuid] = _Open(line, start, tuple(event.get(key) for key in _SAME))
        if (absent := self._absent.pop(uuid, None)) is not None:
            late = absent.start is not None and start is not None and absent.start < start
            self._report(
                line,
                "error" if late else "warning",
                f"{_named(event)} {'starts' if late else 'is written'} after its child of line {absent.line}",
            )

    def _end(self, line: int, uuid: str, root: str | None, event: dict[str, Any]) -> None:
        scope = self._open.pop(uuid, None)
        if scope is None:
            if not self._is_taken(line, uuid, "end"):
                self._stray[uuid] = _StrayEnd(line, _named(event), root)
            return
        end = microseconds(event.get("timestamp"))
        if end is not None and scope.start is not None and end <= scope.start:
            self._report(line, "error", f"the end of {_named(event)} is not later than its start, line {scope.line}")
        for key, before in zip(_SAME, scope.same, strict=True):
            if event.get(key) != before:
                self._report(
                    line, "error", f"{key!r} of {_named(event)} differs from that of its start, line {scope.line}"
                )

    def _mark(self, line: int, uuid: str, root: str | None, event: dict[str, Any]) -> None:
        if self._is_taken(line, uuid, "mark"):
            return
        self._marks.add(uuid)
        parent = _text(event.get("parent_uuid"))
        if (parent is None) != (root is None):
            self._report(line, "error", "'parent_uuid' and 'propagation_root_uuid' of a mark are null together, or not")
        self._check_parent(line, uuid, parent, root, None)
        if event.get("name") == "relay.events_dropped":
            count = as_mapping(event.get("data")).get("count")
            self.dropped += count if isinstance(count, int) else 1

    def _is_taken(self, line: int, uuid: str, what: str) -> bool:
        """Report and say whether `uuid` cannot be that of another `what`."""
        if uuid in self._marks or (what == "mark" and (uuid in self._started or uuid in self._stray)):
            self._report(line, "error", f"the uuid {uuid} is that of another event")
        elif what != "mark" and (uuid in self._started or (what == "end" and uuid in self._stray)):
            self._report(line, "error", f"a second {what} of the scope {uuid}")
        else:
            return False
        return True

    def _check_parent(self, line: int, uuid: str, parent: str | None, root: str | None, start: int | None) -> None:
        if parent is None:
            return
        known = self._started.get(parent)
        if known is not None:
            if root is not None and known[1] is not None and known[1] != root:
                self._report(line, "error", f"'propagation_root_uuid' differs from that of the parent {parent}")
            if start is not None and known[0] is not None and start < known[0]:
                self._report(line, "warning", f"it starts earlier than its parent {parent}")
        elif parent == uuid:
            self._report(line, "error", "it is its own parent")
        elif parent in self._marks:
            self._report(line, "error", f"its parent {parent} is a mark")
        elif (absent := self._absent.get(parent)) is not None:
            absent.count += 1
            absent.start = start if absent.start is None else min(absent.start, start or absent.start)
        else:
            self._absent[parent] = _Absent(line, root, start)

    # The whole file ---------------------------------------------------------------------------------------------------

    def _unfinished(self) -> Iterator[Problem]:
        for uuid, scope in self._open.items():
            run = self._started[uuid][1]
            over = run is not None and run != uuid and self._is_over(run)
            yield Problem(scope.line, self._unless_dropped(over), f"the scope {scope.same[0]!r} ({uuid}) has no end")
        for end in self._stray.values():
            yield Problem(end.line, self._unless_dropped(self._is_whole(end.root)), f"{end.name} has no start")
        for uuid, absent in self._absent.items():
            others = f"; so do {absent.count - 1} others" if absent.count > 1 else ""
            yield Problem(
                absent.line,
                self._unless_dropped(self._is_whole(absent.root)),
                f"it names the parent {uuid}, which is not in this file{others}",
            )

    def _unless_dropped(self, is_error: bool) -> Severity:
        return "error" if is_error and not self.dropped else "warning"

    def _is_over(self, root: str) -> bool:
        """Whether a run has ended, so that its scopes should have ended, too."""
        return root in self._stray or (root in self._started and root not in self._open)

    def _is_whole(self, root: str | None) -> bool:
        """Whether a run began in this file, so that all of its starts should be there."""
        if root is None or root in self._started:
            return True
        # The root ended here and began here, but its start is lost; else it belongs to another process, or file.
        return root in self._stray and self._is_later_than_first(root)

    def _is_later_than_first(self, root: str) -> bool:
        """Whether a scope began after the file did; ids of version 7 sort by time."""
        if _is_v7(root) and _is_v7(self._first):
            return root > self._first
        return self._begins_cleanly is True


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _is_v7(uuid: str) -> bool:
    return uuid[14:15] == "7"


def _named(event: dict[str, Any]) -> str:
    return f"the scope {event.get('name')!r} ({event.get('uuid')})"
