"""Arbitrary nested Python objects: always a valid document within the limits, and never foreign code."""

import collections
import dataclasses
import datetime as dt
import enum
import json
import types
import uuid
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from relay_core.payload import PayloadEncoder, PayloadLimits
from relay_core.redaction import DEFAULT_KEYS, Redactor

pytestmark = pytest.mark.usefixtures("implementation")

TOUCHED: list[str] = []
"""What foreign code ran."""

DUNDERS = (
    "abs add aiter anext await bool bytes call contains copy deepcopy delattr enter eq exit float format ge get "
    "getattr getattribute getitem getnewargs getstate gt hash index instancecheck int iter le len length_hint lt "
    "missing mul ne neg next or radd reduce reduce_ex repr reversed round set setattr sizeof str sub truediv"
)


def _trap(name: str) -> Any:
    def run(*_: object) -> Any:
        TOUCHED.append(name)
        raise ValueError(name)

    return run


TRAPS: dict[str, Any] = {f"__{name}__": _trap(name) for name in DUNDERS.split()}
TRAPS |= {name: property(_trap(name)) for name in ("__class__", "__dict__", "__doc__", "value", "name", "x", "args")}


class Hostile:
    locals().update(TRAPS)


class HostileEnum(enum.Enum):
    A = (1, [{"b": 2}])
    B = "b"

    @property
    def value(self) -> Any:  # type: ignore[override]
        raise AssertionError


class Broken(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise MemoryError

    def __iter__(self) -> Iterator[str]:
        yield "a"

    def __len__(self) -> int:
        raise RecursionError


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


class Raising:
    """A plugin's projection of this raises."""


class Projected:
    """A plugin's projection of this is the content."""

    def __init__(self, content: object) -> None:
        self.content = content


@dataclasses.dataclass
class Record:
    x: object
    y: object = None


@dataclasses.dataclass(slots=True)
class Slotted:
    x: object


class Model(BaseModel):
    x: Any = None


def resolve(kind: type) -> Any:
    """What a plugin would say."""
    if kind is Raising:
        return lambda value: 1 // 0
    return (lambda value: value.content) if kind is Projected else None


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    # what UTF-8 can hold
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=20)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=20)
    ),
    max_leaves=60,
)

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text(st.characters())
    | st.binary()
    | st.dates()
    | st.datetimes(timezones=st.none() | st.just(dt.UTC))
    | st.times()
    | st.timedeltas()
    | st.decimals()
    | st.uuids()
    | st.builds(lambda parts: PurePosixPath(*parts), st.lists(st.text(st.characters(exclude_characters="\0"))))
    | st.sampled_from([*HostileEnum, Ellipsis, NotImplemented, print, json, Record, range(10**20), range(5)])
    | st.builds(Hostile)
    | st.builds(Broken)
    | st.builds(UnprintableError)
    | st.builds(Raising)
    | st.builds(lambda: uuid.UUID.__new__(uuid.UUID))
    | st.builds(lambda: orjson.Fragment(b"not json"))
    | st.builds(lambda: (x for x in [1]))
    | st.builds(bytearray, st.binary())
)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Everything that holds something."""
    keys = (
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.sampled_from(HostileEnum)
    )
    keys = keys | st.tuples(st.text(), st.integers()) | st.dates() | st.builds(object)
    return (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.lists(inner).map(collections.deque)
        | st.dictionaries(keys, inner)
        | st.dictionaries(st.text(), inner).map(collections.OrderedDict)
        | st.dictionaries(st.text(), inner).map(types.MappingProxyType)
        | st.frozensets(keys)
        | st.builds(Record, inner, inner)
        | st.builds(Slotted, inner)
        | st.builds(lambda x: Model.model_construct(x=x), inner)
        | st.builds(Projected, inner)
        | st.builds(lambda x: ValueError(x) if type(x) is str else Decimal(1), inner)
        | st.builds(lambda x: [x, x], inner)
        | st.builds(_cyclic, inner)
        | st.builds(_deep, inner, st.integers(0, 300))
    )


def _cyclic(inner: object) -> object:
    items: list[object] = [inner]
    items.append({"again": items})
    return items


def _deep(inner: object, depth: int) -> object:
    for level in range(depth):
        inner = (inner,) if level % 3 else [inner]
    return inner


anything = st.recursive(leaves, containers, max_leaves=25)
limits = st.builds(PayloadLimits, st.integers(1, 3000), st.integers(1, 300), st.integers(1, 20))


def check(document: bytes) -> object:
    """Decode as strictly as can be."""
    document.decode()
    return json.loads(document, parse_constant=pytest.fail)


@settings(max_examples=300, deadline=None)
@given(value=anything)
def test_any_object_becomes_a_document(value: object) -> None:
    """Nothing is raised, the document is valid, and no foreign method ran."""
    TOUCHED.clear()

    check(PayloadEncoder(resolve=resolve).encode(value))

    assert [] == TOUCHED


@settings(max_examples=300, deadline=None)
@given(value=anything, limit=limits)
def test_any_object_stays_within_any_limits(value: object, limit: PayloadLimits) -> None:
    """The document is no larger than the limit, down to `null`; what was cut is counted, once."""
    encoder = PayloadEncoder(limit, resolve)

    document = encoder.encode(value)

    check(document)
    assert len(document) <= max(limit.max_bytes, 4)
    assert encoder.truncated <= 1
    assert encoder.truncated or b"$truncated" not in document


@settings(max_examples=200, deadline=None)
@given(value=plain)
def test_plain_data_comes_back_equal(value: object) -> None:
    """What JSON knows is recorded without loss, by the native pass as well as by the walk."""
    encoder = PayloadEncoder()

    assert value == check(encoder.encode(value))
    assert [value, "b"] == check(encoder.encode([value, HostileEnum.B]))
    assert [value] == check(encoder.encode([value]))  # with the second look that enums ask for
    assert {"value": value} == check(PayloadEncoder(resolve=resolve).encode({"value": Projected(value)}))


@settings(max_examples=200, deadline=None)
@given(value=plain, key=st.sampled_from([key.replace("*", "x") for key in DEFAULT_KEYS]), nesting=st.integers(0, 3))
def test_no_credential_is_left(value: object, key: str, nesting: int) -> None:
    """Wherever a credential is, also in JSON within strings within strings, it is gone, and the rest is as before."""
    redactor = Redactor(DEFAULT_KEYS)
    inner: Any = {"a": value, key.title(): "hunter2"}
    expected: Any = {"a": value, key.title(): "[redacted]"}
    for level in range(nesting):
        inner = {"text": json.dumps(inner, indent=level)}
    if any(word in json.dumps(value).lower() for word in ("key", "token", "secret", "passw", "cookie", "auth")):
        return

    document = redactor.redact(orjson.dumps(inner))

    assert b"hunter2" not in document
    found: Any = orjson.loads(document)
    for _ in range(nesting):
        found = json.loads(found["text"])
    assert expected == found


@settings(max_examples=200, deadline=None)
@given(value=plain)
def test_redaction_leaves_other_documents_alone(value: object) -> None:
    """A document without a credential is returned as the same object."""
    document = orjson.dumps({"tokens": value, "description": "password", "x": json.dumps(value)})

    assert Redactor(DEFAULT_KEYS).redact(document) is document
