"""The first stage of a managed call: conditional guardrails, one after the other, until one refuses.

Each one that is asked leaves a guardrail scope of its own. One that raises stops the call, with its own exception.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from relay_core.chains import Entry
from relay_core.control.pacing import Pace
from relay_core.control.scopes import ManagedScope
from relay_core.handles import ScopeHandle
from relay_core.outcomes import type_name
from relay_core.scopes import Scopes
from relay_core.vocabulary import ScopeType

__all__ = ["refusal"]


async def refusal(
    scopes: Scopes,
    pace: Pace,
    chain: Sequence[Entry],
    arguments: Callable[[], tuple[Any, ...]],
    *,
    parent: ScopeHandle,
    subject: Mapping[str, str],
    metadata: Mapping[str, Any] | None,
) -> str | None:
    """Ask the guardrails in order and return the first one's reason to refuse, or None.

    Args:
        scopes: Where their scopes begin and end.
        pace: How to wait for them.
        chain: The guardrails.
        arguments: Makes what a guardrail is given, anew for each: none can touch the call or what the next one sees.
        parent: The parent of their scopes.
        subject: What their scopes' start events say.
        metadata: Recorded on their scopes.

    Raises:
        TypeError: A guardrail returned something else than None or a str.
        BaseException: What a guardrail raised.
    """
    for entry in chain:
        handle = scopes.start(entry.name, ScopeType.Guardrail, handle=parent, metadata=metadata, input=subject)
        with ManagedScope(scopes, handle, failure=_failure) as managed:
            reason = await pace.settle(entry.function(*arguments()), entry.name)
            if reason is not None and not isinstance(reason, str):
                raise TypeError(f"guardrail {entry.name!r} must return None or a str, not {type(reason).__name__}")
            managed.finish({"allowed": True, "rejected": False} if reason is None else _rejection(reason))
        if reason is not None:
            return reason
    return None


def _rejection(reason: str) -> dict[str, object]:
    return {"allowed": False, "rejected": True, "rejection_reason": reason}


def _failure(error: BaseException) -> dict[str, object]:
    return {"allowed": False, "rejected": False, "error": type_name(type(error))}
