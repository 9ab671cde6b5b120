"""One pipeline for calls with and without an event loop: how it waits for what middleware returns.

The stages are coroutines. Without a loop they are driven here, in one step, because nothing in them then suspends.
"""

from collections.abc import Coroutine, Iterable
from typing import Any, Final, TypeVar

from relay_core.callables import discard, is_awaitable
from relay_core.chains import Entry
from relay_core.errors import AsyncMiddlewareError

__all__ = ["AWAITING", "Pace", "drive"]

T = TypeVar("T")


class Pace:
    """How a call waits: on the event loop, or not at all."""

    __slots__ = ("call", "instead")

    def __init__(self, call: str, instead: str | None = None) -> None:
        """Name the public function `call`; `instead` is the one to await where this one cannot wait, None if it can."""
        self.call = call
        self.instead = instead

    @property
    def waits(self) -> bool:
        """Whether awaitables are awaited."""
        return self.instead is None

    def admit(self, chain: Iterable[Entry]) -> None:
        """Refuse async middleware in a call that cannot wait.

        Raises:
            AsyncMiddlewareError: An entry is async.
        """
        if self.instead is not None:
            for entry in chain:
                if entry.is_async:
                    raise AsyncMiddlewareError(entry.name, call=self.call, instead=self.instead)

    async def settle(self, value: Any, name: str) -> Any:
        """Return what `value` stands for; `name` is whose it is.

        Raises:
            AsyncMiddlewareError: It must be awaited, in a call that cannot wait.
        """
        if not is_awaitable(value):
            return value
        if self.instead is None:
            return await value
        discard(value)
        raise AsyncMiddlewareError(name, call=self.call, instead=self.instead)


AWAITING: Final = Pace("execute")
"""The pace of every call that is awaited."""


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends, and return its result."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise RuntimeError("a call without an event loop tried to wait; this is a bug in Relay")
