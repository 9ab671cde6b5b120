"""What is registered on one scope of the default runtime, and gone when it closes: for one request, one tenant.

Each function is the one of the same name in `subscribers`, `guardrails`, `intercepts` or `event_metadata`, with the
scope's handle in front. It concerns that scope and everything under it, from the registration on. Registering on a
scope that has ended raises `ScopeClosedError`.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar, overload

from relay_core.control import EventMetadata, Guardrails, Intercepts, ScopePlace
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
from relay_core.handles import ScopeHandle
from relay_core.runtime import default

__all__ = [
    "deregister_event_metadata_injector",
    "deregister_llm_conditional_execution",
    "deregister_llm_execution",
    "deregister_llm_request",
    "deregister_llm_sanitize_request",
    "deregister_llm_sanitize_response",
    "deregister_llm_stream_execution",
    "deregister_mark_sanitize",
    "deregister_scope_sanitize_end",
    "deregister_scope_sanitize_start",
    "deregister_subscriber",
    "deregister_tool_conditional_execution",
    "deregister_tool_execution",
    "deregister_tool_request",
    "deregister_tool_sanitize_request",
    "deregister_tool_sanitize_response",
    "register_event_metadata_injector",
    "register_llm_conditional_execution",
    "register_llm_execution",
    "register_llm_request",
    "register_llm_sanitize_request",
    "register_llm_sanitize_response",
    "register_llm_stream_execution",
    "register_mark_sanitize",
    "register_scope_sanitize_end",
    "register_scope_sanitize_start",
    "register_subscriber",
    "register_tool_conditional_execution",
    "register_tool_execution",
    "register_tool_request",
    "register_tool_sanitize_request",
    "register_tool_sanitize_response",
]

F_contra = TypeVar("F_contra", contravariant=True)


class _Guardrail(Protocol[F_contra]):
    def __call__(self, scope_handle: ScopeHandle, name: str, priority: int, guardrail: F_contra) -> None: ...


class _Execution(Protocol[F_contra]):
    def __call__(self, scope_handle: ScopeHandle, name: str, priority: int, fn: F_contra) -> None: ...


class _Request(Protocol[F_contra]):
    @overload
    def __call__(
        self, scope_handle: ScopeHandle, name: str, priority: int, break_chain: bool, fn: F_contra
    ) -> None: ...

    @overload
    def __call__(self, scope_handle: ScopeHandle, name: str, priority: int, fn: F_contra, /) -> None: ...


class _Injector(Protocol):
    def __call__(
        self, scope_handle: ScopeHandle, name: str, priority: int, injector: EventMetadataInjector
    ) -> None: ...


class _Deregister(Protocol):
    def __call__(self, scope_handle: ScopeHandle, name: str) -> bool: ...


_scopes: Final = default().scopes
_subscriptions: Final = default().subscribers


def _on_scope(registrar: Callable[[ScopePlace], object], method: Callable[..., object]) -> Any:
    """Return `method` as a function that takes a scope's handle first, by name as well."""

    def on_scope(scope_handle: ScopeHandle, *args: Any, **kwargs: Any) -> object:
        return method(registrar(ScopePlace(_scopes, scope_handle)), *args, **kwargs)

    functools.update_wrapper(on_scope, method)
    signature = inspect.signature(method)
    first, *rest = signature.parameters.values()
    handle = first.replace(name="scope_handle", annotation=ScopeHandle)
    vars(on_scope)["__signature__"] = signature.replace(parameters=[handle, *rest])
    return on_scope


register_subscriber = _subscriptions.register_local
deregister_subscriber = _subscriptions.deregister_local

register_tool_conditional_execution: _Guardrail[ToolConditionalExecutionGuardrail] = _on_scope(
    Guardrails, Guardrails.register_tool_conditional_execution
)
deregister_tool_conditional_execution: _Deregister = _on_scope(
    Guardrails, Guardrails.deregister_tool_conditional_execution
)
register_llm_conditional_execution: _Guardrail[LlmConditionalExecutionGuardrail] = _on_scope(
    Guardrails, Guardrails.register_llm_conditional_execution
)
deregister_llm_conditional_execution: _Deregister = _on_scope(
    Guardrails, Guardrails.deregister_llm_conditional_execution
)
register_tool_sanitize_request: _Guardrail[ToolSanitizeGuardrail] = _on_scope(
    Guardrails, Guardrails.register_tool_sanitize_request
)
deregister_tool_sanitize_request: _Deregister = _on_scope(Guardrails, Guardrails.deregister_tool_sanitize_request)
register_tool_sanitize_response: _Guardrail[ToolSanitizeGuardrail] = _on_scope(
    Guardrails, Guardrails.register_tool_sanitize_response
)
deregister_tool_sanitize_response: _Deregister = _on_scope(Guardrails, Guardrails.deregister_tool_sanitize_response)
register_llm_sanitize_request: _Guardrail[LlmSanitizeRequestGuardrail] = _on_scope(
    Guardrails, Guardrails.register_llm_sanitize_request
)
deregister_llm_sanitize_request: _Deregister = _on_scope(Guardrails, Guardrails.deregister_llm_sanitize_request)
register_llm_sanitize_response: _Guardrail[LlmSanitizeResponseGuardrail] = _on_scope(
    Guardrails, Guardrails.register_llm_sanitize_response
)
deregister_llm_sanitize_response: _Deregister = _on_scope(Guardrails, Guardrails.deregister_llm_sanitize_response)
register_mark_sanitize: _Guardrail[EventSanitizeGuardrail] = _on_scope(Guardrails, Guardrails.register_mark_sanitize)
deregister_mark_sanitize: _Deregister = _on_scope(Guardrails, Guardrails.deregister_mark_sanitize)
register_scope_sanitize_start: _Guardrail[EventSanitizeGuardrail] = _on_scope(
    Guardrails, Guardrails.register_scope_sanitize_start
)
deregister_scope_sanitize_start: _Deregister = _on_scope(Guardrails, Guardrails.deregister_scope_sanitize_start)
register_scope_sanitize_end: _Guardrail[EventSanitizeGuardrail] = _on_scope(
    Guardrails, Guardrails.register_scope_sanitize_end
)
deregister_scope_sanitize_end: _Deregister = _on_scope(Guardrails, Guardrails.deregister_scope_sanitize_end)

register_tool_request: _Request[ToolRequestIntercept] = _on_scope(Intercepts, Intercepts.register_tool_request)
deregister_tool_request: _Deregister = _on_scope(Intercepts, Intercepts.deregister_tool_request)
register_tool_execution: _Execution[ToolExecutionIntercept] = _on_scope(Intercepts, Intercepts.register_tool_execution)
deregister_tool_execution: _Deregister = _on_scope(Intercepts, Intercepts.deregister_tool_execution)
register_llm_request: _Request[LlmRequestIntercept] = _on_scope(Intercepts, Intercepts.register_llm_request)
deregister_llm_request: _Deregister = _on_scope(Intercepts, Intercepts.deregister_llm_request)
register_llm_execution: _Execution[LlmExecutionIntercept] = _on_scope(Intercepts, Intercepts.register_llm_execution)
deregister_llm_execution: _Deregister = _on_scope(Intercepts, Intercepts.deregister_llm_execution)
register_llm_stream_execution: _Execution[LlmStreamExecutionIntercept] = _on_scope(
    Intercepts, Intercepts.register_llm_stream_execution
)
deregister_llm_stream_execution: _Deregister = _on_scope(Intercepts, Intercepts.deregister_llm_stream_execution)

register_event_metadata_injector: _Injector = _on_scope(EventMetadata, EventMetadata.register_injector)
deregister_event_metadata_injector: _Deregister = _on_scope(EventMetadata, EventMetadata.deregister_injector)
