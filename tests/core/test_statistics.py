"""What a runtime says about itself in numbers."""

import dataclasses
import threading

import pytest
from tests.core.recorder import Recorder

import relay_core
from relay_core import Relay, Statistics
from relay_core.testing import isolated_runtime


def test_at_the_beginning(relay: Relay) -> None:
    """A runtime that has done nothing says so in every number."""
    assert Statistics(0, 0, {}, {}, 0, 0, 0, 0, 0) == relay.statistics()


def test_what_is_counted(relay: Relay, recorder: Recorder) -> None:
    """Events, scopes, payloads that were cut, failures by name, and our own suppressed errors are counted."""

    def fail(event: object) -> None:
        raise ValueError

    relay.subscribers.register("bad", fail)
    relay.scopes.push("stays open")
    with relay.scopes.scope("work"):
        relay.scopes.event("large", data="x" * (2 << 20))
    assert 4 == len(recorder.events)
    relay.suppress(ValueError("ours"), "on_chain_end")

    assert (
        Statistics(
            emitted=4,
            delivered=4,
            dropped={},
            failed={"bad": 4},
            queued=0,
            queued_bytes=0,
            open_scopes=1,
            truncated_payloads=1,
            suppressed_errors=1,
        )
        == relay.statistics()
    )
    relay.own_errors._counts.clear()


def test_what_waits() -> None:
    """What waits is counted in events and in bytes; with what was delivered and lost it makes up what was emitted."""
    with isolated_runtime(queue={"max_events": 5, "full_wait": 0}) as relay:
        reached, go_on = threading.Event(), threading.Event()

        def hold(event: object) -> None:
            reached.set()
            go_on.wait(10)

        relay.subscribers.register("hold", hold)
        relay.scopes.event("in delivery")
        assert reached.wait(10)
        for _ in range(8):
            relay.scopes.event("note", data="12345678")
        waiting = relay.statistics()
        go_on.set()
        assert relay.subscribers.flush()
        after = relay.statistics()

        assert (9, 0, {"queue_full": 3}, 5, 50) == (
            waiting.emitted,
            waiting.delivered,
            waiting.dropped,
            waiting.queued,
            waiting.queued_bytes,
        )
        assert (10, 7, {"queue_full": 3}, 0) == (after.emitted, after.delivered, after.dropped, after.queued)


def test_a_snapshot(relay: Relay, recorder: Recorder) -> None:
    """Statistics are values: they do not change, and what is in them is the receiver's own."""
    before = relay.statistics()
    before.failed["x"] = 1
    relay.scopes.event("note")
    assert 1 == len(recorder.events)

    assert 0 == before.emitted
    assert {} == relay.statistics().failed
    with pytest.raises(dataclasses.FrozenInstanceError):
        before.emitted = 1  # type: ignore[misc]


def test_the_default_runtime() -> None:
    """The module's function speaks for the default runtime."""
    assert relay_core.runtime.default().statistics() == relay_core.statistics()
