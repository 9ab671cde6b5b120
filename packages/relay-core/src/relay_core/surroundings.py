"""What surrounds a call in one runtime: the scope that is current, and what is registered on the scopes around it."""

# The private state of handles is shared by handles, current, surroundings, lifecycle and scopes; see handles.py.
# pyright: reportPrivateUsage=false

from collections.abc import Callable
from typing import Any

from relay_core.current import Layer, get_entry, innermost_of
from relay_core.delivery import Locals
from relay_core.errors import ScopeClosedError, ScopeError
from relay_core.handles import FixedScope, LocalRegistrations, Owner, ScopeHandle, is_ancestor
from relay_core.vocabulary import ScopeType

__all__ = ["CurrentRun", "Surroundings"]


CurrentRun = tuple[str, Callable[[], ScopeHandle | None], dict[Any, Any] | None]
"""Who knows: the plugin's name, what to ask, and what is empty as long as there is no need to."""


class Surroundings:
    """Answers where we are. Any thread, task or context."""

    __slots__ = ("__weakref__", "_failed", "_local_handles", "_runtime", "current_runs", "root")

    def __init__(self, failed: Callable[[str, str, BaseException], None]) -> None:
        """Report to `failed` what an integration raises when it is asked for its current scope."""
        self._failed = failed
        self._runtime = object()
        self._local_handles = 0
        self.current_runs: tuple[CurrentRun, ...] = ()
        """The integrations' own idea of the current scope."""
        self.root = FixedScope("root", ScopeType.Function, Owner(self._runtime))
        """The implicit root: passed as `handle=` it means top level. Never emitted."""

    # The current scope ------------------------------------------------------------------------------------------------

    def current(self) -> ScopeHandle | None:
        """Return the current open scope of this context, or None."""
        return self.innermost(self.current_run() if self.current_runs else None)

    def innermost(self, run: ScopeHandle | None) -> ScopeHandle | None:
        """Return the scope that user code has open inside of an integration's `run`, else `run` itself.

        For integrations, to find the parent of what starts in `run`. Without a run: the user's current scope. None
        means top level.
        """
        if get_entry() is None:  # nearly always, and asked for every scope that a framework starts
            return run
        entry = innermost_of(self._runtime)
        if entry is None:
            return run
        # The user's scope is the inner one if it was opened in this run, or in one that this run contains.
        if run is not None and entry._run is not run and not is_ancestor(run, entry._run):
            return run
        handle = entry.handle if isinstance(entry, Layer) else entry
        return None if handle is self.root else handle

    def current_run(self) -> ScopeHandle | None:
        """Return the framework's own idea of the current scope, from the first integration that has one."""
        for plugin, ask, running in self.current_runs:
            if running is not None and not running:
                continue
            try:
                run = ask()
            except Exception as error:  # an integration's trouble may not reach the application
                self._failed(plugin, "relay_current_scope", error)
                continue
            if run is not None and not run._closed and run._owner.runtime is self._runtime:
                return run
        return None

    def get_handle(self) -> ScopeHandle:
        """Return the current open scope, or the implicit root when nothing is open."""
        return self.current() or self.root

    def checked(self, handle: ScopeHandle) -> ScopeHandle | None:
        """Return an explicit `handle=` as parent: None for the implicit root.

        Raises:
            TypeError: `handle` is no ScopeHandle.
            ScopeError: `handle` belongs to another runtime.
        """
        if not isinstance(handle, ScopeHandle):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"handle must be a ScopeHandle or None, not {type(handle).__name__}")
        if handle._owner.runtime is not self._runtime:
            raise ScopeError("belongs to another runtime", name=handle.name, uuid=handle.uuid)
        return None if handle is self.root else handle

    # Registrations on scopes ------------------------------------------------------------------------------------------

    @property
    def has_local(self) -> bool:
        """Whether anything is registered on an open scope."""
        return self._local_handles > 0

    def local(self, handle: ScopeHandle) -> LocalRegistrations:
        """Return what is registered on `handle`, to add to it.

        Raises:
            ScopeClosedError: The scope has ended.
            ScopeError: The implicit root, a scope of another process, or a handle of another runtime.
            TypeError: No handle at all.
        """
        self.checked(handle)
        if handle._owner is self.root._owner:
            raise ScopeError("never closes: register for the whole runtime", name=handle.name, uuid=handle.uuid)
        extras, fresh = handle.extras(), LocalRegistrations()
        extras.local = local = extras.local or fresh
        if local is fresh:
            self._local_handles += 1
        if handle._closed:  # looked at last: it may be closing in another thread
            self._forget_local(handle)
            raise ScopeClosedError(name=handle.name, uuid=handle.uuid)
        return local

    def local_chain(self, handle: ScopeHandle | None) -> list[LocalRegistrations]:
        """Return what is registered on `handle` and its ancestors, from root to leaf."""
        found: list[LocalRegistrations] = []
        while handle is not None and self._local_handles:
            extras = handle._extras
            if extras is not None and extras.local is not None:
                found.append(extras.local)
            handle = handle._parent
        found.reverse()
        return found

    def _locals_of(self, handle: ScopeHandle, wanted: bool) -> Locals | None:
        """Return what is registered around `handle`; None where nobody gets the event, `wanted` or not by others."""
        chain = self.local_chain(handle)
        if not chain or not (wanted or any(local.subscribers for local in chain)):
            return None
        return tuple((local.chains.snapshot, local.subscribers) for local in chain)

    def _forget_local(self, handle: ScopeHandle) -> None:
        extras = handle._extras
        if extras is not None:
            local, extras.local = extras.local, None
            if local is not None:
                self._local_handles -= 1
