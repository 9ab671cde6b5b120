"""Waiting until what was emitted before is delivered and flushed: in a thread, in an event loop, or at the end."""

import _thread
import contextlib
from collections.abc import Callable

from relay_core.errors import RunningLoopError
from relay_core.event_queue import Barrier, locked, running_loop

__all__ = ["Barriers"]


class Barriers:
    """Sends barriers through the queue of one dispatcher and waits for them. Any thread, unless it says otherwise."""

    def __init__(
        self,
        *,
        put: Callable[[Barrier], None],
        is_idle: Callable[[], bool],
        is_settled: Callable[[], bool],
        can_wait: Callable[[], bool],
    ) -> None:
        """Set up.

        Args:
            put: Puts a barrier behind what waits now, and has it delivered.
            is_idle: Says whether nothing was ever emitted.
            is_settled: Says whether all that was emitted is delivered, and written by plugins with buffers.
            can_wait: Says whether somebody else will deliver: not on the delivery thread itself.
        """
        self._put = put
        self._is_idle = is_idle
        self._is_settled = is_settled
        self._can_wait = can_wait

    def flush(self, timeout: float) -> bool:
        """Wait until everything emitted before this call is delivered and flushed.

        Args:
            timeout: Seconds to wait at the most.

        Returns:
            Whether it finished in time. False at once when called on the delivery thread.

        Raises:
            RunningLoopError: An event loop runs in this thread; await `flush_async` there.
        """
        if not self._can_wait():
            return False
        if running_loop() is not None:
            raise RunningLoopError("subscribers.flush()", instead="subscribers.flush_async()")
        return self.wait(timeout) or False

    async def flush_async(self, timeout: float) -> bool:
        """Do as `flush`, without blocking the loop and without its default executor. Cancellable."""
        import asyncio  # whoever awaits this has it; `import relay_core` does not pay for it

        if self._is_over(timeout) or not self._can_wait():
            return self._is_over(timeout)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()

        def resolve(flushed: bool) -> None:
            if not future.done():
                future.set_result(flushed)

        def done(flushed: bool) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(resolve, flushed)

        self._put(Barrier(timeout, done))
        try:
            return await asyncio.wait_for(future, timeout)
        except TimeoutError:
            return False

    def drain(self, timeout: float = 5.0) -> None:
        """Wait, bounded, until what was emitted before is delivered; not on the delivery thread, not in a loop's."""
        if running_loop() is None:
            self.wait(timeout)

    def wait(self, timeout: float) -> bool | None:
        """Say whether everything was flushed once all before is delivered; None where it is not in time."""
        if self._is_over(timeout):
            return True
        if not self._can_wait():
            return None
        passed = locked()
        result: list[bool] = []

        def done(flushed: bool) -> None:
            result.append(flushed)
            passed.release()

        self._put(Barrier(timeout, done))
        return result[0] if passed.acquire(timeout=max(0.0, min(timeout, _thread.TIMEOUT_MAX))) else None

    def _is_over(self, timeout: float) -> bool:
        """Say whether there is nothing to wait for; who has time to wait has the plugins flushed all the same."""
        return self._is_idle() or (timeout <= 0 and self._is_settled())
