"""Token usage: from what LangChain and its providers report to OpenAI's shape and to the normalized one."""

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["is_cached", "normalized_usage", "openai_usage"]

_COUNTS: Final = (
    ("prompt_tokens", ("input_tokens", "prompt_tokens")),
    ("completion_tokens", ("output_tokens", "completion_tokens")),
    ("total_tokens", ("total_tokens",)),
)
"""Wire name: LangChain's name (``usage_metadata``), then the provider's own (``llm_output["token_usage"]``)."""

_DETAILS: Final = (
    (
        "prompt_tokens_details",
        "input_token_details",
        {"cache_read": "cached_tokens", "cache_creation": "cache_write_tokens", "audio": "audio_tokens"},
    ),
    ("completion_tokens_details", "output_token_details", {"reasoning": "reasoning_tokens", "audio": "audio_tokens"}),
)
"""Wire name, LangChain's name, and the keys that OpenAI calls otherwise; every other key keeps its name."""

_FLAT_DETAILS: Final = (
    (
        "prompt_tokens_details",
        (
            ("cached_tokens", "cache_read_tokens"),
            ("cache_write_tokens", "cache_write_tokens"),
            ("audio_tokens", "prompt_audio_tokens"),
        ),
    ),
    (
        "completion_tokens_details",
        (("reasoning_tokens", "reasoning_tokens"), ("audio_tokens", "completion_audio_tokens")),
    ),
)
"""OpenAI's names of the details, and those of an annotated response."""


def openai_usage(reported: Mapping[str, Any]) -> dict[str, Any]:
    """Return the usage of one model call in the shape of an OpenAI completion.

    Args:
        reported: an AI message's ``usage_metadata``, or what a provider put into ``llm_output``.
    """
    usage: dict[str, Any] = {}
    for wire, names in _COUNTS:
        for name in names:
            if (count := reported.get(name)) is not None:
                usage[wire] = count
                break
    if "total_tokens" not in usage and len(usage) == len(_COUNTS) - 1:
        usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]
    for wire, name, keys in _DETAILS:
        details = reported.get(name)
        if details:
            usage[wire] = {keys.get(key, key): count for key, count in details.items()}
        elif details := reported.get(wire):
            usage[wire] = details
    return usage


def normalized_usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Return `usage`, which is in OpenAI's shape, flat and under the names of an annotated response."""
    flat = {wire: usage[wire] for wire, _ in _COUNTS if usage.get(wire) is not None}
    for wire, names in _FLAT_DETAILS:
        if details := usage.get(wire):
            for key, name in names:
                if (count := details.get(key)) is not None:
                    flat[name] = count
    return flat


def is_cached(reported: Mapping[str, Any] | None) -> bool:
    """Tell whether LangChain's cache gave this answer: it replays the stored usage and only sets its cost to zero."""
    return reported is not None and reported.get("total_cost") == 0
