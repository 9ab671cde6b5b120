"""Managed LLM calls of the default runtime; documented in `relay_core.control.llm_calls.LlmCalls`."""

from typing import Final

from relay_core.runtime import default

__all__ = [
    "call",
    "call_end",
    "conditional_execution",
    "execute",
    "execute_sync",
    "request_intercepts",
    "stream_execute",
    "stream_execute_sync",
]

_llm: Final = default().llm

execute = _llm.execute
execute_sync = _llm.execute_sync
stream_execute = _llm.stream_execute
stream_execute_sync = _llm.stream_execute_sync
call = _llm.call
call_end = _llm.call_end
request_intercepts = _llm.request_intercepts
conditional_execution = _llm.conditional_execution
