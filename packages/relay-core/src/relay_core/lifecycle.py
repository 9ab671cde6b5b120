"""How scopes of one runtime begin and end, and which one is current. The public functions are in `scopes`.

Everything here may be called from any thread, task or context, and closes in any order. Nothing here waits.
"""

# The private state of handles is shared by handles, lifecycle and delivery; see handles.py.
# pyright: reportPrivateUsage=false

import itertools
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import orjson
from uuid_utils import uuid7

from relay_core.audience import Audience
from relay_core.checks import checked_end, checked_name, checked_schema, checked_type, not_endable
from relay_core.delivery import Locals
from relay_core.errors import ScopeClosedError, ScopeError
from relay_core.events import Record
from relay_core.handles import (
    ALWAYS_OPEN,
    LocalRegistrations,
    RemoteScope,
    ScopeHandle,
    current_entry,
    is_ancestor,
    nearest_open,
)
from relay_core.outcomes import OK_STATUS, status_metadata
from relay_core.timestamps import from_datetime
from relay_core.vocabulary import Attributes, Outcome, ScopeType, attribute_names

__all__ = ["Lifecycle"]

_OK: Final = Outcome.OK
_CUSTOM: Final = ScopeType.Custom
_OK_METADATA: Final = b"{" + OK_STATUS + b"}"
_KEPT_PROFILE: Final = ("model_name", "tool_call_id", "subtype")
"""What the end event's profile repeats from the start's: who was called. The rest is payload and is not kept."""

_time_ns: Final = time.time_ns


class Lifecycle:
    """Begins and ends the scopes of one runtime."""

    def __init__(
        self,
        *,
        emit: Callable[[Record, Audience | None, Locals | None, int], None],
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
        self._emit = emit
        self._encode = encode
        self._first_use = first_use
        self._failed = failed
        self._serials = itertools.count(ALWAYS_OPEN + 1)
        # The serials of open scopes. Taking one out is atomic: whoever manages to is the one who ends the scope.
        self._open: set[int] = {ALWAYS_OPEN}
        self._inherited_below = 0
        self._local_handles = 0
        self.audience: Audience | None = None
        """Everyone who listens; None when nobody does, and then nothing is built."""
        self.current_runs: tuple[tuple[str, Callable[[], ScopeHandle | None]], ...] = ()
        """The integrations' own idea of the current scope, by plugin name."""
        self.uncaptured: frozenset[ScopeType] = frozenset()
        """Scope types whose payloads are not recorded."""
        self.sampling = 1.0
        """The share of roots that are recorded."""
        self.ready = False
        """Whether the first use is over."""
        self.root = ScopeHandle("root", ScopeType.Function, None, self._open, ALWAYS_OPEN, uuid7(), 0)
        """The implicit root: passed as `handle=` it means top level. Never emitted."""

    # What is current --------------------------------------------------------------------------------------------------

    def current(self) -> ScopeHandle | None:
        """Return the current open scope of this context, or None."""
        return self.innermost(self.current_run() if self.current_runs else None)

    def innermost(self, run: ScopeHandle | None) -> ScopeHandle | None:
        """Return the scope that user code has open inside of an integration's `run`, else `run` itself.

        For integrations, to find the parent of what starts in `run`. Without a run: the user's current scope. None means
        top level.
        """
        entry = current_entry(self._open)
        if entry is None:
            return run
        # The user's scope is the inner one if it was opened in this run, or in one that this run contains.
        return entry[0] if run is None or entry[2] is run or is_ancestor(run, entry[2]) else run

    def current_run(self) -> ScopeHandle | None:
        """Return the framework's own idea of the current scope, from the first integration that has one."""
        for plugin, ask in self.current_runs:
            try:
                run = ask()
            except Exception as error:  # an integration's trouble may not reach the application
                self._failed(plugin, "relay_current_scope", error)
                continue
            if run is not None and run._open is self._open and run._serial in self._open:
                return run
        return None

    def get_handle(self) -> ScopeHandle:
        """Return the current open scope, or the implicit root when nothing is open."""
        return self.current() or self.root

    def checked(self, handle: ScopeHandle) -> ScopeHandle | None:
        """Return an explicit `handle=` as parent: None for the implicit root.

        Raises:
            TypeError: `handle` is no ScopeHandle.
            ScopeError: `handle` belongs to another runtime.
        """
        if not isinstance(handle, ScopeHandle):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"handle must be a ScopeHandle or None, not {type(handle).__name__}")
        if handle._open is not self._open:
            raise ScopeError("belongs to another runtime", name=handle.name, uuid=handle.uuid)
        return None if handle is self.root else handle

    # Begin ------------------------------------------------------------------------------------------------------------

    def _begin(  # noqa: PLR0915 - one function: each further call would be paid by every scope
        self,
        name: str,
        scope_type: ScopeType,
        parent: ScopeHandle | None,
        attributes: Attributes | None,
        data: object,
        metadata: Mapping[str, Any] | None,
        payload: object,
        schema: Mapping[str, str] | None,
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
        at = _time_ns() // 1000 if timestamp is None else from_datetime(timestamp, "timestamp")
        open_serials = self._open
        if parent is not None and parent._serial not in open_serials:
            metadata = {**(metadata or {}), "relay.late_parent": parent.uuid}
            parent = nearest_open(parent)
        serial = next(self._serials)
        handle = ScopeHandle(name, scope_type, parent, open_serials, serial, uuid7(), at)
        if flags:
            handle._attributes = flags
        if data is not None:
            handle._data = data
        if self.sampling < 1.0 and parent is None:
            handle._muted = not _is_sampled(handle.uuid, self.sampling)
        if profile is not None or scope_type is _CUSTOM:
            profile = _completed_profile(handle, profile)
        open_serials.add(serial)
        audience = self.audience
        if (audience is None and not self._local_handles) or handle._muted:
            if metadata is not None:
                handle._metadata = dict(metadata)
            return handle
        told = None
        if metadata is not None:
            handle._metadata = told = self._object(metadata)
        local = self._locals_of(handle) if self._local_handles else None
        if local is not None or (audience is not None and audience.wants_start):
            document = annotated = None
            size = 0
            if payload is not None and scope_type not in self.uncaptured:
                document = self._encode(payload)
                size = len(document)
            if profile is not None:
                annotated = self._object(self._captured_profile(handle, profile))
                size += len(annotated)
            self._emit((handle, "start", at, document, described, told, annotated, None), audience, local, size)
        return handle

    # End --------------------------------------------------------------------------------------------------------------

    def _finish(
        self,
        handle: ScopeHandle,
        outcome: Outcome,
        error: BaseException | None,
        output: object,
        schema: Mapping[str, str] | None,
        profile: Mapping[str, Any] | None,
        metadata: Mapping[str, Any] | None,
        timestamp: datetime | None,
    ) -> bool:
        """Check everything, then end the scope: the one way in which scopes end."""
        if not isinstance(handle, ScopeHandle) or handle._open is not self._open or handle._serial == ALWAYS_OPEN:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise not_endable(handle)
        described = None if schema is None else checked_schema(schema)
        at = _time_ns() // 1000 if timestamp is None else checked_end(handle, timestamp)
        serial = handle._serial
        try:
            self._open.remove(serial)
        except KeyError:
            return False
        local = None
        if self._local_handles:
            local = self._locals_of(handle)
            self._forget_local(handle)
        audience = self.audience
        if local is None and (audience is None or not audience.wants_end):
            return True
        # A scope that a forked child inherited is the parent's to end.
        if handle._muted or serial < self._inherited_below:
            return True
        late = handle._late
        if late is not None:
            metadata = {**late.metadata, **(metadata or {})}
            if output is None and late.output is not None:
                output = late.output[0]
        document = None
        size = 0
        if output is not None and handle._type not in self.uncaptured:
            document = self._encode(output)
            size = len(document)
        started = handle._metadata
        if metadata is not None or outcome is not _OK:
            told = self._told(started, metadata, outcome, error)
        elif started is None:
            told = _OK_METADATA
        else:
            told = self._with_ok(started)
        annotated = handle._identity
        if profile is not None:
            kept = orjson.loads(annotated) if annotated else {}
            annotated = self._object({**kept, **self._captured_profile(handle, profile)})
            size += len(annotated)
        if at <= handle._us:
            at = handle._us + 1
        self._emit((handle, "end", at, document, described, told, annotated, None), audience, local, size)
        return True

    def _with_ok(self, started: bytes | dict[str, Any]) -> bytes:
        """Lay the status of a scope that ended well over the start's metadata, by splicing bytes."""
        if isinstance(started, bytes) and b'"otel.status' not in started and b'"relay.outcome' not in started:
            return started[:-1] + (b"," if len(started) > 2 else b"") + OK_STATUS + b"}"
        return self._told(started, None, Outcome.OK, None)

    def _told(
        self,
        started: bytes | dict[str, Any] | None,
        metadata: Mapping[str, Any] | None,
        outcome: Outcome,
        error: BaseException | None,
    ) -> bytes:
        """Lay status, then the caller's own metadata, over the start's."""
        merged = orjson.loads(started) if isinstance(started, bytes) else dict(started or {})
        merged.update(status_metadata(outcome, error))
        if metadata is not None:
            merged.update(orjson.loads(self._object(metadata)))
        return self._encode(merged)

    def _captured_profile(self, handle: ScopeHandle, profile: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return `profile` without the payload, where payloads of that category are not recorded."""
        if handle._type not in self.uncaptured:
            return profile
        return {key: value for key, value in profile.items() if not key.startswith("annotated_")}

    def _object(self, value: object) -> bytes:
        """Encode what has to be a JSON object; anything else is recorded under ``value``."""
        document = self._encode(value)
        return document if document.startswith(b"{") else b'{"value":' + document + b"}"

    # What the runtime and the facades need ----------------------------------------------------------------------------

    @property
    def open_count(self) -> int:
        """How many scopes are open; a forked child does not count those it inherited."""
        below = self._inherited_below
        if not below:
            return len(self._open) - 1
        return sum(serial >= below for serial in self._open.copy())

    def after_fork(self) -> None:
        """Leave the scopes that are open now to the parent process: here they are parents, and end silently."""
        self._inherited_below = next(self._serials)

    def remote(self, parent_uuid: str, root_uuid: str) -> ScopeHandle:
        """Return a handle that stands for a scope of another process, as parent for scopes of this one."""
        handle = RemoteScope(parent_uuid, root_uuid, self._open)
        handle._muted = self.sampling < 1.0 and not _is_sampled(root_uuid, self.sampling)
        return handle

    @property
    def has_local(self) -> bool:
        """Whether anything is registered on an open scope."""
        return self._local_handles > 0

    def local(self, handle: ScopeHandle) -> LocalRegistrations:
        """Return what is registered on `handle`, to add to it.

        Raises:
            ScopeClosedError: The scope has ended.
            ScopeError: The implicit root, or a handle of another runtime.
            TypeError: No handle at all.
        """
        if self.checked(handle) is None:
            raise ScopeError("is the implicit root: register for the whole runtime", name="root", uuid=handle.uuid)
        if not handle.is_open:
            raise ScopeClosedError(name=handle.name, uuid=handle.uuid)
        if handle._local is None:
            handle._local = LocalRegistrations()
            self._local_handles += 1
        return handle._local

    def local_chain(self, handle: ScopeHandle | None) -> list[LocalRegistrations]:
        """Return what is registered on `handle` and its ancestors, from root to leaf."""
        found: list[LocalRegistrations] = []
        while handle is not None and self._local_handles:
            if handle._local is not None:
                found.append(handle._local)
            handle = handle._parent
        found.reverse()
        return found

    def _locals_of(self, handle: ScopeHandle) -> Locals | None:
        chain = self.local_chain(handle)
        return tuple((local.chains.snapshot, local.subscribers) for local in chain) if chain else None

    def _forget_local(self, handle: ScopeHandle) -> None:
        if handle._local is not None:
            handle._local = None
            self._local_handles -= 1


def _is_sampled(root_uuid: str, share: float) -> bool:
    """Decide from the id alone, so that every process decides alike. The last 48 bits of a UUIDv7 are random."""
    return int(root_uuid.replace("-", "")[-12:], 16) < share * (1 << 48)


def _completed_profile(handle: ScopeHandle, profile: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Add the subtype that custom scopes must have, and keep what the end event repeats."""
    profile = profile or {}
    if handle._type is _CUSTOM and not profile.get("subtype"):
        profile = {**profile, "subtype": "custom"}
    kept = {key: profile[key] for key in _KEPT_PROFILE if isinstance(profile.get(key), str)}
    handle._identity = orjson.dumps(kept) if kept else None
    return profile
