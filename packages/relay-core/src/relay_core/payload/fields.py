"""What a dataclass, attrs object, pydantic model or enum member holds, read from where it is stored.

Properties and `__getattribute__` of foreign classes are never run. A class is described once, by names and defaults, so
that a description keeps no class alive.
"""

from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any, cast

__all__ = ["bases", "declared", "fields_reader", "first_of", "has_dict", "namespaces", "value_of_member"]

_get = object.__getattribute__
_copy: Callable[[Any], dict[str, object]] = dict[str, object].copy
"""A copy of a dict of any class, made by none of them."""
_mro: Callable[[type], tuple[type, ...]] = vars(type)["__mro__"].__get__
_namespace: Callable[[type], Mapping[str, object]] = vars(type)["__dict__"].__get__

Reader = Callable[[Any], dict[str, object]]


def bases(kind: type) -> tuple[type, ...]:
    """Return a class and its bases in the order of resolution, past any metaclass."""
    return _mro(kind)


def namespaces(kind: type) -> list[Mapping[str, object]]:
    """Return the namespaces of a class and its bases, nearest first, past any metaclass."""
    return [_namespace(base) for base in _mro(kind)]


def fields_reader(spaces: list[Mapping[str, object]]) -> Reader | None:
    """Return a function that reads the fields of an instance, or None if its class declares none.

    Args:
        spaces: What `namespaces` said about the class.
    """
    names = declared(spaces)
    if names is None:
        return None
    slots = tuple(name for name in names if isinstance(first_of(spaces, name), MemberDescriptorType))
    extra = isinstance(first_of(spaces, "__pydantic_extra__"), MemberDescriptorType)
    defaults = {
        name: found for name in names if not _is_descriptor(found := first_of(spaces, name)) and found is not None
    }
    return _reader(tuple(names), slots, defaults, stored=has_dict(spaces), extra=extra)


def value_of_member(spaces: list[Mapping[str, object]]) -> Callable[[Any], object] | None:
    """Return a function that reads an enum member's value past its property, or None if members store none."""
    if not has_dict(spaces):
        return None
    return lambda member: _get(member, "__dict__")["_value_"]


def _reader(
    names: tuple[str, ...], slots: tuple[str, ...], defaults: dict[str, object], *, stored: bool, extra: bool
) -> Reader:
    plain = itemgetter(*names) if stored and len(names) > 1 and not slots else None

    def read(instance: object) -> dict[str, object]:
        state: dict[str, object] = _get(instance, "__dict__") if stored else {}
        try:
            quick = dict(zip(names, plain(state), strict=True)) if plain is not None and type(state) is dict else None
        except KeyError:  # not every field was set
            quick = None
        found: dict[str, object] = collect(instance, state) if quick is None else quick
        if extra and (more := _extra(instance)) is not None:
            found.update(more)
        return found

    def collect(instance: object, state: dict[str, object]) -> dict[str, object]:
        state = defaults | _copy(state)
        for name in slots:
            try:
                state[name] = _get(instance, name)
            except AttributeError:  # declared and never set
                continue
        return {name: state[name] for name in names if name in state}

    return read


def _extra(instance: object) -> dict[str, object] | None:
    try:
        more = _get(instance, "__pydantic_extra__")
    except AttributeError:
        return None
    return None if more is None else _copy(more)


def declared(spaces: list[Mapping[str, object]]) -> list[str] | None:
    """Return the names of the fields that a class declares; None if it declares none."""
    dataclass_fields = first_of(spaces, "__dataclass_fields__")
    if isinstance(dataclass_fields, dict):
        pairs = cast("dict[str, object]", dataclass_fields).items()
        return [name for name, field in pairs if getattr(getattr(field, "_field_type", None), "name", "") == "_FIELD"]
    model_fields = first_of(spaces, "__pydantic_fields__")
    if isinstance(model_fields, dict) and first_of(spaces, "__pydantic_validator__") is not None:
        pairs = cast("dict[str, object]", model_fields).items()
        return [name for name, field in pairs if getattr(field, "exclude", None) is not True]
    attributes = first_of(spaces, "__attrs_attrs__")
    if isinstance(attributes, tuple):
        return [attribute.name for attribute in cast("Iterable[Any]", attributes)]
    return None


def has_dict(spaces: list[Mapping[str, object]]) -> bool:
    """Whether instances store attributes in a dict of their own, under no property of that name."""
    return isinstance(first_of(spaces, "__dict__"), GetSetDescriptorType)


def _is_descriptor(attribute: object) -> bool:
    return any("__get__" in space for space in namespaces(type(attribute)))


def first_of(spaces: list[Mapping[str, object]], name: str) -> object:
    """Return what a class has under a name, itself or from its bases; None if there is no such thing."""
    for space in spaces:
        if name in space:
            return space[name]
    return None
