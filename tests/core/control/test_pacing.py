"""How a pipeline waits, with and without a loop."""

import asyncio

import pytest

from relay_core.control.pacing import AWAITING, Pace, drive
from relay_core.errors import AsyncMiddlewareError

BLOCKING = Pace("f_sync", "f")


async def one() -> int:
    """Return 1."""
    return 1


@pytest.mark.anyio
async def test_awaiting_pace_awaits() -> None:
    """On the loop a value is itself and an awaitable is awaited."""
    assert (1, 2) == (await AWAITING.settle(one(), "x"), await AWAITING.settle(2, "x"))


def test_blocking_pace_refuses() -> None:
    """Without a loop an awaitable is an error that names whose it is, and is closed."""
    with pytest.raises(AsyncMiddlewareError, match="f_sync cannot run the async middleware 'x'; use 'await f'"):
        drive(BLOCKING.settle(one(), "x"))
    assert 2 == drive(BLOCKING.settle(2, "x"))


def test_nothing_is_left_waiting() -> None:
    """A coroutine that would suspend cannot be driven; it is closed and the error says so."""
    with pytest.raises(RuntimeError, match="tried to wait"):
        drive(asyncio.sleep(0))
