"""Conversations are projected where LangChain and LangGraph put them."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompt_values import ChatPromptValue, StringPromptValue

from relay_core.payload import PayloadEncoder, PayloadLimits
from relay_langchain.payloads import plain_payload
from relay_langchain.projections import payload_encoder

HI, YES = HumanMessage("hi", id="h"), AIMessage("yes")
PLAIN_HI, PLAIN_YES = {"role": "user", "content": "hi", "id": "h"}, {"role": "assistant", "content": "yes"}


class Shout(HumanMessage):
    """A message class of the application's own."""


class Odd(dict[str, Any]):
    """A state of a class of its own."""


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (HI, PLAIN_HI),
        (ToolMessage("3", tool_call_id="c"), {"role": "tool", "content": "3", "tool_call_id": "c"}),
        ([HI, YES, "more"], [PLAIN_HI, PLAIN_YES, "more"]),
        (
            ChatPromptValue(messages=[SystemMessage("x"), HI]),
            {"messages": [{"role": "system", "content": "x"}, PLAIN_HI]},
        ),
        ({"messages": [HI, YES], "step": 1}, {"messages": [PLAIN_HI, PLAIN_YES], "step": 1}),
        ({"a": [HI], "b": [YES], "c": [], "d": [1]}, {"a": [PLAIN_HI], "b": [PLAIN_YES], "c": [], "d": [1]}),
    ],
    ids=["message", "tool message", "list", "prompt", "state", "states"],
)
def test_conversations_are_plain(payload: Any, expected: object) -> None:
    """A message, a list of them, a prompt and a state with lists of messages become plain data."""
    assert expected == plain_payload(payload)


@pytest.mark.parametrize(
    "payload",
    [
        None,
        "text",
        {"question": "why", "n": [1]},
        [],
        [1, HI],
        {"messages": (HI,), "nested": {"messages": [HI]}},
        Odd(messages=[HI]),
        StringPromptValue(text="x"),
        {"messages": [HI] * 10_001},
    ],
    ids=["none", "text", "dict", "empty", "other list", "other places", "own class", "text prompt", "too long"],
)
def test_everything_else_is_left_alone(payload: object) -> None:
    """What holds no conversation in one of these places is the same object as before."""
    assert plain_payload(payload) is payload


def test_the_application_keeps_its_own() -> None:
    """Neither the state nor its lists are changed."""
    conversation: list[BaseMessage] = [HI]
    state: dict[str, Any] = {"messages": conversation}

    assert {"messages": [PLAIN_HI]} == plain_payload(state)
    assert state["messages"] is conversation
    assert [HI] == conversation


def test_a_broken_message_is_left_to_the_encoder() -> None:
    """Where a message cannot be projected the payload stays as it is, and is recorded with the error in its place."""
    broken = AIMessage("")
    broken.__dict__["tool_calls"] = [3]
    state = {"messages": [HI, broken]}

    assert plain_payload(state) is state
    assert b'{"$error":"langchain_core.messages.ai.AIMessage"}' in PayloadEncoder(resolve=payload_encoder).encode(state)


@pytest.mark.parametrize(
    "payload",
    [
        {"messages": [HI, Shout("HI"), AIMessage([{"type": "text", "text": "x"}, "y"], id="1", name="n")]},
        {"messages": [AIMessage("", tool_calls=[{"name": "f", "args": {"a": [1]}, "id": "c"}])], "when": {1, 2}},
        [HI, {"role": "user", "content": HI}],
        ChatPromptValue(messages=[Shout("x")]),
        {"messages": [HumanMessage("\ud800"), HumanMessage([{1: 2}])], 3: 4},  # type: ignore[list-item]
    ],
    ids=["content", "tool calls", "mixed", "prompt", "no JSON"],
)
def test_the_record_is_the_same(payload: object) -> None:
    """The encoder records the same bytes with and without."""
    encoder = PayloadEncoder(resolve=payload_encoder)

    assert encoder.encode(payload) == encoder.encode(plain_payload(payload))


def test_what_is_cut_is_the_same() -> None:
    """A conversation beyond the payload's limit is cut to the same record."""
    encoder = PayloadEncoder(PayloadLimits(max_bytes=2_000), payload_encoder)
    conversation = [HumanMessage(f"{number} " + "x" * number) for number in range(100)]

    recorded = encoder.encode({"messages": conversation})
    assert recorded == encoder.encode(plain_payload({"messages": conversation}))
    assert b"$truncated" in recorded
