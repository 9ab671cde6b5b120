"""What a test expects of a run, written down as nested calls: `expect.agent("weather", expect.tool("lookup"))`.

What is not stated is not compared, with two exceptions: scopes must have ended well, and the scopes inside of a scope
are compared completely and in order. `...` stands for any number of scopes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Any, Final

__all__ = [
    "UNSTATED",
    "AnyOrder",
    "Category",
    "Item",
    "Scope",
    "agent",
    "any_order",
    "custom",
    "embedder",
    "evaluator",
    "function",
    "guardrail",
    "llm",
    "reranker",
    "retriever",
    "scope",
    "tool",
]


class _Unstated:
    def __repr__(self) -> str:
        return "UNSTATED"


UNSTATED: Final[Any] = _Unstated()
"""The default of what need not be stated."""


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """An expected scope. Made by the functions of this module; compare it with a run tree by `==`."""

    category: str | None
    """The wire value of its scope type; None for any."""
    name: object
    """What its name is equal to; None for any."""
    inside: tuple[Item, ...]
    """The scopes inside, in the order in which they start."""
    facts: Mapping[str, object]
    """What is stated about it, by the argument's name."""


@dataclass(frozen=True, slots=True, eq=False)
class AnyOrder:
    """Expected scopes that may start in any order. Made by `any_order`."""

    members: tuple[Scope, ...]
    """The scopes."""


Item = Scope | AnyOrder | EllipsisType
"""What may stand inside of an expected scope."""


class Category:
    """Makes expected scopes of one category: `expect.tool(...)`, `expect.llm(...)` and so on."""

    def __init__(self, wire: str | None) -> None:
        """Make scopes of the category `wire`; of any for None."""
        self._wire = wire

    def __call__(
        self,
        name: object = None,
        *inside: Item,
        input: object = UNSTATED,
        output: object = UNSTATED,
        outcome: str = UNSTATED,
        error: object = UNSTATED,
        model: object = UNSTATED,
        tool_call_id: object = UNSTATED,
        metadata: Mapping[str, object] = UNSTATED,
        marks: Sequence[str] = UNSTATED,
    ) -> Scope:
        """Expect a scope. Every value is compared by `==`, so that `unittest.mock.ANY` and the like may be in it.

        Args:
            name: Its name; None for any.
            inside: The scopes inside, all of them, in the order in which they start; `...` for any number of others.
            input: The start event's data, such as a tool's arguments.
            output: The end event's data.
            outcome: How it ended: ``ok`` unless stated, or ``error`` where `error` is stated; ``open`` for a scope that
                has not ended; `unittest.mock.ANY` for any.
            error: Type and text of the failure: ``"ValueError: no such city"``.
            model: The model's name of an LLM scope.
            tool_call_id: The id under which the model asked for this call.
            metadata: Entries that its metadata has, among others.
            marks: The names of the marks directly inside, in order.
        """
        stated = {
            "input": input,
            "output": output,
            "outcome": _stated_outcome(outcome, error),
            "error": error,
            "model": model,
            "tool_call_id": tool_call_id,
            "metadata": metadata,
            "marks": marks,
        }
        facts = {fact: value for fact, value in stated.items() if value is not UNSTATED}
        return Scope(self._wire, name, inside, facts)


def _stated_outcome(outcome: object, error: object) -> object:
    if outcome is not UNSTATED:
        return outcome
    return "ok" if error is UNSTATED or error is None else "error"


def any_order(*members: Scope) -> AnyOrder:
    """Expect scopes side by side that may start in any order, as parallel tool calls do."""
    return AnyOrder(members)


scope: Final = Category(None)
"""Expects a scope of any category."""
agent: Final = Category("agent")
custom: Final = Category("custom")
embedder: Final = Category("embedder")
evaluator: Final = Category("evaluator")
function: Final = Category("function")
guardrail: Final = Category("guardrail")
llm: Final = Category("llm")
reranker: Final = Category("reranker")
retriever: Final = Category("retriever")
tool: Final = Category("tool")
