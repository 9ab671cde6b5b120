"""The codec for OpenAI's responses API."""

from collections.abc import Mapping
from typing import Any, Final

from relay_core.codecs.annotated import AnnotatedLLMRequest, AnnotatedLLMResponse
from relay_core.codecs.mapping import Field, RequestMapping, hide_each, only
from relay_core.codecs.request import LLMRequest
from relay_core.codecs.response import json_view, token_counts, tool_arguments
from relay_core.json_values import as_mapping, is_array, is_mapping, is_object

__all__ = ["OpenAIResponsesCodec"]

_API: Final = "openai_responses"
_FINISH: Final = {"completed": "complete", "max_output_tokens": "length"}
_KNOWN: Final = ("id", "model", "output", "usage")
_SPECIFIC: Final = ("object", "created_at", "status", "incomplete_details", "error", "service_tier")
_FUNCTION: Final = ("name", "description", "parameters")
_CALLS: Final = {"function_call": "arguments", "custom_tool_call": "input"}


class OpenAIResponsesCodec:
    """Codec for ``/responses``. Stateless, total, and exact: what is not edited comes back as it was."""

    def decode(self, request: LLMRequest) -> AnnotatedLLMRequest:
        """Return the view of a responses request. Never raises: what does not fit is not shown.

        The items of ``input`` are the messages, in the provider's shape; a plain text is one of the user's.
        """
        return _REQUEST.view(request.content)

    def encode(self, annotated: AnnotatedLLMRequest, original: LLMRequest) -> LLMRequest:
        """Return `original` with the edits of `annotated`; `original` itself without edits."""
        return _REQUEST.merge(annotated, original)

    def decode_response(self, response: Any) -> AnnotatedLLMResponse:
        """Return the view of a response, given as a dict or as the SDK's object. Never raises."""
        body = json_view(response)
        output = body.get("output")
        items = [item for item in output if is_mapping(item)] if is_array(output) else []
        return AnnotatedLLMResponse(
            id=body.get("id"),
            model=body.get("model"),
            message=_text(items),
            tool_calls=_tool_calls(items),
            finish_reason=_finish_reason(body),
            usage=_usage(body.get("usage")),
            api_specific={"api": _API, **_specific(body, items)},
            extra={key: value for key, value in body.items() if key not in _KNOWN and key not in _SPECIFIC},
        )


def _show_input(value: Any) -> Any:
    return [{"role": "user", "content": value}] if isinstance(value, str) else value


def _show_tools(tools: Any) -> Any:
    return [_show_tool(tool) for tool in tools] if is_array(tools) else None


def _show_tool(tool: Any) -> Any:
    """Show a function as with every provider; the provider's own tools stay as they are."""
    if not is_object(tool) or tool.get("type") != "function" or "name" not in tool or "function" in tool:
        return tool
    rest = {key: value for key, value in tool.items() if key not in (*_FUNCTION, "type")}
    return {"type": "function", "function": {key: tool[key] for key in _FUNCTION if key in tool}, **rest}


def _hide_tool(tool: Any) -> Any:
    if not is_object(tool) or tool.get("type") != "function" or not is_object(tool.get("function")):
        return tool
    rest = {key: value for key, value in tool.items() if key not in ("type", "function")}
    return {"type": "function", **tool["function"], **rest}


def _show_choice(choice: Any) -> Any:
    if is_object(choice) and choice.keys() == {"type", "name"} and choice["type"] == "function":
        return {"type": "function", "function": {"name": choice["name"]}}
    return choice


def _hide_choice(choice: Any, _original: Any) -> Any:
    if is_object(choice) and choice.get("type") == "function" and is_object(choice.get("function")):
        return {"type": "function", "name": choice["function"].get("name")}
    return choice


_REQUEST: Final = RequestMapping(
    api=_API,
    fields=(
        Field("instructions", "instructions"),
        Field("model", "model", only(str)),
        Field("tools", "tools", _show_tools, hide_each(_show_tool, _hide_tool)),
        Field("tool_choice", "tool_choice", _show_choice, _hide_choice),
    ),
    params={
        "temperature": ("temperature",),
        "top_p": ("top_p",),
        "max_tokens": ("max_output_tokens",),
    },
    messages=Field("messages", "input", _show_input),
)


def _text(items: list[Mapping[str, Any]]) -> str | None:
    """Return the text of all messages of the output, or else why the model refused."""
    contents = [item.get("content") for item in items if item.get("type") == "message"]
    parts = [part for content in contents if is_array(content) for part in content if is_mapping(part)]
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
    refusals = [part["refusal"] for part in parts if isinstance(part.get("refusal"), str)]
    return "".join(texts or refusals) if texts or refusals else None


def _tool_calls(items: list[Mapping[str, Any]]) -> list[dict[str, Any]] | None:
    calls = [(item, _CALLS[kind]) for item in items if (kind := str(item.get("type"))) in _CALLS]
    found = [
        {"id": item.get("call_id"), "name": item.get("name"), "arguments": tool_arguments(item.get(key))}
        for item, key in calls
    ]
    return found or None


def _finish_reason(body: Mapping[str, Any]) -> str | None:
    """Return why the response is incomplete, or else its status."""
    reason = as_mapping(body.get("incomplete_details")).get("reason") or body.get("status")
    return _FINISH.get(reason, reason) if isinstance(reason, str) else None


def _specific(body: Mapping[str, Any], items: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what only this provider has; the items themselves where they are more than text and tool calls."""
    found = {key: body[key] for key in _SPECIFIC if body.get(key) is not None}
    if any(item.get("type") not in ("message", *_CALLS) for item in items):
        found["output_items"] = items
    return found


def _usage(usage: Any) -> dict[str, int] | None:
    if not is_mapping(usage):
        return None
    return token_counts(
        prompt_tokens=usage.get("input_tokens"),
        completion_tokens=usage.get("output_tokens"),
        total_tokens=usage.get("total_tokens"),
        cache_read_tokens=as_mapping(usage.get("input_tokens_details")).get("cached_tokens"),
        reasoning_tokens=as_mapping(usage.get("output_tokens_details")).get("reasoning_tokens"),
    )
