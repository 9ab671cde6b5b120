"""Types of the extension module."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Generic, ParamSpec, TypeVar, final

P = ParamSpec("P")
R = TypeVar("R")

KINDS: dict[type, int]
"""Types that are written by a rule of their own, and the rule."""

TUPLE: int
"""The rule for tuples of any class."""

@final
class Plan:
    """How instances of a class become a JSON object, read from their own dict. Immutable."""

    def __new__(cls, steps: tuple[tuple[Any, ...], ...], unless: tuple[Any, ...] = ()) -> Plan: ...

@final
class Fragment:
    """Finished JSON, to be a part of a payload. Immutable."""

    document: bytes
    def __new__(cls, document: bytes, /) -> Fragment: ...

@final
class Snapshot:
    """Encodes a value as JSON bytes, or has `at_length(value, oversize)` do it."""

    projections: Any
    def __init__(self, projections: Any, at_length: Callable[[object, bool], bytes]) -> None: ...
    def __call__(self, value: object, /) -> bytes: ...
    def limit(self, most: int, depth: int, /) -> None: ...

@final
class Accelerated(Generic[P, R]):
    """A function of relay_core with a fast path in front of it."""

    def __new__(cls, function: Callable[P, R], /) -> Accelerated[P, R]: ...
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...

@final
class Scanner:
    """Looks for whole keys, and for parts of keys, in any case. Immutable."""

    def __new__(cls, keys: tuple[str, ...], parts: tuple[tuple[str, bool], ...]) -> Scanner: ...
    def search(self, documents: list[bytes], /) -> bool:
        """Whether there may be a credential in one of several documents."""

def bind(
    *,
    scopes: type,
    handle: type,
    mark: type,
    queue: type,
    audience: type,
    scope_type: type,
    current: ContextVar[Any],
    function: object,
    custom: object,
    ok: object,
    ok_status: bytes,
    clock: Callable[[], int],
    extras: type,
    check_schema: Callable[[object], bytes],
    kept: tuple[str, ...],
) -> None:
    """Learn the classes and the values that the fast path works on; before anything is accelerated."""

def set_entry(entry: object, /) -> None:
    """Make an entry current; see `relay_core.current`."""

def note_collection(phase: str, info: dict[str, int], /) -> None:
    """For `gc.callbacks`, up to Python 3.11: note whether the collector is at work."""

def lines(records: list[Any], /) -> bytes | None:
    """Return a list of records as lines of JSON; None where `relay_core.wire` has to."""
