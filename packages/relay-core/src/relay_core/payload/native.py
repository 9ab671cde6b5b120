"""The one native pass: orjson, without any callback, and only over what it may walk.

orjson holds borrowed references while it walks, so nothing of Python may run meanwhile. Without a `default` it still
calls back for one type, `enum.Enum` (`value` is a property written in Python): another thread may then rewrite the
list that is being walked, and the process dies. It also trusts the insides of `UUID` and `Fragment`, and writes beyond
its buffer where tuples or one-item lists are nested some 200 deep. So a foreign object is looked at first, level by
level, in the references that the garbage collector knows of: what comes to an end that way holds no object of any
class, is not deep and does not unfold into gigabytes. This costs less than the pass itself.

Meanwhile another thread may put an enum member into it. That is harmless unless yet another switch of threads comes
within the same microseconds, which the interpreter does not do before its switch interval is over. Where that is very
short, where enum members were seen in payloads before, or where somebody uses `Fragment`, there is a second look:
`marshal` refuses whatever is no exact plain type, and then orjson starts in the same breath, without a bytecode in
between. (`marshal` runs nothing of Python either, but for a class with a `__buffer__` in Python.)

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

from relay_core.payload.limits import Oversize, PayloadLimits
from relay_core.payload.values import kind_of

__all__ = ["SAFE_DEPTH", "NativePass", "dump", "encode_plain", "fold", "switches_often"]

_OPTIONS: Final = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS
SAFE_DEPTH: Final = 64
"""So deep may nest what is given to orjson, with a wide margin."""

_SCALARS = frozenset({str, int, float, bool, type(None)})
_PLAIN = frozenset(map(id, (*_SCALARS, list, dict, tuple)))
_SIZED = frozenset(map(id, (list, dict, tuple)))
_DEPTHS = range(SAFE_DEPTH - 3)
_NARROW = 8
_FEW = 64
_FIRST_SAMPLE = 512
_SAMPLE = 16
_BEYOND = 4
"""So many times the items that fit are still counted: what is known to be too large is not walked in vain."""
_MANY_TIMES = 16
_LAST_OF_TWO = (False, True)
_SHORT = 480
"""Up to so many bytes Python's own allocator holds an object, and does not ask the system for more memory each time."""
_SHORT_INTERVAL = 0.001
_HAS_GIL: bool = getattr(sys, "_is_gil_enabled", lambda: True)()
_Fragment: Callable[[bytes], object] = vars(orjson)["Fragment"]  # orjson's stub does not declare it
_FRAGMENTS = sys.getrefcount(_Fragment)
"""References to the class; each instance, and each module that imports it, is one more."""

_dumps = orjson.dumps
_marshal = marshal.dumps
_referents = gc.get_referents
_references = sys.getrefcount


def dump(tree: object) -> bytes:
    """Encode a tree that is all our own: exact plain types, at most `SAFE_DEPTH` deep, known to nobody else.

    Raises:
        TypeError: It has something in it that JSON cannot hold.
    """
    return _dumps(tree, None, _OPTIONS)


def switches_often() -> bool:
    """Whether the interpreter may switch threads within the time of one pass."""
    return sys.getswitchinterval() < _SHORT_INTERVAL


def fold(tree: object) -> object:
    """Return a tree of our own as finished JSON, to be a part of another one, which is less deep then.

    Raises:
        TypeError: It has something in it that JSON cannot hold.
    """
    return _Fragment(dump(tree))


class NativePass:
    """The first half of `PayloadEncoder`: encodes what the native pass will do, and leaves the rest to `_at_length`."""

    def __init__(self, limits: PayloadLimits) -> None:
        self.limits = limits
        self._wary = switches_often()

    @property
    def limits(self) -> PayloadLimits:
        """The limits in force; may be replaced."""
        return self._limits

    @limits.setter
    def limits(self, limits: PayloadLimits) -> None:
        self._limits = limits
        self._most = limits.max_bytes
        self._is_native = _HAS_GIL and limits.max_depth >= SAFE_DEPTH  # it does not count levels
        self._limited()

    def _limited(self) -> None:
        """Take over new limits."""

    def encode(self, value: Any) -> bytes:
        """Return `value` as a JSON document of at most `limits.max_bytes`. Never raises an `Exception`.

        What foreign code may run: the functions of `resolve`, the methods of a `collections.abc.Mapping` that is no
        dict, `__str__` of exceptions, `tzinfo` of times. They may run more than once.

        Args:
            value: Anything. It is neither consumed nor kept, and later changes to it are not seen.
        """
        if value is None:
            return b"null"
        document, foreign = None, False
        kind = kind_of(value)
        try:
            plain = kind is str and len(value) <= self._most
            if (kind is dict or kind is list) and self._is_native and len(value) <= _FEW:
                # As `encode_plain`, but for what is small or holds little at first: that would cost a third more.
                level = _referents(value)
                if level:
                    level = _referents(*level)
                    if level and len(level) <= _NARROW:
                        level = _referents(*level)
                if not self._wary and _references(_Fragment) == _FRAGMENTS:
                    plain = not level or _is_modest(level, self._most)
                    foreign = not plain
            if plain:
                document = _dumps(value, None, _OPTIONS)
        except TypeError:  # plain, but not JSON
            foreign = True
        except Exception:  # too large, or no memory: `_at_length` finds that out again, and has the answer
            document = None
        if document is None or len(document) > self._most:
            document = self._at_length(value, foreign)
        # orjson leaves a short document at the head of a kilobyte, for as long as it waits in the queue.
        return document if len(document) > _SHORT else b"%b" % document

    def _at_length(self, value: object, foreign: bool) -> bytes:
        """Return the document of what the native pass did not do; `foreign` if it is known that it cannot."""
        raise NotImplementedError

    def _be_wary(self) -> None:
        """Look twice from now on: payloads hold enum members."""
        self._wary = True


def encode_plain(value: Any, most: int, wary: bool) -> bytes | None:
    """Encode an object that others hold too, if it is plain and modest.

    Args:
        value: The object.
        most: About how many items it may unfold into, and characters of a string.
        wary: Whether to look twice: payloads hold enum members, or `switches_often`.

    Returns:
        The document, or None if the object has to be walked.

    Raises:
        Oversize: It is longer than `most` by itself, or somewhere in it there are more than `most` items.
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
    if not _HAS_GIL:
        return None
    level = _referents(value)
    if level and not _is_modest(level, most):
        return None
    if not wary and _references(_Fragment) == _FRAGMENTS:
        return _dumps(value, None, _OPTIONS)
    # One C call after the other, with no bytecode and so no other thread in between; the snapshot is dropped at once.
    calls: Iterator[object] = starmap(call, ((_marshal, value), (_dumps, value, None, _OPTIONS)))
    last: Iterator[object] = compress(calls, _LAST_OF_TWO)
    return cast("bytes", next(last))


def _is_modest(level: list[Any], most: int) -> bool:
    """Whether a graph ends within `SAFE_DEPTH` levels and `most` items, and so holds no object of a class.

    An object leads to its class and by that to half the interpreter. Looking at the last item of each level, where
    classes come, and at a sample of large levels ends that early.

    Args:
        level: What the graph holds at one of its first levels, not empty.
        most: See `encode_plain`.
    """
    sample_at = _FIRST_SAMPLE
    for _ in _DEPTHS:
        length = len(level)
        if length > _NARROW:
            if length > sample_at or length > most:
                if not _is_promising(level, most):
                    return False
                if length > most:
                    raise Oversize
                sample_at = 4 * length
            last = level[-1]
            kind = kind_of(last)
            if kind is dict or kind is list or kind is tuple:
                if len(last) * length > _BEYOND * most:
                    return False
            elif not (kind is str or kind is int or last is None or kind is bool or kind is float):
                return False
        level = _referents(*level)
        if not level:
            return True
    return False


def _is_promising(level: list[Any], most: int) -> bool:
    """Whether a sample of a large level is plain, and does not let expect too many items below or too much text."""
    sample = level[:: max(len(level) // _SAMPLE, 1)]
    each = len(level) / len(sample)
    if not _PLAIN.issuperset(map(id, map(type, sample))):
        return False
    below = sum(len(item) for item in sample if id(kind_of(item)) in _SIZED)
    text = sum(len(item) for item in sample if type(item) is str)
    return below * each <= _BEYOND * most and text * each <= _MANY_TIMES * most
