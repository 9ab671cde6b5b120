"""Records what one runtime delivers, for tests that look at events one by one."""

from relay_core.events import MarkEvent, ScopeEvent
from relay_core.runtime import Relay
from relay_core.testing.settling import settle

__all__ = ["Recorder"]


class Recorder:
    """A subscriber that keeps every event. Each look waits for what was emitted until then."""

    def __init__(self, relay: Relay, name: str = "recorder") -> None:
        self._relay = relay
        self._events: list[ScopeEvent | MarkEvent] = []
        relay.subscribers.register(name, self._events.append)

    @property
    def events(self) -> list[ScopeEvent | MarkEvent]:
        """Everything, in the order of delivery."""
        settle(self._relay)
        return list(self._events)

    @property
    def seen(self) -> set[str]:
        """The names of what was delivered so far; waits for nothing."""
        return {it.name for it in list(self._events)}

    def forget(self) -> None:
        """Keep nothing of what was delivered so far."""
        settle(self._relay)
        self._events.clear()

    @property
    def starts(self) -> list[ScopeEvent]:
        """The start events."""
        return [it for it in self.events if isinstance(it, ScopeEvent) and it.scope_category == "start"]

    @property
    def ends(self) -> list[ScopeEvent]:
        """The end events."""
        return [it for it in self.events if isinstance(it, ScopeEvent) and it.scope_category == "end"]

    @property
    def marks(self) -> list[MarkEvent]:
        """The marks."""
        return [it for it in self.events if isinstance(it, MarkEvent)]

    @property
    def names(self) -> list[str]:
        """The names of all events; `+` in front of a start, `-` in front of an end."""
        return [_sign(it) + it.name for it in self.events]

    def parents(self) -> dict[str, str | None]:
        """Return the name of each scope's and mark's parent, by the name of the scope or mark."""
        names = {it.uuid: it.name for it in self.starts}
        begun = [*self.starts, *self.marks]
        return {it.name: None if it.parent_uuid is None else names[it.parent_uuid] for it in begun}

    def start(self, name: str) -> ScopeEvent:
        """Return the start event of the only scope of this name."""
        (found,) = (it for it in self.starts if it.name == name)
        return found

    def end(self, name: str) -> ScopeEvent:
        """Return the end event of the only scope of this name."""
        (found,) = (it for it in self.ends if it.name == name)
        return found

    def mark(self, name: str) -> MarkEvent:
        """Return the only mark of this name."""
        (found,) = (it for it in self.marks if it.name == name)
        return found


def _sign(event: ScopeEvent | MarkEvent) -> str:
    if isinstance(event, MarkEvent):
        return ""
    return "+" if event.scope_category == "start" else "-"
