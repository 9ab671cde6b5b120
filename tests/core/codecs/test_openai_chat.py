"""The codec for OpenAI chat completions, held to the provider's own types."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import TypeAdapter

from relay_core.codecs import AnnotatedLLMRequest, LlmCodec, LLMRequest, LlmResponseCodec, OpenAIChatCodec

CODEC = OpenAIChatCodec()

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
keys = st.sampled_from(
    ["messages", "model", "tools", "tool_choice", "temperature", "top_p", "max_tokens", "max_completion_tokens", "stop"]
)
requests = anything | st.dictionaries(keys | st.text(max_size=8), anything)


def full_request() -> dict[str, Any]:
    """Return a request with something of everything."""
    return {
        "model": "gpt-5",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "What is 2+2?"}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "4"},
        ],
        "tools": [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}, "strict": True}}],
        "tool_choice": "auto",
        "temperature": 0.5,
        "max_completion_tokens": 100,
        "stop": ["END"],
        "seed": 7,
        "metadata": {"team": "a"},
    }


def full_response() -> dict[str, Any]:
    """Return a response with something of everything."""
    return {
        "id": "r1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-5-2026",
        "system_fingerprint": "fp",
        "choices": [
            {
                "index": 0,
                "finish_reason": "tool_calls",
                "logprobs": None,
                "message": {
                    "role": "assistant",
                    "content": None,
                    "refusal": None,
                    "tool_calls": [
                        {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}
                    ],
                },
            }
        ],
        "usage": {
            "prompt_tokens": 30,
            "completion_tokens": 12,
            "total_tokens": 42,
            "prompt_tokens_details": {"cached_tokens": 20},
            "completion_tokens_details": {"reasoning_tokens": 8},
        },
    }


def edited(edit: Any, content: Any = None) -> Any:
    """Return the content after an intercept's edit of the view."""
    request = LLMRequest({"h": "1"}, full_request() if content is None else content)
    view = CODEC.decode(request)
    edit(view)
    return CODEC.encode(view, request).content


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
@given(requests, st.text())
def test_unknown_fields_survive_an_edit(content: Any, model: str) -> None:
    """An edit of the model changes the model and nothing else."""
    request = LLMRequest({}, content)
    view = CODEC.decode(request)
    view.model = model

    others = {key: value for key, value in content.items() if key != "model"} if isinstance(content, dict) else {}
    assert repr(sorted({**others, "model": model}.items())) == repr(sorted(CODEC.encode(view, request).content.items()))


@settings(max_examples=60)
@given(requests)
def test_view_shows_what_was_written(content: Any) -> None:
    """After an edit, decoding the new request shows the edited view."""
    request = LLMRequest({}, content)
    view = CODEC.decode(request)
    view.messages = [{"role": "user", "content": "new"}]
    view.params = {"temperature": 0.25, "stop": "x"}

    again = CODEC.decode(CODEC.encode(view, request))

    assert (view.messages, view.params) == (again.messages, again.params)


def test_request_is_normalized() -> None:
    """The view has messages, model, tools, tool choice and parameters; the rest is extra."""
    view = CODEC.decode(LLMRequest({}, full_request()))

    assert full_request()["messages"] == view.messages
    assert "gpt-5" == view.model
    assert {"temperature": 0.5, "max_tokens": 100, "stop": ["END"]} == view.params
    assert full_request()["tools"] == view.tools
    assert "auto" == view.tool_choice
    assert {"seed": 7, "metadata": {"team": "a"}} == view.extra
    assert {"api": "openai_chat"} == view.api_specific


def test_view_is_detached() -> None:
    """Editing the view in place changes the encoded request and not the original."""
    request = LLMRequest({}, full_request())
    view = CODEC.decode(request)
    view.messages[0]["content"] = "Be verbose."

    assert "Be verbose." == CODEC.encode(view, request).content["messages"][0]["content"]
    assert full_request() == request.content


def test_key_order_and_headers_stay() -> None:
    """An edited request has its headers and the order of its keys."""
    request = LLMRequest({"h": "1"}, full_request())
    view = CODEC.decode(request)
    view.model = "other"
    new = CODEC.encode(view, request)

    assert {"h": "1"} == new.headers
    assert list(full_request()) == list(new.content)


def test_max_tokens_go_where_they_were() -> None:
    """The limit is written under the key that the request has, and under today's name where it has none."""

    def limit(view: AnnotatedLLMRequest) -> None:
        view.params = {"max_tokens": 5}

    assert {"max_tokens": 5} == edited(limit, {"max_tokens": 9})
    assert {"max_completion_tokens": 5} == edited(limit, {"max_completion_tokens": 9})
    assert {"max_completion_tokens": 5} == edited(limit, {})
    assert {"max_completion_tokens": 5} == edited(limit, {"max_tokens": 9, "max_completion_tokens": 8})


def test_what_is_removed_from_the_view_is_removed() -> None:
    """None removes a field, a missing parameter removes its key; `extra=None` leaves all other fields alone."""

    def strip(view: AnnotatedLLMRequest) -> None:
        view.tools = view.tool_choice = view.extra = None
        view.params = {"stop": ["END"]}

    expected = {key: full_request()[key] for key in ("model", "messages", "stop", "seed", "metadata")}
    assert expected == edited(strip)


def test_extra_fields_can_be_edited() -> None:
    """Fields that the view does not model are edited in `extra`; further `api_specific` keys are added."""

    def edit(view: AnnotatedLLMRequest) -> None:
        assert view.extra is not None
        assert view.api_specific is not None
        view.extra["seed"] = 8
        del view.extra["metadata"]
        view.api_specific["service_tier"] = "flex"

    new = edited(edit)

    assert 8 == new["seed"]
    assert "metadata" not in new
    assert "flex" == new["service_tier"]


def test_instructions_become_a_system_message() -> None:
    """Where the provider has no instructions of its own, they go in front of the messages."""

    def instruct(view: AnnotatedLLMRequest) -> None:
        view.instructions = "Obey."

    new = edited(instruct)

    assert [{"role": "system", "content": "Obey."}, *full_request()["messages"]] == new["messages"]
    assert "gpt-5" == new["model"]


def test_edited_requests_satisfy_the_provider() -> None:
    """What comes out of an edit is a valid request by the provider's own types."""

    def edit(view: AnnotatedLLMRequest) -> None:
        view.messages.append({"role": "user", "content": "And 3+3?"})
        view.params = {"max_tokens": 5, "stop": "x"}
        view.tool_choice = {"type": "function", "function": {"name": "add"}}

    TypeAdapter(CompletionCreateParamsNonStreaming).validate_python(edited(edit))


@settings(max_examples=60)
@given(requests)
def test_any_response_can_be_read(content: Any) -> None:
    """Reading a response never raises, and what it says can be recorded."""
    assert isinstance(CODEC.decode_response(content).to_dict(), dict)


@pytest.mark.parametrize("as_object", [False, True])
def test_response_is_normalized(as_object: bool) -> None:
    """A response is read alike as a dict and as the SDK's object, cached and reasoning tokens included."""
    raw: Any = ChatCompletion.model_validate(full_response()) if as_object else full_response()

    view = CODEC.decode_response(raw)

    assert ("r1", "gpt-5-2026", None) == (view.id, view.model, view.message)
    assert [{"id": "c1", "name": "add", "arguments": {"a": 2}}] == view.tool_calls
    assert "tool_use" == view.finish_reason
    assert {
        "prompt_tokens": 30,
        "completion_tokens": 12,
        "total_tokens": 42,
        "cache_read_tokens": 20,
        "uncached_input_tokens": 10,
        "reasoning_tokens": 8,
    } == view.usage
    assert view.has_tool_calls()


@pytest.mark.parametrize(
    ("word", "reason"), [("stop", "complete"), ("length", "length"), ("content_filter", "content_filter"), (None, None)]
)
def test_finish_reasons(word: str | None, reason: str | None) -> None:
    """Finish reasons have one vocabulary; unknown ones keep the provider's word."""
    response = {"choices": [{"finish_reason": word, "message": {"content": "hi"}}]}
    view = CODEC.decode_response(response)

    assert (reason, "hi") == (view.finish_reason, view.response_text())


def test_refusals_and_old_function_calls_are_read() -> None:
    """A refusal is the message where there is no other; a function call of the old kind is a tool call."""
    message = {"content": None, "refusal": "No.", "function_call": {"name": "f", "arguments": "not json"}}
    view = CODEC.decode_response({"choices": [{"message": message, "finish_reason": "function_call"}]})

    assert "No." == view.message
    assert [{"id": None, "name": "f", "arguments": "not json"}] == view.tool_calls
