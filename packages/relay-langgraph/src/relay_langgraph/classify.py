"""What a run of a graph is: graph, subgraph, node, task, agent or route, in which step, and at which attempt."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from relay_core.vocabulary import ScopeType
from relay_langchain.runs import RunInfo
from relay_langgraph.interrupts import RESUME, Interrupts
from relay_langgraph.metadata import RAW_KEYS, graph_metadata, is_later_step, is_node, is_task, node_metadata
from relay_langgraph.notes import GraphNotes, make_notes, notes_of, tell_kind

if TYPE_CHECKING:
    from relay_core.runtime import Relay
    from relay_langchain.runs import Run

__all__ = ["Classifier"]

_INSIDE: Final = RunInfo(omit=RAW_KEYS)
_ROUTE: Final = RunInfo(omit=RAW_KEYS, metadata={"langgraph.kind": "route"})
_NAMELESS_ROUTE: Final = RunInfo(omit=RAW_KEYS, metadata={"langgraph.kind": "route"}, name="route")

_INTEGRATIONS: Final = ("langgraph", "langchain_create_agent")
_UNNAMED: Final = "RunnableCallable"
_TIMEOUT: Final = "langgraph.errors.NodeTimeoutError"


class Classifier:
    """Says what runs are, for one runtime. Any thread."""

    def __init__(self, relay: Relay, interrupts: Interrupts) -> None:
        """Mark retries with `relay`."""
        self._relay = relay
        self._interrupts = interrupts

    def classify(self, run: Run) -> RunInfo | None:
        """Return what differs from LangChain's view of a run that starts; None outside of graphs."""
        metadata = run.metadata
        parent = run.parent
        node = metadata.get("langgraph_node")
        if node is None:
            return self._graph(run) if run.kind == "chain" and "ls_integration" in metadata else None
        if run.kind == "chain":
            if is_node(run.tags):
                return self._step(run, "node")
            if is_task(run.name, metadata, {} if parent is None else parent.metadata):
                return self._step(run, "task")
            if run.scope_type is ScopeType.Agent:
                make_notes(run)
                return RunInfo(omit=RAW_KEYS, metadata=graph_metadata("agent", metadata))
            if parent is not None and _is_route(run, parent):
                return _NAMELESS_ROUTE if run.name in (_UNNAMED, node) else _ROUTE
        elif run.kind == "tool" and parent is not None and is_node(parent.tags):
            tell_kind(parent, "tool_node")
        return _INSIDE

    def _graph(self, run: Run) -> RunInfo | None:
        """Classify a chain outside of all nodes that bears the mark of LangGraph or of an agent's factory."""
        metadata = run.metadata
        if run.scope_type is ScopeType.Agent:
            kind = "agent"
        elif metadata["ls_integration"] == "langgraph" and not _is_graph_like(run.parent):
            kind = "graph"
        else:
            return None
        notes = make_notes(run)
        if _resumes(run.inputs):
            notes.expected.append(datetime.now(UTC))
        return RunInfo(scope_type=ScopeType.Agent, omit=RAW_KEYS, metadata=graph_metadata(kind, metadata))

    def _step(self, run: Run, kind: str) -> RunInfo:
        """Classify a node or a task."""
        metadata = run.metadata
        told = node_metadata(kind, metadata)
        parent = run.parent
        if parent is None:
            return RunInfo(None, None, told, RAW_KEYS)
        notes = notes_of(parent)
        if notes is None:
            notes = make_notes(parent)
            if kind == "node":  # now it shows that the run around it is a graph
                tell_kind(parent, "graph" if "langgraph_node" not in parent.metadata else "subgraph")
        attempt, error = notes.try_again(metadata.get("langgraph_step", 0), metadata.get("langgraph_checkpoint_ns", ""))
        if attempt > 1:
            # A run of the same task that is still open was given up: nothing but a timeout does that.
            told["langgraph.attempt"] = attempt
            told["langgraph.previous_error"] = error = error or _TIMEOUT
            data = {"attempt": attempt, "error_type": error, "node": run.name}
            self._relay.scopes.event("Retry", handle=parent.handle, data=data)
        marks = () if notes.resumption is None and not notes.expected else self._resumption(parent, notes, metadata)
        return RunInfo(None, None, told, RAW_KEYS, marks)  # by position: names would cost half as much again

    def _resumption(self, graph: Run, notes: GraphNotes, metadata: dict[str, Any]) -> tuple[tuple[str, object], ...]:
        data = self._interrupts.resume_of_node(graph, notes, metadata)
        return () if data is None else ((RESUME, data),)


def _is_graph_like(run: Run | None) -> bool:
    return run is not None and run.metadata.get("ls_integration") in _INTEGRATIONS


def _is_route(run: Run, parent: Run) -> bool:
    """Tell whether a run is the function of a conditional edge: it follows the node's own work, in the node's run.

    Steps of LangChain that make up the node have such a place, too, but their own way to report themselves.
    """
    if run.typed or not is_node(parent.tags):
        return False
    if run.name.startswith("Runnable") and run.name != _UNNAMED:
        return False
    return is_later_step(run.tags)


def _resumes(inputs: Any) -> bool:
    """Tell whether a graph is given the answer to an interrupt."""
    types: Any = sys.modules.get("langgraph.types")
    return types is not None and isinstance(inputs, types.Command) and inputs.resume is not None
