"""What the delivery thread does with a batch: each event to its audience, listener by listener, then the sinks."""

from collections.abc import Callable
from typing import Final

from relay_core.audience import Audience, Listener
from relay_core.chains import Snapshot
from relay_core.current import set_entry
from relay_core.events import Event, MarkEvent, ScopeEvent, Scrubber, event_from_record
from relay_core.handles import MarkIdentity, ScopeHandle
from relay_core.isolation import Isolation

__all__ = ["Delivery", "Item", "Locals"]

Locals = tuple[tuple[Snapshot, tuple[Listener, ...]], ...]
"""What the scopes that contain an event had registered when it was emitted, from root to leaf."""

Item = tuple[
    ScopeHandle | MarkIdentity,
    str | None,
    int,
    bytes | None,
    bytes | None,
    bytes | None,
    bytes | None,
    bytes | None,
    Audience | None,
    Locals | None,
    int,
    int,
]
"""What waits in the queue: a `relay_core.events.Record`, who gets it, its feedback depth and its payload's bytes.

One flat tuple, because each further object is paid for three times: when it is made, by the garbage collector, and when
another core reads it.
"""

_AUDIENCE: Final = 8
_LOCALS: Final = 9
_DEPTH: Final = 10


class Delivery:
    """Delivers batches, one at a time, in the thread that calls it."""

    def __init__(
        self,
        *,
        isolation: Isolation,
        own_errors: Isolation,
        transform: Callable[[Event, Audience | None, Locals | None], Event],
        collect: Callable[[Event, object, Audience], None],
    ) -> None:
        """Set up.

        Args:
            isolation: Counts and logs what listeners raise.
            own_errors: Counts and logs what is our own mistake.
            transform: Metadata injectors and sanitizers; called only where there are any.
            collect: Gathers trajectories, from an event and what it is about; called only where somebody wants them.
        """
        self.scrubber: Scrubber | None = None
        """Removes credentials before anyone sees a payload; None for no redaction."""
        self.delivered = 0
        self.depth = 0
        """The feedback depth of the event that is being delivered."""
        self._isolation = isolation
        self._own_errors = own_errors
        self._transform = transform
        self._collect = collect

    def deliver(self, batch: list[Item]) -> None:
        """Deliver `batch` in order. Whatever a listener raises stays with that listener."""
        sinks: Audience | None = None
        events: list[Event] = []
        for item in batch:
            try:
                event = self._observe(item)
            except BaseException as error:  # ours: this event is lost, and not those after it
                self._own_errors.record("relay", "delivery", error)
                continue
            audience = item[_AUDIENCE]
            if audience is not sinks:
                self._dispatch(sinks, events)
                sinks, events = audience, []
            if audience is not None and audience.dispatch:
                events.append(event)
        self._dispatch(sinks, events)
        set_entry(None)  # nothing is current, and nothing is kept
        self.delivered += len(batch)

    def _observe(self, item: Item) -> Event:
        """Build the event and hand it to everyone who observes single events."""
        phase = item[1]
        audience = item[_AUDIENCE]
        local = item[_LOCALS]
        event: Event = event_from_record(MarkEvent if phase is None else ScopeEvent, item, self.scrubber)
        self.depth = item[_DEPTH]
        set_entry(item)  # its scope is current for the listeners
        if audience is not None:
            if audience.transforms or local is not None:
                event = self._transform(event, audience, local)
            for name, function in audience.by_phase[phase]:
                try:
                    function(event)
                except BaseException as error:
                    self._isolation.record(name, "a subscriber", error)
            if audience.trajectory:
                self._collect(event, item[0], audience)
        elif local is not None:
            event = self._transform(event, audience, local)
        if local is not None:
            for _, listeners in local:
                self._tell(listeners, event)
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
        set_entry(None)  # a batch has no scope
        batch = tuple(events)
        for name, function in audience.dispatch:
            try:
                function(batch)
            except BaseException as error:
                self._isolation.record(name, "relay_dispatch", error)
