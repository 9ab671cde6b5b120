"""What events hold, row by row of the format, and how a stored one comes back."""

import copy
import json
import pickle
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.core.recorder import Recorder

from relay_core import LLMAttributes, MarkEvent, Outcome, ScopeAttributes, ScopeEvent, ScopeType
from relay_core.errors import EventFormatError
from relay_core.event_reader import event_from_dict
from relay_core.events import event_from_record, json_lines
from relay_core.redaction import DEFAULT_KEYS, Redactor
from relay_core.runtime import Relay
from relay_core.timestamps import format_timestamp, from_datetime, parse_timestamp, to_datetime

pytestmark = pytest.mark.usefixtures("implementation")

SCOPE_KEYS = [
    "kind",
    "scope_category",
    "atof_version",
    "uuid",
    "parent_uuid",
    "propagation_root_uuid",
    "timestamp",
    "name",
    "attributes",
    "category",
    "category_profile",
    "data",
    "data_schema",
    "metadata",
]
MARK_KEYS = [key for key in SCOPE_KEYS if key not in ("scope_category", "attributes")]
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
SCHEMA = {"name": "acme/request", "version": "2"}


def stored(**changes: Any) -> dict[str, Any]:
    """Return a start event as it stands in a file, with `changes`."""
    return {
        "kind": "scope",
        "scope_category": "start",
        "atof_version": "0.1",
        "uuid": "0190b5a0-0000-7000-8000-000000000001",
        "parent_uuid": None,
        "propagation_root_uuid": "0190b5a0-0000-7000-8000-000000000001",
        "timestamp": "2026-03-01T12:34:56.123456Z",
        "name": "agent",
        "attributes": ["streaming"],
        "category": "agent",
        "category_profile": None,
        "data": {"question": 1},
        "data_schema": None,
        "metadata": {"tenant": "t"},
    } | changes


@pytest.fixture
def full(relay: Relay, recorder: Recorder) -> Recorder:
    """A run with every field in use: `outer` contains `inner`, which contains the mark `note`; `lonely` is outside."""
    scopes = relay.scopes
    outer = scopes.push("outer", ScopeType.Agent, attributes=ScopeAttributes.RELOCATABLE | ScopeAttributes.PARALLEL)
    inner = scopes.start(
        "inner",
        ScopeType.Llm,
        attributes=LLMAttributes.STREAMING,
        metadata={"a": 1, "b": 1},
        input={"z": 1, "a": [None, "ü"]},
        data_schema=SCHEMA,
        category_profile={"model_name": "m", "annotated_request": {"messages": []}},
    )
    scopes.event("note", handle=inner, data=[1], data_schema=SCHEMA, metadata={"k": "v"}, severity="warn")
    scopes.end(
        inner,
        output="done",
        category_profile={"annotated_response": {"text": "done"}},
        metadata={"b": 2},
    )
    scopes.pop(outer)
    scopes.event("lonely")
    return recorder


# --- Row by row ------------------------------------------------------------------------------------------------------


def test_all_keys_in_order(full: Recorder) -> None:
    """Every event has all keys of its kind, in the order of the format, whatever is null."""
    keys = [(type(it), list(it.to_dict())) for it in full.events]

    assert all(found == (SCOPE_KEYS if kind is ScopeEvent else MARK_KEYS) for kind, found in keys)


def test_json_is_the_dict(full: Recorder) -> None:
    """The JSON text, the JSON bytes and the dict say the same, and the text is one line."""
    for event in full.events:
        assert event.to_dict() == json.loads(event.to_json())
        assert event.to_json().encode() == event.to_json_bytes()
        assert "\n" not in event.to_json()


def test_kind_and_version(full: Recorder) -> None:
    """A scope's events and marks say what they are and which version of the format they are in."""
    assert {("scope", "0.1")} == {(it.kind, it.atof_version) for it in full.starts + full.ends}
    assert {("mark", "0.1")} == {(it.kind, it.atof_version) for it in full.marks}
    assert "mark" == full.mark("note").to_dict()["kind"]


def test_scope_category(full: Recorder) -> None:
    """A scope's events say whether they are its start or its end."""
    assert "start" == full.start("inner").to_dict()["scope_category"]
    assert "end" == full.end("inner").to_dict()["scope_category"]


def test_uuids(full: Recorder) -> None:
    """Uuids are version 7 and ascend in the order of emission; the two events of a scope share one."""
    begun = [it.uuid for it in full.events if it not in full.ends]

    assert all(UUID7.fullmatch(uuid) for uuid in begun)
    assert sorted(set(begun)) == begun
    assert full.start("inner").uuid == full.end("inner").uuid


def test_parents(full: Recorder) -> None:
    """The parent is the containing scope; a top-level scope and a mark outside of any scope have none."""
    assert {"outer": None, "inner": "outer", "note": "inner", "lonely": None} == full.parents()


def test_roots(full: Recorder) -> None:
    """The root is the topmost scope; a mark outside of any scope has none."""
    root = full.start("outer").uuid

    assert [root] * 5 + [None] == [it.to_dict()["propagation_root_uuid"] for it in full.events]
    assert [root] * 5 + [None] == [it.root_uuid for it in full.events]


def test_timestamp(relay: Relay, recorder: Recorder) -> None:
    """Timestamps are RFC 3339 in UTC with microseconds and Z, whatever zone they were given in."""
    zoned = datetime.fromisoformat("2026-03-01T14:34:56.000007+02:00")

    relay.scopes.event("then", timestamp=zoned)
    relay.scopes.event("now")

    assert "2026-03-01T12:34:56.000007Z" == recorder.mark("then").timestamp
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", recorder.mark("now").timestamp)
    assert from_datetime(zoned, "timestamp") == recorder.mark("then").timestamp_us


def test_same_identity_at_both_ends(full: Recorder) -> None:
    """Name, category, attributes and parent are identical on the start and on the end of a scope."""
    keys = ("name", "category", "attributes", "parent_uuid", "propagation_root_uuid", "uuid")
    start, end = full.start("inner").to_dict(), full.end("inner").to_dict()

    assert [start[key] for key in keys] == [end[key] for key in keys]


def test_attributes(full: Recorder) -> None:
    """Attributes are sorted names of flags; marks have none."""
    assert ("parallel", "relocatable") == full.start("outer").attributes
    assert ["streaming"] == full.start("inner").to_dict()["attributes"]
    assert "attributes" not in full.mark("note").to_dict()


def test_category(full: Recorder) -> None:
    """The category is the scope type's wire value, and null for a mark."""
    assert ["agent", "llm"] == [it.category for it in full.starts]
    assert full.mark("note").category is None


def test_category_profile(full: Recorder) -> None:
    """The start holds the profile that it was given; the end repeats who was called and adds its own."""
    start, end = full.start("inner"), full.end("inner")

    assert {"model_name": "m", "annotated_request": {"messages": []}} == start.category_profile
    assert {"model_name": "m", "annotated_response": {"text": "done"}} == end.category_profile
    assert ({"messages": []}, None) == (start.annotated_request, start.annotated_response)
    assert (None, {"text": "done"}) == (end.annotated_request, end.annotated_response)


def test_data(full: Recorder) -> None:
    """Data is the input, the output or the mark's payload, with the caller's order of keys."""
    assert '"data":{"z":1,"a":[null,"ü"]}' in full.start("inner").to_json()
    assert "done" == full.end("inner").data
    assert [1] == full.mark("note").data
    assert full.start("outer").data is None


def test_data_schema(full: Recorder) -> None:
    """A schema is a name and a version, or null."""
    assert SCHEMA == full.start("inner").data_schema
    assert SCHEMA == full.mark("note").data_schema
    assert full.end("inner").data_schema is None


def test_metadata(full: Recorder) -> None:
    """The end's metadata is the start's with the status and the end's own laid over it, key by key."""
    expected = {"a": 1, "b": 2, "otel.status_code": "OK", "relay.outcome": "ok"}

    assert {"a": 1, "b": 1} == full.start("inner").metadata
    assert expected == full.end("inner").metadata
    assert full.start("outer").metadata is None


def test_severity(full: Recorder) -> None:
    """A mark's severity stands in its metadata."""
    assert "warn" == full.mark("note").severity
    assert {"k": "v", "nemo_relay.log.severity": "warn"} == full.mark("note").metadata
    assert full.mark("lonely").severity is None


def test_outcome(full: Recorder) -> None:
    """The outcome is an end event's own; a start has none."""
    assert Outcome.OK is full.end("inner").outcome
    assert full.start("inner").outcome is None


def test_names_of_any_text(relay: Relay, recorder: Recorder) -> None:
    """A name may hold quotes, control characters and lone surrogates: the JSON is valid all the same."""
    relay.scopes.event('"\\\n\x00ü\ud800')

    assert '"\\\n\x00ü\ufffd' == json.loads(recorder.marks[0].to_json())["name"]


# --- Values ----------------------------------------------------------------------------------------------------------


def test_not_constructible() -> None:
    """Events come from the runtime or from the reader, never from a constructor."""
    with pytest.raises(TypeError, match="not constructible"):
        ScopeEvent()
    with pytest.raises(TypeError, match="not constructible"):
        MarkEvent()


@pytest.mark.parametrize("name", ["data", "name", "timestamp", "uuid", "something"])
def test_immutable(full: Recorder, name: str) -> None:
    """No attribute of an event can be set."""
    with pytest.raises(AttributeError):
        setattr(full.events[0], name, 1)


def test_accessors_give_copies(full: Recorder) -> None:
    """What an accessor returns is the receiver's own: changing it changes nobody's event."""
    event = full.start("inner")
    before = event.to_dict()

    event.data["z"] = event.metadata["a"] = event.category_profile["model_name"] = event.data_schema["name"] = "changed"  # type: ignore[index]
    event.to_dict()["data"]["z"] = "changed"

    assert before == event.to_dict()


def test_equality(full: Recorder) -> None:
    """Events are equal when they say the same, also one that was stored and read; nothing else is equal."""
    start, end = full.start("inner"), full.end("inner")
    read = event_from_dict(start.to_dict())

    assert (start, hash(start)) == (read, hash(read))
    assert start != end
    assert start != start.to_dict()


def test_pickle_and_copy(full: Recorder) -> None:
    """Events survive pickle and copy with all they say."""
    for event in full.events:
        assert event == pickle.loads(pickle.dumps(event)) == copy.deepcopy(event)
        assert type(event) is type(copy.copy(event))


def test_repr(full: Recorder) -> None:
    """The text for developers names kind, phase, name and uuid."""
    start = full.start("inner")

    assert f"<ScopeEvent start 'inner' {start.uuid}>" == repr(start)
    assert repr(full.mark("note")).startswith("<MarkEvent 'note' ")


def test_replace(full: Recorder) -> None:
    """A changed copy has the fields that were given and the rest of the original, which stays as it is."""
    event = full.start("inner")
    before = event.to_dict()

    changed = event.replace(data={"x": 1}, metadata=None)

    assert type(event) is type(changed)
    assert before | {"data": {"x": 1}, "metadata": None} == changed.to_dict()
    assert before == event.to_dict()
    assert before | {"category_profile": {}} == event.replace(category_profile={}).to_dict()


@pytest.mark.parametrize(
    "fields", [{"data": object()}, {"data": {1: 2}}, {"metadata": [1]}, {"metadata": "x"}, {"category_profile": 1}]
)
def test_replace_wants_plain_data(full: Recorder, fields: dict[str, Any]) -> None:
    """A changed copy refuses what is no plain JSON data, and metadata and profiles that are no objects."""
    with pytest.raises(TypeError):
        full.start("inner").replace(**fields)


def test_redaction_before_anyone_sees_it(relay: Relay, recorder: Recorder) -> None:
    """Credentials are gone from every accessor, and from a copy into which a sanitizer brings one."""
    relay.scopes.start("call", metadata={"token": {"password": "p"}}, input={"api_key": "k", "tokens": 3})

    event = recorder.start("call")
    changed = event.replace(metadata={"secret": "s"})

    assert {"api_key": "[redacted]", "tokens": 3} == event.data
    assert {"token": {"password": "[redacted]"}} == event.metadata == event.to_dict()["metadata"]
    assert {"secret": "[redacted]"} == changed.metadata


def test_redaction_is_lazy(full: Recorder) -> None:
    """Nothing is redacted before a payload is asked for, and then once."""
    redacted: list[bytes] = []

    class Counting(Redactor):
        def redact(self, document: bytes, /) -> bytes:
            redacted.append(document)
            return document

    event = event_from_record(ScopeEvent, full.start("inner")._record, Counting(()))
    assert "inner" == event.name
    assert [] == redacted

    event.to_json()
    event.to_dict()

    assert 3 == len(redacted)


# --- Many at once ----------------------------------------------------------------------------------------------------


class Watching(Redactor):
    """Counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__(DEFAULT_KEYS)
        self.looks = self.redactions = 0

    def are_suspicious(self, documents: list[bytes]) -> bool:
        self.looks += 1
        return super().are_suspicious(documents)

    def redact(self, document: bytes, /) -> bytes:
        self.redactions += 1
        return super().redact(document)


def test_lines(full: Recorder) -> None:
    """The lines of a batch are those of its events, one by one, each with its newline."""
    events = full.events

    assert b"".join(event.to_json_bytes() + b"\n" for event in events) == json_lines(events)
    assert b"" == json_lines(())


def test_lines_are_redacted(relay: Relay, recorder: Recorder) -> None:
    """A credential anywhere in a batch is gone from its lines, and from its events."""
    relay.scopes.event("clean", data={"a": 1})
    relay.scopes.event("data", data={"password": "p4ss"})
    relay.scopes.start("metadata", metadata={"api_key": "p4ss"})
    relay.scopes.start("profile", category_profile={"secret": "p4ss"})
    events = recorder.events

    lines = json_lines(events)

    assert b"p4ss" not in lines
    assert [{"a": 1}, {"password": "[redacted]"}, None, None] == [event.data for event in events]
    assert lines.splitlines() == [event.to_json_bytes() for event in events]


def test_one_look_at_a_clean_batch(full: Recorder) -> None:
    """Documents without credentials are looked at once, all together, and not again afterwards."""
    watching = Watching()
    events = [event_from_record(type(event), event._record, watching) for event in full.events]

    json_lines(events)
    json_lines(events)
    assert [event.data for event in full.events] == [event.data for event in events]

    assert (1, 0) == (watching.looks, watching.redactions)


def test_lines_of_several_redactors(full: Recorder) -> None:
    """Events from before and after a change of the settings are redacted by their own redactor each."""
    record = full.mark("note")._record
    redactors = [None, Redactor(("k",)), Redactor(("other",))]

    lines = json_lines([event_from_record(MarkEvent, record, redactor) for redactor in redactors])

    assert ["v", "[redacted]", "v"] == [json.loads(line)["metadata"]["k"] for line in lines.splitlines()]


def test_payload_bytes(full: Recorder) -> None:
    """The size of a payload is the bytes of its JSON: data, metadata and profile."""
    event = full.mark("note")

    assert len("[1]") + len('{"k":"v","nemo_relay.log.severity":"warn"}') == event.payload_bytes
    assert 0 == full.mark("lonely").payload_bytes


# --- Reading ---------------------------------------------------------------------------------------------------------


def test_reading_gives_the_same_event(full: Recorder) -> None:
    """An event that is stored and read is the same event again, byte for byte."""
    for event in full.events:
        read = event_from_dict(json.loads(event.to_json()))
        assert type(event) is type(read)
        assert event.to_json() == read.to_json()
        assert (event.uuid, event.root_uuid) == (read.uuid, read.root_uuid)


@pytest.mark.parametrize("version", ["0.1", "0.2", "0.17"])
def test_reading_other_minor_versions(version: str) -> None:
    """Any version 0.Y is read; what comes out is in the version of this reader."""
    assert "0.1" == event_from_dict(stored(atof_version=version)).atof_version


def test_reading_keeps_what_it_does_not_know() -> None:
    """Unknown keys and unknown categories come back verbatim."""
    event = event_from_dict(stored(category="robot", future={"x": [1]}, more=None))

    assert "robot" == event.category
    assert {"x": [1]} == event.to_dict()["future"]
    assert [*SCOPE_KEYS, "future", "more"] == list(event.to_dict())
    assert {"x": [1]} == event.replace(data=None).to_dict()["future"]


@pytest.mark.parametrize(
    "timestamp",
    [
        1772368496123456,
        "2026-03-01T12:34:56.123456Z",
        "2026-03-01t12:34:56.123456z",
        "2026-03-01T13:34:56.123456789+01:00",
    ],
)
def test_reading_timestamps(timestamp: object) -> None:
    """Integer epoch microseconds and any RFC 3339 text are read as the same moment."""
    assert "2026-03-01T12:34:56.123456Z" == event_from_dict(stored(timestamp=timestamp)).timestamp


def test_reading_with_keys_missing() -> None:
    """A key that is missing and does not identify the event is taken for null."""
    short = {key: stored()[key] for key in ("kind", "scope_category", "atof_version", "uuid", "timestamp", "name")}
    event = event_from_dict(short)

    assert isinstance(event, ScopeEvent)
    assert ((), None, None, None) == (event.attributes, event.category, event.parent_uuid, event.data)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("kind", "span", "expected 'scope' or 'mark'"),
        ("kind", None, "is missing"),
        ("atof_version", "1.0", "understands 0.Y"),
        ("atof_version", 0.1, "is float, not a string"),
        ("scope_category", "middle", "expected 'start' or 'end'"),
        ("scope_category", None, "is missing"),
        ("uuid", None, "is missing"),
        ("uuid", 7, "is int, not a string"),
        ("parent_uuid", 7, "is int, not a string"),
        ("name", None, "is missing"),
        ("timestamp", None, "neither"),
        ("timestamp", True, "neither"),
        ("timestamp", "yesterday", "yesterday"),
        ("timestamp", "2026-03-01T12:34:56", "no offset"),
        ("attributes", "streaming", "not an array"),
        ("category", 7, "is int, not a string"),
        ("metadata", "x", "neither an object nor null"),
        ("category_profile", [], "neither an object nor null"),
        ("data_schema", 1, "neither an object nor null"),
    ],
)
def test_reading_what_is_no_event(field: str, value: object, says: str) -> None:
    """An event whose identity is wrong is refused with the field's name and the reason."""
    with pytest.raises(EventFormatError, match=says) as caught:
        event_from_dict(stored(**{field: value}))

    assert field == caught.value.field


def test_outcome_of_foreign_events() -> None:
    """An end event that does not say how it ended, or in a word of its own, has no outcome."""
    foreign = [{"relay.outcome": "exploded"}, {"relay.outcome": ["x"]}, {"relay.outcome": None}, {}, None]
    ends = [event_from_dict(stored(scope_category="end", metadata=metadata)) for metadata in foreign]

    assert [None] * 5 == [event.outcome for event in ends if isinstance(event, ScopeEvent)]


# --- Timestamps ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["1969-12-31T23:59:59.999999Z", "0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"]
)
def test_timestamps_of_all_times(text: str) -> None:
    """Times before the epoch and at the ends of the calendar are written as they are read."""
    assert text == format_timestamp(parse_timestamp(text))
    assert parse_timestamp(text) == from_datetime(to_datetime(parse_timestamp(text)), "timestamp")


def test_timestamps_far_off() -> None:
    """Microseconds that no calendar holds are refused where they are read."""
    with pytest.raises(EventFormatError):
        event_from_dict(stored(timestamp=10**20))


def test_seconds_change() -> None:
    """The text of a second is not taken over into the next one."""
    moment = from_datetime(datetime(2026, 3, 1, 0, 0, 59, tzinfo=UTC), "timestamp")

    assert "2026-03-01T00:00:59.999999Z" == format_timestamp(moment + 999_999)
    assert "2026-03-01T00:01:00.000000Z" == format_timestamp(moment + 1_000_000)
