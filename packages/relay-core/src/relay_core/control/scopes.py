"""The scope of one managed call: current inside its block, and ended on every path."""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from relay_core.current import Layer, enter, leave
from relay_core.handles import ScopeHandle
from relay_core.scopes import Scopes

__all__ = ["ManagedScope"]


class ManagedScope:
    """A block around what a call does. `finish` ends the scope well; leaving the block by an exception ends it so."""

    __slots__ = ("_entry", "_failure", "_scopes", "handle")

    def __init__(
        self, scopes: Scopes, handle: ScopeHandle, *, failure: Callable[[BaseException], object] | None = None
    ) -> None:
        """Take over the open scope `handle`; `failure` makes the end event's output from an exception."""
        self._scopes = scopes
        self._failure = failure
        self._entry: Layer | None = None
        self.handle = handle

    def __enter__(self) -> Self:
        """Make the scope current."""
        self._entry = enter(self.handle, self._scopes.current_run())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End what `__enter__` began; end the scope too if the block was left by an exception, which goes on."""
        if self._entry is not None:
            leave(self._entry)
        if error is not None:
            output = None if self._failure is None else self._failure(error)
            self._scopes.end(self.handle, outcome=self._scopes.outcome_of(error), error=error, output=output)

    def finish(
        self,
        output: object,
        *,
        category_profile: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """End the scope with the outcome ``ok``."""
        self._scopes.end(self.handle, output=output, category_profile=category_profile, metadata=metadata)
