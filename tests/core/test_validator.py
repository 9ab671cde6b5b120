"""The strict validator over whole files."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from uuid_utils import uuid7

from relay_core.validator import Validator, validate


def events(**root: Any) -> list[bytes]:
    """Return the lines of one run: a scope with a mark and a child in it."""
    root_uuid, child_uuid = str(uuid7()), str(uuid7())

    def line(second: int, **fields: Any) -> bytes:
        common: dict[str, Any] = {
            "kind": "scope",
            "atof_version": "0.1",
            "parent_uuid": None,
            "propagation_root_uuid": root_uuid,
            "timestamp": f"2026-03-01T12:00:0{second}Z",
            "attributes": [],
            "category": "agent",
            "category_profile": None,
            "data": {"text": "ä" * 10},
            "data_schema": None,
            "metadata": None,
        }
        return orjson.dumps(common | fields) + b"\n"

    child = {"uuid": child_uuid, "parent_uuid": root_uuid, "name": "child"}
    mark = orjson.loads(line(2, kind="mark", uuid=str(uuid7()), parent_uuid=root_uuid, name="mark"))
    del mark["attributes"]
    return [
        line(0, scope_category="start", uuid=root_uuid, name="root", **root),
        line(1, scope_category="start", **child),
        orjson.dumps(mark) + b"\n",
        line(3, scope_category="end", **child),
        line(4, scope_category="end", uuid=root_uuid, name="root", **root),
    ]


def check(path: Path, lines: list[bytes]) -> list[tuple[int, str]]:
    """Return line and severity of what is wrong with a file of `lines`."""
    path.write_bytes(b"".join(lines))
    return [(problem.line, problem.severity) for problem in validate(path)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a file's name."""
    return tmp_path / "run.jsonl"


def test_a_perfect_file_and_an_empty_one(file: Path) -> None:
    """Neither has a problem, blank lines do no harm."""
    assert check(file, events()) == []
    assert check(file, [b"\n", *events(), b"\n"]) == []
    assert check(file, []) == []


def test_problems_come_by_line(file: Path) -> None:
    """Envelope, pairing and torn lines are reported together, in the order of the file."""
    lines = events()
    del lines[3]
    lines[2] = lines[2].replace(b'"name":"mark"', b'"name":null')
    lines.insert(0, b'{"torn": \n')
    lines.append(b"foreign\n")

    assert check(file, lines) == [(1, "error"), (3, "error"), (4, "error"), (6, "error")]


def test_a_torn_last_line_is_a_warning(file: Path) -> None:
    """What a killed process left is a warning; the missing end is one, too, since the run was still going on."""
    lines = events()
    lines[4] = lines[4][:50]

    assert check(file, lines) == [(1, "warning"), (5, "warning")]


def test_a_torn_line_in_the_middle_is_an_error(file: Path) -> None:
    """A line that is lost is an error."""
    lines = events()
    lines[2] = lines[2][:50] + b"\n"

    assert check(file, lines) == [(3, "error")]


def test_a_torn_line_that_was_written_again_is_a_warning(file: Path) -> None:
    """After a short write the whole line follows, perhaps behind further attempts and lines of other processes."""
    lines = events()
    torn = [lines[2][:200] + b"\n", lines[2][:150] + b"\n"]

    assert check(file, [*lines[:2], *torn, *events(), *lines[2:]]) == [(3, "warning"), (4, "warning")]


def test_torn_lines_are_not_remembered_for_ever(file: Path) -> None:
    """A file of nothing but torn lines is reported line by line, with bounded memory."""
    assert check(file, [b'{"torn": \n'] * 150) == [(line, "error") for line in range(1, 150)] + [(150, "error")]


def test_a_file_that_says_what_it_lost(file: Path) -> None:
    """Where events were dropped, as a mark says, torn lines and missing partners are warnings."""
    lines = events()
    dropped = orjson.loads(lines[2]) | {
        "name": "relay.events_dropped",
        "data": {"count": 1, "reason": "sink_failed"},
        "uuid": str(uuid7()),
    }
    lines[3:4] = [lines[3][:80] + b"\n", orjson.dumps(dropped) + b"\n"]

    assert check(file, lines) == [(2, "warning"), (4, "warning")]


def test_events_are_counted() -> None:
    """The validator knows how many lines held an object."""
    validator = Validator()
    for number, line in enumerate(events(), 1):
        validator.add(number, line, orjson.loads(line))
    validator.add(6, b"{", None)

    assert validator.events == 5


def test_a_file_that_is_not_there() -> None:
    """Validating what does not exist is the usual error."""
    with pytest.raises(FileNotFoundError):
        validate("nowhere.jsonl")
