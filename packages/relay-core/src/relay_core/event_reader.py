"""Turns one decoded ATOF object back into an event: lenient where the format allows, clear where it does not."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from relay_core.errors import EventFormatError
from relay_core.events import MarkEvent, ScopeEvent, event_from_record
from relay_core.timestamps import parse_timestamp, to_datetime
from relay_core.wire import Record, share

__all__ = ["event_from_dict"]

_VERSION = re.compile(r"0\.\d+")
_KNOWN = frozenset(
    {
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
    }
)


@dataclass(slots=True)
class _StoredIdentity:
    """The identity of an event that was read; see `relay_core.wire.Identity`."""

    name: str
    uuid: str
    parent_uuid: str | None
    root_uuid: str | None
    attributes: tuple[str, ...]
    category: str | None
    is_scope: bool
    wire: tuple[bytes, bytes] | None = None

    def share(self) -> tuple[bytes, bytes]:
        return share(self, is_scope=self.is_scope)


def event_from_dict(fields: Mapping[str, Any]) -> ScopeEvent | MarkEvent:
    """Return the event that ``fields``, one decoded JSON object, describes.

    Accepts any version ``0.Y``, keeps unknown keys and unknown categories verbatim, accepts integer epoch
    microseconds as timestamp, and takes keys that are missing for ``null``.

    Raises:
        EventFormatError: A field that identifies the event is missing or of the wrong type, or the major version
            is not 0. The message names the field.
    """
    kind = _required(fields, "kind", str)
    if kind not in ("scope", "mark"):
        raise EventFormatError("kind", f"is {kind!r}; expected 'scope' or 'mark'")
    version = _required(fields, "atof_version", str)
    if not _VERSION.fullmatch(version):
        raise EventFormatError("atof_version", f"is {version!r}; this reader understands 0.Y")
    phase: str | None = None
    if kind == "scope":
        phase = _required(fields, "scope_category", str)
        if phase not in ("start", "end"):
            raise EventFormatError("scope_category", f"is {phase!r}; expected 'start' or 'end'")
    extra = {key: value for key, value in fields.items() if key not in _KNOWN}
    record: Record = (
        _identity(fields),
        phase,
        _timestamp(fields.get("timestamp")),
        _document(fields, "data"),
        _object(fields, "data_schema"),
        _object(fields, "metadata"),
        _object(fields, "category_profile"),
        orjson.dumps(extra) if extra else None,
    )
    # What was written has been through redaction already.
    return event_from_record(MarkEvent, record, None) if phase is None else event_from_record(ScopeEvent, record, None)


def _identity(fields: Mapping[str, Any]) -> _StoredIdentity:
    attributes = fields.get("attributes") or ()
    if not isinstance(attributes, list | tuple):
        raise EventFormatError("attributes", "is not an array of flag names")
    return _StoredIdentity(
        _required(fields, "name", str),
        _required(fields, "uuid", str),
        _optional_text(fields, "parent_uuid"),
        _optional_text(fields, "propagation_root_uuid"),
        tuple(str(flag) for flag in attributes),  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        _optional_text(fields, "category"),
        is_scope=fields["kind"] == "scope",
    )


def _required(fields: Mapping[str, Any], key: str, kind: type[str]) -> str:
    value = fields.get(key)
    if not isinstance(value, kind):
        raise EventFormatError(key, "is missing" if value is None else f"is {type(value).__name__}, not a string")
    return value


def _optional_text(fields: Mapping[str, Any], key: str) -> str | None:
    value = fields.get(key)
    return None if value is None else _required(fields, key, str)


def _timestamp(value: object) -> int:
    if isinstance(value, str):
        try:
            return parse_timestamp(value)
        except ValueError as error:
            raise EventFormatError("timestamp", f"is wrong: {error}") from None
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            to_datetime(value)
        except OverflowError:
            raise EventFormatError("timestamp", f"is beyond all calendars: {value}") from None
        return value
    raise EventFormatError("timestamp", "is neither an RFC 3339 string nor integer microseconds")


def _object(fields: Mapping[str, Any], key: str) -> bytes | None:
    if isinstance(fields.get(key), Mapping | None):
        return _document(fields, key)
    raise EventFormatError(key, "is neither an object nor null")


def _document(fields: Mapping[str, Any], key: str) -> bytes | None:
    value = fields.get(key)
    return None if value is None else orjson.dumps(value)
