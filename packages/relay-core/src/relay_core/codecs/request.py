"""`LLMRequest`: what a managed LLM call sends. It knows nothing about providers."""

from dataclasses import dataclass
from typing import Any

__all__ = ["LLMRequest"]


@dataclass(frozen=True, slots=True, eq=True, unsafe_hash=False)
class LLMRequest:
    """An outgoing LLM request: headers and the provider's own payload. Read-only; make another one to change it."""

    headers: dict[str, Any]
    """Header names and values. Credentials among them never reach an event."""
    content: Any
    """The payload, in the provider's own shape; usually a dict with ``messages`` and ``model``."""

    __hash__ = None  # type: ignore[assignment]
