"""What the scope functions refuse, and in which words. Each check runs before any effect."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

import orjson

from relay_core.errors import ScopeError
from relay_core.handles import ScopeHandle
from relay_core.timestamps import from_datetime
from relay_core.vocabulary import LogSeverity, ScopeType

__all__ = [
    "checked_category",
    "checked_end",
    "checked_name",
    "checked_profile",
    "checked_schema",
    "checked_severity",
    "checked_type",
    "not_endable",
]


def checked_name(name: object) -> str:
    """Return `name` as a plain str; TypeError for anything else."""
    if isinstance(name, str):
        return str.__str__(name)
    raise TypeError(f"name must be a str, not {type(name).__name__}")


def checked_type(scope_type: object) -> ScopeType:
    """Return the member that `scope_type` is or names; TypeError for anything else."""
    if not isinstance(scope_type, str):
        raise TypeError(f"scope_type must be a ScopeType, not {type(scope_type).__name__}")
    try:
        return ScopeType(scope_type)
    except ValueError:
        words = ", ".join(member.wire for member in ScopeType)
        raise TypeError(f"scope_type must be a ScopeType; {scope_type!r} is none of {words}") from None


def checked_schema(schema: object) -> bytes:
    """Return the schema as JSON; ValueError where it lacks a name or a version."""
    if type(schema) is dict or isinstance(schema, Mapping):  # the second one takes ten times as long
        fields = cast("Mapping[str, object]", schema)
        name, version = fields.get("name"), fields.get("version")
        if type(name) is str and type(version) is str:
            try:
                return _schema(name, version)
            except TypeError:  # lone surrogates
                pass
    raise ValueError('data_schema must be {"name": str, "version": str}')


@lru_cache(maxsize=64)
def _schema(name: str, version: str) -> bytes:
    return orjson.dumps({"name": name, "version": version})


def checked_profile(profile: object) -> Mapping[str, Any]:
    """Return the category profile; TypeError for anything but a mapping."""
    if type(profile) is dict or isinstance(profile, Mapping):
        return cast("Mapping[str, Any]", profile)
    raise TypeError(f"category_profile must be a mapping, not {type(profile).__name__}")


def checked_category(category: object) -> str:
    """Return the category of a mark as a plain str, known or not; TypeError for anything else."""
    if isinstance(category, ScopeType):
        return category.wire
    if isinstance(category, str):
        return str.__str__(category)
    raise TypeError(f"category must be a str, not {type(category).__name__}")


def checked_severity(severity: str) -> str:
    """Return the severity's wire value; ValueError for an unknown one."""
    try:
        return LogSeverity(severity).wire
    except ValueError:
        words = ", ".join(member.wire for member in LogSeverity)
        raise ValueError(f"severity must be one of {words}, not {severity!r}") from None


def checked_end(handle: ScopeHandle, timestamp: datetime) -> int:
    """Return an explicit end in microseconds; ValueError where it lies before the start."""
    at = from_datetime(timestamp, "timestamp")
    if at < handle.started_us:
        raise ValueError(f"timestamp must not lie before the start of scope {handle.name!r}")
    return at


def not_endable(handle: object, runtime: object) -> Exception:
    """Return why this handle cannot be ended by the runtime that `runtime` stands for."""
    if not isinstance(handle, ScopeHandle):
        return TypeError(f"handle must be a ScopeHandle, not {type(handle).__name__}")
    other = handle._owner.runtime is not runtime  # pyright: ignore[reportPrivateUsage]
    reason = "belongs to another runtime" if other else "never closes: it was not opened here"
    return ScopeError(reason, name=handle.name, uuid=handle.uuid)
