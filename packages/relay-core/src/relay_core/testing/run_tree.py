"""What a run did, as a tree to compare with what a test expects, and to look things up in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from relay_core.testing.differences import explain, fits, outline
from relay_core.testing.expect import AnyOrder, Item, Scope
from relay_core.tree import Node
from relay_core.wording import counted

__all__ = ["RunTree", "explain_comparison"]


class RunTree:
    """The scopes of a run. Compare it by `==` with an expected scope, or with a list of them for several roots.

    It is live: each look takes in what was emitted until then.
    """

    def __init__(self, load: Callable[[], Sequence[Node]]) -> None:
        """Not for tests: a recording makes it.

        Args:
            load: Returns the roots of this moment.
        """
        self._load = load

    @property
    def roots(self) -> list[Node]:
        """The topmost scopes, in the order in which they started."""
        return list(self._load())

    def walk(self) -> Iterator[Node]:
        """Yield all scopes, parents first, siblings in the order in which they started."""
        for root in self.roots:
            yield from root.walk()

    def find(self, *, name: str | None = None, category: str | None = None) -> list[Node]:
        """Return the scopes of this name, or of this category, or both, in the order of `walk`."""
        return [node for node in self.walk() if name in {None, node.name} and category in {None, node.category}]

    def names(self, category: str | None = None) -> list[str]:
        """Return the names of all scopes, or of those of one category, in the order of `walk`."""
        return [node.name for node in self.find(category=category)]

    def one(self, name: str | None = None, *, category: str | None = None) -> Node:
        """Return the only scope of this name or category.

        Raises:
            LookupError: There is none, or there are several; the message shows the whole run.
        """
        found = self.find(name=name, category=category)
        if len(found) != 1:
            wanted = " ".join(word for word in (category or "scope", name) if word)
            raise LookupError(f"{len(found) or 'no'} scopes like {wanted!r} in this run:\n{self}")
        return found[0]

    def only(self, *categories: str) -> RunTree:
        """Return the tree of the scopes of these categories alone; what is inside of the others moves up.

        A framework's chains and nodes go, and what the test is about stays: `relay_tree.only("agent", "llm", "tool")`.
        """
        return RunTree(lambda: [kept for root in self.roots for kept in _only(root, frozenset(categories))])

    def __eq__(self, other: object) -> bool:
        items = _items(other)
        if items is None:
            return self is other if isinstance(other, RunTree) else NotImplemented
        return fits(items, self.roots)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        """The whole run, one line per scope and mark."""
        return "\n".join(outline(self.roots))

    def __repr__(self) -> str:
        return f"<run of {counted(sum(1 for _ in self.walk()), 'scope')}>"


def explain_comparison(left: object, right: object) -> list[str] | None:
    """Return how a run tree and what was expected differ, line by line; None if this is no such comparison."""
    tree, other = (left, right) if isinstance(left, RunTree) else (right, left)
    items = _items(other)
    if not isinstance(tree, RunTree) or items is None:
        return None
    return ["the run is not as expected", *explain(items, tree.roots)]


def _items(expected: object) -> Sequence[Item] | None:
    """Return what is expected as a list; None for something else."""
    if isinstance(expected, Scope | AnyOrder):
        return [expected]
    if isinstance(expected, list | tuple) and all(isinstance(it, Item) for it in expected):  # pyright: ignore[reportUnknownVariableType]
        return expected  # pyright: ignore[reportUnknownVariableType]
    return None


def _only(node: Node, categories: frozenset[str], parent: Node | None = None) -> list[Node]:
    """Return `node` as a copy with what is left inside of it; or what is left inside, if it goes itself."""
    event = node.start or node.end
    if node.category not in categories or event is None:
        return [kept for child in node.children for kept in _only(child, categories, parent)]
    copy = Node(event)
    copy.start, copy.end, copy.marks, copy.parent = node.start, node.end, node.marks, parent
    copy.children = [kept for child in node.children for kept in _only(child, categories, copy)]
    return [copy]
