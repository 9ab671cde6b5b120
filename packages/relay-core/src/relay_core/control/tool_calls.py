"""Managed tool calls, as the application makes them."""

# `execute` begins and ends scopes as `scope.start` and `scope.end` do, but without their keyword arguments: those
# would be a quarter of the price of a call.
# pyright: reportPrivateUsage=false

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final

from relay_core.callables import is_async, is_awaitable, loop_runs
from relay_core.control.host import Host
from relay_core.control.pacing import AWAITING, Pace, drive
from relay_core.control.results import ToolExecutionResult
from relay_core.control.tool_pipeline import (
    TOOL_STAGES,
    ToolCall,
    ToolPipeline,
    as_result,
    end_profile,
    start_profile,
)
from relay_core.current import get_entry, make_current, set_entry
from relay_core.errors import AsyncMiddlewareError, GuardrailRejected, ScopeClosedError
from relay_core.handles import ScopeHandle
from relay_core.vocabulary import Attributes, Outcome, ScopeType

__all__ = ["ToolCalls", "ToolHandle"]

ToolHandle = ScopeHandle
"""What `tools.call` returns and `tools.call_end` wants: the handle of the tool's scope."""

_SYNC: Final = Pace("tools.execute_sync", "tools.execute")
_REQUEST: Final = Pace("tools.request_intercepts without a loop", "tools.request_intercepts")
_CONDITIONAL: Final = Pace("tools.conditional_execution without a loop", "tools.conditional_execution")
_Tool: Final = ScopeType.Tool


class ToolCalls:
    """The managed tool calls of one runtime. `relay_core.tools` is the default runtime's."""

    __slots__ = ("_host", "_pipeline")

    def __init__(self, host: Host) -> None:
        """Serve the runtime `host`."""
        self._host = host
        self._pipeline = ToolPipeline(host)

    async def execute(  # noqa: PLR0915 - one function: each further call would be paid by every tool call
        self,
        name: str,
        args: Any,
        func: Callable[[Any], Any],
        *,
        handle: ScopeHandle | None = None,
        attributes: Attributes | None = None,
        data: object = None,
        metadata: Mapping[str, Any] | None = None,
        tool_call_id: str | None = None,
        recorded: bool = True,
    ) -> ToolExecutionResult[Any]:
        """Call a tool under control: guardrails may refuse, intercepts may rewrite and wrap, a scope records it.

        Order: conditional guardrails, request intercepts, start event, execution intercepts (lowest priority
        outermost), `func`, end event, pending marks. The tool's scope is current inside `func` and ends on every path.

        Args:
            name: The tool's name.
            args: Its arguments: any object. `func` gets this very object unless an intercept replaces it.
            func: ``func(args)``, sync or async; returns a `ToolExecutionResult` or any other value.
            handle: The parent scope; by default the current scope.
            attributes: Flags such as `ToolAttributes.REMOTE`.
            data: The application's own note; stays on the handle and is never recorded.
            metadata: Recorded on the call's scopes and on the mark of a refusal.
            tool_call_id: The provider's id of the call; recorded on both events.
            recorded: False where an integration records the call: it is controlled here, and has a scope
                from here only where an intercept answers in its place, or fails before.

        Returns:
            What `func` or an intercept returned, in a `ToolExecutionResult` if it is not one already.

        Raises:
            GuardrailRejected: A guardrail refused; `func` was not called.
            BaseException: What `func`, a guardrail or an intercept raised, unchanged.
        """
        host = self._host
        scopes = host.scopes
        if not scopes.ready:
            host.first_use()
        if host.middleware.chains.snapshot or scopes.has_local or not recorded:
            parent = scopes.get_handle() if handle is None else handle
            call = ToolCall(name, args, parent, func, attributes, data, metadata, tool_call_id, recorded)
            return await self._pipeline.execute(call, AWAITING)
        # Nothing is in the way of most calls: what the pipeline does for them, spelled out at a third of its price.
        run = scopes.current_run() if scopes.current_runs else None
        under = scopes.innermost(run) if handle is None else scopes.checked(handle)
        known = None if tool_call_id is None else start_profile(tool_call_id)
        scope = scopes._begin(name, _Tool, under, attributes, data, metadata, args, None, known, None)
        before = get_entry()
        make_current(scope, run)
        try:
            value: Any = func(args)
            if is_awaitable(value):
                value = await value
        except BaseException as error:
            set_entry(before)
            scopes._finish(scope, scopes.outcome_of(error), error, None, None, None, None, None)
            raise
        set_entry(before)
        result = as_result(value)
        told = None if result.annotation is None else end_profile(result)
        scopes._finish(scope, Outcome.OK, None, result.result, None, told, None, None)
        return result

    def execute_sync(
        self,
        name: str,
        args: Any,
        func: Callable[[Any], Any],
        *,
        handle: ScopeHandle | None = None,
        attributes: Attributes | None = None,
        data: object = None,
        metadata: Mapping[str, Any] | None = None,
        tool_call_id: str | None = None,
        recorded: bool = True,
    ) -> ToolExecutionResult[Any]:
        """Do as `execute`, for code without an event loop: `func` and all middleware must be sync.

        An execution intercept's `next(args)` returns the result here, instead of an awaitable.

        Raises:
            AsyncMiddlewareError: `func`, a guardrail or an intercept is async; the tool was not called.
            GuardrailRejected: As for `execute`.
            BaseException: As for `execute`.
        """
        host = self._host
        host.ready()
        if is_async(func):
            raise AsyncMiddlewareError(name, call=_SYNC.call, instead="tools.execute")
        parent = host.scopes.get_handle() if handle is None else handle
        for stage in TOOL_STAGES:  # refuse before anything has happened
            host.middleware.chain(stage, parent, _SYNC)
        call = ToolCall(name, args, parent, func, attributes, data, metadata, tool_call_id, recorded)
        return drive(self._pipeline.execute(call, _SYNC))

    def call(
        self,
        name: str,
        args: Any,
        *,
        handle: ScopeHandle | None = None,
        attributes: Attributes | None = None,
        data: object = None,
        metadata: Mapping[str, Any] | None = None,
        tool_call_id: str | None = None,
        timestamp: datetime | None = None,
    ) -> ToolHandle:
        """Start a tool's scope by hand, for frameworks that only have hooks. No guardrail or intercept is asked.

        Args:
            name: As for `execute`.
            args: Recorded as the start's data.
            handle: As for `execute`.
            attributes: As for `execute`.
            data: As for `execute`.
            metadata: As for `execute`.
            tool_call_id: As for `execute`.
            timestamp: When the call began; timezone-aware, by default now.

        Returns:
            The handle that `call_end` wants. It does not become current.

        Raises:
            TypeError: As for `scope.start`.
            ValueError: As for `scope.start`.
            ScopeError: As for `scope.start`.
        """
        return self._host.scopes.start(
            name,
            _Tool,
            handle=handle,
            attributes=attributes,
            data=data,
            metadata=metadata,
            input=args,
            category_profile=start_profile(tool_call_id),
            timestamp=timestamp,
        )

    def call_end(
        self,
        handle: ToolHandle,
        result: Any,
        *,
        data: object = None,
        metadata: Mapping[str, Any] | None = None,
        timestamp: datetime | None = None,
    ) -> None:
        """End what `call` started.

        Args:
            handle: What `call` returned.
            result: A `ToolExecutionResult`, or the tool's plain result; recorded as the end's data.
            data: Recorded instead where the result is None.
            metadata: Laid over the start's.
            timestamp: When the call ended; timezone-aware, not before its start, by default now.

        Raises:
            TypeError: `handle` is not the handle of a tool's scope.
            ScopeClosedError: The call has ended already.
            ValueError: As for `scope.end`.
        """
        if getattr(handle, "scope_type", None) is not _Tool:
            raise TypeError("handle must be what tools.call returned")
        told = as_result(result)
        output = data if told.result is None else told.result
        profile = end_profile(told)
        ended = self._host.scopes.end(
            handle, output=output, category_profile=profile, metadata=metadata, timestamp=timestamp
        )
        if not ended:
            raise ScopeClosedError(name=handle.name, uuid=handle.uuid)

    def request_intercepts(self, name: str, args: Any) -> Any | Awaitable[Any]:
        """Run only the request intercepts, on behalf of a framework that makes the call itself.

        Returns:
            The arguments to use; inside a running event loop an awaitable of them.

        Raises:
            AsyncMiddlewareError: No loop is running and an intercept is async.
            BaseException: What an intercept raised.
        """
        pace = AWAITING if loop_runs() else _REQUEST
        rewriting = self._pipeline.rewritten(self._partial_call(name, args), pace)
        return rewriting if pace.waits else drive(rewriting)

    def conditional_execution(self, name: str, args: Any) -> Awaitable[None] | None:
        """Run only the conditional guardrails, on behalf of a framework that makes the call itself.

        Returns:
            None if the call may be made; inside a running event loop an awaitable of that.

        Raises:
            GuardrailRejected: A guardrail refused.
            AsyncMiddlewareError: No loop is running and a guardrail is async.
            BaseException: What a guardrail raised.
        """
        pace = AWAITING if loop_runs() else _CONDITIONAL
        asking = self._permitted(self._partial_call(name, args), pace)
        return asking if pace.waits else drive(asking)

    async def _permitted(self, call: ToolCall, pace: Pace) -> None:
        reason = await self._pipeline.refusal(call, pace)
        if reason is not None:
            raise GuardrailRejected(reason)

    def _partial_call(self, name: str, args: Any) -> ToolCall:
        self._host.ready()
        return ToolCall(name, args, self._host.scopes.get_handle())
