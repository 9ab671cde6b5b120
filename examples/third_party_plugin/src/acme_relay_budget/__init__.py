"""A Relay plugin that watches the token budget of each run, and hides fields from what is recorded."""

from acme_relay_budget.plugin import Budget
from acme_relay_budget.settings import BudgetSettings

__all__ = ["Budget", "BudgetSettings"]
