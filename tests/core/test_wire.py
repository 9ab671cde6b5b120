"""The text of events: what lines share is made once, and what they do not share is never taken over."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.recorder import Recorder

from relay_core import Relay, ScopeType, wire
from relay_core.event_reader import event_from_dict
from relay_core.events import json_lines

pytestmark = pytest.mark.usefixtures("implementation")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text(microseconds: int) -> str:
    """Return a timestamp as the standard library would write it."""
    moment = EPOCH + timedelta(microseconds=microseconds)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


@given(st.lists(st.integers(-(10**15), 10**15) | st.integers(-2000, 2000), max_size=20))
def test_moments(moments: list[int]) -> None:
    """Each line has its own moment, however the moments of a batch follow each other."""
    events = [
        event_from_dict({"kind": "mark", "atof_version": "0.1", "uuid": "u", "name": "m", "timestamp": at})
        for at in moments
    ]

    lines = json_lines(events).splitlines()

    assert [text(at) for at in moments] == [orjson.loads(line)["timestamp"] for line in lines]
    assert lines == [event.to_json_bytes() for event in events]


def test_same_name_elsewhere(relay: Relay, recorder: Recorder) -> None:
    """Scopes and marks of one name keep their own category and attributes."""
    for _ in range(2):
        relay.scopes.start("x", ScopeType.Tool)
        relay.scopes.start("x", ScopeType.Llm, attributes=["streaming"])
        relay.scopes.event("x")
        relay.scopes.event("x", category="tool")

    lines = [orjson.loads(line) for line in json_lines(recorder.events).splitlines()]

    found = [(line["kind"], line["category"], line.get("attributes")) for line in lines]
    kinds = [("scope", "tool", []), ("scope", "llm", ["streaming"]), ("mark", None, None), ("mark", "tool", None)]
    assert kinds * 2 == found


def test_names_without_end(relay: Relay, recorder: Recorder) -> None:
    """Names that are made up for each scope do not fill the memory."""
    for number in range(3000):
        relay.scopes.event(f"{number}")
    relay.scopes.event("x" * 100_000)

    lines = json_lines(recorder.events).splitlines()

    assert [*map(str, range(3000)), "x" * 100_000] == [orjson.loads(line)["name"] for line in lines]
    assert len(wire._labels) <= 1024
    assert max(map(len, wire._labels.values())) < 1000
