"""The end of a process, and its doubling: drains dispatchers at exit and starts them afresh in a forked child."""

import atexit
import os
import sys
import threading
import weakref
from typing import Protocol

__all__ = ["Drainable", "has_begun", "watch"]


class Drainable(Protocol):
    """What has to be drained before the process ends and begins anew in a forked child."""

    def shutdown(self, timeout: float | None = None, /) -> object:
        """Deliver what is queued, within so many seconds or a deadline of its own."""

    def after_fork(self) -> None:
        """Begin anew: a forked child has none of the threads, and any lock may be held by one of them."""


_watched: "weakref.WeakSet[Drainable]" = weakref.WeakSet()
_hooked_in: set[int] = set()
_finalized_in: set[int] = set()


def watch(drainable: Drainable) -> None:
    """Drain `drainable` when the process ends, as long as somebody else keeps it alive."""
    _watched.add(drainable)
    if not _hooked_in:  # a forked child inherits both hooks
        _hooked_in.add(os.getpid())
        atexit.register(_drain_all)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_reset_all)
    # Multiprocessing children leave by os._exit, after their own finalizers: on 3.11 and 3.12 they skip atexit.
    util = sys.modules.get("multiprocessing.util")
    if util is not None and os.getpid() not in _finalized_in:
        _finalized_in.add(os.getpid())
        util.Finalize(None, _drain_all, exitpriority=0)


def has_begun() -> bool:
    """Say whether this is the main thread after its end, when exit handlers run: a new one would not be called."""
    main = threading.main_thread()
    return not main.is_alive() and main.ident == threading.get_ident()


def _drain_all() -> None:
    for drainable in list(_watched):
        try:
            drainable.shutdown()
        except KeyboardInterrupt:  # somebody does not want to wait
            drainable.shutdown(0.0)


def _reset_all() -> None:
    from uuid_utils import reseed_rng  # wanted in forked children only

    reseed_rng()  # or parent and child would draw the same ids
    for drainable in list(_watched):
        drainable.after_fork()
