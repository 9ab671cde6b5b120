"""A clock and ids of the test's own."""

from datetime import UTC, datetime, timedelta

import pytest

from relay_core import Relay, scope
from relay_core.testing import FixedClock, SequentialIds, deterministic, isolated_runtime, recording


def lines(relay: Relay) -> list[str]:
    """What a short run emits."""
    with deterministic(relay) as clock, recording(relay) as recorded:
        handle = relay.scopes.start("work")
        clock.advance(1.5)
        relay.scopes.event("mark", handle=handle)
        relay.scopes.end(handle)
        return [event.to_json() for event in recorded.events]


def test_two_runs_are_equal() -> None:
    """Two runs under a fixed clock emit the same events, byte for byte."""
    with isolated_runtime() as relay:
        first, second = lines(relay), lines(relay)

    assert first == second
    assert '"uuid":"00000000-0000-7000-8000-000000000001"' in first[0]
    assert '"timestamp":"2026-01-01T00:00:00.000000Z"' in first[0]
    assert '"timestamp":"2026-01-01T00:00:01.500000Z"' in first[2]


def test_the_default_runtime_and_the_way_back() -> None:
    """Without a runtime it is the default one, which has its own clock and ids again after the block."""
    with recording() as recorded:
        with deterministic(clock=FixedClock(datetime(2030, 5, 1, tzinfo=UTC))):
            scope.event("inside")
        scope.event("outside")

        inside, outside = recorded.events
    assert ("2030-05-01T00:00:00.000000Z", "00000000-0000-7000-8000-000000000001") == (inside.timestamp, inside.uuid)
    assert not outside.timestamp.startswith("2030-05-01")
    assert not outside.uuid.startswith("00000000")


def test_an_end_is_later_than_its_start() -> None:
    """Where the clock stands still, an end is a microsecond later than its start."""
    with isolated_runtime() as relay, deterministic(relay), recording(relay) as recorded:
        relay.scopes.end(relay.scopes.start("work"))

        assert 1 == recorded.tree.one("work").duration_us


def test_explicit_timestamps_stay() -> None:
    """A timestamp that the caller passes is not touched."""
    moment = datetime(2020, 2, 2, tzinfo=UTC)
    with isolated_runtime() as relay, deterministic(relay), recording(relay) as recorded:
        relay.scopes.event("mark", timestamp=moment)

        assert "2020-02-02T00:00:00.000000Z" == recorded.events[0].timestamp


def test_a_clock_that_goes_on_by_itself() -> None:
    """A clock with a step goes on at each reading, and `now` is no reading."""
    clock = FixedClock(step=timedelta(seconds=2))

    readings = [clock(), clock()]

    assert 2_000_000_000 == readings[1] - readings[0]
    assert datetime(2026, 1, 1, 0, 0, 4, tzinfo=UTC) == clock.now == clock.now


def test_a_clock_wants_a_timezone() -> None:
    """A naive start is refused."""
    with pytest.raises(ValueError, match="timezone-aware"):
        FixedClock(datetime(2026, 1, 1))


def test_ids_count() -> None:
    """Ids are valid, unique, and sort in the order in which they were drawn."""
    ids = SequentialIds()

    drawn = [ids() for _ in range(20)]

    assert sorted(set(drawn)) == drawn
