"""LangChain messages as OpenAI chat messages, from a message's own fields. Nothing is encoded here.

A message is a pydantic model: reading its ``__dict__`` costs a tenth of what ``model_dump`` or one missing attribute
does.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import orjson
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

__all__ = ["assistant_message", "chat_messages", "message_projection", "tool_calls"]

Projection = Callable[[Any], Any]

_ASSISTANT_EXTRAS: Final = ("refusal", "reasoning_content", "audio", "function_call")
"""What providers put beside the content and OpenAI's format, or its common extensions, has a place for."""


def message_projection(kind: type) -> Projection | None:
    """Return what turns messages of this class into plain data, or None if it is no message class."""
    if not issubclass(kind, BaseMessage):
        return None
    for base, projection in _PROJECTIONS:
        if issubclass(kind, base):
            return projection
    return _other_message


def chat_messages(messages: Iterable[object]) -> list[Any]:
    """Return a conversation in OpenAI's shape; what is no LangChain message stays as it is."""
    projected: list[Any] = []
    for message in messages:
        kind = type(message)
        projection = _by_class.get(kind)
        if projection is None:
            if len(_by_class) >= _MAX_CLASSES:
                _by_class.clear()
            projection = _by_class[kind] = message_projection(kind) or _as_it_is
        projected.append(projection(message))
    return projected


def assistant_message(message: BaseMessage) -> dict[str, Any]:
    """Return an AI message as an OpenAI assistant message."""
    fields = message.__dict__
    projected = _common("assistant", fields)
    if fields.get("tool_calls") or fields.get("invalid_tool_calls"):
        projected["tool_calls"] = tool_calls(fields)
    extras = fields.get("additional_kwargs")
    if extras:
        for key in _ASSISTANT_EXTRAS:
            if (value := extras.get(key)) is not None:
                projected[key] = value
    return projected


def tool_calls(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tool calls of an AI message's fields in OpenAI's shape; those that were not valid JSON verbatim."""
    valid, invalid = fields.get("tool_calls") or (), fields.get("invalid_tool_calls") or ()
    projected = [_function_call(call.get("id"), call.get("name"), _arguments(call.get("args"))) for call in valid]
    projected += [_function_call(call.get("id"), call.get("name"), call.get("args")) for call in invalid]
    return projected


def _function_call(call_id: object, name: object, arguments: object) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _arguments(args: object) -> object:
    """Return the arguments as a JSON string; as they are where they are no plain JSON, for the payload encoder."""
    try:
        return orjson.dumps(args).decode()
    except TypeError:
        return args


def _common(role: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    projected: dict[str, Any] = {"role": role, "content": fields.get("content")}
    if (name := fields.get("name")) is not None:
        projected["name"] = name
    if (message_id := fields.get("id")) is not None:
        projected["id"] = message_id
    return projected


def _user_message(message: BaseMessage) -> dict[str, Any]:
    return _common("user", message.__dict__)


def _system_message(message: BaseMessage) -> dict[str, Any]:
    fields = message.__dict__
    extras = fields.get("additional_kwargs")
    return _common(extras.get("__openai_role__", "system") if extras else "system", fields)


def _tool_message(message: BaseMessage) -> dict[str, Any]:
    fields = message.__dict__
    projected = _common("tool", fields)
    projected["tool_call_id"] = fields.get("tool_call_id")
    if (status := fields.get("status")) == "error":
        projected["status"] = status
    return projected


def _chat_message(message: BaseMessage) -> dict[str, Any]:
    fields = message.__dict__
    return _common(fields.get("role") or "unknown", fields)


def _function_message(message: BaseMessage) -> dict[str, Any]:
    return _common("function", message.__dict__)


def _remove_message(message: BaseMessage) -> dict[str, Any]:
    return _common("remove", message.__dict__)


def _other_message(message: BaseMessage) -> dict[str, Any]:
    fields = message.__dict__
    return _common(str(fields.get("type") or "unknown"), fields)


def _as_it_is(message: Any) -> Any:
    return message


_by_class: Final[dict[type, Projection]] = {}
_MAX_CLASSES: Final = 256
"""How many message classes are remembered: an application may make some on the fly."""

_PROJECTIONS: Final[tuple[tuple[type[BaseMessage], Projection], ...]] = (
    (AIMessage, assistant_message),
    (HumanMessage, _user_message),
    (ToolMessage, _tool_message),
    (SystemMessage, _system_message),
    (ChatMessage, _chat_message),
    (FunctionMessage, _function_message),
    (RemoveMessage, _remove_message),
)
