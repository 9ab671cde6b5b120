"""Where work continues, as a value: through JSON, and as a W3C `traceparent`."""

import json
from collections.abc import Callable

import pytest

from relay_core import PropagationContext

PARENT = "0190b5a0-0000-7000-8000-000000000001"
ROOT = "0190b5a0-0000-7000-8000-000000000002"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_context_and_json() -> None:
    """A context is a value that goes through JSON unchanged."""
    context = PropagationContext(PARENT, ROOT)

    assert {"version": 1, "parent_uuid": PARENT, "root_uuid": ROOT} == json.loads(context.to_json())
    assert (
        context
        == PropagationContext.from_json(context.to_json())
        == PropagationContext.from_json(context.to_json().encode())
    )
    assert PropagationContext(PARENT) == PropagationContext.from_json(json.dumps({"parent_uuid": PARENT}))
    assert PARENT == PropagationContext(PARENT.upper().replace("-", "")).parent_uuid
    with pytest.raises(AttributeError):
        context.parent_uuid = ROOT  # type: ignore[misc]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: PropagationContext("x"), "parent_uuid must be a UUID string, not 'x'"),
        (lambda: PropagationContext(7), "parent_uuid must be a UUID string, not 7"),  # type: ignore[arg-type]
        (lambda: PropagationContext(PARENT, "x"), "root_uuid must be a UUID string, not 'x'"),
        (lambda: PropagationContext(PARENT, version=2), "unsupported propagation context version 2; expected 1"),
        (lambda: PropagationContext.from_json("{"), "is not JSON"),
        (lambda: PropagationContext.from_json("[]"), "must be a JSON object"),
        (lambda: PropagationContext.from_json("{}"), "parent_uuid must be a UUID string"),
        (
            lambda: PropagationContext.from_json(json.dumps({"version": 3, "parent": 1})),
            "unsupported propagation context version 3; expected 1",
        ),
    ],
)
def test_wrong_contexts(make: Callable[[], object], says: str) -> None:
    """A bad uuid, another version and bad JSON are refused with a reason."""
    with pytest.raises(ValueError, match=says):
        make()


def test_traceparent() -> None:
    """A context's traceparent has the root as trace and the last half of the parent as span."""
    assert f"00-{ROOT.replace('-', '')}-8000000000000001-01" == PropagationContext(PARENT, ROOT).to_traceparent()
    assert f"00-{PARENT.replace('-', '')}-8000000000000001-01" == PropagationContext(PARENT).to_traceparent()


def test_w3c_entries() -> None:
    """A W3C trace goes through JSON, and is what `to_traceparent` gives; the keys are left out without one."""
    context = PropagationContext(PARENT, ROOT, traceparent=TRACE, tracestate="a=1,b@c=2")

    assert context == PropagationContext.from_json(context.to_json())
    assert (TRACE, "a=1,b@c=2") == (context.to_traceparent(), context.tracestate)
    assert context == PropagationContext(PARENT, ROOT, 1, TRACE, "a=1,b@c=2")
    assert {"version", "parent_uuid", "root_uuid"} == json.loads(PropagationContext(PARENT).to_json()).keys()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (TRACE.upper(), TRACE),
        (TRACE.replace("00-", "cc-", 1) + "-more", TRACE),
        (TRACE[:-2] + "00", TRACE[:-2] + "00"),
        ("nonsense", None),
        (TRACE.replace("00-", "ff-", 1), None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (7, None),
    ],
)
def test_traceparent_of_others(given: str, kept: str | None) -> None:
    """A `traceparent` is kept in the version that is known here; a malformed one is ignored, and its state with it."""
    context = PropagationContext(PARENT, traceparent=given, tracestate="a=1")

    assert (kept, kept and "a=1") == (context.traceparent, context.tracestate)


@pytest.mark.parametrize("state", ["", " ", ",", "nonsense", "A=1", "a=", "a=1,b", "a=\n", 7, None])
def test_malformed_tracestate(state: str) -> None:
    """A malformed `tracestate` is ignored, and the trace is kept."""
    context = PropagationContext(PARENT, traceparent=TRACE, tracestate=state)

    assert (TRACE, None) == (context.traceparent, context.tracestate)


def test_foreign_traceparent() -> None:
    """A `traceparent` alone makes a context: its trace is the root, and its span the last half of the parent."""
    context = PropagationContext.from_traceparent(TRACE, "a=1")

    assert ("4bf92f35-77b3-4da6-a3ce-929d0e0e4736", "a=1") == (context.root_uuid, context.tracestate)
    assert "4bf92f35-77b3-4da6-00f0-67aa0ba902b7" == context.parent_uuid
    assert TRACE == context.to_traceparent()
    with pytest.raises(ValueError, match="not a W3C traceparent: 'x'"):
        PropagationContext.from_traceparent("x")
