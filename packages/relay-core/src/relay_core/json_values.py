"""Plain JSON values in memory: a copy that shares nothing mutable, and an equality that tells ``1`` from ``True``.

This is not the payload encoder: nothing is converted or cut here.
"""

from collections.abc import Mapping
from typing import Any, TypeGuard, TypeVar, cast

__all__ = ["as_mapping", "detached", "is_array", "is_mapping", "is_object", "same_json"]

T = TypeVar("T")


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Tell whether `value` is a dict; its keys are taken to be str, as everywhere in JSON."""
    return isinstance(value, dict)


def is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Tell whether `value` is a mapping; its keys are taken to be str."""
    return isinstance(value, Mapping)


def as_mapping(value: object) -> Mapping[str, Any]:
    """Return `value` if it is a mapping, else an empty one."""
    return value if is_mapping(value) else {}


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Tell whether `value` is a list."""
    return isinstance(value, list)


def detached(value: T) -> T:
    """Return ``value`` with every plain dict and list in it copied; all other objects are shared.

    Total: cycles and shared containers stay cycles and shared containers, and depth does not matter.
    """
    copies: dict[int, tuple[object, object]] = {}
    pending: list[dict[str, Any] | list[Any]] = []

    def copied(item: object) -> object:
        if type(item) is not dict and type(item) is not list:
            return item
        known = copies.get(id(cast("object", item)))
        if known is None:
            shell = cast("dict[str, Any] | list[Any]", item.copy())
            known = (cast("object", item), shell)  # the original too, so that its id stays taken
            copies[id(known[0])] = known
            pending.append(shell)
        return known[1]

    root = copied(value)
    while pending:
        shell = pending.pop()
        if is_object(shell):
            shell.update({key: copied(item) for key, item in shell.items()})
        elif is_array(shell):
            shell[:] = [copied(item) for item in shell]
    return cast("T", root)


def same_json(left: object, right: object) -> bool:
    """Tell whether two JSON values say the same, types included: ``1``, ``1.0`` and ``True`` all differ.

    The order of an object's keys does not matter. Anything that is not JSON is the same as itself only. Total.
    """
    pending = [(left, right)]
    compared: set[tuple[int, int]] = set()
    while pending:
        one, other = pending.pop()
        if one is other or (id(one), id(other)) in compared:
            continue
        if type(one) is not type(other):
            return False
        if is_object(one) and is_object(other):
            if one.keys() != other.keys():
                return False
            pending.extend((item, other[key]) for key, item in one.items())
        elif is_array(one) and is_array(other):
            if len(one) != len(other):
                return False
            pending.extend(zip(one, other, strict=True))
        elif not isinstance(one, str | int | float) or one != other:
            return False
        else:
            continue
        compared.add((id(one), id(other)))  # a cycle ends here
    return True
