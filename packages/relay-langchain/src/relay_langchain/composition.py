"""Handlers with the base classes that a framework demands: one class per combination, made when a handler is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from langchain_core.callbacks import BaseCallbackHandler

__all__ = ["composed"]

T = TypeVar("T")

_composed: dict[tuple[type, ...], type] = {}


def composed(handler: type[T], bases: Iterable[object]) -> type[T]:
    """Return a class derived from `handler` first and then from `bases`; `handler` itself without any.

    Raises:
        TypeError: The classes cannot be combined, or one is no handler.
    """
    missing: list[type[Any]] = []
    for base in bases:
        if not isinstance(base, type) or not issubclass(base, BaseCallbackHandler):
            raise TypeError(f"a handler can only derive from handlers, not from {base!r}")
        if not issubclass(handler, base) and base not in missing:
            missing.append(base)
    if not missing:
        return handler
    key = (handler, *missing)
    kind = _composed.get(key)
    if kind is None:
        namespace = {"__doc__": handler.__doc__, "__module__": handler.__module__, "__qualname__": handler.__qualname__}
        kind = _composed.setdefault(key, type(handler.__name__, key, namespace))
    return kind
