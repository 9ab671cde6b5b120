"""The functions that users register, as types. Guardrails and intercepts may be sync or async, the others are sync."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

from relay_core.codecs import AnnotatedLLMRequest, LLMRequest
from relay_core.control.results import (
    LlmExecutionContext,
    LLMRequestInterceptOutcome,
    ToolExecutionContext,
    ToolExecutionResult,
)
from relay_core.events import Event
from relay_core.sanitizers import EventSanitizeFields

__all__ = [
    "EventMetadataInjector",
    "EventSanitizeGuardrail",
    "LlmConditionalExecutionGuardrail",
    "LlmExecutionIntercept",
    "LlmNext",
    "LlmRequestIntercept",
    "LlmSanitizeRequestGuardrail",
    "LlmSanitizeResponseGuardrail",
    "LlmStreamExecutionIntercept",
    "LlmStreamNext",
    "ToolConditionalExecutionGuardrail",
    "ToolExecutionIntercept",
    "ToolNext",
    "ToolRequestIntercept",
    "ToolSanitizeGuardrail",
]

_Reason: TypeAlias = Awaitable[str | None] | str | None

ToolConditionalExecutionGuardrail: TypeAlias = Callable[[str, Any], _Reason]
"""``fn(name, args)``: None lets the call pass, a str refuses it and is the reason."""

LlmConditionalExecutionGuardrail: TypeAlias = Callable[[LLMRequest], _Reason]
"""``fn(request)``: None lets the call pass, a str refuses it and is the reason."""

ToolRequestIntercept: TypeAlias = Callable[[str, Any], Any]
"""``fn(name, args) -> args``: what it returns is what the tool gets."""

LlmRequestIntercept: TypeAlias = Callable[
    [str, LLMRequest, AnnotatedLLMRequest | None],
    LLMRequest | LLMRequestInterceptOutcome | Awaitable[LLMRequest | LLMRequestInterceptOutcome],
]
"""``fn(name, request, annotated) -> request``: the view is None where the caller gave no codec. Edit the view or the
request's content, not both."""

ToolNext: TypeAlias = Callable[[Any], Awaitable[ToolExecutionResult[Any]]]
"""``await next(args)``: runs the rest of the chain and the tool. In a call without a loop it returns the result."""

ToolExecutionIntercept: TypeAlias = Callable[[ToolExecutionContext, ToolNext], Any]
"""``async fn(context, next)``: returns a `ToolExecutionInterceptOutcome`, a `ToolExecutionResult`, or the result."""

LlmNext: TypeAlias = Callable[[LLMRequest], Awaitable[Any]]
"""``await next(request)``: runs the rest of the chain and the call; gives the response."""

LlmExecutionIntercept: TypeAlias = Callable[[LlmExecutionContext, LlmNext], Any] | Callable[..., Any]
"""``async fn(context, next)``, or ``fn(name, request, context, next)``: returns the response."""

LlmStreamNext: TypeAlias = Callable[[LLMRequest], Awaitable[AsyncIterator[Any]]]
"""``await next(request)``: runs the rest of the chain and the call; gives the chunks."""

LlmStreamExecutionIntercept: TypeAlias = Callable[[LlmExecutionContext, LlmStreamNext], Any] | Callable[..., Any]
"""``async fn(context, next)``, returning or yielding chunks; or ``fn(name, request, context, next)``."""

ToolSanitizeGuardrail: TypeAlias = Callable[[str, Any], Any]
"""``fn(name, payload) -> payload``: what it returns is what is recorded."""

LlmSanitizeRequestGuardrail: TypeAlias = Callable[..., LLMRequest | None]
"""``fn(request)`` or ``fn(request, context)``: returns the request to record, or None for none."""

LlmSanitizeResponseGuardrail: TypeAlias = Callable[..., Any]
"""``fn(response)`` or ``fn(response, context)``: returns the response to record."""

EventSanitizeGuardrail: TypeAlias = Callable[[Event, EventSanitizeFields], EventSanitizeFields]
"""``fn(event, fields) -> fields``: what it returns is what is recorded."""

EventMetadataInjector: TypeAlias = Callable[[Event], dict[str, Any]]
"""``fn(event)``: flat attributes that are added to the metadata where the key is free."""
