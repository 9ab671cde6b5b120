"""What happens to an event between redaction and the observers: chains first, then the hook `relay_sanitize`."""

from collections.abc import Callable

from relay_core import sanitizers
from relay_core.audience import Audience
from relay_core.delivery import Locals
from relay_core.events import Event

__all__ = ["Transform"]

_KEPT_METADATA = ("relay.outcome", "otel.status_code")
"""Relay's own words, which hold nothing of the application's: they survive a sanitizer that fails."""


class Transform:
    """Applies injectors and sanitizers. Runs on the delivery thread; never raises."""

    def __init__(self, failed: Callable[[str, str, BaseException], None]) -> None:
        """Report what a plugin raises to `failed`, with the plugin's name and what it was doing."""
        self._failed = failed

    def __call__(self, event: Event, audience: Audience | None, local: Locals | None) -> Event:
        """Return the event as it is to be recorded."""
        places = [] if audience is None else [audience.chains]
        places.extend(snapshot for snapshot, _ in local or ())
        if any(places):
            event = sanitizers.apply(event, places, self._chain_failed)
        for plugin, sanitize in () if audience is None else audience.sanitize:
            event = self._sanitized(event, plugin, sanitize)
        return event

    def _chain_failed(self, name: str, error: BaseException) -> None:
        self._failed(name, "an injector or sanitizer", error)

    def _sanitized(self, event: Event, plugin: str, sanitize: Callable[[Event], object]) -> Event:
        try:
            answer = sanitize(event)
            if answer is None:
                return event
            if type(answer) is type(event) and answer.uuid == event.uuid:
                return answer
            raise TypeError(f"relay_sanitize must return event.replace(...) or None, not {type(answer).__name__}")
        except BaseException as error:
            self._failed(plugin, "relay_sanitize", error)
            return _cleared(event)


def _cleared(event: Event) -> Event:
    metadata = event.metadata or {}
    kept = {key: metadata[key] for key in _KEPT_METADATA if key in metadata}
    profile = {"subtype": "custom"} if event.category == "custom" else None
    return event.replace(data=None, metadata=kept or None, category_profile=profile)
