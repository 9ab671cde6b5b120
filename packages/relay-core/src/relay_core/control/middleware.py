"""Where the control side's chains are found: the runtime's own, and those of the scopes around a call."""

from collections.abc import Sequence

from relay_core.chains import ChainSet, Entry, Kind, Snapshot, merged
from relay_core.control.pacing import Pace
from relay_core.handles import ScopeHandle
from relay_core.scopes import Scopes

__all__ = ["Middleware"]


class Middleware:
    """The guardrails and intercepts of one runtime, with those of its scopes."""

    __slots__ = ("_scopes", "chains")

    def __init__(self, scopes: Scopes) -> None:
        """Start with nothing registered."""
        self._scopes = scopes
        self.chains = ChainSet()
        """What is registered for the whole runtime."""

    def chain(self, kind: Kind, parent: ScopeHandle, pace: Pace) -> Sequence[Entry]:
        """Return the `kind` that calls under `parent` go through now: to be asked when a stage starts.

        Raises:
            AsyncMiddlewareError: One is async, and the call cannot wait.
        """
        places: list[Snapshot] = [self.chains.snapshot]
        places.extend(local.chains.snapshot for local in self._scopes.local_chain(parent))
        found = merged(kind, places)
        pace.admit(found)
        return found
