"""What can be stated about one scope, read from a recorded one, compared and put into words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from relay_core.json_values import is_array, is_mapping
from relay_core.testing.expect import Scope
from relay_core.tree import Node

__all__ = ["complaints", "describe", "describe_alone", "describe_expected", "misstated"]

_LENGTH: Final = 300


def _outcome(node: Node) -> str:
    if node.is_open:
        return "open"
    return "unknown" if node.outcome is None else node.outcome.wire


_READ: Final[Mapping[str, Callable[[Node], Any]]] = {
    "input": lambda node: node.input,
    "output": lambda node: node.output,
    "outcome": _outcome,
    "error": lambda node: node.error,
    "model": lambda node: node.model_name,
    "tool_call_id": lambda node: node.tool_call_id,
    "metadata": lambda node: node.metadata,
    "marks": lambda node: [mark.name for mark in node.marks],
}


def misstated(expected: Scope, node: Node) -> dict[str, tuple[object, object]]:
    """Return what `expected` states and `node` is not, by fact: the expected and the recorded value."""
    wrong: dict[str, tuple[object, object]] = {}
    if expected.category is not None and expected.category != node.category:
        wrong["category"] = (expected.category, node.category)
    if expected.name is not None and expected.name != node.name:
        wrong["name"] = (expected.name, node.name)
    for fact, value in expected.facts.items():
        recorded = _recorded(fact, value, node)
        if value != recorded:
            wrong[fact] = (value, recorded)
    return wrong


def complaints(expected: Scope, node: Node) -> Iterator[str]:
    """Yield a sentence for each difference, as deep inside of a value as it is."""
    for fact, (value, recorded) in misstated(expected, node).items():
        yield from _differences(fact, value, recorded)


def describe(node: Node, stated: Mapping[str, object] | None = None) -> str:
    """Return one line about a recorded scope: category, name, what is `stated`, and how it ended if not well."""
    facts = {fact: _recorded(fact, value, node) for fact, value in (stated or {}).items()}
    return _line(node.category, node.name, {**facts, "outcome": _outcome(node)})


def describe_alone(node: Node) -> str:
    """Return one line about a recorded scope that nothing is stated about; of a tool with what it was called with."""
    return describe(node, {"input": None} if node.category == "tool" and node.input is not None else None)


def describe_expected(expected: Scope) -> str:
    """Return one line about an expected scope, in the words of `describe`."""
    name = "*" if expected.name is None else expected.name
    return _line(expected.category or "scope", name, expected.facts)


def _recorded(fact: str, stated: object, node: Node) -> object:
    if fact == "metadata" and is_mapping(stated):
        return {key: node.metadata[key] for key in stated if key in node.metadata}
    return _READ[fact](node)


def _line(category: str, name: object, facts: Mapping[str, object]) -> str:
    told = {fact: value for fact, value in facts.items() if (fact, value) != ("outcome", "ok")}
    return " ".join([f"{category} {name}", *(f"{fact}={_shown(told[fact])}" for fact in sorted(told))])


def _differences(path: str, expected: object, recorded: object) -> Iterator[str]:
    if is_mapping(expected) and is_mapping(recorded):
        for key in [*expected, *(key for key in recorded if key not in expected)]:
            if key not in recorded:
                yield f"{path}.{key} is missing, expected {_shown(expected[key])}"
            elif key not in expected:
                yield f"{path}.{key} is {_shown(recorded[key])}, expected no such key"
            elif expected[key] != recorded[key]:
                yield from _differences(f"{path}.{key}", expected[key], recorded[key])
    elif is_array(expected) and is_array(recorded) and len(expected) == len(recorded):
        for index, (one, other) in enumerate(zip(expected, recorded, strict=True)):
            if one != other:
                yield from _differences(f"{path}[{index}]", one, other)
    else:
        yield f"{path} is {_shown(recorded)}, expected {_shown(expected)}"


def _shown(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= _LENGTH else f"{text[:_LENGTH]}... ({len(text)} characters)"
