"""How scopes of one runtime begin and end. The public functions are in `scopes`.

Everything here may be called from any thread, task or context, and closes in any order. Nothing here waits, and there
is no lock: what has to be one step is one line without a call, see `event_queue`.
"""

# The private state of handles is shared by handles, current, lifecycle and scopes; see handles.py.
# pyright: reportPrivateUsage=false

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, cast

import orjson
from uuid_utils import UUID, uuid7

from relay_core.audience import Audience
from relay_core.checks import (
    checked_end,
    checked_name,
    checked_profile,
    checked_schema,
    checked_type,
    not_endable,
)
from relay_core.current import live
from relay_core.delivery import Item
from relay_core.handles import Owner, RemoteScope, ScopeHandle, nearest_open
from relay_core.outcomes import OK_STATUS, status_metadata
from relay_core.surroundings import Surroundings
from relay_core.timestamps import from_datetime
from relay_core.vocabulary import Attributes, Outcome, ScopeType, attribute_names

__all__ = ["KEPT_PROFILE", "Lifecycle", "laid_over"]

_OK: Final = Outcome.OK
_CUSTOM: Final = ScopeType.Custom
_OK_METADATA: Final = b"{" + OK_STATUS + b"}"
KEPT_PROFILE: Final = ("model_name", "tool_call_id", "subtype")
"""What the end event's profile repeats from the start's: who was called. The rest is payload and is not kept."""
_PAYLOADS: Final = frozenset({"annotated_request", "annotated_response", "tool_result_annotation"})
_SHORT: Final = 4096
"""Metadata of up to so many bytes is joined; more is encoded anew as a whole, within the limits."""


class Lifecycle(Surroundings):
    """Begins and ends the scopes of one runtime."""

    __slots__ = (
        "_begun",
        "_emit",
        "_encode",
        "_ended",
        "_first_use",
        "_inherited",
        "_owner",
        "audience",
        "new_uuid",
        "ready",
        "sampling",
        "time_ns",
        "uncaptured",
    )

    def __init__(
        self,
        *,
        emit: Callable[[Item], None],
        encode: Callable[[object], bytes],
        first_use: Callable[[], None],
        failed: Callable[[str, str, BaseException], None],
    ) -> None:
        """Set up without reading a setting.

        Args:
            emit: Queues an event.
            encode: Turns any object into JSON bytes, without raising.
            first_use: Reads settings and discovers plugins; called once, before the first scope or mark.
            failed: Records what a framework's integration raises when it is asked for its current scope.
        """
        super().__init__(failed)
        self._emit = emit
        self._encode = encode
        self._first_use = first_use
        self._owner = Owner(self._runtime)
        self._inherited: tuple[Owner, ...] = ()
        self._begun = self._ended = 0
        self.audience: Audience | None = None
        """Everyone who listens; None when nobody does, and then nothing is built."""
        self.uncaptured: frozenset[ScopeType] = frozenset()
        """Scope types whose payloads are not recorded."""
        self.sampling = 1.0
        """The share of roots that are recorded."""
        self.ready = False
        """Whether the first use is over."""
        self.time_ns: Callable[[], int] = time.time_ns
        """The clock, in nanoseconds since the epoch; `relay_core.testing` sets another one."""
        self.new_uuid: Callable[[], UUID | str] = uuid7
        """Makes the ids of scopes and marks; `relay_core.testing` sets another one."""

    # Begin ------------------------------------------------------------------------------------------------------------

    def _begin(  # noqa: C901, PLR0912, PLR0915 - one function: each further call would be paid by every scope
        self,
        name: str,
        scope_type: ScopeType,
        parent: ScopeHandle | None,
        attributes: Attributes | None,
        data: object,
        metadata: Mapping[str, Any] | None,
        payload: object,
        schema: Mapping[str, object] | None,
        profile: Mapping[str, Any] | None,
        timestamp: datetime | None,
    ) -> ScopeHandle:
        """Check everything, then start the scope: the one way in which scopes begin."""
        if not self.ready:
            self._first_use()
        if type(name) is not str:
            name = checked_name(name)
        if type(scope_type) is not ScopeType:
            scope_type = checked_type(scope_type)
        flags = None if attributes is None else attribute_names(attributes)
        described = None if schema is None else checked_schema(schema)
        if profile is not None:
            profile = checked_profile(profile)
        clock = self.time_ns  # as a local: to call an attribute costs 20 ns more
        at = clock() // 1000 if timestamp is None else from_datetime(timestamp, "timestamp")
        if parent is not None and parent._closed:
            metadata = laid_over(metadata, {"relay.late_parent": parent.uuid})
            parent = nearest_open(parent)
        handle = ScopeHandle()
        handle._name = name
        handle._type = scope_type
        handle._parent = parent
        handle._owner = self._owner
        handle._us = at
        handle._closed = False
        handle._uuid = handle._metadata = handle._extras = handle._outer = handle._run = handle.wire = None
        if parent is None:
            handle._root = None
            handle._muted = False
        else:
            handle._root = parent._root or parent
            handle._muted = parent._muted
        if flags:
            handle.extras().attributes = flags
        if data is not None:
            handle.extras().data = data
        if profile is not None or scope_type is _CUSTOM:
            profile = self._completed_profile(handle, profile)
        sampled = None
        if self.sampling < 1.0 and parent is None:
            sampled = handle.uuid
            handle._muted = not _is_sampled(sampled, self.sampling)
        self._begun += 1
        audience = self.audience
        if (audience is None and not self._local_handles) or handle._muted:
            if metadata is not None:
                handle._metadata = metadata.copy() if type(metadata) is dict else self._object(metadata)
            return handle
        new_uuid = self.new_uuid
        handle._uuid = sampled or new_uuid()
        told = None
        if metadata is not None:
            handle._metadata = told = self._object(metadata)
        wanted = audience is not None and audience.wants_start
        local = self._locals_of(handle, wanted) if self._local_handles else None
        if wanted or local is not None:
            document = annotated = None
            size = 0
            if payload is not None and not (self.uncaptured and scope_type in self.uncaptured):
                document = self._encode(payload)
                size = len(document)
            if profile is not None:
                annotated = self._started_profile(handle, profile)
                size += len(annotated)
            emit = self._emit
            emit((handle, "start", at, document, described, told, annotated, None, audience, local, 0, size))
        return handle

    def _completed_profile(self, handle: ScopeHandle, profile: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """Add the subtype that custom scopes must have, and keep what the end event repeats."""
        profile = profile or {}
        if handle._type is _CUSTOM and not profile.get("subtype"):
            profile = {**profile, "subtype": "custom"}
        kept = {key: profile[key] for key in KEPT_PROFILE if isinstance(profile.get(key), str)}
        if kept:
            handle.extras().identity = kept
        return profile

    def _started_profile(self, handle: ScopeHandle, profile: Mapping[str, Any]) -> bytes:
        annotated = self._object(self._captured_profile(handle, profile))
        extras = handle._extras
        if extras is not None and extras.identity is not None and len(extras.identity) == len(profile):
            extras.identity = annotated  # all of it is repeated: one document does for both events
        return annotated

    # End --------------------------------------------------------------------------------------------------------------

    def _finish(  # noqa: C901, PLR0912, PLR0915 - as for `_begin`
        self,
        handle: ScopeHandle,
        outcome: Outcome,
        error: BaseException | None,
        output: object,
        schema: Mapping[str, object] | None,
        profile: Mapping[str, Any] | None,
        metadata: Mapping[str, Any] | None,
        timestamp: datetime | None,
    ) -> bool:
        """Check everything, then end the scope: the one way in which scopes end."""
        try:
            owner = handle._owner
        except AttributeError:
            raise not_endable(handle, self._runtime) from None
        if owner is not self._owner and owner not in self._inherited:
            raise not_endable(handle, self._runtime)
        described = None if schema is None else checked_schema(schema)
        if profile is not None:
            profile = checked_profile(profile)
        at = None if timestamp is None else checked_end(handle, timestamp)
        # One step: whoever finds the scope open is the one who ends it.
        closed, handle._closed = handle._closed, True
        if closed:
            return False
        outer = handle._outer
        if outer is not None and outer._closed:
            handle._outer = live(outer)  # or what has ended would be kept for as long as the next entry
        audience = self.audience
        wanted = audience is not None and audience.wants_end
        local = None
        if self._local_handles:
            local = self._locals_of(handle, wanted)
            self._forget_local(handle)
        if owner is not self._owner:
            return True  # inherited by a forked child: the parent's to end
        self._ended += 1
        if (local is None and not wanted) or handle._muted:
            return True
        if at is None:
            clock = self.time_ns
            at = clock() // 1000
        if at <= handle._us:
            at = handle._us + 1
        told = _OK_METADATA if outcome is _OK else None
        document = annotated = None
        size = 0
        try:
            extras = handle._extras
            if extras is not None:
                identity = extras.identity
                if identity is not None and profile is None:
                    annotated = identity if isinstance(identity, bytes) else self._encode(identity)
                if extras.metadata:
                    metadata = extras.metadata if metadata is None else laid_over(extras.metadata, metadata)
                if output is None and extras.output is not None:
                    output = extras.output[0]
            started = handle._metadata
            if metadata is not None or outcome is not _OK or started is not None:
                told = self._told(started, metadata, outcome, error)
            if profile is not None:
                annotated = self._end_profile(handle, profile)
                size = len(annotated)
            if output is not None and not (self.uncaptured and handle._type in self.uncaptured):
                document = self._encode(output)
                size += len(document)
        finally:
            # Also when a KeyboardInterrupt has hit the encoding: a scope that has closed has an end.
            emit = self._emit
            emit((handle, "end", at, document, described, told, annotated, None, audience, local, 0, size))
        return True

    def _told(
        self,
        started: bytes | dict[str, Any] | None,
        metadata: Mapping[str, Any] | None,
        outcome: Outcome,
        error: BaseException | None,
    ) -> bytes:
        """Lay status, then the caller's own metadata, over the start's."""
        below = b"{}" if started is None else started
        own = b"{}" if metadata is None else self._object(metadata)
        if outcome is _OK and isinstance(below, bytes) and _are_apart(below, own):
            return b"{%b%b%b%b%b}" % (
                below[1:-1],
                b"," if len(below) > 2 else b"",
                OK_STATUS,
                b"," if len(own) > 2 else b"",
                own[1:-1],
            )
        merged = orjson.loads(below) if isinstance(below, bytes) else dict(below)
        merged.update(status_metadata(outcome, error))
        merged.update(orjson.loads(own))
        return self._encode(merged)

    def _end_profile(self, handle: ScopeHandle, profile: Mapping[str, Any]) -> bytes:
        kept = None if handle._extras is None else handle._extras.identity
        merged = orjson.loads(kept) if isinstance(kept, bytes) else dict[str, Any](kept or {})
        merged.update(self._captured_profile(handle, profile))
        return self._object(merged)

    def _captured_profile(self, handle: ScopeHandle, profile: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return `profile` without the payload, where payloads of that category are not recorded."""
        if not (self.uncaptured and handle._type in self.uncaptured):
            return profile
        return {key: value for key, value in profile.items() if key not in _PAYLOADS}

    def _object(self, value: object) -> bytes:
        """Encode what has to be a JSON object; anything else is recorded under ``value``."""
        document = self._encode(value)
        return document if document.startswith(b"{") else b'{"value":' + document + b"}"

    # What the runtime and the facades need ----------------------------------------------------------------------------

    @property
    def open_count(self) -> int:
        """How many scopes are open; a forked child does not count those it inherited."""
        return self._begun - self._ended

    def after_fork(self) -> None:
        """Leave the scopes that are open now to the parent process: here they are parents, and end silently."""
        self._inherited = (*self._inherited, self._owner)
        self._owner = Owner(self._runtime)
        self._begun = self._ended = 0

    def remote(self, parent_uuid: str, root_uuid: str) -> ScopeHandle:
        """Return a handle that stands for a scope of another process, as parent for scopes of this one."""
        handle = RemoteScope(parent_uuid, root_uuid, self.root._owner)
        handle._muted = self.sampling < 1.0 and not _is_sampled(root_uuid, self.sampling)
        return handle


def laid_over(*layers: object) -> dict[str, Any]:
    """Return metadata with the later layers over the earlier ones; never raises, whatever a caller has passed."""
    merged: dict[str, Any] = {}
    for layer in layers:
        try:
            if layer is not None:
                merged.update(cast("Mapping[str, Any]", layer) if isinstance(layer, Mapping) else {"value": layer})
        except Exception:  # a mapping that misbehaves
            merged["value"] = layer
    return merged


def _are_apart(below: bytes, above: bytes) -> bool:
    """Say whether two JSON objects have no key in common, and none about status; False where it is not worth asking."""
    if b'"otel.status' in below or b'"relay.outcome' in below:
        return False
    if len(above) <= 2:
        return True
    if b'"otel.status' in above or b'"relay.outcome' in above or len(below) + len(above) > _SHORT:
        return False
    return len(below) <= 2 or orjson.loads(below).keys().isdisjoint(orjson.loads(above))


def _is_sampled(root_uuid: str, share: float) -> bool:
    """Decide from the id alone, so that every process decides alike. Only the last 32 bits are never a counter."""
    return int(root_uuid[-8:], 16) < share * (1 << 32)
