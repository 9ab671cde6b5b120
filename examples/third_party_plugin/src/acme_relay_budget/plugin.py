"""The plugin: three methods that Relay calls."""

import logging
from typing import Any

from acme_relay_budget.settings import BudgetSettings
from relay_core import MarkEvent, PluginContext, ScopeEvent, Trajectory, hookimpl

logger = logging.getLogger("acme_relay_budget")

HIDDEN = "[hidden]"


class Budget:
    """Warns when a run takes more tokens than it may, and hides fields from the record."""

    def __init__(self) -> None:
        """Begin with the default settings; Relay makes the object without arguments."""
        self.settings = BudgetSettings()

    @hookimpl
    def relay_configure(self, context: PluginContext) -> None:
        """Read the plugin's own settings, before any event."""
        self.settings = context.settings(BudgetSettings)

    @hookimpl
    def relay_sanitize(self, event: ScopeEvent | MarkEvent) -> ScopeEvent | MarkEvent | None:
        """Hide fields before anyone sees them; None leaves the event as it is."""
        data = event.data
        hidden = self._hide(data)
        return None if hidden == data else event.replace(data=hidden)

    @hookimpl
    def relay_trajectory(self, trajectory: Trajectory) -> None:
        """Look at a whole run, once it is over."""
        spent = trajectory.usage.get("total_tokens", 0)
        if spent > self.settings.limit:
            name = trajectory.root.name if trajectory.root else trajectory.root_uuid
            logger.warning("%s took %d tokens, %d were allowed", name, spent, self.settings.limit)

    def _hide(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: HIDDEN if key in self.settings.hide else self._hide(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._hide(item) for item in value]
        return value
