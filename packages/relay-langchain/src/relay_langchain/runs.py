"""What the outside may know of LangChain's runs: `Run`, what a plugin may say about one, and `find`.

The runs themselves are kept by `relay_langchain.registry`. This module imports no framework.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

if TYPE_CHECKING:
    from relay_core.handles import ScopeHandle
    from relay_core.runtime import Relay
    from relay_core.vocabulary import Outcome, ScopeType

__all__ = ["Run", "RunInfo", "find"]


class RunInfo(NamedTuple):
    """What `relay_classify_run` says about a run; what is left out stays as LangChain has it."""

    scope_type: ScopeType | None = None
    """What kind of work it is."""
    name: str | None = None
    """What the scope is called."""
    metadata: Mapping[str, object] | None = None
    """Entries for the scope's metadata; they win over the run's own."""
    omit: Collection[str] = ()
    """Keys of the run's metadata that are not recorded, because `metadata` says it better."""
    marks: Collection[tuple[str, object]] = ()
    """Marks to emit on the scope as soon as it has started: name and payload."""
    hidden: bool | None = None
    """True leaves the run out; its children get the run's parent. None leaves it to the tag ``langsmith:hidden``."""


@dataclass(slots=True, eq=False, repr=False)
class Run:
    """One run of LangChain: what it is, whose child it is, and the scope it became.

    Plugins read it in `relay_classify_run` and `relay_classify_error` and find it by id with `find`. All of it may be
    read from any thread; plugins write nothing but `outcome` and `notes`.
    """

    key: int
    """LangChain's run id as an int (``UUID.int``): the UUID object itself is nowhere kept."""
    kind: str
    """``chain``, ``chat_model``, ``llm``, ``tool`` or ``retriever``: the hook that reported it."""
    name: str
    """The run's name in LangChain."""
    parent: Run | None
    """The run that contains it, or None; hidden runs included."""
    tags: tuple[str, ...]
    """LangChain's tags; inherited ones included."""
    metadata: dict[str, Any]
    """LangChain's metadata, copied one level deep; inherited entries included."""
    scope_type: ScopeType
    """The category of its scope."""
    owner: object
    """The handler that reported it first."""
    run_type: str | None = None
    """LangChain's own word for some chains: ``prompt``, ``parser``, ``llm``; else None."""
    typed: bool = False
    """Whether LangChain passed such a word, None included: its own runnables mostly do, a graph's functions do not."""
    inputs: object = None
    """What it was given: only while `relay_classify_run` is asked, then None."""
    handle: ScopeHandle | None = None
    """Its scope, open or closed; for a hidden run the scope that contains it. None before its start event."""
    hidden: bool = False
    """Whether it is left out of the record."""
    closed: bool = False
    """Whether its scope has ended."""
    outcome: Outcome | None = None
    """A plugin may set how a normal end counts, such as ``interrupted``, or an end with the run that contains it."""
    tool_call_id: str | None = None
    """The id of the model's call that a tool answers."""
    noted: dict[str, Any] | None = None
    """`notes`, or None where nobody has noted anything."""

    # The registry's and the recorder's own book-keeping.
    children: dict[Run, None] = field(default_factory=dict)  # pyright: ignore[reportUnknownVariableType]
    anchor: object = None
    task_runs: set[int] | None = None
    deliveries: int = 1
    deferred: bool = False
    last_step: int = 0
    batch_size: int = 1
    chunks: int = 0
    first_chunk_ns: int = 0
    started_ns: int = 0
    error_type: str | None = None
    last_event: tuple[int, int, str] | None = None

    @property
    def run_id(self) -> UUID:
        """LangChain's run id, as a new object."""
        return UUID(int=self.key)

    @property
    def root(self) -> Run:
        """The topmost run that contains it; itself if it is one."""
        run = self
        while run.parent is not None:
            run = run.parent
        return run

    @property
    def notes(self) -> dict[str, Any]:
        """What plugins have to remember about this run; gone with it. Begin keys with the plugin's name."""
        if self.noted is None:
            self.noted = {}
        return self.noted

    def count_chunk(self) -> None:
        """Count a chunk of a streamed answer; the time of the first one is kept."""
        if not self.chunks:
            self.first_chunk_ns = perf_counter_ns()
        self.chunks += 1

    def __repr__(self) -> str:
        return f"<Run {self.kind} {self.name!r} {self.run_id}{' closed' if self.closed else ''}>"


def find(run_id: UUID, *, runtime: Relay | None = None) -> Run | None:
    """Return the run with LangChain's id, open or just closed, or None if it is not known (any more).

    A run is known until LangChain itself has dropped its id. Call it from any thread.

    Args:
        run_id: LangChain's run id.
        runtime: the runtime that observes the run; by default the default one.
    """
    from relay_core.runtime import default
    from relay_langchain.registry import registry_of

    return registry_of(default() if runtime is None else runtime).find(run_id)
