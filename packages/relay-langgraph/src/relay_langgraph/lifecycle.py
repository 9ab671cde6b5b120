"""The base class that LangGraph demands of a handler before it tells it of interrupts and resumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from langgraph.callbacks import GraphCallbackHandler

from relay_langgraph.interrupts import connected

if TYPE_CHECKING:
    from langgraph.callbacks import GraphInterruptEvent, GraphResumeEvent

    from relay_langchain import RelayCallbackHandler

__all__ = ["GraphLifecycle"]


class GraphLifecycle(GraphCallbackHandler):
    """The part of a `RelayCallbackHandler` that LangGraph's lifecycle events go to. Never raises."""

    def on_interrupt(self, event: GraphInterruptEvent) -> None:
        """A graph pauses."""
        self._pass_on("on_interrupt", event)

    def on_resume(self, event: GraphResumeEvent) -> None:
        """A graph goes on."""
        self._pass_on("on_resume", event)

    def _pass_on(self, hook: str, event: Any) -> None:
        handler = cast("RelayCallbackHandler", self)
        relay = handler.runtime
        try:
            interrupts = connected(relay)
            run = handler.runs.find(event.run_id)
            if interrupts is not None and run is not None and not handler.is_detached:
                getattr(interrupts, hook)(run, event)
        except Exception as error:
            relay.suppress(error, hook)
