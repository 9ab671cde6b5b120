"""Guardrails and sanitizers of the default runtime; documented in `relay_core.control.registrars.Guardrails`."""

from typing import Final

from relay_core.runtime import default

__all__ = [
    "deregister_llm_conditional_execution",
    "deregister_llm_sanitize_request",
    "deregister_llm_sanitize_response",
    "deregister_mark_sanitize",
    "deregister_scope_sanitize_end",
    "deregister_scope_sanitize_start",
    "deregister_tool_conditional_execution",
    "deregister_tool_sanitize_request",
    "deregister_tool_sanitize_response",
    "register_llm_conditional_execution",
    "register_llm_sanitize_request",
    "register_llm_sanitize_response",
    "register_mark_sanitize",
    "register_scope_sanitize_end",
    "register_scope_sanitize_start",
    "register_tool_conditional_execution",
    "register_tool_sanitize_request",
    "register_tool_sanitize_response",
]

_guardrails: Final = default().guardrails

register_tool_conditional_execution = _guardrails.register_tool_conditional_execution
deregister_tool_conditional_execution = _guardrails.deregister_tool_conditional_execution
register_llm_conditional_execution = _guardrails.register_llm_conditional_execution
deregister_llm_conditional_execution = _guardrails.deregister_llm_conditional_execution
register_tool_sanitize_request = _guardrails.register_tool_sanitize_request
deregister_tool_sanitize_request = _guardrails.deregister_tool_sanitize_request
register_tool_sanitize_response = _guardrails.register_tool_sanitize_response
deregister_tool_sanitize_response = _guardrails.deregister_tool_sanitize_response
register_llm_sanitize_request = _guardrails.register_llm_sanitize_request
deregister_llm_sanitize_request = _guardrails.deregister_llm_sanitize_request
register_llm_sanitize_response = _guardrails.register_llm_sanitize_response
deregister_llm_sanitize_response = _guardrails.deregister_llm_sanitize_response
register_mark_sanitize = _guardrails.register_mark_sanitize
deregister_mark_sanitize = _guardrails.deregister_mark_sanitize
register_scope_sanitize_start = _guardrails.register_scope_sanitize_start
deregister_scope_sanitize_start = _guardrails.deregister_scope_sanitize_start
register_scope_sanitize_end = _guardrails.register_scope_sanitize_end
deregister_scope_sanitize_end = _guardrails.deregister_scope_sanitize_end
