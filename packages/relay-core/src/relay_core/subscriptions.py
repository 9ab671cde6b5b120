"""Subscribers of one runtime: callables that get every event, held as small plugins; and the delivery barrier."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from relay_core.callables import is_async
from relay_core.errors import PluginExistsError, RegistrationError
from relay_core.events import MarkEvent, ScopeEvent
from relay_core.handles import ScopeHandle
from relay_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from relay_core.runtime import Relay

__all__ = ["SUBSCRIBER_PREFIX", "Callback", "Subscriber", "Subscriptions"]

Callback = Callable[[ScopeEvent | MarkEvent], object]
"""Gets each event, on the delivery thread; what it returns is ignored."""

SUBSCRIBER_PREFIX = "subscriber:"
"""What the plugin of a subscriber is called, in front of the subscriber's own name."""


class Subscriber:
    """The plugin that `subscribers.register` makes of a callable."""

    def __init__(self, callback: Callback) -> None:
        """Hand every event to `callback`."""
        self.callback = callback

    @hookimpl
    def relay_scope_start(self, event: ScopeEvent) -> None:
        """Hand the event on."""
        self.callback(event)

    @hookimpl
    def relay_scope_end(self, event: ScopeEvent) -> None:
        """Hand the event on."""
        self.callback(event)

    @hookimpl
    def relay_mark(self, event: MarkEvent) -> None:
        """Hand the event on."""
        self.callback(event)


class Subscriptions:
    """Registers subscribers and waits for delivery. `relay_core.subscribers` is the default runtime's."""

    def __init__(self, relay: "Relay") -> None:
        """Speak for `relay`."""
        self._relay = relay
        self._lock = threading.Lock()

    def register(self, name: str, callback: Callback) -> None:
        """Have `callback` called with every event that is emitted from now on.

        It runs on the delivery thread, in emission order, after the subscribers registered before it. It may emit,
        register and deregister. What it raises is caught, counted under `name` and logged once per minute.

        Args:
            name: Unique among subscribers.
            callback: Called with a `ScopeEvent` or a `MarkEvent`.

        Raises:
            RegistrationError: The name is taken.
            TypeError: `name` is no str, or `callback` is not callable or a coroutine function.
        """
        _check(name, callback)
        self._relay.ensure_ready()
        try:
            self._relay.registry.register(Subscriber(callback), SUBSCRIBER_PREFIX + name)
        except PluginExistsError:
            raise RegistrationError("subscriber", name) from None

    def deregister(self, name: str) -> bool:
        """Take a subscriber out; it still gets what was emitted before. Says whether there was one."""
        return self._relay.registry.unregister(f"{SUBSCRIBER_PREFIX}{name}")

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until everything emitted before is delivered, and plugins with buffers have written them out.

        Args:
            timeout: Seconds to wait at the most.

        Returns:
            Whether it finished in time. False at once when called by a subscriber, on the delivery thread.

        Raises:
            RunningLoopError: An event loop runs in this thread; await `flush_async` there.
        """
        return self._relay.dispatcher.barriers.flush(timeout)

    async def flush_async(self, timeout: float = 30.0) -> bool:
        """Wait as `flush` does, without blocking the event loop.

        Args:
            timeout: Seconds to wait at the most.

        Returns:
            Whether it finished in time.
        """
        return await self._relay.dispatcher.barriers.flush_async(timeout)

    # Scope-local ------------------------------------------------------------------------------------------------------

    def register_local(self, scope_handle: ScopeHandle, name: str, callback: Callback) -> None:
        """Have `callback` called with the events of the scope's subtree from now on, its own end included.

        Gone when the scope closes. Runs on the delivery thread, after the global subscribers, root scopes first.

        Args:
            scope_handle: An open scope.
            name: Unique among the scope's subscribers.
            callback: As for `register`.

        Raises:
            ScopeClosedError: The scope has ended.
            ScopeError: The implicit root, or a handle of another runtime.
            RegistrationError: The name is taken on this scope.
            TypeError: As for `register`; or `scope_handle` is no ScopeHandle.
        """
        _check(name, callback)
        local = self._relay.scopes.local(scope_handle)
        with self._lock:
            if any(taken == name for taken, _ in local.subscribers):
                raise RegistrationError("subscriber", name)
            local.subscribers = (*local.subscribers, (name, callback))

    def deregister_local(self, scope_handle: ScopeHandle, name: str) -> bool:
        """Take a subscriber of this scope out; says whether there was one. Never raises for a closed scope.

        Raises:
            TypeError: `scope_handle` is no ScopeHandle.
        """
        local = _checked(scope_handle).local
        if local is None:
            return False
        with self._lock:
            rest = tuple(entry for entry in local.subscribers if entry[0] != name)
            found = len(rest) < len(local.subscribers)
            local.subscribers = rest
        return found

    def after_fork(self) -> None:
        """Make registering possible in a forked child, whose parent may have held the lock in another thread."""
        self._lock = threading.Lock()


def _check(name: object, callback: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, not {type(name).__name__}")
    if not callable(callback):
        raise TypeError(f"callback of subscriber {name!r} must be callable, not {type(callback).__name__}")
    if is_async(callback):
        raise TypeError(f"callback of subscriber {name!r} must not be async: the delivery thread runs no event loop")


def _checked(scope_handle: object) -> ScopeHandle:
    if not isinstance(scope_handle, ScopeHandle):
        raise TypeError(f"scope_handle must be a ScopeHandle, not {type(scope_handle).__name__}")
    return scope_handle
