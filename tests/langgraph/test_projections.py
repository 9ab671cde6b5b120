"""LangGraph's own types, as they are recorded."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, Interrupt, Send
from tests.langchain.support import Recording
from tests.langgraph.support import EMPTY, asks, builder

from relay_langgraph.projections import payload_encoder


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Command(goto="a"), {"goto": "a"}),
        (
            Command(update={"x": 1}, goto=["a", Send("b", {"y": 2})]),
            {"update": {"x": 1}, "goto": ["a", {"node": "b", "arg": {"y": 2}}]},
        ),
        (Command(resume="yes"), {"resume": "yes"}),
        (Command(graph=Command.PARENT, goto="a"), {"goto": "a", "graph": "__parent__"}),
        (Command(), {}),
        (Send("a", [1]), {"node": "a", "arg": [1]}),
        (Interrupt("sure?", id="i1"), {"id": "i1", "value": "sure?"}),
    ],
    ids=str,
)
def test_values(recording: Recording, value: object, expected: object) -> None:
    """A command, a packet and an interrupt say what is set in them, nested in anything."""
    assert {"in": [expected]} == json.loads(recording.relay.encoder.encode({"in": [value]}))


def test_snapshot(recording: Recording) -> None:
    """A state snapshot has its values, what comes next, and its checkpoint, without the rest of the config."""
    graph = builder("a", "ask", ask=asks()).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t1", "api": object()}}
    graph.invoke(EMPTY, config)
    told = json.loads(recording.relay.encoder.encode([graph.get_state(config)]))[0]

    assert ({"seen": ["a"]}, ["ask"]) == (told["values"], told["next"])
    assert {"thread_id", "checkpoint_ns", "checkpoint_id"} == set(told["checkpoint"])
    assert "sure?" == told["interrupts"][0]["value"] == told["tasks"][0]["interrupts"][0]["value"]


def test_other_types() -> None:
    """Types of others are left to others."""
    assert [None, None] == [payload_encoder(kind) for kind in (object, Recording)]


def test_no_import() -> None:
    """Asking for a projection imports no framework."""
    code = (
        "import sys, relay_langgraph.projections as p; p.payload_encoder(int);"
        "sys.exit(any(name.startswith(('langgraph', 'langchain')) for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
