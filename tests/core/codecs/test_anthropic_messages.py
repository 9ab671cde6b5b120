"""The codec for Anthropic's messages, held to the provider's own types."""

from typing import Any

import pytest
from anthropic.types import Message
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from relay_core.codecs import AnnotatedLLMRequest, AnthropicMessagesCodec, LlmCodec, LLMRequest, LlmResponseCodec

CODEC = AnthropicMessagesCodec()

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
tools = st.fixed_dictionaries(
    {"name": anything, "input_schema": anything},
    optional={"type": anything, "description": anything, "cache_control": anything, "function": anything},
)
choices = st.fixed_dictionaries(
    {"type": st.sampled_from(["auto", "any", "none", "tool", "x"])},
    optional={"name": anything, "disable_parallel_tool_use": anything},
)
known = st.fixed_dictionaries(
    {},
    optional={
        "messages": st.lists(anything, max_size=3),
        "system": anything,
        "tools": st.lists(tools | anything, max_size=3) | anything,
        "tool_choice": choices | anything,
        "max_tokens": anything,
        "stop_sequences": anything,
        "other": anything,
    },
)
requests = anything | known


def full_request() -> dict[str, Any]:
    """Return a request with something of everything."""
    return {
        "model": "claude-5",
        "max_tokens": 100,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": "What is 2+2?"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "add", "input": {"a": 2}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "4"}]},
        ],
        "tools": [
            {
                "type": "custom",
                "name": "add",
                "description": "adds",
                "input_schema": {"type": "object"},
                "cache_control": {"type": "ephemeral"},
            },
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
        ],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "temperature": 0.5,
        "stop_sequences": ["END"],
        "thinking": {"type": "disabled"},
    }


def full_response() -> dict[str, Any]:
    """Return a response with something of everything."""
    return {
        "id": "r1",
        "type": "message",
        "role": "assistant",
        "model": "claude-5-2026",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "Let me ", "citations": None},
            {"type": "text", "text": "see.", "citations": None},
            {"type": "tool_use", "id": "c1", "name": "add", "input": {"a": 2}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 10,
            "output_tokens": 12,
            "cache_read_input_tokens": 20,
            "cache_creation_input_tokens": 5,
            "output_tokens_details": {"thinking_tokens": 8},
        },
    }


def edited(edit: Any) -> dict[str, Any]:
    """Return the content after an intercept's edit of the view."""
    request = LLMRequest({}, full_request())
    view = CODEC.decode(request)
    edit(view)
    content: dict[str, Any] = CODEC.encode(view, request).content
    return content


def test_is_a_codec() -> None:
    """It has what the protocols ask for."""
    assert isinstance(CODEC, LlmCodec)
    assert isinstance(CODEC, LlmResponseCodec)


@settings(max_examples=60)
@given(requests)
def test_any_request_comes_back_exactly(content: Any) -> None:
    """Whatever JSON a request is, decoding and encoding it gives an equal content."""
    request = LLMRequest({}, content)

    assert repr(content) == repr(CODEC.encode(CODEC.decode(request), request).content)


@settings(max_examples=60)
@given(known, st.text())
def test_unknown_fields_survive_an_edit(content: dict[str, Any], model: str) -> None:
    """An edit of the model changes the model and nothing else, tools and tool choice included."""
    request = LLMRequest({}, content)
    view = CODEC.decode(request)
    view.model = model

    expected = {**content, "model": model}
    assert repr(sorted(expected.items())) == repr(sorted(CODEC.encode(view, request).content.items()))


def test_request_is_normalized() -> None:
    """Tools, tool choice and parameters have the same shape as with every provider."""
    view = CODEC.decode(LLMRequest({}, full_request()))

    assert full_request()["system"] == view.instructions
    assert "Be brief." == view.system_prompt()
    assert {"temperature": 0.5, "max_tokens": 100, "stop": ["END"]} == view.params
    assert view.tools is not None
    assert {
        "type": "function",
        "function": {"name": "add", "description": "adds", "parameters": {"type": "object"}},
        "cache_control": {"type": "ephemeral"},
    } == view.tools[0]
    assert full_request()["tools"][1] == view.tools[1]
    assert "required" == view.tool_choice
    assert {"thinking": {"type": "disabled"}} == view.extra


@pytest.mark.parametrize(
    ("shown", "raw"),
    [
        ("auto", {"type": "auto", "disable_parallel_tool_use": True}),
        ("none", {"type": "none"}),
        (
            {"type": "function", "function": {"name": "add"}},
            {"type": "tool", "name": "add", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_tool_choice_is_turned_back(shown: Any, raw: dict[str, Any]) -> None:
    """An edited tool choice has the provider's shape and keeps what still means something."""

    def choose(view: AnnotatedLLMRequest) -> None:
        view.tool_choice = shown

    assert raw == edited(choose)["tool_choice"]


def test_edit_of_the_tools_keeps_the_others_exactly() -> None:
    """Adding a tool leaves the other ones as they were, fields unknown to the view included."""

    def add(view: AnnotatedLLMRequest) -> None:
        assert view.tools is not None
        view.tools.append({"type": "function", "function": {"name": "sub", "parameters": {"type": "object"}}})

    assert [*full_request()["tools"], {"name": "sub", "input_schema": {"type": "object"}}] == edited(add)["tools"]


def test_edited_tool_keeps_what_the_view_shows() -> None:
    """An edited tool is turned back with everything that the view shows of it."""

    def describe(view: AnnotatedLLMRequest) -> None:
        assert view.tools is not None
        view.tools[0]["function"]["description"] = "sums"

    tool = edited(describe)["tools"][0]

    assert ("sums", {"type": "ephemeral"}) == (tool["description"], tool["cache_control"])


def test_edited_requests_satisfy_the_provider() -> None:
    """What comes out of an edit is a valid request by the provider's own types."""

    def edit(view: AnnotatedLLMRequest) -> None:
        assert view.tools is not None
        view.messages.append({"role": "user", "content": "And 3+3?"})
        view.instructions = "Obey."
        view.params = {"max_tokens": 5, "top_k": 3}
        view.tools.append({"type": "function", "function": {"name": "sub"}})
        view.tool_choice = {"type": "function", "function": {"name": "sub"}}

    TypeAdapter(MessageCreateParamsNonStreaming).validate_python(edited(edit))


@settings(max_examples=60)
@given(requests)
def test_any_response_can_be_read(content: Any) -> None:
    """Reading a response never raises, and what it says can be recorded."""
    assert isinstance(CODEC.decode_response(content).to_dict(), dict)


@pytest.mark.parametrize("as_object", [False, True])
def test_response_is_normalized(as_object: bool) -> None:
    """A response is read alike as a dict and as the SDK's object; the prompt's count includes cached tokens."""
    raw: Any = Message.model_validate(full_response()) if as_object else full_response()

    view = CODEC.decode_response(raw)

    assert ("r1", "claude-5-2026", "Let me see.") == (view.id, view.model, view.message)
    assert [{"id": "c1", "name": "add", "arguments": {"a": 2}}] == view.tool_calls
    assert "tool_use" == view.finish_reason
    assert {
        "prompt_tokens": 35,
        "completion_tokens": 12,
        "total_tokens": 47,
        "cache_read_tokens": 20,
        "cache_write_tokens": 5,
        "uncached_input_tokens": 10,
        "reasoning_tokens": 8,
    } == view.usage
    assert view.api_specific is not None
    assert full_response()["content"] == [
        {key: value for key, value in block.items() if key != "parsed_output"}
        for block in view.api_specific["content_blocks"]
    ]


@pytest.mark.parametrize(
    ("word", "reason"),
    [("end_turn", "complete"), ("max_tokens", "length"), ("refusal", "refusal"), ("pause_turn", "pause_turn")],
)
def test_finish_reasons(word: str, reason: str) -> None:
    """Stop reasons have one vocabulary; unknown ones keep the provider's word."""
    assert reason == CODEC.decode_response({"content": [], "stop_reason": word}).finish_reason
