"""One scope as a block of code: `with`, `async with`, and a decorator for functions, coroutines and generators."""

import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from relay_core.current import Layer, enter, leave
from relay_core.handles import ScopeHandle
from relay_core.vocabulary import ScopeType

if TYPE_CHECKING:
    from relay_core.scopes import Scopes

__all__ = ["ScopeBlock"]

F = TypeVar("F", bound=Callable[..., Any])


class ScopeBlock:
    """What `scope.scope(...)` returns. Enter it once at a time; as a decorator it makes a new scope for each call."""

    __slots__ = ("_end_timestamp", "_entry", "_handle", "_name", "_options", "_scope_type", "_scopes")

    def __init__(
        self,
        scopes: "Scopes",
        name: str,
        scope_type: ScopeType,
        options: Mapping[str, Any],
        end_timestamp: datetime | None,
    ) -> None:
        """Remember what to start; `options` are further arguments of `Scopes.start`."""
        self._scopes = scopes
        self._name = name
        self._scope_type = scope_type
        self._options = options
        self._end_timestamp = end_timestamp
        self._handle: ScopeHandle | None = None
        self._entry: Layer | None = None

    def __enter__(self) -> ScopeHandle:
        """Start the scope and make it current.

        Raises:
            RuntimeError: The block is entered already; make one block for each scope.
        """
        if self._handle is not None:
            raise RuntimeError(f"the scope block {self._name!r} is entered already; call scope() once for each block")
        handle = self._scopes.push(self._name, self._scope_type, **self._options)
        self._handle = handle
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
        except Exception:
            if error is None:
                raise
            # A wrong end_timestamp: the scope closes now, and the body's own exception goes on.
            self._scopes.close(handle, error, None)

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
        elif inspect.iscoroutinefunction(function):
            wrapper = _around_coroutine(self, function)
        else:
            wrapper = _around_function(self, function)
        return cast(F, functools.wraps(function)(wrapper))

    def again(self) -> "ScopeBlock":
        """Return a block of the same kind that has not been entered."""
        return ScopeBlock(self._scopes, self._name, self._scope_type, self._options, self._end_timestamp)

    # Around each step of a generator ----------------------------------------------------------------------------------

    def begin(self) -> ScopeHandle:
        """Start the scope without making it current."""
        self._handle = self._scopes.start(self._name, self._scope_type, **self._options)
        return self._handle

    def step_in(self) -> None:
        """Make the scope current for one step."""
        self._entry = enter(self._handle, self._scopes.current_run())

    def step_out(self) -> None:
        """End the step."""
        if self._entry is not None:
            leave(self._entry)
            self._entry = None


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
        own = block.again()
        own.begin()
        try:
            generator = function(*args, **kwargs)
            step: Callable[[], Any] = functools.partial(next, generator)
            while True:
                own.step_in()
                try:
                    item = step()
                except StopIteration as stop:
                    result = stop.value
                    break
                finally:
                    own.step_out()
                try:
                    sent = yield item
                except GeneratorExit:
                    own.step_in()
                    try:
                        generator.close()
                    finally:
                        own.step_out()
                    raise
                except BaseException as error:
                    step = functools.partial(generator.throw, error)
                else:
                    step = functools.partial(generator.send, sent)
        except BaseException as error:
            own.__exit__(type(error), error, None)
            raise
        own.__exit__(None, None, None)
        return result

    return call


def _around_async_generator(block: ScopeBlock, function: Callable[..., AsyncGenerator[Any, Any]]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        own = block.again()
        own.begin()
        try:
            generator = function(*args, **kwargs)
            step: Callable[[], Awaitable[Any]] = generator.__anext__
            while True:
                own.step_in()
                try:
                    item = await step()
                except StopAsyncIteration:
                    break
                finally:
                    own.step_out()
                try:
                    sent = yield item
                except GeneratorExit:
                    own.step_in()
                    try:
                        await generator.aclose()
                    finally:
                        own.step_out()
                    raise
                except BaseException as error:
                    step = functools.partial(generator.athrow, error)
                else:
                    step = functools.partial(generator.asend, sent)
        except BaseException as error:
            own.__exit__(type(error), error, None)
            raise
        own.__exit__(None, None, None)

    return call
