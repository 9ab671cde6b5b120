"""What is registered on one scope of the default runtime, and gone when it closes: for one request, one tenant."""

from typing import Final

from relay_core.runtime import default

__all__ = ["deregister_subscriber", "register_subscriber"]

_subscriptions: Final = default().subscribers

register_subscriber = _subscriptions.register_local
deregister_subscriber = _subscriptions.deregister_local
