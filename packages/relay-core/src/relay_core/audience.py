"""Who gets an event: an immutable snapshot, taken when the event is emitted, of everyone who listens at that moment."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from relay_core.chains import Snapshot
from relay_core.subscriptions import SUBSCRIBER_PREFIX, Subscriber

if TYPE_CHECKING:
    from relay_core.registry import PluginRegistry

__all__ = ["Audience", "Listener", "Observer"]

Listener = tuple[str, Callable[..., Any]]
"""The name under which failures are counted, and what to call."""

Observer = tuple[str, Callable[..., Any], str]
"""A listener, and what the log says it was doing when it failed."""


class Audience:
    """The listeners of one runtime, in call order."""

    __slots__ = (
        "by_phase",
        "chains",
        "dispatch",
        "sanitize",
        "trajectory",
        "transforms",
        "wants_end",
        "wants_mark",
        "wants_start",
    )

    @property
    def wants_any(self) -> bool:
        """Whether there is anybody."""
        return self.wants_start or self.wants_end or self.wants_mark

    def __init__(self, registry: "PluginRegistry", chains: Snapshot) -> None:
        """Snapshot what `registry` holds now; `chains` are the runtime's injectors and sanitizers."""
        self.chains = chains
        self.by_phase: dict[str | None, tuple[Observer, ...]] = {
            "start": _observers(registry, "relay_scope_start"),
            "end": _observers(registry, "relay_scope_end"),
            None: _observers(registry, "relay_mark"),
        }
        """Who observes single events; the key None stands for marks."""
        self.dispatch = _listeners(registry, "relay_dispatch")
        self.sanitize = _listeners(registry, "relay_sanitize")
        self.trajectory = _listeners(registry, "relay_trajectory")
        self.transforms = bool(chains or self.sanitize)
        """Whether events change before they are observed."""
        every = bool(self.dispatch or self.trajectory)
        # What nobody wants is neither built nor encoded.
        self.wants_start = every or bool(self.by_phase["start"])
        self.wants_end = every or bool(self.by_phase["end"])
        self.wants_mark = every or bool(self.by_phase[None])


def _listeners(registry: "PluginRegistry", hook: str) -> tuple[Listener, ...]:
    return tuple((plugin, function) for plugin, function in registry.impls(hook))


def _observers(registry: "PluginRegistry", hook: str) -> tuple[Observer, ...]:
    return tuple(_direct(plugin, function, hook) for plugin, function in registry.impls(hook))


def _direct(plugin: str, function: Callable[..., Any], hook: str) -> Observer:
    """Return a subscriber's callback instead of its hook: one call less for each event, and its own name."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, Subscriber):
        return plugin.removeprefix(SUBSCRIBER_PREFIX), owner.callback, "a subscriber"
    return plugin, function, hook
