"""Carries the current scope where contexts do not go by themselves: threads, executors, callbacks, other processes."""

import contextvars
import functools
import inspect
import logging
from collections.abc import Awaitable, Callable, Generator, Mapping, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, ParamSpec, TypeVar, cast

from relay_core.callables import is_async
from relay_core.current import enter
from relay_core.handles import RemoteScope, ScopeHandle
from relay_core.propagation_context import PropagationContext, TraceParent, span_of
from relay_core.runtime import default
from relay_core.scopes import Scopes

__all__ = [
    "PropagationContext",
    "ScopedThreadPoolExecutor",
    "attach",
    "bind",
    "capture_propagation_context",
    "capture_propagation_context_with_root",
    "capture_rootless_propagation_context",
    "capture_traceparent",
    "extract",
    "inject",
    "isolated",
]

P = ParamSpec("P")
R = TypeVar("R")

_logger = logging.getLogger("relay_core")
_warned: set[str] = set()


class Propagation:
    """The functions of this module, for one runtime."""

    def __init__(self, scopes: Scopes) -> None:
        """Speak for the runtime of `scopes`."""
        self._scopes = scopes

    @contextmanager
    def attach(self, handle: ScopeHandle) -> Generator[ScopeHandle, None, None]:
        """Make a scope current for the block, in any thread, task or context; the scope itself goes on.

        Args:
            handle: The scope; its nearest open ancestor takes its place once it has ended. The implicit root means
                none.

        Raises:
            TypeError: `handle` is no ScopeHandle.
            ScopeError: `handle` belongs to another runtime.
        """
        self._scopes.checked(handle)
        with enter(handle, self._scopes.current_run()):
            yield handle

    @contextmanager
    def isolated(self) -> Generator[None, None, None]:
        """Begin without a parent: scopes and marks in the block do not see what is current outside of it."""
        with enter(self._scopes.root, self._scopes.current_run()):
            yield

    def bind(self, function: Callable[P, R]) -> Callable[P, R]:
        """Return `function` so that it runs under the scope that is current now, wherever it is called.

        For threads, executors and callbacks. May be called several times and at once; works for coroutine functions.

        Raises:
            TypeError: `function` is not callable, or a generator function, which runs when it is iterated.
        """
        if not callable(function):
            raise TypeError(f"bind() takes a function or a coroutine function, not {type(function).__name__}")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError("bind() takes a function or a coroutine function, not a generator function")
        handle = self._scopes.get_handle()

        async def run_async(*args: Any, **kwargs: Any) -> Any:
            with self.attach(handle):
                return await cast("Callable[..., Awaitable[Any]]", function)(*args, **kwargs)

        def run(*args: Any, **kwargs: Any) -> Any:
            with self.attach(handle):
                return function(*args, **kwargs)

        bound = functools.update_wrapper(run_async if is_async(function) else run, function)
        return cast("Callable[P, R]", bound)

    def capture_propagation_context(self) -> PropagationContext | None:
        """Return where work would continue in another process, or None outside of any scope."""
        handle = self._scopes.current()
        if handle is None:
            return None
        context = _context(handle, handle.root_uuid)
        return replace(context, traceparent=context.to_traceparent())

    def capture_rootless_propagation_context(self) -> PropagationContext | None:
        """Do as `capture_propagation_context`, without the root: the work is to begin a request of its own.

        Its scopes have the current one as parent, which stands for their root, too. A W3C trace that the current scope
        came with goes with it; there is none otherwise.
        """
        return self.capture_propagation_context_with_root(None)

    def capture_propagation_context_with_root(self, root_uuid: str | None) -> PropagationContext | None:
        """Do as `capture_propagation_context`, with a root that the application has chosen, such as a session's.

        Args:
            root_uuid: The uuid that groups the work; None for no root.

        Raises:
            ValueError: `root_uuid` is no uuid.
        """
        handle = self._scopes.current()
        return None if handle is None else _context(handle, root_uuid)

    def capture_traceparent(self) -> str | None:
        """Return the W3C `traceparent` of the current scope, or None outside of any."""
        context = self.capture_propagation_context()
        return None if context is None else context.to_traceparent()

    def inject(self, carrier: MutableMapping[str, str]) -> None:
        """Write the current scope into `carrier`: ``traceparent`` and ``relay``, both str. Outside of any, nothing.

        The ``tracestate`` of a W3C trace that came from elsewhere goes with it.

        Args:
            carrier: A plain dict, HTTP headers, or the headers of a message.
        """
        context = self.capture_propagation_context()
        if context is not None:
            carrier["traceparent"] = context.to_traceparent()
            if context.tracestate is not None:
                carrier["tracestate"] = context.tracestate
            carrier["relay"] = PropagationContext(context.parent_uuid, context.root_uuid).to_json()

    def extract(self, carrier: Mapping[str, Any]) -> ScopeHandle:
        """Return the scope that `inject` wrote, as a parent for scopes here: ``attach`` it or pass it as `handle=`.

        Malformed or foreign input gives the implicit root, which begins afresh, and one warning for each kind of
        trouble; never an exception into the worker. A ``traceparent`` alone gives a parent whose uuid is derived from
        its ids.

        Args:
            carrier: What `inject` filled; the case of its keys does not matter.
        """
        try:
            context = _read(carrier)
        except Exception as error:  # whatever a foreign carrier does
            kind = type(error).__name__
            if kind not in _warned:
                _warned.add(kind)
                _logger.warning("a propagation context could not be read and is ignored: %s", error)
            context = None
        return self._scopes.root if context is None else self.remote(context)

    def remote(self, context: PropagationContext) -> ScopeHandle:
        """Return a handle that stands for the scope of `context`, as a parent for scopes here; as `extract` does."""
        handle = self._scopes.remote(context.parent_uuid, context.root_uuid or context.parent_uuid)
        if context.traceparent is not None:
            handle.extras().data = context  # for `capture`; the scope of another process has no other note
        return handle


def _context(handle: ScopeHandle, root_uuid: str | None) -> PropagationContext:
    """Return the context of `handle`, in the W3C trace that the topmost scope came with."""
    top = handle
    while top.parent is not None:
        top = top.parent
    came = top.data if isinstance(top, RemoteScope) else None
    trace = TraceParent.parse(came.traceparent) if isinstance(came, PropagationContext) else None
    if trace is None or not isinstance(came, PropagationContext):
        return PropagationContext(handle.uuid, root_uuid)
    if handle is not top:
        trace = trace._replace(span=span_of(handle.uuid))
    return PropagationContext(handle.uuid, root_uuid, traceparent=str(trace), tracestate=came.tracestate)


def _read(carrier: Mapping[str, Any]) -> PropagationContext | None:
    own, traceparent = _entry(carrier, "relay"), _entry(carrier, "traceparent")
    tracestate = _entry(carrier, "tracestate")
    if own is not None:
        return replace(PropagationContext.from_json(own), traceparent=traceparent, tracestate=tracestate)
    return None if traceparent is None else PropagationContext.from_traceparent(traceparent, tracestate)


def _entry(carrier: Mapping[str, Any], name: str) -> str | None:
    """Return what stands under `name` in any case, as text: HTTP frameworks differ in both."""
    value = carrier.get(name)
    if value is None:
        value = next((carrier[key] for key in carrier if str(key).lower() == name), None)
    return value.decode() if isinstance(value, bytes) else value


class ScopedThreadPoolExecutor(ThreadPoolExecutor):
    """A thread pool whose tasks run in a copy of the submitter's context: what was current there is current here."""

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> "Future[R]":
        """Schedule `fn` as `ThreadPoolExecutor.submit` does, under the scope that is current now.

        Raises:
            RuntimeError: The executor is shut down.
        """
        context = contextvars.copy_context()
        return super().submit(lambda: context.run(fn, *args, **kwargs))


_default: Final = Propagation(default().scopes)
attach = _default.attach
isolated = _default.isolated
bind = _default.bind
capture_propagation_context = _default.capture_propagation_context
capture_propagation_context_with_root = _default.capture_propagation_context_with_root
capture_rootless_propagation_context = _default.capture_rootless_propagation_context
capture_traceparent = _default.capture_traceparent
inject = _default.inject
extract = _default.extract
