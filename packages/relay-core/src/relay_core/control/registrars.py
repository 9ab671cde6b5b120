"""Registering guardrails, intercepts and injectors, with their types: for a runtime, a plugin or a scope.

Every `register_*` has a `deregister_*` twin that says whether there was something to take back. Names are unique per
kind and place. Lower priorities run first; for equal ones, what was registered first does.
"""

import inspect
from collections.abc import Callable
from typing import Any, Final, Protocol, overload

from relay_core.callables import is_async, positional_count
from relay_core.chains import ChainSet, Kind
from relay_core.control.functions import (
    EventMetadataInjector,
    EventSanitizeGuardrail,
    LlmConditionalExecutionGuardrail,
    LlmExecutionIntercept,
    LlmRequestIntercept,
    LlmSanitizeRequestGuardrail,
    LlmSanitizeResponseGuardrail,
    LlmStreamExecutionIntercept,
    ToolConditionalExecutionGuardrail,
    ToolExecutionIntercept,
    ToolRequestIntercept,
    ToolSanitizeGuardrail,
)
from relay_core.control.results import LlmExecutionContext

__all__ = ["OBSERVED", "EventMetadata", "Guardrails", "Intercepts", "Place"]

OBSERVED: Final = frozenset(
    {
        Kind.EVENT_METADATA,
        Kind.MARK_SANITIZE,
        Kind.SCOPE_SANITIZE_START,
        Kind.SCOPE_SANITIZE_END,
        Kind.TOOL_SANITIZE_REQUEST,
        Kind.TOOL_SANITIZE_RESPONSE,
        Kind.LLM_SANITIZE_REQUEST,
        Kind.LLM_SANITIZE_RESPONSE,
    }
)
"""The kinds that change what is recorded, on the delivery thread; the others change what is done, in the caller's."""


class Place(Protocol):
    """Where registrations go."""

    def chains(self, kind: Kind) -> ChainSet:
        """Return the set to register a `kind` in.

        Raises:
            ScopeClosedError: The place is a scope that has ended.
        """
        ...

    def known(self, kind: Kind) -> ChainSet | None:
        """Return the set that may hold a `kind`, or None where nothing can be registered any more."""
        ...


class _Registrar:
    """What the three public registrars have in common."""

    __slots__ = ("_place",)

    def __init__(self, place: Place) -> None:
        """Register in `place`."""
        self._place = place

    def _add(
        self, kind: Kind, name: str, priority: int, function: Callable[..., Any], break_chain: bool = False
    ) -> None:
        if kind in OBSERVED and is_async(function):
            raise TypeError(f"{kind.value} {name!r} must be a sync function: it runs on the delivery thread")
        self._place.chains(kind).add(kind, name, priority, function, break_chain=break_chain)

    def _remove(self, kind: Kind, name: str) -> bool:
        chains = self._place.known(kind)
        return chains is not None and chains.remove(kind, name)


class Guardrails(_Registrar):
    """Conditional guardrails, which refuse calls, and sanitizers, which change what is recorded.

    Every `register_*` raises `RegistrationError` for a name that is taken, and `TypeError` for a name, priority or
    function of the wrong type; sanitizers must be sync functions.
    """

    __slots__ = ()

    def register_tool_conditional_execution(
        self, name: str, priority: int, guardrail: ToolConditionalExecutionGuardrail
    ) -> None:
        """Ask ``guardrail(name, args)`` before each managed tool call; a str that it returns refuses the call."""
        self._add(Kind.TOOL_CONDITIONAL_EXECUTION, name, priority, guardrail)

    def deregister_tool_conditional_execution(self, name: str) -> bool:
        """Take the guardrail back; say whether there was one."""
        return self._remove(Kind.TOOL_CONDITIONAL_EXECUTION, name)

    def register_llm_conditional_execution(
        self, name: str, priority: int, guardrail: LlmConditionalExecutionGuardrail
    ) -> None:
        """Ask ``guardrail(request)`` before each managed LLM call; a str that it returns refuses the call."""
        self._add(Kind.LLM_CONDITIONAL_EXECUTION, name, priority, guardrail)

    def deregister_llm_conditional_execution(self, name: str) -> bool:
        """Take the guardrail back; say whether there was one."""
        return self._remove(Kind.LLM_CONDITIONAL_EXECUTION, name)

    def register_tool_sanitize_request(self, name: str, priority: int, guardrail: ToolSanitizeGuardrail) -> None:
        """Record what ``guardrail(name, args)`` returns as the data of tool start events."""
        self._add(Kind.TOOL_SANITIZE_REQUEST, name, priority, guardrail)

    def deregister_tool_sanitize_request(self, name: str) -> bool:
        """Take the sanitizer back; say whether there was one."""
        return self._remove(Kind.TOOL_SANITIZE_REQUEST, name)

    def register_tool_sanitize_response(self, name: str, priority: int, guardrail: ToolSanitizeGuardrail) -> None:
        """Record what ``guardrail(name, result)`` returns as the data of tool end events."""
        self._add(Kind.TOOL_SANITIZE_RESPONSE, name, priority, guardrail)

    def deregister_tool_sanitize_response(self, name: str) -> bool:
        """Take the sanitizer back; say whether there was one."""
        return self._remove(Kind.TOOL_SANITIZE_RESPONSE, name)

    def register_llm_sanitize_request(self, name: str, priority: int, guardrail: LlmSanitizeRequestGuardrail) -> None:
        """Record the request that ``guardrail(request[, context])`` returns; the normalized view follows it."""
        self._add(Kind.LLM_SANITIZE_REQUEST, name, priority, _with_context(guardrail))

    def deregister_llm_sanitize_request(self, name: str) -> bool:
        """Take the sanitizer back; say whether there was one."""
        return self._remove(Kind.LLM_SANITIZE_REQUEST, name)

    def register_llm_sanitize_response(self, name: str, priority: int, guardrail: LlmSanitizeResponseGuardrail) -> None:
        """Record what ``guardrail(response[, context])`` returns; the normalized view follows it."""
        self._add(Kind.LLM_SANITIZE_RESPONSE, name, priority, _with_context(guardrail))

    def deregister_llm_sanitize_response(self, name: str) -> bool:
        """Take the sanitizer back; say whether there was one."""
        return self._remove(Kind.LLM_SANITIZE_RESPONSE, name)

    def register_mark_sanitize(self, name: str, priority: int, guardrail: EventSanitizeGuardrail) -> None:
        """Record the fields that ``guardrail(event, fields)`` returns for marks."""
        self._add(Kind.MARK_SANITIZE, name, priority, guardrail)

    def deregister_mark_sanitize(self, name: str) -> bool:
        """Take the sanitizer back; say whether there was one."""
        return self._remove(Kind.MARK_SANITIZE, name)

    def register_scope_sanitize_start(self, name: str, priority: int, guardrail: EventSanitizeGuardrail) -> None:
        """Record the fields that ``guardrail(event, fields)`` returns for start events of any category."""
        self._add(Kind.SCOPE_SANITIZE_START, name, priority, guardrail)

    def deregister_scope_sanitize_start(self, name: str) -> bool:
        """Take the sanitizer back; say whether there was one."""
        return self._remove(Kind.SCOPE_SANITIZE_START, name)

    def register_scope_sanitize_end(self, name: str, priority: int, guardrail: EventSanitizeGuardrail) -> None:
        """Record the fields that ``guardrail(event, fields)`` returns for end events of any category."""
        self._add(Kind.SCOPE_SANITIZE_END, name, priority, guardrail)

    def deregister_scope_sanitize_end(self, name: str) -> bool:
        """Take the sanitizer back; say whether there was one."""
        return self._remove(Kind.SCOPE_SANITIZE_END, name)


class Intercepts(_Registrar):
    """Request intercepts, which rewrite what is sent, and execution intercepts, which wrap the call.

    Every `register_*` raises `RegistrationError` for a name that is taken, and `TypeError` for a name, priority or
    function of the wrong type.
    """

    __slots__ = ()

    @overload
    def register_tool_request(self, name: str, priority: int, break_chain: bool, fn: ToolRequestIntercept) -> None: ...

    @overload
    def register_tool_request(self, name: str, priority: int, fn: ToolRequestIntercept, /) -> None: ...

    def register_tool_request(
        self,
        name: str,
        priority: int,
        break_chain: ToolRequestIntercept | bool = False,
        fn: ToolRequestIntercept | None = None,
    ) -> None:
        """Call tools with the arguments that ``fn(name, args)`` returns.

        `break_chain` skips the intercepts after this one, and may be left out.
        """
        self._add(Kind.TOOL_REQUEST, name, priority, *_without_break(break_chain, fn))

    def deregister_tool_request(self, name: str) -> bool:
        """Take the intercept back; say whether there was one."""
        return self._remove(Kind.TOOL_REQUEST, name)

    def register_tool_execution(self, name: str, priority: int, fn: ToolExecutionIntercept) -> None:
        """Wrap tool calls in ``async fn(context, next)``; the lowest priority is outermost."""
        self._add(Kind.TOOL_EXECUTION, name, priority, fn)

    def deregister_tool_execution(self, name: str) -> bool:
        """Take the intercept back; say whether there was one."""
        return self._remove(Kind.TOOL_EXECUTION, name)

    @overload
    def register_llm_request(self, name: str, priority: int, break_chain: bool, fn: LlmRequestIntercept) -> None: ...

    @overload
    def register_llm_request(self, name: str, priority: int, fn: LlmRequestIntercept, /) -> None: ...

    def register_llm_request(
        self,
        name: str,
        priority: int,
        break_chain: LlmRequestIntercept | bool = False,
        fn: LlmRequestIntercept | None = None,
    ) -> None:
        """Send the request that ``fn(name, request, annotated)`` returns.

        `break_chain` skips the intercepts after this one, and may be left out.
        """
        self._add(Kind.LLM_REQUEST, name, priority, *_without_break(break_chain, fn))

    def deregister_llm_request(self, name: str) -> bool:
        """Take the intercept back; say whether there was one."""
        return self._remove(Kind.LLM_REQUEST, name)

    def register_llm_execution(self, name: str, priority: int, fn: LlmExecutionIntercept) -> None:
        """Wrap LLM calls in ``async fn(context, next)``; the lowest priority is outermost."""
        self._add(Kind.LLM_EXECUTION, name, priority, _from_context(fn))

    def deregister_llm_execution(self, name: str) -> bool:
        """Take the intercept back; say whether there was one."""
        return self._remove(Kind.LLM_EXECUTION, name)

    def register_llm_stream_execution(self, name: str, priority: int, fn: LlmStreamExecutionIntercept) -> None:
        """Wrap streaming LLM calls in ``async fn(context, next)``, which returns or yields chunks."""
        self._add(Kind.LLM_STREAM_EXECUTION, name, priority, _from_context(fn))

    def deregister_llm_stream_execution(self, name: str) -> bool:
        """Take the intercept back; say whether there was one."""
        return self._remove(Kind.LLM_STREAM_EXECUTION, name)


class EventMetadata(_Registrar):
    """Metadata injectors, which add attributes to events before sanitizers see them."""

    __slots__ = ()

    def register_injector(self, name: str, priority: int, injector: EventMetadataInjector) -> None:
        """Add the flat attributes that ``injector(event)`` returns, where their keys are free. Must be sync.

        Raises:
            RegistrationError: The name is taken.
            TypeError: A name, priority or function of the wrong type.
        """
        self._add(Kind.EVENT_METADATA, name, priority, injector)

    def deregister_injector(self, name: str) -> bool:
        """Take the injector back; say whether there was one."""
        return self._remove(Kind.EVENT_METADATA, name)


def _without_break(break_chain: Any, function: Any) -> tuple[Any, bool]:
    """Read ``(break_chain, fn)``, where the first may have been left out."""
    return (break_chain, False) if function is None else (function, break_chain)


def _with_context(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let an LLM sanitizer leave out its second argument."""
    if is_async(function) or positional_count(function) != 1:
        return function

    def without_context(payload: Any, _: object) -> Any:
        return function(payload)

    return without_context


def _from_context(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let an LLM execution intercept take ``(name, request, context, next)``, as in NeMo Relay."""
    if positional_count(function) != 4:
        return function

    def spread(context: LlmExecutionContext, following: Callable[..., Any]) -> Any:
        return function(context.name, context.request, context, following)

    async def spread_async(context: LlmExecutionContext, following: Callable[..., Any]) -> Any:
        return await function(context.name, context.request, context, following)

    return spread_async if is_async(function) and not inspect.isasyncgenfunction(function) else spread
