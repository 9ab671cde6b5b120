"""Waiting until everything that was emitted has been delivered, from tests of any kind."""

import sys
import threading

from relay_core.runtime import Relay

__all__ = ["settle"]


def settle(relay: Relay, timeout: float = 10.0) -> None:
    """Wait until everything emitted so far is delivered; also inside a running event loop, which it blocks meanwhile.

    Args:
        relay: The runtime.
        timeout: Seconds to wait at the most.

    Raises:
        TimeoutError: It took longer, or a plugin failed to flush what it holds.
    """
    done: list[bool] = []

    def flush() -> None:
        done.append(relay.subscribers.flush(timeout))

    if _loop_runs():
        # The barrier refuses to block a loop, rightly so; a test wants its answer here and now.
        thread = threading.Thread(target=flush, name="relay-testing-settle", daemon=True)
        thread.start()
        thread.join(timeout)
    else:
        flush()
    if done != [True]:
        failed = relay.statistics().failed
        reason = f"; plugins have failed, see the log: {failed}" if failed else ""
        raise TimeoutError(f"Relay has not delivered and flushed everything within {timeout} s{reason}")


def _loop_runs() -> bool:
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
