"""The life of scopes in one runtime: begin, end, marks, and the question which scope is current.

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

from relay_core import metrics
from relay_core.audience import Audience
from relay_core.delivery import Locals
from relay_core.errors import ScopeClosedError, ScopeError
from relay_core.events import Record
from relay_core.handles import (
    ALWAYS_OPEN,
    LocalRegistrations,
    MarkIdentity,
    RemoteScope,
    ScopeHandle,
    current_entry,
    get_entry,
    set_entry,
)
from relay_core.outcomes import OK_STATUS, outcome_of, status_metadata
from relay_core.scope_block import ScopeBlock
from relay_core.timestamps import from_datetime
from relay_core.vocabulary import Attributes, LogSeverity, Outcome, ScopeType, attribute_names

__all__ = ["Scopes"]

_Function: Final = ScopeType.Function
_OK_METADATA: Final = b"{" + OK_STATUS + b"}"
_KEPT_PROFILE: Final = ("model_name", "tool_call_id", "subtype")
"""What the end event's profile repeats from the start's: who was called. The rest is payload and is not kept."""

_now: Final = time.time_ns


class Scopes:
    """Starts and ends the scopes of one runtime. `relay_core.scope` is the default runtime's."""

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
        self.root = ScopeHandle("root", _Function, None, self._open, ALWAYS_OPEN, uuid7())
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
        return entry[0] if run is None or entry[2] is run or _contains(run, entry[2]) else run

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

    # Begin ------------------------------------------------------------------------------------------------------------

    def push(
        self,
        name: str,
        scope_type: ScopeType = _Function,
        *,
        handle: ScopeHandle | None = None,
        attributes: Attributes | None = None,
        data: object = None,
        metadata: Mapping[str, Any] | None = None,
        input: object = None,
        timestamp: datetime | None = None,
    ) -> ScopeHandle:
        """Start a scope and make it current in this context; emits its start event.

        Args:
            name: What the work is called.
            scope_type: What kind of work it is; a member of `ScopeType`, or its wire value.
            handle: The parent; by default the current scope. The implicit root means top level.
            attributes: Flags such as `ScopeAttributes.PARALLEL`, or flag names.
            data: The application's own note; stays on the handle and is never recorded.
            metadata: Recorded on the start and, under the end's own, on the end.
            input: The start event's payload: any object, snapshotted now.
            timestamp: When the work began; timezone-aware, by default now.

        Returns:
            The handle that `pop` wants.

        Raises:
            TypeError: A wrong type of name, scope_type, handle, attributes or timestamp. Checked before any effect.
            ValueError: A naive timestamp, an unknown attribute flag or scope type.
            ScopeError: `handle` belongs to another runtime.
        """
        entry = current_entry(self._open)
        run = self.current_run() if self.current_runs else None
        if handle is not None:
            parent = self.checked(handle)
        elif run is None or (entry is not None and (entry[2] is run or _contains(run, entry[2]))):
            parent = None if entry is None else entry[0]
        else:
            parent = run
        new = self._begin(name, scope_type, parent, attributes, data, metadata, input, None, None, timestamp)
        set_entry((new, entry, run, None))
        return new

    def start(
        self,
        name: str,
        scope_type: ScopeType = _Function,
        *,
        handle: ScopeHandle | None = None,
        attributes: Attributes | None = None,
        data: object = None,
        metadata: Mapping[str, Any] | None = None,
        input: object = None,
        data_schema: Mapping[str, str] | None = None,
        category_profile: Mapping[str, Any] | None = None,
        timestamp: datetime | None = None,
    ) -> ScopeHandle:
        """Start a scope without making it current: for integrations, which have hooks and not a block of code.

        Args:
            name: As for `push`.
            scope_type: As for `push`.
            handle: As for `push`.
            attributes: As for `push`.
            data: As for `push`.
            metadata: As for `push`.
            input: As for `push`.
            data_schema: ``{"name": ..., "version": ...}`` of the payload's schema.
            category_profile: What belongs to the category, such as ``model_name`` or ``tool_call_id``.
            timestamp: As for `push`.

        Returns:
            The handle that `end` wants.

        Raises:
            TypeError: As for `push`.
            ValueError: As for `push`; or `data_schema` without name and version.
            ScopeError: As for `push`.
        """
        parent = self.current() if handle is None else self.checked(handle)
        return self._begin(
            name, scope_type, parent, attributes, data, metadata, input, data_schema, category_profile, timestamp
        )

    def scope(
        self,
        name: str,
        scope_type: ScopeType = _Function,
        *,
        handle: ScopeHandle | None = None,
        attributes: Attributes | None = None,
        data: object = None,
        metadata: Mapping[str, Any] | None = None,
        input: object = None,
        timestamp: datetime | None = None,
        end_timestamp: datetime | None = None,
    ) -> ScopeBlock:
        """Return a block that is one scope: `with`, `async with`, or a decorator for any kind of function.

        The scope starts on entry, is current inside, and ends on every path: outcome ``ok``; ``error`` for an
        Exception; ``cancelled`` for a cancellation, KeyboardInterrupt and SystemExit; ``abandoned`` for GeneratorExit.
        The body's exception passes through unchanged. As a decorator each call is a scope of its own; a generator's
        scope is current only while the generator runs. A plain `with` around a `yield` is seen by whoever consumes
        that generator: decorate it instead.

        Args:
            name: As for `push`.
            scope_type: As for `push`.
            handle: As for `push`.
            attributes: As for `push`.
            data: As for `push`.
            metadata: As for `push`.
            input: As for `push`.
            timestamp: As for `push`.
            end_timestamp: When the work ended; by default the moment it does.

        Raises:
            TypeError: On entry, as for `push`.
            ValueError: On entry, as for `push`; on exit, `end_timestamp` lies before the start.
            ScopeError: On entry, as for `push`.
        """
        options = {
            "handle": handle,
            "attributes": attributes,
            "data": data,
            "metadata": metadata,
            "input": input,
            "timestamp": timestamp,
        }
        return ScopeBlock(self, name, scope_type, options, end_timestamp)

    def _begin(
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
            name = _checked_name(name)
        if type(scope_type) is not ScopeType:
            scope_type = _checked_type(scope_type)
        flags = attribute_names(attributes) if attributes is not None else ()
        checked_schema = None if schema is None else _checked_schema(schema)
        at = _now() // 1000 if timestamp is None else from_datetime(timestamp, "timestamp")
        late = None
        open_serials = self._open
        if parent is not None and parent._serial not in open_serials:
            late = parent
            parent = _nearest_open(parent, open_serials)
        serial = next(self._serials)
        handle = ScopeHandle(name, scope_type, parent, open_serials, serial, uuid7())
        handle._us = at
        handle._attributes = flags
        handle._data = data
        if parent is None and self.sampling < 1.0:
            handle._muted = not _is_sampled(handle.uuid, self.sampling)
        if late is not None:
            metadata = {**(metadata or {}), "relay.late_parent": late.uuid}
        if profile is not None or scope_type is ScopeType.Custom:
            profile = _completed_profile(handle, profile)
        open_serials.add(serial)
        audience = self.audience
        if (audience is not None or self._local_handles) and not handle._muted:
            self._emit_start(handle, audience, metadata, payload, checked_schema, profile)
        elif metadata is not None:
            handle._metadata = dict(metadata)
        return handle

    def _emit_start(
        self,
        handle: ScopeHandle,
        audience: Audience | None,
        metadata: Mapping[str, Any] | None,
        payload: object,
        schema: bytes | None,
        profile: Mapping[str, Any] | None,
    ) -> None:
        if metadata is not None:
            handle._metadata = self._object(metadata)
        local = self._locals_of(handle) if self._local_handles else None
        if local is None and not (audience is not None and audience.wants["start"]):
            return
        document = None
        if payload is not None and handle._type not in self.uncaptured:
            document = self._encode(payload)
        annotated = None if profile is None else self._object(self._captured_profile(handle, profile))
        size = (len(document) if document else 0) + (len(annotated) if annotated else 0)
        record = (handle, "start", handle._us, document, schema, handle._metadata, annotated, None)
        self._emit(record, audience, local, size)  # pyright: ignore[reportArgumentType]

    # End --------------------------------------------------------------------------------------------------------------

    def pop(
        self,
        handle: ScopeHandle,
        *,
        output: object = None,
        metadata: Mapping[str, Any] | None = None,
        timestamp: datetime | None = None,
    ) -> None:
        """End a scope, whatever else is open, from any thread, task or context; emits its end event.

        Its open children stay open and can still be popped. What is registered on the scope goes with it.

        Args:
            handle: What `push` or `start` returned.
            output: The end event's payload: any object, snapshotted now.
            metadata: Laid over the start's, key by key.
            timestamp: When the work ended; timezone-aware, not before the start, by default now.

        Raises:
            ScopeClosedError: The scope ended already; nothing is emitted.
            ScopeError: The implicit root, or a handle of another runtime; nothing is emitted.
            TypeError: A wrong type of handle or timestamp.
            ValueError: A naive timestamp, or one before the start.
        """
        if not self._finish(handle, Outcome.OK, None, output, None, None, metadata, timestamp):
            raise ScopeClosedError(name=handle.name, uuid=handle.uuid)
        entry = get_entry()
        if entry is not None and entry[0] is handle:
            set_entry(entry[1])

    def end(
        self,
        handle: ScopeHandle,
        *,
        outcome: Outcome = Outcome.OK,
        error: BaseException | None = None,
        output: object = None,
        data_schema: Mapping[str, str] | None = None,
        category_profile: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        timestamp: datetime | None = None,
    ) -> bool:
        """End a scope without touching the context: for integrations. Idempotent.

        Args:
            handle: What `start` or `push` returned.
            outcome: How it ended.
            error: What it raised; its type and message are read now, and it is not kept.
            output: As for `pop`.
            data_schema: ``{"name": ..., "version": ...}`` of the payload's schema.
            category_profile: What belongs to the category; model name and tool call id are taken over from the start.
            metadata: As for `pop`.
            timestamp: As for `pop`.

        Returns:
            Whether this call ended the scope; False if it had ended, and then nothing is emitted.

        Raises:
            ScopeError: As for `pop`.
            TypeError: As for `pop`.
            ValueError: As for `pop`; or an unknown outcome, or `data_schema` without name and version.
        """
        return self._finish(handle, Outcome(outcome), error, output, data_schema, category_profile, metadata, timestamp)

    def close(self, handle: ScopeHandle, error: BaseException | None, timestamp: datetime | None) -> None:
        """End the scope of a block whose body raised `error`, or ended well; no effect where it has ended already.

        Raises:
            TypeError: `timestamp` is no datetime.
            ValueError: `timestamp` is naive or lies before the start.
        """
        outcome = Outcome.OK if error is None else outcome_of(error)
        self._finish(handle, outcome, error, None, None, None, None, timestamp)
        entry = get_entry()
        if entry is not None and entry[0] is handle:
            set_entry(entry[1])

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
            raise _not_endable(handle)
        checked_schema = None if schema is None else _checked_schema(schema)
        at = _now() // 1000 if timestamp is None else _checked_end(handle, timestamp)
        serial = handle._serial
        try:
            self._open.remove(serial)
        except KeyError:
            return False
        local = None
        if self._local_handles:
            local = self._locals_of(handle)
            self._forget_local(handle)
        # A scope that a forked child inherited is the parent's to end.
        if handle._muted or serial < self._inherited_below:
            return True
        audience = self.audience
        if local is not None or (audience is not None and audience.wants["end"]):
            self._emit_end(
                handle, audience, local, max(at, handle._us + 1), outcome, error, output, checked_schema, profile, metadata
            )
        return True

    def _emit_end(
        self,
        handle: ScopeHandle,
        audience: Audience | None,
        local: Locals | None,
        at: int,
        outcome: Outcome,
        error: BaseException | None,
        output: object,
        schema: bytes | None,
        profile: Mapping[str, Any] | None,
        metadata: Mapping[str, Any] | None,
    ) -> None:
        late = handle._late
        if late is not None:
            metadata = {**late.metadata, **(metadata or {})}
            if output is None and late.output is not None:
                output = late.output[0]
        document = None
        if output is not None and handle._type not in self.uncaptured:
            document = self._encode(output)
        if metadata is None and error is None and outcome is Outcome.OK:
            told = self._with_ok(handle._metadata)
        else:
            told = self._told(handle._metadata, metadata, outcome, error)
        annotated = handle._identity
        if profile is not None:
            kept = orjson.loads(annotated) if annotated else {}
            annotated = self._object({**kept, **self._captured_profile(handle, profile)})
        size = (len(document) if document else 0) + (len(annotated) if annotated else 0)
        self._emit((handle, "end", at, document, schema, told, annotated, None), audience, local, size)

    def _with_ok(self, started: bytes | dict[str, Any] | None) -> bytes:
        """Lay the status of a scope that ended well over the start's metadata, by splicing bytes."""
        if started is None or started == b"{}":
            return _OK_METADATA
        if isinstance(started, bytes) and b'"otel.status' not in started and b'"relay.outcome' not in started:
            return started[:-1] + b"," + OK_STATUS + b"}"
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

    # Marks ------------------------------------------------------------------------------------------------------------

    def event(
        self,
        name: str,
        *,
        handle: ScopeHandle | None = None,
        data: object = None,
        data_schema: Mapping[str, str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        severity: LogSeverity | str | None = None,
        timestamp: datetime | None = None,
    ) -> None:
        """Emit a mark: something worth knowing at one point of a scope.

        Args:
            name: What happened.
            handle: The scope it happened in; by default the current one. Outside any scope a mark has no parent.
            data: The payload: any object, snapshotted now.
            data_schema: ``{"name": ..., "version": ...}`` of the payload's schema.
            metadata: Recorded as it is.
            severity: ``trace``, ``debug``, ``info``, ``warn`` or ``error``.
            timestamp: When it happened; timezone-aware, by default now.

        Raises:
            TypeError: A wrong type of name, handle or timestamp. Checked before any effect.
            ValueError: A naive timestamp, an unknown severity, or `data_schema` without name and version.
            ScopeError: `handle` belongs to another runtime.
        """
        if not self.ready:
            self._first_use()
        if type(name) is not str:
            name = _checked_name(name)
        schema = None if data_schema is None else _checked_schema(data_schema)
        at = _now() // 1000 if timestamp is None else from_datetime(timestamp, "timestamp")
        if severity is not None:
            metadata = {**(metadata or {}), "nemo_relay.log.severity": _checked_severity(severity)}
        scope = self.current() if handle is None else self.checked(handle)
        audience = self.audience
        if scope is not None and scope._muted:
            return
        local = self._locals_of(scope) if self._local_handles and scope is not None else None
        if local is None and not (audience is not None and audience.wants[None]):
            return
        document = None if data is None else self._encode(data)
        described = None if metadata is None else self._object(metadata)
        record = (MarkIdentity(name, scope, uuid7()), None, at, document, schema, described, None, None)
        self._emit(record, audience, local, len(document) if document else 0)

    def metric(
        self,
        name: str,
        measurements: "metrics.Measurements",
        *,
        handle: ScopeHandle | None = None,
        metadata: Mapping[str, Any] | None = None,
        timestamp: datetime | None = None,
    ) -> None:
        """Emit a group of metric measurements as one mark; all of it, or nothing.

        Args:
            name: Names the group.
            measurements: `MetricMeasurement` objects, or dicts with the same fields.
            handle: As for `event`.
            metadata: As for `event`.
            timestamp: As for `event`.

        Raises:
            ValueError: A measurement is invalid; the message names which one and why. As for `event`, too.
            TypeError: As for `event`.
            ScopeError: As for `event`.
        """
        data = {"measurements": metrics.checked(measurements)}
        self.event(
            name, handle=handle, data=data, data_schema=metrics.SCHEMA, metadata=metadata, timestamp=timestamp
        )

    # What the runtime and the facades need ----------------------------------------------------------------------------

    @property
    def has_local(self) -> bool:
        """Whether anything is registered on an open scope."""
        return self._local_handles > 0

    @property
    def open_count(self) -> int:
        """How many scopes are open; a forked child does not count those it inherited."""
        below = self._inherited_below
        if not below:
            return len(self._open) - 1
        return sum(serial >= below for serial in self._open.copy())

    def remote(self, parent_uuid: str, root_uuid: str) -> ScopeHandle:
        """Return a handle that stands for a scope of another process, as parent for scopes of this one."""
        handle = RemoteScope(parent_uuid, root_uuid, self._open)
        handle._muted = self.sampling < 1.0 and not _is_sampled(root_uuid, self.sampling)
        return handle

    def after_fork(self) -> None:
        """Leave the scopes that are open now to the parent process: here they are parents, and end silently."""
        self._inherited_below = next(self._serials)

    def local(self, handle: ScopeHandle) -> LocalRegistrations:
        """Return what is registered on `handle`, to add to it.

        Raises:
            ScopeClosedError: The scope has ended.
            ScopeError: A handle of another runtime.
            TypeError: No handle at all.
        """
        if self.checked(handle) is None:
            raise ScopeError("is the implicit root: register for the whole runtime instead", name="root", uuid=handle.uuid)
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

    def _captured_profile(self, handle: ScopeHandle, profile: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return `profile` without the payload, where payloads of that category are not recorded."""
        if handle._type not in self.uncaptured:
            return profile
        return {key: value for key, value in profile.items() if not key.startswith("annotated_")}

    def _object(self, value: object) -> bytes:
        """Encode what has to be a JSON object; anything else is recorded under ``value``."""
        document = self._encode(value)
        return document if document.startswith(b"{") else b'{"value":' + document + b"}"


def _contains(run: ScopeHandle, handle: ScopeHandle | None) -> bool:
    """Say whether `run` is an ancestor of `handle`."""
    while handle is not None:
        handle = handle._parent
        if handle is run:
            return True
    return False


def _nearest_open(handle: ScopeHandle, open_serials: set[int]) -> ScopeHandle | None:
    parent = handle._parent
    while parent is not None and parent._serial not in open_serials:
        parent = parent._parent
    return parent


def _is_sampled(root_uuid: str, share: float) -> bool:
    """Decide from the id alone, so that every process decides alike. The last 48 bits of a UUIDv7 are random."""
    return int(root_uuid.replace("-", "")[-12:], 16) < share * (1 << 48)


def _completed_profile(handle: ScopeHandle, profile: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Add the subtype that custom scopes must have, and keep what the end event repeats."""
    profile = profile or {}
    if handle._type is ScopeType.Custom and not profile.get("subtype"):
        profile = {**profile, "subtype": "custom"}
    kept = {key: profile[key] for key in _KEPT_PROFILE if isinstance(profile.get(key), str)}
    handle._identity = orjson.dumps(kept) if kept else None
    return profile


def _checked_name(name: object) -> str:
    if isinstance(name, str):
        return str.__str__(name)
    raise TypeError(f"name must be a str, not {type(name).__name__}")


def _checked_type(scope_type: object) -> ScopeType:
    if not isinstance(scope_type, str):
        raise TypeError(f"scope_type must be a ScopeType, not {type(scope_type).__name__}")
    try:
        return ScopeType(scope_type)
    except ValueError:
        words = ", ".join(member.wire for member in ScopeType)
        raise TypeError(f"scope_type must be a ScopeType; {scope_type!r} is none of {words}") from None


def _checked_schema(schema: object) -> bytes:
    if isinstance(schema, Mapping):
        name, version = schema.get("name"), schema.get("version")  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        if type(name) is str and type(version) is str:
            return orjson.dumps({"name": name, "version": version})
    raise ValueError('data_schema must be {"name": str, "version": str}')


def _checked_severity(severity: str) -> str:
    try:
        return LogSeverity(severity).wire
    except ValueError:
        words = ", ".join(member.wire for member in LogSeverity)
        raise ValueError(f"severity must be one of {words}, not {severity!r}") from None


def _checked_end(handle: ScopeHandle, timestamp: datetime) -> int:
    at = from_datetime(timestamp, "timestamp")
    if at < handle._us:
        raise ValueError(f"timestamp must not lie before the start of scope {handle.name!r}")
    return at


def _not_endable(handle: object) -> Exception:
    if not isinstance(handle, ScopeHandle):
        return TypeError(f"handle must be a ScopeHandle, not {type(handle).__name__}")
    if handle._serial == ALWAYS_OPEN:
        return ScopeError("is never closed: it was not opened here", name=handle.name, uuid=handle.uuid)
    return ScopeError("belongs to another runtime", name=handle.name, uuid=handle.uuid)
