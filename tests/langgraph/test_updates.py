"""What nodes tell their graph."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.types import Command, Send

from relay_core.payload import PayloadEncoder
from relay_langchain import projections as langchain_projections
from relay_langgraph import projections
from relay_langgraph.updates import command, send

HI = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (Command(), {}),
        (Command(update={"messages": [HumanMessage("hi")], "n": 1}), {"update": {"messages": [HI], "n": 1}}),
        (Command(update=[("n", 1)], goto=["a", "b"]), {"update": [("n", 1)], "goto": ["a", "b"]}),
        (Command(goto="a", graph=Command.PARENT), {"goto": "a", "graph": "__parent__"}),
        (Command(resume=False), {"resume": False}),
    ],
    ids=["nothing", "update", "updates and nodes", "parent", "resume"],
)
def test_commands(told: Command[Any], expected: object) -> None:
    """A command says the fields that are set, with messages in OpenAI's shape."""
    assert expected == command(told)


def test_sends() -> None:
    """A Send says the node and its input."""
    assert {"node": "a", "arg": {"messages": [HI]}} == send(Send("a", {"messages": [HumanMessage("hi")]}))


def test_lists_of_them() -> None:
    """What an agent's model node returns, a list of commands, is recorded like each of them, whatever else is in it."""

    def resolve(kind: type) -> Any:
        return projections.payload_encoder(kind) or langchain_projections.payload_encoder(kind)

    encoder = PayloadEncoder(resolve=resolve)
    answers: list[Any] = [Command(update={"messages": [AIMessage("yes")]}), AIMessage("no"), Command(goto=Send("a", 1))]
    expected = (
        b'[{"update":{"messages":[{"role":"assistant","content":"yes"}]}},{"role":"assistant","content":"no"},'
        b'{"goto":{"node":"a","arg":1}}]'
    )

    assert [expected, expected] == [encoder.encode(answers), encoder.encode(answers)]
