"""Any Python object to JSON bytes, snapshotted now: the native pass if that will do, else a copy-walk, else a cut."""

from collections.abc import Callable
from typing import Any

from relay_core.accelerator import native
from relay_core.payload.limits import Oversize, PayloadLimits
from relay_core.payload.native import NativePass, encode_plain, switches_often
from relay_core.payload.projection import Projections
from relay_core.payload.truncation import cut_to_size
from relay_core.payload.walk import CopyWalk

__all__ = ["PayloadEncoder"]

_LAST_RESORT = b'{"$error":"relay_core.PayloadEncoder"}'


def _no_projection(_: type) -> None:
    return None


class PayloadEncoder(NativePass):
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
        self._snapshot: Any = None
        super().__init__(limits)
        self.truncated = 0
        """Payloads that were cut."""
        self.failed = 0
        """Encoders and properties that raised, each recorded as `{"$error": ...}`."""
        self._resolve = resolve
        self.reset_cache()
        if native is not None:
            self._snapshot = native.Snapshot(self._projections, self._beyond)
            vars(self)["encode"] = self._snapshot  # in front of the method: a call less for each payload
            self._limited()

    def reset_cache(self) -> None:
        """Forget what was found out about types: the plugins have changed."""
        self._wary = self._wary or switches_often()
        self._projections = Projections(self._resolve, saw_enum=self._be_wary)
        if self._snapshot is not None:
            self._snapshot.projections = self._projections

    def shared(self, value: object) -> object:
        """Return what may stand for `value` in several payloads and is encoded once; `value` itself, perhaps."""
        if self._snapshot is None:
            return value
        document = self._snapshot(value)
        # With what is around it, it must not become too large: a fragment is not cut.
        return value if 2 * len(document) > self._most else native.Fragment(document)

    def _limited(self) -> None:
        if self._snapshot is not None:
            self._snapshot.limit(self._most, self._limits.max_depth)

    def _beyond(self, value: object, oversize: bool) -> bytes:
        """Return the document of what `relay_native` leaves to us."""
        return self._walked_or_cut(value, large=True) if oversize else self._at_length(value, False)

    def _at_length(self, value: object, foreign: bool) -> bytes:
        large = False
        try:
            document = None
            if self._is_native and not foreign:
                document = encode_plain(value, self._most, self._wary)
            if document is not None and len(document) <= self._most:
                return document
            large = document is not None
        except Oversize:
            large = True
        except Exception:  # not plain, or not JSON
            large = False
        return self._walked_or_cut(value, large=large)

    def _walked_or_cut(self, value: object, *, large: bool) -> bytes:
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
            document = self._walked(value, limits, trusting=True) if self._is_native else None
            return self._walked(value, limits, trusting=False) if document is None else document
        except Oversize:
            return None

    def _walked(self, value: object, limits: PayloadLimits, *, trusting: bool) -> bytes | None:
        """Return the document, or None where a plugin's projection was trusted and is not plain."""
        walk = CopyWalk(self._projections, limits, trusting=trusting)
        tree = walk.tree(value)
        try:
            document = encode_plain(tree, limits.max_bytes, self._wary) if walk.trusted else walk.document(tree)
        except ValueError:
            document = None
        except TypeError:  # plain, but not JSON
            if walk.trusted:
                return None
            raise
        if document is None:
            self._projections.distrust(walk.trusted)
        elif len(document) <= limits.max_bytes:
            self.failed += walk.failed  # no other thread can come in: nothing is called between load and store
            self.truncated += walk.cut
        return document

    def _cut(self, value: object, limits: PayloadLimits) -> bytes:
        document, failed = cut_to_size(value, self._projections, limits)
        self.truncated += 1
        self.failed += failed
        return document
