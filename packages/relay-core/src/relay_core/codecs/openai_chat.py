"""The codec for OpenAI chat completions and the many servers that speak the same."""

from collections.abc import Mapping
from typing import Any, Final

from relay_core.codecs.annotated import AnnotatedLLMRequest, AnnotatedLLMResponse
from relay_core.codecs.mapping import Field, RequestMapping, only
from relay_core.codecs.request import LLMRequest
from relay_core.codecs.response import json_view, token_counts, tool_arguments
from relay_core.json_values import as_mapping, is_array, is_mapping

__all__ = ["OpenAIChatCodec"]

_API: Final = "openai_chat"
_REQUEST: Final = RequestMapping(
    api=_API,
    fields=(
        Field("model", "model", only(str)),
        Field("tools", "tools", only(list)),
        Field("tool_choice", "tool_choice"),
    ),
    params={
        "temperature": ("temperature",),
        "top_p": ("top_p",),
        "max_tokens": ("max_completion_tokens", "max_tokens"),
        "stop": ("stop",),
    },
)
_FINISH: Final = {"stop": "complete", "tool_calls": "tool_use", "function_call": "tool_use"}
_KNOWN: Final = ("id", "model", "choices", "usage")
_SPECIFIC: Final = ("object", "created", "system_fingerprint", "service_tier")


class OpenAIChatCodec:
    """Codec for ``/chat/completions``. Stateless, total, and exact: what is not edited comes back as it was."""

    def decode(self, request: LLMRequest) -> AnnotatedLLMRequest:
        """Return the view of a chat completion request. Never raises: what does not fit is not shown."""
        return _REQUEST.view(request.content)

    def encode(self, annotated: AnnotatedLLMRequest, original: LLMRequest) -> LLMRequest:
        """Return `original` with the edits of `annotated`; `original` itself without edits.

        ``instructions``, which this provider does not have apart, become a system message in front.
        """
        if annotated.instructions is None:
            return _REQUEST.merge(annotated, original)
        system = {"role": "system", "content": annotated.instructions}
        edited = _REQUEST.view(original.content)
        for field in ("model", "params", "tools", "tool_choice", "api_specific", "extra"):
            setattr(edited, field, getattr(annotated, field))
        edited.messages = [system, *annotated.messages]
        return _REQUEST.merge(edited, original)

    def decode_response(self, response: Any) -> AnnotatedLLMResponse:
        """Return the view of a chat completion, given as a dict or as the SDK's object. Never raises."""
        body = json_view(response)
        message, finish = _first_choice(body)
        return AnnotatedLLMResponse(
            id=body.get("id"),
            model=body.get("model"),
            message=message.get("content") if message.get("content") is not None else message.get("refusal"),
            tool_calls=_tool_calls(message),
            finish_reason=_FINISH.get(finish, finish) if isinstance(finish, str) else None,
            usage=_usage(body.get("usage")),
            api_specific={"api": _API} | {key: body[key] for key in _SPECIFIC if body.get(key) is not None},
            extra={key: value for key, value in body.items() if key not in _KNOWN and key not in _SPECIFIC},
        )


def _first_choice(body: Mapping[str, Any]) -> tuple[Mapping[str, Any], Any]:
    choices = body.get("choices")
    choice = choices[0] if is_array(choices) and choices else None
    if not is_mapping(choice):
        return {}, None
    return as_mapping(choice.get("message")), choice.get("finish_reason")


def _tool_calls(message: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    calls = message.get("tool_calls")
    found = [_tool_call(call) for call in calls if is_mapping(call)] if is_array(calls) else []
    legacy = message.get("function_call")
    if is_mapping(legacy):
        found.append(_tool_call({"function": legacy}))
    return found or None


def _tool_call(call: Mapping[str, Any]) -> dict[str, Any]:
    inner = as_mapping(call.get("function") or call.get("custom"))
    arguments = inner.get("arguments", inner.get("input"))
    return {"id": call.get("id"), "name": inner.get("name"), "arguments": tool_arguments(arguments)}


def _usage(usage: Any) -> dict[str, int] | None:
    if not is_mapping(usage):
        return None
    prompt = as_mapping(usage.get("prompt_tokens_details"))
    completion = as_mapping(usage.get("completion_tokens_details"))
    return token_counts(
        prompt_tokens=usage.get("prompt_tokens"),
        completion_tokens=usage.get("completion_tokens"),
        total_tokens=usage.get("total_tokens"),
        cache_read_tokens=prompt.get("cached_tokens"),
        cache_write_tokens=prompt.get("cache_write_tokens"),
        reasoning_tokens=completion.get("reasoning_tokens"),
    )
