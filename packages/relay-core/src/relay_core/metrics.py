"""Metric measurements: what `scope.metric` accepts, and what makes a group valid. No aggregation, no export."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, Final, TypeGuard, cast

from relay_core.vocabulary import MetricKind, MetricValueType

__all__ = ["SCHEMA", "Measurements", "MetricMeasurement", "checked"]

SCHEMA: Final = {"name": "nemo.relay.metric_measurements", "version": "1"}
"""The payload schema of metric marks, as NeMo Relay defines it."""

_KINDS_OF: Final = {
    MetricValueType.U64: {MetricKind.Counter, MetricKind.Gauge, MetricKind.Histogram, MetricKind.UpDownCounter},
    MetricValueType.I64: {MetricKind.Gauge, MetricKind.UpDownCounter},
    MetricValueType.F64: {MetricKind.Counter, MetricKind.Gauge, MetricKind.Histogram, MetricKind.UpDownCounter},
}
_RANGES: Final = {MetricValueType.U64: (0, 2**64 - 1), MetricValueType.I64: (-(2**63), 2**63 - 1)}


@dataclass(frozen=True, slots=True)
class MetricMeasurement:
    """One typed recording operation, as OpenTelemetry's instruments know them."""

    name: str
    """The instrument's name."""
    kind: MetricKind | str
    """The instrument's kind."""
    value_type: MetricValueType | str
    """The number's type: ``u64``, ``i64`` (not for counters and histograms) or ``f64``."""
    value: float
    """The number; not negative for counters and histograms."""
    unit: str | None = None
    """The unit, in UCUM notation, such as ``ms``."""
    description: str | None = None
    """What the number means."""
    attributes: Mapping[str, Any] | None = None
    """Dimensions; flat."""
    boundaries: Sequence[float] | None = None
    """Bucket boundaries of a histogram, ascending."""


Measurements = Sequence[MetricMeasurement | Mapping[str, Any]]

_FIELDS: Final = tuple(field.name for field in fields(MetricMeasurement))


def checked(measurements: Measurements) -> list[dict[str, Any]]:
    """Return the group as plain data.

    Raises:
        ValueError: The group is empty or one of it is invalid; the message names which one and why.
    """
    if isinstance(measurements, str | bytes | Mapping) or not measurements:
        raise ValueError("measurements must be a sequence of at least one MetricMeasurement")
    return [_checked_one(f"measurements[{index}]", one) for index, one in enumerate(measurements)]


def _checked_one(where: str, one: object) -> dict[str, Any]:
    if isinstance(one, MetricMeasurement):
        plain: dict[str, Any] = {name: getattr(one, name) for name in _FIELDS}
    elif isinstance(one, Mapping):
        plain = {name: one.get(name) for name in _FIELDS}  # pyright: ignore[reportUnknownMemberType]
        unknown = sorted(str(key) for key in one if key not in _FIELDS)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        if unknown:
            raise ValueError(f"{where} has unknown fields: {', '.join(unknown)}")
    else:
        raise ValueError(f"{where} must be a MetricMeasurement, not {type(one).__name__}")
    if not isinstance(plain["name"], str) or not plain["name"]:
        raise ValueError(f"{where} name must be a non-empty str")
    kind = _word(where, "kind", MetricKind, plain["kind"])
    value_type = _word(where, "value_type", MetricValueType, plain["value_type"])
    if kind not in _KINDS_OF[value_type]:
        raise ValueError(f"{where} kind {kind.wire} does not support value_type {value_type.wire}")
    _check_value(where, kind, value_type, plain["value"])
    if plain["boundaries"] is not None:
        _check_boundaries(where, kind, plain["boundaries"])
        plain["boundaries"] = list(plain["boundaries"])
    plain["kind"], plain["value_type"] = kind.wire, value_type.wire
    return plain


def _word(where: str, field: str, words: Any, value: object) -> Any:
    try:
        return words(value)
    except ValueError:
        raise ValueError(f"{where} {field} must be one of {', '.join(w.wire for w in words)}, not {value!r}") from None


def _check_value(where: str, kind: MetricKind, value_type: MetricValueType, value: object) -> None:
    if not _is_finite(value):
        raise ValueError(f"{where} value must be a finite number")
    limits = _RANGES.get(value_type)
    if limits and (type(value) is not int or not limits[0] <= value <= limits[1]):
        raise ValueError(f"{where} value must be a {value_type.wire} integer")
    if value < 0 and kind in (MetricKind.Counter, MetricKind.Histogram):
        raise ValueError(f"{where} value of a {kind.wire} must not be negative")


def _check_boundaries(where: str, kind: MetricKind, boundaries: object) -> None:
    if kind is not MetricKind.Histogram:
        raise ValueError(f"{where} boundaries belong to histograms, not to a {kind.wire}")
    given = list(cast("Sequence[object]", boundaries)) if isinstance(boundaries, Sequence) else [None]
    numbers = [one for one in given if _is_finite(one)]
    if len(numbers) < len(given) or numbers != sorted(set(numbers)):
        raise ValueError(f"{where} boundaries must be finite numbers, strictly ascending")


def _is_finite(value: object) -> TypeGuard[float]:
    return type(value) is int or (type(value) is float and isfinite(value))
