"""The one native pass: orjson, without any callback, and only over what it may walk.

orjson holds borrowed references while it walks, so nothing of Python may run meanwhile. Without a `default` it still
calls back for one type, `enum.Enum` (`value` is a property written in Python): another thread may then rewrite the
list that is being walked, and the process dies. It also trusts the insides of `UUID` and `Fragment`, and writes beyond
its buffer where tuples or one-item lists are nested some 200 deep. So a foreign object is only handed to it when

- `marshal`, in the same breath, found nothing but exact plain types in it (it runs nothing of Python either, but for a
  class with a `__buffer__` in Python), and
- it is neither deep nor so much shared that it would unfold into gigabytes.

Without a GIL there is no same breath, and everything is walked.
"""

import gc
import marshal
import sys
from collections.abc import Callable, Iterator
from itertools import compress, starmap
from operator import call
from typing import Any, Final, cast

import orjson

from relay_core.payload.limits import Oversize
from relay_core.payload.values import kind_of

__all__ = ["SAFE_DEPTH", "Fragment", "dump", "encode_plain"]

_OPTIONS: Final = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS
SAFE_DEPTH: Final = 64
"""So deep may nest what is given to orjson, with a wide margin."""

Fragment: Final[Callable[[bytes], object]] = vars(orjson)["Fragment"]
"""JSON within a tree that is to be dumped; only ever around what `dump` returned. orjson's stub does not declare it."""

_SCALARS = frozenset({str, int, float, bool, type(None)})
_PLAIN_IDS = frozenset(map(id, (*_SCALARS, list, dict, tuple)))
_FEW = 8
_BEAM = 8
_WIDE = 64
_MANY_TIMES = 16
_DEPTHS = range(1, SAFE_DEPTH)
_LAST_OF_TWO = (False, True)
_HAS_GIL: bool = getattr(sys, "_is_gil_enabled", lambda: True)()

_dumps = orjson.dumps
_marshal = marshal.dumps
_referents = gc.get_referents


def dump(tree: object) -> bytes:
    """Encode a tree that is all our own: exact plain types, at most `SAFE_DEPTH` deep, known to nobody else.

    Raises:
        TypeError: It has something in it that JSON cannot hold.
    """
    return _dumps(tree, None, _OPTIONS)


def encode_plain(value: Any, most: int) -> bytes | None:
    """Encode an object that others hold too, if it is plain and modest.

    Args:
        value: The object.
        most: About how many items it may unfold into, and characters of a string.

    Returns:
        The document, or None if the object has to be walked.

    Raises:
        Oversize: It is longer than `most` by itself.
        ValueError: Something in it is no plain type.
        TypeError: It is plain, but not JSON: a key that is no str, an integer beyond 64 bits, a lone surrogate.
    """
    kind = kind_of(value)
    if not (kind is dict or kind is list or kind is str or kind is tuple):
        return _dumps(value, None, _OPTIONS) if kind in _SCALARS else None
    if len(value) > most:
        raise Oversize
    if kind is str:
        return _dumps(value, None, _OPTIONS)
    if kind is dict and len(value) <= _FEW and (small := _small_copy(value)) is not None:
        return _dumps(small, None, _OPTIONS)
    if not (_HAS_GIL and _is_modest(value, most)):
        return None
    # One C call after the other, with no bytecode and so no other thread in between; the snapshot is dropped at once.
    calls: Iterator[object] = starmap(call, ((_marshal, value), (_dumps, value, None, _OPTIONS)))
    last: Iterator[object] = compress(calls, _LAST_OF_TWO)
    return cast("bytes", next(last))


def _small_copy(value: dict[Any, Any]) -> dict[Any, Any] | None:
    """Return a copy of a small dict of scalars and small flat containers: cheaper than proving it safe; else None."""
    copy = value.copy()
    for key, item in copy.items():
        kind = kind_of(item)
        if kind is str or kind in _SCALARS:
            continue
        if not (kind is dict or kind is list) or len(item) > _FEW:
            return None
        copy[key] = inner = item.copy()
        if not _SCALARS.issuperset(map(kind_of, inner.values() if kind is dict else inner)):
            return None
    return copy


def _is_modest(value: object, most: int) -> bool:
    """Whether a graph ends within `SAFE_DEPTH` levels and `most` items.

    Exact where no level is wider than the beam; of wider ones both ends are followed, and their width, and the length
    of the text in them, is estimated.
    """
    level, width, check = _referents(value), 1, 3
    for depth in _DEPTHS:
        if len(level) > 2 * _BEAM:
            width = width * len(level)
            level = level[:_BEAM] + level[-_BEAM:]
            if width > most:
                return False
            width = width // len(level)
        if depth == check:
            if not _PLAIN_IDS.issuperset(map(id, map(type, level))):
                return False  # an object of a class: by its references the walk would see half the interpreter
            check *= 2
        below = _referents(*level)
        if not below:
            return width < _WIDE or width * sum(len(item) for item in level if type(item) is str) < _MANY_TIMES * most
        level = below
    return False
