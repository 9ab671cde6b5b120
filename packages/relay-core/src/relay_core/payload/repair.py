"""Mends what JSON cannot hold in a tree of exact plain types: keys, large integers, lone surrogates. In place."""

from typing import Any

from relay_core.payload.keys import text_keys
from relay_core.payload.projection import Projections
from relay_core.payload.values import MAX_INTEGER, MIN_INTEGER, integer, kind_of, numbered, readable

__all__ = ["repair"]


def repair(tree: object, projections: Projections) -> object:
    """Make a tree encodable.

    Args:
        tree: A tree of our own, known to nobody else.
        projections: What becomes of keys of foreign types.

    Returns:
        The tree; a new one only where the root itself had to change.
    """
    root = [tree]
    stack: list[Any] = [root]
    while stack:
        into = stack.pop()
        for key, item in into.items() if kind_of(into) is dict else numbered(into):
            kind = kind_of(item)
            if kind is str:
                if not item.isascii():
                    into[key] = readable(item)
            elif kind is int:
                if not MIN_INTEGER <= item <= MAX_INTEGER:
                    into[key] = integer(item)
            elif kind is dict:
                into[key] = renamed = text_keys(item, projections)
                stack.append(renamed)
            elif kind is list:
                stack.append(item)
    return root[0]
