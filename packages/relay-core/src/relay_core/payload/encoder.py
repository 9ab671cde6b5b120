"""Any Python object to JSON bytes, snapshotted now: the native pass if that will do, else a copy-walk, else a cut."""

from collections.abc import Callable
from typing import Any

from relay_core.payload.limits import Oversize, PayloadLimits
from relay_core.payload.native import SAFE_DEPTH, encode_plain, switches_often
from relay_core.payload.projection import Projections
from relay_core.payload.truncation import cut_to_size
from relay_core.payload.walk import CopyWalk

__all__ = ["PayloadEncoder"]

_SHORT = 480
"""Up to so many bytes Python's own allocator holds an object, and does not ask the system for more memory each time."""
_LAST_RESORT = b'{"$error":"relay_core.PayloadEncoder"}'


def _no_projection(_: type) -> None:
    return None


class PayloadEncoder:
    """Encodes payloads. Any thread, any number at a time, also from within what it calls.

    Args:
        limits: How large a payload may get.
        resolve: Asked once per type that JSON does not know: a function that turns its values into what JSON knows or
            into values that are encoded in turn, or None. Where it raises, that is None.
    """

    def __init__(
        self,
        limits: PayloadLimits = PayloadLimits(),  # noqa: B008 - immutable
        resolve: Callable[[type], Callable[[Any], object] | None] = _no_projection,
    ) -> None:
        self.limits = limits
        self.truncated = 0
        """Payloads that were cut."""
        self.failed = 0
        """Encoders and properties that raised, each recorded as `{"$error": ...}`."""
        self._resolve = resolve
        self._projections = Projections(resolve, wary=switches_often())

    @property
    def limits(self) -> PayloadLimits:
        """The limits in force; may be replaced."""
        return self._limits

    @limits.setter
    def limits(self, limits: PayloadLimits) -> None:
        self._limits = limits
        self._most = limits.max_bytes
        self._is_deep = limits.max_depth >= SAFE_DEPTH  # the native pass does not count levels

    def reset_cache(self) -> None:
        """Forget what was found out about types: the plugins have changed."""
        self._projections = Projections(self._resolve, wary=self._projections.wary or switches_often())

    def encode(self, value: object) -> bytes:
        """Return `value` as a JSON document of at most `limits.max_bytes`. Never raises an `Exception`.

        What foreign code may run: the functions of `resolve`, the methods of a `collections.abc.Mapping` that is no
        dict, `__str__` of exceptions, `tzinfo` of times. They may run more than once.

        Args:
            value: Anything. It is neither consumed nor kept, and later changes to it are not seen.
        """
        if value is None:
            return b"null"
        large = False
        try:
            document = encode_plain(value, self._most, self._projections.wary) if self._is_deep else None
            if document is not None:
                size = len(document)
                if size <= self._most:
                    # orjson leaves a short document at the head of a kilobyte, for as long as it waits in the queue.
                    return document if size > _SHORT else b"%b" % document
                large = True
        except Oversize:
            large = True
        except Exception:  # not plain, or not JSON
            large = False
        try:
            limits = self._limits
            document = None if large else self._whole(value, limits)
            if document is None or len(document) > limits.max_bytes:
                document = self._cut(value, limits)
        except Exception:  # no memory, or no stack
            self.failed += 1
            document = _LAST_RESORT
        return document if len(document) <= self._most else b"null"

    def _whole(self, value: object, limits: PayloadLimits) -> bytes | None:
        """Return the document of everything, by walking, of any size; None where it is known to be too large."""
        try:
            document = self._walked(value, limits, trusting=True) if self._is_deep else None
            return self._walked(value, limits, trusting=False) if document is None else document
        except Oversize:
            return None

    def _walked(self, value: object, limits: PayloadLimits, *, trusting: bool) -> bytes | None:
        """Return the document, or None where a plugin's projection was trusted and is not plain."""
        walk = CopyWalk(self._projections, limits, trusting=trusting)
        tree = walk.tree(value)
        try:
            document = (
                encode_plain(tree, limits.max_bytes, self._projections.wary) if walk.trusted else walk.document(tree)
            )
        except (TypeError, ValueError):
            if not walk.trusted:
                raise
            return None
        if document is not None and len(document) <= limits.max_bytes:
            self.failed += walk.failed  # no other thread can come in: nothing is called between load and store
            self.truncated += walk.cut
        return document

    def _cut(self, value: object, limits: PayloadLimits) -> bytes:
        document, failed = cut_to_size(value, self._projections, limits)
        self.truncated += 1
        self.failed += failed
        return document
