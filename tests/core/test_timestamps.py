"""Timestamps as others write them."""

import pytest

from relay_core.timestamps import format_timestamp, parse_timestamp


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z"),
        ("2017-01-01t00:59:60.25+01:00", "2017-01-01T00:00:00.250000Z"),
        ("2026-03-01 12:34:56.123456789z", "2026-03-01T12:34:56.123456Z"),
    ],
)
def test_timestamps_of_others(text: str, expected: str) -> None:
    """Whatever RFC 3339 allows is read: a leap second, which epochs do not know, is the second after it."""
    assert expected == format_timestamp(parse_timestamp(text))


@pytest.mark.parametrize("text", ["2026-03-01T12:60:00Z", "2026-03-01T12:34:61Z", "9999-12-31T23:59:60Z", "60"])
def test_what_is_no_timestamp(text: str) -> None:
    """A time that no calendar has is a ValueError that shows it."""
    with pytest.raises(ValueError, match=f"timestamp '{text}'"):
        parse_timestamp(text)
