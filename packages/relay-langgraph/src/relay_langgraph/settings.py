"""What can be set for LangGraph: ``[tool.relay.plugins.langgraph]`` or ``RELAY_PLUGINS__LANGGRAPH__*``."""

from pydantic import BaseModel, ConfigDict, NonNegativeInt

__all__ = ["LangGraphSettings"]


class LangGraphSettings(BaseModel):
    """The settings of the plugin ``langgraph``. Immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    interrupt_values: bool = True
    """Whether the marks `Graph Interrupt` hold what the graph asks the human; without it they hold the ids alone."""
    remembered_interrupts: NonNegativeInt = 1_000
    """How many interrupts of this process are remembered, so that a resume can name the interrupted run's uuid."""
