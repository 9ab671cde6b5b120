"""What a registered function is like: sync or async, and how many arguments it takes by position."""

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["discard", "is_async", "is_awaitable", "loop_runs", "positional_count"]


def is_async(function: Callable[..., Any]) -> bool:
    """Tell whether calling `function` gives a coroutine.

    True for an ``async def``, one under `functools.partial`, and an object whose ``__call__`` is one.
    """
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def is_awaitable(value: object) -> bool:
    """Tell whether `value` must be awaited; at the price of an attribute lookup on its class."""
    return hasattr(value.__class__, "__await__")


def discard(awaitable: object) -> None:
    """Close an awaitable that nobody will await, so that Python does not warn about it."""
    close = getattr(awaitable, "close", None) or getattr(awaitable, "cancel", None)
    if close is not None:
        close()


def loop_runs() -> bool:
    """Tell whether an asyncio event loop is running in this thread."""
    asyncio = sys.modules.get("asyncio")  # where nobody has imported it, no loop runs
    return asyncio is not None and asyncio._get_running_loop() is not None


def positional_count(function: Callable[..., Any]) -> int | None:
    """Return how many arguments `function` takes by position, or None where it takes any number or does not say."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some builtins have no signature
        return None
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return None
    return sum(
        parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD) for parameter in parameters
    )
