"""What is registered on one scope of the default runtime, and gone when it closes: for one request, one tenant.

Each function is the one of the same name in `subscribers`, `guardrails`, `intercepts` or `event_metadata`, with the
scope's handle in front. It concerns that scope and everything under it, from the registration on. Registering on a
scope that has ended raises `ScopeClosedError`.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Concatenate, Final, ParamSpec, TypeVar, cast

from relay_core.control import EventMetadata, Guardrails, Intercepts, ScopePlace
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

P = ParamSpec("P")
R = TypeVar("R")
Registrar = TypeVar("Registrar", Guardrails, Intercepts, EventMetadata)

_scopes: Final = default().scopes
_subscriptions: Final = default().subscribers


def _on_scope(
    registrar: Callable[[ScopePlace], Registrar], method: Callable[Concatenate[Registrar, P], R]
) -> Callable[Concatenate[ScopeHandle, P], R]:
    """Return `method` as a function that takes a scope's handle first."""

    def on_scope(scope_handle: ScopeHandle, *args: P.args, **kwargs: P.kwargs) -> R:
        return method(registrar(ScopePlace(_scopes, scope_handle)), *args, **kwargs)

    functools.update_wrapper(on_scope, method)
    signature = inspect.signature(method)
    first, *rest = signature.parameters.values()
    handle = first.replace(name="scope_handle", annotation=ScopeHandle)
    vars(on_scope)["__signature__"] = signature.replace(parameters=[handle, *rest])
    # By name as well, as with NeMo Relay; Concatenate cannot say so.
    return cast("Callable[Concatenate[ScopeHandle, P], R]", on_scope)


register_subscriber = _subscriptions.register_local
deregister_subscriber = _subscriptions.deregister_local

register_tool_conditional_execution = _on_scope(Guardrails, Guardrails.register_tool_conditional_execution)
deregister_tool_conditional_execution = _on_scope(Guardrails, Guardrails.deregister_tool_conditional_execution)
register_llm_conditional_execution = _on_scope(Guardrails, Guardrails.register_llm_conditional_execution)
deregister_llm_conditional_execution = _on_scope(Guardrails, Guardrails.deregister_llm_conditional_execution)
register_tool_sanitize_request = _on_scope(Guardrails, Guardrails.register_tool_sanitize_request)
deregister_tool_sanitize_request = _on_scope(Guardrails, Guardrails.deregister_tool_sanitize_request)
register_tool_sanitize_response = _on_scope(Guardrails, Guardrails.register_tool_sanitize_response)
deregister_tool_sanitize_response = _on_scope(Guardrails, Guardrails.deregister_tool_sanitize_response)
register_llm_sanitize_request = _on_scope(Guardrails, Guardrails.register_llm_sanitize_request)
deregister_llm_sanitize_request = _on_scope(Guardrails, Guardrails.deregister_llm_sanitize_request)
register_llm_sanitize_response = _on_scope(Guardrails, Guardrails.register_llm_sanitize_response)
deregister_llm_sanitize_response = _on_scope(Guardrails, Guardrails.deregister_llm_sanitize_response)
register_mark_sanitize = _on_scope(Guardrails, Guardrails.register_mark_sanitize)
deregister_mark_sanitize = _on_scope(Guardrails, Guardrails.deregister_mark_sanitize)
register_scope_sanitize_start = _on_scope(Guardrails, Guardrails.register_scope_sanitize_start)
deregister_scope_sanitize_start = _on_scope(Guardrails, Guardrails.deregister_scope_sanitize_start)
register_scope_sanitize_end = _on_scope(Guardrails, Guardrails.register_scope_sanitize_end)
deregister_scope_sanitize_end = _on_scope(Guardrails, Guardrails.deregister_scope_sanitize_end)

register_tool_request = _on_scope(Intercepts, Intercepts.register_tool_request)
deregister_tool_request = _on_scope(Intercepts, Intercepts.deregister_tool_request)
register_tool_execution = _on_scope(Intercepts, Intercepts.register_tool_execution)
deregister_tool_execution = _on_scope(Intercepts, Intercepts.deregister_tool_execution)
register_llm_request = _on_scope(Intercepts, Intercepts.register_llm_request)
deregister_llm_request = _on_scope(Intercepts, Intercepts.deregister_llm_request)
register_llm_execution = _on_scope(Intercepts, Intercepts.register_llm_execution)
deregister_llm_execution = _on_scope(Intercepts, Intercepts.deregister_llm_execution)
register_llm_stream_execution = _on_scope(Intercepts, Intercepts.register_llm_stream_execution)
deregister_llm_stream_execution = _on_scope(Intercepts, Intercepts.deregister_llm_stream_execution)

register_event_metadata_injector = _on_scope(EventMetadata, EventMetadata.register_injector)
deregister_event_metadata_injector = _on_scope(EventMetadata, EventMetadata.deregister_injector)
