"""How a run differs from what was expected, in lines that a person can read: what is wrong, then both sides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from relay_core.testing.alignment import Aligner, Pair
from relay_core.testing.expect import AnyOrder, Item
from relay_core.testing.facts import complaints, describe, describe_alone, describe_expected
from relay_core.tree import Node

__all__ = ["explain", "fits", "outline"]

_INDENT = "  "


def fits(items: Sequence[Item], nodes: Sequence[Node]) -> bool:
    """Say whether the recorded scopes are what is expected, with everything in them."""
    return Aligner().align(items, nodes).cost == 0


def explain(items: Sequence[Item], nodes: Sequence[Node]) -> list[str]:
    """Return the lines of the comparison: one for each difference, then the tree with `-` expected and `+` recorded."""
    aligner = Aligner()
    pairs = list(aligner.align(items, nodes).pairs)
    wrong = list(_problems(aligner, pairs, ""))
    return [*wrong, "", "- expected, + recorded:", *_diff(aligner, pairs, "")]


def outline(nodes: Sequence[Node], indent: str = "") -> Iterator[str]:
    """Yield one line per scope and mark, indented by depth."""
    for node in nodes:
        yield f"{indent}{describe_alone(node)}"
        for mark in node.marks:
            yield f"{indent}{_INDENT}* {mark.name}"
        yield from outline(node.children, indent + _INDENT)


def _problems(aligner: Aligner, pairs: Iterable[Pair], path: str) -> Iterator[str]:
    for pair in pairs:
        expected, node = pair.expected, pair.node
        if expected is None or node is None:
            if node is not None and not pair.skipped:
                yield f"{path}{describe_alone(node)}: nobody expected it"
            elif expected is not None:
                yield f"{path}{describe_expected(expected)}: missing"
            continue
        here = f"{path}{node.category} {node.name}"
        for complaint in complaints(expected, node):
            yield f"{here}: {complaint}"
        yield from _problems(aligner, aligner.align(expected.inside, node.children).pairs, f"{here} > ")


def _diff(aligner: Aligner, pairs: Iterable[Pair], indent: str) -> Iterator[str]:
    skipped = 0
    for pair in [*pairs, Pair(None, None)]:
        if pair.skipped:
            skipped += 1
            continue
        if skipped:
            yield f"  {indent}... ({skipped})"
            skipped = 0
        yield from _diff_pair(aligner, pair, indent)


def _diff_pair(aligner: Aligner, pair: Pair, indent: str) -> Iterator[str]:
    expected, node = pair.expected, pair.node
    if expected is not None and node is not None:
        if any(complaints(expected, node)):
            yield f"- {indent}{describe_expected(expected)}"
            yield f"+ {indent}{describe(node, expected.facts)}"
        else:
            yield f"  {indent}{describe(node, expected.facts)}"
        yield from _diff(aligner, aligner.align(expected.inside, node.children).pairs, indent + _INDENT)
    elif expected is not None:
        yield from (f"- {line}" for line in _outline_expected([expected], indent))
    elif node is not None:
        yield from (f"+ {line}" for line in outline([node], indent))


def _outline_expected(items: Sequence[Item], indent: str) -> Iterator[str]:
    for item in items:
        if isinstance(item, AnyOrder):
            yield f"{indent}in any order:"
            yield from _outline_expected(item.members, indent + _INDENT)
        elif item is ...:
            yield f"{indent}..."
        else:
            yield f"{indent}{describe_expected(item)}"
            yield from _outline_expected(item.inside, indent + _INDENT)
