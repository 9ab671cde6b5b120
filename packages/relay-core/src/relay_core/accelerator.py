"""The optional package `relay-native`, where it is installed and fits; everything does the same without it.

What it speeds up says so: `current`, `payload.encoder` and `acceleration`.
"""

from typing import Any, Final

__all__ = ["native"]

INTERFACE: Final = 1
"""The version of what is between the two; that of another one is not used."""


def _found() -> Any:
    try:
        import relay_native
    except ImportError:
        return None
    return relay_native if relay_native.INTERFACE == INTERFACE else None


native: Final[Any] = _found()
"""The module, or None."""
