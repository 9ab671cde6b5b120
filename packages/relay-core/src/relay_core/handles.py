"""Scope handles: links to a parent plus "open or closed". There is no stack, and nothing here emits.

What is current is in `current`; how scopes begin and end is in `lifecycle`.
"""

# The private state of handles is shared by handles, current, lifecycle and scopes: a property each would be paid on
# every emission.
# pyright: reportPrivateUsage=false

from collections.abc import Callable
from typing import Any, NoReturn, Self

import orjson
from uuid_utils import UUID, uuid7

from relay_core.chains import ChainSet
from relay_core.vocabulary import ScopeType
from relay_core.wire import share_mark, share_scope

__all__ = [
    "Extras",
    "FixedScope",
    "LocalRegistrations",
    "MarkIdentity",
    "Owner",
    "RemoteScope",
    "ScopeHandle",
    "is_ancestor",
    "nearest_open",
]


class Owner:
    """Who may end a handle. A runtime has one for what it starts, and others, of the same `runtime`, for the rest.

    The rest: the implicit root, the parents that are in other processes, and what a forked child has inherited.
    """

    __slots__ = ("runtime",)

    def __init__(self, runtime: object) -> None:
        """Belong to the runtime that `runtime` stands for."""
        self.runtime = runtime


class LocalRegistrations:
    """What is registered on one handle, and gone when it closes."""

    __slots__ = ("chains", "subscribers")

    def __init__(self) -> None:
        """Start with nothing registered."""
        self.subscribers: tuple[tuple[str, Callable[[Any], object]], ...] = ()
        """Name and callback; replaced whole, so that a reader needs no lock."""
        self.chains = ChainSet()
        """Injectors, sanitizers, guardrails and intercepts."""


class Extras:
    """What most scopes never set."""

    __slots__ = ("attributes", "data", "identity", "local", "metadata", "output")

    def __init__(self) -> None:
        """Start with nothing set."""
        self.attributes: tuple[str, ...] = ()
        self.data: object = None
        self.identity: bytes | dict[str, str] | None = None
        """What the end event's profile repeats from the start's; as JSON where that is all of it."""
        self.local: LocalRegistrations | None = None
        self.metadata: dict[str, Any] = {}
        """Laid over the end event's metadata."""
        self.output: tuple[object] | None = None
        """The end event's output, where `pop` does not pass one."""


class ScopeHandle:
    """One unit of work between its start and its end. Returned by `scope.push`, wanted by `scope.pop`.

    Hashable, equal by uuid. Everything public is read-only and may be read from any thread.
    """

    __slots__ = (
        "__weakref__",
        "_closed",
        "_extras",
        "_metadata",
        "_muted",
        "_name",
        "_outer",
        "_owner",
        "_parent",
        "_root",
        "_run",
        "_type",
        "_us",
        "_uuid",
        "wire",
    )

    # Filled by `Lifecycle._begin`, without an `__init__`: calling one cost as much as all the rest of making a handle.
    _name: str
    _type: ScopeType
    _parent: "ScopeHandle | None"
    _root: "ScopeHandle | None"
    """The topmost scope above this one; None for a top-level scope."""
    _owner: Owner
    _us: int
    _closed: bool
    _muted: bool
    """Whether sampling has left out this tree."""
    _uuid: UUID | str | None
    _metadata: bytes | dict[str, Any] | None
    """JSON once somebody listens; until then the caller's own, copied one level deep."""
    _extras: Extras | None
    _outer: Any
    """What is current once this scope is over; see `relay_core.current`."""
    _run: "ScopeHandle | None"
    """The integration's run in which this scope was made current."""
    wire: tuple[bytes, bytes] | None
    """What `relay_core.wire` keeps here: the text that both events of the scope share."""

    @property
    def uuid(self) -> str:
        """UUIDv7 of the scope, monotonic in the process."""
        uuid = self._uuid
        if type(uuid) is str:
            return uuid
        if uuid is None:
            # Nobody has needed it so far. Two threads may both be here: the first to store decides.
            fresh = uuid7()
            self._uuid = uuid = self._uuid or fresh
        self._uuid = text = str(uuid)
        return text

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
    def attributes(self) -> tuple[str, ...]:
        """Flag names, sorted and unique."""
        extras = self._extras
        return () if extras is None else extras.attributes

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
        extras = self._extras
        return None if extras is None else extras.data

    @property
    def metadata(self) -> dict[str, Any] | None:
        """The start's metadata, as a copy of the caller's own."""
        metadata = self._metadata
        return orjson.loads(metadata) if isinstance(metadata, bytes) else metadata and dict(metadata)

    share = share_scope
    """Makes `wire`. Not for users."""

    @property
    def is_open(self) -> bool:
        """Whether the scope has not ended yet."""
        return not self._closed

    @property
    def local(self) -> LocalRegistrations | None:
        """What is registered on this scope; None if nothing is, or the scope has ended."""
        extras = self._extras
        return None if extras is None else extras.local

    def set_output(self, value: object) -> None:
        """Give the end event an output, where `pop` or the end of the `with` block does not pass one."""
        self.extras().output = (value,)

    def set_metadata(self, **entries: object) -> None:
        """Lay `entries` over the metadata of the end event."""
        self.extras().metadata.update(entries)

    def extras(self) -> Extras:
        """Return what is rarely set, to set it. Not for users."""
        fresh = Extras()
        self._extras = extras = self._extras or fresh  # one step, so that all threads get the same
        return extras

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, ScopeHandle) and self.uuid == other.uuid)

    def __hash__(self) -> int:
        return hash(self.uuid)

    def __copy__(self) -> Self:
        return self  # a copy would be a scope that nobody has started

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a ScopeHandle cannot be pickled: propagation.inject() carries a scope to another process")

    def __repr__(self) -> str:
        return f"<ScopeHandle {self._type.wire} {self._name!r} {self.uuid}{'' if self.is_open else ' closed'}>"


class FixedScope(ScopeHandle):
    """A scope that is there without a start and never ends, and that nobody emits here: the implicit root."""

    __slots__ = ()

    def __init__(self, name: str, scope_type: ScopeType, owner: Owner) -> None:
        """Fill every slot: there is no `Lifecycle._begin` for it."""
        for slot in ScopeHandle.__slots__[1:]:  # all but __weakref__
            setattr(self, slot, None)
        self._name = name
        self._type = scope_type
        self._owner = owner
        self._us = 0
        self._closed = self._muted = False


class RemoteScope(FixedScope):
    """The parent of scopes that another process started."""

    __slots__ = ("_remote_root",)

    def __init__(self, parent_uuid: str, root_uuid: str, owner: Owner) -> None:
        """Stand for the scope `parent_uuid` of the request `root_uuid`."""
        super().__init__("remote", ScopeType.Unknown, owner)
        self._uuid = parent_uuid
        self._remote_root = root_uuid

    @property
    def root_uuid(self) -> str:
        """The topmost scope's uuid, in the process that started it."""
        return self._remote_root


class MarkIdentity:
    """Who a mark event is about; see `relay_core.wire.Identity`."""

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

    share = share_mark
    """Makes `wire`."""


def is_ancestor(candidate: ScopeHandle, handle: ScopeHandle | None) -> bool:
    """Say whether `candidate` is a proper ancestor of `handle`."""
    while handle is not None:
        handle = handle._parent
        if handle is candidate:
            return True
    return False


def nearest_open(handle: ScopeHandle | None) -> ScopeHandle | None:
    """Return `handle`, or its nearest ancestor that is open; None where all have ended."""
    while handle is not None and handle._closed:
        handle = handle._parent
    return handle
