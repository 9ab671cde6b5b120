"""How an ending is told: from exception to outcome, and from outcome to the metadata of the end event."""

import sys
from typing import Any, Final

from relay_core.vocabulary import Outcome

__all__ = ["OK_STATUS", "outcome_of", "status_metadata", "type_name"]

OK_STATUS: Final = b'"otel.status_code":"OK","relay.outcome":"ok"'
"""`status_metadata(Outcome.OK)` as the inside of a JSON object: nearly all scopes end like this."""

_CONTROL_FLOW: Final = frozenset({Outcome.INTERRUPTED, Outcome.HANDED_OFF})
"""What an exception with such an outcome says is the application's payload, and no description."""


def outcome_of(error: BaseException) -> Outcome:
    """Return how a scope ended whose body raised `error`."""
    if isinstance(error, GeneratorExit):
        return Outcome.ABANDONED
    if isinstance(error, KeyboardInterrupt | SystemExit) or _is_cancellation(error):
        return Outcome.CANCELLED
    if isinstance(error, Exception | BaseExceptionGroup):
        return Outcome.ERROR
    # Other BaseExceptions are how libraries stop work from outside: trio.Cancelled, pytest's Exit.
    return Outcome.CANCELLED


def _is_cancellation(error: BaseException) -> bool:
    exceptions = sys.modules.get("asyncio.exceptions")  # nobody can raise it where asyncio is not imported
    return exceptions is not None and isinstance(error, exceptions.CancelledError)


def status_metadata(outcome: Outcome, error: BaseException | None = None) -> dict[str, Any]:
    """Return the metadata that tells `outcome`: `relay.outcome`, `otel.status_*` and, for an error, its type."""
    if outcome is Outcome.OK:
        return {"otel.status_code": "OK", "relay.outcome": "ok"}
    status: dict[str, Any] = {
        "otel.status_code": "ERROR" if outcome is Outcome.ERROR else "UNSET",
        "otel.status_description": _description(outcome, error),
        "relay.outcome": outcome.wire,
    }
    if error is not None and outcome is Outcome.ERROR:
        status["error.type"] = status["exception.type"] = type_name(type(error))
    return status


def _description(outcome: Outcome, error: BaseException | None) -> str:
    if error is None or outcome in _CONTROL_FLOW:
        return outcome.wire
    try:
        message = str(error)
    except Exception:  # a foreign __str__ may do anything
        message = ""
    if message:
        return message
    return outcome.wire if outcome is not Outcome.ERROR else type_name(type(error))


def type_name(kind: type) -> str:
    """Return the qualified name of a class, without the module for built-ins."""
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"
