"""The copy-walk: any object into a tree of our own, level by level, over copies of its containers.

A container is copied in one step, so another thread may rewrite it meanwhile. What is foreign becomes plain by
`projection`. A cycle is found by going up from an item to the root, for which every container keeps its way.
"""

from collections.abc import Callable, Iterable
from typing import Any

from relay_core.payload.limits import Oversize, PayloadLimits
from relay_core.payload.native import SAFE_DEPTH, dump, fold
from relay_core.payload.projection import BYTES, CONTAINER, LEAF, PROJECTED, RANGE, STAND_IN, Projections, mapping_items
from relay_core.payload.repair import repair
from relay_core.payload.values import bytes_record, bytes_size, kind_of, numbered, range_length, type_name

__all__ = ["CopyWalk"]

_Open = tuple[Any, Any, Any, Any]
"""A copy still to be scanned; its way, that is its source and the way of what contains it; where it is put, as what."""

_LIST_ITEM = 2
_DICT_ITEM = 5
"""The bytes of the smallest item there is, with its comma, quotes and colon."""

_STAND_INS = frozenset({PROJECTED, STAND_IN})


class CopyWalk:
    """One walk over one object; not for a second one.

    Args:
        projections: What becomes of foreign types.
        limits: What is too deep and too large.
        trusting: Whether to leave what plugins' projections return as it is; it is to be encoded with care then.
    """

    def __init__(self, projections: Projections, limits: PayloadLimits, *, trusting: bool) -> None:
        self.failed = 0
        """Encoders that raised."""
        self.cut = False
        """Whether something was too deep, or a mapping too long."""
        self.trusted: set[int] = set()
        """The types, by their ids, of which there are projections in the tree that were not looked at."""
        self._trusting = trusting
        self._projections = projections
        self._limits = limits
        self._room = limits.max_bytes  # each item and each string takes some of it
        self._way: Any = None
        self._is_deepest = False
        self._below: list[_Open] = []
        self._folds: list[list[_Open]] = []

    def tree(self, value: object) -> object:
        """Return the tree that `value` becomes, of exact plain types.

        Strings, integers and keys are taken as they are, even if JSON cannot hold them; `document` repairs that.

        Raises:
            Oversize: It cannot fit into the limit.
        """
        root = [value]
        level: list[_Open] = [(root, None, None, None)]
        depth = 0
        while level:
            self._below = []
            self._is_deepest = depth == self._limits.max_depth
            for into, self._way, _, _ in level:
                self._scan(into, into.items() if kind_of(into) is dict else numbered(into))
            level, depth = self._below, depth + 1
            if depth > self._limits.max_depth:
                self._end(level)
                break
            if depth % SAFE_DEPTH == 0:
                self._folds.append(level)
        return root[0]

    def document(self, tree: object) -> bytes:
        """Encode a tree of this walk in which nothing is trusted; it is used up."""
        if not self._folds:
            try:
                return dump(tree)
            except TypeError:  # a key that is no str, an integer beyond 64 bits, a lone surrogate
                return dump(repair(tree, self._projections))
        tree = repair(tree, self._projections)
        for level in reversed(self._folds):
            for into, _, holder, key in level:
                holder[key] = fold(into)
        return dump(tree)

    def _end(self, level: Iterable[_Open]) -> None:
        """Put marks where the depth limit is reached."""
        for _, _, holder, key in level:
            holder[key] = {"$truncated": {"depth": self._limits.max_depth}}
            self.cut = True

    def _scan(self, into: Any, items: Iterable[tuple[Any, Any]]) -> None:
        """Replace the items of one container of ours that JSON does not know."""
        known, trusting = self._projections.known, self._trusting
        for key, item in items:
            kind = kind_of(item)
            if kind is str:
                self._room -= len(item)
            elif kind is list and trusting:
                self._list(into, key, item, item.copy())
            elif kind is dict or kind is list:
                self._open(into, key, item, item.copy())
            elif not (kind is int or kind is float or kind is bool or item is None):
                try:
                    mode, convert = known.get(id(kind)) or self._projections.learn(kind)
                    if mode == LEAF:
                        into[key] = convert(item)
                    elif mode == PROJECTED and trusting:
                        into[key] = convert(item)
                        self.trusted.add(id(kind))
                    else:
                        self._other(into, key, item, mode, convert)
                except Oversize:
                    raise
                except Exception:  # foreign code: an encoder, a property, a `__str__`
                    self.failed += 1
                    into[key] = {"$error": type_name(kind)}

    def _other(self, into: Any, key: Any, item: Any, mode: int, convert: Callable[[Any], object]) -> None:
        if mode == CONTAINER:
            self._open(into, key, item, convert(item))
        elif mode in _STAND_INS:
            self._stand_in(into, key, item, convert)
        elif mode == BYTES:
            into[key] = self._bytes(convert, item)
        else:
            self._open(into, key, item, self._items(item, mode))

    def _list(self, into: Any, key: Any, source: object, made: list[Any]) -> None:
        """Have a list projected as a whole, if a plugin can do that for its first item; else open it like any other."""
        first = id(kind_of(made[0])) if made else 0
        project = self._projections.lists.get(first)
        if project is None:
            self._open(into, key, source, made)
            return
        self._room -= _DICT_ITEM * len(made)
        if self._room < 0:
            raise Oversize
        for item in made:  # what stands behind the first item is not asked about otherwise, and may have a plan
            if id(kind_of(item)) not in self._projections.known:
                self._projections.learn(kind_of(item))
        try:
            into[key] = project(made)
            self.trusted.add(first)
        except Exception:  # one by one it shows which item it is
            self._open(into, key, source, made)

    def _open(self, into: Any, key: Any, source: object, made: Any) -> None:
        """Put a copy in the place of its source, to be scanned with its level."""
        into[key] = made
        if made:
            self._room -= _DICT_ITEM * len(made) if kind_of(made) is dict else _LIST_ITEM * len(made)
            if self._room < 0:
                raise Oversize
            above = way = self._way
            while above is not None:
                if above[0] is source:
                    into[key] = {"$ref": "cycle"}
                    return
                above = above[1]
            self._below.append((made, (source, way), into, key))
        elif self._is_deepest:  # there is nothing to scan, but it is too deep like any other
            self._below.append((made, None, into, key))

    def _stand_in(self, into: Any, key: Any, item: object, convert: Callable[[Any], object]) -> None:
        """Walk what stands for `item` as if it were there itself, and were a part of `item`."""
        above = way = self._way
        while above is not None:
            if above[0] is item:
                into[key] = {"$ref": "cycle"}
                return
            above = above[1]
        into[key] = made = convert(item)
        if kind_of(made) is not str:
            try:
                self._way = (item, way)
                self._scan(into, ((key, made),))
            finally:
                self._way = way

    def _bytes(self, base: Any, item: Any) -> object:
        if bytes_size(base, item) > self._room:
            raise Oversize
        return bytes_record(base, item, self._limits.max_bytes)

    def _items(self, item: Any, mode: int) -> object:
        """Return the items of what may be longer than the limit."""
        if mode == RANGE:
            if _LIST_ITEM * range_length(item) > self._room:
                raise Oversize
            return list(item)
        found, more = mapping_items(item, self._limits.max_items)
        if more:
            self.cut = True
            found["$truncated"] = {"items": more}
        return found
