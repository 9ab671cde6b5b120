"""All runs of one runtime, and the rules by which they close: once each, parents after their children, none forgotten.

A handler reports what LangChain tells it; everything else is decided here. There are no locks, because hooks, and the
collection of a run's id, may come in the middle of anything: every step that two parties may try is one atomic
`dict.pop`.

    begin ── claim ─┬─ finish ─┬─ no open children ─────────── end event
                    │          └─ open children: pending ──── end event with the last child's
                    └─ fail ──── open subtree, children first ─ end event
    id collected, task cancelled, handler taken out ─ open subtree, children first ─ end event
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import orjson

from relay_core.vocabulary import Outcome
from relay_langchain.anchors import IdAnchor, TaskAnchors

if TYPE_CHECKING:
    from relay_core.runtime import Relay
    from relay_langchain.runs import Run

__all__ = ["MAX_KNOWN", "Ending", "RunRegistry", "is_source", "registry_of"]

MAX_KNOWN: Final = 100_000
"""How many runs are known at most; beyond that the oldest are closed as abandoned. Only hoarded ids get there."""


_STEP: Final = "seq:step:"
_BRANCH: Final = "map:key:"


class Ending(NamedTuple):
    """How a run ended, as far as its end event says more than the start event."""

    outcome: Outcome = Outcome.OK
    error: BaseException | None = None
    output: object = None
    schema: Mapping[str, str] | None = None
    profile: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    timestamp: datetime | None = None


class RunRegistry:
    """The runs of one runtime, shared by all of its handlers. Every method may be called from any thread."""

    def __init__(self, relay: Relay) -> None:
        """Keep the runs that `relay` records."""
        self._relay = relay
        self.show_hidden = False
        """Whether runs that LangChain marks hidden are recorded like any other."""
        self._known: dict[int, Run] = {}
        """Every run whose id somebody still holds: the closed ones are the parents of what starts late."""
        self._open: dict[int, Run] = {}
        """Whoever takes a run out of here ends it."""
        self._pending: dict[Run, Ending] = {}
        """Runs that ended well with open children; whoever takes one out of here closes it."""
        self._tasks = TaskAnchors(self._task_cancelled)
        relay.dispatcher.forked.append(self._after_fork)

    @property
    def running(self) -> dict[int, Run]:
        """The runs that have started and not ended, by their keys; to look at only."""
        return self._open

    @property
    def open_runs(self) -> int:
        """How many runs have started and not closed."""
        return len(self._open) + len(self._pending)

    def find(self, run_id: UUID | None) -> Run | None:
        """Return the run with this id, open or closed; None if it is unknown or its id is gone."""
        return None if run_id is None else self._known.get(run_id.int)

    def find_key(self, key: int | None) -> Run | None:
        """Return the run with this key; see `find`."""
        return None if key is None else self._known.get(key)

    def is_top_level(self, run: Run) -> bool:
        """Tell whether a hidden run has no scope around it."""
        return run.handle is self._relay.root

    # --- Start -------------------------------------------------------------------------------------------------------

    def is_repeated(self, run_id: UUID) -> bool:
        """Tell whether a start was delivered before: several handlers, or one listed twice, report the same run."""
        run = self._open.get(run_id.int)
        if run is None:
            return False
        run.deliveries += 1
        return True

    def add(self, run: Run, run_id: UUID) -> None:
        """Keep `run` from now on. An id that was used before now means the new run."""
        try:
            run.anchor = anchor = IdAnchor(run_id, self._id_collected)
            anchor.key = run.key
        except TypeError:  # an id of some library that cannot be watched: then only the hooks tell of the end
            run.anchor = None
        self._known[run.key] = run
        self._open[run.key] = run
        parent = run.parent
        while parent is not None and parent.closed:
            parent = parent.parent
        if parent is not None:
            parent.children[run] = None
        if run.kind != "chain":
            self._tasks.add(run)
        if len(self._known) > MAX_KNOWN:
            self._evict()

    # --- End ---------------------------------------------------------------------------------------------------------

    def claim(self, run_id: UUID) -> Run | None:
        """Return the open run that ends now; None if it has ended, or never started. The caller must end it."""
        return self._open.pop(run_id.int, None)

    def finish(self, run: Run, ending: Ending) -> None:
        """End a claimed run that did not fail: now, or with its last open child."""
        if not run.children:
            self._close(run, ending)
            return
        self._pending[run] = self._detached(ending)
        if not run.children:  # the last one closed meanwhile
            self._close_pending(run)

    def fail(self, run: Run, ending: Ending) -> None:
        """End a claimed run that failed, after everything in it that is still open."""
        self._close_subtree(run, Outcome.CANCELLED if ending.outcome is Outcome.CANCELLED else Outcome.ABANDONED)
        self._close(run, ending)

    def end_claimed(self, run: Run, outcome: Outcome) -> None:
        """End a claimed run about whose end nothing could be said; no effect where it has ended, or is about to."""
        if not run.closed and run not in self._pending:
            self.fail(run, Ending(outcome))

    def outcome_of(self, run: Run, error: BaseException) -> Outcome:
        """Say how an error counts: by the first plugin that knows the run, else as for any scope."""
        registry = self._relay.registry
        if registry.impls("relay_classify_error"):
            answer = registry.first("relay_classify_error", run, error)
            if isinstance(answer, Outcome):
                return answer
        return self._relay.scopes.outcome_of(error)

    def was_left(self, run: Run) -> bool:
        """Tell whether the consumer of a chain's stream has left it, although LangChain reports a normal end.

        It swallows the GeneratorExit in a sync stream, and reads what was left from the steps afterwards. A stream that
        was read to its end has ended the step, or in a parallel chain the steps, that its chunks came from.
        """
        running = [child for child in tuple(run.children) if self._open.get(child.key) is child]
        return any(is_source(child, run) for child in running)

    def close_all(self, owner: object = None) -> None:
        """Close what is open, children first, as abandoned; with `owner`, only what this handler has started."""
        for run in reversed(tuple(self._open.values())):
            if owner is None or run.owner is owner:
                self._abandon(run, Outcome.ABANDONED, "relay was uninstalled")

    def _close(self, run: Run, ending: Ending) -> None:
        run.closed = True
        if run.task_runs is not None:
            run.task_runs.discard(run.key)
        if run.anchor is None and self._known.get(run.key) is run:
            del self._known[run.key]
        try:
            if run.handle is not None and not run.hidden:
                outcome, error, output, schema, profile, metadata, timestamp = ending
                self._relay.scopes.end(
                    run.handle,
                    outcome=outcome,
                    error=error,
                    output=output,
                    data_schema=schema,
                    category_profile=profile,
                    metadata=metadata,
                    timestamp=timestamp,
                )
        except (TypeError, ValueError) as trouble:  # a clock that was set back, an outcome that a plugin made up
            self._relay.suppress(trouble, "relay_langchain.registry")
            self._end_plainly(run, ending)
        finally:
            self._leave(run)

    def _end_plainly(self, run: Run, ending: Ending) -> None:
        """End a scope whose ending was refused, with as much of it as cannot be wrong."""
        outcome, error, output, schema, *_ = ending
        if run.handle is not None:
            known = outcome if outcome in frozenset(Outcome) else Outcome.OK
            self._relay.scopes.end(run.handle, outcome=known, error=error, output=output, data_schema=schema)

    def _leave(self, run: Run) -> None:
        """Take a closed run out of its parent, which may have waited for it."""
        parent = run.parent
        while parent is not None:
            if parent.children.pop(run, run) is None:
                if not parent.children:
                    self._close_pending(parent)
                return
            parent = parent.parent  # it started late, and an ancestor took it in

    def _close_pending(self, run: Run) -> None:
        ending = self._pending.pop(run, None)
        if ending is not None:
            self._close(run, ending)

    def _close_subtree(self, run: Run, outcome: Outcome) -> None:
        """Close everything open below `run`, children first."""
        below: list[Run] = []
        level = [run]
        while level:
            children = tuple(level.pop().children)
            below += children
            level += children
        for child in reversed(below):
            if self._open.get(child.key) is child and self._open.pop(child.key, None) is not None:
                self._close(child, _cut(child.outcome or outcome, "closed with the run that contains it"))
            else:
                self._close_pending(child)

    def _abandon(self, run: Run, outcome: Outcome, why: str) -> None:
        if self._open.get(run.key) is run and self._open.pop(run.key, None) is not None:
            self._close_subtree(run, outcome)
            self._close(run, _cut(outcome, why))

    def _detached(self, ending: Ending) -> Ending:
        """Return an ending to keep for later: its end time, and its payload as it is now."""
        profile = ending.profile and {key: self._snapshot(value) for key, value in ending.profile.items()}
        metadata = ending.metadata and {key: self._snapshot(value) for key, value in ending.metadata.items()}
        now = datetime.now(UTC)
        return ending._replace(output=self._snapshot(ending.output), profile=profile, metadata=metadata, timestamp=now)

    def _snapshot(self, value: object) -> object:
        """Return what will be recorded of `value`, as it is now and detached from it."""
        return None if value is None else orjson.loads(self._relay.encoder.encode(value))

    # --- Runs that nobody will end -----------------------------------------------------------------------------------

    def _id_collected(self, anchor: IdAnchor) -> None:
        """A run's id is gone: nobody can start a child of it or report its end. May run inside the collector."""
        try:
            run = self._known.get(anchor.key)
            if run is None or run.anchor is not anchor:
                return
            del self._known[anchor.key]
            if not run.closed:
                self._abandon(run, _outcome_when_lost(run), "its framework never reported the end")
        except Exception as error:  # a weak reference's callback has nobody to raise to
            self._relay.suppress(error, "relay_langchain.registry")

    def _task_cancelled(self, keys: Iterable[int]) -> None:
        try:
            for key in tuple(keys):
                run = self._open.get(key)
                if run is not None and not run.chunks:
                    self._abandon(run, Outcome.CANCELLED, "the task that made the call was cancelled")
        except Exception as error:
            self._relay.suppress(error, "relay_langchain.registry")

    def _after_fork(self) -> None:
        """Leave the runs that are open now to the parent process, which will see their ends."""
        for runs in (self._known, self._open, self._pending):
            runs.clear()

    def _evict(self) -> None:
        for key in list(self._known)[: MAX_KNOWN // 10]:
            run = self._known.pop(key, None)
            if run is not None:
                self._abandon(run, Outcome.ABANDONED, f"more than {MAX_KNOWN} runs are known")


def _cut(outcome: Outcome, why: str) -> Ending:
    return Ending(outcome, metadata={"otel.status_description": why})


def is_source(step: Run, stream: Run) -> bool:
    """Tell whether a chain is being streamed, and its chunks come from this step of it: the last one, or a branch."""
    if not stream.deferred:
        return False
    marks = (_STEP, _BRANCH) if step.key == stream.last_step else (_BRANCH,)
    return _any_starts_with(step.tags, marks)


def _any_starts_with(tags: Iterable[object], marks: tuple[str, ...]) -> bool:
    return any(isinstance(tag, str) and tag.startswith(marks) for tag in tags)


def _outcome_when_lost(run: Run) -> Outcome:
    """Say how a run most likely ended whose end its framework forgot.

    One call of a model, a tool or a retriever is forgotten when something stopped it from outside; a stream, a chain's
    generator or one of several prompts when nobody was interested any more.
    """
    stopped = run.kind != "chain" and not run.chunks and run.batch_size == 1
    return Outcome.CANCELLED if stopped else Outcome.ABANDONED


# The runtime owns its registry, through its dispatcher: a strong reference from here would keep both for ever.
_registries: Final[weakref.WeakKeyDictionary[Relay, weakref.ref[RunRegistry]]] = weakref.WeakKeyDictionary()
_making: Final = threading.RLock()  # a signal handler may make a handler, too


def registry_of(relay: Relay) -> RunRegistry:
    """Return the registry of a runtime, the same for all of its handlers. Any thread."""
    with _making:
        known = _registries.get(relay)
        registry = None if known is None else known()
        if registry is None:
            registry = RunRegistry(relay)
            _registries[relay] = weakref.ref(registry)
        return registry
