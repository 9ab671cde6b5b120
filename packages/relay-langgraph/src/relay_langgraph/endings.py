"""How the runs of a graph end: control flow is no error, a failed attempt is remembered, a timeout names its node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from relay_core.outcomes import type_name
from relay_core.vocabulary import Outcome
from relay_langgraph import control_flow
from relay_langgraph.metadata import is_node
from relay_langgraph.notes import make_notes, notes_of

if TYPE_CHECKING:
    from relay_core.runtime import Relay
    from relay_langchain.runs import Run
    from relay_langgraph.interrupts import Interrupts

__all__ = ["Endings"]


class Endings:
    """Says how runs end, for one runtime. Any thread; keeps no exception."""

    def __init__(self, relay: Relay, interrupts: Interrupts) -> None:
        """Record interrupts with `interrupts`."""
        self._relay = relay
        self._interrupts = interrupts

    def failed(self, run: Run, error: BaseException) -> Outcome | None:
        """Return the outcome of a run that raised `error`; None where LangChain's own rules hold."""
        outcome = control_flow.outcome_of(error)
        if outcome is None:
            return self._failed(run, error)
        _tell(run, {"otel.status_description": control_flow.description(error, outcome)})
        if outcome is Outcome.INTERRUPTED:
            self._interrupts.raised(run, control_flow.interrupts_of(error))
        elif outcome is Outcome.HANDED_OFF:
            self._handed_off(run, error)
        return outcome

    def ended(self, run: Run) -> None:
        """A run ended well."""
        notes = notes_of(run)
        if notes is not None:
            self._interrupts.ends(run, notes)

    def _failed(self, run: Run, error: BaseException) -> Outcome | None:
        metadata = run.metadata
        outer = notes_of(run.parent)
        if outer is not None and "langgraph_step" in metadata:
            ns = metadata.get("langgraph_checkpoint_ns", "")
            outer.failed(metadata["langgraph_step"], ns, type_name(type(error)))
        notes = notes_of(run)
        if notes is None:
            return None
        if control_flow.is_timeout(error):
            _tell_timeout(run, error)
        left = isinstance(error, GeneratorExit)
        return Outcome.INTERRUPTED if self._interrupts.stopped(run, notes, by_consumer=left) else None

    def _handed_off(self, run: Run, error: BaseException) -> None:
        """Record where control goes, and on the node that gave it away, with what."""
        names = control_flow.goto_of(error)
        if names:
            _tell(run, {"langgraph.goto": names})
        outer = run.parent
        while outer is not None and notes_of(outer) is None:
            outer = outer.parent
        if outer is None:
            return
        handed = make_notes(outer).handed_off
        inner = notes_of(run)
        if inner is not None:
            handed += inner.handed_off
        if run.parent is not outer or not is_node(run.tags):
            return
        ns = run.metadata.get("langgraph_checkpoint_ns", "")
        if not any(other.startswith(f"{ns}|") for other in handed):
            handed.append(ns)
            command = control_flow.command_of(error)
            if command is not None and run.handle is not None and not run.hidden:
                run.handle.set_output(orjson.loads(self._relay.encoder.encode(command)))


def _tell_timeout(run: Run, error: BaseException) -> None:
    """Say at the end of a graph which node was too slow, by which limit; the attempt in question may still be open."""
    fields = {name: getattr(error, name, None) for name in ("node", "kind", "timeout", "elapsed")}
    _tell(run, {"langgraph.timeout": fields})
    for child in tuple(run.children):
        if child.name == fields["node"]:
            child.outcome = Outcome.CANCELLED
            _tell(child, {"langgraph.timeout": fields})


def _tell(run: Run, entries: dict[str, Any]) -> None:
    """Lay entries over the metadata of a run's end."""
    if run.handle is not None and not run.hidden:
        run.handle.set_metadata(**entries)
