"""The words of the ATOF 0.1 wire format: scope types, outcomes, severities and attribute flags. No behaviour."""

import enum
from collections.abc import Iterable

__all__ = [
    "ATOF_VERSION",
    "Attributes",
    "LLMAttributes",
    "LogSeverity",
    "MetricKind",
    "MetricValueType",
    "Outcome",
    "ScopeAttributes",
    "ScopeType",
    "ToolAttributes",
    "attribute_names",
]

ATOF_VERSION = "0.1"
"""The version of the event format that Relay writes (ATOF, the Agent Trajectory Observability Format)."""


class _Word(enum.StrEnum):
    """An enum member that is its wire value, with ``wire`` readable at the price of a plain attribute."""

    wire: str
    """The value as it stands in an event. ``Enum.value`` is a descriptor in Python; this is read on every emission."""

    def __new__(cls, value: str) -> "_Word":
        member = str.__new__(cls, value)
        member._value_ = value
        member.wire = value
        return member


class ScopeType(_Word):
    """What kind of work a scope is: the ``category`` of its events."""

    Agent = "agent"
    Function = "function"
    Tool = "tool"
    Llm = "llm"
    Retriever = "retriever"
    Embedder = "embedder"
    Reranker = "reranker"
    Guardrail = "guardrail"
    Evaluator = "evaluator"
    Custom = "custom"
    Unknown = "unknown"


class Outcome(_Word):
    """How a scope ended: ``metadata["relay.outcome"]`` of its end event."""

    OK = "ok"
    """It did what it was asked to do."""
    ERROR = "error"
    """It failed."""
    CANCELLED = "cancelled"
    """It was told to stop: task cancellation, timeout, keyboard interrupt, interpreter exit."""
    ABANDONED = "abandoned"
    """Its consumer stopped early: a stream closed or dropped before its end."""
    INTERRUPTED = "interrupted"
    """It waits for a human."""
    HANDED_OFF = "handed_off"
    """It passed control to a parent graph."""
    DRAINED = "drained"
    """It stopped cooperatively before it was done."""


class LogSeverity(_Word):
    """How grave a mark is: ``metadata["nemo_relay.log.severity"]``."""

    Trace = "trace"
    Debug = "debug"
    Info = "info"
    Warn = "warn"
    Error = "error"


class MetricKind(_Word):
    """The kind of an OpenTelemetry instrument."""

    Counter = "counter"
    UpDownCounter = "up_down_counter"
    Gauge = "gauge"
    Histogram = "histogram"


class MetricValueType(_Word):
    """The type of a measured number."""

    U64 = "u64"
    I64 = "i64"
    F64 = "f64"


class ScopeAttributes(enum.Flag):
    """Behavioural flags of any scope."""

    PARALLEL = enum.auto()
    RELOCATABLE = enum.auto()

    @property
    def is_parallel(self) -> bool:
        """Whether `PARALLEL` is among the flags."""
        return ScopeAttributes.PARALLEL in self

    @property
    def is_relocatable(self) -> bool:
        """Whether `RELOCATABLE` is among the flags."""
        return ScopeAttributes.RELOCATABLE in self


class ToolAttributes(enum.Flag):
    """Behavioural flags of a tool scope."""

    REMOTE = enum.auto()

    @property
    def is_remote(self) -> bool:
        """Whether `REMOTE` is among the flags."""
        return ToolAttributes.REMOTE in self


class LLMAttributes(enum.Flag):
    """Behavioural flags of an LLM scope."""

    STATEFUL = enum.auto()
    STREAMING = enum.auto()

    @property
    def is_stateful(self) -> bool:
        """Whether `STATEFUL` is among the flags."""
        return LLMAttributes.STATEFUL in self

    @property
    def is_streaming(self) -> bool:
        """Whether `STREAMING` is among the flags."""
        return LLMAttributes.STREAMING in self


Attributes = ScopeAttributes | ToolAttributes | LLMAttributes | Iterable[str]
"""What ``attributes=`` accepts: flags, or wire names such as ``"streaming"`` and vendor names with a dot."""

_STANDARD = frozenset({"parallel", "relocatable", "remote", "stateful", "streaming"})


def attribute_names(attributes: Attributes | None) -> tuple[str, ...]:
    """Return ``attributes`` as the sorted, unique names of the wire format.

    Raises:
        TypeError: ``attributes`` is neither flags nor an iterable of str.
        ValueError: a name is neither a standard flag nor a vendor flag with a dot.
    """
    if attributes is None:
        return ()
    if isinstance(attributes, ScopeAttributes | ToolAttributes | LLMAttributes):
        return tuple(sorted(flag.name.lower() for flag in attributes if flag.name))
    if isinstance(attributes, str | bytes) or not isinstance(attributes, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            "attributes must be ScopeAttributes, ToolAttributes, LLMAttributes or an iterable of flag names, "
            f"not {type(attributes).__name__}"
        )
    return tuple(sorted({_attribute_name(name) for name in attributes}))


def _attribute_name(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"attributes must hold flag names of type str, not {type(name).__name__}")
    if name not in _STANDARD and "." not in name:
        raise ValueError(f"unknown attribute flag {name!r}: use one of {sorted(_STANDARD)} or a vendor name with a dot")
    if not name.isprintable():  # lone surrogates, too: an event could not say them
        raise ValueError(f"attribute flag {name!r} must be printable text")
    return str.__str__(name)
