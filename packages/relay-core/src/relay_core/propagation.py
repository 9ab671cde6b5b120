"""Carries the current scope where contexts do not go by themselves: threads, executors, callbacks, other processes."""

import contextvars
import functools
import inspect
import logging
import re
from collections.abc import Awaitable, Callable, Generator, Mapping, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, ParamSpec, TypeVar, cast
from uuid import UUID

import orjson

from relay_core.callables import is_async
from relay_core.current import enter
from relay_core.handles import ScopeHandle
from relay_core.runtime import default
from relay_core.scopes import Scopes

__all__ = [
    "PropagationContext",
    "ScopedThreadPoolExecutor",
    "attach",
    "bind",
    "capture_propagation_context",
    "capture_traceparent",
    "extract",
    "inject",
    "isolated",
]

P = ParamSpec("P")
R = TypeVar("R")

VERSION: Final = 1
_SAMPLED: Final = "01"
_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?"
)

_logger = logging.getLogger("relay_core")
_warned: set[str] = set()


@dataclass(frozen=True, slots=True)
class PropagationContext:
    """Where work continues: the scope that contains it and the request that it belongs to, as uuids."""

    parent_uuid: str
    """The scope under which the remote work runs."""
    root_uuid: str | None = None
    """The topmost scope of the request; None where it is not known, and then the parent stands for it."""
    version: int = VERSION
    """The version of this format."""

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            ValueError: A uuid is none, or the version is another one.
        """
        object.__setattr__(self, "parent_uuid", _checked_uuid("parent_uuid", self.parent_uuid))
        if self.root_uuid is not None:
            object.__setattr__(self, "root_uuid", _checked_uuid("root_uuid", self.root_uuid))
        if type(self.version) is not int or self.version != VERSION:
            raise ValueError(f"unsupported propagation context version {self.version}; expected {VERSION}")

    def to_json(self) -> str:
        """Return the context as a JSON object."""
        fields = {"version": self.version, "parent_uuid": self.parent_uuid, "root_uuid": self.root_uuid}
        return orjson.dumps(fields).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> "PropagationContext":
        """Return the context that `to_json` wrote.

        Raises:
            ValueError: No JSON object, a bad uuid, or another version.
        """
        try:
            fields: Any = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"propagation context is not JSON: {error}") from None
        if not isinstance(fields, dict):
            raise ValueError("propagation context must be a JSON object")
        known = cast("dict[str, Any]", fields)
        # The version first: another one may have other fields.
        version = known.get("version", VERSION)
        if version != VERSION:
            raise ValueError(f"unsupported propagation context version {version}; expected {VERSION}")
        return cls(known.get("parent_uuid", ""), known.get("root_uuid"))

    def to_traceparent(self) -> str:
        """Return the context as a W3C `traceparent`: the root's uuid as trace id, the parent's last half as span id."""
        trace = (self.root_uuid or self.parent_uuid).replace("-", "")
        return f"00-{trace}-{self.parent_uuid.replace('-', '')[16:]}-{_SAMPLED}"


def _checked_uuid(field: str, value: object) -> str:
    try:
        return str(UUID(value)) if isinstance(value, str) else _not_a_uuid(field, value)
    except ValueError:
        return _not_a_uuid(field, value)


def _not_a_uuid(field: str, value: object) -> str:
    raise ValueError(f"{field} must be a UUID string, not {value!r}")


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
        return None if handle is None else PropagationContext(handle.uuid, handle.root_uuid)

    def capture_traceparent(self) -> str | None:
        """Return the W3C `traceparent` of the current scope, or None outside of any."""
        context = self.capture_propagation_context()
        return None if context is None else context.to_traceparent()

    def inject(self, carrier: MutableMapping[str, str]) -> None:
        """Write the current scope into `carrier`: ``traceparent`` and ``relay``, both str. Outside of any, nothing.

        Args:
            carrier: A plain dict, HTTP headers, or the headers of a message.
        """
        context = self.capture_propagation_context()
        if context is not None:
            carrier["traceparent"] = context.to_traceparent()
            carrier["relay"] = context.to_json()

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
        if context is None:
            return self._scopes.root
        return self._scopes.remote(context.parent_uuid, context.root_uuid or context.parent_uuid)


def _read(carrier: Mapping[str, Any]) -> PropagationContext | None:
    own = _entry(carrier, "relay")
    if own is not None:
        return PropagationContext.from_json(own)
    traceparent = _entry(carrier, "traceparent")
    return None if traceparent is None else _from_traceparent(traceparent)


def _entry(carrier: Mapping[str, Any], name: str) -> str | None:
    """Return what stands under `name` in any case, as text: HTTP frameworks differ in both."""
    value = carrier.get(name)
    if value is None:
        value = next((carrier[key] for key in carrier if str(key).lower() == name), None)
    return value.decode() if isinstance(value, bytes) else value


def _from_traceparent(text: str) -> PropagationContext:
    """Read a foreign `traceparent`: the trace is the root, and the span is told apart by its last half."""
    found = _TRACEPARENT.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"not a W3C traceparent: {text!r}")
    trace, span = found.groups()
    return PropagationContext(str(UUID(trace[:16] + span)), str(UUID(trace)))


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
capture_traceparent = _default.capture_traceparent
inject = _default.inject
extract = _default.extract
