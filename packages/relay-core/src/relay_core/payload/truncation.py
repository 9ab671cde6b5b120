"""What is larger than the limit, walked again with a budget: as much as fits, and a mark where something is left out.

Lists keep their first item and the newest ones; dicts keep their keys and shorten the largest values; strings and bytes
keep their beginning. Sizes are those of the encoded JSON, so the result fits by construction.
"""

from itertools import islice
from typing import Any

from relay_core.payload.keys import text_keys
from relay_core.payload.limits import PayloadLimits
from relay_core.payload.native import SAFE_DEPTH, dump, fold
from relay_core.payload.projection import BYTES, LEAF, MAPPING, PROJECTED, RANGE, STAND_IN, Projections, mapping_items
from relay_core.payload.values import bytes_record, integer, kind_of, range_length, readable, type_name

__all__ = ["cut_to_size"]

_MARK = 64
"""Bytes of the longest mark, `{"$truncated":{"bytes":<20 digits>}}`, with a comma and room to spare."""
_SHELL = 128
"""Bytes of a shortened string or bytes record without the text in it."""
_FOREIGN_WEIGHT = 1000


def cut_to_size(value: object, projections: Projections, limits: PayloadLimits) -> tuple[bytes, int]:
    """Encode as much of `value` as fits.

    Args:
        value: Anything; foreign code runs as in the walk.
        projections: What becomes of foreign types.
        limits: The document has `limits.max_bytes` at the most, if these are enough for one mark.

    Returns:
        The document, and how many encoders raised.
    """
    cut = _Cut(projections, limits)
    tree, _ = cut.fit(value, limits.max_bytes, 0)
    return dump(tree), cut.failed


class _Cut:
    """One walk with a budget. `fit` recurses: the depth limit bounds it, and so does the stack, as a depth limit."""

    def __init__(self, projections: Projections, limits: PayloadLimits) -> None:
        self.failed = 0
        self._marks = 0
        self._projections = projections
        self._limits = limits
        self._path: set[int] = set()

    def fit(self, item: Any, room: int, depth: int) -> tuple[object, int]:
        """Return what is recorded of `item` in at most `room` bytes, or in those of one mark, and its size."""
        kind = kind_of(item)
        if kind is str:
            return self._text(item, room)
        if item is None or kind is bool or kind is float:
            return self._finished(item, room)
        if kind is int:
            made = integer(item)
            return self._text(made, room) if isinstance(made, str) else self._finished(made, room)
        shape = self._projections.known.get(id(kind)) or self._projections.learn(kind)
        try:
            return self._foreign(item, shape[0], shape[1], room, depth)
        except RecursionError:
            return self._mark("depth", depth)
        except Exception:  # foreign code
            self.failed += 1
            return self._finished({"$error": type_name(kind)}, room)

    def _foreign(self, item: Any, mode: int, convert: Any, room: int, depth: int) -> tuple[object, int]:
        if mode == BYTES:
            return self._finished(bytes_record(convert, item, (room - _SHELL) // 4 * 3), room)
        if mode == LEAF:
            made = convert(item)
            return self._record(made, room, depth) if kind_of(made) is dict else self.fit(made, room, depth)
        if id(item) in self._path:
            return self._finished({"$ref": "cycle"}, room)
        if depth >= self._limits.max_depth:
            return self._mark("depth", self._limits.max_depth)
        self._path.add(id(item))
        try:
            return self._entered(item, mode, convert, room, depth + 1)
        finally:
            self._path.discard(id(item))

    def _entered(self, item: Any, mode: int, convert: Any, room: int, depth: int) -> tuple[object, int]:
        if mode == RANGE:
            return self._list(item, range_length(item), room, depth)
        if mode == MAPPING:
            found, more = mapping_items(item, self._limits.max_items)
            return self._dict(found, room, depth, more)
        made = convert(item)
        if mode in {STAND_IN, PROJECTED}:
            return self.fit(made, room, depth)
        return self._record(made, room, depth)

    def _record(self, made: Any, room: int, depth: int) -> tuple[object, int]:
        kind = kind_of(made)
        fitted = self._dict(made, room, depth, 0) if kind is dict else self._list(made, len(made), room, depth)
        return fitted if depth % SAFE_DEPTH else (fold(fitted[0]), fitted[1])

    def _list(self, items: Any, length: int, room: int, depth: int) -> tuple[object, int]:
        """Keep the first item and the newest: those two shortened if need be, the others whole or not at all."""
        left = room - 2 - _MARK
        if length and left < _MARK:
            return self._mark("items", length)
        head: list[object] = []
        if length > 1:
            first, size = self.fit(items[0], max(left // 4, _MARK), depth)
            head.append(first)
            left -= size + 1
        index, oldest = length - 1, max(len(head), length - self._limits.max_items + 1)
        tail: list[object] = []
        while index >= oldest and left > _MARK:
            marks = self._marks
            item, size = self.fit(items[index], left // 2 if not tail and index > len(head) else left - 1, depth)
            if size >= left or (tail and self._marks > marks):
                self._marks = marks
                break
            tail.append(item)
            left -= size + 1
            index -= 1
        omitted = index + 1 - len(head)
        if omitted:
            head.append(self._mark("items", omitted)[0])
        return head + tail[::-1], room - _MARK - left + (_MARK if omitted else 0)

    def _dict(self, found: dict[Any, object], room: int, depth: int, more: int) -> tuple[object, int]:
        """Keep the keys as long as there is room; values share what is left, the smallest first."""
        left = room - 2 - _MARK
        kept: dict[str, Any] = {}
        for key, value in text_keys(dict(islice(found.items(), self._limits.max_items)), self._projections).items():
            size = len(dump(key)) + 2 + _MARK
            if size <= left:
                kept[key] = value
                left -= size
        more += len(found) - len(kept)
        for position, key in enumerate(sorted(kept, key=lambda key: _weight(kept[key]))):
            kept[key], size = self.fit(kept[key], _MARK + left // (len(kept) - position), depth)
            left += _MARK - size
        if more:
            kept["$truncated"] = self._mark("items", more)[0]["$truncated"]
        return kept, room - left if more else room - _MARK - left

    def _text(self, text: str, room: int) -> tuple[object, int]:
        if len(text) < room:
            whole = readable(text)
            size = len(dump(whole))
            if size <= room:
                return whole, size
        budget = room - _SHELL
        if budget < _MARK:
            return self._mark("bytes", _utf8_length(text))
        start = readable(text[:budget])
        while (size := len(dump(start)) - 2) > budget:
            start = start[: len(start) * budget // size - 1]
        record, size = self._mark("bytes", max(_utf8_length(text) - len(start.encode()), 1))
        return record | {"text": start}, size + len(dump(start)) + 8

    def _finished(self, made: Any, room: int) -> tuple[object, int]:
        """Keep what is finished, if it fits."""
        size = len(dump(made))
        if size > room:
            return self._mark("bytes", size)
        self._marks += kind_of(made) is dict and "$truncated" in made
        return made, size

    def _mark(self, what: str, count: int) -> tuple[dict[str, object], int]:
        self._marks += 1
        record: dict[str, object] = {"$truncated": {what: integer(count)}}
        return record, len(dump(record))


def _weight(value: object) -> int:
    """Guess which of two values is the larger one; only builtin types are asked."""
    kind = type(value)
    if kind is str or kind is bytes:
        return len(value)  # type: ignore[arg-type]  # its type was just looked at
    if kind is list or kind is tuple or kind is dict:
        return 16 * len(value)  # type: ignore[arg-type]
    return 0 if kind is int or kind is float or kind is bool or value is None else _FOREIGN_WEIGHT


def _utf8_length(text: str) -> int:
    """Return how many bytes a text has in UTF-8, without making them all at once."""
    if text.isascii():
        return len(text)
    return sum(len(text[at : at + 65536].encode("utf-8", "surrogatepass")) for at in range(0, len(text), 65536))
