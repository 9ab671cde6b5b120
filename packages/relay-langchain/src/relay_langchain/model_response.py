"""What a model answered: a LangChain ``LLMResult`` as an OpenAI completion, and the normalized view of it.

Fields are read from ``__dict__``, as in `relay_langchain.messages`. Nothing is encoded here.
"""

from collections.abc import Mapping
from typing import Any, Final

from langchain_core.outputs import LLMResult

from relay_langchain.messages import assistant_message
from relay_langchain.usage import is_cached, normalized_usage, openai_usage

__all__ = ["ModelResponse", "read_response"]

_FINISH_KEYS: Final = ("finish_reason", "stop_reason", "done_reason")
_MODEL_KEYS: Final = ("model_name", "model", "model_id")
_USAGE_KEYS: Final = ("token_usage", "usage")
_FINISH: Final = {
    "stop": "complete",
    "end_turn": "complete",
    "STOP": "complete",
    "max_tokens": "length",
    "MAX_TOKENS": "length",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
}
"""The word of an annotated response for a provider's word; any other reason stays the provider's."""


class ModelResponse:
    """One answer of a model, ready for an end event."""

    __slots__ = ("annotated", "cached", "completion", "model")

    def __init__(self, completion: dict[str, Any], annotated: dict[str, Any], model: str | None, cached: bool) -> None:
        """Keep the views."""
        self.completion = completion
        """``{"choices": [...], "usage": ..., "model": ...}``: the end event's data."""
        self.annotated = annotated
        """The end event's ``annotated_response``."""
        self.model = model
        """The model that answered, as the provider names it, or None."""
        self.cached = cached
        """Whether the answer came from LangChain's cache; then its tokens were paid for by an earlier call."""


def read_response(result: LLMResult) -> ModelResponse:
    """Read what a model answered to one prompt. The parts are live objects: encode them before anyone else runs."""
    fields = result.__dict__
    candidates = [generation.__dict__ for prompt in fields["generations"] for generation in prompt]
    output: Mapping[str, Any] = fields.get("llm_output") or {}
    first: dict[str, Any] = candidates[0] if candidates else {}
    message: Mapping[str, Any] = first["message"].__dict__ if "message" in first else {}
    provider: Mapping[str, Any] = message.get("response_metadata") or {}
    model = _first(_MODEL_KEYS, provider) or _first(_MODEL_KEYS, output)
    reported = message.get("usage_metadata") or _first(_USAGE_KEYS, output)
    cached = is_cached(reported)
    usage = openai_usage(reported) if reported else None
    choices = [_choice(index, candidate) for index, candidate in enumerate(candidates)]
    completion: dict[str, Any] = {"choices": choices, "usage": None if cached else usage}
    annotated = _annotated(choices[0] if choices else {}, message.get("tool_calls"))
    if model is not None:
        completion["model"] = annotated["model"] = model
    if (response_id := provider.get("id")) is not None:
        completion["id"] = annotated["id"] = response_id
    if cached:
        completion["cached"] = True
        completion["cached_usage"] = usage
    elif usage:
        annotated["usage"] = normalized_usage(usage)
    return ModelResponse(completion, annotated, model, cached)


def _choice(index: int, candidate: Mapping[str, Any]) -> dict[str, Any]:
    message = candidate.get("message")
    info: Mapping[str, Any] = candidate.get("generation_info") or {}
    reason = _first(_FINISH_KEYS, info)
    if message is None:
        return {
            "index": index,
            "message": {"role": "assistant", "content": candidate.get("text")},
            "finish_reason": reason,
        }
    if reason is None and (provider := message.__dict__.get("response_metadata")):
        reason = _first(_FINISH_KEYS, provider)
    choice = {"index": index, "message": assistant_message(message), "finish_reason": reason}
    if (logprobs := info.get("logprobs")) is not None:
        choice["logprobs"] = logprobs
    return choice


def _annotated(choice: Mapping[str, Any], calls: list[dict[str, Any]] | None) -> dict[str, Any]:
    if not choice:
        return {}
    reason = choice["finish_reason"]
    annotated = {
        "message": choice["message"]["content"],
        "finish_reason": _FINISH.get(reason, reason) if isinstance(reason, str) else reason,
    }
    if calls:
        annotated["tool_calls"] = [
            {"id": call.get("id"), "name": call.get("name"), "arguments": call.get("args")} for call in calls
        ]
    return annotated


def _first(keys: tuple[str, ...], mapping: Mapping[str, Any]) -> Any:
    if mapping:
        for key in keys:
            if (value := mapping.get(key)) is not None:
                return value
    return None
