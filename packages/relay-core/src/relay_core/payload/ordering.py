"""The order in which a set is recorded: the same in every process, where its items can be compared at all."""

import enum
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from relay_core.payload.fields import namespaces, value_of_member
from relay_core.payload.values import kind_of

__all__ = ["in_order"]

_COMPARABLE = frozenset(map(id, (str, int, float, bytes, UUID, datetime, date, time, timedelta, Decimal)))
_NUMBERS = frozenset(map(id, (bool, int, float)))


def in_order(items: Iterable[object]) -> list[object]:
    """Return the items of a set sorted, or as they come where they cannot be compared without foreign code."""
    found = list(items)
    try:
        kind = type(found[0]) if len(set(map(id, map(type, found)))) == 1 else None
        if id(kind) in _COMPARABLE:
            return sorted(cast("list[Any]", found))
        return sorted(found, key=_rank)
    except Exception:  # a naive and an aware time, or a type that has no rank
        return found


def _rank(item: object) -> tuple[int, object]:
    kind = type(item)
    if item is None:
        return 0, 0
    if id(kind) in _NUMBERS:
        return 1, item
    if kind is str:
        return 2, item
    if kind is bytes:
        return 3, item
    if kind is tuple:
        return 4, tuple(map(_rank, cast("tuple[object, ...]", item)))
    if kind_of(kind) is enum.EnumMeta and (value := value_of_member(namespaces(kind))) is not None:
        return _rank(value(item))
    raise TypeError
