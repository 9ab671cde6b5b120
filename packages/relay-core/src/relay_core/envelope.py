"""What ATOF 0.1 demands of one event taken alone: its keys, their types and their values. Knows no other event."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from relay_core.json_values import is_array, is_object
from relay_core.jsonl_lines import Severity
from relay_core.vocabulary import LogSeverity, Outcome, ScopeType

__all__ = ["complaints", "microseconds"]

Complaint = tuple[Severity, str]

_COMMON: Final = (
    "kind",
    "atof_version",
    "uuid",
    "parent_uuid",
    "propagation_root_uuid",
    "timestamp",
    "name",
    "category",
    "category_profile",
    "data",
    "data_schema",
    "metadata",
)
_KEYS: Final = {"mark": frozenset(_COMMON), "scope": frozenset((*_COMMON, "scope_category", "attributes"))}
_SCOPE_ONLY: Final = _KEYS["scope"] - _KEYS["mark"]
_KNOWN_CATEGORIES: Final = frozenset({None, *(member.value for member in ScopeType)})
_FLAGS: Final = frozenset({"parallel", "relocatable", "remote", "stateful", "streaming"})
_WORDS: Final = (
    ("relay.outcome", tuple(member.value for member in Outcome)),
    ("nemo_relay.log.severity", tuple(member.value for member in LogSeverity)),
)
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}").fullmatch
_VERSION: Final = re.compile(r"0\.\d+").fullmatch
_TIMESTAMP: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ]((?:[01]\d|2[0-3]):[0-5]\d:)(\d\d)(\.\d+)?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
).fullmatch
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def complaints(fields: dict[str, Any]) -> list[Complaint]:
    """Return everything that is wrong with the event `fields`, each as severity and message."""
    found = list(_key_complaints(fields))
    for key, check in _CHECKS:
        if key in fields:
            found += check(fields[key])
    if fields.get("kind") == "scope":
        found += _scope_complaints(fields)
    return found


def microseconds(timestamp: object) -> int | None:
    """Return a timestamp of the wire, RFC 3339 or integer microseconds, as microseconds; None for anything else.

    Finer digits are cut; a leap second counts as the last microsecond before it.
    """
    if not isinstance(timestamp, str):
        return timestamp if isinstance(timestamp, int) and not isinstance(timestamp, bool) else None
    match = _TIMESTAMP(timestamp)
    if match is None:
        return None
    day, minute, second, fraction, offset = match.groups()
    if second == "60":
        second, fraction = "59", ".999999"
    try:
        moment = datetime.fromisoformat(f"{day}T{minute}{second}{fraction or ''}{offset.upper()}")
    except ValueError:
        return None
    return (moment - _EPOCH) // _MICROSECOND


def _key_complaints(fields: dict[str, Any]) -> Iterator[Complaint]:
    kind = fields.get("kind")
    required = _KEYS.get(kind) if isinstance(kind, str) else None
    if required is None:
        if "kind" in fields:
            yield "error", f"'kind' is {kind!r}; expected 'scope' or 'mark'"
        required = _KEYS["mark"]
    if not fields.keys() >= required:
        yield "error", "missing: " + ", ".join(sorted(required - fields.keys()))
    if kind == "mark" and not _SCOPE_ONLY.isdisjoint(fields):
        yield "error", "a mark has no " + " and no ".join(sorted(_SCOPE_ONLY & fields.keys()))


def _scope_complaints(fields: dict[str, Any]) -> Iterator[Complaint]:
    phase = fields.get("scope_category")
    if "scope_category" in fields and phase not in ("start", "end"):
        yield "error", f"'scope_category' is {phase!r}; expected 'start' or 'end'"
    yield from _attribute_complaints(fields.get("attributes", []))
    category = fields.get("category")
    if category is None and "category" in fields:
        yield "error", "'category' is null; only a mark may leave it out"
    if fields.get("propagation_root_uuid", "") is None:
        yield "error", "'propagation_root_uuid' is null; a top-level scope has its own uuid there"
    if category == "custom" and not _has_text(fields.get("category_profile"), "subtype"):
        yield "error", "category 'custom' wants a 'subtype' in 'category_profile'"


def _attribute_complaints(flags: object) -> Iterator[Complaint]:
    if not is_array(flags) or not all(isinstance(flag, str) for flag in flags):
        yield "error", "'attributes' is no array of strings"
    elif flags and flags != sorted(set(flags)):
        yield "error", "'attributes' is not sorted, or names a flag twice"
    else:
        for flag in flags:
            if flag not in _FLAGS and "." not in flag:
                yield "warning", f"the flag {flag!r} is unknown; a vendor's flag has a dot"


def _version(value: object) -> list[Complaint]:
    if isinstance(value, str) and _VERSION(value):
        return []
    return [("error", f"'atof_version' is {value!r}; this validator knows 0.Y")]


def _uuid(value: object) -> list[Complaint]:
    if isinstance(value, str) and _UUID(value):
        return []
    return [("error", f"'uuid' is {_shown(value)}, which is no UUID")]


def _optional_uuid(key: str) -> Callable[[object], list[Complaint]]:
    def check(value: object) -> list[Complaint]:
        if value is None or (isinstance(value, str) and _UUID(value)):
            return []
        return [("error", f"{key!r} is {_shown(value)}, which is neither null nor a UUID")]

    return check


def _timestamp(value: object) -> list[Complaint]:
    if microseconds(value) is not None:
        return []
    return [("error", f"'timestamp' is {_shown(value)}, which is no RFC 3339 timestamp")]


def _name(value: object) -> list[Complaint]:
    return [] if isinstance(value, str) else [("error", f"'name' is {_shown(value)}, not a string")]


def _category(value: object) -> list[Complaint]:
    if value is None or isinstance(value, str):
        return [] if value in _KNOWN_CATEGORIES else [("warning", f"the category {value!r} is unknown")]
    return [("error", f"'category' is {_shown(value)}, neither null nor a string")]


def _optional_object(key: str) -> Callable[[object], list[Complaint]]:
    def check(value: object) -> list[Complaint]:
        if value is None or isinstance(value, dict):
            return []
        return [("error", f"{key!r} is {_shown(value)}, neither null nor an object")]

    return check


def _data_schema(value: object) -> list[Complaint]:
    if value is None or (_has_text(value, "name") and _has_text(value, "version")):
        return []
    return [("error", "'data_schema' is neither null nor an object with the strings 'name' and 'version'")]


def _metadata(value: object) -> list[Complaint]:
    if value is None:
        return []
    if not is_object(value):
        return [("error", f"'metadata' is {_shown(value)}, neither null nor an object")]
    return [
        ("warning", f"{key!r} in 'metadata' is {_shown(value[key])}; known are {', '.join(known)}")
        for key, known in _WORDS
        if key in value and value[key] not in known
    ]


_CHECKS: Final[tuple[tuple[str, Callable[[Any], list[Complaint]]], ...]] = (
    ("atof_version", _version),
    ("uuid", _uuid),
    ("parent_uuid", _optional_uuid("parent_uuid")),
    ("propagation_root_uuid", _optional_uuid("propagation_root_uuid")),
    ("timestamp", _timestamp),
    ("name", _name),
    ("category", _category),
    ("category_profile", _optional_object("category_profile")),
    ("data_schema", _data_schema),
    ("metadata", _metadata),
)


def _has_text(value: object, key: str) -> bool:
    return is_object(value) and isinstance(value.get(key), str)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
