"""The text of events, ATOF 0.1: lines of JSON out of records. Payloads are spliced in, and never encoded again."""

# The private state of handles is read here; see `share_scope`.
# pyright: reportPrivateUsage=false

from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson

from relay_core.accelerator import native
from relay_core.timestamps import MICROSECONDS, format_millisecond
from relay_core.vocabulary import ATOF_VERSION

if TYPE_CHECKING:
    from relay_core.handles import MarkIdentity, ScopeHandle

__all__ = ["Identity", "Record", "lines", "share", "share_mark", "share_scope"]

_LABELS_KEPT: Final = 1024
"""How many names the text is kept for; names that are made up for each scope must not fill the memory."""
_LABEL_BYTES: Final = 512
"""How long such a text may be, for the same reason."""

_HEADS: Final = {
    "start": b'{"kind":"scope","scope_category":"start",',
    "end": b'{"kind":"scope","scope_category":"end",',
    None: b'{"kind":"mark",',
}
_UUID: Final = f'"atof_version":"{ATOF_VERSION}","uuid":'
_PROFILE_AND_DATA: Final = b'null,"data":'
_SCHEMA_AND_METADATA: Final = b',"data_schema":null,"metadata":'


class Identity(Protocol):
    """Who an event is about: what the start and the end of a scope have in common."""

    wire: tuple[bytes, bytes] | None
    """Text that the identity's events share, kept here by the first of them."""

    @property
    def name(self) -> str:
        """See `relay_core.events.Event.name`, and so on."""
        ...

    @property
    def uuid(self) -> str:
        """See `Event.uuid`."""
        ...

    @property
    def parent_uuid(self) -> str | None:
        """See `Event.parent_uuid`."""
        ...

    @property
    def root_uuid(self) -> str | None:
        """See `Event.root_uuid`."""
        ...

    @property
    def attributes(self) -> tuple[str, ...]:
        """See `ScopeEvent.attributes`; none for a mark."""
        ...

    @property
    def category(self) -> str | None:
        """See `Event.category`."""
        ...

    def share(self) -> tuple[bytes, bytes]:
        """Make `wire`."""
        ...


Record = tuple[
    Identity,
    str | None,  # "start", "end", or None for a mark
    int,  # timestamp, microseconds since the epoch
    bytes | None,  # data
    bytes | None,  # data_schema
    bytes | None,  # metadata
    bytes | None,  # category_profile
    bytes | None,  # keys that this version does not know, as a JSON object
    *tuple[Any, ...],  # what `relay_core.delivery` keeps behind it, while it waits
]
"""What an emission leaves behind: a plain tuple, because building one is the cheapest thing Python can do."""


def lines(records: list[Record]) -> bytes:
    """Return one line of JSON for each record, all keys in the order of the format, each with its newline."""
    text: bytes | None = None if native is None else native.lines(records)
    return _joined(records) if text is None else text


def _joined(records: list[Record]) -> bytes:
    """Do so with one join for all of them, and no call for a line that has all it shares with others already.

    Half the cost of a line each.
    """
    parts: list[bytes] = []
    known, moment = 0, b""
    for record in records:
        identity, phase = record[0], record[1]
        ids, labels = identity.wire or identity.share()
        since = record[2] - known
        if not (0 <= since < 1000 and moment):
            known = record[2] // 1000 * 1000
            since, moment = record[2] - known, format_millisecond(known // 1000)
        profile, schema, extra = record[6], record[4], record[7]
        parts += (
            _HEADS[phase],
            ids,
            moment,
            MICROSECONDS[since],
            labels,
            _PROFILE_AND_DATA if profile is None else b'%b,"data":' % profile,
            record[3] or b"null",
            _SCHEMA_AND_METADATA if schema is None else b',"data_schema":%b,"metadata":' % schema,
            record[5] or b"null",
            b"}\n" if extra is None else b",%b\n" % extra[1:],
        )
    return b"".join(parts)


# What the lines of one identity share: the text before the timestamp, and the text after it ---------------------------


def share_scope(scope: "ScopeHandle") -> tuple[bytes, bytes]:
    """Make what both lines of a scope share; see `Identity.share`.

    It reads the private state of the handle: through the properties, a line of 100 B would cost a tenth more.
    """
    uuid, parent, root, extras = scope._uuid, scope._parent, scope._root, scope._extras
    if type(uuid) is not str:
        scope._uuid = uuid = str(uuid or scope.uuid)
    above = None if parent is None else parent.uuid
    key = scope._name, scope._type.wire, () if extras is None else extras.attributes, True
    scope.wire = shared = (
        _ids(uuid, above, uuid if root is None else root.root_uuid),
        _labels.get(key) or _label(*key),
    )
    return shared


def share_mark(mark: "MarkIdentity") -> tuple[bytes, bytes]:
    """Make the text of a mark, from its private state, too."""
    uuid, scope = mark._uuid, mark._scope
    if type(uuid) is not str:
        mark._uuid = uuid = str(uuid)
    ids = _ids(uuid, None, None) if scope is None else _ids(uuid, scope.uuid, scope.root_uuid)
    key = mark._name, mark._category, (), False
    mark.wire = shared = ids, _labels.get(key) or _label(*key)
    return shared


def share(identity: Identity, *, is_scope: bool) -> tuple[bytes, bytes]:
    """Make what the lines of any other identity share."""
    key = identity.name, identity.category, identity.attributes, is_scope
    identity.wire = shared = (
        _ids(identity.uuid, identity.parent_uuid, identity.root_uuid),
        _labels.get(key) or _label(*key),
    )
    return shared


def _ids(uuid: str, parent: str | None, root: str | None) -> bytes:
    if parent is not None:
        return f'{_UUID}"{uuid}","parent_uuid":"{parent}","propagation_root_uuid":"{root}","timestamp":"'.encode()
    topmost = "null" if root is None else f'"{root}"'
    return f'{_UUID}"{uuid}","parent_uuid":null,"propagation_root_uuid":{topmost},"timestamp":"'.encode()


_labels: dict[tuple[str, str | None, tuple[str, ...], bool], bytes] = {}


def _label(name: str, category: str | None, attributes: tuple[str, ...], is_scope: bool) -> bytes:
    """Make the text after the timestamp, and keep it: few names are used for many scopes."""
    flags = b',"attributes":%b' % orjson.dumps(attributes) if is_scope else b""
    text = b'","name":%b%b,"category":%b,"category_profile":' % (_text(name), flags, orjson.dumps(category))
    if len(text) <= _LABEL_BYTES:
        if len(_labels) >= _LABELS_KEPT:
            _labels.clear()
        _labels[name, category, attributes, is_scope] = text
    return text


def _text(name: str) -> bytes:
    try:
        return orjson.dumps(name)
    except TypeError:  # lone surrogates
        return orjson.dumps(name.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
