"""What the delivery thread does with a batch: each event to its audience, listener by listener, then the sinks."""

from collections.abc import Callable
from typing import Final

from relay_core.audience import Audience, Listener
from relay_core.chains import Snapshot
from relay_core.events import Event, MarkEvent, Record, ScopeEvent, Scrubber, event_from_record
from relay_core.handles import MarkIdentity, ScopeHandle, nearest_open, set_entry
from relay_core.isolation import Isolation

__all__ = ["FEEDBACK_DEPTH", "Delivery", "Item", "Locals"]

FEEDBACK_DEPTH: Final = 8
"""Emissions caused by delivery deeper than this are dropped: a subscriber that feeds itself would never end."""

Locals = tuple[tuple[Snapshot, tuple[Listener, ...]], ...]
"""What the scopes that contain an event had registered when it was emitted, from root to leaf."""

Item = tuple[Record, Audience | None, Locals | None, int, int]
"""What waits in the queue: the record, who gets it, its feedback depth and its payload's bytes."""


class Delivery:
    """Delivers batches, one at a time, in the thread that calls it."""

    def __init__(
        self,
        *,
        isolation: Isolation,
        transform: Callable[[Event, Audience | None, Locals | None], Event],
        collect: Callable[[Event, Audience], None],
    ) -> None:
        """Set up.

        Args:
            isolation: Counts and logs what listeners raise.
            transform: Metadata injectors and sanitizers; called only where there are any.
            collect: Gathers trajectories; called only where somebody wants them.
        """
        self.scrubber: Scrubber | None = None
        """Removes credentials before anyone sees a payload; None for no redaction."""
        self.delivered = 0
        self.depth = 0
        """The feedback depth of the event that is being delivered."""
        self._isolation = isolation
        self._transform = transform
        self._collect = collect

    def deliver(self, batch: list[Item]) -> None:
        """Deliver `batch` in order. Whatever a listener raises stays with that listener."""
        sinks: Audience | None = None
        events: list[Event] = []
        for record, audience, local, depth, _ in batch:
            self.depth = depth
            event = self._observe(record, audience, local)
            if audience is not sinks:
                self._dispatch(sinks, events)
                sinks, events = audience, []
            if audience is not None and audience.dispatch:
                events.append(event)
            self.delivered += 1
        self._dispatch(sinks, events)
        set_entry(None)

    def _observe(self, record: Record, audience: Audience | None, local: Locals | None) -> Event:
        """Build the event and hand it to everyone who observes single events."""
        phase = record[1]
        event: Event = event_from_record(MarkEvent if phase is None else ScopeEvent, record, self.scrubber)
        listeners = () if audience is None else audience.by_phase[phase]
        if listeners or local is not None:
            _enter_origin(record[0])
        if local is not None or (audience is not None and audience.transforms):
            event = self._transform(event, audience, local)
        if audience is not None:
            self._tell(listeners, event)
            if audience.trajectory:
                self._collect(event, audience)
        if local is not None:
            for _, own in local:
                self._tell(own, event)
        return event

    def _tell(self, listeners: tuple[Listener, ...], event: Event) -> None:
        for name, function in listeners:
            try:
                function(event)
            except BaseException as error:
                self._isolation.record(name, "a subscriber", error)

    def _dispatch(self, audience: Audience | None, events: list[Event]) -> None:
        if not events or audience is None:
            return
        batch = tuple(events)
        for name, function in audience.dispatch:
            try:
                function(batch)
            except BaseException as error:
                self._isolation.record(name, "relay_dispatch", error)


def _enter_origin(identity: object) -> None:
    """Make the emitter's scope, or its nearest open ancestor, current for the listeners."""
    handle = identity if isinstance(identity, ScopeHandle) else None
    if isinstance(identity, MarkIdentity):
        handle = identity.scope
    handle = nearest_open(handle)
    set_entry(None if handle is None else (handle, None, None, None))
