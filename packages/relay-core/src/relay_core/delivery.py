"""What the delivery thread does with a batch: each event to its audience, listener by listener, then the sinks."""

# The private state of events is filled in here: a call for each event would be a third of what its delivery costs.
# pyright: reportPrivateUsage=false

from collections.abc import Callable
from itertools import groupby
from operator import itemgetter
from types import MappingProxyType
from typing import Final

from relay_core.audience import Audience, Listener, Observer
from relay_core.chains import Snapshot
from relay_core.current import set_entry
from relay_core.events import Event, MarkEvent, ScopeEvent, Scrubber
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
"""What waits in the queue: a `relay_core.wire.Record`, who gets it, its feedback depth and its payload's bytes.

One flat tuple, because each further object is paid for three times: when it is made, by the garbage collector, and when
another core reads it.
"""

_new: Final = object.__new__
_NOBODY: Final = MappingProxyType[str | None, tuple[Observer, ...]]({"start": (), "end": (), None: ()})

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
        for run in _runs(batch):
            audience = run[0][_AUDIENCE]
            events = self._observe(run, audience)
            if audience is not None and events:
                self.depth = run[-1][_DEPTH]
                self._observe_together(events, audience)
        set_entry(None)  # nothing is current, and nothing is kept
        self.delivered += len(batch)

    def _observe(  # noqa: PLR0915 - one function: each further call would be paid by every event
        self, run: list[Item], audience: Audience | None
    ) -> list[Event]:
        """Build the events of one audience and hand each to everyone who observes single events.

        Returns:
            The events, where somebody observes them together.
        """
        scrubber = self.scrubber
        listeners_of = _NOBODY if audience is None else audience.by_phase
        transforms = audience is not None and audience.transforms
        together = audience is not None and bool(audience.dispatch or audience.trajectory)
        events: list[Event] = []
        for item in run:
            try:
                phase = item[1]
                event: Event = _new(MarkEvent if phase is None else ScopeEvent)
                event._record = item
                event._scrubber = event._pending = scrubber
                local = item[_LOCALS]
                listeners = listeners_of[phase]
                if listeners or local is not None or transforms:
                    self.depth = item[_DEPTH]
                    set_entry(item)  # its scope is current for the listeners
                    if local is not None or transforms:
                        event = self._transform(event, audience, local)
                    for name, function, hook in listeners:
                        try:
                            function(event)
                        except BaseException as error:
                            self._isolation.record(name, hook, error)
                    if local is not None:
                        self._tell(local, event)
                if together:
                    events.append(event)
            except BaseException as error:  # ours: this event is lost, and not those after it
                self._own_errors.record("relay", "delivery", error)
        return events

    def _tell(self, local: Locals, event: Event) -> None:
        """Hand an event to the listeners of the scopes that contain it."""
        for _, listeners in local:
            for name, function in listeners:
                try:
                    function(event)
                except BaseException as error:
                    self._isolation.record(name, "a subscriber", error)

    def _observe_together(self, events: list[Event], audience: Audience) -> None:
        """Hand the events of one audience to the sinks, and then to those who want whole trajectories."""
        set_entry(None)  # a batch has no scope
        batch = tuple(events)
        for name, function in audience.dispatch:
            try:
                function(batch)
            except BaseException as error:
                self._isolation.record(name, "relay_dispatch", error)
        if audience.trajectory:
            for event in events:
                self._collect(event, event._record[0], audience)


def _runs(batch: list[Item]) -> list[list[Item]]:
    """Cut a batch where the audience changes. It nearly never does."""
    first = batch[0][_AUDIENCE]
    for item in batch:
        if item[_AUDIENCE] is not first:
            return [list(run) for _, run in groupby(batch, itemgetter(_AUDIENCE))]
    return [batch]
