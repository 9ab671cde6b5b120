"""Scope handles, and the one ContextVar that says which of them is current.

There is no stack: a handle is a link to its parent, and being current is an entry in the context that whoever reads it
skips once its scope is closed. Nothing here emits.
"""

# The private state of handles is shared by handles, lifecycle and dispatcher: a property each would be paid on every
# emission.
# pyright: reportPrivateUsage=false

import contextvars
from collections.abc import Callable
from typing import Any, Final, Optional

import orjson
from uuid_utils import UUID

from relay_core.chains import ChainSet
from relay_core.vocabulary import ScopeType

__all__ = [
    "ALWAYS_OPEN",
    "Activation",
    "Entry",
    "LocalRegistrations",
    "MarkIdentity",
    "RemoteScope",
    "ScopeHandle",
    "current_entry",
    "enter",
    "get_entry",
    "is_ancestor",
    "leave",
    "nearest_open",
    "set_entry",
]

ALWAYS_OPEN: Final = 0
"""The serial of handles that no one closes: the implicit root, and the parents of scopes from another process."""


class LocalRegistrations:
    """What is registered on one handle, and gone when it closes."""

    __slots__ = ("chains", "subscribers")

    def __init__(self) -> None:
        """Start with nothing registered."""
        self.subscribers: tuple[tuple[str, Callable[[Any], object]], ...] = ()
        """Name and callback; replaced whole, so that a reader needs no lock."""
        self.chains = ChainSet()
        """Injectors, sanitizers, guardrails and intercepts."""


class ScopeHandle:
    """One unit of work between its start and its end. Returned by `scope.push`, wanted by `scope.pop`.

    Hashable, equal by uuid. Everything public is read-only and may be read from any thread.
    """

    # Class attributes, not slots: what most scopes never set costs nothing when a handle is made.
    _attributes: tuple[str, ...] = ()
    _data: object = None
    _metadata: bytes | dict[str, Any] | None = None
    """JSON once somebody listens; until then the caller's own, copied one level deep."""
    _identity: bytes | None = None
    """What the end event's profile repeats from the start's."""
    _late: "_LateFields | None" = None
    _local: LocalRegistrations | None = None
    _root: "ScopeHandle | None" = None
    _muted = False
    wire: tuple[bytes, bytes] | None = None
    """What `relay_core.events` keeps here: the text that both events of the scope share."""

    def __init__(
        self,
        name: str,
        scope_type: ScopeType,
        parent: "ScopeHandle | None",
        open_serials: set[int],
        serial: int,
        uuid: UUID | str,
        started_us: int,
    ) -> None:
        """Not for users: `scope.push`, `scope.scope` and `scope.start` make handles."""
        self._name = name
        self._type = scope_type
        self._parent = parent
        self._open = open_serials
        self._serial = serial
        self._uuid = uuid
        self._us = started_us
        if parent is not None:
            self._root = parent._root or parent
            if parent._muted:
                self._muted = True

    @property
    def uuid(self) -> str:
        """UUIDv7 of the scope, monotonic in the process."""
        uuid = self._uuid
        if not isinstance(uuid, str):
            self._uuid = uuid = str(uuid)
        return uuid

    @property
    def name(self) -> str:
        """The scope's name."""
        return self._name

    @property
    def scope_type(self) -> ScopeType:
        """What kind of work this is."""
        return self._type

    @property
    def category(self) -> str:
        """The scope type's wire value."""
        return self._type.wire

    @property
    def started_us(self) -> int:
        """When it started, in microseconds since the epoch."""
        return self._us

    @property
    def serial(self) -> int:
        """Its number among the scopes of this process, or `ALWAYS_OPEN`."""
        return self._serial

    @property
    def attributes(self) -> tuple[str, ...]:
        """Flag names, sorted and unique."""
        return self._attributes

    @property
    def parent(self) -> "ScopeHandle | None":
        """The parent's handle; None for a top-level scope."""
        return self._parent

    @property
    def parent_uuid(self) -> str | None:
        """The parent's uuid; None for a top-level scope."""
        parent = self._parent
        return None if parent is None else parent.uuid

    @property
    def root_uuid(self) -> str:
        """The topmost scope's uuid; a top-level scope's own. For a scope from elsewhere the remote root's."""
        root = self._root
        return self.uuid if root is None else root.root_uuid

    @property
    def data(self) -> object:
        """The application's own note, as passed to `push(data=...)`; never put on the wire."""
        return self._data

    @property
    def metadata(self) -> dict[str, Any] | None:
        """The start's metadata, as a copy of the caller's own."""
        metadata = self._metadata
        return orjson.loads(metadata) if isinstance(metadata, bytes) else metadata and dict(metadata)

    @property
    def is_open(self) -> bool:
        """Whether the scope has not ended yet."""
        return self._serial in self._open

    @property
    def local(self) -> LocalRegistrations | None:
        """What is registered on this scope; None if nothing is, or the scope has ended."""
        return self._local

    def set_output(self, value: object) -> None:
        """Give the end event an output, where `pop` or the end of the `with` block does not pass one."""
        self._late_fields().output = (value,)

    def set_metadata(self, **entries: object) -> None:
        """Lay `entries` over the metadata of the end event."""
        self._late_fields().metadata.update(entries)

    def _late_fields(self) -> "_LateFields":
        if self._late is None:
            self._late = _LateFields()
        return self._late

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, ScopeHandle) and self.uuid == other.uuid)

    def __hash__(self) -> int:
        return hash(self.uuid)

    def __repr__(self) -> str:
        return f"<ScopeHandle {self._type.wire} {self._name!r} {self.uuid}{'' if self.is_open else ' closed'}>"


class RemoteScope(ScopeHandle):
    """The parent of scopes that another process started; never emitted here, never closed here."""

    def __init__(self, parent_uuid: str, root_uuid: str, open_serials: set[int]) -> None:
        """Stand for the scope `parent_uuid` of the request `root_uuid`."""
        super().__init__("remote", ScopeType.Unknown, None, open_serials, ALWAYS_OPEN, parent_uuid, 0)
        self._remote_root = root_uuid

    @property
    def root_uuid(self) -> str:
        """The topmost scope's uuid, in the process that started it."""
        return self._remote_root


class MarkIdentity:
    """Who a mark event is about; see `relay_core.events.Identity`."""

    __slots__ = ("_category", "_name", "_scope", "_uuid", "wire")

    def __init__(self, name: str, scope: ScopeHandle | None, uuid: UUID | str, category: str | None = None) -> None:
        """Identify the mark `name` under `scope`."""
        self._name = name
        self._scope = scope
        self._uuid = uuid
        self._category = category
        self.wire: tuple[bytes, bytes] | None = None

    @property
    def name(self) -> str:
        """The mark's name."""
        return self._name

    @property
    def uuid(self) -> str:
        """UUIDv7 of the mark."""
        uuid = self._uuid
        if not isinstance(uuid, str):
            self._uuid = uuid = str(uuid)
        return uuid

    @property
    def scope(self) -> ScopeHandle | None:
        """The handle of the scope that contains the mark."""
        return self._scope

    @property
    def parent_uuid(self) -> str | None:
        """The containing scope's uuid."""
        return None if self._scope is None else self._scope.uuid

    @property
    def root_uuid(self) -> str | None:
        """The topmost scope's uuid."""
        return None if self._scope is None else self._scope.root_uuid

    @property
    def attributes(self) -> tuple[str, ...]:
        """Marks have none."""
        return ()

    @property
    def category(self) -> str | None:
        """Usually None."""
        return self._category


class _LateFields:
    """What user code adds to the end event while the scope is open."""

    __slots__ = ("metadata", "output")

    def __init__(self) -> None:
        self.output: tuple[object] | None = None
        self.metadata: dict[str, Any] = {}


class Activation:
    """Makes an entry current for as long as it is live, whatever the scope's own life is."""

    __slots__ = ("live",)

    def __init__(self) -> None:
        """Begin live."""
        self.live = True


Entry = tuple[ScopeHandle | None, Optional["Entry"], ScopeHandle | None, Activation | None]
"""One layer of what is current in a context:

- the scope that is current; None isolates what follows from everything outside;
- what is current once this layer is over;
- the integration's run at that moment, which decides which of the two is the inner one;
- None where the layer lives as long as its scope; else it ends with the activation.
"""

_current: contextvars.ContextVar[Entry | None] = contextvars.ContextVar("relay_current_scope", default=None)

# The methods themselves: this is read on every emission.
get_entry: Final = _current.get
set_entry: Final = _current.set


def current_entry(open_serials: set[int]) -> Entry | None:
    """Return the innermost live entry of this context that belongs to the runtime of `open_serials`."""
    entry = get_entry()
    while entry is not None:
        handle, previous, _, activation = entry
        if (activation is None or activation.live) and (
            handle is None or (handle._open is open_serials and handle._serial in open_serials)
        ):
            return entry
        entry = previous
    return None


def is_ancestor(candidate: ScopeHandle, handle: ScopeHandle | None) -> bool:
    """Say whether `candidate` is a proper ancestor of `handle`."""
    while handle is not None:
        handle = handle._parent
        if handle is candidate:
            return True
    return False


def nearest_open(handle: ScopeHandle | None) -> ScopeHandle | None:
    """Return `handle`, or its nearest ancestor that is open; None where all have ended."""
    while handle is not None and handle._serial not in handle._open:
        handle = handle._parent
    return handle


def enter(handle: ScopeHandle | None, run: ScopeHandle | None) -> Entry:
    """Make `handle` current until `leave`, whatever the scope's own life is; None isolates from everything outside."""
    entry: Entry = (handle, get_entry(), run, Activation())
    set_entry(entry)
    return entry


def leave(entry: Entry) -> None:
    """End what `enter` began; may run in any context, also one that does not hold the entry."""
    activation = entry[3]
    if activation is not None:
        activation.live = False
    if get_entry() is entry:
        set_entry(entry[1])
