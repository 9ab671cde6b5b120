"""Relay in every LangChain run of the process, without touching user code, through `register_configure_hook`.

LangChain asks the registered ContextVar for a handler whenever it configures callbacks, and has no way to take the
registration back. So the variable that it asks is ours to answer: the handler, or nothing.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final, cast

from langchain_core.tracers.context import register_configure_hook

from relay_core.runtime import Relay
from relay_langchain.handler import RelayCallbackHandler

__all__ = ["installed_handler", "instrument", "not_instrumented", "uninstrument"]

_opted_out: Final[contextvars.ContextVar[bool]] = contextvars.ContextVar("relay_langchain_opted_out", default=False)


class _HandlerVariable:
    """Answers like a ContextVar: with the installed handler, in all threads and contexts that did not opt out."""

    def __init__(self) -> None:
        self.handler: RelayCallbackHandler | None = None
        self.registered = False

    def get(self) -> RelayCallbackHandler | None:
        handler = self.handler
        return None if handler is None or _opted_out.get() else handler


_variable: Final = _HandlerVariable()
_lock: Final = threading.RLock()


def instrument(relay: Relay) -> None:
    """Record all runs of LangChain in this process with `relay`, from now on.

    No effect where they are recorded already. A run for which the user passes a `RelayCallbackHandler` is left to that
    one. Call it from any thread.
    """
    with _lock:
        if _variable.handler is not None:
            return
        _variable.handler = RelayCallbackHandler(runtime=relay)
        if not _variable.registered:
            _variable.registered = True
            variable = cast("contextvars.ContextVar[Any]", _variable)
            register_configure_hook(variable, inheritable=True, handle_class=RelayCallbackHandler)


def uninstrument(relay: Relay) -> None:
    """Stop recording with `relay` what the user did not pass a handler for; runs under way are closed as abandoned.

    No effect where it is not recorded with. Handlers that the user made go on. Call it from any thread.
    """
    with _lock:
        handler = _variable.handler
        if handler is None or handler.runtime is not relay:
            return
        _variable.handler = None
    handler.detach()


def installed_handler() -> RelayCallbackHandler | None:
    """Return the handler that records the runs of this context without being passed; None where there is none."""
    return _variable.get()


@contextmanager
def not_instrumented() -> Generator[None]:
    """Leave the runs that start in this block, and in tasks and threads started with its context, unrecorded.

    Only what `install()` records is left out; a handler that the user passes works as ever.
    """
    token = _opted_out.set(True)
    try:
        yield
    finally:
        _opted_out.reset(token)
