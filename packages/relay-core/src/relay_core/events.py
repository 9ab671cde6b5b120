"""ATOF 0.1 events: immutable values over JSON bytes that were detached from live objects when they were emitted.

An event is a lazy view on a record. Nothing is decoded, joined or redacted before somebody asks for it, and whoever
asks gets a copy of its own. This module does not emit and does not deliver.
"""

# Functions that build or read many events at once use their private state: a method each would be paid for each event.
# pyright: reportPrivateUsage=false

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeVar, cast, final

import orjson

from relay_core.json_values import is_object
from relay_core.timestamps import format_timestamp
from relay_core.vocabulary import ATOF_VERSION, Outcome
from relay_core.wire import Record, lines

if TYPE_CHECKING:
    from relay_core.codecs.recorded import RecordedLLMRequest, RecordedLLMResponse

__all__ = ["Event", "MarkEvent", "ScopeEvent", "Scrubber", "event_from_record", "json_lines"]

_UNSET: Final[Any] = object()


class Scrubber(Protocol):
    """Removes credentials from a JSON document; see `relay_core.redaction.Redactor`."""

    def redact(self, document: bytes, /) -> bytes:
        """Return the document without them; the same object where there are none."""
        ...

    def are_suspicious(self, documents: list[bytes], /) -> bool:
        """Whether there may be one in any of several documents."""
        ...


class Event:
    """What both kinds of event have in common. Built by the runtime and by the JSONL reader, never by users."""

    __slots__ = ("__weakref__", "_pending", "_record", "_scrubber")

    _record: Record
    _scrubber: Scrubber | None
    _pending: Scrubber | None
    """The scrubber, until it has been applied."""

    def __init__(self) -> None:
        """Refuse: events come from the runtime or from `relay_core.jsonl.read`.

        Raises:
            TypeError: Always.
        """
        raise TypeError(f"{type(self).__name__} is not constructible; events come from the runtime or from jsonl.read")

    @property
    def kind(self) -> str:
        """``"scope"`` or ``"mark"``."""
        raise NotImplementedError

    @property
    def atof_version(self) -> str:
        """The version of the event format, ``"0.1"``."""
        return ATOF_VERSION

    @property
    def uuid(self) -> str:
        """UUIDv7 of the scope or mark; the two events of a scope share it."""
        return self._record[0].uuid

    @property
    def parent_uuid(self) -> str | None:
        """The containing scope's uuid; None for a top-level scope and for a mark outside any scope."""
        return self._record[0].parent_uuid

    @property
    def root_uuid(self) -> str | None:
        """The topmost scope's uuid (on the wire ``propagation_root_uuid``); None for a mark outside any scope."""
        return self._record[0].root_uuid

    propagation_root_uuid = root_uuid

    @property
    def timestamp(self) -> str:
        """When it happened: RFC 3339, UTC, microseconds, ``Z``."""
        return format_timestamp(self._record[2])

    @property
    def timestamp_us(self) -> int:
        """When it happened, in microseconds since the epoch."""
        return self._record[2]

    @property
    def name(self) -> str:
        """The scope's or the mark's name."""
        return self._record[0].name

    @property
    def data(self) -> Any:
        """The payload, decoded anew for each caller: input of a start, output of an end, payload of a mark."""
        return _decoded(self._scrubbed()[3])

    @property
    def data_schema(self) -> dict[str, str] | None:
        """``{"name": ..., "version": ...}`` of the payload's schema, or None."""
        return _decoded_object(self._record[4])

    @property
    def metadata(self) -> dict[str, Any] | None:
        """Metadata, decoded anew for each caller; on an end event the end's laid over the start's."""
        return _decoded_object(self._scrubbed()[5])

    @property
    def category(self) -> str | None:
        """The scope type's wire value; usually None on marks. Unknown categories are kept when reading."""
        return self._record[0].category

    @property
    def category_profile(self) -> dict[str, Any] | None:
        """What belongs to the category: ``model_name``, ``tool_call_id``, annotated request and response, ..."""
        return _decoded_object(self._scrubbed()[6])

    @property
    def payload_bytes(self) -> int:
        """How many bytes of JSON its payload holds: data, metadata and category profile. Decodes nothing."""
        record = self._record
        return len(record[3] or b"") + len(record[5] or b"") + len(record[6] or b"")

    def replace(self, *, data: object = _UNSET, metadata: object = _UNSET, category_profile: object = _UNSET) -> Self:
        """Return a copy with other payload fields, for sanitizers. Values must be plain JSON data; None is null.

        Raises:
            TypeError: A value is not plain JSON data, or metadata or category_profile is neither a dict nor None.
        """
        identity, phase, at, old_data, schema, old_metadata, old_profile, extra, *_ = self._scrubbed()
        record = (
            identity,
            phase,
            at,
            old_data if data is _UNSET else _plain(data),
            schema,
            old_metadata if metadata is _UNSET else _plain_object("metadata", metadata),
            old_profile if category_profile is _UNSET else _plain_object("category_profile", category_profile),
            extra,
        )
        # Scrubbed anew: a sanitizer may have brought a credential back.
        return event_from_record(type(self), record, self._scrubber)

    def to_dict(self) -> dict[str, Any]:
        """Return the event as a dict of the receiver's own, all wire keys present and in the order of the format."""
        fields: dict[str, Any] = orjson.loads(self.to_json_bytes())
        return fields

    def to_json(self) -> str:
        """Return the event as one line of JSON, without the newline."""
        return self.to_json_bytes().decode()

    def to_json_bytes(self) -> bytes:
        """Return the event as one line of UTF-8 JSON; the payload's bytes are spliced in, not encoded again."""
        return lines([self._scrubbed()])[:-1]

    def _scrubbed(self) -> Record:
        """Return the record with credentials removed, once; done here, lazily, so that unread payloads cost nothing."""
        scrubber = self._pending
        record = self._record
        if scrubber is None:
            return record
        data, metadata, profile = record[3], record[5], record[6]
        clean_data = data and scrubber.redact(data)
        clean_metadata = metadata and scrubber.redact(metadata)
        clean_profile = profile and scrubber.redact(profile)
        if clean_data is not data or clean_metadata is not metadata or clean_profile is not profile:
            record = (*record[:3], clean_data, record[4], clean_metadata, clean_profile, record[7])
        # Two threads may both do this: the results are equal, and the record is stored before the task is done.
        self._record = record
        self._pending = None
        return record

    def __eq__(self, other: object) -> bool:
        """Events are values: equal when they are of one kind and say the same."""
        if not isinstance(other, Event):
            return NotImplemented
        return type(self) is type(other) and self.to_json_bytes() == other.to_json_bytes()

    def __hash__(self) -> int:
        return hash((self.uuid, self._record[1]))

    def __reduce__(self) -> tuple[Any, ...]:
        from relay_core.event_reader import event_from_dict  # the reader builds events: imported only to unpickle

        return (event_from_dict, (self.to_dict(),))

    def __repr__(self) -> str:
        phase = self._record[1]
        return f"<{type(self).__name__} {phase + ' ' if phase else ''}{self.name!r} {self.uuid}>"


@final
class ScopeEvent(Event):
    """The start or the end of a scope."""

    __slots__ = ()

    @property
    def kind(self) -> str:
        """``"scope"``."""
        return "scope"

    @property
    def scope_category(self) -> str:
        """``"start"`` or ``"end"``."""
        return self._record[1] or "start"

    @property
    def attributes(self) -> tuple[str, ...]:
        """Flag names, sorted and unique."""
        return self._record[0].attributes

    @property
    def outcome(self) -> Outcome | None:
        """How the scope ended; None on a start event and on an end event that does not say."""
        if self._record[1] != "end":
            return None
        try:
            return Outcome((self.metadata or {}).get("relay.outcome", ""))
        except ValueError:
            return None

    @property
    def annotated_request(self) -> "RecordedLLMRequest | None":
        """The normalized LLM request of a start event's profile, or None: ``["messages"]`` is also ``.messages``."""
        from relay_core.codecs.recorded import RecordedLLMRequest  # not imported by those who never look

        recorded = (self.category_profile or {}).get("annotated_request")
        return RecordedLLMRequest(recorded) if is_object(recorded) else None

    @property
    def annotated_response(self) -> "RecordedLLMResponse | None":
        """The normalized LLM response of an end event's profile, or None: ``["usage"]`` is also ``.usage``."""
        from relay_core.codecs.recorded import RecordedLLMResponse

        recorded = (self.category_profile or {}).get("annotated_response")
        return RecordedLLMResponse(recorded) if is_object(recorded) else None


@final
class MarkEvent(Event):
    """A checkpoint inside a scope, or outside any."""

    __slots__ = ()

    @property
    def kind(self) -> str:
        """``"mark"``."""
        return "mark"

    @property
    def severity(self) -> str | None:
        """``trace``, ``debug``, ``info``, ``warn`` or ``error``; None where the mark does not say."""
        return (self.metadata or {}).get("nemo_relay.log.severity")


E = TypeVar("E", bound=Event)


def event_from_record(kind: type[E], record: Record, scrubber: Scrubber | None) -> E:
    """Build an event around ``record``; ``scrubber`` is applied when a payload field is first asked for."""
    event = object.__new__(kind)
    event._record = record
    event._scrubber = event._pending = scrubber
    return event


def json_lines(events: Sequence[Event]) -> bytes:
    """Return events as JSON, a line with its newline for each: what a sink writes. Any thread.

    The same text as that of `Event.to_json_bytes` for each, for less than half of its cost.

    Args:
        events: As `relay_dispatch` gets them.
    """
    if not _are_clean(events):
        for event in events:
            event._scrubbed()
    return lines([event._record for event in events])


def _are_clean(events: Sequence[Event]) -> bool:
    """Look for credentials in all documents at once: a look has a price of its own, and nearly all are clean."""
    scrubber = next((event._pending for event in events), None)
    if scrubber is None:
        return all(event._pending is None for event in events)
    documents: list[bytes] = []
    known = None
    for event in events:
        if event._pending is not scrubber:
            return False
        record = event._record
        if (data := record[3]) is not None:
            documents.append(data)
        if (metadata := record[5]) is not None and metadata is not known:
            documents.append(metadata)
            known = metadata  # the metadata of all scopes that end well is one object
        if (profile := record[6]) is not None:
            documents.append(profile)
    if scrubber.are_suspicious(documents):
        return False
    for event in events:
        event._pending = None
    return True


def _decoded(document: bytes | None) -> Any:
    return None if document is None else orjson.loads(document)


def _decoded_object(document: bytes | None) -> dict[str, Any] | None:
    decoded: dict[str, Any] | None = _decoded(document)
    return decoded


def _plain(value: object) -> bytes | None:
    return None if value is None else orjson.dumps(value)


def _plain_object(field: str, value: object) -> bytes | None:
    if value is None or isinstance(value, Mapping):
        return _plain(cast("Mapping[str, Any] | None", value))
    raise TypeError(f"{field} must be a dict or None, not {type(value).__name__}")
