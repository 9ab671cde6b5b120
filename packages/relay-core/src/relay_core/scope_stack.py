"""NeMo Relay's scope-stack functions, for code that was written for them. Here there is no stack: places stand in.

Every task, thread and copied context has a current scope of its own, without any of this. A `ScopeStack` is a place in
the tree of scopes: it remembers what is current there, and work elsewhere continues under that. What `propagation` has
says the same in fewer words; its functions are named below.
"""

# The entries of a context are private to the modules that read and make them; see current.py.
# pyright: reportPrivateUsage=false

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import Context, copy_context
from typing import Final

from relay_core.current import Layer, enter, get_entry, leave, live, set_entry
from relay_core.errors import RelayError
from relay_core.handles import ScopeHandle, nearest_open
from relay_core.propagation import Propagation
from relay_core.propagation_context import PropagationContext
from relay_core.runtime import default
from relay_core.scopes import Scopes

__all__ = [
    "ScopeStack",
    "create_scope_stack",
    "create_scope_stack_from_propagation",
    "fork_asyncio_context",
    "get_scope_stack",
    "propagate_scope_to_thread",
    "scope_stack_active",
    "set_thread_scope_stack",
    "use_scope_stack",
]


class ScopeStack:
    """A place in the tree of scopes at which work may continue. Made by the functions of this module."""

    __slots__ = ("_bottom", "_top")

    def __init__(self, bottom: ScopeHandle, top: ScopeHandle) -> None:
        """Not for users. `bottom` never ends: the implicit root, or a scope of another process."""
        self._bottom = bottom
        self._top = top

    @property
    def handle(self) -> ScopeHandle:
        """The scope that is current here; its nearest open ancestor once it has ended. The implicit root means none."""
        return nearest_open(self._top) or self._bottom

    def move(self, top: ScopeHandle) -> None:
        """Let another scope be current here. Not for users."""
        self._top = top

    def __repr__(self) -> str:
        return f"<ScopeStack {self.handle.name!r}>"


class _Floor(Layer):
    """What a stack lays under the scopes that are opened on it: nothing further out is seen."""

    __slots__ = ("bound", "stack")

    def __init__(self, stack: ScopeStack, run: ScopeHandle | None, *, bound: bool) -> None:
        """Lie under `stack`; `bound` to the thread, and to no block."""
        super().__init__(stack._bottom, live(get_entry()), run)
        self.stack = stack
        self.bound = bound


class ScopeStacks:
    """The functions of this module, for one runtime. Any thread, task or context; nothing here waits."""

    def __init__(self, scopes: Scopes) -> None:
        """Speak for the runtime of `scopes`."""
        self._scopes = scopes
        self._propagation = Propagation(scopes)

    def create_scope_stack(self) -> ScopeStack:
        """Return a place outside of any scope. `propagation.isolated` is a block that is at one."""
        return ScopeStack(self._scopes.root, self._scopes.root)

    def create_scope_stack_from_propagation(self, context: PropagationContext | None) -> ScopeStack:
        """Return a place under a scope of another process. `propagation.extract` reads one from headers.

        Args:
            context: What was captured there; None, as captured outside of any scope, gives `create_scope_stack`.

        Raises:
            TypeError: `context` is no PropagationContext.
        """
        if context is None:
            return self.create_scope_stack()
        if not isinstance(context, PropagationContext):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"context must be a PropagationContext, not {type(context).__name__}")
        remote = self._propagation.remote(context)
        return ScopeStack(remote, remote)

    def get_scope_stack(self) -> ScopeStack:
        """Return the place that we are at: the stack in use, or else one at the current scope."""
        floor, here = self._floor(), self._scopes.get_handle()
        if floor is not None:
            floor.stack.move(here)
            return floor.stack
        stack = ScopeStack(self._scopes.root, here)
        if here is self._scopes.root:
            self._lay(stack, bound=False)  # from now on this context has a stack, as `scope_stack_active` says
        return stack

    def scope_stack_active(self) -> bool:
        """Say whether a scope is open here or a stack is in use."""
        return self._scopes.current() is not None or self._floor() is not None

    def propagate_scope_to_thread(self) -> ScopeStack:
        """Return the place that we are at, for `set_thread_scope_stack`. `propagation.bind` does both.

        The scope that is current now is current there; what is opened later on one side is not seen on the other.

        Raises:
            RelayError: No scope is open here, and no stack is in use.
        """
        if not self.scope_stack_active():
            raise RelayError("no active scope stack in this context: open a scope first, or call get_scope_stack()")
        return self.get_scope_stack()

    def set_thread_scope_stack(self, stack: ScopeStack) -> None:
        """Continue at `stack` in this thread, for good; `propagation.attach` is a block that does.

        Without effect where a scope is open that belongs to this context, as in `asyncio.to_thread`: that one wins.

        Raises:
            TypeError: `stack` is no ScopeStack.
            ScopeError: `stack` belongs to another runtime.
        """
        self._check(stack)
        floor = self._floor()
        has_own = self._scopes.innermost(None) is not None if floor is None else not floor.bound
        if has_own:
            return
        if floor is not None:
            set_entry(live(floor._outer))  # or each task of a worker thread would lay one more on top
        self._lay(stack, bound=True)

    @contextmanager
    def use_scope_stack(self, stack: ScopeStack) -> Generator[ScopeStack, None, None]:
        """Continue at `stack` for a block. What is opened in it and left open is there when the stack is used again.

        A block directly within another one on the same stack goes on where that one is, and that one where it ends.

        Raises:
            TypeError: `stack` is no ScopeStack.
            ScopeError: `stack` belongs to another runtime.
        """
        self._check(stack)
        before, outer = get_entry(), self._floor()
        nested = outer is not None and outer.stack is stack
        floor, layer = self._lay(stack, bound=False, at=self._scopes.get_handle() if nested else None)
        try:
            yield stack
        finally:
            if self._floor() is floor:  # or else the block is left in another context than it was entered in
                stack.move(self._scopes.get_handle())
                if not nested:  # or else what is open stays current: the outer block is to find it when it ends
                    set_entry(live(before))
            leave(layer)
            leave(floor)

    def fork_asyncio_context(self) -> Context:
        """Return a copy of this context, for ``create_task(..., context=...)``. Tasks make one by themselves.

        Scopes that the task opens are under the one that is current now, and what is registered on that one concerns
        them, too.
        """
        return copy_context()

    def _check(self, stack: ScopeStack) -> None:
        if not isinstance(stack, ScopeStack):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"stack must be a ScopeStack, not {type(stack).__name__}")
        self._scopes.checked(stack.handle)

    def _lay(self, stack: ScopeStack, *, bound: bool, at: ScopeHandle | None = None) -> tuple[_Floor, Layer]:
        """Make the stack's scope current, or the one `at` which it is by now, and nothing that is current now."""
        run = self._scopes.current_run()
        floor = _Floor(stack, run, bound=bound)
        set_entry(floor)
        return floor, enter(at or stack.handle, run)

    def _floor(self) -> _Floor | None:
        """Return the innermost floor of this context, if any."""
        entry = live(get_entry())
        while entry is not None:
            if isinstance(entry, _Floor) and entry.handle._owner is self._scopes.root._owner:
                return entry
            entry = live(entry._outer)
        return None


_default: Final = ScopeStacks(default().scopes)
create_scope_stack = _default.create_scope_stack
create_scope_stack_from_propagation = _default.create_scope_stack_from_propagation
fork_asyncio_context = _default.fork_asyncio_context
get_scope_stack = _default.get_scope_stack
propagate_scope_to_thread = _default.propagate_scope_to_thread
scope_stack_active = _default.scope_stack_active
set_thread_scope_stack = _default.set_thread_scope_stack
use_scope_stack = _default.use_scope_stack
