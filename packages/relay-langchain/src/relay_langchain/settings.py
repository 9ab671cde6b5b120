"""What can be set for LangChain: ``[tool.relay.plugins.langchain]`` or ``RELAY_PLUGINS__LANGCHAIN__*``."""

from pydantic import BaseModel, ConfigDict

__all__ = ["LangChainSettings"]


class LangChainSettings(BaseModel):
    """The settings of the plugin ``langchain``. Immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    show_hidden: bool = False
    """Whether runs that the framework marks as plumbing (tag ``langsmith:hidden``) are recorded like any other."""
