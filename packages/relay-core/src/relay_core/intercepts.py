"""Intercepts of the default runtime; documented in `relay_core.control.registrars.Intercepts`."""

from typing import Final

# The package before its part: two threads that begin at different ends block each other, and one gets an ImportError.
from relay_core.control import Intercepts
from relay_core.control.functions import (
    LlmExecutionIntercept,
    LlmRequestIntercept,
    LlmStreamExecutionIntercept,
    ToolExecutionIntercept,
    ToolRequestIntercept,
)
from relay_core.runtime import default

__all__ = [
    "LlmExecutionIntercept",
    "LlmRequestIntercept",
    "LlmStreamExecutionIntercept",
    "ToolExecutionIntercept",
    "ToolRequestIntercept",
    "deregister_llm_execution",
    "deregister_llm_request",
    "deregister_llm_stream_execution",
    "deregister_tool_execution",
    "deregister_tool_request",
    "register_llm_execution",
    "register_llm_request",
    "register_llm_stream_execution",
    "register_tool_execution",
    "register_tool_request",
]

_intercepts: Final[Intercepts] = default().intercepts

register_tool_request = _intercepts.register_tool_request
deregister_tool_request = _intercepts.deregister_tool_request
register_tool_execution = _intercepts.register_tool_execution
deregister_tool_execution = _intercepts.deregister_tool_execution
register_llm_request = _intercepts.register_llm_request
deregister_llm_request = _intercepts.deregister_llm_request
register_llm_execution = _intercepts.register_llm_execution
deregister_llm_execution = _intercepts.deregister_llm_execution
register_llm_stream_execution = _intercepts.register_llm_stream_execution
deregister_llm_stream_execution = _intercepts.deregister_llm_stream_execution
