"""The stages of a managed tool call, where there is middleware."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeGuard

from relay_core.chains import Entry, Kind
from relay_core.control.copies import shallow, taken
from relay_core.control.guard import refusal
from relay_core.control.host import Host
from relay_core.control.marks import emit_pending
from relay_core.control.pacing import Pace
from relay_core.control.results import (
    PendingMarkSpec,
    ToolExecutionContext,
    ToolExecutionInterceptOutcome,
    ToolExecutionResult,
)
from relay_core.control.scopes import ManagedScope
from relay_core.control.wrap import Layer, around
from relay_core.errors import GuardrailRejected
from relay_core.handles import ScopeHandle
from relay_core.json_values import detached
from relay_core.vocabulary import Attributes, ScopeType

__all__ = ["TOOL_STAGES", "ToolCall", "ToolPipeline", "as_result", "end_profile", "start_profile"]

TOOL_STAGES = (Kind.TOOL_CONDITIONAL_EXECUTION, Kind.TOOL_REQUEST, Kind.TOOL_EXECUTION)
"""The chains that a call goes through, in order."""


def _no_tool(args: Any) -> Any:
    raise NotImplementedError("this call only runs guardrails or request intercepts")


@dataclass(slots=True)
class ToolCall:
    """One call on its way through the stages."""

    name: str
    args: Any
    parent: ScopeHandle
    function: Callable[[Any], Any] = _no_tool
    attributes: Attributes | None = None
    data: object = None
    metadata: Mapping[str, Any] | None = None
    tool_call_id: str | None = None
    recorded: bool = True
    """Whether the call gets a scope; if not, a framework's integration records it."""
    reached: bool = False
    """Whether the function was called."""
    handle: ScopeHandle | None = None
    """The call's scope, once it has one."""
    marks: list[PendingMarkSpec] = field(default_factory=list[PendingMarkSpec])


class ToolPipeline:
    """Runs tool calls through the chains. Each stage takes its snapshot when it starts."""

    __slots__ = ("_host",)

    def __init__(self, host: Host) -> None:
        """Serve the runtime `host`."""
        self._host = host

    async def execute(self, call: ToolCall, pace: Pace) -> ToolExecutionResult[Any]:
        """Run every stage; a call that is not recorded here has a scope of its own only where it ends in an intercept.

        Raises:
            GuardrailRejected: A guardrail refused; a mark says so.
            BaseException: What the tool, a guardrail or an intercept raised.
        """
        host = self._host
        reason = await self.refusal(call, pace)
        if reason is not None:
            told = {"rejected": True, "rejection_reason": reason}
            host.scopes.event(call.name, handle=call.parent, data=told, metadata=call.metadata)
            raise GuardrailRejected(reason)
        args = await self.rewritten(call, pace)
        chain = host.middleware.chain(Kind.TOOL_EXECUTION, call.parent, pace)
        try:
            if not call.recorded:
                return await self._recorded_elsewhere(call, args, pace, chain)
            with ManagedScope(host.scopes, self._start(call, args)) as managed:
                result: ToolExecutionResult[Any] = await around(_ToolLayer(call, pace), pace, chain, args)
            managed.finish(result.result, category_profile=end_profile(result))
        finally:
            emit_pending(host, call.handle or call.parent, call.marks)
        return result

    async def _recorded_elsewhere(
        self, call: ToolCall, args: Any, pace: Pace, chain: Sequence[Entry]
    ) -> ToolExecutionResult[Any]:
        """Run what is left; record here what ends in an intercept: the integration never gets to know of it."""
        scopes = self._host.scopes
        began = datetime.now(UTC)
        try:
            result: ToolExecutionResult[Any] = await around(_ToolLayer(call, pace), pace, chain, args)
        except BaseException as error:
            if not call.reached:
                handle = self._start(call, args, began)
                scopes.end(handle, outcome=scopes.outcome_of(error), error=error)
            raise
        if not call.reached:
            handle = self._start(call, args, began)
            scopes.end(handle, output=result.result, category_profile=end_profile(result))
        return result

    async def refusal(self, call: ToolCall, pace: Pace) -> str | None:
        """Ask the guardrails; return the reason of the first one that refuses."""
        return await refusal(
            self._host.scopes,
            pace,
            self._host.middleware.chain(Kind.TOOL_CONDITIONAL_EXECUTION, call.parent, pace),
            lambda: (call.name, detached(call.args)),
            parent=call.parent,
            subject={"kind": "tool_conditional_execution", "target_name": call.name},
            metadata=call.metadata,
        )

    async def rewritten(self, call: ToolCall, pace: Pace) -> Any:
        """Return the arguments after the request intercepts."""
        args = call.args
        for entry in self._host.middleware.chain(Kind.TOOL_REQUEST, call.parent, pace):
            given = shallow(args)
            args = taken(await pace.settle(entry.function(call.name, given), entry.name), given, args)
            if entry.break_chain:
                break
        return args

    def _start(self, call: ToolCall, args: Any, timestamp: datetime | None = None) -> ScopeHandle:
        call.handle = handle = self._host.scopes.start(
            call.name,
            ScopeType.Tool,
            handle=call.parent,
            attributes=call.attributes,
            data=call.data,
            metadata=call.metadata,
            input=args,
            category_profile=start_profile(call.tool_call_id),
            timestamp=timestamp,
        )
        return handle


class _ToolLayer(Layer):
    """Execution intercepts around a tool."""

    __slots__ = ("_call", "_pace")

    def __init__(self, call: ToolCall, pace: Pace) -> None:
        self._call = call
        self._pace = pace

    def context(self, argument: Any) -> ToolExecutionContext:
        return ToolExecutionContext(self._call.name, shallow(argument), self._call.tool_call_id)

    def passed_on(self, argument: Any, context: ToolExecutionContext, original: Any) -> Any:
        return taken(argument, context.args, original)

    def outcome(self, answer: Any) -> ToolExecutionResult[Any]:
        if not _is_outcome(answer):
            return as_result(answer)
        self._call.marks.extend(answer.pending_marks)
        result = as_result(answer.result)  # what `next` gave, as often as not
        return result if answer.annotation is None else ToolExecutionResult(result.result, answer.annotation)

    async def call(self, argument: Any) -> ToolExecutionResult[Any]:
        self._call.reached = True
        return as_result(await self._pace.settle(self._call.function(argument), self._call.name))


def as_result(value: Any) -> ToolExecutionResult[Any]:
    """Return what a tool or an intercept returned as a result."""
    if isinstance(value, ToolExecutionResult):
        return value  # pyright: ignore[reportUnknownVariableType]
    return ToolExecutionResult(value)


def _is_outcome(value: object) -> TypeGuard[ToolExecutionInterceptOutcome[Any]]:
    return isinstance(value, ToolExecutionInterceptOutcome)


def start_profile(tool_call_id: str | None) -> dict[str, Any] | None:
    """Return the profile of a tool's start event."""
    return None if tool_call_id is None else {"tool_call_id": tool_call_id}


def end_profile(result: ToolExecutionResult[Any]) -> dict[str, Any] | None:
    """Return what the end event's profile says beyond the start's."""
    return None if result.annotation is None else {"tool_result_annotation": result.annotation}
