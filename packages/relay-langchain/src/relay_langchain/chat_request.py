"""What a chat model is about to be asked, as intercepts see it, and their edits back in LangChain's objects.

Only what an intercept changed is converted: messages and tools that it left alone are the same objects as before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from langchain_core.messages import BaseMessage, convert_to_messages
from langchain_core.tools import BaseTool

from relay_core.codecs import LLMRequest, OpenAIChatCodec
from relay_core.json_values import detached, is_array, is_object, same_json
from relay_langchain.messages import chat_messages
from relay_langchain.projections import tool_definition

__all__ = ["CODEC", "ChatRequest"]

CODEC: Final = OpenAIChatCodec()
"""Shows intercepts the normalized view."""

_OWN_KEYS: Final = ("messages", "model", "tools")


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One question to a chat model."""

    messages: list[BaseMessage]
    """The conversation, a system message included."""
    tools: list[Any]
    """LangChain tools, and definitions in a provider's shape."""
    options: dict[str, Any]
    """What is passed to the model beside the messages: tool choice, stop words, temperature and so on."""
    model: str | None
    """The model's name as far as it is known."""

    def llm_request(self) -> LLMRequest:
        """Return the request that goes through the chains: in OpenAI's shape, without headers."""
        content: dict[str, Any] = {"messages": chat_messages(self.messages)}
        if self.model is not None:
            content["model"] = self.model
        if self.tools:
            content["tools"] = [_shown_tool(tool) for tool in self.tools]
        options = {key: value for key, value in self.options.items() if key not in content}
        return LLMRequest({}, {**content, **options})

    def edited(self, before: LLMRequest, after: LLMRequest) -> ChatRequest:
        """Return this request with what differs between `before`, which it was made into, and `after`.

        Raises:
            TypeError: The new content is not an object, or its messages or tools are no lists.
            ValueError: LangChain cannot read a message.
        """
        if after is before or after.content is before.content:
            return self
        if not is_object(after.content):
            raise TypeError(f"the request's content must stay a dict, not {type(after.content).__name__}")
        old: Mapping[str, Any] = before.content
        new = after.content
        changed = replace(self, options=_changed_options(self.options, old, new))
        if not same_json(new.get("messages"), old["messages"]):
            changed = replace(changed, messages=_messages(new.get("messages"), old["messages"], self.messages))
        if not same_json(new.get("tools"), old.get("tools")):
            changed = replace(changed, tools=_tools(new.get("tools"), old.get("tools") or [], self.tools))
        return changed


def _changed_options(options: dict[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with what was changed; a changed model's name becomes one."""
    result = dict(options)
    for key in [*old, *(key for key in new if key not in old)]:
        if key in ("messages", "tools") or (key in new and key in old and same_json(new[key], old[key])):
            continue
        if key in new:
            result[key] = new[key]
        elif key in result:
            del result[key]
    return result


def _messages(new: Any, old: list[Any], originals: Sequence[BaseMessage]) -> list[BaseMessage]:
    if not is_array(new):
        raise TypeError(f"the request's messages must stay a list, not {type(new).__name__}")
    return [_message(shown, index, old, originals) for index, shown in enumerate(new)]


def _message(shown: Any, index: int, old: list[Any], originals: Sequence[BaseMessage]) -> BaseMessage:
    """Return the message that `shown` stands for: the original, the original with another content, or a new one."""
    if isinstance(shown, BaseMessage):
        return shown
    near = sorted(range(len(old)), key=lambda position: abs(position - index))
    for position in near:
        if same_json(shown, old[position]):
            return originals[position]
    if index < len(old) and is_object(shown) and is_object(old[index]) and _only_content_differs(shown, old[index]):
        return originals[index].model_copy(update={"content": shown["content"]})
    return convert_to_messages([shown])[0]


def _only_content_differs(shown: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    if not isinstance(shown.get("content"), str | list):
        return False
    return same_json({**shown, "content": None}, {**old, "content": None})


def _tools(new: Any, old: Sequence[Any], originals: Sequence[Any]) -> list[Any]:
    if new is None:
        return []
    if not is_array(new):
        raise TypeError(f"the request's tools must stay a list, not {type(new).__name__}")
    return [
        next((tool for seen, tool in zip(old, originals, strict=True) if same_json(seen, shown)), shown)
        for shown in new
    ]


def _shown_tool(tool: Any) -> Any:
    return tool_definition(tool) if isinstance(tool, BaseTool) else detached(tool)
