"""The keys of a recorded object: every key as text, and two keys that come out as the same text both kept, visibly."""

from collections import defaultdict
from typing import Any

from relay_core.payload.native import encode_plain
from relay_core.payload.projection import BYTES, LEAF, PROJECTED, STAND_IN, Projections
from relay_core.payload.values import integer, kind_of, readable, type_name

__all__ = ["text_keys"]

_STRINGS = frozenset({str})
_SMALLEST, _LARGEST = -(10**15), 10**15
_LONGEST = 1000
"""A key that is no str is spelled out up to so many characters; beyond that its class must do."""


def text_keys(items: dict[Any, object], projections: Projections) -> dict[str, object]:
    """Return a dict whose keys are text that UTF-8 can hold; the same dict if they are so already.

    A str keeps its place. Another key becomes its JSON text (`1`, `true`, `null`, `2026-01-01`, `[1,2]`), or the name
    of its class. Where that text is taken, the type is said, too: `1` and `1 (int)`.
    """
    if _STRINGS.issuperset(map(kind_of, items)) and "".join(items).isascii():
        return items
    taken: set[str] = {key for key in items if type(key) is str and readable(key) == key}
    counts: defaultdict[tuple[str, str], int] = defaultdict(int)
    named: dict[str, object] = {}
    for key, value in items.items():
        if type(key) is str and key in taken and key not in named:
            named[key] = value
            continue
        text = _text(key, projections)
        if text in taken:
            text = _unique(text, type_name(kind_of(key)), taken, counts)
        taken.add(text)
        named[text] = value
    return named


def _unique(text: str, name: str, taken: set[str], counts: defaultdict[tuple[str, str], int]) -> str:
    unique = text
    while unique in taken:
        counts[text, name] += 1
        number = counts[text, name]
        unique = f"{text} ({name})" if number == 1 else f"{text} ({name} {number})"
    return unique


def _text(key: Any, projections: Projections) -> str:
    kind = kind_of(key)
    if kind is int and _SMALLEST <= key <= _LARGEST:
        return str(key)
    if kind is str:
        return readable(key)
    try:
        text = _spelled(key, projections)
    except Exception:  # foreign code
        text = None
    return type_name(kind) if text is None or len(text) > _LONGEST else text


def _spelled(key: Any, projections: Projections) -> str | None:
    kind = kind_of(key)
    if kind is str:
        return readable(key)
    if kind is float:
        return float.__repr__(key)  # JSON has no text for infinity
    if kind is int:
        return str(integer(key))
    if key is None or kind is bool or kind is tuple:
        document = encode_plain(key, _LONGEST, True)
        return None if document is None else document.decode()
    mode, convert = projections.known.get(id(kind)) or projections.learn(kind)
    if mode == BYTES:
        return bytes(key).decode("utf-8", "replace")
    made = convert(key) if mode in {LEAF, PROJECTED, STAND_IN} else None
    return _spelled(made, projections) if type(made) in {str, int, float, bool} else None
