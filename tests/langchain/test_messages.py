"""Messages become OpenAI chat messages."""

import enum
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

from relay_langchain.messages import chat_messages, message_projection


def project(message: BaseMessage) -> Any:
    """Project a message as the payload encoder does."""
    projection = message_projection(type(message))
    assert projection is not None
    return projection(message)


class Colour(enum.Enum):
    RED = "red"


class Shout(HumanMessage):
    """A message class of the application's own."""


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (HumanMessage("hi"), {"role": "user", "content": "hi"}),
        (Shout("HI"), {"role": "user", "content": "HI"}),
        (HumanMessage("hi", name="ann", id="m1"), {"role": "user", "content": "hi", "name": "ann", "id": "m1"}),
        (SystemMessage("be brief"), {"role": "system", "content": "be brief"}),
        (
            SystemMessage("be brief", additional_kwargs={"__openai_role__": "developer"}),
            {"role": "developer", "content": "be brief"},
        ),
        (AIMessage("yes"), {"role": "assistant", "content": "yes"}),
        (AIMessageChunk("ye"), {"role": "assistant", "content": "ye"}),
        (
            ToolMessage("3", tool_call_id="c1", name="add"),
            {"role": "tool", "content": "3", "name": "add", "tool_call_id": "c1"},
        ),
        (
            ToolMessage("no", tool_call_id="c1", status="error"),
            {"role": "tool", "content": "no", "tool_call_id": "c1", "status": "error"},
        ),
        (ChatMessage("x", role="critic"), {"role": "critic", "content": "x"}),
        (FunctionMessage("x", name="f"), {"role": "function", "content": "x", "name": "f"}),
        (RemoveMessage(id="m1"), {"role": "remove", "content": "", "id": "m1"}),
    ],
    ids=[
        "human",
        "own class",
        "name and id",
        "system",
        "developer",
        "ai",
        "chunk",
        "tool",
        "failed tool",
        "chat",
        "function",
        "remove",
    ],
)
def test_roles(message: BaseMessage, expected: dict[str, Any]) -> None:
    """Each kind of message, its subclasses too, gets the role and the fields that OpenAI's format has for it."""
    assert expected == project(message)


def test_tool_calls() -> None:
    """Tool calls carry their arguments as a JSON string, those that were not valid JSON as the model wrote them."""
    message = AIMessage(
        "",
        tool_calls=[{"name": "add", "args": {"a": 1, "b": [2]}, "id": "c1"}],
        invalid_tool_calls=[{"name": "sub", "args": "{oops", "id": "c2", "error": "bad"}],
    )

    assert [
        {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a":1,"b":[2]}'}},
        {"id": "c2", "type": "function", "function": {"name": "sub", "arguments": "{oops"}},
    ] == project(message)["tool_calls"]


def test_arguments_that_are_no_plain_json() -> None:
    """Arguments that JSON cannot hold are left to the payload encoder and lose nothing."""
    args = {"when": {1, 2}}

    (call,) = project(AIMessage("", tool_calls=[{"name": "f", "args": args, "id": "c"}]))["tool_calls"]

    assert args == call["function"]["arguments"]


def test_arguments_may_hold_an_enum() -> None:
    """A member of an enum among the arguments does not run while the native encoder walks them."""
    args = {"colour": Colour.RED, "n": 1}

    (call,) = project(AIMessage("", tool_calls=[{"name": "f", "args": args, "id": "c"}]))["tool_calls"]

    assert args == call["function"]["arguments"]


def test_messages_that_lack_fields() -> None:
    """What was made without validation, or by an older version, is recorded as far as it goes."""
    older = AIMessage("yes", id="m")
    for field in ("name", "tool_calls", "invalid_tool_calls"):
        del older.__dict__[field]

    assert [
        {"role": "user", "content": None},
        {"role": "assistant", "content": "yes", "id": "m"},
        {"role": "tool", "content": "3", "tool_call_id": None},
    ] == chat_messages([HumanMessage.model_construct(), older, ToolMessage.model_construct(content="3")])


def test_content_blocks_are_kept() -> None:
    """Multimodal content and reasoning blocks stay as they are."""
    blocks = [{"type": "reasoning", "reasoning": "hm"}, {"type": "image_url", "image_url": {"url": "data:x"}}]

    assert blocks == project(AIMessage(content=blocks))["content"]


def test_what_providers_put_beside_the_content() -> None:
    """Reasoning text, refusals and audio are recorded, other additional keys are not."""
    extras = {"reasoning_content": "hm", "refusal": "no", "audio": {"id": "a"}, "api_key": "sk", "x": 1}

    assert {
        "role": "assistant",
        "content": "",
        "refusal": "no",
        "reasoning_content": "hm",
        "audio": {"id": "a"},
    } == project(AIMessage("", additional_kwargs=extras))


def test_a_conversation() -> None:
    """A conversation is the list of its messages; what is no LangChain message stays as it is."""
    plain = {"role": "user", "content": "plain"}

    assert [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}, plain] == chat_messages(
        [HumanMessage("hi"), AIMessage("yes"), plain]
    )


def test_other_classes_are_not_messages() -> None:
    """A class that is no message has no projection."""
    assert message_projection(dict) is None
