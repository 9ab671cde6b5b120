"""What the response codecs share: reading a response that may be an SDK's object, tool arguments, token counts."""

import json
from collections.abc import Mapping
from typing import Any

from relay_core.json_values import is_mapping

__all__ = ["json_view", "token_counts", "tool_arguments"]


def json_view(response: Any) -> Mapping[str, Any]:
    """Return a response as a mapping: itself, or what a pydantic object (of a provider's SDK) dumps; else empty."""
    if is_mapping(response):
        return response
    kind: type[Any] = response.__class__
    dump = getattr(kind, "model_dump", None)
    if dump is None:
        return {}
    dumped = dump(response, mode="json", exclude_unset=True, warnings=False)
    return dumped if is_mapping(dumped) else {}


def tool_arguments(arguments: Any) -> Any:
    """Return a tool call's arguments decoded if they are JSON in a string, else as they are."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments


def token_counts(**counts: Any) -> dict[str, int] | None:
    """Return the counts that are whole numbers, with the total and the uncached input added where they follow."""
    known = {name: count for name, count in counts.items() if type(count) is int}
    if not known:
        return None
    prompt, completion = known.get("prompt_tokens"), known.get("completion_tokens")
    if prompt is not None and completion is not None:
        known.setdefault("total_tokens", prompt + completion)
    if prompt is not None and "cache_read_tokens" in known:
        known.setdefault("uncached_input_tokens", prompt - known["cache_read_tokens"])
    return known
