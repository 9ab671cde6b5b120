"""Conversations in a payload, projected before it is encoded: where LangChain and LangGraph put them, and nowhere else.

The payload encoder would find them, too, by walking a copy of everything around them: for a state with one message that
takes three times as long. Where `relay-native` is installed, it finds them for nothing.
"""

from collections.abc import Callable
from typing import Any, Final

from langchain_core.prompt_values import ChatPromptValue

from relay_langchain.messages import chat_messages, is_known_message

__all__ = ["plain_payload"]

_kind_of: Callable[[object], type[Any]] = type
_MOST: Final = 10_000
"""Longer lists are left to the payload encoder, which sees before it projects them whether they fit."""


def plain_payload(value: Any) -> Any:
    """Return what to record of an input or output: conversations in OpenAI's shape, and the rest as it is.

    A message, a list of messages, a prompt, and a state with lists of messages are looked for. The containers are
    copies where something in them was projected; everything else is live. Never raises.
    """
    kind = _kind_of(value)
    try:
        if kind is dict:
            return _state(value)
        if kind is list:
            return chat_messages(value) if _is_conversation(value) else value
        if kind is ChatPromptValue:
            return {"messages": chat_messages(value.__dict__["messages"])}
        return chat_messages((value,))[0] if is_known_message(value) else value
    except Exception:  # the payload encoder tells what is wrong with which message
        return value


def _state(state: dict[Any, Any]) -> dict[Any, Any]:
    projected = state
    for key, item in state.copy().items():
        if _kind_of(item) is list and _is_conversation(item):
            if projected is state:
                projected = state.copy()
            projected[key] = chat_messages(item)
    return projected


def _is_conversation(items: list[Any]) -> bool:
    return 0 < len(items) <= _MOST and is_known_message(items[0])
