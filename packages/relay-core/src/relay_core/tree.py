"""Events as a tree of scopes that one can walk. Knows no framework and copes with incomplete files."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Final

from relay_core.events import Event, MarkEvent, ScopeEvent
from relay_core.json_values import as_mapping, is_array, is_mapping
from relay_core.vocabulary import Outcome

__all__ = ["Node", "Tree", "Usage", "build_tree", "linked"]

Usage = dict[str, int]
"""Token counts by name: ``prompt_tokens``, ``completion_tokens``, ``total_tokens``, ``cache_read_tokens``, ..."""

_LINK_KEYS: Final = ("thread_id", "checkpoint_ns", "checkpoint_id")


class Node:
    """One scope: its events, the scopes and marks in it, and what they say. What is decoded is decoded once.

    Times are microseconds since the epoch.
    """

    def __init__(self, event: ScopeEvent) -> None:
        """Stand for the scope of `event`; `build_tree` makes nodes."""
        self.uuid = event.uuid
        self.parent_uuid = event.parent_uuid
        """The parent's uuid; `parent` is None all the same if the parent is in no event."""
        self.root_uuid = event.root_uuid
        self.name = event.name
        self.category = event.category or "unknown"
        self.attributes = event.attributes
        self.start: ScopeEvent | None = None
        """The start event; None where the file begins later."""
        self.end: ScopeEvent | None = None
        """The end event; None while the scope is open, and where the file ends before it does."""
        self.parent: Node | None = None
        self.children: list[Node] = []
        """The scopes directly inside, in the order in which they started."""
        self.marks: list[MarkEvent] = []
        """The marks directly inside, in the order of time."""

    # Time and outcome -------------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether there is no end event."""
        return self.end is None

    @property
    def started_us(self) -> int | None:
        """When it started; None where the start is missing."""
        return None if self.start is None else self.start.timestamp_us

    @property
    def ended_us(self) -> int | None:
        """When it ended; None where the end is missing."""
        return None if self.end is None else self.end.timestamp_us

    @property
    def duration_us(self) -> int | None:
        """How long it took; None where one of the two events is missing."""
        if self.start is None or self.end is None:
            return None
        return self.end.timestamp_us - self.start.timestamp_us

    @cached_property
    def outcome(self) -> Outcome | None:
        """How it ended; None while it is open and where the end event does not say."""
        if self.end is None:
            return None
        status = {"OK": Outcome.OK, "ERROR": Outcome.ERROR}
        return self.end.outcome or status.get(self.metadata.get("otel.status_code", ""))

    @property
    def error(self) -> str | None:
        """The type and the text of what went wrong; None if the outcome is no error."""
        if self.outcome is not Outcome.ERROR:
            return None
        kind = self.metadata.get("exception.type") or self.metadata.get("error.type")
        text = self.metadata.get("otel.status_description")
        return ": ".join(str(part) for part in (kind, text) if part) or "error"

    # What the events say ----------------------------------------------------------------------------------------------

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """The end's metadata, which holds the start's; the start's alone while the scope is open."""
        event = self.end or self.start
        return (event and event.metadata) or {}

    @cached_property
    def profile(self) -> dict[str, Any]:
        """The category profiles of both events; the end's entries win."""
        profiles = [(event and event.category_profile) or {} for event in (self.start, self.end)]
        return profiles[0] | profiles[1]

    @property
    def input(self) -> Any:
        """The start event's data."""
        return self.start and self.start.data

    @property
    def output(self) -> Any:
        """The end event's data."""
        return self.end and self.end.data

    @property
    def model_name(self) -> str | None:
        """The model of an LLM scope."""
        return _text(self.profile.get("model_name"))

    @property
    def tool_call_id(self) -> str | None:
        """The id under which a model asked for this tool call."""
        return _text(self.profile.get("tool_call_id"))

    @cached_property
    def usage(self) -> Usage:
        """The tokens of this scope alone; empty where nobody counted."""
        usage = as_mapping(as_mapping(self.profile.get("annotated_response")).get("usage"))
        if not usage and self.category == "llm":
            usage = as_mapping(as_mapping(self.output).get("usage"))
        return {name: count for name, count in usage.items() if isinstance(count, int) and name.endswith("_tokens")}

    @property
    def total_usage(self) -> Usage:
        """The tokens of this scope and everything in it; where a scope with a count holds others, its own counts."""
        total: Usage = {}
        pending: list[Node] = [self]
        while pending:
            node = pending.pop()
            if not node.usage:
                pending += node.children
            for name, count in node.usage.items():
                total[name] = total.get(name, 0) + count
        return total

    @cached_property
    def links(self) -> frozenset[tuple[str, ...]]:
        """What joins this root to others: thread, namespace and checkpoint of each ``metadata["relay.link"]``."""
        found = [as_mapping(event and event.metadata).get("relay.link") for event in (self.start, self.end)]
        flat = [item for link in found for item in (link if is_array(link) else [link])]
        return frozenset(tuple(str(link.get(key) or "") for key in _LINK_KEYS) for link in flat if is_mapping(link))

    # Walking ----------------------------------------------------------------------------------------------------------

    def walk(self) -> Iterator["Node"]:
        """Yield this scope and everything in it, parents first, siblings in the order in which they started."""
        pending: list[Node] = [self]
        while pending:
            node = pending.pop()
            yield node
            pending += reversed(node.children)

    @property
    def path(self) -> list["Node"]:
        """The scopes from the root down to this one."""
        path: list[Node] = [self]
        while (parent := path[-1].parent) is not None:
            path.append(parent)
        return path[::-1]

    @property
    def depth(self) -> int:
        """How many scopes it is in; 0 for a root."""
        return len(self.path) - 1

    def overlaps(self, other: "Node") -> bool:
        """Whether the two were at work at the same time; never if an event is missing."""
        if self.start is None or self.end is None or other.start is None or other.end is None:
            return False
        begin = max(self.start.timestamp_us, other.start.timestamp_us)
        return begin < min(self.end.timestamp_us, other.end.timestamp_us)

    def __repr__(self) -> str:
        return f"<Node {self.category} {self.name!r} {self.uuid}>"


class Tree:
    """The scopes and marks of some events."""

    def __init__(self, nodes: Mapping[str, Node], roots: list[Node], marks: list[MarkEvent]) -> None:
        """Hold what `build_tree` found."""
        self.nodes = nodes
        """All scopes by uuid."""
        self.roots = roots
        """The scopes without a parent, and those whose parent is in no event, in the order in which they started."""
        self.marks = marks
        """The marks outside of any scope, and those whose scope is in no event, in the order of time."""

    def walk(self) -> Iterator[Node]:
        """Yield all scopes, root by root, parents first."""
        for root in self.roots:
            yield from root.walk()


def build_tree(events: Iterable[Event]) -> Tree:
    """Return the tree of `events`, which may come in any order and from several files.

    Total: scopes whose start, end or parent is missing have their place, too; the first of several equal events counts.
    """
    nodes: dict[str, Node] = {}
    marks: dict[str, MarkEvent] = {}
    for event in events:
        if isinstance(event, MarkEvent):
            marks.setdefault(event.uuid, event)
        elif isinstance(event, ScopeEvent):
            _take(nodes, event)
    outside: list[MarkEvent] = []
    for mark in sorted(marks.values(), key=_mark_time):
        node = nodes.get(mark.parent_uuid or "")
        (outside if node is None else node.marks).append(mark)
    return Tree(nodes, _attach(nodes), outside)


def linked(roots: Iterable[Node]) -> list[list[Node]]:
    """Group `roots` that share a link, as an interrupted run and its continuation do; the others stay alone.

    Groups, and the roots in them, are in the order in which they started.
    """
    groups: list[list[Node]] = []
    group_of: dict[tuple[str, ...], list[Node]] = {}
    for root in sorted(roots, key=_time):
        joined = {id(group): group for link in root.links if (group := group_of.get(link)) is not None}
        members = [node for group in joined.values() for node in group] + [root]
        groups = [group for group in groups if id(group) not in joined] if joined else groups
        groups.append(members)
        group_of.update((link, members) for node in members for link in node.links)
    for members in groups:
        members.sort(key=_time)
    return sorted(groups, key=lambda members: _time(members[0]))


def _take(nodes: dict[str, Node], event: ScopeEvent) -> None:
    node = nodes.get(event.uuid)
    if node is None:
        node = nodes[event.uuid] = Node(event)
    if event.scope_category == "start":
        node.start = node.start or event
    else:
        node.end = node.end or event


def _attach(nodes: dict[str, Node]) -> list[Node]:
    """Give every node its parent and its place among its siblings; return the roots."""
    ordered = sorted(nodes.values(), key=_time)
    for node in ordered:
        parent = nodes.get(node.parent_uuid or "")
        if parent is not None and not _is_above(node, parent):
            node.parent = parent
            parent.children.append(node)
    return [node for node in ordered if node.parent is None]


def _is_above(node: Node, other: Node | None) -> bool:
    """Whether `node` is `other` or contains it: a broken file may hold a cycle."""
    if not node.children and node is not other:
        return False
    while other is not None:
        if other is node:
            return True
        other = other.parent
    return False


def _time(node: Node) -> int:
    event = node.start or node.end
    return event.timestamp_us if event is not None else 0


def _mark_time(mark: MarkEvent) -> int:
    return mark.timestamp_us


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
