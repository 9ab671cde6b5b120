"""What is known about a function that a user registers."""

import functools
from collections.abc import Callable
from typing import Any

import pytest

from relay_core.callables import discard, is_async, is_awaitable, loop_runs, positional_count


async def asynchronous(one: object, two: object) -> None:
    """Do nothing, asynchronously."""


def synchronous(one: object, two: object, *, three: object = None) -> None:
    """Do nothing."""


class AsyncCallable:
    async def __call__(self, one: object) -> None: ...


@pytest.mark.parametrize(
    "function",
    [asynchronous, functools.partial(asynchronous, 1), functools.partial(AsyncCallable(), 1), AsyncCallable()],
)
def test_async_functions_are_known(function: Callable[..., Any]) -> None:
    """An async def is recognized under a partial and as a __call__, too."""
    assert is_async(function)


@pytest.mark.parametrize("function", [synchronous, print, functools.partial(synchronous, 1)])
def test_other_functions_are_not_async(function: Callable[..., Any]) -> None:
    """Plain functions, builtins and partials of them are sync."""
    assert not is_async(function)


@pytest.mark.parametrize(
    ("function", "count"),
    [
        (synchronous, 2),
        (asynchronous, 2),
        (functools.partial(synchronous, 1), 1),
        (AsyncCallable(), 1),
        (lambda *args: args, None),
        (print, None),
    ],
)
def test_positional_arguments_are_counted(function: Callable[..., Any], count: int | None) -> None:
    """Keyword-only arguments do not count, and a function that takes any number says so."""
    assert count == positional_count(function)


def test_discarded_coroutines_cause_no_warning() -> None:
    """A coroutine that nobody awaits can be put away silently."""
    coroutine = asynchronous(1, 2)

    assert is_awaitable(coroutine)
    discard(coroutine)


def test_no_loop_runs_here() -> None:
    """Outside of a loop there is none."""
    assert not loop_runs()


@pytest.mark.anyio
async def test_loop_runs_here() -> None:
    """Inside of a coroutine there is one."""
    assert loop_runs()
