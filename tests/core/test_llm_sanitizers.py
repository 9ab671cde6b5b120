"""LLM sanitizers: requests and responses before they are recorded, and the normalized views that repeat them."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from tests.core.control.support import Recording

from relay_core.codecs import (
    AnnotatedLLMRequest,
    AnthropicMessagesCodec,
    LLMRequest,
    OpenAIChatCodec,
    OpenAIResponsesCodec,
)
from relay_core.events import ScopeEvent
from relay_core.llm_sanitizers import LlmSanitizeContext
from relay_core.vocabulary import ScopeType

SECRET = "4111-1111"
CONTENT = {"model": "m", "messages": [{"role": "user", "content": f"My card is {SECRET}."}]}
REQUEST = LLMRequest({"h": "1"}, CONTENT)
RESPONSE = {"model": "m", "choices": [{"message": {"content": f"Paid with {SECRET}."}}]}
HIDDEN = {"model": "m", "messages": []}
CODECS = {
    "openai_chat": OpenAIChatCodec(),
    "openai_responses": OpenAIResponsesCodec(),
    "anthropic_messages": AnthropicMessagesCodec(),
}


class Foreign(OpenAIChatCodec):
    """A codec that Relay does not know."""

    def decode(self, request: LLMRequest) -> AnnotatedLLMRequest:
        view = super().decode(request)
        view.api_specific = {"api": "foreign"}
        return view


@pytest.fixture
def recording() -> Iterator[Recording]:
    """A runtime of its own and everything it emits."""
    recording = Recording()
    yield recording
    recording.relay.shutdown(5.0)


def call(recording: Recording, codec: Any, response_codec: Any = None) -> list[ScopeEvent]:
    """Make one call and return its events."""
    recording.relay.llm.execute_sync("p", REQUEST, lambda _: RESPONSE, codec=codec, response_codec=response_codec)
    return [event for event in recording.events_now() if isinstance(event, ScopeEvent)]


@pytest.mark.parametrize("api", CODECS)
def test_view_follows_the_request(recording: Recording, api: str) -> None:
    """When a sanitizer changes the request, the recorded view is made anew from what it left."""

    def hide(request: LLMRequest, context: LlmSanitizeContext) -> LLMRequest:
        assert (("builtin", api), "p") == ((context.codec.kind, context.codec.id), context.event.name)
        assert context.resolve_codec() is not None
        return LLMRequest(request.headers, HIDDEN)

    recording.relay.guardrails.register_llm_sanitize_request("hide", 1, hide)
    start, end = call(recording, CODECS[api])

    assert {"headers": {"h": "1"}, "content": HIDDEN} == start.data
    assert CODECS[api].decode(LLMRequest({}, HIDDEN)).to_dict() == start.annotated_request
    assert SECRET not in start.to_json()
    assert SECRET in end.to_json()


def test_view_follows_the_response(recording: Recording) -> None:
    """When a sanitizer changes the response, the recorded view is made anew, too."""
    codec = OpenAIChatCodec()
    recording.relay.guardrails.register_llm_sanitize_response("hide", 1, lambda response: {"model": "m", "choices": []})
    _, end = call(recording, codec, codec)

    assert codec.decode_response({"model": "m", "choices": []}).to_dict() == end.annotated_response
    assert SECRET not in end.to_json()


def test_unchanged_payload_keeps_its_view(recording: Recording) -> None:
    """A sanitizer that changes nothing costs nothing."""
    recording.relay.guardrails.register_llm_sanitize_request("look", 1, lambda request: request)
    start, _ = call(recording, Foreign())

    assert "foreign" == start.annotated_request["api_specific"]["api"]


def test_view_of_an_unknown_codec_goes_with_the_change(recording: Recording) -> None:
    """Where the view cannot be made anew it is left out: it would still say what was hidden."""
    seen: list[Any] = []

    def hide(request: LLMRequest, context: LlmSanitizeContext) -> LLMRequest:
        seen.extend([context.codec.kind, context.resolve_codec()])
        return LLMRequest({}, HIDDEN)

    recording.relay.guardrails.register_llm_sanitize_request("hide", 1, hide)
    start, _ = call(recording, Foreign())

    assert ["opaque", None] == seen
    assert start.annotated_request is None
    assert SECRET not in start.to_json()


@pytest.mark.parametrize(
    "bad",
    [lambda request: CONTENT, lambda request: 1 / 0, lambda request: LLMRequest({}, {1, 2})],
    ids=["no request", "raises", "no JSON"],
)
def test_failing_sanitizer_clears_payload_and_view(recording: Recording, bad: Any) -> None:
    """A sanitizer that fails or returns no request leaves neither the payload nor its view."""
    codec = OpenAIChatCodec()
    recording.relay.guardrails.register_llm_sanitize_request("bad", 1, bad)
    recording.relay.guardrails.register_llm_sanitize_response("bad too", 1, lambda response: 1 / 0)
    start, end = call(recording, codec, codec)

    assert [(None, {}), (None, {})] == [(start.data, start.category_profile), (end.data, end.category_profile)]
    assert {"bad": 1, "bad too": 1} == recording.relay.statistics().failed


def test_none_means_null(recording: Recording) -> None:
    """A sanitizer that returns None leaves neither the request nor its view, and has not failed."""
    recording.relay.guardrails.register_llm_sanitize_request("drop", 1, lambda request: None)
    start, _ = call(recording, OpenAIChatCodec())

    assert (None, {}) == (start.data, start.category_profile)
    assert {} == recording.relay.statistics().failed


def test_view_without_payload_is_dropped(recording: Recording) -> None:
    """Where only a view was recorded, nobody has sanitized it: it is left out."""
    relay = recording.relay
    relay.guardrails.register_llm_sanitize_response("hide", 1, lambda response: response)
    relay.llm.call_end(relay.llm.call("p", REQUEST), None, annotated_response={"message": SECRET})

    assert SECRET not in recording.events_now()[1].to_json()


def test_other_models_are_sanitized_too(recording: Recording) -> None:
    """LLM scopes of a framework's handler have the payload without headers, and a schema that says how to read it."""
    scopes = recording.relay.scopes
    schema: Mapping[str, str] = {"name": "openai/chat-completions", "version": "1"}
    recording.relay.guardrails.register_llm_sanitize_request("hide", 1, lambda request: LLMRequest({}, HIDDEN))
    handle = scopes.start(
        "chat",
        ScopeType.Llm,
        input=CONTENT,
        data_schema=schema,
        category_profile={"model_name": "m", "annotated_request": {"messages": CONTENT["messages"]}},
    )
    scopes.end(handle)
    start = recording.events_now()[0]

    assert HIDDEN == start.data
    assert start.category_profile is not None
    assert ("m", []) == (start.category_profile["model_name"], start.category_profile["annotated_request"]["messages"])
    assert SECRET not in start.to_json()
