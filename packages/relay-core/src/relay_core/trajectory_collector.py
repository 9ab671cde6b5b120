"""Gathers the events of each root until it closes, within limits, and hands them over as a trajectory."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from relay_core.audience import Audience, Listener
from relay_core.current import get_entry, set_entry
from relay_core.events import Event, ScopeEvent
from relay_core.handles import MarkIdentity, RemoteScope, ScopeHandle
from relay_core.isolation import Isolation
from relay_core.json_values import as_mapping, is_mapping
from relay_core.settings import TrajectorySettings
from relay_core.trajectory import Cut, Trajectory

__all__ = ["TrajectoryCollector"]

EVENT_BYTES: Final = 512
"""What an event without payload is counted as: about what its objects take."""
RESTING_ROOTS: Final = 1024
"""How many roots are remembered after their trajectory, so that late events are known as its follow-up."""
_KEPT_METADATA: Final = ("relay.outcome", "otel.status_code", "error.type", "exception.type")
_KEPT_PROFILE: Final = ("model_name", "tool_call_id", "subtype")
_LOSS_MARK: Final = "relay.events_dropped"


class _Root:
    """What has been gathered of one root since its last trajectory."""

    __slots__ = (
        "cuts",
        "ended",
        "events",
        "full",
        "left_out",
        "listeners",
        "open",
        "part",
        "remote",
        "since",
        "size",
        "unkept",
    )

    def __init__(self, since: float, *, remote: bool, began_earlier: bool) -> None:
        self.part = 1
        self.open: set[str] = set()
        """Scopes whose start is in a trajectory, and whose end is not."""
        self.unkept: set[str] = set()
        """Scopes whose start was left out, and that have not ended."""
        self.ended = False
        """Whether the root's own end was seen."""
        self.remote = remote
        """Whether the root's own end will never be seen here."""
        self.listeners: tuple[Listener, ...] = ()
        self.begin(since)
        if began_earlier:
            self.cuts[Cut.BEGINNING] = None

    def begin(self, since: float) -> None:
        """Start with no event, keeping what is known about open scopes."""
        self.since = since
        self.events: list[Event] = []
        self.size = 0
        self.cuts: dict[Cut, None] = {}
        self.left_out = 0
        self.full = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be expected."""
        return (self.ended or self.remote) and not self.open and not self.unkept


class TrajectoryCollector:
    """Gathers what is delivered. Runs on the delivery thread, but for `discard` and the end of the process."""

    def __init__(
        self, failures: Isolation, own_errors: Isolation, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Gather nothing yet.

        Args:
            failures: Counts and logs what plugins raise.
            own_errors: Counts and logs what is our own mistake.
            clock: Gives seconds, for the age of a root.
        """
        self.limits = TrajectorySettings()
        """The limits in force."""
        self.clock = clock
        """Gives seconds, for the age of a root."""
        self._failures = failures
        self._own_errors = own_errors
        self._forked = False
        self.discard()

    def collect(self, event: Event, identity: object, audience: Audience) -> None:
        """Take one event; hand over what it completes. Never raises.

        Args:
            event: The event, as it is to be recorded.
            identity: What the event is about: a scope's handle or a mark's identity.
            audience: Who listened when it was emitted.
        """
        try:
            root = event.root_uuid
            now = self.clock()
            if root is not None:
                self._gather(root, event, identity, audience, now)
            elif event.name == _LOSS_MARK:
                for gathered in self._active.values():
                    gathered.cuts[Cut.DROPPED] = None
            if now >= self._due or self._size > self.limits.max_total_bytes:
                self._keep_limits(now)
        except Exception as error:
            self._own_errors.record("relay", "gathering a trajectory", error)

    @property
    def gathering(self) -> int:
        """How many roots are being gathered."""
        return len(self._active)

    def finish(self) -> None:
        """Hand over what there is, because the process ends. Never raises."""
        for root in list(self._active):
            self._hand_over(root, Cut.EXIT)

    def discard(self) -> None:
        """Forget everything, because no plugin wants trajectories any more. May be called from any thread."""
        # Replaced, not cleared: the delivery thread may be at work on them.
        self._active: OrderedDict[str, _Root] = OrderedDict()
        self._resting: OrderedDict[str, _Root] = OrderedDict()
        self._size = 0
        self._due = math.inf

    def after_fork(self) -> None:
        """Begin anew in a forked child: roots that are open now close in the parent."""
        self._forked = True
        self.discard()

    # Gathering --------------------------------------------------------------------------------------------------------

    def _gather(self, root: str, event: Event, identity: object, audience: Audience, now: float) -> None:
        gathered = self._active.get(root) or self._awake(root, event, identity, now)
        gathered.listeners = audience.trajectory
        phase = event.scope_category if isinstance(event, ScopeEvent) else None
        size = event.payload_bytes + EVENT_BYTES
        if gathered.full or self._exceeds(gathered, size):
            self._keep_little(gathered, event, phase)
        else:
            self._keep(gathered, event, size)
            if phase == "start":
                gathered.open.add(event.uuid)
        if phase == "end":
            self._close(gathered, event.uuid, root)
        if phase != "start" and gathered.is_over:
            self._hand_over(root)

    def _awake(self, root: str, event: Event, identity: object, now: float) -> _Root:
        """Return a root that rested after its last trajectory, or one of which this is the first event."""
        gathered = self._resting.pop(root, None)
        first = event.uuid == root and isinstance(event, ScopeEvent) and event.scope_category == "start"
        if gathered is None or first:
            remote = not first and (self._forked or _is_remote(identity))
            gathered = _Root(now, remote=remote, began_earlier=not (first or remote))
        gathered.since = now
        self._active[root] = gathered
        self._due = min(self._due, now + self.limits.max_age)
        return gathered

    def _exceeds(self, gathered: _Root, size: int) -> bool:
        """Say, and note, whether `size` more bytes are too much for a root; its first event always fits."""
        limits, count = self.limits, len(gathered.events)
        if count == 0 or (count < limits.max_events and gathered.size + size <= limits.max_bytes):
            return False
        gathered.full = True
        gathered.cuts[Cut.MAX_EVENTS if count >= limits.max_events else Cut.MAX_BYTES] = None
        return True

    def _keep(self, gathered: _Root, event: Event, size: int) -> None:
        gathered.events.append(event)
        gathered.size += size
        self._size += size

    def _keep_little(self, gathered: _Root, event: Event, phase: str | None) -> None:
        """Keep the ends of scopes that are in already, without payload; count everything else."""
        if phase == "end" and event.uuid in gathered.open:
            end = _without_payload(event)
            self._keep(gathered, end, end.payload_bytes + EVENT_BYTES)
            return
        gathered.left_out += 1
        if phase == "start":
            gathered.unkept.add(event.uuid)

    def _close(self, gathered: _Root, uuid: str, root: str) -> None:
        gathered.open.discard(uuid)
        gathered.unkept.discard(uuid)
        gathered.ended = gathered.ended or uuid == root

    def _keep_limits(self, now: float) -> None:
        """Hand over the oldest roots while all are too large, and those that are too old."""
        while self._active:
            root, oldest = next(iter(self._active.items()))
            self._due = oldest.since + self.limits.max_age
            if self._size > self.limits.max_total_bytes:
                self._hand_over(root, Cut.MAX_TOTAL_BYTES)
            elif now >= self._due:
                self._hand_over(root, Cut.MAX_AGE)
            else:
                return
        self._due = math.inf

    # Handing over -----------------------------------------------------------------------------------------------------

    def _hand_over(self, root: str, reason: Cut | None = None) -> None:
        gathered = self._active.pop(root, None)
        if gathered is None:
            return
        if reason is not None:
            gathered.cuts[reason] = None
        events, part, cuts, left_out = gathered.events, gathered.part, tuple(gathered.cuts), gathered.left_out
        self._size -= gathered.size
        self._rest(root, gathered)
        outer = get_entry()
        set_entry(None)  # the root is over: nothing is current for the plugin
        for name, function in gathered.listeners:
            try:
                function(Trajectory(events, part=part, cuts=cuts, left_out=left_out))
            except BaseException as error:
                self._failures.record(name, "relay_trajectory", error)
        set_entry(outer)

    def _rest(self, root: str, gathered: _Root) -> None:
        gathered.part += 1
        gathered.begin(0.0)
        self._resting[root] = gathered
        if len(self._resting) > RESTING_ROOTS:
            self._resting.popitem(last=False)


def _is_remote(identity: object) -> bool:
    """Whether the topmost scope above `identity` belongs to another process."""
    handle = identity.scope if isinstance(identity, MarkIdentity) else identity
    if not isinstance(handle, ScopeHandle):
        return False
    while handle.parent is not None:
        handle = handle.parent
    return isinstance(handle, RemoteScope)


def _without_payload(event: Event) -> Event:
    """Return an end as it is kept beyond a limit: how it ended, and which tokens it took."""
    metadata, profile = event.metadata or {}, event.category_profile or {}
    kept: dict[str, object] = {key: profile[key] for key in _KEPT_PROFILE if key in profile}
    usage = as_mapping(profile.get("annotated_response")).get("usage") or as_mapping(event.data).get("usage")
    if is_mapping(usage):
        kept["annotated_response"] = {"usage": usage}
    return event.replace(
        data={"$truncated": {"bytes": event.payload_bytes}},
        metadata={key: metadata[key] for key in _KEPT_METADATA if key in metadata} or None,
        category_profile=kept or None,
    )
