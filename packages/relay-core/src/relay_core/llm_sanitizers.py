"""LLM events before they are recorded: sanitizers see requests and responses, and the annotations follow.

`annotated_request` and `annotated_response` repeat the payload. Where a sanitizer changes the payload they are made
anew by the codec that made them; where that codec is not known they are left out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from relay_core.codecs import AnthropicMessagesCodec, LLMRequest, OpenAIChatCodec, OpenAIResponsesCodec
from relay_core.codecs.contexts import LlmCodecIdentity
from relay_core.events import ScopeEvent
from relay_core.json_values import is_object, same_json

__all__ = ["LlmSanitizeContext", "sanitized_request", "sanitized_response"]

_Codec = OpenAIChatCodec | OpenAIResponsesCodec | AnthropicMessagesCodec

_CODECS: Final[dict[str, _Codec]] = {
    "openai_chat": OpenAIChatCodec(),
    "openai/chat-completions": OpenAIChatCodec(),
    "openai_responses": OpenAIResponsesCodec(),
    "anthropic_messages": AnthropicMessagesCodec(),
}
_WRAPPED: Final = {"headers", "content"}


@dataclass(frozen=True, slots=True)
class LlmSanitizeContext:
    """What an LLM sanitizer may want to know about the event; its second argument."""

    event: ScopeEvent
    """The event as it is so far."""
    codec: LlmCodecIdentity
    """The codec of the annotation."""

    def resolve_codec(self) -> _Codec | None:
        """Return the codec, to read the payload in its normalized shape; None if it is not one of Relay's own."""
        return _CODECS.get(self.codec.id or "")


def sanitized_request(event: ScopeEvent, sanitize: Callable[[LLMRequest, LlmSanitizeContext], object]) -> ScopeEvent:
    """Return the start event of an LLM call with the request that `sanitize` returns, or None for no request.

    Raises:
        TypeError: It returned something else, or not plain JSON.
    """
    data, context = event.data, _context(event, "annotated_request")
    if data is None:
        return _replaced(event, None, "annotated_request", None)
    wrapped = is_object(data) and data.keys() == _WRAPPED
    request = sanitize(LLMRequest(data["headers"], data["content"]) if wrapped else LLMRequest({}, data), context)
    if request is None:
        return _replaced(event, None, "annotated_request", None)
    if not isinstance(request, LLMRequest):
        raise TypeError(f"an LLM request sanitizer must return an LLMRequest or None, not {type(request).__name__}")
    new = {"headers": request.headers, "content": request.content} if wrapped else request.content
    if same_json(new, event.data):
        return event
    codec = context.resolve_codec()
    annotated = None if codec is None else codec.decode(request).to_dict()
    return _replaced(event, new, "annotated_request", annotated)


def sanitized_response(event: ScopeEvent, sanitize: Callable[[Any, LlmSanitizeContext], object]) -> ScopeEvent:
    """Return the end event of an LLM call with the response that `sanitize` returns.

    Raises:
        TypeError: It returned something that is not plain JSON.
    """
    data, context = event.data, _context(event, "annotated_response")
    if data is None:
        return _replaced(event, None, "annotated_response", None)
    response = sanitize(data, context)
    if same_json(response, event.data):
        return event
    codec = context.resolve_codec()
    annotated = None if codec is None else codec.decode_response(response).to_dict()
    return _replaced(event, response, "annotated_response", annotated)


def _context(event: ScopeEvent, annotation: str) -> LlmSanitizeContext:
    """Find the codec: the annotation names it; else the schema of the data does."""
    annotated = (event.category_profile or {}).get(annotation)
    specific = annotated.get("api_specific") if is_object(annotated) else None
    name = specific.get("api") if is_object(specific) else None
    if name is None:
        name = (event.data_schema or {}).get("name")
    if name in _CODECS:
        return LlmSanitizeContext(event, LlmCodecIdentity("builtin", name))
    return LlmSanitizeContext(event, LlmCodecIdentity("none" if annotated is None else "opaque", name))


def _replaced(event: ScopeEvent, data: Any, annotation: str, annotated: dict[str, Any] | None) -> ScopeEvent:
    """Return the event with this data; with this annotation in place of the one it has, if it has one."""
    profile = event.category_profile
    if profile is None or annotation not in profile:
        return event.replace(data=data)
    others = {key: value for key, value in profile.items() if key != annotation}
    if annotated is not None and data is not None:
        others[annotation] = annotated
    return event.replace(data=data, category_profile=others)
