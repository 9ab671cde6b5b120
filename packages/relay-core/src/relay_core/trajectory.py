"""A trajectory: everything that one root did, as events in order and as a tree. What `relay_trajectory` gets."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from functools import cached_property

from relay_core.events import Event, MarkEvent, ScopeEvent
from relay_core.tree import Node, Tree, Usage, build_tree
from relay_core.vocabulary import Outcome
from relay_core.wording import counted

__all__ = ["Cut", "Trajectory"]


class Cut(enum.StrEnum):
    """Why a trajectory is not the whole story of its root. The first four are named after the setting."""

    MAX_EVENTS = "max_events"
    """It has more events than are kept."""
    MAX_BYTES = "max_bytes"
    """Its payloads are larger than what is kept."""
    MAX_TOTAL_BYTES = "max_total_bytes"
    """All open roots together were larger than what is kept, and this one was the oldest: it was still at work."""
    MAX_AGE = "max_age"
    """It has not closed in time: it was still at work, or nobody will ever end it."""
    DROPPED = "events_dropped"
    """The queue was full meanwhile: events are missing that may have been its own."""
    BEGINNING = "began_earlier"
    """It had begun before any plugin wanted trajectories."""
    EXIT = "exit"
    """The process ended first."""


class Trajectory:
    """Events of one root, in the order in which they were emitted, and the tree that they make.

    Each plugin gets a trajectory of its own; the events are shared and immutable.
    """

    def __init__(self, events: Iterable[Event], *, part: int = 1, cuts: Iterable[Cut] = (), left_out: int = 0) -> None:
        """Hold `events`; Relay makes trajectories, and so do tests of plugins.

        Args:
            events: At least one; all of one root.
            part: 1 for the first one of a root, more for what came after that.
            cuts: Why it is not whole.
            left_out: How many events were counted, not kept.

        Raises:
            ValueError: There is no event.
        """
        self.events: tuple[ScopeEvent | MarkEvent, ...] = tuple(_known(events))
        """The events in the order of emission; where a limit has cut, the last ones are ends without payload."""
        if not self.events:
            raise ValueError("a trajectory needs at least one event")
        self.part = part
        """1 for the first trajectory of a root; a follow-up, with what came after the one before, has 2, then 3, ..."""
        self.cuts: tuple[Cut, ...] = tuple(cuts)
        """Why this is not the whole story of its root; empty where it is, or where it is a follow-up in full."""
        self.left_out = left_out
        """How many events were counted, not kept, because of `max_events` or `max_bytes`."""

    @property
    def root_uuid(self) -> str | None:
        """The uuid of the root, which groups everything that one request did."""
        return self.events[0].root_uuid

    @property
    def is_truncated(self) -> bool:
        """Whether anything is missing; `cuts` says why."""
        return bool(self.cuts)

    @property
    def is_closed(self) -> bool:
        """Whether every scope that started in these events has ended in them."""
        return all(node.end is not None for node in self.walk())

    # The tree ---------------------------------------------------------------------------------------------------------

    @cached_property
    def tree(self) -> Tree:
        """The scopes and marks, built when it is first asked for."""
        return build_tree(self.events)

    @property
    def root(self) -> Node | None:
        """The root; None in a follow-up without it, and where the root is in another process."""
        return self.tree.nodes.get(self.root_uuid or "")

    @property
    def roots(self) -> list[Node]:
        """The topmost scopes of these events: the root, or what hangs on scopes that are not in here."""
        return self.tree.roots

    def walk(self) -> Iterator[Node]:
        """Yield all scopes, parents first, siblings in the order in which they started."""
        return self.tree.walk()

    def find(self, *, name: str | None = None, category: str | None = None) -> list[Node]:
        """Return the scopes of this name, or of this category, or both, in the order of `walk`."""
        return [node for node in self.walk() if name in {None, node.name} and category in {None, node.category}]

    # What it comes to -------------------------------------------------------------------------------------------------

    @property
    def errors(self) -> list[Node]:
        """The scopes that failed, in the order of `walk`: the deepest of a path is where it began."""
        return [node for node in self.walk() if node.outcome is Outcome.ERROR]

    @property
    def usage(self) -> Usage:
        """The tokens of all scopes, summed by name."""
        total: Usage = {}
        for root in self.roots:
            for name, count in root.total_usage.items():
                total[name] = total.get(name, 0) + count
        return total

    @property
    def duration_us(self) -> int | None:
        """How long the root took; None while it is open and where it is not in here."""
        return None if self.root is None else self.root.duration_us

    def __repr__(self) -> str:
        cut = f", cut: {', '.join(self.cuts)}" if self.cuts else ""
        return f"<Trajectory of {self.root_uuid}, part {self.part}, {counted(len(self.events), 'event')}{cut}>"


def _known(events: Iterable[Event]) -> Iterator[ScopeEvent | MarkEvent]:
    return (event for event in events if isinstance(event, ScopeEvent | MarkEvent))
