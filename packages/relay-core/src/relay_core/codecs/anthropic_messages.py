"""The codec for Anthropic's messages API."""

from collections.abc import Mapping
from typing import Any, Final

from relay_core.codecs.annotated import AnnotatedLLMRequest, AnnotatedLLMResponse
from relay_core.codecs.mapping import Field, RequestMapping, hide_each, only
from relay_core.codecs.request import LLMRequest
from relay_core.codecs.response import json_view, token_counts, tool_arguments
from relay_core.json_values import as_mapping, is_array, is_mapping, is_object

__all__ = ["AnthropicMessagesCodec"]

_API: Final = "anthropic_messages"
_FINISH: Final = {"end_turn": "complete", "max_tokens": "length"}
_KNOWN: Final = ("id", "model", "content", "usage", "stop_reason")
_SPECIFIC: Final = ("type", "role", "stop_sequence", "container")
_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}


class AnthropicMessagesCodec:
    """Codec for ``/v1/messages``. Stateless, total, and exact: what is not edited comes back as it was."""

    def decode(self, request: LLMRequest) -> AnnotatedLLMRequest:
        """Return the view of a messages request. Never raises: what does not fit is not shown."""
        return _REQUEST.view(request.content)

    def encode(self, annotated: AnnotatedLLMRequest, original: LLMRequest) -> LLMRequest:
        """Return `original` with the edits of `annotated`; `original` itself without edits."""
        return _REQUEST.merge(annotated, original)

    def decode_response(self, response: Any) -> AnnotatedLLMResponse:
        """Return the view of a message, given as a dict or as the SDK's object. Never raises."""
        body = json_view(response)
        content, stop = body.get("content"), body.get("stop_reason")
        blocks = [b for b in content if is_mapping(b)] if is_array(content) else []
        return AnnotatedLLMResponse(
            id=body.get("id"),
            model=body.get("model"),
            message=content if isinstance(content, str) else _text(blocks),
            tool_calls=_tool_calls(blocks),
            finish_reason=_FINISH.get(stop, stop) if isinstance(stop, str) else None,
            usage=_usage(body.get("usage")),
            api_specific={"api": _API, **_specific(body, blocks)},
            extra={key: value for key, value in body.items() if key not in _KNOWN and key not in _SPECIFIC},
        )


def _show_tools(tools: Any) -> Any:
    return [_show_tool(tool) for tool in tools] if is_array(tools) else None


def _show_tool(tool: Any) -> Any:
    """Show a client tool as a function; the provider's own server tools have no schema and stay as they are."""
    if not is_object(tool) or "name" not in tool or "input_schema" not in tool:
        return tool
    function = {key: tool[key] for key in ("name", "description") if key in tool}
    rest = {key: value for key, value in tool.items() if key not in ("name", "description", "input_schema", "type")}
    return {"type": "function", "function": {**function, "parameters": tool["input_schema"]}, **rest}


def _hide_tool(tool: Any) -> Any:
    if not is_object(tool) or tool.get("type") != "function" or not is_object(tool.get("function")):
        return tool
    function = tool["function"]
    rest = {key: value for key, value in tool.items() if key not in ("type", "function")}
    schema = {"input_schema": function.get("parameters", {"type": "object"})}
    kept = {key: value for key, value in function.items() if key != "parameters"}
    return {**kept, **schema, **rest}


def _show_choice(choice: Any) -> Any:
    kind = choice.get("type") if is_object(choice) else None
    if kind == "tool" and "name" in choice:
        return {"type": "function", "function": {"name": choice["name"]}}
    return _CHOICES.get(kind, choice) if isinstance(kind, str) else choice


def _hide_choice(choice: Any, original: Any) -> Any:
    """Turn a choice back; ``disable_parallel_tool_use`` survives where it still means something."""
    words = {shown: word for word, shown in _CHOICES.items()}
    if isinstance(choice, str) and choice in words:
        raw = {"type": words[choice]}
    elif is_object(choice) and choice.get("type") == "function" and is_object(choice.get("function")):
        raw = {"type": "tool", "name": choice["function"].get("name")}
    else:
        return choice
    if raw["type"] == "none" or not is_object(original):
        return raw
    return {key: value for key, value in original.items() if key not in ("type", "name")} | raw


_REQUEST: Final = RequestMapping(
    api=_API,
    fields=(
        Field("instructions", "system"),
        Field("model", "model", only(str)),
        Field("tools", "tools", _show_tools, hide_each(_show_tool, _hide_tool)),
        Field("tool_choice", "tool_choice", _show_choice, _hide_choice),
    ),
    params={
        "temperature": ("temperature",),
        "top_p": ("top_p",),
        "top_k": ("top_k",),
        "max_tokens": ("max_tokens",),
        "stop": ("stop_sequences",),
    },
)


def _text(blocks: list[Mapping[str, Any]]) -> str | None:
    texts = [b["text"] for b in blocks if b.get("type") == "text" and isinstance(b.get("text"), str)]
    return "".join(texts) if texts else None


def _tool_calls(blocks: list[Mapping[str, Any]]) -> list[dict[str, Any]] | None:
    calls = [
        {"id": b.get("id"), "name": b.get("name"), "arguments": tool_arguments(b.get("input"))}
        for b in blocks
        if b.get("type") == "tool_use"
    ]
    return calls or None


def _specific(body: Mapping[str, Any], blocks: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what only this provider has; the blocks themselves where they are more than text and tool calls."""
    found = {key: body[key] for key in _SPECIFIC if body.get(key) is not None}
    if any(block.get("type") not in ("text", "tool_use") for block in blocks):
        found["content_blocks"] = blocks
    return found


def _usage(usage: Any) -> dict[str, int] | None:
    """Return the counts; unlike the provider's ``input_tokens``, the prompt's count includes cached tokens."""
    if not is_mapping(usage):
        return None
    cached = {
        "cache_read_tokens": usage.get("cache_read_input_tokens"),
        "cache_write_tokens": usage.get("cache_creation_input_tokens"),
    }
    fresh = usage.get("input_tokens")
    prompt = sum(c for c in (fresh, *cached.values()) if type(c) is int) if type(fresh) is int else None
    return token_counts(
        prompt_tokens=prompt,
        completion_tokens=usage.get("output_tokens"),
        reasoning_tokens=as_mapping(usage.get("output_tokens_details")).get("thinking_tokens"),
        uncached_input_tokens=fresh if "cache_read_input_tokens" in usage else None,
        **cached,
    )
