"""The public functions on scopes and marks, for one runtime; `relay_core.scope` is the default runtime's."""

# The private state of handles is shared by handles, lifecycle and delivery; see handles.py.
# pyright: reportPrivateUsage=false

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from relay_core import metrics
from relay_core.checks import checked_category, checked_name, checked_profile, checked_schema, checked_severity
from relay_core.current import get_entry, live, set_entry
from relay_core.delivery import Item
from relay_core.errors import ScopeClosedError
from relay_core.handles import MarkIdentity, ScopeHandle
from relay_core.lifecycle import Lifecycle, laid_over
from relay_core.outcomes import outcome_of
from relay_core.scope_block import ScopeBlock
from relay_core.timestamps import from_datetime
from relay_core.vocabulary import Attributes, LogSeverity, Outcome, ScopeType

__all__ = ["Scopes"]

_FUNCTION: Final = ScopeType.Function
_OK: Final = Outcome.OK


class Scopes(Lifecycle):
    """Starts and ends scopes and emits marks. Any thread, task or context; nothing here waits."""

    __slots__ = ("classifiers",)

    def __init__(
        self,
        *,
        emit: Callable[[Item], None],
        encode: Callable[[object], bytes],
        first_use: Callable[[], None],
        failed: Callable[[str, str, BaseException], None],
    ) -> None:
        """See `Lifecycle`."""
        super().__init__(emit=emit, encode=encode, first_use=first_use, failed=failed)
        self.classifiers: tuple[tuple[str, Callable[..., object]], ...] = ()
        """Who knows control flow from errors: the implementations of `relay_classify_outcome`, by plugin name."""

    def push(
        self,
        name: str,
        scope_type: ScopeType = _FUNCTION,
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
        outer = get_entry()
        if outer is not None and (type(outer) is not ScopeHandle or outer._closed):
            outer = live(outer)
        run = self.current_run() if self.current_runs else None
        if handle is not None:
            parent = self.checked(handle)
        elif outer is None:
            parent = run
        elif run is None and type(outer) is ScopeHandle and outer._owner is self._owner:
            parent = outer
        else:
            parent = self.innermost(run)
        new = self._begin(name, scope_type, parent, attributes, data, metadata, input, None, None, timestamp)
        new._outer = outer
        new._run = run
        set_entry(new)
        return new

    def start(
        self,
        name: str,
        scope_type: ScopeType = _FUNCTION,
        *,
        handle: ScopeHandle | None = None,
        attributes: Attributes | None = None,
        data: object = None,
        metadata: Mapping[str, Any] | None = None,
        input: object = None,
        data_schema: Mapping[str, object] | None = None,
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
        scope_type: ScopeType = _FUNCTION,
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
        if not self._finish(handle, _OK, None, output, None, None, metadata, timestamp):
            raise ScopeClosedError(name=handle.name, uuid=handle.uuid)
        if get_entry() is handle:
            set_entry(handle._outer)

    def end(
        self,
        handle: ScopeHandle,
        *,
        outcome: Outcome = Outcome.OK,
        error: BaseException | None = None,
        output: object = None,
        data_schema: Mapping[str, object] | None = None,
        category_profile: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        timestamp: datetime | None = None,
    ) -> bool:
        """End a scope without touching the context: for integrations. Idempotent.

        Args:
            handle: What `start` or `push` returned.
            outcome: How it ended.
            error: What it raised; its type and message are read now, and it is not kept. Where `outcome` is ``ok``, the
                error decides, as for a block: it is never dropped.
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
        if type(outcome) is not Outcome:
            outcome = Outcome(outcome)
        if error is not None and outcome is _OK:
            outcome = self.outcome_of(error)
        return self._finish(handle, outcome, error, output, data_schema, category_profile, metadata, timestamp)

    def close(self, handle: ScopeHandle, error: BaseException | None, timestamp: datetime | None) -> None:
        """End the scope of a block whose body raised `error`, or ended well; no effect where it has ended already.

        Raises:
            TypeError: `timestamp` is no datetime.
            ValueError: `timestamp` is naive or lies before the start.
        """
        outcome = Outcome.OK if error is None else self.outcome_of(error)
        self._finish(handle, outcome, error, None, None, None, None, timestamp)
        if get_entry() is handle:
            set_entry(handle._outer)

    def outcome_of(self, error: BaseException) -> Outcome:
        """Return how a scope ends that is left by `error`; what would be an error may be an integration's control flow.

        For integrations, and for all blocks of Relay's own. Any thread.
        """
        outcome = outcome_of(error)
        if outcome is not Outcome.ERROR:
            return outcome
        for plugin, classify in self.classifiers:
            try:
                answer = classify(error)
                if isinstance(answer, Outcome):
                    return answer
                if answer is not None:
                    raise TypeError(
                        f"relay_classify_outcome must return an Outcome or None, not {type(answer).__name__}"
                    )
            except KeyboardInterrupt:
                raise
            except BaseException as trouble:  # the plugin's; the application has its own
                self._failed(plugin, "relay_classify_outcome", trouble)
        return outcome

    def event(
        self,
        name: str,
        *,
        handle: ScopeHandle | None = None,
        data: object = None,
        data_schema: Mapping[str, object] | None = None,
        metadata: Mapping[str, Any] | None = None,
        severity: LogSeverity | str | None = None,
        category: str | None = None,
        category_profile: Mapping[str, Any] | None = None,
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
            category: What kind of thing happened, in a scope type's word; marks rarely have one.
            category_profile: What belongs to the category.
            timestamp: When it happened; timezone-aware, by default now.

        Raises:
            TypeError: A wrong type of name, handle, category, category profile or timestamp. Checked before any effect.
            ValueError: A naive timestamp, an unknown severity, or `data_schema` without name and version.
            ScopeError: `handle` belongs to another runtime.
        """
        if not self.ready:
            self._first_use()
        if type(name) is not str:
            name = checked_name(name)
        kind = None if category is None else checked_category(category)
        checked = None if category_profile is None else checked_profile(category_profile)
        schema = None if data_schema is None else checked_schema(data_schema)
        clock, new_uuid = self.time_ns, self.new_uuid  # as locals: calling an attribute costs 20 ns more
        at = clock() // 1000 if timestamp is None else from_datetime(timestamp, "timestamp")
        if severity is not None:
            metadata = laid_over(metadata, {"nemo_relay.log.severity": checked_severity(severity)})
        scope = self.current() if handle is None else self.checked(handle)
        audience = self.audience
        if scope is not None and scope._muted:
            return
        wanted = audience is not None and audience.wants_mark
        local = self._locals_of(scope, wanted) if self._local_handles and scope is not None else None
        if local is None and not wanted:
            return
        document = None if data is None else self._encode(data)
        described = None if metadata is None else self._object(metadata)
        profile = None if checked is None else self._object(checked)
        identity = MarkIdentity(name, scope, new_uuid(), kind)
        size = (0 if document is None else len(document)) + (0 if profile is None else len(profile))
        self._emit((identity, None, at, document, schema, described, profile, None, audience, local, 0, size))

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
        self.event(name, handle=handle, data=data, data_schema=metrics.SCHEMA, metadata=metadata, timestamp=timestamp)
