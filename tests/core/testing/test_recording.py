"""Recordings: what a block emits, and nothing of what goes on outside of it."""

import asyncio
import threading

import pytest

from relay_core import Relay, ScopeType, plugins, scope
from relay_core.testing import Recording, RecordingPlugin, isolated_runtime, recording, settle


def names(recorded: Recording) -> list[str]:
    """The names of the events, in order."""
    return [event.name for event in recorded.events]


def test_records_events_and_tree() -> None:
    """What is emitted in the block is recorded in order, and makes a tree."""
    with recording() as recorded, scope.scope("agent", ScopeType.Agent), scope.scope("tool", ScopeType.Tool):
        scope.event("mark")

    assert ["agent", "tool", "mark", "tool", "agent"] == names(recorded)
    assert ["agent", "tool"] == recorded.tree.names()


def test_stops_with_the_block() -> None:
    """What is emitted after the block is not recorded, and nothing of it stays registered."""
    before = plugins.report().plugins
    with recording() as recorded:
        pass
    scope.event("after")

    assert [] == list(recorded.events)
    assert before == plugins.report().plugins


def test_scopes_outside_do_not_contain_those_inside() -> None:
    """A scope that somebody left open does not become the parent of what the block starts."""
    left_open = scope.push("left open")

    with recording() as recorded:
        with scope.scope("inside"):
            pass
        (start, _) = recorded.events
    scope.pop(left_open)

    assert start.parent_uuid is None


def test_leaves_out_what_had_started_before() -> None:
    """Marks and ends of scopes that had started before the block are not recorded."""
    before = scope.start("before")

    with recording() as recorded:
        scope.event("late mark", handle=before)
        scope.end(before)
        scope.event("own mark")

    assert ["own mark"] == names(recorded)


def test_events_are_live() -> None:
    """Each look takes in what was emitted until then."""
    with recording() as recorded:
        events = recorded.events
        assert 0 == len(events)
        scope.event("one")
        assert ["one"] == [event.name for event in events]
        scope.event("two")
        assert "two" == events[-1].name
        assert list(events) == events[:]
        assert repr(list(events)) == repr(events)
        assert events == list(events)


def test_clear() -> None:
    """A recording can begin anew in the middle of a test."""
    with recording() as recorded:
        scope.event("preparation")
        recorded.clear()
        scope.event("the point")

        assert ["the point"] == names(recorded)


def test_open_scopes_are_named_with_their_path() -> None:
    """Scopes that have not ended are an error that names them and what they are in."""
    with recording() as recorded:
        agent = scope.start("agent", ScopeType.Agent)
        tool = scope.start("tool", ScopeType.Tool, handle=agent)
        with pytest.raises(AssertionError, match="2 scopes have not ended:\n  agent agent\n  agent agent > tool tool"):
            recorded.assert_no_open_scopes()
        scope.end(tool)
        scope.end(agent)
        recorded.assert_no_open_scopes()


def test_records_whatever_the_sampling() -> None:
    """Sampling does not make a test flaky: everything is recorded, and the share comes back after the block."""
    with isolated_runtime(sampling=0.0) as relay:
        with recording(relay) as recorded:
            relay.scopes.end(relay.scopes.start("kept"))
        relay.scopes.end(relay.scopes.start("dropped"))

        assert ["kept", "kept"] == names(recorded)
        assert 0.0 == relay.scopes.sampling


def test_a_runtime_that_is_off() -> None:
    """Where Relay is switched off a recording would be empty, so it is an error."""
    with isolated_runtime(enabled=False) as relay, pytest.raises(RuntimeError, match="enabled"), recording(relay):
        pass


def test_the_plugin_alone() -> None:
    """The plugin can be registered by hand, like any other."""
    plugin = RecordingPlugin()
    with isolated_runtime({"recorder": plugin}) as relay:
        relay.scopes.event("mark")
        settle(relay)

    assert ["mark"] == [event.name for event in plugin.events]


@pytest.mark.anyio
async def test_inside_an_event_loop() -> None:
    """A coroutine can look at a recording without awaiting anything."""
    with recording() as recorded:
        with scope.scope("agent", ScopeType.Agent):
            await asyncio.sleep(0)

        assert ["agent"] == recorded.tree.names()


def test_settling_has_a_deadline() -> None:
    """Where a subscriber does not return, waiting ends with an error, and the error says which plugins have failed."""
    go_on = threading.Event()
    relay = Relay()
    relay.startup.ready = relay.scopes.ready = True

    def stuck(event: object) -> None:
        if not go_on.wait(30):
            raise TimeoutError

    relay.subscribers.register("stuck", stuck)
    relay.scopes.event("mark")
    try:
        with pytest.raises(TimeoutError, match=r"within 0\.1 s$"):
            settle(relay, timeout=0.1)
    finally:
        go_on.set()
    settle(relay)
    relay.shutdown(5.0)
