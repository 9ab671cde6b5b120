"""Which of LangGraph's exceptions are no errors: by type, so that no name or message can hide a real one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from relay_core.outcomes import type_name
from relay_core.vocabulary import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langgraph.types import Command, Interrupt

__all__ = ["command_of", "description", "goto_of", "interrupts_of", "is_timeout", "outcome_of"]

_MODULE: Final = "langgraph.errors"


def _errors() -> Any:
    return sys.modules.get(_MODULE)  # nobody can raise what nobody has imported


def outcome_of(error: BaseException) -> Outcome | None:
    """Return how a run ended that raised `error`; None where that is no control flow of LangGraph's."""
    errors = _errors()
    if errors is None or not isinstance(error, errors.GraphBubbleUp):
        return None
    if isinstance(error, errors.GraphInterrupt):
        return Outcome.INTERRUPTED
    if isinstance(error, errors.GraphDrained):
        return Outcome.DRAINED
    return Outcome.HANDED_OFF  # whatever bubbles up is for a parent graph to deal with


def description(error: BaseException, outcome: Outcome) -> str:
    """Return the status description of control flow: none of the payload that the exception carries."""
    if outcome is Outcome.DRAINED:
        return str(error)
    if names := goto_of(error):
        return f"handed off to {', '.join(names)}"
    return "interrupted" if outcome is Outcome.INTERRUPTED else f"handed off ({type_name(type(error))})"


def interrupts_of(error: BaseException) -> Sequence[Interrupt]:
    """Return what a `GraphInterrupt` asks."""
    asked: Any = error.args[0] if error.args else ()
    return asked if _is_sequence(asked) else ()


def command_of(error: BaseException) -> Command[Any] | None:
    """Return what a `ParentCommand` tells the parent graph; None for any other exception."""
    errors = _errors()
    if errors is None or not isinstance(error, errors.ParentCommand) or not error.args:
        return None
    command: Command[Any] = error.args[0]
    return command


def goto_of(error: BaseException) -> list[str]:
    """Return the names of the nodes to which a `ParentCommand` hands off; empty if it only updates the state."""
    goto: Any = getattr(command_of(error), "goto", None) or ()
    targets = goto if _is_sequence(goto) else (goto,)
    return [target if isinstance(target, str) else str(target.node) for target in targets]


def is_timeout(error: BaseException) -> bool:
    """Tell whether a node took longer than its policy allows."""
    errors = _errors()
    return errors is not None and isinstance(error, errors.NodeTimeoutError)


def _is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, list | tuple)
