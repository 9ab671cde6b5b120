"""What users write about control, held by the type checkers and never run."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, assert_type

from relay_core import (
    AnnotatedLLMRequest,
    LlmExecutionContext,
    LLMRequest,
    LLMRequestInterceptOutcome,
    LlmStream,
    PendingMarkSpec,
    ScopeHandle,
    ToolExecutionContext,
    ToolExecutionInterceptOutcome,
    ToolExecutionResult,
    guardrails,
    intercepts,
    llm,
    scope_local,
    tools,
)
from relay_core.codecs import LlmCodec, LlmResponseCodec, OpenAIChatCodec
from relay_core.intercepts import ToolExecutionIntercept
from relay_core.typed import tool_execute


def refuse(name: str, args: Any) -> str | None:
    """Refuse or not."""
    return None if args else f"{name} needs arguments"


async def refuse_later(request: LLMRequest) -> str | None:
    """Refuse or not, after a while."""
    return None


def rewrite(name: str, request: LLMRequest, annotated: AnnotatedLLMRequest | None) -> LLMRequestInterceptOutcome:
    """Rewrite a request."""
    if annotated is not None:
        annotated.model = "other"
    return LLMRequestInterceptOutcome(request, annotated, [PendingMarkSpec("rewritten", severity="info")])


async def wrap(context: ToolExecutionContext, following: Any) -> ToolExecutionInterceptOutcome[Any]:
    """Wrap a tool call."""
    result: ToolExecutionResult[Any] = await following(context.args)
    return ToolExecutionInterceptOutcome(result.result, annotation=result.annotation)


async def wrap_llm(context: LlmExecutionContext, following: Any) -> Any:
    """Wrap an LLM call."""
    return await following(context.request)


intercept: ToolExecutionIntercept = wrap


def register(handle: ScopeHandle) -> None:
    """Register all of it."""
    guardrails.register_tool_conditional_execution("a", 1, refuse)
    guardrails.register_llm_conditional_execution("a", 1, refuse_later)
    guardrails.register_mark_sanitize("a", 1, lambda event, fields: {**fields, "data": event.name})
    intercepts.register_llm_request("a", 1, False, rewrite)
    intercepts.register_llm_request("b", 1, rewrite)
    intercepts.register_tool_execution("a", 1, intercept)
    intercepts.register_llm_execution("a", 1, wrap_llm)
    scope_local.register_tool_conditional_execution(handle, "a", 1, refuse)
    scope_local.register_tool_conditional_execution(scope_handle=handle, name="b", priority=1, guardrail=refuse)
    scope_local.register_mark_sanitize(
        scope_handle=handle, name="a", priority=1, guardrail=lambda event, fields: fields
    )
    scope_local.register_llm_request(scope_handle=handle, name="a", priority=1, break_chain=False, fn=rewrite)
    scope_local.register_llm_request(handle, "b", 1, rewrite)
    scope_local.register_tool_execution(scope_handle=handle, name="a", priority=1, fn=intercept)
    scope_local.register_subscriber(scope_handle=handle, name="a", callback=print)
    scope_local.register_event_metadata_injector(
        scope_handle=handle, name="a", priority=1, injector=lambda event: {"k": 1}
    )
    scope_local.register_tool_execution(handle, "a", 1, refuse)  # type: ignore[arg-type]
    assert_type(scope_local.deregister_tool_execution(scope_handle=handle, name="a"), bool)
    assert_type(guardrails.deregister_mark_sanitize("a"), bool)
    assert_type(scope_local.deregister_tool_conditional_execution(handle, "a"), bool)


@dataclass
class Query:
    """What a tool is asked."""

    text: str


async def chunks(request: LLMRequest) -> AsyncIterator[str]:
    """Answer in chunks."""
    yield "a"


async def call() -> None:
    """Make managed calls."""
    codec: LlmCodec = OpenAIChatCodec()
    response_codec: LlmResponseCodec = OpenAIChatCodec()
    request = LLMRequest({}, {})
    await llm.execute("p", request, lambda final: final, codec=codec, response_codec=response_codec)
    result = await tools.execute("t", {}, lambda args: args)
    assert_type(result, ToolExecutionResult[Any])
    stream = await llm.stream_execute("p", request, chunks, print, lambda: None)
    assert_type(stream, LlmStream)
    typed = await tool_execute("t", Query("x"), lambda query: [query.text], Query, list[str])
    assert_type(typed, ToolExecutionResult[list[str]])
