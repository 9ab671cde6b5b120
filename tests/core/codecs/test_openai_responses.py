"""The codec for OpenAI's responses, held to the provider's own types."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter

from relay_core.codecs import AnnotatedLLMRequest, LlmCodec, LLMRequest, LlmResponseCodec, OpenAIResponsesCodec

CODEC = OpenAIResponsesCodec()

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
tools = st.fixed_dictionaries(
    {"type": st.sampled_from(["function", "web_search"])},
    optional={
        "name": anything,
        "description": anything,
        "parameters": anything,
        "strict": anything,
        "function": anything,
    },
)
choices = st.fixed_dictionaries(
    {"type": st.sampled_from(["function", "x"])}, optional={"name": anything, "y": anything}
)
known = st.fixed_dictionaries(
    {},
    optional={
        "input": st.text() | st.lists(anything, max_size=3) | anything,
        "instructions": anything,
        "tools": st.lists(tools | anything, max_size=3) | anything,
        "tool_choice": choices | anything,
        "max_output_tokens": anything,
        "messages": anything,
        "other": anything,
    },
)
requests = anything | known


def full_request() -> dict[str, Any]:
    """Return a request with something of everything."""
    return {
        "model": "gpt-6",
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "What is 2+2?"}]},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"a": 2}'},
            {"type": "function_call_output", "call_id": "c1", "output": "4"},
        ],
        "tools": [
            {
                "type": "function",
                "name": "add",
                "description": "adds",
                "parameters": {"type": "object"},
                "strict": True,
            },
            {"type": "web_search"},
        ],
        "tool_choice": {"type": "function", "name": "add"},
        "temperature": 0.5,
        "max_output_tokens": 100,
        "previous_response_id": "r0",
    }


def full_response() -> dict[str, Any]:
    """Return a response with something of everything."""
    return {
        "id": "r1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "gpt-6-2026",
        "output": [
            {"id": "rs_1", "type": "reasoning", "summary": []},
            {
                "id": "m1",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [
                    {"type": "output_text", "text": "Let me ", "annotations": []},
                    {"type": "output_text", "text": "see.", "annotations": []},
                ],
            },
            {"id": "f1", "type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"a": 2}'},
        ],
        "usage": {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": 15,
        },
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }


def edited(edit: Any, content: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the content after an intercept's edit of the view."""
    request = LLMRequest({}, content or full_request())
    view = CODEC.decode(request)
    edit(view)
    changed: dict[str, Any] = CODEC.encode(view, request).content
    return changed


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
    """An edit of the model changes the model and nothing else, input, tools and tool choice included."""
    request = LLMRequest({}, content)
    view = CODEC.decode(request)
    view.model = model

    expected = {**content, "model": model}
    assert repr(sorted(expected.items())) == repr(sorted(CODEC.encode(view, request).content.items()))


def test_request_is_normalized() -> None:
    """Messages, tools, tool choice and parameters have the same shape as with every provider."""
    view = CODEC.decode(LLMRequest({}, full_request()))

    assert full_request()["input"] == view.messages
    assert ("Be brief.", "What is 2+2?", True) == (
        view.system_prompt(),
        view.last_user_message(),
        view.has_tool_calls(),
    )
    assert {"temperature": 0.5, "max_tokens": 100} == view.params
    assert view.tools is not None
    assert {
        "type": "function",
        "function": {"name": "add", "description": "adds", "parameters": {"type": "object"}},
        "strict": True,
    } == view.tools[0]
    assert full_request()["tools"][1] == view.tools[1]
    assert {"type": "function", "function": {"name": "add"}} == view.tool_choice
    assert {"previous_response_id": "r0"} == view.extra


def test_text_input() -> None:
    """A plain text is a message of the user's; an edit makes a list of messages of it."""
    content = {"model": "gpt-6", "input": "hi"}

    assert [{"role": "user", "content": "hi"}] == CODEC.decode(LLMRequest({}, content)).messages
    changed = edited(lambda view: view.messages.append({"role": "user", "content": "Be brief."}), content)
    assert [{"role": "user", "content": "hi"}, {"role": "user", "content": "Be brief."}] == changed["input"]


@pytest.mark.parametrize(
    ("shown", "raw"),
    [
        ("required", "required"),
        ({"type": "function", "function": {"name": "sub"}}, {"type": "function", "name": "sub"}),
        ({"type": "web_search"}, {"type": "web_search"}),
    ],
)
def test_tool_choice_is_turned_back(shown: Any, raw: Any) -> None:
    """An edited tool choice has the provider's shape."""

    def choose(view: AnnotatedLLMRequest) -> None:
        view.tool_choice = shown

    assert raw == edited(choose)["tool_choice"]


def test_edited_requests_satisfy_the_provider() -> None:
    """What comes out of an edit is a valid request by the provider's own types, and the rest of it as it was."""

    def edit(view: AnnotatedLLMRequest) -> None:
        assert view.tools is not None
        view.messages.append({"role": "user", "content": "And 3+3?"})
        view.instructions = "Obey."
        view.params = {"max_tokens": 5}
        function = {"name": "sub", "parameters": {"type": "object"}, "strict": False}
        view.tools = [*view.tools, {"type": "function", "function": function}]
        view.tools[0]["function"]["description"] = "sums"

    content = edited(edit)

    TypeAdapter(ResponseCreateParamsNonStreaming).validate_python(content)
    assert {**full_request()["tools"][0], "description": "sums"} == content["tools"][0]
    assert full_request()["tools"][1] == content["tools"][1]
    assert ("sub", 5, "r0") == (
        content["tools"][2]["name"],
        content["max_output_tokens"],
        content["previous_response_id"],
    )


@settings(max_examples=60)
@given(requests)
def test_any_response_can_be_read(content: Any) -> None:
    """Reading a response never raises, and what it says can be recorded."""
    assert isinstance(CODEC.decode_response(content).to_dict(), dict)


@pytest.mark.parametrize("as_object", [False, True])
def test_response_is_normalized(as_object: bool) -> None:
    """A response is read alike as a dict and as the SDK's object."""
    raw: Any = Response.model_validate(full_response()) if as_object else full_response()

    view = CODEC.decode_response(raw)

    assert ("r1", "gpt-6-2026", "Let me see.") == (view.id, view.model, view.message)
    assert [{"id": "c1", "name": "add", "arguments": {"a": 2}}] == view.tool_calls
    assert "complete" == view.finish_reason
    assert {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "cache_read_tokens": 4,
        "reasoning_tokens": 2,
        "uncached_input_tokens": 6,
    } == view.usage
    assert view.api_specific is not None
    assert ("openai_responses", "completed") == (view.api_specific["api"], view.api_specific["status"])
    assert ["reasoning", "message", "function_call"] == [it["type"] for it in view.api_specific["output_items"]]


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"status": "failed", "incomplete_details": None}, "failed"),
        ({}, None),
    ],
)
def test_finish_reasons(response: dict[str, Any], reason: str | None) -> None:
    """Reasons have one vocabulary; unknown ones keep the provider's word."""
    assert reason == CODEC.decode_response(response).finish_reason


def test_refusal() -> None:
    """A refusal is the answer's text; a response without tool calls and other items shows none."""
    content = [{"type": "refusal", "refusal": "No."}]
    view = CODEC.decode_response({"output": [{"type": "message", "content": content}]})

    assert ("No.", None, {"api": "openai_responses"}) == (view.message, view.tool_calls, view.api_specific)


def test_custom_tools() -> None:
    """The input of a custom tool is its arguments, as text."""
    call = {"type": "custom_tool_call", "call_id": "c", "name": "sh", "input": "ls"}

    assert [{"id": "c", "name": "sh", "arguments": "ls"}] == CODEC.decode_response({"output": [call]}).tool_calls
