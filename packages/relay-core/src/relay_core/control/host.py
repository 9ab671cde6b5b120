"""What the control side needs of its runtime, in one value."""

from collections.abc import Callable
from typing import NamedTuple

from relay_core.control.middleware import Middleware
from relay_core.scopes import Scopes
from relay_core.vocabulary import ScopeType

__all__ = ["Host"]


class Host(NamedTuple):
    """The runtime as managed calls see it."""

    scopes: Scopes
    middleware: Middleware
    first_use: Callable[[], None]
    """Reads settings and discovers plugins; called before the first call of all."""
    wants: Callable[[ScopeType], bool]
    """Whether anybody gets payloads of such scopes; where nobody does, none is made."""
    suppress: Callable[[BaseException, str], None]
    """Counts and logs an error of ours, or of a codec, that may not reach the application."""

    def ready(self) -> None:
        """Make sure that plugins have registered what they register."""
        if not self.scopes.ready:
            self.first_use()
