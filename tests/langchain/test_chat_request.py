"""Requests to chat models as intercepts see them, and their edits back in LangChain's objects."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool

from relay_core.codecs import LLMRequest
from relay_langchain.chat_request import CODEC, ChatRequest


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


RAW_TOOL = {"type": "function", "function": {"name": "raw", "parameters": {}}}


def full_request() -> ChatRequest:
    """Return a request with something of everything."""
    call = {"name": "add", "args": {"a": 1, "b": 2}, "id": "c1"}
    messages = [
        SystemMessage("Be brief.", id="s"),
        HumanMessage("hi", id="h", additional_kwargs={"private": 1}),
        AIMessage("", id="a", tool_calls=[call], response_metadata={"kept": True}),
        ToolMessage("3", tool_call_id="c1", artifact=object()),
    ]
    return ChatRequest(messages, [add, RAW_TOOL], {"temperature": 0.5, "tool_choice": "auto", "odd": print}, "m-1")


def edited(edit: Any) -> tuple[ChatRequest, ChatRequest]:
    """Return a request before and after an intercept's edit of its content."""
    request = full_request()
    before = request.llm_request()
    content = CODEC.decode(before)
    edit(content)
    return request, request.edited(before, CODEC.encode(content, before))


def test_request_has_openais_shape() -> None:
    """The content is what OpenAI would get: messages, model, tools and options."""
    content = full_request().llm_request().content

    assert ["system", "user", "assistant", "tool"] == [message["role"] for message in content["messages"]]
    assert ("m-1", 0.5, "auto") == (content["model"], content["temperature"], content["tool_choice"])
    assert ["add", "raw"] == [definition["function"]["name"] for definition in content["tools"]]
    assert content["tools"][1] is not RAW_TOOL


def test_what_is_not_known_is_left_out() -> None:
    """A request without tools and without a model's name has no such keys."""
    assert {"messages"} == ChatRequest([HumanMessage("hi")], [], {}, None).llm_request().content.keys()


def test_unchanged_request_is_itself() -> None:
    """Without an edit, the request is the same object."""
    request = full_request()
    before = request.llm_request()

    assert request.edited(before, before) is request
    assert request.edited(before, LLMRequest({"h": "1"}, before.content)) is request


def test_only_the_edited_message_is_new() -> None:
    """An edited content gives a copy of that message with everything else it has; the others are the same objects."""

    def hide(view: Any) -> None:
        view.messages[1]["content"] = "hello"

    request, after = edited(hide)

    assert "hello" == after.messages[1].content
    assert ("h", {"private": 1}) == (after.messages[1].id, after.messages[1].additional_kwargs)
    assert "hi" == request.messages[1].content
    assert all(after.messages[i] is request.messages[i] for i in (0, 2, 3))
    assert after.tools is request.tools


def test_messages_may_move() -> None:
    """Messages are recognized when others were put before them or taken out."""

    def rearrange(view: Any) -> None:
        view.messages = [view.messages[0], {"role": "user", "content": "new"}, view.messages[1]]

    request, after = edited(rearrange)

    assert after.messages[0] is request.messages[0]
    assert after.messages[2] is request.messages[1]
    assert HumanMessage("new") == after.messages[1]


def test_new_message_of_any_role() -> None:
    """A message that was not there is read as OpenAI's format, or may be LangChain's own."""

    def append(view: Any) -> None:
        call = {"id": "c2", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
        view.messages += [
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c2", "content": "1"},
            HumanMessage("own"),
        ]

    _, after = edited(append)
    assistant, answer, own = after.messages[4:]

    assert isinstance(assistant, AIMessage)
    assert [{"name": "add", "args": {"a": 1}, "id": "c2", "type": "tool_call"}] == assistant.tool_calls
    assert ToolMessage("1", tool_call_id="c2") == answer
    assert HumanMessage("own") == own


def test_tools_may_be_taken_and_added() -> None:
    """A tool that stays is the same object; one that is added stays a definition."""

    def change(view: Any) -> None:
        view.tools = [{"type": "function", "function": {"name": "new", "parameters": {}}}, view.tools[0]]

    request, after = edited(change)

    assert "new" == after.tools[0]["function"]["name"]
    assert after.tools[1] is request.tools[0]


def test_no_tools_left() -> None:
    """All tools may be taken away."""

    def change(view: Any) -> None:
        view.tools = None

    assert [] == edited(change)[1].tools


def test_options_are_changed_added_and_removed() -> None:
    """Only what was changed changes; a new model's name becomes an option of the call."""

    def change(view: Any) -> None:
        view.params = {"top_p": 0.1}
        view.model = "m-2"

    _, after = edited(change)

    assert {"top_p": 0.1, "model": "m-2", "tool_choice": "auto", "odd": print} == after.options


@pytest.mark.parametrize("content", [None, [], {"messages": "hi"}, {"messages": [], "tools": "all"}])
def test_nonsense_is_refused(content: Any) -> None:
    """Content that cannot be asked is an error."""
    request = full_request()
    before = request.llm_request()

    with pytest.raises(TypeError, match="must stay a"):
        request.edited(before, LLMRequest({}, content))
