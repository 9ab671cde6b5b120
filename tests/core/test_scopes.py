"""The scope functions: what they emit, what is current afterwards, and what they refuse before any effect."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.core.recorder import Recorder

from relay_core import (
    LLMAttributes,
    LogSeverity,
    Outcome,
    Relay,
    ScopeAttributes,
    ScopeClosedError,
    ScopeError,
    ScopeType,
    ToolAttributes,
)
from relay_core.testing import isolated_runtime

pytestmark = pytest.mark.usefixtures("implementation")

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAIVE = datetime(2026, 3, 1, 12)
SCHEMA = {"name": "acme", "version": "1"}


# --- Push and pop ----------------------------------------------------------------------------------------------------


def test_push_and_pop(relay: Relay, recorder: Recorder) -> None:
    """Push starts a scope and makes it current, pop ends it and what was current before is current again."""
    outer = relay.scopes.push("outer", ScopeType.Agent, input={"a": 1})
    inner = relay.scopes.push("inner")
    assert inner is relay.scopes.current()

    relay.scopes.pop(inner, output=[2])
    assert outer is relay.scopes.current()
    relay.scopes.pop(outer)

    assert relay.scopes.current() is None
    assert ["+outer", "+inner", "-inner", "-outer"] == recorder.names
    assert ({"a": 1}, [2]) == (recorder.start("outer").data, recorder.end("inner").data)
    assert {"outer": None, "inner": "outer"} == recorder.parents()


def test_default_type_is_function(relay: Relay) -> None:
    """A scope whose type is left out is a function."""
    assert ScopeType.Function is relay.scopes.push("f").scope_type
    assert ScopeType.Function is relay.scopes.start("f").scope_type


def test_type_by_its_wire_value(relay: Relay, recorder: Recorder) -> None:
    """A scope type may be given as the text that stands in the event."""
    assert ScopeType.Agent is relay.scopes.push("a", "agent").scope_type  # type: ignore[arg-type]
    assert "agent" == recorder.start("a").category


def test_explicit_parent(relay: Relay, recorder: Recorder) -> None:
    """`handle=` is the parent, whatever is current; the implicit root means top level."""
    first = relay.scopes.push("first")
    relay.scopes.push("second")
    relay.scopes.push("under first", handle=first)
    relay.scopes.push("top", handle=relay.root)

    assert {"first": None, "second": "first", "under first": "first", "top": None} == recorder.parents()


def test_pop_in_any_order(relay: Relay, recorder: Recorder) -> None:
    """A scope closes whatever else is open; what is still open stays current and can still be popped."""
    outer = relay.scopes.push("outer")
    inner = relay.scopes.push("inner")

    relay.scopes.pop(outer)
    assert inner is relay.scopes.current()
    assert 1 == relay.statistics().open_scopes
    relay.scopes.pop(inner)

    assert relay.scopes.current() is None
    assert ["+outer", "+inner", "-outer", "-inner"] == recorder.names


def test_pop_in_another_thread(relay: Relay) -> None:
    """A scope that is popped elsewhere is current nowhere from then on."""
    handle = relay.scopes.push("work")

    thread = threading.Thread(target=relay.scopes.pop, args=(handle,))
    thread.start()
    thread.join()

    assert relay.scopes.current() is None


def test_pop_twice(relay: Relay, recorder: Recorder) -> None:
    """The second pop raises and emits nothing."""
    handle = relay.scopes.push("once")
    relay.scopes.pop(handle)

    with pytest.raises(ScopeClosedError, match=r"'once'.*is closed already"):
        relay.scopes.pop(handle)

    assert ["+once", "-once"] == recorder.names
    assert 0 == relay.statistics().open_scopes


def test_one_of_many_threads_ends_it(relay: Relay, recorder: Recorder) -> None:
    """When many threads end a scope at once, one of them does."""
    ended: list[bool] = []
    for number in range(50):
        handle = relay.scopes.start(f"work {number}")
        barrier = threading.Barrier(8)

        def end() -> None:
            barrier.wait()  # noqa: B023 - joined below
            ended.append(relay.scopes.end(handle))  # noqa: B023

        threads = [threading.Thread(target=end) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert 50 == sum(ended)
    assert 50 == len(recorder.ends)


def test_pop_of_what_never_closes(relay: Relay, recorder: Recorder) -> None:
    """The implicit root and another runtime's scope cannot be popped here; nothing is emitted."""
    with isolated_runtime() as other:
        foreign = other.scopes.push("foreign")
        with pytest.raises(ScopeError, match="belongs to another runtime"):
            relay.scopes.pop(foreign)
        assert foreign.is_open
        other.scopes.pop(foreign)
    with pytest.raises(ScopeError, match="never closes"):
        relay.scopes.pop(relay.root)
    with pytest.raises(ScopeError, match="never closes"):
        relay.scopes.pop(relay.scopes.get_handle())

    assert [] == recorder.events


# --- Start and end ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(ValueError("no"), Outcome.ERROR), (KeyboardInterrupt(), Outcome.CANCELLED), (GeneratorExit(), Outcome.ABANDONED)],
)
def test_end_with_an_error_alone(relay: Relay, recorder: Recorder, error: BaseException, outcome: Outcome) -> None:
    """`end` with an error and no outcome ends as a block would that the error leaves."""
    relay.scopes.end(relay.scopes.start("work"), error=error)

    assert [outcome] == [it.outcome for it in recorder.ends]


@pytest.mark.parametrize(
    ("started", "ended", "expected"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": 2, "b": 3}, {"a": 2, "b": 3}),
        ({"1": "a"}, {1: "b"}, {"1": "b"}),
        (None, {"b": 2}, {"b": 2}),
        ({}, {}, {}),
        ({"a": 1}, {"relay.outcome": "mine"}, {"a": 1, "relay.outcome": "mine"}),
        ({"otel.status_code": "mine"}, {"b": 2}, {"b": 2}),
        ({"a": "x" * 5000}, {"b": 2}, {"a": "x" * 5000, "b": 2}),
    ],
)
def test_metadata_of_both_ends(
    relay: Relay, recorder: Recorder, started: Any, ended: Any, expected: dict[str, Any]
) -> None:
    """The end's metadata is the start's, the status, and the end's own over both, each key once."""
    relay.scopes.pop(relay.scopes.push("work", metadata=started), metadata=ended)

    end = recorder.ends[0]
    assert {"otel.status_code": "OK", "relay.outcome": "ok", **expected} == end.metadata
    assert all(1 == end.to_json().count(f'"{key}":') for key in expected)


def test_start_and_end(relay: Relay, recorder: Recorder) -> None:
    """A started scope is never current, hangs under what is, and ends once."""
    user = relay.scopes.push("user")
    run = relay.scopes.start("run", ScopeType.Tool, input=1)
    assert user is relay.scopes.current()

    assert relay.scopes.end(run, output=2)
    assert not relay.scopes.end(run, output=3)

    assert user is relay.scopes.current()
    assert "user" == recorder.parents()["run"]
    assert [2] == [it.data for it in recorder.ends]


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.OK, "OK"),
        (Outcome.ERROR, "ERROR"),
        (Outcome.CANCELLED, "UNSET"),
        (Outcome.ABANDONED, "UNSET"),
        (Outcome.INTERRUPTED, "UNSET"),
        (Outcome.HANDED_OFF, "UNSET"),
        (Outcome.DRAINED, "UNSET"),
    ],
)
def test_outcomes(relay: Relay, recorder: Recorder, outcome: Outcome, code: str) -> None:
    """The outcome stands in the end's metadata, with a status code, and with a description unless it is ok."""
    relay.scopes.end(relay.scopes.start("work"), outcome=outcome)
    relay.scopes.end(relay.scopes.start("told", metadata={"k": 1}), outcome=outcome.wire, metadata={"m": 2})  # type: ignore[arg-type]

    described = {} if outcome is Outcome.OK else {"otel.status_description": outcome.wire}
    status = {"otel.status_code": code, "relay.outcome": outcome.wire, **described}
    assert status == recorder.end("work").metadata
    assert {"k": 1, "m": 2, **status} == recorder.end("told").metadata
    assert outcome is recorder.end("work").outcome


def test_error(relay: Relay, recorder: Recorder) -> None:
    """An error leaves its type and its message, and is not kept."""

    class TroubleError(Exception):
        pass

    relay.scopes.end(relay.scopes.start("work"), outcome=Outcome.ERROR, error=TroubleError("no way"))

    kind = f"{__name__}.test_error.<locals>.TroubleError"
    status = {"otel.status_code": "ERROR", "otel.status_description": "no way", "relay.outcome": "error"}
    assert {**status, "error.type": kind, "exception.type": kind} == recorder.end("work").metadata


def test_the_callers_metadata_wins(relay: Relay, recorder: Recorder) -> None:
    """What the caller says at the end lies over the status, and the status over what was said at the start."""
    early = {"otel.status_code": "early", "relay.outcome": "early", "x": 1}
    relay.scopes.end(relay.scopes.start("a", metadata=early))
    relay.scopes.end(relay.scopes.start("b", metadata=early), metadata={"otel.status_code": "late"})

    assert {"otel.status_code": "OK", "relay.outcome": "ok", "x": 1} == recorder.end("a").metadata
    assert {"otel.status_code": "late", "relay.outcome": "ok", "x": 1} == recorder.end("b").metadata


@pytest.mark.parametrize("metadata", [{}, {"a": {"b": [1]}}, None])
def test_status_beside_the_starts_metadata(relay: Relay, recorder: Recorder, metadata: dict[str, Any] | None) -> None:
    """An end that says nothing of its own has the start's metadata and the status."""
    relay.scopes.pop(relay.scopes.push("work", metadata=metadata))

    assert {**(metadata or {}), "otel.status_code": "OK", "relay.outcome": "ok"} == recorder.end("work").metadata


def test_output_and_metadata_from_inside(relay: Relay, recorder: Recorder) -> None:
    """What the handle was told while open stands on the end event; what `pop` says goes before it."""
    handle = relay.scopes.push("work", metadata={"a": 1, "b": 1, "c": 1})
    handle.set_output("first")
    handle.set_output("second")
    handle.set_metadata(b=2, c=2)
    handle.set_metadata(d=2)
    relay.scopes.pop(handle, metadata={"c": 3})
    other = relay.scopes.push("other")
    other.set_output("inside")
    relay.scopes.pop(other, output="outside")
    nothing = relay.scopes.push("nothing")
    nothing.set_output(None)
    relay.scopes.pop(nothing)

    assert "second" == recorder.end("work").data
    assert {"a": 1, "b": 2, "c": 3, "d": 2} == {
        key: value for key, value in (recorder.end("work").metadata or {}).items() if len(key) == 1
    }
    assert "outside" == recorder.end("other").data
    assert recorder.end("nothing").data is None


def test_custom_scopes_have_a_subtype(relay: Relay, recorder: Recorder) -> None:
    """The subtype that the format requires is there on both events, whoever leaves it out."""
    scopes = relay.scopes
    scopes.pop(scopes.push("plain", ScopeType.Custom))
    scopes.end(scopes.start("named", ScopeType.Custom, category_profile={"subtype": "robot", "x": 1}))

    assert [{"subtype": "custom"}] * 2 == [
        recorder.start("plain").category_profile,
        recorder.end("plain").category_profile,
    ]
    assert {"subtype": "robot", "x": 1} == recorder.start("named").category_profile
    assert {"subtype": "robot"} == recorder.end("named").category_profile


def test_schema_of_an_output(relay: Relay, recorder: Recorder) -> None:
    """Input and output each have a schema of their own."""
    relay.scopes.end(relay.scopes.start("work", input=1, data_schema=SCHEMA), output=2)
    relay.scopes.end(relay.scopes.start("other", input=1), output=2, data_schema=SCHEMA)

    assert (SCHEMA, None) == (recorder.start("work").data_schema, recorder.end("work").data_schema)
    assert (None, SCHEMA) == (recorder.start("other").data_schema, recorder.end("other").data_schema)


@pytest.mark.parametrize(
    ("attributes", "names"),
    [
        (ScopeAttributes.PARALLEL | ScopeAttributes.RELOCATABLE, ("parallel", "relocatable")),
        (ScopeAttributes.PARALLEL & ScopeAttributes.RELOCATABLE, ()),
        (ToolAttributes.REMOTE, ("remote",)),
        (LLMAttributes.STREAMING | LLMAttributes.STATEFUL, ("stateful", "streaming")),
        (["remote", "acme.fast", "remote"], ("acme.fast", "remote")),
        ((), ()),
        (None, ()),
    ],
)
def test_attributes(relay: Relay, recorder: Recorder, attributes: Any, names: tuple[str, ...]) -> None:
    """Attributes may be flags or names; they are sorted and unique."""
    handle = relay.scopes.push("work", attributes=attributes)

    assert names == handle.attributes == recorder.start("work").attributes


# --- Marks -----------------------------------------------------------------------------------------------------------


def test_marks(relay: Relay, recorder: Recorder) -> None:
    """A mark hangs under the current scope, under an explicit one, or under none."""
    outer = relay.scopes.push("outer")
    relay.scopes.push("inner")
    relay.scopes.event("here", data={"step": 1})
    relay.scopes.event("there", handle=outer)
    relay.scopes.event("nowhere", handle=relay.root)

    assert {"here": "inner", "there": "outer", "nowhere": None}.items() <= recorder.parents().items()
    assert {"step": 1} == recorder.mark("here").data


def test_mark_on_a_closed_scope(relay: Relay, recorder: Recorder) -> None:
    """A mark may come late: an explicit scope is its parent although it has ended."""
    handle = relay.scopes.push("work")
    relay.scopes.pop(handle)

    relay.scopes.event("late", handle=handle)

    assert "work" == recorder.parents()["late"]


@pytest.mark.parametrize("severity", list(LogSeverity))
def test_severities(relay: Relay, recorder: Recorder, severity: LogSeverity) -> None:
    """A severity may be a member or its text."""
    relay.scopes.event("a", severity=severity)
    relay.scopes.event("b", severity=severity.wire)

    assert [severity.wire] * 2 == [it.severity for it in recorder.marks]


@pytest.mark.parametrize(
    "category", [ScopeType.Tool, "tool", type("Word", (str,), {})("tool")], ids=lambda it: type(it).__name__
)
def test_category_of_a_mark(relay: Relay, recorder: Recorder, category: str) -> None:
    """A mark's category is a word, given as a member or as text."""
    relay.scopes.event("a", category=category)

    assert ["tool"] == [it.category for it in recorder.marks]


# --- Current ---------------------------------------------------------------------------------------------------------


def test_outside_of_any_scope(relay: Relay) -> None:
    """Outside of any scope nothing is current, and the handle is the implicit root, which is no parent."""
    root = relay.scopes.get_handle()

    assert relay.scopes.current() is None
    assert root is relay.root
    assert ("root", None, True) == (root.name, root.parent_uuid, root.is_open)
    assert relay.scopes.push("top", handle=root).parent_uuid is None


def test_inside_of_a_scope(relay: Relay) -> None:
    """Inside of a scope the handle is that scope."""
    handle = relay.scopes.push("work")

    assert handle is relay.scopes.get_handle()


def test_two_runtimes_in_one_context(relay: Relay) -> None:
    """Scopes of another runtime are not current here, and do not hide the ones of this runtime, nor lose them."""
    with isolated_runtime() as other:
        mine = relay.scopes.push("mine")
        theirs = other.scopes.push("theirs")
        inner = relay.scopes.push("inner")

        assert (inner, theirs) == (relay.scopes.current(), other.scopes.current())
        assert mine.uuid == inner.parent_uuid
        assert theirs.parent_uuid is None

        relay.scopes.pop(inner)
        assert (mine, theirs) == (relay.scopes.current(), other.scopes.current())
        other.scopes.pop(theirs)
        assert (mine, None) == (relay.scopes.current(), other.scopes.current())


# --- Refusals: before any effect -------------------------------------------------------------------------------------

SCOPE_REFUSALS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"name": 7}, TypeError, "name must be a str, not int"),
    ({"name": None}, TypeError, "name must be a str, not NoneType"),
    ({"scope_type": "robot"}, TypeError, "'robot' is none of agent, function"),
    ({"scope_type": 1}, TypeError, "scope_type must be a ScopeType, not int"),
    ({"scope_type": None}, TypeError, "scope_type must be a ScopeType, not NoneType"),
    ({"attributes": "parallel"}, TypeError, "attributes must be"),
    ({"attributes": 3}, TypeError, "attributes must be"),
    ({"attributes": [3]}, TypeError, "of type str, not int"),
    ({"attributes": [3, "parallel"]}, TypeError, "of type str, not int"),
    ({"attributes": ["fast"]}, ValueError, "unknown attribute flag 'fast'"),
    ({"attributes": ["acme.\ud800"]}, ValueError, "must be printable text"),
    ({"handle": "root"}, TypeError, "handle must be a ScopeHandle or None, not str"),
    ({"timestamp": NAIVE}, ValueError, "timezone-aware"),
    ({"timestamp": 1772368496}, TypeError, "datetime.datetime, not int"),
    ({"timestamp": NOON.date()}, TypeError, "datetime.datetime, not date"),
]
MARK_REFUSALS: list[tuple[dict[str, Any], type[Exception], str]] = [
    *(it for it in SCOPE_REFUSALS if it[0].keys() & {"name", "handle", "timestamp"}),
    ({"severity": "loud"}, ValueError, "severity must be one of trace, debug, info, warn, error"),
    ({"severity": 3}, ValueError, "severity must be one of"),
    ({"category": 3}, TypeError, "category must be a str, not int"),
    ({"category_profile": 5}, TypeError, "category_profile must be a mapping, not int"),
    ({"category_profile": ["subtype"]}, TypeError, "category_profile must be a mapping, not list"),
    ({"data_schema": {"name": "x"}}, ValueError, "data_schema must be"),
    ({"data_schema": {"name": "x", "version": 1}}, ValueError, "data_schema must be"),
    ({"data_schema": {"name": "\ud800", "version": "1"}}, ValueError, "data_schema must be"),
    ({"data_schema": "x"}, ValueError, "data_schema must be"),
]
END_REFUSALS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"handle": None}, TypeError, "handle must be a ScopeHandle, not NoneType"),
    ({"handle": "work"}, TypeError, "handle must be a ScopeHandle, not str"),
    ({"timestamp": NAIVE}, ValueError, "timezone-aware"),
    ({"timestamp": "now"}, TypeError, "datetime.datetime, not str"),
    ({"timestamp": NOON - timedelta(microseconds=1)}, ValueError, "before the start of scope 'work'"),
]


def check_refused(
    relay: Relay, recorder: Recorder, call: Callable[[], object], error: type[Exception], says: str
) -> None:
    """Call, and check that it raises and that nothing has happened."""
    with pytest.raises(error, match=says):
        call()
    assert relay.scopes.current() is None
    assert 0 == relay.statistics().open_scopes
    assert [] == recorder.events


@pytest.mark.parametrize(("wrong", "error", "says"), SCOPE_REFUSALS)
@pytest.mark.parametrize("function", ["push", "start"])
def test_wrong_starts(
    relay: Relay, recorder: Recorder, function: str, wrong: dict[str, Any], error: type[Exception], says: str
) -> None:
    """A wrong argument of a start is refused before anything is emitted, opened or current."""
    start = getattr(relay.scopes, function)

    check_refused(relay, recorder, lambda: start(**{"name": "work", **wrong}), error, says)


@pytest.mark.parametrize(("wrong", "error", "says"), SCOPE_REFUSALS)
def test_wrong_blocks(
    relay: Relay, recorder: Recorder, wrong: dict[str, Any], error: type[Exception], says: str
) -> None:
    """A wrong argument of a block is refused on entry."""
    block = relay.scopes.scope(**{"name": "work", **wrong})

    check_refused(relay, recorder, block.__enter__, error, says)


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"data_schema": {"version": "1"}}, ValueError, "data_schema must be"),
        ({"category_profile": ["x"]}, TypeError, "category_profile must be a mapping, not list"),
    ],
)
def test_wrong_starts_of_integrations(
    relay: Relay, recorder: Recorder, wrong: dict[str, Any], error: type[Exception], says: str
) -> None:
    """What only integrations pass is checked, too."""
    check_refused(relay, recorder, lambda: relay.scopes.start("work", **wrong), error, says)


@pytest.mark.parametrize(("wrong", "error", "says"), MARK_REFUSALS)
def test_wrong_marks(
    relay: Relay, recorder: Recorder, wrong: dict[str, Any], error: type[Exception], says: str
) -> None:
    """A wrong argument of a mark is refused before anything is emitted."""
    check_refused(relay, recorder, lambda: relay.scopes.event(**{"name": "note", **wrong}), error, says)


@pytest.mark.parametrize(("wrong", "error", "says"), END_REFUSALS)
@pytest.mark.parametrize("function", ["pop", "end"])
def test_wrong_ends(
    relay: Relay, recorder: Recorder, function: str, wrong: dict[str, Any], error: type[Exception], says: str
) -> None:
    """A wrong argument of an end is refused: the scope stays open and can still be ended."""
    handle = relay.scopes.push("work", timestamp=NOON)

    with pytest.raises(error, match=says):
        getattr(relay.scopes, function)(**{"handle": handle, **wrong})

    assert handle.is_open
    assert handle is relay.scopes.current()
    assert ["+work"] == recorder.names
    relay.scopes.pop(handle)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [({"outcome": "exploded"}, ValueError), ({"data_schema": {}}, ValueError), ({"category_profile": 1}, TypeError)],
)
def test_wrong_ends_of_integrations(relay: Relay, wrong: dict[str, Any], error: type[Exception]) -> None:
    """An unknown outcome, a schema without name and a profile that is no mapping are refused; the scope stays open."""
    handle = relay.scopes.start("work")

    with pytest.raises(error):
        relay.scopes.end(handle, **wrong)

    assert handle.is_open


def test_another_runtimes_handle_as_parent(relay: Relay) -> None:
    """A scope of another runtime cannot be a parent here."""
    with isolated_runtime() as other:
        foreign = other.scopes.push("foreign")
        for call in (relay.scopes.push, relay.scopes.start, relay.scopes.event):
            with pytest.raises(ScopeError, match="belongs to another runtime"):
                call("work", handle=foreign)


@pytest.mark.parametrize("listening", [True, False])
def test_refusals_do_not_depend_on_listeners(relay: Relay, listening: bool) -> None:
    """A wrong call raises whether or not somebody listens."""
    if listening:
        Recorder(relay)
    handle = relay.scopes.push("work", timestamp=NOON)

    with pytest.raises(ValueError, match="before the start"):
        relay.scopes.pop(handle, timestamp=NOON - timedelta(days=1))
    with pytest.raises(TypeError):
        relay.scopes.push(7)  # type: ignore[arg-type]


def test_names_that_are_a_kind_of_str(relay: Relay) -> None:
    """A subclass of str is taken for its text."""

    class Name(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "something else"

    name = relay.scopes.push(Name("work")).name

    assert ("work", str) == (name, type(name))
