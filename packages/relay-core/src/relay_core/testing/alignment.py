"""Which expected scope is which recorded one: the pairing with the least to complain about, at a price."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from relay_core.testing.expect import AnyOrder, Item, Scope
from relay_core.testing.facts import misstated
from relay_core.tree import Node

__all__ = ["Aligner", "Alignment", "Pair"]

ALONE: Final = 4
"""The price of a scope that has no partner."""
OTHER_NAME: Final = 5
"""The price of another name: less than leaving both alone, so that a renamed scope shows as such."""
OTHER_CATEGORY: Final = 9
"""The price of another category: more than leaving both alone."""
INSIDE: Final = 3
"""What the scopes inside cost at the most: two scopes that are called alike stay a pair, whatever is in them."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An expected and a recorded scope; None where one of them has no partner."""

    expected: Scope | None
    """None for a scope that nobody expected, unless it is `skipped`."""
    node: Node | None
    """None for a scope that is missing."""
    skipped: bool = False
    """Whether the recorded scope is one of those that `...` stands for."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """Pairs in the order of the recorded scopes, and what they cost; nothing if everything fits."""

    cost: int
    """The sum of all prices."""
    first: Pair | None = None
    """The first pair; None where there is none."""
    rest: Alignment | None = None
    """The other pairs."""

    @property
    def pairs(self) -> Iterator[Pair]:
        """All pairs."""
        here: Alignment | None = self
        while here is not None and here.first is not None:
            yield here.first
            here = here.rest


class Aligner:
    """Finds alignments, and keeps what it has found: one comparison asks for the same pairs many times."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._costs: dict[tuple[int, int], int] = {}

    def align(self, items: Sequence[Item], nodes: Sequence[Node]) -> Alignment:
        """Return the cheapest alignment of expected scopes with the recorded ones beside each other.

        Args:
            items: What is expected, in order.
            nodes: What was recorded, in order.
        """
        fitting = self._fitting(items, nodes)
        best = self._cheapest(items[len(fitting) :], nodes[len(fitting) :])
        for pair in reversed(fitting):
            best = _add(best, 0, pair)
        return best

    def _fitting(self, items: Sequence[Item], nodes: Sequence[Node]) -> list[Pair]:
        """Return the pairs at the front that fit exactly: no alignment is cheaper for them, and mostly that is all."""
        fitting: list[Pair] = []
        for item, node in zip(items, nodes, strict=False):
            if not isinstance(item, Scope) or self.cost(item, node):
                break
            fitting.append(Pair(item, node))
        return fitting

    def _cheapest(self, items: Sequence[Item], nodes: Sequence[Node]) -> Alignment:
        # best[j]: the cheapest alignment of the items looked at so far, from the last one on, with nodes[j:].
        best = [Alignment(0)]
        for node in reversed(nodes):
            best.insert(0, _add(best[0], ALONE, Pair(None, node)))
        for item in reversed(items):
            best = self._before(item, nodes, best)
        return best[0]

    def cost(self, expected: Scope, node: Node) -> int:
        """Return what it costs to take `node` for `expected`; nothing if it is as expected in every respect."""
        key = id(expected), id(node)
        if key not in self._costs:
            cost = _head_cost(expected, node)
            if cost < OTHER_NAME:  # what is in a scope that is called otherwise says nothing
                cost += min(self.align(expected.inside, node.children).cost, INSIDE)
            self._costs[key] = cost
        return self._costs[key]

    def _before(self, item: Item, nodes: Sequence[Node], after: list[Alignment]) -> list[Alignment]:
        """Put `item` in front of what `after` aligns."""
        best: list[Alignment] = []
        for j in range(len(nodes), -1, -1):
            rest = nodes[j:]
            choices = [_add(best[0], 0 if item is ... else ALONE, Pair(None, rest[0], item is ...))] if best else []
            if isinstance(item, AnyOrder):
                most = min(len(item.members), len(rest))
                choices += [self._any_order(item.members, rest[:it], after[j + it]) for it in range(most + 1)]
            elif isinstance(item, Scope):
                choices.append(_add(after[j], ALONE, Pair(item, None)))
                if rest:
                    choices.append(_add(after[j + 1], self.cost(item, rest[0]), Pair(item, rest[0])))
            else:
                choices.append(after[j])
            best.insert(0, min(choices, key=_cost))
        return best

    def _any_order(self, members: Sequence[Scope], nodes: Sequence[Node], rest: Alignment) -> Alignment:
        """Align each of `members` with any of `nodes`, in front of `rest`."""
        partners = self._exact_partners(members, nodes)
        left = [member for index, member in enumerate(members) if index not in partners.values()]
        for index in range(len(nodes) - 1, -1, -1):
            node, member = nodes[index], None
            if index in partners:
                member = members[partners[index]]
            elif left and self.cost(nearest := min(left, key=lambda it: self.cost(it, node)), node) < 2 * ALONE:
                member = nearest
                left.remove(nearest)
            rest = _add(rest, ALONE if member is None else self.cost(member, node), Pair(member, node))
        for member in left:
            rest = _add(rest, ALONE, Pair(member, None))
        return rest

    def _exact_partners(self, members: Sequence[Scope], nodes: Sequence[Node]) -> dict[int, int]:
        """Match as many nodes as possible with members that they fit exactly (augmenting paths); by their indexes."""
        partners: dict[int, int] = {}

        def place(member: int, seen: set[int]) -> bool:
            for index, node in enumerate(nodes):
                if index not in seen and self.cost(members[member], node) == 0:
                    seen.add(index)
                    if index not in partners or place(partners[index], seen):
                        partners[index] = member
                        return True
            return False

        for member in range(len(members)):
            place(member, set())
        return partners


def _head_cost(expected: Scope, node: Node) -> int:
    if expected.category not in {None, node.category}:
        return OTHER_CATEGORY
    if expected.name is not None and expected.name != node.name:
        return OTHER_NAME
    return min(len(misstated(expected, node)), INSIDE)


def _add(rest: Alignment, cost: int, pair: Pair) -> Alignment:
    return Alignment(rest.cost + cost, pair, rest)


def _cost(alignment: Alignment) -> int:
    return alignment.cost
