"""Puts the fast path of `relay-native`, where it is installed, in front of the functions that are called most.

Each of them stays behind it, for the calls that are not as nearly all calls are, and says what both do.
"""

import time
from typing import Final

from relay_core.accelerator import native
from relay_core.audience import Audience
from relay_core.checks import checked_schema
from relay_core.current import current_entry
from relay_core.event_queue import EventQueue
from relay_core.handles import Extras, MarkIdentity, ScopeHandle
from relay_core.lifecycle import KEPT_PROFILE
from relay_core.outcomes import OK_STATUS
from relay_core.scopes import Scopes
from relay_core.vocabulary import Outcome, ScopeType

__all__ = ["FUNCTIONS", "accelerate"]

FUNCTIONS: Final[tuple[tuple[type, str], ...]] = (
    *((Scopes, name) for name in ("push", "pop", "start", "end", "close", "event")),
    (EventQueue, "emit"),
)
"""What there is a fast path for."""


def accelerate() -> None:
    """Accelerate what there is a fast path for, once; no effect without `relay-native`."""
    if native is None:
        return
    native.bind(
        scopes=Scopes,
        handle=ScopeHandle,
        mark=MarkIdentity,
        queue=EventQueue,
        audience=Audience,
        scope_type=ScopeType,
        current=current_entry,
        function=ScopeType.Function,
        custom=ScopeType.Custom,
        ok=Outcome.OK,
        ok_status=OK_STATUS,
        clock=time.time_ns,
        extras=Extras,
        check_schema=checked_schema,
        kept=KEPT_PROFILE,
    )
    for owner, name in FUNCTIONS:
        setattr(owner, name, native.Accelerated(vars(owner)[name]))
