"""What one event has to look like, whatever the others say."""

from typing import Any

import pytest

from relay_core.envelope import complaints, microseconds

UUID = "0190b5a0-0000-7000-8000-000000000001"


def start(**changes: Any) -> dict[str, Any]:
    """Return a start event without fault, with `changes`."""
    return {
        "kind": "scope",
        "scope_category": "start",
        "atof_version": "0.1",
        "uuid": UUID,
        "parent_uuid": None,
        "propagation_root_uuid": UUID,
        "timestamp": "2026-03-01T12:34:56.123456Z",
        "name": "agent",
        "attributes": [],
        "category": "agent",
        "category_profile": None,
        "data": None,
        "data_schema": None,
        "metadata": None,
    } | changes


def mark(**changes: Any) -> dict[str, Any]:
    """Return a mark without fault, with `changes`."""
    event = start(kind="mark", category=None, propagation_root_uuid=None)
    del event["scope_category"], event["attributes"]
    return event | changes


@pytest.mark.parametrize(
    "event",
    [
        start(),
        mark(),
        start(atof_version="0.2", new_key={"from": "a later version"}),
        start(timestamp=1_772_368_496_123_456),
        start(timestamp="2026-03-01 12:34:56+01:00"),
        start(data=[1, "two"], data_schema={"name": "n", "version": "1", "more": 1}, metadata={"any": 1}),
        start(attributes=["acme.fast", "parallel", "streaming"]),
        start(category="custom", category_profile={"subtype": "step"}),
        start(metadata={"relay.outcome": "handed_off"}),
        mark(metadata={"nemo_relay.log.severity": "warn"}, category="tool"),
    ],
)
def test_what_the_format_allows(event: dict[str, Any]) -> None:
    """Everything that ATOF 0.Y allows passes without a complaint, unknown keys included."""
    assert complaints(event) == []


@pytest.mark.parametrize("key", list(start()))
def test_every_key_is_wanted(key: str) -> None:
    """A missing key is an error that names it."""
    event = start()
    del event[key]

    assert [severity for severity, message in complaints(event) if key in message] == ["error"]


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (start(kind="span"), "'kind' is 'span'"),
        (start(kind=["scope"]), "'kind' is ['scope']"),
        (start(scope_category="middle"), "'scope_category' is 'middle'"),
        (start(atof_version="1.0"), "'atof_version' is '1.0'"),
        (start(atof_version=0.1), "'atof_version' is 0.1"),
        (start(uuid="42"), "'uuid' is '42', which is no UUID"),
        (start(uuid=None), "'uuid' is None"),
        (start(parent_uuid=""), "'parent_uuid' is '', which is neither null nor a UUID"),
        (start(propagation_root_uuid=None), "'propagation_root_uuid' is null"),
        (mark(propagation_root_uuid="x" * 200), "'propagation_root_uuid' is 'xxxxx"),
        (start(timestamp="2026-03-01T12:34:56"), "'timestamp'"),
        (start(timestamp="yesterday"), "'timestamp'"),
        (start(timestamp=1.5), "'timestamp'"),
        (start(timestamp=True), "'timestamp'"),
        (start(name=None), "'name' is None"),
        (start(attributes=None), "'attributes' is no array of strings"),
        (start(attributes=[1]), "'attributes' is no array of strings"),
        (start(attributes=["streaming", "parallel"]), "'attributes' is not sorted"),
        (start(attributes=["parallel", "parallel"]), "names a flag twice"),
        (start(category=None), "'category' is null"),
        (start(category={}), "'category' is {}"),
        (start(category="custom"), "wants a 'subtype'"),
        (start(category="custom", category_profile={"subtype": 3}), "wants a 'subtype'"),
        (start(category_profile=[]), "'category_profile' is []"),
        (start(data_schema={"name": "n"}), "'data_schema'"),
        (start(data_schema="n"), "'data_schema'"),
        (start(metadata=[]), "'metadata' is []"),
        (mark(attributes=[]), "a mark has no attributes"),
        (mark(scope_category="start"), "a mark has no scope_category"),
    ],
)
def test_what_breaks_the_format(event: dict[str, Any], message: str) -> None:
    """A wrong value is one error that names the key and shows the value."""
    found = complaints(event)

    assert [severity for severity, _ in found] == ["error"]
    assert message in found[0][1]


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (start(category="planner"), "the category 'planner' is unknown"),
        (start(attributes=["speculative"]), "the flag 'speculative' is unknown"),
        (start(metadata={"relay.outcome": "fine"}), "'relay.outcome' in 'metadata' is 'fine'"),
        (mark(metadata={"nemo_relay.log.severity": []}), "'nemo_relay.log.severity' in 'metadata' is []"),
    ],
)
def test_what_may_be_meant(event: dict[str, Any], message: str) -> None:
    """Words that a later version or another vendor may know are warnings."""
    found = complaints(event)

    assert [severity for severity, _ in found] == ["warning"]
    assert message in found[0][1]


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01t00:00:01.5z", 1_500_000),
        ("1970-01-01 01:00:00.000001+01:00", 1),
        ("1970-01-01T00:00:00.1234567890Z", 123_456),
        ("1969-12-31T23:59:59-00:00", -1_000_000),
        ("2016-12-31T23:59:60Z", 1_483_228_799_999_999),
        (1_500_000, 1_500_000),
        ("1970-01-01T00:00Z", None),
        ("19700101T000000Z", None),
        ("1970-01-01T24:00:00Z", None),
        ("1970-02-30T00:00:00Z", None),
        ("1970-W01-1T00:00:00Z", None),
        ("1970-01-01T00:00:00", None),
        (None, None),
        (True, None),
    ],
)
def test_any_rfc_3339_timestamp(timestamp: object, expected: int | None) -> None:
    """RFC 3339 in all its spellings and integer microseconds are understood, other ISO 8601 is not."""
    assert microseconds(timestamp) == expected
