"""Interrupts and resumes: marks on the node and the graph, the outcome `interrupted`, and the link between both halves.

LangGraph tells a graph's interrupt and resume to the handlers in its config, and then all is known. Under `install()`
alone it tells a root graph's to nobody: then they are derived, from what nodes raise and from a `Command(resume=...)`
as input.

    node raises GraphInterrupt ── waiting, handed up with the exception to the outermost graph
    on_interrupt ────────────────── marks with the checkpoint, link            ┐ whichever
    graph ends without one ──────── marks without it, links by waiting nodes   ┘ comes first
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from relay_core.vocabulary import Outcome
from relay_langgraph.links import Links
from relay_langgraph.metadata import is_node
from relay_langgraph.notes import GraphNotes, Waiting, make_notes, notes_of, tell_kind

if TYPE_CHECKING:
    from langgraph.callbacks import GraphInterruptEvent, GraphResumeEvent
    from langgraph.types import Interrupt

    from relay_core.runtime import Relay
    from relay_langchain.runs import Run
    from relay_langgraph.settings import LangGraphSettings

__all__ = ["INTERRUPT", "RESUME", "Interrupts", "connect", "connected", "disconnect"]

INTERRUPT: Final = "Graph Interrupt"
"""The mark of a node that waits, and of its graph."""

RESUME: Final = "Graph Resume"
"""The mark of a graph that goes on, and of the nodes it goes on with."""

_DYNAMIC: Final = "pending"
"""LangGraph's own status of an interrupt that a node raises, and of any resume."""


class Interrupts:
    """Records interrupts and resumes of one runtime. Every method may be called from any thread."""

    def __init__(self, relay: Relay, settings: LangGraphSettings) -> None:
        """Record with `relay`."""
        self._relay = relay
        self._with_values = settings.interrupt_values
        self._links = Links(settings.remembered_interrupts)

    # --- What LangGraph tells ----------------------------------------------------------------------------------------

    def on_interrupt(self, run: Run, event: GraphInterruptEvent) -> None:
        """A graph has stopped, with its checkpoint saved; its run ends well soon."""
        notes = make_notes(run)
        if notes.interrupted:  # the handler is there twice
            return
        notes.interrupted = True
        run.outcome = Outcome.INTERRUPTED
        ns = "|".join(event.checkpoint_ns)
        self._mark(run, event.status, ns, event.checkpoint_id, self._asked(event.interrupts))
        self._mark_waiting(run, notes, event.status, event.checkpoint_id)
        self._links.interrupted(run, ns, event.checkpoint_id)

    def on_resume(self, run: Run, event: GraphResumeEvent) -> None:
        """A graph goes on from a checkpoint; none of its nodes has started yet."""
        if event.checkpoint_ns and notes_of(run) is None:
            tell_kind(run, "subgraph")
        notes = make_notes(run)
        if notes.resumed:
            return
        notes.resumed = True
        notes.expected.clear()
        ns = "|".join(event.checkpoint_ns)
        data = self._resume(run, notes, event.status, ns, event.checkpoint_id)
        self._relay.scopes.event(RESUME, handle=run.handle, data=data)
        if not event.checkpoint_ns:  # a subgraph goes on with its root
            self._links.resumed(run, ns, event.checkpoint_id)

    # --- What is derived ---------------------------------------------------------------------------------------------

    def raised(self, run: Run, interrupts: Iterable[Interrupt]) -> None:
        """A run ends because something in it waits for an answer."""
        inner = notes_of(run)
        outer = _enclosing(run)
        if inner is not None and inner.waiting:
            waiting, inner.waiting = inner.waiting, []
            if outer is not None:
                make_notes(outer).waiting += waiting
            else:
                inner.waiting = waiting
                self._mark_waiting(run, inner, _DYNAMIC, None)
        if outer is None or run.parent is not outer or not _is_place(run):
            return
        outer.outcome = Outcome.INTERRUPTED
        notes = make_notes(outer)
        ns = run.metadata.get("langgraph_checkpoint_ns", "")
        if not any(item.checkpoint_ns.startswith(f"{ns}|") for item in notes.waiting):
            notes.waiting.append(Waiting(run.handle, ns, self._asked(interrupts), datetime.now(UTC)))

    def stopped(self, run: Run, notes: GraphNotes, *, by_consumer: bool) -> bool:
        """A graph fails or is left while nodes wait; return whether it counts as interrupted.

        It does where its consumer stopped at the interrupt: LangGraph tells nobody then.
        """
        if not notes.waiting or notes.interrupted:
            return False
        if by_consumer:
            self._derive_interrupt(run, notes)
        else:
            self._mark_waiting(run, notes, _DYNAMIC, None)
        return by_consumer

    def ends(self, run: Run, notes: GraphNotes) -> None:
        """A graph ends well: what LangGraph has told nobody is recorded now."""
        if notes.waiting and not notes.interrupted:
            self._derive_interrupt(run, notes)
        self._derive_resume(run, notes)

    def resume_of_node(self, graph: Run, notes: GraphNotes, metadata: Mapping[str, Any]) -> dict[str, Any] | None:
        """A node starts: return what its mark `Graph Resume` says; None if its graph does not go on with it."""
        self._derive_resume(graph, notes)
        data = notes.resumption
        if data is None:
            return None
        step = metadata.get("langgraph_step")
        if notes.resumed_step is None:
            notes.resumed_step = step
        if step != notes.resumed_step:
            notes.resumption = None
            return None
        ns: str = metadata.get("langgraph_checkpoint_ns", "")
        # The other half may have been derived where this one is not: in this process that is known.
        self._links.resumed(graph, ns.partition("|")[0], None, if_remembered=data["checkpoint_id"] is not None)
        return data | {"checkpoint_ns": ns}

    def _derive_interrupt(self, run: Run, notes: GraphNotes) -> None:
        notes.interrupted = True
        asked = [interrupt for item in notes.waiting for interrupt in item.interrupts]
        self._mark(run, _DYNAMIC, "", None, asked)
        for ns in dict.fromkeys(item.checkpoint_ns.partition("|")[0] for item in notes.waiting):
            self._links.interrupted(run, ns, None)
        self._mark_waiting(run, notes, _DYNAMIC, None)

    def _derive_resume(self, run: Run, notes: GraphNotes) -> None:
        try:
            at = notes.expected.pop()
        except IndexError:
            return
        notes.resumed = True
        data = self._resume(run, notes, _DYNAMIC, "", None)
        self._relay.scopes.event(RESUME, handle=run.handle, data=data, timestamp=at)

    # --- Marks -------------------------------------------------------------------------------------------------------

    def _mark(self, run: Run, status: str, ns: str, checkpoint_id: str | None, asked: list[dict[str, Any]]) -> None:
        data = _place(run, status, ns, checkpoint_id) | {"interrupts": asked}
        self._relay.scopes.event(INTERRUPT, handle=run.handle, data=data)

    def _mark_waiting(self, run: Run, notes: GraphNotes, status: str, checkpoint_id: str | None) -> None:
        waiting, notes.waiting = notes.waiting, []
        for handle, ns, asked, at in waiting:
            data = _place(run, status, ns, checkpoint_id) | {"interrupts": asked}
            self._relay.scopes.event(INTERRUPT, handle=handle, data=data, timestamp=at)

    def _resume(self, run: Run, notes: GraphNotes, status: str, ns: str, checkpoint_id: str | None) -> dict[str, Any]:
        notes.resumption = _place(run, status, ns, checkpoint_id)
        return notes.resumption

    def _asked(self, interrupts: Iterable[Interrupt]) -> list[dict[str, Any]]:
        """Return id and value of each interrupt; the value as it is now, because the mark may come later."""
        if not self._with_values:
            return [{"id": interrupt.id} for interrupt in interrupts]
        encode = self._relay.encoder.encode
        return [{"id": it.id, "value": orjson.loads(encode(it.value))} for it in interrupts]


def _place(run: Run, status: str, ns: str, checkpoint_id: str | None) -> dict[str, Any]:
    return {"run_id": str(run.run_id), "status": status, "checkpoint_id": checkpoint_id, "checkpoint_ns": ns}


def _is_place(run: Run) -> bool:
    """Tell whether a run that is known to be in a graph, or in an entrypoint, is a node or a task of it."""
    inherited = run.parent.metadata if run.parent is not None else {}
    ns = run.metadata.get("langgraph_checkpoint_ns")
    return is_node(run.tags) or ns != inherited.get("langgraph_checkpoint_ns")


def _enclosing(run: Run) -> Run | None:
    """Return the nearest run above that contains nodes or tasks."""
    outer = run.parent
    while outer is not None and notes_of(outer) is None:
        outer = outer.parent
    return outer


_connected: Final[weakref.WeakKeyDictionary[Relay, Interrupts]] = weakref.WeakKeyDictionary()


def connect(relay: Relay, settings: LangGraphSettings) -> Interrupts:
    """Record the interrupts of a runtime from now on."""
    interrupts = _connected[relay] = Interrupts(relay, settings)
    return interrupts


def disconnect(relay: Relay) -> None:
    """Record no more interrupts of a runtime."""
    _connected.pop(relay, None)


def connected(relay: Relay) -> Interrupts | None:
    """Return what records the interrupts of a runtime; None where the plugin is not (any more) in use."""
    return _connected.get(relay)
