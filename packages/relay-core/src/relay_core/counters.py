"""What a runtime has done so far, in numbers that are cheap to read."""

from dataclasses import dataclass

__all__ = ["Statistics"]


@dataclass(frozen=True, slots=True)
class Statistics:
    """A snapshot; ``delivered + sum(dropped.values()) + queued == emitted`` once nothing is being delivered."""

    emitted: int
    """Events that were emitted since the process began, or since it was forked; marks of Relay's own included."""
    delivered: int
    """Events that went to everyone who listened."""
    dropped: dict[str, int]
    """Events that were lost, by reason: ``queue_full``, ``feedback``, ``exit``."""
    failed: dict[str, int]
    """What listeners raised, by plugin or subscriber name."""
    queued: int
    """Events that wait."""
    queued_bytes: int
    """Payload bytes that wait."""
    open_scopes: int
    """Scopes that have started and not ended."""
    truncated_payloads: int
    """Payloads that were cut to the limits."""
    suppressed_errors: int
    """Relay's own errors that were caught inside framework callbacks."""
