"""Records what a runtime emits while a test runs, apart from what other tests have left behind."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import overload

from relay_core.events import MarkEvent, ScopeEvent
from relay_core.hookspecs import hookimpl
from relay_core.propagation import Propagation
from relay_core.runtime import Relay, default
from relay_core.testing.run_tree import RunTree
from relay_core.testing.settling import settle
from relay_core.tree import build_tree
from relay_core.wording import counted

__all__ = ["RecordedEvents", "Recording", "RecordingPlugin", "recording"]


class RecordingPlugin:
    """A plugin that keeps every event, in the order of emission. Flush before you look; `recording` does it for you."""

    def __init__(self) -> None:
        """Start with no event."""
        self.events: list[ScopeEvent | MarkEvent] = []
        """What was delivered so far."""

    @hookimpl
    def relay_dispatch(self, events: tuple[ScopeEvent | MarkEvent, ...]) -> None:
        """Keep a batch."""
        self.events += events


class RecordedEvents(Sequence[ScopeEvent | MarkEvent]):
    """The events of a recording. Live: each look waits for what was emitted until then."""

    def __init__(self, load: Callable[[], list[ScopeEvent | MarkEvent]]) -> None:
        """Not for tests: a recording makes it."""
        self._load = load

    @overload
    def __getitem__(self, index: int) -> ScopeEvent | MarkEvent: ...
    @overload
    def __getitem__(self, index: slice) -> list[ScopeEvent | MarkEvent]: ...
    def __getitem__(self, index: int | slice) -> ScopeEvent | MarkEvent | list[ScopeEvent | MarkEvent]:
        return self._load()[index]

    def __len__(self) -> int:
        return len(self._load())

    def __eq__(self, other: object) -> bool:
        return self._load() == (list(other) if isinstance(other, Sequence) else other)  # pyright: ignore[reportUnknownArgumentType]

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._load())


class Recording:
    """What was emitted in the block of `recording`. Every look waits until what was emitted before is delivered."""

    def __init__(self, relay: Relay, plugin: RecordingPlugin) -> None:
        """Not for tests: `recording` makes it."""
        self._relay = relay
        self._plugin = plugin
        self.events = RecordedEvents(self._load)
        """The events, in the order of emission."""
        self.tree = RunTree(lambda: build_tree(self._load()).roots)
        """The scopes."""

    def clear(self) -> None:
        """Forget what was recorded so far."""
        self._load()
        self._plugin.events.clear()

    def assert_no_open_scopes(self) -> None:
        """Check that every scope that has started has ended.

        Raises:
            AssertionError: Some have not; the message names each with the scopes that it is in.
        """
        paths = [
            " > ".join(f"{it.category} {it.name}" for it in node.path) for node in self.tree.walk() if node.is_open
        ]
        if paths:
            verb = "has" if len(paths) == 1 else "have"
            raise AssertionError("\n  ".join([f"{counted(len(paths), 'scope')} {verb} not ended:", *paths]))

    def _load(self) -> list[ScopeEvent | MarkEvent]:
        settle(self._relay)
        return _own(self._plugin.events)


@contextmanager
def recording(relay: Relay | None = None) -> Generator[Recording]:
    """Record what is emitted in the block, apart from what goes on outside of it.

    Scopes that are open outside do not contain what is started inside, and their own marks and ends are left out.
    Everything is recorded, whatever the sampling.

    Args:
        relay: The runtime; by default the one that the module functions speak to.

    Yields:
        What is recorded.

    Raises:
        RuntimeError: Relay is switched off by the setting `enabled`.
        TimeoutError: What was emitted before cannot be delivered.
    """
    relay = default() if relay is None else relay
    relay.ensure_ready()
    if not relay.settings.enabled:
        raise RuntimeError("Relay is off (setting 'enabled'): there is nothing to record")
    settle(relay)
    plugin = RecordingPlugin()
    name = relay.registry.register(plugin)
    sampling, relay.scopes.sampling = relay.scopes.sampling, 1.0
    try:
        with Propagation(relay.scopes).isolated():
            yield Recording(relay, plugin)
    finally:
        relay.scopes.sampling = sampling
        relay.registry.unregister(name)


def _own(events: list[ScopeEvent | MarkEvent]) -> list[ScopeEvent | MarkEvent]:
    """Leave out what belongs to scopes that had started before: a dropped generator may end one at any time."""
    begun: set[str | None] = {None}
    kept: list[ScopeEvent | MarkEvent] = []
    for event in events:
        if isinstance(event, ScopeEvent) and event.scope_category == "start":
            begun.add(event.uuid)
        if (event.uuid if isinstance(event, ScopeEvent) else event.parent_uuid) in begun:
            kept.append(event)
    return kept
