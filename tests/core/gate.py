"""Holds the delivery thread of one runtime, for tests that look at what is queued meanwhile."""

import threading

from relay_core.events import MarkEvent, ScopeEvent
from relay_core.runtime import Relay

__all__ = ["Gate"]


class Gate:
    """A subscriber that holds the delivery thread at the first event until it is opened."""

    def __init__(self, relay: Relay) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()
        relay.subscribers.register("gate", self)
        relay.scopes.event("at the gate")
        assert self.reached.wait(10)

    def __call__(self, event: ScopeEvent | MarkEvent) -> None:
        self.reached.set()
        self._open.wait(10)

    def open(self) -> None:
        """Let everything pass."""
        self._open.set()
