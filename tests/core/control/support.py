"""What the tests of the control side share: a runtime of its own, and everything that it emits."""

from __future__ import annotations

from relay_core.events import Event, MarkEvent, ScopeEvent
from relay_core.runtime import Relay


class Recording:
    """A runtime, and its events in order."""

    def __init__(self) -> None:
        """Listen from the start."""
        self.relay = Relay()
        self._events: list[Event] = []
        self.relay.subscribers.register("recording", self._events.append)

    async def events(self) -> list[ScopeEvent | MarkEvent]:
        """Return everything emitted so far."""
        assert await self.relay.subscribers.flush_async()
        return self._read()

    def events_now(self) -> list[ScopeEvent | MarkEvent]:
        """Return everything emitted so far, without a loop."""
        assert self.relay.subscribers.flush()
        return self._read()

    async def story(self) -> list[str]:
        """Return what happened, a line for each event: see `told`."""
        return told(await self.events())

    async def end_of(self, name: str) -> ScopeEvent:
        """Return the only end event of this name."""
        (end,) = [event for event in await self.events() if event.name == name and event.scope_category == "end"]  # type: ignore[union-attr]
        assert isinstance(end, ScopeEvent)
        return end

    async def start_of(self, name: str) -> ScopeEvent:
        """Return the only start event of this name."""
        found = [event for event in await self.events() if isinstance(event, ScopeEvent)]
        (start,) = [event for event in found if event.name == name and event.scope_category == "start"]
        return start

    def _read(self) -> list[ScopeEvent | MarkEvent]:
        return [event for event in self._events if isinstance(event, ScopeEvent | MarkEvent)]


def told(events: list[ScopeEvent | MarkEvent]) -> list[str]:
    """Return a line for each event: ``parent > +name`` for starts, ``-name outcome`` for ends, ``*name`` for marks."""
    names = {event.uuid: event.name for event in events}
    lines: list[str] = []
    for event in events:
        parent = "" if event.parent_uuid is None else f"{names[event.parent_uuid]} > "
        if isinstance(event, MarkEvent):
            lines.append(f"{parent}*{event.name}")
        elif event.scope_category == "start":
            lines.append(f"{parent}+{event.name}")
        else:
            lines.append(f"{parent}-{event.name} {event.outcome}")
    return lines
