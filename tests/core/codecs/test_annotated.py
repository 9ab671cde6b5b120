"""The normalized views of requests and responses."""

from typing import Any

import pytest

from relay_core.codecs import AnnotatedLLMRequest, AnnotatedLLMResponse


def test_constructor_copies_its_containers() -> None:
    """A view made by hand does not share the lists and dicts it was made from."""
    messages: list[Any] = []
    params: dict[str, Any] = {}
    view = AnnotatedLLMRequest(messages, params=params, tools=(1, 2))
    view.messages.append(1)

    assert ([], {}, [1, 2]) == (messages, params, view.tools)


@pytest.mark.parametrize(
    ("messages", "instructions", "prompt"),
    [
        ([{"role": "system", "content": "a"}], None, "a"),
        ([{"role": "developer", "content": [{"type": "text", "text": "a"}, {"text": "b"}]}], None, "ab"),
        ([{"role": "system", "content": "a"}], "b", "b"),
        ([{"role": "user", "content": "a"}, 5], None, None),
    ],
)
def test_system_prompt(messages: list[Any], instructions: Any, prompt: str | None) -> None:
    """The system prompt is the provider's instructions, else the first system message."""
    assert prompt == AnnotatedLLMRequest(messages, instructions=instructions).system_prompt()


def test_last_user_message() -> None:
    """The last user message's text is found behind later messages of others."""
    messages = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}, {"role": "assistant"}]
    result = {"role": "user", "content": [{"type": "tool_result", "content": "c"}]}

    assert "b" == AnnotatedLLMRequest(messages).last_user_message()
    assert "b" == AnnotatedLLMRequest([*messages, result]).last_user_message()
    assert AnnotatedLLMRequest([]).last_user_message() is None


@pytest.mark.parametrize("message", [{"tool_calls": [{}]}, {"content": [{"type": "text"}, {"type": "tool_use"}]}])
def test_tool_calls_of_either_provider_are_seen(message: dict[str, Any]) -> None:
    """Tool calls are found as fields and as content blocks."""
    assert AnnotatedLLMRequest([{"role": "assistant", **message}]).has_tool_calls()
    assert not AnnotatedLLMRequest([{"role": "user", **message}]).has_tool_calls()


def test_only_what_is_set_is_recorded() -> None:
    """Unset fields do not get into an event; what is extra stands beside the others, and replaces none."""
    view = AnnotatedLLMRequest([], model="m", extra={"a": 1, "model": "no"})

    assert {"messages": [], "model": "m", "a": 1} == view.to_dict()
    assert {"message": "hi"} == AnnotatedLLMResponse(message="hi", extra={}).to_dict()
    assert {"message": "hi", "a": 1} == AnnotatedLLMResponse(message="hi", extra={"a": 1}).to_dict()


def test_what_was_recorded_can_be_read() -> None:
    """A view comes back from what was recorded of it."""
    request = AnnotatedLLMRequest([{"role": "user"}], model="m", params={"stop": "x"}, extra={"a": 1})
    response = AnnotatedLLMResponse(id="r", usage={"total_tokens": 1}, extra={"a": 1})

    assert request == AnnotatedLLMRequest.from_dict(request.to_dict())
    assert response == AnnotatedLLMResponse.from_dict(response.to_dict())
    assert [] == AnnotatedLLMRequest.from_dict({}).messages


def test_field_named_extra() -> None:
    """A provider's own field that is called `extra` comes back like any other that is not known."""
    request = AnnotatedLLMRequest([], extra={"extra": 5, "seed": 1})

    assert request == AnnotatedLLMRequest.from_dict(request.to_dict())


@pytest.mark.parametrize("kind", ["function_call", "custom_tool_call"])
def test_tool_calls_that_are_items(kind: str) -> None:
    """Tool calls are found where they are items of the conversation, beside the messages."""
    assert AnnotatedLLMRequest([{"type": kind, "name": "f"}]).has_tool_calls()
    assert not AnnotatedLLMRequest([{"type": f"{kind}_output"}]).has_tool_calls()


def test_response_text() -> None:
    """The text of a response is read from a string and from blocks."""
    assert "hi" == AnnotatedLLMResponse(message="hi").response_text()
    assert "hi" == AnnotatedLLMResponse(message=[{"type": "text", "text": "hi"}]).response_text()
    assert AnnotatedLLMResponse().response_text() is None
    assert not AnnotatedLLMResponse().has_tool_calls()
