"""What a model is asked, in the shape of an OpenAI request: messages, the model's name, tools and parameters.

Only parameters that are named here are taken from LangChain's ``invocation_params``: the rest may hold anything.
"""

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["ModelRequest", "prompt_messages", "read_request"]

_MODEL_KEYS: Final = ("model", "model_name", "model_id", "deployment_name")

_PARAMS: Final = frozenset(
    {
        "temperature",
        "top_p",
        "top_k",
        "max_tokens",
        "max_completion_tokens",
        "stop",
        "seed",
        "n",
        "frequency_penalty",
        "presence_penalty",
        "logprobs",
        "top_logprobs",
        "response_format",
        "parallel_tool_calls",
        "reasoning_effort",
        "reasoning",
        "service_tier",
    }
)

_METADATA_PARAMS: Final = (("ls_temperature", "temperature"), ("ls_max_tokens", "max_tokens"), ("ls_stop", "stop"))
"""What LangChain reports in the run's metadata where the parameters do not say it."""


class ModelRequest:
    """One question to a model, ready for a start event."""

    __slots__ = ("annotated", "body", "model", "provider")

    def __init__(
        self, body: dict[str, Any], annotated: dict[str, Any], model: str | None, provider: str | None
    ) -> None:
        """Keep the views."""
        self.body = body
        """``{"messages": [...], "model": ..., "tools": ..., ...}``: the start event's data."""
        self.annotated = annotated
        """The start event's ``annotated_request``."""
        self.model = model
        """The model that is asked, or None where LangChain does not know it."""
        self.provider = provider
        """The provider, in LangChain's word."""


def prompt_messages(prompt: str) -> list[dict[str, str]]:
    """Return a plain LLM's prompt as the messages of a chat."""
    return [{"role": "user", "content": prompt}]


def read_request(messages: object, params: Mapping[str, Any] | None, metadata: Mapping[str, Any]) -> ModelRequest:
    """Read what a model is asked. The parts are live objects: encode them before anyone else runs.

    Args:
        messages: LangChain messages, or what stands for them in a payload.
        params: LangChain's ``invocation_params``.
        metadata: the run's metadata, with LangChain's ``ls_*`` entries.
    """
    params = params or {}
    model = metadata.get("ls_model_name") or _first(_MODEL_KEYS, params)
    settings = {key: value for key, value in params.items() if value is not None and key in _PARAMS}
    for source, name in _METADATA_PARAMS:
        if (value := metadata.get(source)) is not None and name not in settings:
            settings[name] = value
    body: dict[str, Any] = {"messages": messages}
    annotated: dict[str, Any] = {"messages": messages}
    if model is not None:
        body["model"] = annotated["model"] = model
    if tools := params.get("tools") or params.get("functions"):
        body["tools"] = annotated["tools"] = tools
    if (choice := params.get("tool_choice")) is not None:
        body["tool_choice"] = annotated["tool_choice"] = choice
    if settings:
        body.update(settings)
        annotated["params"] = settings
    return ModelRequest(body, annotated, model, metadata.get("ls_provider"))


def _first(keys: tuple[str, ...], mapping: Mapping[str, Any]) -> Any:
    for key in keys:
        if value := mapping.get(key):
            return value
    return None
