"""LangGraph's exceptions that are no errors."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from langgraph.errors import (
    GraphBubbleUp,
    GraphDrained,
    GraphInterrupt,
    GraphRecursionError,
    InvalidUpdateError,
    NodeInterrupt,
    NodeTimeoutError,
    ParentCommand,
)
from langgraph.types import Command, Interrupt, Send

from relay_core.vocabulary import Outcome
from relay_langgraph import control_flow


class Escalation(GraphBubbleUp):
    """Bubbles up, as any application's own may."""


@pytest.mark.parametrize(
    ("error", "outcome", "description"),
    [
        (GraphInterrupt([Interrupt("private", id="i")]), "interrupted", "interrupted"),
        (ParentCommand(Command(goto="b", update={"x": "private"})), "handed_off", "handed off to b"),
        (ParentCommand(Command(goto=["b", Send("c", "private")])), "handed_off", "handed off to b, c"),
        (ParentCommand(Command(update="private")), "handed_off", "handed off (langgraph.errors.ParentCommand)"),
        (GraphDrained("deploy"), "drained", "Graph drained: deploy"),
        (GraphBubbleUp("private"), "handed_off", "handed off (langgraph.errors.GraphBubbleUp)"),
        (Escalation("private"), "handed_off", f"handed off ({__name__}.Escalation)"),
    ],
    ids=str,
)
def test_control_flow(error: BaseException, outcome: str, description: str) -> None:
    """Each has its outcome, and a description without anything of its payload."""
    actual = control_flow.outcome_of(error)

    assert outcome == actual
    assert actual is not None
    assert description == control_flow.description(error, actual)


def test_node_interrupt() -> None:
    """The deprecated way to interrupt is one, too."""
    with pytest.warns(DeprecationWarning, match="NodeInterrupt"):
        error = NodeInterrupt("sure?")

    assert Outcome.INTERRUPTED is control_flow.outcome_of(error)
    assert ["sure?"] == [interrupt.value for interrupt in control_flow.interrupts_of(error)]


@pytest.mark.parametrize("error", [ValueError(), GraphRecursionError(), InvalidUpdateError(), KeyboardInterrupt()])
def test_errors(error: BaseException) -> None:
    """Everything else is left to LangChain's own rules."""
    assert control_flow.outcome_of(error) is None
    assert [] == control_flow.goto_of(error)
    assert control_flow.command_of(error) is None


@pytest.mark.parametrize("arguments", [(), (None,), ("text",)])
def test_odd_arguments(arguments: tuple[Any, ...]) -> None:
    """Arguments that LangGraph would not pass do no harm."""
    interrupt = GraphInterrupt()
    interrupt.args = arguments
    parent = ParentCommand(Command())
    parent.args = arguments

    assert [] == list(control_flow.interrupts_of(interrupt))
    assert [] == control_flow.goto_of(parent)


def test_timeouts() -> None:
    """A node's timeout is told from Python's own."""
    assert control_flow.is_timeout(NodeTimeoutError("a", 1.0, kind="run", run_timeout=1.0))
    assert not control_flow.is_timeout(TimeoutError())


def test_nothing_is_imported() -> None:
    """Where LangGraph is not imported no exception can be its own; asking imports nothing."""
    code = (
        "import sys; from relay_langgraph import control_flow as c; e = ValueError();"
        "assert c.outcome_of(e) is c.command_of(e) is None and not c.is_timeout(e);"
        "sys.exit('langgraph' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
