"""What a handle tells, and that it stays one and the same."""

import contextvars
import copy
import gc
import pickle
import threading
import weakref
from datetime import UTC, datetime

import pytest
from tests.core.recorder import Recorder

from relay_core import Relay, ScopeType
from relay_core.handles import is_ancestor, nearest_open
from relay_core.propagation import Propagation

pytestmark = pytest.mark.usefixtures("implementation")

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("listening", [True, False])
def test_what_it_tells(relay: Relay, listening: bool) -> None:
    """A handle tells what its scope was started with, whether or not somebody listens."""
    if listening:
        Recorder(relay)
    parent = relay.scopes.push("parent")
    note = object()
    handle = relay.scopes.push(
        "work", ScopeType.Tool, attributes=["remote"], data=note, metadata={"a": [1]}, timestamp=NOON
    )

    assert ("work", ScopeType.Tool, "tool", ("remote",)) == (
        handle.name,
        handle.scope_type,
        handle.category,
        handle.attributes,
    )
    assert (parent, parent.uuid, parent.uuid) == (handle.parent, handle.parent_uuid, handle.root_uuid)
    assert handle.data is note
    assert {"a": [1]} == handle.metadata
    assert 1772366400000000 == handle.started_us
    assert (None, None, parent.uuid) == (parent.parent, parent.parent_uuid, parent.root_uuid)
    assert ((), None, None) == (parent.attributes, parent.data, parent.metadata)


def test_open_and_closed(relay: Relay) -> None:
    """A handle says whether its scope is open, and still tells everything when it is not."""
    handle = relay.scopes.push("work", data=1)
    assert handle.is_open
    assert f"<ScopeHandle function 'work' {handle.uuid}>" == repr(handle)
    relay.scopes.pop(handle)

    assert not handle.is_open
    assert 1 == handle.data
    assert f"<ScopeHandle function 'work' {handle.uuid} closed>" == repr(handle)


def test_the_metadata_is_a_copy(relay: Relay, recorder: Recorder) -> None:
    """What the caller changes afterwards, and what is changed in a copy, is not recorded."""
    given = {"a": 1}
    handle = relay.scopes.push("work", metadata=given)
    given["a"] = 2
    told = handle.metadata
    assert told is not None
    told["a"] = 3
    relay.scopes.pop(handle)

    assert 1 == (recorder.end("work").metadata or {})["a"]


def test_metadata_from_when_nobody_listened(relay: Relay) -> None:
    """Metadata that was given while nobody listened is copied, too, and stands on the end if somebody does then."""
    given = {"a": 1}
    handle = relay.scopes.push("work", metadata=given)
    given["a"] = 2
    recorder = Recorder(relay)
    relay.scopes.pop(handle)

    assert {"a": 1, "otel.status_code": "OK", "relay.outcome": "ok"} == recorder.end("work").metadata


@pytest.mark.parametrize("name", ["name", "uuid", "is_open", "parent", "attributes", "metadata"])
def test_read_only(relay: Relay, name: str) -> None:
    """Nothing public can be set."""
    with pytest.raises(AttributeError):
        setattr(relay.scopes.push("work"), name, 1)


def test_equality(relay: Relay) -> None:
    """Handles are equal by uuid, also two that stand for one scope of another process."""
    handle, other = relay.scopes.push("work"), relay.scopes.push("work")
    remote = relay.scopes.remote(handle.uuid, handle.uuid)

    assert handle == handle
    assert handle != other
    assert (remote, hash(remote)) == (handle, hash(handle))
    assert handle != handle.uuid
    assert {handle: 1}[remote] == 1


def test_copies(relay: Relay) -> None:
    """A copy of a handle is the handle: a state that holds one may be copied."""
    handle = relay.scopes.push("work")

    assert handle is copy.copy(handle) is copy.deepcopy({"handle": handle})["handle"]


def test_no_pickle(relay: Relay) -> None:
    """A handle cannot be pickled, and the error says what to do instead."""
    with pytest.raises(TypeError, match=r"propagation\.inject"):
        pickle.dumps(relay.scopes.push("work"))


def test_one_uuid_for_all_threads(relay: Relay) -> None:
    """The uuid of a scope that was started while nobody listened is made when it is asked for: once."""
    for _ in range(200):
        handle = relay.scopes.start("work")
        barrier = threading.Barrier(4)
        seen: set[str] = set()

        def ask() -> None:
            barrier.wait()  # noqa: B023 - joined below
            seen.add(handle.uuid)  # noqa: B023

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {handle.uuid} == seen


def test_ancestors(relay: Relay) -> None:
    """The nearest open ancestor may be the scope itself; ancestry is proper."""
    outer, middle, inner = (relay.scopes.push(name) for name in ("outer", "middle", "inner"))
    relay.scopes.pop(middle)

    assert (inner, outer, None) == (nearest_open(inner), nearest_open(middle), nearest_open(None))
    assert is_ancestor(outer, inner)
    assert not is_ancestor(inner, inner)
    assert not is_ancestor(inner, outer)


# --- Nothing is kept -------------------------------------------------------------------------------------------------


class Note:
    """An application's own object on a handle."""


def test_a_closed_scope_is_let_go(relay: Relay, recorder: Recorder) -> None:
    """Once a scope is closed and delivered, nothing of Relay keeps what the application put on it."""
    note = Note()
    kept = weakref.ref(note)
    handle = relay.scopes.push("work", data=note)
    del note
    relay.scopes.pop(handle)
    del handle
    assert 2 == len(recorder.events)
    recorder.forget()
    gc.collect()

    assert kept() is None


def rolling(relay: Relay, overlap: int, pop: bool) -> list["weakref.ref[Note]"]:
    """Push many top-level scopes, each of which closes when some others have begun."""
    notes: list[weakref.ref[Note]] = []
    handles = []
    for _ in range(200):
        note = Note()
        notes.append(weakref.ref(note))
        handles.append(relay.scopes.push("window", handle=relay.root, data=note))
        if len(handles) > overlap:
            oldest = handles.pop(0)
            close = relay.scopes.pop if pop else relay.scopes.end
            contextvars.copy_context().run(close, oldest)
    return notes


@pytest.mark.parametrize("overlap", [0, 1, 2, 7])
@pytest.mark.parametrize("pop", [True, False])
def test_a_context_does_not_grow(relay: Relay, overlap: int, pop: bool) -> None:
    """A context that pushes for ever keeps no more than what is open, wherever the scopes are closed."""
    notes = contextvars.copy_context().run(rolling, relay, overlap, pop)
    gc.collect()
    assert 0 == sum(it() is not None for it in notes)

    notes = rolling(relay, overlap, pop)
    gc.collect()
    assert sum(it() is not None for it in notes) <= 2 * overlap + 2


def test_a_context_does_not_grow_by_attaching(relay: Relay) -> None:
    """Attaching again and again leaves nothing behind."""
    attach = Propagation(relay.scopes).attach
    first = weakref.ref(relay.scopes.push("first", handle=relay.root))
    for _ in range(100):
        handle = relay.scopes.start("work")
        with attach(handle):
            relay.scopes.end(handle)
    relay.scopes.pop(first() or relay.root)
    del handle
    relay.scopes.push("last")
    gc.collect()

    assert first() is None
