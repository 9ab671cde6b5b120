"""Starts, ends, marks and parents over one file."""

from collections.abc import Iterable
from typing import Any

import pytest
from uuid_utils import uuid7

from relay_core.pairing import Pairing


class Recording:
    """Builds the events of a file; ids and times rise by themselves."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.time = 1_700_000_000_000_000

    def start(self, name: str, parent: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        uuid = str(uuid7())
        root = parent["propagation_root_uuid"] if parent else uuid
        return self._add(
            {
                "kind": "scope",
                "scope_category": "start",
                "uuid": uuid,
                "parent_uuid": parent and parent["uuid"],
                "propagation_root_uuid": root,
                "name": name,
                "attributes": [],
                "category": "function",
            },
            changes,
        )

    def end(self, start: dict[str, Any], **changes: Any) -> dict[str, Any]:
        return self._add(start | {"scope_category": "end"}, changes)

    def mark(self, name: str, parent: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        return self._add(
            {
                "kind": "mark",
                "uuid": str(uuid7()),
                "parent_uuid": parent and parent["uuid"],
                "propagation_root_uuid": parent and parent["propagation_root_uuid"],
                "name": name,
                "data": None,
            },
            changes,
        )

    def _add(self, event: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
        self.time += 1
        event = event | {"timestamp": self.time} | changes
        self.events.append(event)
        return event

    def run(self) -> None:
        root = self.start("root")
        child = self.start("child", root)
        leaf = self.start("leaf", child)
        self.mark("mark", leaf)
        for scope in (leaf, child, root):
            self.end(scope)


def problems(events: Iterable[dict[str, Any]]) -> list[tuple[int, str, str]]:
    """Return line, severity and message of what is wrong with `events`."""
    pairing = Pairing()
    for line, event in enumerate(events, 1):
        pairing.add(line, event)
    return [(problem.line, problem.severity, problem.message) for problem in sorted(pairing.finish())]


def test_a_perfect_file() -> None:
    """Nested scopes, marks inside and outside of them, and siblings that end out of order are all right."""
    recording = Recording()
    recording.mark("outside")
    recording.run()
    root = recording.start("root")
    first, second = recording.start("first", root), recording.start("second", root)
    for scope in (first, root, second):
        recording.end(scope)

    assert problems(recording.events) == []


# --- Errors ----------------------------------------------------------------------------------------------------------


def test_a_scope_whose_run_is_over_needs_an_end() -> None:
    """A start without an end is an error when its root has ended."""
    recording = Recording()
    recording.run()
    del recording.events[4]

    [(line, severity, message)] = problems(recording.events)
    assert (line, severity) == (3, "error")
    assert "'leaf'" in message
    assert "has no end" in message


def test_an_end_needs_a_start_and_children_need_a_parent() -> None:
    """A start that is missing in the middle of a run is an error at its end and at its first child."""
    recording = Recording()
    recording.run()
    del recording.events[1]

    found = problems(recording.events)
    assert [(line, severity) for line, severity, _ in found] == [(2, "error"), (5, "error")]
    assert "is not in this file" in found[0][2]
    assert "'child'" in found[1][2]
    assert "has no start" in found[1][2]


def test_a_run_that_began_in_the_file_needs_its_root() -> None:
    """A later run's start is lost, not written elsewhere."""
    recording = Recording()
    recording.run()
    recording.run()
    del recording.events[7]

    assert [(line, severity) for line, severity, _ in problems(recording.events)] == [(8, "error"), (13, "error")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"timestamp": 1_700_000_000_000_001}, "is not later than its start, line 1"),
        ({"name": "other"}, "'name' of the scope 'other'"),
        ({"category": "tool"}, "'category' of"),
        ({"attributes": ["parallel"]}, "'attributes' of"),
        ({"parent_uuid": "0190b5a0-0000-7000-8000-000000000001"}, "'parent_uuid' of"),
        ({"propagation_root_uuid": "0190b5a0-0000-7000-8000-000000000001"}, "'propagation_root_uuid' of"),
    ],
)
def test_an_end_is_later_and_otherwise_like_its_start(changes: dict[str, Any], message: str) -> None:
    """Each field in which an end differs from its start is an error at the end's line."""
    recording = Recording()
    recording.end(recording.start("scope"), **changes)

    [(line, severity, text)] = problems(recording.events)
    assert (line, severity) == (2, "error")
    assert message in text


def test_everything_comes_once() -> None:
    """A second start, a second end and a mark with a scope's uuid are errors at their lines."""
    recording = Recording()
    scope = recording.start("scope")
    recording.end(scope)
    recording.end(scope)
    recording.events.append(scope)
    recording.mark("mark", uuid=scope["uuid"])
    mark = recording.mark("mark")
    recording.events.append(mark)
    recording.start("scope", uuid=mark["uuid"], propagation_root_uuid=mark["uuid"])

    assert [(line, severity) for line, severity, _ in problems(recording.events)] == [
        (3, "error"),
        (4, "error"),
        (5, "error"),
        (7, "error"),
        (8, "error"),
    ]


def test_a_start_after_its_end() -> None:
    """The two events of a scope in the wrong order are one error."""
    recording = Recording()
    scope = recording.start("scope")
    recording.end(scope)

    [(line, severity, message)] = problems(reversed(recording.events))
    assert (line, severity) == (2, "error")
    assert "comes after its end, line 1" in message


def test_parents_are_scopes_of_the_same_run() -> None:
    """A mark as parent, oneself as parent, and a parent of another run are errors."""
    recording = Recording()
    mark = recording.mark("mark")
    root, other = recording.start("root"), recording.start("other")
    child = recording.start("child", root, parent_uuid=mark["uuid"])
    uuid = str(uuid7())
    own = recording.start("own", root, uuid=uuid, parent_uuid=uuid)
    wrong = recording.start("wrong", root, propagation_root_uuid=other["uuid"])
    lost = recording.start("lost", propagation_root_uuid=root["uuid"])
    for scope in (child, own, wrong, lost, root, other):
        recording.end(scope)

    found = problems(recording.events)
    assert [(line, severity) for line, severity, _ in found] == [(4, "error"), (5, "error"), (6, "error"), (7, "error")]
    assert "is a mark" in found[0][2]
    assert "own parent" in found[1][2]
    assert "differs from that of the parent" in found[2][2]
    assert "top-level scope names another" in found[3][2]


def test_a_mark_has_both_parent_and_root_or_none() -> None:
    """A mark inside a scope names the run, too; a mark outside names neither."""
    recording = Recording()
    root = recording.start("root")
    recording.mark("mark", root, propagation_root_uuid=None)
    recording.mark("mark", propagation_root_uuid=root["uuid"])
    recording.end(root)

    assert [(line, severity) for line, severity, _ in problems(recording.events)] == [(2, "error"), (3, "error")]


def test_a_parent_that_starts_after_its_child() -> None:
    """A child that is there before its parent, in the file and by the clock, is an error."""
    recording = Recording()
    root = recording.start("root")
    parent = recording.start("parent", root)
    child = recording.start("child", parent, timestamp=parent["timestamp"] - 1)
    for scope in (child, parent, root):
        recording.end(scope)
    events = recording.events
    events[1], events[2] = events[2], events[1]

    [(line, severity, message)] = problems(events)
    assert (line, severity) == (3, "error")
    assert "starts after its child of line 2" in message


# --- Warnings --------------------------------------------------------------------------------------------------------


def test_a_file_that_begins_in_the_middle_of_a_run() -> None:
    """What the lines before the first one would explain is a warning."""
    recording = Recording()
    recording.run()
    recording.run()

    for cut in range(1, 7):
        assert {severity for _, severity, _ in problems(recording.events[cut:])} == {"warning"}


def test_a_file_that_ends_in_the_middle_of_a_run() -> None:
    """Scopes of a run that is not over need no end yet; the rest of the file is checked as strictly as ever."""
    recording = Recording()
    recording.run()
    recording.run()

    for cut in range(8, 14):
        found = problems(recording.events[:cut])
        assert {(severity, "has no end" in message) for _, severity, message in found} == {("warning", True)}


def test_a_killed_process_in_a_shared_file() -> None:
    """A run that stops because its process was killed is a warning, wherever in the file it is."""
    recording = Recording()
    recording.start("child", recording.start("root"))
    recording.run()

    assert [(line, severity) for line, severity, _ in problems(recording.events)] == [(1, "warning"), (2, "warning")]


def test_a_run_that_began_in_another_process() -> None:
    """A parent and a root that are in no line belong to another process; one warning says how many refer to it."""
    recording = Recording()
    recording.run()
    elsewhere = {"uuid": str(uuid7()), "propagation_root_uuid": str(uuid7())}
    recording.end(recording.start("one", elsewhere))
    recording.end(recording.start("two", elsewhere))

    [(line, severity, message)] = problems(recording.events)
    assert (line, severity) == (8, "warning")
    assert elsewhere["uuid"] in message
    assert "so do 1 others" in message


@pytest.mark.parametrize("missing", range(1, 6))
def test_a_file_that_says_what_it_lost(missing: int) -> None:
    """Where events were dropped, as a mark says, missing partners and parents are warnings."""
    recording = Recording()
    recording.run()
    recording.mark("relay.events_dropped", data={"count": 1, "reason": "queue_full"})
    del recording.events[missing]

    assert {severity for _, severity, _ in problems(recording.events)} <= {"warning"}


def test_a_parent_that_is_written_after_its_child() -> None:
    """In a file of several processes the parent's lines may come later, if the clock is right."""
    recording = Recording()
    root = recording.start("root")
    parent = recording.start("parent", root)
    child = recording.start("child", parent)
    for scope in (child, parent, root):
        recording.end(scope)
    events = recording.events
    events[1], events[2] = events[2], events[1]

    [(line, severity, message)] = problems(events)
    assert (line, severity) == (3, "warning")
    assert "is written after its child of line 2" in message


def test_a_child_that_was_dated_back() -> None:
    """A child that starts earlier than its parent, by an explicit timestamp, is a warning."""
    recording = Recording()
    root = recording.start("root")
    child = recording.start("child", root, timestamp=root["timestamp"] - 1)
    recording.end(child)
    recording.end(root)

    assert [(line, severity) for line, severity, _ in problems(recording.events)] == [(2, "warning")]


def test_ids_of_another_version() -> None:
    """Where ids do not sort by time, a file that begins with a run's start is taken to begin there."""
    recording = Recording()
    recording.run()
    recording.run()
    for event in recording.events:
        for key in ("uuid", "parent_uuid", "propagation_root_uuid"):
            if event[key]:
                event[key] = event[key][:14] + "4" + event[key][15:]

    assert {severity for _, severity, _ in problems(recording.events[1:7])} == {"warning"}
    assert {severity for _, severity, _ in problems(recording.events[:7] + recording.events[8:])} == {"error"}


def test_events_without_an_identity_are_left_to_the_envelope() -> None:
    """What has no uuid or no phase is not paired."""
    assert problems([{"kind": "scope"}, {"uuid": "u", "kind": "scope"}, {"uuid": 3}]) == []
