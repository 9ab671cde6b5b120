"""What can be set: [tool.relay.plugins.budget] in pyproject.toml, or RELAY_PLUGINS__BUDGET__LIMIT and so on."""

from pydantic import BaseModel, Field


class BudgetSettings(BaseModel):
    """Every field has a default, so that the plugin works as soon as it is installed."""

    limit: int = Field(default=100_000, gt=0)
    """How many tokens one run may take."""
    hide: tuple[str, ...] = ("email",)
    """Keys whose values are not recorded, in inputs and outputs, at any depth."""
