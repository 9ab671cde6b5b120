"""What stands behind the scope functions: time, late parents, sampling, capture, and ends that nothing can prevent."""

import itertools
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.core.recorder import Recorder

from relay_core import Outcome, Relay, ScopeClosedError, ScopeError, ScopeEvent, ScopeType, hookimpl
from relay_core.settings import Settings
from relay_core.testing import isolated_runtime

pytestmark = pytest.mark.usefixtures("implementation")

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Misbehaving(Mapping[str, object]):
    """A mapping that cannot be read."""

    def __getitem__(self, key: str) -> object:
        raise RuntimeError("no")

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("no")

    def __len__(self) -> int:
        return 1


# --- Time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0, -1, -3_600_000_000_000])
def test_an_end_is_later_than_its_start(relay: Relay, recorder: Recorder, step: int) -> None:
    """An end is at least a microsecond later than its start, whatever the clock does."""
    clock = itertools.count(1772366400_000_000_000, step)
    relay.scopes.time_ns = clock.__next__
    for number in range(3):
        relay.scopes.pop(relay.scopes.push(f"work {number}"))

    spent = [end.timestamp_us - recorder.start(end.name).timestamp_us for end in recorder.ends]
    assert [1, 1, 1] == spent


def test_explicit_times(relay: Relay, recorder: Recorder) -> None:
    """Explicit times are recorded as they are; an end at the very start is a microsecond later."""
    scopes = relay.scopes
    scopes.pop(scopes.push("work", timestamp=NOON), timestamp=NOON + timedelta(seconds=3))
    scopes.pop(scopes.push("short", timestamp=NOON), timestamp=NOON)

    assert "2026-03-01T12:00:03.000000Z" == recorder.end("work").timestamp
    assert "2026-03-01T12:00:00.000001Z" == recorder.end("short").timestamp


# --- Late parents ----------------------------------------------------------------------------------------------------


def test_a_late_parent(relay: Relay, recorder: Recorder) -> None:
    """A scope under a closed one goes to its nearest open ancestor, and says where it belonged."""
    root = relay.scopes.push("root")
    middle = relay.scopes.push("middle")
    leaf = relay.scopes.push("leaf")
    relay.scopes.pop(leaf)
    relay.scopes.pop(middle)

    late = relay.scopes.push("late", handle=leaf, metadata={"a": 1})
    relay.scopes.pop(root)
    relay.scopes.push("later", handle=leaf)

    assert root.uuid == late.parent_uuid
    assert {"late": "root", "later": None}.items() <= recorder.parents().items()
    assert {"a": 1, "relay.late_parent": leaf.uuid} == recorder.start("late").metadata
    assert recorder.start("later").uuid == recorder.start("later").root_uuid


# --- Listening -------------------------------------------------------------------------------------------------------


def test_nobody_listens(relay: Relay) -> None:
    """With nobody listening nothing is encoded, no event is built and no thread is started; scopes are counted."""
    encoded: list[object] = []

    class Watched:
        @property
        def field(self) -> int:
            encoded.append(self)
            return 1

    handle = relay.scopes.push("work", input=Watched(), metadata={"a": Watched()})
    relay.scopes.event("note", data=Watched())
    assert 1 == relay.statistics().open_scopes
    relay.scopes.pop(handle, output=Watched())

    statistics = relay.statistics()
    assert (0, 0, 0) == (statistics.emitted, statistics.queued, statistics.open_scopes)
    assert [] == encoded
    assert relay.subscribers.flush()


@pytest.mark.parametrize("hook", ["relay_scope_start", "relay_scope_end", "relay_mark"])
def test_one_kind_of_event_is_wanted(relay: Relay, hook: str) -> None:
    """What no plugin wants is not built, but for what it takes to tell the rest right."""
    seen: list[str] = []

    def see(self: object, event: ScopeEvent) -> None:
        seen.append(f"{event.name} {(event.metadata or {}).get('a')}")

    see.__name__ = hook
    relay.registry.register(type("Plugin", (), {hook: hookimpl(see)})(), "plugin")
    with relay.scopes.scope("work", metadata={"a": 1}):
        relay.scopes.event("note", metadata={"a": 1})
    assert relay.subscribers.flush()

    assert ["note 1" if hook == "relay_mark" else "work 1"] == seen
    assert 1 == relay.statistics().emitted


def test_a_listener_that_comes_later(relay: Relay) -> None:
    """A listener that comes while a scope is open gets its end, with all that the start would have told."""
    outer = relay.scopes.push("outer")
    inner = relay.scopes.start("inner", metadata={"a": 1}, category_profile={"model_name": "m"})
    recorder = Recorder(relay)
    relay.scopes.end(inner)
    relay.scopes.pop(outer)

    assert ["-inner", "-outer"] == recorder.names
    assert (outer.uuid, outer.uuid) == (recorder.end("inner").parent_uuid, recorder.end("outer").uuid)
    assert {"model_name": "m"} == recorder.end("inner").category_profile


# --- Settings --------------------------------------------------------------------------------------------------------


def test_capture_off() -> None:
    """A category whose payloads are not captured has events without payloads, and says so when asked."""
    with isolated_runtime(capture={"llm": False, "tool": False}) as relay:
        recorder = Recorder(relay)
        profile = {"model_name": "m", "annotated_request": {"x": 1}}
        call = relay.scopes.start("call", ScopeType.Llm, input="secret", metadata={"a": 1}, category_profile=profile)
        relay.scopes.end(call, output="secret", category_profile={"annotated_response": 1, "time_to_first_chunk": 2})
        relay.scopes.pop(relay.scopes.push("work", input=1), output=2)

        tool = relay.scopes.start("tool", ScopeType.Tool, category_profile={"tool_call_id": "c"})
        relay.scopes.end(tool, category_profile={"tool_result_annotation": "secret"})

        assert not relay.wants(ScopeType.Llm)
        assert relay.wants(ScopeType.Function)
        start, end = recorder.start("call"), recorder.end("call")
        assert (None, {"model_name": "m"}, {"a": 1}) == (start.data, start.category_profile, start.metadata)
        assert (None, {"model_name": "m", "time_to_first_chunk": 2}) == (end.data, end.category_profile)
        assert {"tool_call_id": "c"} == recorder.end("tool").category_profile
        assert (1, 2) == (recorder.start("work").data, recorder.end("work").data)


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (1.0, 300)])
def test_sampling_none_or_all(share: float, expected: int) -> None:
    """A share of 0 records no root, a share of 1 all of them."""
    assert expected == len(sampled(share))


def test_sampling_some() -> None:
    """A share between records about as many roots, each with all or nothing of what is in it."""
    names = sampled(0.5)

    assert 0.35 * 300 < len(names) < 0.65 * 300


def sampled(share: float) -> set[str]:
    """Run 300 roots with contents; check that each is there as a whole or not at all; give those that are."""
    with isolated_runtime(sampling=share) as relay:
        recorder = Recorder(relay)
        for number in range(300):
            with relay.scopes.scope(f"{number}"):
                with relay.scopes.scope("child"):
                    relay.scopes.event("note")
                relay.scopes.end(relay.scopes.start("run"))
        by_root: dict[str | None, list[str]] = {}
        for event in recorder.events:
            by_root.setdefault(event.root_uuid, []).append(event.name)
        assert all(len(names) == 7 for names in by_root.values())
        assert 0 == relay.statistics().open_scopes
        return {names[0] for names in by_root.values()}


def test_sampling_is_decided_by_the_root() -> None:
    """Every process decides alike about the scopes of one root, also of one that is elsewhere."""
    low, high = (f"0190b5a0-0000-7000-8000-{it}" for it in ("000000000001", "0000fffffffe"))
    with isolated_runtime(sampling=0.5) as relay:
        recorder = Recorder(relay)
        for root in (low, high):
            remote = relay.scopes.remote("0190b5a0-0000-7000-8000-800000000000", root)
            relay.scopes.pop(relay.scopes.push("work", handle=remote))
            relay.scopes.event("note", handle=remote)

        assert [low] * 3 == [it.root_uuid for it in recorder.events]


def test_marks_outside_of_any_scope_are_not_sampled() -> None:
    """A mark outside of any scope has no root: it is always recorded."""
    with isolated_runtime(sampling=0.0) as relay:
        recorder = Recorder(relay)
        relay.scopes.event("note")

        assert ["note"] == recorder.names


def test_disabled() -> None:
    """Where Relay is switched off nothing is recorded, and everything works."""
    with isolated_runtime(enabled=False) as relay:
        seen: list[object] = []
        relay.subscribers.register("seen", seen.append)
        with relay.scopes.scope("work") as handle:
            relay.scopes.event("note")
            assert handle is relay.scopes.current()
        assert relay.subscribers.flush()

        assert ([], 0) == (seen, relay.statistics().emitted)


def test_settings_that_come_late(relay: Relay, recorder: Recorder) -> None:
    """Settings that are applied while scopes are open hold from then on."""
    handle = relay.scopes.push("work", input=1)
    relay.apply(Settings(capture={"function": False}))
    relay.scopes.pop(handle, output=2)

    assert (1, None) == (recorder.start("work").data, recorder.end("work").data)


# --- Ends that nothing can prevent -----------------------------------------------------------------------------------


@pytest.mark.parametrize("metadata", [7, "text", [1], Misbehaving(), {1: 2}, {"a": object()}])
@pytest.mark.parametrize("listening", [True, False])
def test_metadata_of_any_kind(relay: Relay, metadata: Any, listening: bool) -> None:
    """Metadata that is no dict, or holds anything at all, prevents neither a start nor an end."""
    recorder = Recorder(relay) if listening else None
    handle = relay.scopes.push("work", metadata=metadata)
    relay.scopes.event("note", metadata=metadata, severity="info")
    handle.set_metadata(x=1)
    late = recorder or Recorder(relay)
    relay.scopes.pop(handle, metadata=metadata)

    (end,) = late.ends
    assert isinstance(end.metadata, dict)
    assert "ok" == end.metadata["relay.outcome"]
    assert relay.scopes.current() is None


def test_a_late_parent_with_odd_metadata(relay: Relay, recorder: Recorder) -> None:
    """What Relay adds to metadata that is none does not make the start fail."""
    handle = relay.scopes.push("closed")
    relay.scopes.pop(handle)
    relay.scopes.push("late", handle=handle, metadata=7)  # type: ignore[arg-type]

    assert {"value": 7, "relay.late_parent": handle.uuid} == recorder.start("late").metadata


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_end(relay: Relay, recorder: Recorder, error: type[BaseException]) -> None:
    """Where the output cannot be encoded, of all things, the scope has its end and the interruption goes on."""
    handle = relay.scopes.push("work", metadata={"a": 1})
    encode = relay.scopes._encode

    def interrupted(value: object) -> bytes:
        if value == "output":
            raise error
        return encode(value)

    relay.scopes._encode = interrupted
    with pytest.raises(error):
        relay.scopes.pop(handle, output="output")

    assert not handle.is_open
    assert {"a": 1, "otel.status_code": "OK", "relay.outcome": "ok"} == recorder.end("work").metadata
    assert relay.scopes.current() is None


def test_profiles_of_any_text(relay: Relay, recorder: Recorder) -> None:
    """A model name that is no valid text prevents neither a start nor an end."""
    relay.scopes.end(relay.scopes.start("call", ScopeType.Llm, category_profile={"model_name": "\ud800"}))

    assert [{"model_name": "\ufffd"}] * 2 == [it.category_profile for it in (*recorder.starts, *recorder.ends)]


def test_errors_that_have_no_text(relay: Relay, recorder: Recorder) -> None:
    """An exception whose text cannot be had is told by its type."""

    class SilentError(Exception):
        def __str__(self) -> str:
            raise ValueError

    relay.scopes.end(relay.scopes.start("work"), outcome=Outcome.ERROR, error=SilentError())

    assert "SilentError" in (recorder.end("work").metadata or {})["otel.status_description"]


# --- Scope-local registrations ---------------------------------------------------------------------------------------


def test_local_registrations_go_with_their_scope(relay: Relay) -> None:
    """What is registered on a scope is gone when it ends, and can only be registered while it is open."""
    handle = relay.scopes.push("work")
    relay.subscribers.register_local(handle, "local", print)
    assert relay.scopes.has_local
    relay.scopes.pop(handle)

    assert not relay.scopes.has_local
    assert handle.local is None
    assert not relay.subscribers.deregister_local(handle, "local")
    with pytest.raises(ScopeClosedError):
        relay.subscribers.register_local(handle, "local", print)
    assert not relay.scopes.has_local


def test_local_registrations_need_a_scope_that_ends(relay: Relay) -> None:
    """The implicit root and a scope of another process never end here: nothing can be registered on them."""
    remote = relay.scopes.remote(relay.root.uuid, relay.root.uuid)
    for handle in (relay.root, remote):
        with pytest.raises(ScopeError, match="never closes"):
            relay.subscribers.register_local(handle, "local", print)
    with pytest.raises(TypeError):
        relay.subscribers.register_local("work", "local", print)  # type: ignore[arg-type]
    assert not relay.scopes.has_local
