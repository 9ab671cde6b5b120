"""The current scope where contexts do not go by themselves: threads, executors, callbacks, other processes."""

import asyncio
import functools
import json
import logging
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.core.recorder import Recorder

from relay_core import PropagationContext, Relay, ScopeError, propagation
from relay_core.jsonl import read
from relay_core.propagation import Propagation, ScopedThreadPoolExecutor
from relay_core.testing import isolated_runtime

PARENT = "0190b5a0-0000-7000-8000-000000000001"
ROOT = "0190b5a0-0000-7000-8000-000000000002"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def propagate(relay: Relay) -> Propagation:
    """The functions of the module for the runtime under test."""
    return Propagation(relay.scopes)


def in_thread(function: Callable[[], Any]) -> Any:
    """Call `function` in a new thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


# --- Attach, isolated ------------------------------------------------------------------------------------------------


def test_attach(relay: Relay, propagate: Propagation) -> None:
    """A scope can be made current in another thread for a block; it goes on after it."""
    handle = relay.scopes.push("work")

    def work() -> list[object]:
        with propagate.attach(handle) as attached:
            inside = [attached, relay.scopes.current()]
        return [*inside, relay.scopes.current()]

    assert [handle, handle, None] == in_thread(work)
    assert handle is relay.scopes.current()


def test_attach_over_what_is_current(relay: Relay, propagate: Propagation) -> None:
    """Attaching goes before what is current, and blocks inside of it go before it; the root means none."""
    first, second = relay.scopes.start("first"), relay.scopes.push("second")

    with propagate.attach(first):
        assert first is relay.scopes.current()
        with relay.scopes.scope("inner") as inner:
            assert (inner, first.uuid) == (relay.scopes.current(), inner.parent_uuid)
        with propagate.attach(relay.root):
            assert relay.scopes.current() is None
        assert first is relay.scopes.current()
    assert second is relay.scopes.current()


def test_attached_scope_that_ends(relay: Relay, propagate: Propagation) -> None:
    """Once the attached scope has ended its nearest open ancestor is current, and without one what was before."""
    before = relay.scopes.push("before")
    outer = relay.scopes.start("outer", handle=relay.root)
    inner = relay.scopes.start("inner", handle=outer)

    with propagate.attach(inner):
        relay.scopes.end(inner)
        assert outer is relay.scopes.current()
        relay.scopes.end(outer)
        assert before is relay.scopes.current()


def test_left_in_another_context(relay: Relay, propagate: Propagation) -> None:
    """A block that is left in another context than it was entered in is over in both."""
    handle = relay.scopes.start("work")
    attached = propagate.attach(handle)
    attached.__enter__()

    in_thread(lambda: attached.__exit__(None, None, None))

    assert relay.scopes.current() is None


@pytest.mark.parametrize("handle", [None, "work"])
def test_attach_refuses(propagate: Propagation, handle: Any) -> None:
    """Only handles of this runtime can be attached."""
    with pytest.raises(TypeError), propagate.attach(handle):
        pass
    with isolated_runtime() as other, pytest.raises(ScopeError), propagate.attach(other.scopes.push("foreign")):
        pass


def test_isolated(relay: Relay, propagate: Propagation) -> None:
    """An isolated block sees no scope from outside, of this runtime."""
    with isolated_runtime() as other:
        mine, theirs = relay.scopes.push("mine"), other.scopes.push("theirs")
        with propagate.isolated():
            assert (None, theirs) == (relay.scopes.current(), other.scopes.current())
            assert relay.root is relay.scopes.get_handle()
            with relay.scopes.scope("inside") as inside:
                assert inside.parent_uuid is None
            assert relay.scopes.current() is None
        assert mine is relay.scopes.current()


# --- Bind, executors -------------------------------------------------------------------------------------------------


def test_bind(relay: Relay, propagate: Propagation) -> None:
    """A bound function runs under the scope in which it was bound, wherever, and as often as, it is called."""
    with relay.scopes.scope("work") as handle:

        @propagate.bind
        def current(extra: int = 0) -> tuple[object, int]:
            """Say."""
            return relay.scopes.current(), extra

        assert ("current", "Say.") == (current.__name__, current.__doc__)
        assert [(handle, 1), (handle, 0)] == [in_thread(lambda: current(extra=1)), in_thread(current)]
    outside = propagate.bind(relay.scopes.current)
    with relay.scopes.scope("other"):
        assert outside() is None


def test_bind_outlives_its_scope(relay: Relay, recorder: Recorder, propagate: Propagation) -> None:
    """A bound function that is called after its scope has ended belongs to the nearest open ancestor."""
    with relay.scopes.scope("outer"):
        with relay.scopes.scope("inner"):
            late = propagate.bind(lambda: relay.scopes.event("late"))
        in_thread(late)

    assert "outer" == recorder.parents()["late"]


@pytest.mark.anyio
async def test_bind_coroutines(relay: Relay, propagate: Propagation) -> None:
    """Binding works for coroutine functions, partials of them, and objects with an async call."""

    class Worker:
        async def __call__(self) -> object:
            await asyncio.sleep(0)
            return relay.scopes.current()

    with relay.scopes.scope("work") as handle:
        bound = [propagate.bind(Worker()), propagate.bind(functools.partial(Worker().__call__))]

    handles = [await function() for function in bound]  # the scope has ended: nothing is above it
    assert [None, None] == handles
    with relay.scopes.scope("work") as handle:
        bound = [propagate.bind(Worker()), propagate.bind(functools.partial(Worker().__call__))]
        with propagate.isolated():
            assert [handle, handle] == [await function() for function in bound]


def test_bind_refuses(propagate: Propagation) -> None:
    """What is not callable cannot be bound, nor a generator function, which does not run when it is called."""

    def generate() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match="not int"):
        propagate.bind(7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not a generator function"):
        propagate.bind(generate)


def test_executor(relay: Relay, recorder: Recorder) -> None:
    """The tasks of a scoped executor are inside of what was current at their submission, by `submit` and by `map`."""

    def work(name: str, *, suffix: str = "") -> None:
        with relay.scopes.scope(name + suffix):
            pass

    with ScopedThreadPoolExecutor(2) as pool:
        with relay.scopes.scope("outer"):
            pool.submit(work, "a", suffix="!").result()
            list(pool.map(work, ["b", "c"]))
        pool.submit(work, "d").result()

    assert {"outer": None, "a!": "outer", "b": "outer", "c": "outer", "d": None} == recorder.parents()


def test_executor_after_its_end() -> None:
    """An executor that is shut down refuses work, as any."""
    pool = ScopedThreadPoolExecutor(1)
    pool.shutdown()

    with pytest.raises(RuntimeError):
        pool.submit(print)


# --- Capture -------------------------------------------------------------------------------------------------------


def test_capture(relay: Relay, propagate: Propagation) -> None:
    """What is captured is the current scope and its root; outside of any scope it is nothing."""
    assert propagate.capture_propagation_context() is None
    assert propagate.capture_traceparent() is None
    with relay.scopes.scope("root") as root, relay.scopes.scope("inner") as inner:
        context = propagate.capture_propagation_context()

        traceparent = PropagationContext(inner.uuid, root.uuid).to_traceparent()
        assert PropagationContext(inner.uuid, root.uuid, traceparent=traceparent) == context
        assert traceparent == context.to_traceparent() == propagate.capture_traceparent()


def test_capture_with_another_root(relay: Relay, propagate: Propagation) -> None:
    """The application may choose the root that groups remote work, or none; outside of any scope there is nothing."""
    assert propagate.capture_propagation_context_with_root(ROOT) is None
    assert propagate.capture_rootless_propagation_context() is None
    with relay.scopes.scope("work") as work:
        assert PropagationContext(work.uuid, ROOT) == propagate.capture_propagation_context_with_root(ROOT)
        assert PropagationContext(work.uuid) == propagate.capture_rootless_propagation_context()
        with pytest.raises(ValueError, match="root_uuid must be a UUID string"):
            propagate.capture_propagation_context_with_root("session 7")


def test_foreign_trace_goes_on(relay: Relay, propagate: Propagation) -> None:
    """A W3C trace that a context came with is that of the scopes under it, with its flags and its vendors' state."""
    trace, state = TRACE[:-2] + "00", "vendor=1"
    remote = propagate.remote(PropagationContext(PARENT, ROOT, traceparent=trace, tracestate=state))

    with propagate.attach(remote):
        assert trace == propagate.capture_traceparent()
        with relay.scopes.scope("here") as here:
            context = propagate.capture_propagation_context()
            rootless = propagate.capture_rootless_propagation_context()

    goes_on = f"00-4bf92f3577b34da6a3ce929d0e0e4736-{here.uuid.replace('-', '')[16:]}-00"
    assert PropagationContext(here.uuid, ROOT, traceparent=goes_on, tracestate=state) == context
    assert PropagationContext(here.uuid, traceparent=goes_on, tracestate=state) == rootless


# --- Inject, extract -------------------------------------------------------------------------------------------------


def test_inject_and_extract(relay: Relay, propagate: Propagation) -> None:
    """What is injected into a dict is extracted as the same parent, of the same root, in another runtime."""
    carrier: dict[str, str] = {}
    with relay.scopes.scope("root") as root, relay.scopes.scope("inner") as inner:
        propagate.inject(carrier)
    assert {"traceparent", "relay"} == carrier.keys()

    with isolated_runtime() as there:
        recorder = Recorder(there)
        remote = Propagation(there.scopes).extract(json.loads(json.dumps(carrier)))
        with Propagation(there.scopes).attach(remote):
            there.scopes.event("note")
            there.scopes.pop(there.scopes.push("work"))

        assert remote.is_open
        assert {(inner.uuid, root.uuid)} == {(it.parent_uuid, it.root_uuid) for it in recorder.events}
        with pytest.raises(ScopeError, match="never closes"):
            there.scopes.pop(remote)


def test_trace_goes_through_carriers(relay: Relay, propagate: Propagation) -> None:
    """What is injected names the trace that was extracted, as its own entries; the relay entry holds our ids only."""
    came = {"traceparent": TRACE, "tracestate": "vendor=1", "relay": PropagationContext(PARENT, ROOT).to_json()}
    goes: dict[str, str] = {}

    with propagate.attach(propagate.extract(came)), relay.scopes.scope("here") as here:
        propagate.inject(goes)

    assert "vendor=1" == goes["tracestate"]
    assert TRACE.split("-")[1] == goes["traceparent"].split("-")[1]
    assert PropagationContext(here.uuid, ROOT) == PropagationContext.from_json(goes["relay"])


@pytest.mark.parametrize("traceparent", ["x", 7, b"\xff"[:0]])
def test_malformed_trace_beside_our_entry(propagate: Propagation, traceparent: Any) -> None:
    """A malformed trace does not spoil our own entry."""
    carrier = {"relay": PropagationContext(PARENT, ROOT).to_json(), "traceparent": traceparent, "tracestate": 7}

    assert (PARENT, ROOT) == ((it := propagate.extract(carrier)).uuid, it.root_uuid)


def test_inject_outside_of_any_scope(propagate: Propagation) -> None:
    """Outside of any scope nothing is injected, and what is there already stays."""
    carrier = {"other": "1"}
    propagate.inject(carrier)

    assert {"other": "1"} == carrier


@pytest.mark.parametrize(
    "carrier",
    [
        {"traceparent": TRACE},
        {"Traceparent": TRACE.upper()},
        {"TRACEPARENT": f" {TRACE} "},
        {"traceparent": TRACE.encode()},
        {"traceparent": TRACE.replace("00-", "cc-", 1) + "-more"},
    ],
)
def test_foreign_traceparent(propagate: Propagation, carrier: dict[str, Any]) -> None:
    """A traceparent of somebody else gives a parent that is made of its ids, and its trace as root."""
    remote = propagate.extract(carrier)

    assert str(uuid.UUID("4bf92f3577b34da6" + "00f067aa0ba902b7")) == remote.uuid
    assert str(uuid.UUID("4bf92f3577b34da6a3ce929d0e0e4736")) == remote.root_uuid


class Broken(dict[str, str]):
    def get(self, *_: object) -> Any:
        raise OSError("gone")


@pytest.mark.parametrize(
    "carrier",
    [
        {"relay": "{"},
        {"relay": "7"},
        {"relay": 7},
        {"relay": '{"version": 2}'},
        {"relay": '{"parent_uuid": "x"}', "traceparent": TRACE},
        {"traceparent": "x"},
        {"traceparent": 7},
        {"traceparent": b"\xff"},
        {"traceparent": TRACE.replace("00-", "ff-", 1)},
        {"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"},
        {"traceparent": f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01"},
        {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e473_-00f067aa0ba902b7-01"},
        Broken(),
        None,
        [],
        "traceparent",
    ],
)
def test_malformed_input(
    propagate: Propagation, carrier: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be read gives the implicit root and one warning, never an exception into the worker."""
    monkeypatch.setattr(propagation, "_warned", set())
    handles = [propagate.extract(carrier) for _ in range(3)]

    assert ["root"] * 3 == [it.name for it in handles]
    (record,) = caplog.records
    assert ("relay_core", logging.WARNING) == (record.name, record.levelno)
    assert "could not be read" in record.message


def test_nothing_to_extract(relay: Relay, propagate: Propagation, caplog: pytest.LogCaptureFixture) -> None:
    """A carrier without an entry of ours is no reason to warn."""
    assert relay.root is propagate.extract({"content-type": "text/plain", 7: "x"})  # type: ignore[dict-item]
    assert [] == caplog.records


WORKER = """
import os, sys
from relay_core import jsonl, plugins, propagation, scope
plugins.register(jsonl.JsonlSink(sys.argv[1]), name="jsonl")
with propagation.attach(propagation.extract(os.environ)):
    with scope.scope("in the child"):
        scope.event("note")
"""


def test_across_a_process(relay: Relay, propagate: Propagation, tmp_path: Path) -> None:
    """A real process that gets the carrier in its environment continues the tree of its parent."""
    carrier = {"RELAY_DISABLE_AUTOLOAD": "1"}
    with relay.scopes.scope("request") as request:
        propagate.inject(carrier)
    environment = {**os.environ, **{name: value for name, value in carrier.items() if name != "relay"}}
    environment["relay"] = carrier["relay"]

    file = tmp_path / "child.jsonl"
    done = subprocess.run([sys.executable, "-c", WORKER, str(file)], env=environment, capture_output=True, check=False)

    assert (0, b"", b"") == (done.returncode, done.stdout, done.stderr)
    start, note, end = read(file)
    assert [request.uuid] * 3 == [start.root_uuid, note.root_uuid, end.root_uuid]
    assert (request.uuid, start.uuid) == (start.parent_uuid, note.parent_uuid)


def test_module_functions() -> None:
    """The module's functions speak to the default runtime."""
    assert propagation.capture_traceparent() is None
    assert propagation.bind(threading.get_ident)() == threading.get_ident()
