"""Subscribers of the default runtime. Each function's documentation is that of `relay_core.subscriptions`."""

from typing import Final

from relay_core.runtime import default

__all__ = ["deregister", "flush", "flush_async", "register"]

_subscriptions: Final = default().subscribers

register = _subscriptions.register
deregister = _subscriptions.deregister
flush = _subscriptions.flush
flush_async = _subscriptions.flush_async
