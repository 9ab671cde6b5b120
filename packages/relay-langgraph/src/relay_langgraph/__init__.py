"""Relay for LangGraph: a plugin that makes `RelayCallbackHandler` understand graphs. Using it takes no import.

    plugin       what Relay finds                    classify      what a run is
    endings      how a run ends                      control_flow  which exceptions are no errors
    interrupts   marks of interrupts and resumes     links         what joins the two halves
    lifecycle    what LangGraph tells a handler      notes         what is remembered about a graph's run
    metadata     where in the graph a run is         projections   how LangGraph's types are recorded
    settings     what can be set                     streams       opt-in: cached nodes and checkpoints
    tool_nodes   a ToolNode under control          updates       how Command and Send are recorded

Importing this package imports no framework; using a name of it does.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from relay_langgraph.settings import LangGraphSettings
    from relay_langgraph.streams import astream, stream
    from relay_langgraph.tool_nodes import tool_node

__all__ = ["LangGraphSettings", "astream", "stream", "tool_node"]

_HOMES = {
    "LangGraphSettings": "relay_langgraph.settings",
    "astream": "relay_langgraph.streams",
    "stream": "relay_langgraph.streams",
    "tool_node": "relay_langgraph.tool_nodes",
}

if not TYPE_CHECKING:  # a type checker would take any misspelt name for one that is found here

    def __getattr__(name: str) -> Any:
        """Import a public name when it is first used."""
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        value = getattr(importlib.import_module(home), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
