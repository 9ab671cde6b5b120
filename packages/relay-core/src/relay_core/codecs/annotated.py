"""The normalized view of an LLM request and of a response, the same for every provider."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

from relay_core.json_values import is_array, is_mapping

__all__ = ["AnnotatedLLMRequest", "AnnotatedLLMResponse"]


@dataclass(slots=True, init=False)
class AnnotatedLLMRequest:
    """What a request says, in one shape for every provider. Change it in place or make another one.

    What the view shows is what the request will have: setting a field to None, or removing a key, removes it there.
    """

    messages: list[Any]
    """The conversation. Roles and texts are where every provider has them; content blocks keep the provider's shape."""
    instructions: Any
    """System instructions that the provider keeps apart from the messages, or None."""
    model: str | None
    """The requested model."""
    params: dict[str, Any] | None
    """Sampling: ``max_tokens``, ``stop``, ``temperature``, ``top_p``, ``top_k``, under these names."""
    tools: list[Any] | None
    """Tool definitions: ``{"type": "function", "function": {"name", "description", "parameters"}, ...}``."""
    tool_choice: Any
    """``"auto"``, ``"none"``, ``"required"`` or ``{"type": "function", "function": {"name": ...}}``."""
    api_specific: dict[str, Any] | None
    """``{"api": name}`` of the codec that made the view; other keys are added to the request."""
    extra: dict[str, Any] | None
    """Every other field of the request; None leaves them all as they are."""

    def __init__(
        self,
        messages: Sequence[Any],
        *,
        instructions: Any = None,
        model: str | None = None,
        params: Mapping[str, Any] | None = None,
        tools: Sequence[Any] | None = None,
        tool_choice: Any = None,
        api_specific: Mapping[str, Any] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep the fields as they are; sequences become lists and mappings dicts."""
        self.messages = list(messages)
        self.instructions = instructions
        self.model = model
        self.params = None if params is None else dict(params)
        self.tools = None if tools is None else list(tools)
        self.tool_choice = tool_choice
        self.api_specific = None if api_specific is None else dict(api_specific)
        self.extra = None if extra is None else dict(extra)

    def system_prompt(self) -> str | None:
        """Return the instructions' text, else that of the first system or developer message, else None."""
        if self.instructions is not None:
            return _text(self.instructions)
        return next((_text(m.get("content")) for m in self._of_role("system", "developer")), None)

    def last_user_message(self) -> str | None:
        """Return the text of the last user message that has some, or None; a tool's result has none."""
        texts = (_text(m.get("content")) for m in reversed(self._of_role("user")))
        return next((text for text in texts if text is not None), None)

    def has_tool_calls(self) -> bool:
        """Tell whether an assistant's message, or an item of its own, asks for a tool."""
        if any(is_mapping(m) and m.get("type") in ("function_call", "custom_tool_call") for m in self.messages):
            return True
        return any(m.get("tool_calls") or _has_block(m, "tool_use") for m in self._of_role("assistant"))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are set, those in `extra` beside the others: a start event's ``annotated_request``."""
        return _set_fields(self)

    @classmethod
    def from_dict(cls, recorded: Mapping[str, Any]) -> Self:
        """Return the view that `to_dict` wrote."""
        known = _known_fields(cls, recorded)
        return cls(known.pop("messages", ()), **known)

    def _of_role(self, *roles: str) -> list[Mapping[str, Any]]:
        return [m for m in self.messages if is_mapping(m) and m.get("role") in roles]


@dataclass(frozen=True, slots=True)
class AnnotatedLLMResponse:
    """What a response says, in one shape for every provider. For observation: it is never turned back."""

    id: str | None = None
    """The provider's id of the response."""
    model: str | None = None
    """The model that answered."""
    message: Any = None
    """The answer's text; content blocks in the provider's shape where there is more than text."""
    tool_calls: list[dict[str, Any]] | None = None
    """``[{"id", "name", "arguments"}]``, arguments decoded where they are JSON."""
    finish_reason: str | None = None
    """``complete``, ``length``, ``tool_use``, ``content_filter``; any other reason in the provider's word.

    A response of OpenAI's responses API that calls functions is ``complete``, as in NeMo Relay: so says its status.
    `has_tool_calls` tells for every provider."""
    usage: dict[str, int] | None = None
    """Tokens: ``prompt_tokens`` (cached ones included), ``completion_tokens`` (reasoning included), ``total_tokens``,
    ``cache_read_tokens``, ``cache_write_tokens``, ``uncached_input_tokens``, ``reasoning_tokens``; what is known."""
    api_specific: dict[str, Any] | None = None
    """``{"api": name}`` of the codec, and what only this provider has."""
    extra: dict[str, Any] | None = None
    """Fields of the response that the codec does not know."""

    def response_text(self) -> str | None:
        """Return the answer's text, or None if it has none."""
        return _text(self.message)

    def has_tool_calls(self) -> bool:
        """Tell whether the model asks for a tool."""
        return bool(self.tool_calls)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are set, those in `extra` beside the others: an end event's ``annotated_response``."""
        return _set_fields(self)

    @classmethod
    def from_dict(cls, recorded: Mapping[str, Any]) -> Self:
        """Return the view that `to_dict` wrote."""
        return cls(**_known_fields(cls, recorded))


def _set_fields(view: AnnotatedLLMRequest | AnnotatedLLMResponse) -> dict[str, Any]:
    """Return the view's fields without unset ones; what is in ``extra`` follows, and replaces none of them."""
    values = {field.name: getattr(view, field.name) for field in fields(view) if field.name != "extra"}
    known = {name: value for name, value in values.items() if value is not None}
    return known | {name: value for name, value in (view.extra or {}).items() if name not in known}


def _known_fields(
    kind: type[AnnotatedLLMRequest | AnnotatedLLMResponse], recorded: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what `_set_fields` wrote as the fields of `kind`."""
    names = {field.name for field in fields(kind)}
    known = {name: value for name, value in recorded.items() if name in names}
    others = {name: value for name, value in recorded.items() if name not in names}
    extra = known.get("extra", {})  # a request may have a field of that name, of any type
    return {**known, "extra": {**(extra if is_mapping(extra) else {"extra": extra}), **others}}


def _text(content: Any) -> str | None:
    """Return the text of a message's content: a string, or the text blocks of a list joined."""
    if isinstance(content, str):
        return content
    if not is_array(content):
        return None
    texts = [block["text"] for block in content if is_mapping(block) and isinstance(block.get("text"), str)]
    return "".join(texts) if texts else None


def _has_block(message: Mapping[str, Any], kind: str) -> bool:
    content = message.get("content")
    return is_array(content) and any(is_mapping(b) and b.get("type") == kind for b in content)
