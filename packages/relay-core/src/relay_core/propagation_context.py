"""Where work continues in another process, as a value: Relay's own ids, and a W3C trace. Nothing is captured here."""

import re
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self, cast
from uuid import UUID

import orjson

__all__ = ["PropagationContext", "TraceParent", "span_of"]

VERSION: Final = 1
_SAMPLED: Final = "01"
_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?"
)
_VENDOR: Final = re.compile(r"\s*[a-z0-9][a-z0-9_*/@-]*=[!-<>-~][ -<>-~]*")


class TraceParent(NamedTuple):
    """A W3C `traceparent`: all lowercase hexadecimal."""

    trace: str
    span: str
    flags: str = _SAMPLED

    @classmethod
    def parse(cls, text: object) -> Self | None:
        """Return what `text` says, of any version that W3C allows; None if it is no `traceparent`."""
        found = _TRACEPARENT.fullmatch(text.strip().lower()) if isinstance(text, str) else None
        return None if found is None else cls(*cast("tuple[str, str, str]", found.groups()))

    def __str__(self) -> str:
        return f"00-{self.trace}-{self.span}-{self.flags}"


@dataclass(frozen=True, slots=True)
class PropagationContext:
    """Where work continues: the scope that contains it and the request that it belongs to, as uuids."""

    parent_uuid: str
    """The scope under which the remote work runs."""
    root_uuid: str | None = None
    """The topmost scope of the request; None where it is not known, and then the parent stands for it."""
    version: int = VERSION
    """The version of this format."""
    traceparent: str | None = None
    """The W3C trace that the work is part of, and its span there; None if the ids above say it all."""
    tracestate: str | None = None
    """What vendors added to that trace; None without one."""

    def __post_init__(self) -> None:
        """Check every field. W3C entries that are malformed are ignored, as W3C asks for.

        Raises:
            ValueError: A uuid is none, or the version is another one.
        """
        object.__setattr__(self, "parent_uuid", _checked_uuid("parent_uuid", self.parent_uuid))
        if self.root_uuid is not None:
            object.__setattr__(self, "root_uuid", _checked_uuid("root_uuid", self.root_uuid))
        if type(self.version) is not int or self.version != VERSION:
            raise ValueError(f"unsupported propagation context version {self.version}; expected {VERSION}")
        trace = TraceParent.parse(self.traceparent)
        object.__setattr__(self, "traceparent", None if trace is None else str(trace))
        if trace is None or not _is_tracestate(self.tracestate):
            object.__setattr__(self, "tracestate", None)

    def to_json(self) -> str:
        """Return the context as a JSON object."""
        fields = {"version": self.version, "parent_uuid": self.parent_uuid, "root_uuid": self.root_uuid}
        trace = {"traceparent": self.traceparent, "tracestate": self.tracestate}
        return orjson.dumps(fields | {key: value for key, value in trace.items() if value is not None}).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the context that `to_json` wrote.

        Raises:
            ValueError: No JSON object, a bad uuid, or another version.
        """
        try:
            fields: Any = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"propagation context is not JSON: {error}") from None
        if not isinstance(fields, dict):
            raise ValueError("propagation context must be a JSON object")
        known = cast("dict[str, Any]", fields)
        # The version first: another one may have other fields.
        version = known.get("version", VERSION)
        if version != VERSION:
            raise ValueError(f"unsupported propagation context version {version}; expected {VERSION}")
        return cls(
            known.get("parent_uuid", ""),
            known.get("root_uuid"),
            traceparent=known.get("traceparent"),
            tracestate=known.get("tracestate"),
        )

    @classmethod
    def from_traceparent(cls, text: object, tracestate: object = None) -> Self:
        """Return the context of a foreign `traceparent`: the trace is the root, and both ids make the parent's uuid.

        Raises:
            ValueError: `text` is no `traceparent`.
        """
        trace = TraceParent.parse(text)
        if trace is None:
            raise ValueError(f"not a W3C traceparent: {text!r}")
        parent, root = UUID(trace.trace[:16] + trace.span), UUID(trace.trace)
        return cls(str(parent), str(root), traceparent=str(trace), tracestate=cast("str | None", tracestate))

    def to_traceparent(self) -> str:
        """Return `traceparent`, or one that is made of the ids: the root's as trace, the parent's last half as span."""
        trace = (self.root_uuid or self.parent_uuid).replace("-", "")
        return self.traceparent or str(TraceParent(trace, span_of(self.parent_uuid)))


def span_of(uuid: str) -> str:
    """Return the W3C span id of a scope: the last half of its uuid, where all that is random is."""
    return uuid.replace("-", "")[16:]


def _is_tracestate(text: object) -> bool:
    members = text.split(",") if isinstance(text, str) and text.strip() else [""]
    return any(map(str.strip, members)) and all(not one.strip() or _VENDOR.fullmatch(one) for one in members)


def _checked_uuid(field: str, value: object) -> str:
    try:
        return str(UUID(value)) if isinstance(value, str) else _not_a_uuid(field, value)
    except ValueError:
        return _not_a_uuid(field, value)


def _not_a_uuid(field: str, value: object) -> str:
    raise ValueError(f"{field} must be a UUID string, not {value!r}")
