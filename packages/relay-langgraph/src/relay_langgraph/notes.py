"""What is remembered about a run that contains nodes or tasks, for as long as LangChain knows the run."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from relay_core.handles import ScopeHandle
    from relay_langchain.runs import Run

__all__ = ["GraphNotes", "Waiting", "make_notes", "notes_of", "tell_kind"]

_KEY: Final = "langgraph"


class Waiting(NamedTuple):
    """A node that waits for an answer, until its graph says in which checkpoint."""

    handle: ScopeHandle | None
    """The node's scope; it has ended."""
    checkpoint_ns: str
    """The node's own namespace."""
    interrupts: list[dict[str, Any]]
    """What it asks: id and value, encoded."""
    at: datetime
    """When it asked."""


class GraphNotes:
    """About a graph, or an entrypoint or task that calls tasks. Any thread: every step is one atomic call."""

    __slots__ = ("expected", "handed_off", "interrupted", "resumed", "resumed_step", "resumption", "steps", "waiting")

    def __init__(self) -> None:
        """Begin with nothing known."""
        self.steps: dict[int, dict[str, tuple[int, str | None]]] = {}
        """By step and namespace of a task: how often it was tried, and what the last failed attempt raised."""
        self.waiting: list[Waiting] = []
        """The nodes inside that wait for an answer."""
        self.handed_off: list[str] = []
        """The namespaces of the nodes inside that handed off to a parent graph."""
        self.interrupted = False
        """Whether its interrupt was recorded."""
        self.resumed = False
        """Whether its resume was recorded."""
        self.expected: list[datetime] = []
        """When it was given a `Command(resume=...)` of which no lifecycle event has told yet; one item, or none."""
        self.resumption: dict[str, Any] | None = None
        """What the mark of its resume says, while its first step runs."""
        self.resumed_step: int | None = None
        """That first step."""

    def try_again(self, step: int, checkpoint_ns: str) -> tuple[int, str | None]:
        """Count an attempt of a task; return its number, and what the one before raised: None if it has not ended."""
        tasks = self.steps.get(step)
        if tasks is None:
            tasks = self.steps.setdefault(step, {})
            if self.steps.pop(step - 2, None) is None:  # one step back stays: an attempt that timed out may end late
                for over in tuple(self.steps):
                    if over < step - 1:
                        self.steps.pop(over, None)
        before, error = tasks.get(checkpoint_ns, (0, None))
        tasks[checkpoint_ns] = (before + 1, None)
        return before + 1, error

    def failed(self, step: int, checkpoint_ns: str, error_type: str) -> None:
        """Note what an attempt of a task raised."""
        tasks = self.steps.get(step)
        if tasks is not None and checkpoint_ns in tasks:
            tasks[checkpoint_ns] = (tasks[checkpoint_ns][0], error_type)


def notes_of(run: Run | None) -> GraphNotes | None:
    """Return what is noted about a run; None about one of which no node or task is known."""
    if run is None or run.noted is None:
        return None
    return run.noted.get(_KEY)


def make_notes(run: Run) -> GraphNotes:
    """Return what is noted about a run; from now on it is known to contain nodes or tasks."""
    notes: GraphNotes = run.notes.setdefault(_KEY, GraphNotes())
    return notes


def tell_kind(run: Run, kind: str) -> None:
    """Say at the end of a run what it turned out to be."""
    if run.handle is not None and not run.hidden:
        run.handle.set_metadata(**{"langgraph.kind": kind})
