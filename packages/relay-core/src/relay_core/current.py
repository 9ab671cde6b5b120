"""Which scope is current in a context: the one ContextVar, and the entries that it holds. Nothing else touches it.

An entry knows the one outside of it. Nobody resets the variable: whoever reads it skips the entries that are over, so
that a scope may close in any order and in any context, and is current in none of them from then on.
"""

# The private state of handles is shared by handles, current, lifecycle and scopes; see handles.py.
# pyright: reportPrivateUsage=false

import _thread
import contextvars
import gc
import sys
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Self

from relay_core.accelerator import native
from relay_core.handles import MarkIdentity, ScopeHandle, nearest_open

__all__ = [
    "Entry",
    "Layer",
    "current_entry",
    "enter",
    "get_entry",
    "innermost_of",
    "leave",
    "live",
    "make_current",
    "set_entry",
    "watch_collector",
]


class Layer:
    """Makes a scope current for a time of its own, whatever the scope's own life is; made by `enter`."""

    __slots__ = ("_handle", "_left", "_outer", "_run")

    def __init__(self, handle: ScopeHandle, outer: "Entry | None", run: ScopeHandle | None) -> None:
        """Make `handle` current, `outer` once that is over; `run` is the integration's run at this moment."""
        self._handle = handle
        self._outer = outer
        self._run = run
        self._left = False

    @property
    def handle(self) -> ScopeHandle:
        """The scope, or its nearest open ancestor once it has ended."""
        return nearest_open(self._handle) or self._handle

    @property
    def _closed(self) -> bool:
        return self._left or self.handle._closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        leave(self)


Entry = ScopeHandle | Layer | tuple[Any, ...]
"""What is current: a scope that `push` made so, a layer, or, on the delivery thread, the item that is delivered."""

current_entry: Final[contextvars.ContextVar[Entry | None]] = contextvars.ContextVar("relay_current_scope", default=None)
"""For `relay_core.acceleration`; everybody else calls what follows."""

# The methods themselves: this is read on every emission.
get_entry: Final = current_entry.get
_set: Final = current_entry.set
_copy_context: Final = contextvars.copy_context


if sys.version_info >= (3, 12):
    set_entry: Final = _set

    def watch_collector() -> None:
        """Do nothing: from 3.12 on the garbage collector does not run inside of a `ContextVar.set`."""

else:
    # On 3.11 it does, and a `ContextVar.set` by a finalizer then frees what the interrupted one still works on: all
    # variables of the context are lost, those of the application, too. An extension can keep the collector away; here
    # we hold on to that while we set. Neither sets at all inside of a collection: what a finalizer pushes is not
    # current there.
    _collecting_in = 0
    _held: Final[deque[contextvars.Context]] = deque(maxlen=32)
    """What `_set_held` was about to hold, for the collector may come while it takes hold. (To hold here alone is not
    enough: a signal handler may set before the collector's callback holds anything.)"""

    def _set_held(entry: "Entry | None") -> None:
        if _collecting_in and _collecting_in == _thread.get_ident():
            return
        _own = _copy_context()  # shares what the variables are stored in
        _set(entry)

    def _hold(phase: str, _: dict[str, int]) -> None:
        global _collecting_in
        if phase != "start":
            _collecting_in = 0
            return
        _collecting_in = _thread.get_ident()
        interrupted = sys._getframe().f_back  # None at the end of a thread
        if interrupted is not None and interrupted.f_code is _set_held.__code__:
            _held.append(_copy_context())
        else:
            _held.clear()  # there is one collection at a time, so nobody else is interrupted in a set

    set_entry: Final[Callable[["Entry | None"], object]] = _set_held if native is None else native.set_entry
    """Makes an entry current, but for finalizers that the garbage collector runs."""
    _note_collection: Final[Callable[[str, dict[str, int]], None]] = _hold if native is None else native.note_collection

    def watch_collector() -> None:
        """Learn from now on when the garbage collector runs."""
        if _note_collection not in gc.callbacks:
            gc.callbacks.insert(0, _note_collection)  # before any that sets a variable itself


def live(entry: Entry | None) -> ScopeHandle | Layer | None:
    """Return `entry` or the nearest one outside of it that is not over."""
    while entry is not None:
        if isinstance(entry, tuple):
            return _origin(entry)
        if not entry._closed:
            return entry
        entry = entry._outer
    return None


def innermost_of(runtime: object) -> ScopeHandle | Layer | None:
    """Return the innermost entry of this context that is not over and belongs to the runtime."""
    entry = live(get_entry())
    while entry is not None:
        handle = entry.handle if isinstance(entry, Layer) else entry
        if handle._owner.runtime is runtime:
            return entry
        entry = live(entry._outer)
    return None


def _origin(item: tuple[Any, ...]) -> Layer | None:
    """Return the scope of the event that is being delivered, or its nearest open ancestor."""
    about = item[0]
    handle = nearest_open(about.scope if isinstance(about, MarkIdentity) else about)
    return None if handle is None else Layer(handle, None, None)


def make_current(handle: ScopeHandle, run: ScopeHandle | None) -> None:
    """Make a new scope current until it closes; once for each scope."""
    handle._outer = live(get_entry())
    handle._run = run
    set_entry(handle)


def enter(handle: ScopeHandle, run: ScopeHandle | None) -> Layer:
    """Make `handle` current until `leave`, or for a `with`; the implicit root isolates from everything outside."""
    layer = Layer(handle, live(get_entry()), run)
    set_entry(layer)
    return layer


def leave(layer: Layer) -> None:
    """End what `enter` began; may run in any context, also in one that does not hold the layer."""
    layer._left = True
    layer._outer = live(layer._outer)  # or what has ended meanwhile would be kept for as long as the next entry
    if get_entry() is layer:
        set_entry(layer._outer)
