"""Ordered chains of named functions: what guardrails, intercepts, sanitizers and injectors are kept in.

A chain set belongs to a runtime or to a scope and holds one chain per kind. Its snapshot is immutable: who took one
sees no later registration. Nothing here calls the functions.
"""

import enum
import itertools
import threading
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from relay_core.callables import is_async
from relay_core.errors import RegistrationError

__all__ = ["ChainSet", "Entry", "Kind", "Snapshot", "merged"]


class Kind(enum.Enum):
    """What a function is registered as. Names are unique per kind and place."""

    EVENT_METADATA = "event metadata injector"
    MARK_SANITIZE = "mark sanitizer"
    SCOPE_SANITIZE_START = "scope start sanitizer"
    SCOPE_SANITIZE_END = "scope end sanitizer"
    TOOL_SANITIZE_REQUEST = "tool request sanitizer"
    TOOL_SANITIZE_RESPONSE = "tool response sanitizer"
    LLM_SANITIZE_REQUEST = "LLM request sanitizer"
    LLM_SANITIZE_RESPONSE = "LLM response sanitizer"
    TOOL_CONDITIONAL_EXECUTION = "tool conditional execution guardrail"
    LLM_CONDITIONAL_EXECUTION = "LLM conditional execution guardrail"
    TOOL_REQUEST = "tool request intercept"
    TOOL_EXECUTION = "tool execution intercept"
    LLM_REQUEST = "LLM request intercept"
    LLM_EXECUTION = "LLM execution intercept"
    LLM_STREAM_EXECUTION = "LLM stream execution intercept"


class Entry(NamedTuple):
    """One registration."""

    name: str
    priority: int
    """Lower runs first; for an execution intercept: further out."""
    order: int
    """Counts registrations in the process; decides between equal priorities."""
    function: Callable[..., Any]
    is_async: bool
    """Whether calling the function gives a coroutine."""
    break_chain: bool = False
    """Whether the entries after this one are skipped."""


Snapshot = Mapping[Kind, tuple[Entry, ...]]
"""What one place has registered at one moment, each chain in order. Never changes."""

_rank: Final = attrgetter("priority", "order")
_orders: Final = itertools.count()
_EMPTY: Final[Snapshot] = MappingProxyType({})


class ChainSet:
    """What is registered in one place. Every method may be called from any thread."""

    __slots__ = ("_lock", "_on_change", "snapshot")

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        """Start with nothing registered; `on_change` is called after each change, with no lock held."""
        self._lock = threading.Lock()
        self._on_change = on_change
        self.snapshot: Snapshot = _EMPTY
        """What is registered now; falsy if that is nothing. To be read once per use."""

    def add(
        self, kind: Kind, name: str, priority: int, function: Callable[..., Any], *, break_chain: bool = False
    ) -> None:
        """Register `function` as a `kind` under `name`.

        Raises:
            TypeError: `name` is not a str, `priority` not an int, or `function` not callable.
            RegistrationError: `name` is taken among this kind in this place.
        """
        _check(name, priority, function)
        entry = Entry(name, priority, next(_orders), function, is_async(function), bool(break_chain))
        with self._lock:
            chain = self.snapshot.get(kind, ())
            if any(other.name == name for other in chain):
                raise RegistrationError(kind.value, name)
            self._replace(kind, tuple(sorted((*chain, entry), key=_rank)))
        self._on_change()

    def remove(self, kind: Kind, name: str) -> bool:
        """Take the registration back; say whether there was one. Chains that run already go on with it."""
        with self._lock:
            chain = self.snapshot.get(kind, ())
            rest = tuple(entry for entry in chain if entry.name != name)
            self._replace(kind, rest)
        self._on_change()
        return len(rest) < len(chain)

    def after_fork(self) -> None:
        """Make the set usable in a forked child, whose parent may have held the lock in another thread."""
        self._lock = threading.Lock()

    def _replace(self, kind: Kind, chain: tuple[Entry, ...]) -> None:
        others = {other: entries for other, entries in self.snapshot.items() if other is not kind}
        changed = {**others, kind: chain} if chain else others
        self.snapshot = MappingProxyType(changed) if changed else _EMPTY


def merged(kind: Kind, snapshots: Iterable[Snapshot]) -> tuple[Entry, ...]:
    """Return the chains of several places as one: by priority, then by order of registration, wherever that was."""
    chains = [chain for snapshot in snapshots if (chain := snapshot.get(kind))]
    if len(chains) < 2:
        return chains[0] if chains else ()
    return tuple(sorted(itertools.chain.from_iterable(chains), key=_rank))


def _check(name: object, priority: object, function: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, not {type(name).__name__}")
    if not isinstance(priority, int) or isinstance(priority, bool):
        raise TypeError(f"priority of {name!r} must be an int, not {type(priority).__name__}")
    if not callable(function):
        raise TypeError(f"{name!r} must be callable, not {type(function).__name__}")
