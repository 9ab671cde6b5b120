"""How `relay-native`, where it is installed, writes LangChain's objects: the projections once more, as data.

What a plan says is what the function of the same name in `messages` or `projections` does; a test compares the two. An
object that a plan does not fit is left to the function.
"""

from typing import Any, Final

from relay_core.accelerator import native

__all__ = ["ASSISTANT", "CHAT_PROMPT", "SYSTEM", "TOOL", "USER", "has_plans"]

has_plans: Final = native is not None
"""Whether there are any: messages need not be projected before they are encoded then."""


def _plan(*steps: tuple[Any, ...]) -> Any:
    return None if native is None else native.Plan(steps)


_BODY: Final = (("field", "content", "content"), ("some", "name", "name"), ("some", "id", "id"))

_FUNCTION: Final = _plan(("field", "name", "name"), ("text", "arguments", "args"))
_TOOL_CALL: Final = _plan(("field", "id", "id"), ("const", "type", "function"), ("same", "function", _FUNCTION))
_EXTRAS: Final = _plan(
    ("some", "refusal", "refusal"),
    ("some", "reasoning_content", "reasoning_content"),
    ("some", "audio", "audio"),
    ("some", "function_call", "function_call"),
)

USER: Final = _plan(("const", "role", "user"), *_BODY)
"""A human's message."""

ASSISTANT: Final = _plan(
    ("empty", "invalid_tool_calls"),
    ("const", "role", "assistant"),
    *_BODY,
    ("each", "tool_calls", "tool_calls", _TOOL_CALL),
    ("merge", "additional_kwargs", _EXTRAS),
)
"""A model's answer."""

TOOL: Final = _plan(
    ("const", "role", "tool"),
    *_BODY,
    ("field", "tool_call_id", "tool_call_id"),
    ("equal", "status", "status", "error"),
)
"""A tool's result."""

SYSTEM: Final = _plan(("empty", "additional_kwargs"), ("const", "role", "system"), *_BODY)
"""A system message, as long as it names no other role."""

CHAT_PROMPT: Final = _plan(("field", "messages", "messages"))
"""A prompt's value: its messages."""
