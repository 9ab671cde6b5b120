"""What users wrote for NeMo Relay, held by the type checkers and never run."""

import asyncio
import contextvars
from typing import Any, assert_type

import relay_core as nemo_relay
from relay_core import (
    AnnotatedLLMRequest,
    DataSchema,
    Event,
    EventMetadata,
    EventSanitizeFields,
    Json,
    JsonObject,
    LLMRequest,
    LLMRequestInterceptOutcome,
    LlmSanitizeRequestContext,
    PropagationContext,
    ScopeStack,
    ToolExecutionContext,
    ToolExecutionInterceptOutcome,
    ToolExecutionResult,
)
from relay_core.codecs import OpenAIResponsesCodec

SCHEMA: DataSchema = {"name": "plan", "version": "1"}
PAYLOAD: JsonObject = {"steps": [1, 2, {"last": None}]}


def scope_stacks() -> None:
    """The scope-stack functions."""
    stack = nemo_relay.create_scope_stack()
    assert_type(stack, ScopeStack)
    with nemo_relay.use_scope_stack(stack) as used:
        assert_type(used, ScopeStack)
    assert_type(nemo_relay.fork_asyncio_context(), contextvars.Context)
    assert_type(nemo_relay.scope_stack_active(), bool)
    nemo_relay.set_thread_scope_stack(nemo_relay.propagate_scope_to_thread())
    context = nemo_relay.capture_propagation_context()
    assert_type(context, PropagationContext | None)
    assert_type(nemo_relay.create_scope_stack_from_propagation(context), ScopeStack)
    foreign = PropagationContext("0190b5a0-0000-7000-8000-000000000001", traceparent="x", tracestate=None)
    assert_type(foreign.traceparent, str | None)


def log() -> None:
    """The log functions."""
    nemo_relay.log("info", "started", target="app", fields={"port": 1})
    nemo_relay.warn("slow", fields=PAYLOAD)


def observe(event: Event) -> None:
    """What a subscriber does."""
    if isinstance(event, nemo_relay.ScopeEvent) and event.annotated_response is not None:
        assert event.annotated_response.usage == event.annotated_response["usage"]


def inject(event: Event) -> EventMetadata:
    """What an injector returns."""
    return {"host": event.name, "ports": [1, 2]}


def sanitize(event: Event, fields: EventSanitizeFields) -> EventSanitizeFields:
    """What an event sanitizer returns."""
    return {**fields, "data": None}


def sanitize_request(request: LLMRequest, context: LlmSanitizeRequestContext) -> LLMRequest | None:
    """What an LLM sanitizer is told."""
    return request if context.codec.kind == "builtin" else None


async def retry(context: ToolExecutionContext, following: Any) -> ToolExecutionInterceptOutcome[Any]:
    """What wraps a tool."""
    return ToolExecutionInterceptOutcome((await following(context.args)).result)


def rewrite(name: str, request: LLMRequest, annotated: AnnotatedLLMRequest | None) -> LLMRequestInterceptOutcome:
    """What rewrites a request."""
    return LLMRequestInterceptOutcome(request, annotated)


async def search(args: Json) -> ToolExecutionResult[Json]:
    """A tool."""
    return ToolExecutionResult(args)


async def main() -> None:
    """Register everything, and call."""
    nemo_relay.subscribers.register("observe", observe)
    nemo_relay.event_metadata.register_injector("inject", 1, inject)
    nemo_relay.guardrails.register_scope_sanitize_end("sanitize", 1, sanitize)
    nemo_relay.guardrails.register_llm_sanitize_request("sanitize", 1, sanitize_request)
    nemo_relay.intercepts.register_tool_execution("retry", 1, retry)
    nemo_relay.intercepts.register_llm_request("rewrite", 1, False, rewrite)
    with nemo_relay.scope.scope("agent", nemo_relay.ScopeType.Agent) as handle:
        nemo_relay.scope.event("planned", handle=handle, data=PAYLOAD, data_schema=SCHEMA)
        await nemo_relay.tools.execute("search", {"q": 1}, search)
        await nemo_relay.llm.execute("openai", LLMRequest({}, {}), lambda request: 1, codec=OpenAIResponsesCodec())
    await nemo_relay.subscribers.flush_async()


asyncio.run(main())
