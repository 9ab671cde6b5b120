"""One scope as a block of code: `with`, `async with`, and a decorator for functions, coroutines and generators."""

# The private state of handles is shared; see handles.py.
# pyright: reportPrivateUsage=false

import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from relay_core.callables import is_async
from relay_core.current import Entry, get_entry, set_entry
from relay_core.handles import ScopeHandle
from relay_core.timestamps import from_datetime
from relay_core.vocabulary import ScopeType

if TYPE_CHECKING:
    from relay_core.scopes import Scopes

__all__ = ["ScopeBlock"]

F = TypeVar("F", bound=Callable[..., Any])


class ScopeBlock:
    """What `scope.scope(...)` returns. Enter it once at a time; as a decorator it makes a new scope for each call."""

    __slots__ = ("_end_timestamp", "_handle", "_name", "_options", "_scope_type", "_scopes")

    def __init__(
        self,
        scopes: "Scopes",
        name: str,
        scope_type: ScopeType,
        options: Mapping[str, Any],
        end_timestamp: datetime | None,
    ) -> None:
        """Remember what to start; `options` are further arguments of `Scopes.push`."""
        self._scopes = scopes
        self._name = name
        self._scope_type = scope_type
        self._options = options
        self._end_timestamp = end_timestamp
        self._handle: ScopeHandle | None = None

    def __enter__(self) -> ScopeHandle:
        """Start the scope and make it current.

        Raises:
            RuntimeError: The block is entered already; make one block for each scope.
        """
        if self._handle is not None:
            raise RuntimeError(f"the scope block {self._name!r} is entered already; call scope() once for each block")
        if self._end_timestamp is not None:
            from_datetime(self._end_timestamp, "end_timestamp")
        self._handle = handle = self._scopes.push(self._name, self._scope_type, **self._options)
        return handle

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the scope. The body's exception passes through, and trouble of ours never replaces it."""
        handle, self._handle = self._handle, None
        if handle is None:
            return
        try:
            self._scopes.close(handle, error, self._end_timestamp)
        except ValueError:
            # The end_timestamp lies before the start: the scope ends all the same, now.
            self._scopes.close(handle, error, None)
            if error is None:
                raise

    async def __aenter__(self) -> ScopeHandle:
        """Start the scope and make it current; see `__enter__`."""
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the scope; see `__exit__`."""
        self.__exit__(kind, error, traceback)

    def __call__(self, function: F) -> F:
        """Decorate `function`: each call of it is a scope of its own.

        Raises:
            TypeError: `function` is not callable.
        """
        if not callable(function):
            raise TypeError(f"scope() decorates functions, not {type(function).__name__}")
        wrapper: Callable[..., Any]
        if inspect.isasyncgenfunction(function):
            wrapper = _around_async_generator(self, function)
        elif inspect.isgeneratorfunction(function):
            wrapper = _around_generator(self, function)
        elif is_async(function):
            wrapper = _around_coroutine(self, function)
        else:
            wrapper = _around_function(self, function)
        return cast(F, functools.wraps(function)(wrapper))

    def again(self) -> Self:
        """Return a block of the same kind that has not been entered."""
        return type(self)(self._scopes, self._name, self._scope_type, self._options, self._end_timestamp)

    def stepped(self) -> "_SteppedBlock":
        """Return a block of the same kind for a generator."""
        return _SteppedBlock(self._scopes, self._name, self._scope_type, self._options, self._end_timestamp)


class _SteppedBlock(ScopeBlock):
    """The scope of one generator: it lives as long as the block, and is current in the generator's own steps only."""

    __slots__ = ("_consumers", "_own")

    _own: Entry | None

    def __enter__(self) -> ScopeHandle:
        """Start the scope; what is current stays as it is."""
        self._consumers = get_entry()
        self._own = handle = super().__enter__()
        self.step_out()
        return handle

    def step(self, handle: ScopeHandle, advance: Callable[..., Any], *value: Any) -> Any:
        """Advance the generator inside of its scope."""
        self.step_in(handle)
        try:
            return advance(*value)
        finally:
            self.step_out()

    async def async_step(self, handle: ScopeHandle, advance: Callable[..., Awaitable[Any]], *value: Any) -> Any:
        """Advance the async generator inside of its scope."""
        self.step_in(handle)
        try:
            return await advance(*value)
        finally:
            self.step_out()

    def step_in(self, handle: ScopeHandle) -> None:
        """Make current what was so at the end of the last step: the scope, or one that the generator has open."""
        self._consumers = get_entry()
        handle._run = self._scopes.current_run()  # the step may be made in another run than the last one
        set_entry(self._own)

    def step_out(self) -> None:
        """Give the consumer its own back."""
        inside = get_entry()
        if inside is not self._consumers:
            self._own = inside
        set_entry(self._consumers)
        self._consumers = None


def _around_function(block: ScopeBlock, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        with block.again():
            return function(*args, **kwargs)

    return call


def _around_coroutine(block: ScopeBlock, function: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        with block.again():
            return await function(*args, **kwargs)

    return call


def _around_generator(block: ScopeBlock, function: Callable[..., Generator[Any, Any, Any]]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        own = block.stepped()
        with own as handle:
            generator = function(*args, **kwargs)
            advance: Callable[..., Any] = generator.send
            value: Any = None
            while True:
                try:
                    item = own.step(handle, advance, value)
                except StopIteration as stop:
                    return stop.value
                finally:
                    value = None  # or an error that was thrown in would be kept alive by its own traceback
                try:
                    advance, value = generator.send, (yield item)
                except GeneratorExit:
                    own.step(handle, generator.close)
                    raise
                except BaseException as error:  # thrown in by the consumer: it is the generator's now
                    advance, value = generator.throw, error

    return call


def _around_async_generator(block: ScopeBlock, function: Callable[..., AsyncGenerator[Any, Any]]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        own = block.stepped()
        with own as handle:
            generator = function(*args, **kwargs)
            advance: Callable[..., Awaitable[Any]] = generator.asend
            value: Any = None
            while True:
                try:
                    item = await own.async_step(handle, advance, value)
                except StopAsyncIteration:
                    return
                finally:
                    value = None  # or an error that was thrown in would be kept alive by its own traceback
                try:
                    advance, value = generator.asend, (yield item)
                except GeneratorExit:
                    await own.async_step(handle, generator.aclose)
                    raise
                except BaseException as error:  # thrown in by the consumer: it is the generator's now
                    advance, value = generator.athrow, error

    return call
