"""Managed tool calls of the default runtime; documented in `relay_core.control.tool_calls.ToolCalls`."""

from typing import Final

from relay_core.runtime import default

__all__ = [
    "call",
    "call_end",
    "conditional_execution",
    "execute",
    "execute_sync",
    "request_intercepts",
]

_tools: Final = default().tools

execute = _tools.execute
execute_sync = _tools.execute_sync
call = _tools.call
call_end = _tools.call_end
request_intercepts = _tools.request_intercepts
conditional_execution = _tools.conditional_execution
