"""LangChain messages as OpenAI chat messages, from a message's own fields.

A message is a pydantic model: reading its ``__dict__`` costs a tenth of what ``model_dump`` or one missing attribute
does. Histories are most of what an agent's record consists of, so a whole conversation is projected in one call.
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

from relay_core.payload.native import encode_plain
from relay_langchain import plans
from relay_langchain.projections import PlainProjection

__all__ = ["assistant_message", "chat_messages", "is_known_message", "message_projection"]

Fields = Mapping[str, Any]
"""The fields of a message; all that are read here are there, if only as None."""

Projection = Callable[[Fields], dict[str, Any]]

_ASSISTANT_EXTRAS: Final = ("refusal", "reasoning_content", "audio", "function_call")
"""What providers put beside the content and OpenAI's format, or its common extensions, has a place for."""

_kind_of: Callable[[object], type[Any]] = type
"""The exact type of a value, without what a checker thinks that it now knows of it."""

_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_LONGEST: Final = 1 << 30
"""How large arguments may be to become a string; the payload's own limit is for the payload encoder to apply."""


class MessageProjection(PlainProjection):
    """Turns messages of any class into plain data, one by one or a conversation at a time."""

    __slots__ = ()

    def __init__(self, kind: type[BaseMessage]) -> None:
        """Project messages of one class as `chat_messages` does."""
        super().__init__(_message, _PLANS.get(_projection_of(kind)))

    def project_list(self, values: list[Any]) -> list[Any]:
        """Return a conversation in OpenAI's shape; what is no LangChain message stays as it is."""
        return chat_messages(values)


def message_projection(kind: type) -> MessageProjection | None:
    """Return what turns messages of this class into plain data, or None if it is no message class."""
    return MessageProjection(kind) if issubclass(kind, BaseMessage) else None


def chat_messages(messages: Iterable[Any]) -> list[Any]:
    """Return a conversation in OpenAI's shape; what is no LangChain message stays as it is."""
    projected: list[Any] = []
    append, known = projected.append, _by_class.get
    for message in messages:
        project = known(_kind_of(message))
        try:
            append(_message(message) if project is None else project(message.__dict__))
        except KeyError:  # made without validation, or by an older version that did not have the field
            append(_message(message))
    return projected


def is_known_message(value: object) -> bool:
    """Tell whether a value is a message of a class that was seen before; the usual ones are known from the start."""
    return _kind_of(value) in _by_class


def assistant_message(message: BaseMessage) -> dict[str, Any]:
    """Return an AI message as an OpenAI assistant message."""
    try:
        return _assistant(message.__dict__)
    except KeyError:
        return _assistant(_NOTHING | message.__dict__)


def _message(message: Any) -> Any:
    """Return one message of any class, whatever it lacks."""
    kind = _kind_of(message)
    project = _by_class.get(kind)
    if project is None:
        if not issubclass(kind, BaseMessage):
            return message
        if len(_by_class) >= _MAX_CLASSES:
            _by_class.clear()
        project = _by_class[kind] = _projection_of(kind)
    return project(_NOTHING | message.__dict__)


def _projection_of(kind: type[BaseMessage]) -> "Projection":
    return next(project for base, project in _PROJECTIONS if issubclass(kind, base))


# What conversations are made of comes without further calls: each would cost a quarter of all the rest.


def _user(fields: Fields) -> dict[str, Any]:
    projected: dict[str, Any] = {"role": "user", "content": fields["content"]}
    if (name := fields["name"]) is not None:
        projected["name"] = name
    if (message_id := fields["id"]) is not None:
        projected["id"] = message_id
    return projected


def _assistant(fields: Fields) -> dict[str, Any]:
    projected: dict[str, Any] = {"role": "assistant", "content": fields["content"]}
    if (name := fields["name"]) is not None:
        projected["name"] = name
    if (message_id := fields["id"]) is not None:
        projected["id"] = message_id
    if fields["tool_calls"] or fields["invalid_tool_calls"]:
        projected["tool_calls"] = _tool_calls(fields)
    if extras := fields["additional_kwargs"]:
        for key in _ASSISTANT_EXTRAS:
            if (value := extras.get(key)) is not None:
                projected[key] = value
    return projected


def _tool(fields: Fields) -> dict[str, Any]:
    projected: dict[str, Any] = {"role": "tool", "content": fields["content"]}
    if (name := fields["name"]) is not None:
        projected["name"] = name
    if (message_id := fields["id"]) is not None:
        projected["id"] = message_id
    projected["tool_call_id"] = fields["tool_call_id"]
    if fields["status"] == "error":
        projected["status"] = "error"
    return projected


def _tool_calls(fields: Fields) -> list[dict[str, Any]]:
    """Return the tool calls of an AI message in OpenAI's shape; those that were not valid JSON verbatim."""
    projected: list[dict[str, Any]] = []
    for call in fields["tool_calls"] or ():
        function = {"name": call.get("name"), "arguments": _arguments(call.get("args"))}
        projected.append({"id": call.get("id"), "type": "function", "function": function})
    for call in fields["invalid_tool_calls"] or ():
        function = {"name": call.get("name"), "arguments": call.get("args")}
        projected.append({"id": call.get("id"), "type": "function", "function": function})
    return projected


def _arguments(args: Any) -> object:
    """Return the arguments as a JSON string; as they are where they are no plain JSON, for the payload encoder."""
    try:
        if _kind_of(args) is dict:
            own: dict[str, Any] = args.copy()  # another thread may change the other one while the encoder walks it
            if _SCALARS.issuperset(map(type, own.values())):
                return orjson.dumps(own).decode()
        document = encode_plain(args, _LONGEST, True)
    except Exception:  # not plain, or not JSON
        return args
    return args if document is None else document.decode()


def _system(fields: Fields) -> dict[str, Any]:
    extras = fields["additional_kwargs"]
    return _user(fields) | {"role": extras.get("__openai_role__", "system") if extras else "system"}


def _chat(fields: Fields) -> dict[str, Any]:
    return _user(fields) | {"role": fields["role"] or "unknown"}


def _function(fields: Fields) -> dict[str, Any]:
    return _user(fields) | {"role": "function"}


def _remove(fields: Fields) -> dict[str, Any]:
    return _user(fields) | {"role": "remove"}


def _other(fields: Fields) -> dict[str, Any]:
    return _user(fields) | {"role": str(fields["type"] or "unknown")}


_NOTHING: Final[dict[str, Any]] = dict.fromkeys(
    (
        "content",
        "additional_kwargs",
        "type",
        "name",
        "id",
        "tool_calls",
        "invalid_tool_calls",
        "tool_call_id",
        "status",
        "role",
    )
)
"""Stands for the fields that a message may lack."""

_by_class: Final[dict[type, Projection]] = {
    AIMessage: _assistant,
    HumanMessage: _user,
    SystemMessage: _system,
    ToolMessage: _tool,
}
_MAX_CLASSES: Final = 256
"""How many message classes are remembered: an application may make some on the fly."""

_PROJECTIONS: Final[tuple[tuple[type[BaseMessage], Projection], ...]] = (
    (AIMessage, _assistant),
    (HumanMessage, _user),
    (ToolMessage, _tool),
    (SystemMessage, _system),
    (ChatMessage, _chat),
    (FunctionMessage, _function),
    (RemoveMessage, _remove),
    (BaseMessage, _other),
)

_PLANS: Final[dict[Projection, Any]] = {
    _assistant: plans.ASSISTANT,
    _user: plans.USER,
    _tool: plans.TOOL,
    _system: plans.SYSTEM,
}
"""The same for the native encoder."""
