"""What a value becomes, by its exact type: found out once per type. Nothing is walked and nothing is encoded here.

First the plugins are asked (`relay_payload_encoder`), then the type's own bases decide. `isinstance` is never asked:
it would run a foreign `__class__`.
"""

import enum
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from itertools import islice
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import orjson
import uuid_utils

from relay_core.accelerator import native
from relay_core.payload.fields import bases, fields_reader, namespaces, value_of_member
from relay_core.payload.ordering import in_order
from relay_core.payload.plans import plan_of
from relay_core.payload.values import duration, exception_record, integer, kind_of, readable, type_name, uuid_text

__all__ = [
    "BYTES",
    "CONTAINER",
    "LEAF",
    "MAPPING",
    "PROJECTED",
    "RANGE",
    "STAND_IN",
    "Projections",
    "Shape",
    "mapping_items",
]

LEAF: Final = 0
"""Converts into finished JSON."""
CONTAINER: Final = 1
"""Converts into a list or dict of our own, whose items are still to be walked."""
STAND_IN: Final = 2
"""Converts into another value, which is recorded in its place."""
PROJECTED: Final = 3
"""The same by a plugin's function; the result is plain data, until `Projections.distrust` is told otherwise."""
BYTES: Final = 4
"""Becomes `values.bytes_record`, as far as the limit allows; the function is the base: bytes, bytearray, memoryview."""
MAPPING: Final = 5
"""Becomes `mapping_items`, as far as the limit allows."""
RANGE: Final = 6
"""Becomes a list, if the limit allows: it may be as long as it likes."""

Shape = tuple[int, Callable[[Any], object]]
"""How a type is recorded: one of the constants above, and the function that converts a value."""

_MOST_TYPES = 4096
"""So many types are remembered; then all are forgotten. A plugin's function may keep its class alive until then."""


class Projections:
    """The shape of every type seen so far. Any thread; two that ask at the same time do no harm.

    Args:
        resolve: Asked once per type that JSON does not know: a function for its values, or None. May raise: None then.
        saw_enum: Called when there is an enum among the types: the native pass has to look twice then.
    """

    def __init__(
        self, resolve: Callable[[type], Callable[[Any], object] | None], *, saw_enum: Callable[[], None]
    ) -> None:
        self._resolve = resolve
        self._saw_enum = saw_enum
        self._alive: dict[int, weakref.ref[type]] = {}
        self.known: dict[int, Shape] = dict(_JSON)
        """The shapes, by the id of the type; a type that dies takes its entry along."""
        self.plans: dict[int, object] = {}
        """What `relay-native` writes values by without a call, by the id of the type."""
        self.lists: dict[int, Callable[[list[Any]], object]] = {}
        """What projects a whole list, by the id of the type of its first item: a call less for each item."""

    def learn(self, kind: type) -> Shape:
        """Find out, and remember, how values of a type are recorded. Never raises, whatever the class."""
        if len(self.known) >= _MOST_TYPES:
            self.known, self.plans, self.lists, self._alive = dict(_JSON), {}, {}, {}
        known, plans, lists, alive, key = self.known, self.plans, self.lists, self._alive, id(kind)

        def forget(_: object) -> None:
            known.pop(key, None)
            plans.pop(key, None)
            lists.pop(key, None)
            alive.pop(key, None)

        if kind_of(kind) is enum.EnumMeta:
            self._saw_enum()
        known[key] = shape = _shape(kind)  # before the plugins are asked: what they emit may hold the same type
        alive[key] = weakref.ref(kind, forget)
        project, project_list, plan = self._ask(kind)
        if project is None:
            plan = plan_of(kind)
        else:
            known[key] = shape = (PROJECTED, project)
        if plan is not None:
            plans[key] = plan
        if project_list is not None:
            lists[key] = project_list
        return shape

    def distrust(self, kinds: Iterable[int]) -> None:
        """Remember of some types, by their ids, that what a plugin makes of them is no plain data.

        To encode it on trust and to walk it when that fails would cost twice. A `project_list` is the plugin's word,
        and one exception does not change it.
        """
        for key in kinds:
            mode, convert = self.known.get(key, (LEAF, readable))
            if mode == PROJECTED and key not in self.lists:
                self.known[key] = STAND_IN, convert

    def _ask(self, kind: type) -> tuple[Callable[[Any], object] | None, Callable[[list[Any]], object] | None, object]:
        try:
            project = self._resolve(kind)
            return project, getattr(project, "project_list", None), getattr(project, "plan", None)
        except Exception:  # whoever resolves reports its own trouble
            return None, None, None


def mapping_items(mapping: Mapping[Any, object], limit: int) -> tuple[dict[Any, object], int]:
    """Read a foreign mapping through its own methods, which may raise.

    Args:
        mapping: The mapping; it may be endless.
        limit: How many items are read at the most.

    Returns:
        The items, and how many more there are, as far as the mapping knows.
    """
    found = {key: mapping[key] for key in islice(iter(mapping), limit)}
    return found, max(len(mapping) - len(found), 0) if len(found) == limit else 0


def _shape(kind: type) -> Shape:
    try:
        found = _structure(kind) or _by_base(kind)
    except Exception:  # the class was tampered with
        found = None
    return found or (LEAF, partial(_constant, {"$type": type_name(kind)}))


def _structure(kind: type) -> Shape | None:
    """Return how a class that declares its fields is recorded; an exception that does is still an exception."""
    lineage = bases(kind)
    if any(base is BaseException for base in lineage):
        return LEAF, exception_record
    spaces = namespaces(kind)
    if any(base is enum.Enum for base in lineage):
        value = value_of_member(spaces)
        return None if value is None else (STAND_IN, value)
    fields = fields_reader(spaces)
    return None if fields is None else (CONTAINER, fields)


def _by_base(kind: type) -> Shape | None:
    for base in bases(kind):
        shape = _STANDARD.get(id(base))
        if shape is not None:
            return shape
    return (MAPPING, dict) if issubclass(kind, Mapping) else None


def _constant(record: object, _: object) -> object:
    return record


def _listed(base: Any) -> Callable[[Any], list[object]]:
    """Return a function that lists the items of a `base` of any class, by the iterator of `base`."""
    iterate = base.__iter__
    return lambda value: list(iterate(value))


def _sorted(base: Any) -> Callable[[Any], list[object]]:
    iterate = base.__iter__
    return lambda value: in_order(iterate(value))


_JSON: dict[int, Shape] = {
    id(str): (LEAF, readable),
    id(int): (LEAF, integer),
    id(float): (LEAF, float),
    id(bool): (LEAF, bool),
    id(type(None)): (LEAF, partial(_constant, None)),
    id(list): (CONTAINER, list[Any].copy),
    id(tuple): (CONTAINER, list),
    id(dict): (CONTAINER, dict[Any, Any].copy),
}
"""The types that JSON knows: no plugin is asked about them."""

_DICTS: tuple[dict[Any, Any], ...] = ({}, OrderedDict())
_VIEWS: list[type] = [type(view) for each in _DICTS for view in (each.keys(), each.values(), each.items())]

_STANDARD: dict[int, Shape] = {
    id(str): (LEAF, lambda value: readable(str.__str__(value))),
    id(int): (LEAF, integer),
    id(float): (LEAF, float.__float__),
    id(complex): (LEAF, complex.__repr__),
    id(datetime): (LEAF, datetime.isoformat),
    id(date): (LEAF, date.isoformat),
    id(time): (LEAF, time.isoformat),
    id(timedelta): (LEAF, duration),
    id(UUID): (LEAF, uuid_text),
    id(uuid_utils.UUID): (LEAF, uuid_utils.UUID.__str__),
    id(Decimal): (LEAF, Decimal.__str__),
    id(PurePath): (LEAF, lambda value: readable(str.__str__(PurePath.__str__(value)))),
    id(bytes): (BYTES, bytes),
    id(bytearray): (BYTES, bytearray),
    id(memoryview): (BYTES, memoryview),
    id(list): (CONTAINER, list[Any].copy),
    id(tuple): (CONTAINER, _listed(tuple)),
    id(set): (CONTAINER, _sorted(set)),
    id(frozenset): (CONTAINER, _sorted(frozenset)),
    id(deque): (CONTAINER, _listed(deque)),
    id(range): (RANGE, list),
    id(OrderedDict): (CONTAINER, lambda value: dict(OrderedDict[Any, Any].items(value))),
    id(dict): (CONTAINER, dict[Any, Any].copy),
    id(MappingProxyType): (MAPPING, dict),
    **{id(kind): (CONTAINER, list) for kind in _VIEWS},
    **({} if native is None else {id(native.Fragment): (STAND_IN, lambda fragment: orjson.loads(fragment.document))}),
}
"""Types of the standard library and how they and their subclasses are recorded; the nearest base decides."""
