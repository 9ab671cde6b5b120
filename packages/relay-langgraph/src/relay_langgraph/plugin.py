"""The plugin ``langgraph``, found through the entry-point group ``relay``. It imports no framework until it must."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from relay_core import hookimpl

if TYPE_CHECKING:
    from relay_core.plugin_context import PluginContext
    from relay_core.runtime import Relay
    from relay_core.vocabulary import Outcome
    from relay_langchain.runs import Run, RunInfo
    from relay_langgraph.classify import Classifier
    from relay_langgraph.endings import Endings

__all__ = ["LangGraphPlugin"]


class LangGraphPlugin:
    """Makes the handlers of one runtime understand graphs."""

    def __init__(self) -> None:
        """Begin unconnected."""
        self._relay: Relay | None = None
        self._classifier: Classifier | None = None
        self._endings: Endings | None = None

    @hookimpl
    def relay_configure(self, context: PluginContext) -> None:
        """Read the settings, see `relay_langgraph.settings`, and connect to the runtime."""
        from relay_langgraph.classify import Classifier
        from relay_langgraph.endings import Endings
        from relay_langgraph.interrupts import connect
        from relay_langgraph.settings import LangGraphSettings

        self._relay = relay = context.runtime
        interrupts = connect(relay, context.settings(LangGraphSettings))
        self._classifier = Classifier(relay, interrupts)
        self._endings = Endings(relay, interrupts)

    @hookimpl
    def relay_unconfigure(self) -> None:
        """Let go of the runtime."""
        from relay_langgraph.interrupts import disconnect

        if self._relay is not None:
            disconnect(self._relay)
        self._relay = self._classifier = self._endings = None

    @hookimpl(optionalhook=True)
    def relay_handler_bases(self) -> list[type] | None:
        """LangGraph tells of interrupts and resumes to handlers of its own class only."""
        try:
            from relay_langgraph.lifecycle import GraphLifecycle
        except ModuleNotFoundError as error:
            if error.name is None or not error.name.startswith(("langchain", "langgraph")):
                raise
            return None
        return [GraphLifecycle]

    @hookimpl(optionalhook=True)
    def relay_classify_run(self, run: Run) -> RunInfo | None:
        """Say what a run of a graph is; see `relay_langgraph.classify`."""
        return None if self._classifier is None else self._classifier.classify(run)

    @hookimpl
    def relay_classify_outcome(self, error: BaseException) -> Outcome | None:
        """Tell control flow from errors in scopes that are no runs; see `relay_langgraph.control_flow`."""
        from relay_langgraph.control_flow import outcome_of

        return outcome_of(error)

    @hookimpl(optionalhook=True)
    def relay_classify_error(self, run: Run, error: BaseException) -> Outcome | None:
        """Tell control flow from errors in runs, and record it there; see `relay_langgraph.endings`."""
        return None if self._endings is None else self._endings.failed(run, error)

    @hookimpl(optionalhook=True)
    def relay_run_ends(self, run: Run) -> None:
        """Record what LangGraph has told nobody; see `relay_langgraph.endings`."""
        if self._endings is not None:
            self._endings.ended(run)

    @hookimpl
    def relay_payload_encoder(self, type: type) -> Callable[[Any], object] | None:
        """Project LangGraph's own types; see `relay_langgraph.projections`."""
        from relay_langgraph.projections import payload_encoder

        return payload_encoder(type)
