"""What any Python object becomes as JSON: each row of the contract, and the classes that try to break it."""

import array
import asyncio
import base64
import collections
import dataclasses
import datetime as dt
import enum
import gc
import json
import sys
import types
import typing
import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict

import orjson
import pytest
import uuid_utils
from pydantic import BaseModel, Field, SecretStr
from pydantic import ConfigDict as Config

from relay_core.payload import PayloadEncoder, PayloadLimits

pytestmark = pytest.mark.usefixtures("implementation")

UTC = dt.UTC


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)


class Word(str, enum.Enum):  # noqa: UP042 - many applications still have this kind
    YES = "yes"


class Level(enum.IntEnum):
    LOW = 1


class Flag(enum.Flag):
    A = 1
    B = 2


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise AssertionError


class Number(int):
    def __int__(self) -> int:
        raise AssertionError


class Rows(list[Any]):
    def __iter__(self) -> Iterator[Any]:
        raise AssertionError


class Table(dict[str, Any]):
    def items(self) -> Any:
        raise AssertionError


@dataclasses.dataclass
class Plain:
    x: int
    y: object = None
    always: int = dataclasses.field(init=False, default=3)
    shared: typing.ClassVar[int] = 9

    @property
    def trap(self) -> int:
        raise AssertionError


@dataclasses.dataclass(slots=True, frozen=True)
class Slotted:
    x: int
    y: object = None


class Model(BaseModel):
    model_config = Config(extra="allow")

    x: int = 1
    kept_back: str = Field(default="s", exclude=True)


class Attributes:
    """What attrs makes of a class, as far as anyone can see it."""

    __attrs_attrs__ = (types.SimpleNamespace(name="x"), types.SimpleNamespace(name="unset"))

    def __init__(self) -> None:
        self.x = 1
        self.other = 2


class Point(typing.NamedTuple):
    x: int
    y: int


class Typed(TypedDict):
    x: int


class Lookup(Mapping[str, int]):
    def __init__(self, length: int = 2) -> None:
        self.length = length

    def __getitem__(self, key: str) -> int:
        return int(key)

    def __iter__(self) -> Iterator[str]:
        return map(str, range(self.length))

    def __len__(self) -> int:
        return self.length


def encoded(value: object, limits: PayloadLimits | None = None) -> Any:
    """Encode with a new encoder and decode strictly."""
    return decoded(PayloadEncoder(limits or PayloadLimits()).encode(value))


def decoded(document: bytes) -> Any:
    """Decode, and refuse the constants that are Python's and not JSON's."""
    return json.loads(document, parse_constant=pytest.fail)


def nested(depth: int, wrap: Callable[[Any], Any], core: object = 1) -> Any:
    """Wrap something in containers."""
    for _ in range(depth):
        core = wrap(core)
    return core


def depth_of(value: Any) -> int:
    """Count the levels of containers."""
    depth, level = 0, [value]
    while level := [x for x in level if isinstance(x, list | dict)]:
        depth += 1
        level = [item for x in level for item in (x.values() if isinstance(x, dict) else x)]
    return depth


# The rows of the contract ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 0, -1, 1 << 63, (1 << 64) - 1, -(1 << 63), 1.5, -0.0, 1e300, "", "text", "naïve 😀", [], {}),
        *([1, [2, {"a": None}]], {"a": {"b": [1.5, True]}, "": "empty"}, {"a": "x" * 100_000}),
    ],
)
def test_json_types_are_recorded_as_they_are(value: object) -> None:
    """What JSON knows comes back equal, with keys in the caller's order."""
    document = PayloadEncoder().encode(value)

    assert value == decoded(document)
    assert json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("1e+300", "1e300") == (
        document.decode().replace("1e+300", "1e300")
    )


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        ("text", Text("text")),
        (7, Number(7)),
        (1.5, type("Real", (float,), {})(1.5)),
        ("red", Colour.RED),
        ([1, 2], Colour.PAIR),
        ("yes", Word.YES),
        (1, Level.LOW),
        (3, Flag.A | Flag.B),
    ],
)
def test_subclasses_of_scalars_and_enums_are_their_value(expected: object, value: object) -> None:
    """A str, int or float of another class, and an enum member, become the plain value."""
    assert expected == encoded(value)
    assert {"a": [expected]} == encoded({"a": [value]})


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        ([1, "a"], (1, "a")),
        ([1, 2], Point(1, 2)),
        (["a", "b", "c"], {"c", "a", "b"}),
        ([1, 2.5, 3], frozenset({3, 1, 2.5})),
        ([None, True, 2, "a"], {2, "a", None, True}),
        (["red"], {Colour.RED}),
        ([[1, 2], [1, 3]], {(1, 3), (1, 2)}),
        ([1, 2], collections.deque([1, 2])),
        ([0, 1, 2], range(3)),
        (["a"], {"a": 1}.keys()),
        ([1], {"a": 1}.values()),
        ([["a", 1]], {"a": 1}.items()),
        (["b", "a"], collections.OrderedDict(b=1, a=2).keys()),
        ([1, 2], Rows([1, 2])),
    ],
)
def test_other_sequences_and_sets_are_arrays(expected: object, value: object) -> None:
    """Sequences, sets and views become arrays; sets in an order that does not depend on hashes."""
    assert expected == encoded(value)
    assert {"a": expected} == encoded({"a": value})


def test_a_set_that_cannot_be_sorted_is_still_an_array() -> None:
    """Items that no order is defined for come as they come."""
    first, second = object(), dt.datetime(2026, 1, 1, tzinfo=UTC)

    recorded = encoded({first, second})

    assert 2 == len(recorded)
    assert "2026-01-01T00:00:00+00:00" in recorded


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        ({"x": 1, "y": [2], "always": 3}, Plain(1, [2])),
        ({"x": 1, "y": "red"}, Slotted(1, Colour.RED)),
        ({"x": 1}, Model()),
        ({"x": 5, "z": [1]}, Model(x=5, z=[1])),  # type: ignore[call-arg]
        ({"x": 1}, Attributes()),
        ({"x": 1}, Typed(x=1)),
        ({"b": 1, "a": 2}, collections.OrderedDict(b=1, a=2)),
        ({"a": 1}, collections.defaultdict(list, a=1)),
        ({"a": 2}, collections.Counter("aa")),
        ({"a": 1}, Table(a=1)),
        ({"a": 1}, types.MappingProxyType({"a": 1})),
        ({"a": 1}, collections.ChainMap({"a": 1}, {"a": 2})),
        ({"a": 1}, collections.UserDict(a=1)),
        ({"0": 0, "1": 1}, Lookup()),
    ],
)
def test_records_and_mappings_are_objects(expected: object, value: object) -> None:
    """Dataclasses, pydantic models, attrs classes, typed dicts and mappings become objects of their fields."""
    assert expected == encoded(value)
    assert [{"a": expected}] == encoded([{"a": value}])


def test_a_field_that_was_never_set_is_left_out() -> None:
    """A record that was not finished is recorded as far as it goes."""
    half, slotted = Plain.__new__(Plain), Slotted.__new__(Slotted)
    half.y = 2

    assert {"y": 2, "always": 3} == encoded(half)
    assert {} == encoded(slotted)
    assert {"x": 1} == encoded(Model.model_construct(x=1))


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        ("2026-03-01T12:34:56.000007", dt.datetime(2026, 3, 1, 12, 34, 56, 7)),
        ("2026-03-01T12:00:00+00:00", dt.datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01", dt.date(2026, 3, 1)),
        ("12:34:00", dt.time(12, 34)),
        ("PT0S", dt.timedelta()),
        ("P1DT2H3M4.5S", dt.timedelta(days=1, hours=2, minutes=3, seconds=4, milliseconds=500)),
        ("-PT0.000001S", dt.timedelta(microseconds=-1)),
        ("P3D", dt.timedelta(days=3)),
        ("12345678-1234-5678-1234-567812345678", uuid.UUID("12345678123456781234567812345678")),
        ("12345678-1234-5678-1234-567812345678", uuid_utils.UUID("12345678123456781234567812345678")),
        ("1.50", Decimal("1.50")),
        ("NaN", Decimal("NaN")),
        ("a/b", PurePosixPath("a/b")),
        ("(1+2j)", 1 + 2j),
        ("18446744073709551616", 1 << 64),
        ("-9223372036854775809", -(1 << 63) - 1),
    ],
)
def test_values_that_json_has_no_type_for_are_strings(expected: str, value: object) -> None:
    """Times in ISO 8601, identifiers, decimals, paths and large integers become strings."""
    assert expected == encoded(value)
    assert {"a": [expected]} == encoded({"a": [value]})


def test_paths_with_undecodable_bytes_and_subclasses_of_standard_types() -> None:
    """A path with a surrogate escape is readable, and a subclass's own text is not asked for."""

    class When(dt.datetime):
        def isoformat(self, *_: object) -> str:  # type: ignore[override]
            raise AssertionError

    class Id(uuid.UUID):
        def __str__(self) -> str:
            raise AssertionError

    assert "a\ufffd" == encoded(Path("a\udcff"))
    assert "2026-01-01T00:00:00" == encoded(When(2026, 1, 1))
    assert "00000000-0000-0000-0000-000000000001" == encoded(Id(int=1))


def test_a_huge_integer_is_not_spelled_out() -> None:
    """Where decimal would be slow or forbidden it is hexadecimal, and cut like any other text."""
    assert hex(10**5000) == encoded(10**5000)
    assert hex(-(1 << 100_000)) == encoded({"a": [-(1 << 100_000)]})["a"][0]
    assert "0x1000000" == encoded(1 << 10_000_000)["text"][:9]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_no_numbers_are_null(value: float) -> None:
    """JSON has no NaN and no infinity."""
    assert encoded(value) is None
    assert {"a": [None]} == encoded({"a": [value]})


@pytest.mark.parametrize(
    "value",
    [b"\x00\xffabc", bytearray(b"\x00\xffabc"), memoryview(b"\x00\xffabc"), memoryview(b"_\x00_\xff_a_b_c")[1::2]],
)
def test_bytes_are_base64_with_their_size(value: Any) -> None:
    """Bytes-like objects say what they are."""
    expected = {"$type": "bytes", "size": 5, "base64": base64.b64encode(b"\x00\xffabc").decode()}

    assert expected == encoded(value)
    assert [expected] == encoded([value])


@pytest.mark.parametrize("most", [1 << 20, 300])
def test_views_of_any_shape(most: int) -> None:
    """A view of numbers, of several dimensions or with gaps is recorded by its bytes."""
    numbers = array.array("i", range(1000))
    views = [
        memoryview(numbers),
        memoryview(numbers)[::2],
        memoryview(bytes(4000)).cast("B", (40, 100)),
        memoryview(b""),
    ]

    for view in views:
        recorded = encoded(view, PayloadLimits(max_bytes=most))
        kept = base64.b64decode(recorded["base64"])
        assert view.nbytes == recorded["size"]
        assert kept == view.tobytes()[: len(kept)]
        assert len(kept) == view.nbytes or recorded["$truncated"]["bytes"] == view.nbytes - len(kept)


def test_secrets_of_pydantic_stay_secret() -> None:
    """A type that hides its value is a name, like any other foreign object."""
    assert {"x": {"$type": "pydantic.types.SecretStr"}} == encoded({"x": SecretStr("hunter2")})


def test_a_memoryview_that_was_released_is_an_error_in_place() -> None:
    """What cannot be read any more says so."""
    view = memoryview(b"abc")
    view.release()

    assert [1, {"$error": "memoryview"}] == encoded([1, view])


def test_keys_become_text_and_a_clash_keeps_both() -> None:
    """A key that is no str becomes its JSON text, or the name of its class; a str keeps its place."""
    keys = {1: "int", "1": "str", None: 0, 1.5: 0, Colour.RED: 0, (1, "a"): 0, dt.date(2026, 1, 1): 0, object(): 0}

    assert {
        "1 (int)": "int",
        "1": "str",
        "null": 0,
        "1.5": 0,
        "red": 0,
        '[1,"a"]': 0,
        "2026-01-01": 0,
        "object": 0,
    } == encoded(keys)
    assert ["1 (int)", "1"] == list(encoded(keys))[:2]
    assert {"true": 0, "false": 1} == encoded({True: 0, False: 1})
    assert {"b": 1, str(1 << 70): 1, "inf": 2, "text": 3} == encoded(
        {b"b": 1, 1 << 70: 1, float("inf"): 2, Text("text"): 3}
    )


def test_many_keys_of_one_kind_are_all_kept() -> None:
    """A thousand objects as keys get a thousand names."""
    recorded = encoded({object(): number for number in range(1000)})

    assert list(range(1000)) == list(recorded.values())
    assert ["object", "object (object)", "object (object 2)"] == list(recorded)[:3]


def test_surrogates_are_replaced_in_values_and_keys() -> None:
    """Lone halves of a pair become U+FFFD; two halves that belong together are joined."""
    assert "a\ufffdb" == encoded("a\ud800b")
    assert {"\ufffd": ["😀"]} == encoded({"\udc00": ["\ud83d\ude00"]})
    assert {"\ufffd": 1, "\ufffd (str)": 2} == encoded({"\ufffd": 1} | {"\udc00": 2})


def test_exceptions_have_a_type_and_a_message() -> None:
    """An exception is its class and its text; one whose text raises is an error in place."""

    class LoudError(Exception):
        def __str__(self) -> str:
            raise ValueError

    encoder = PayloadEncoder()
    recorded = decoded(encoder.encode([ValueError("no"), KeyError("k"), asyncio.CancelledError(), LoudError()]))

    assert {"$type": "ValueError", "message": "no"} == recorded[0]
    assert {"$type": "KeyError", "message": "'k'"} == recorded[1]
    assert {"$type": "asyncio.exceptions.CancelledError", "message": ""} == recorded[2]
    assert recorded[3]["$error"].endswith("LoudError")
    assert 1 == encoder.failed


def test_anything_else_is_the_name_of_its_class() -> None:
    """Generators, iterators, coroutines, files, modules, functions, classes are named, never consumed or called."""

    async def coroutine() -> None: ...

    generator, iterator, awaitable = (x for x in [1, 2]), iter([1, 2]), coroutine()
    with Path(__file__).open() as file:
        things = [generator, iterator, awaitable, file, sys, print, lambda: 0, object(), int, NotImplemented, ...]
        recorded = encoded(things)
        assert 0 == file.tell()
    awaitable.close()

    names = [record["$type"] for record in recorded]
    assert ["generator", "list_iterator", "coroutine", "_io.TextIOWrapper", "module"] == names[:5]
    assert ["builtin_function_or_method", "function", "object", "type", "NotImplementedType", "ellipsis"] == names[5:]
    assert [1, 2] == list(generator) == list(iterator)


def test_an_orjson_fragment_of_others_is_not_trusted() -> None:
    """Text that claims to be JSON is not spliced into the record."""
    assert [{"$type": "orjson.Fragment"}] == encoded([orjson.Fragment(b"not json")])


def test_cycles_end_where_they_return() -> None:
    """A cycle leaves a reference at the point of return, through lists, dicts, records, foreign objects."""
    items: list[Any] = [1]
    items.append(items)
    tree: dict[str, Any] = {"a": {}}
    tree["a"]["up"] = tree
    record = Plain(1)
    record.y = [record]
    view = types.MappingProxyType(loop := {})
    loop["self"] = view

    assert [1, {"$ref": "cycle"}] == encoded(items)
    assert {"a": {"up": {"$ref": "cycle"}}} == encoded(tree)
    assert {"x": 1, "y": [{"$ref": "cycle"}], "always": 3} == encoded(record)
    assert {"self": {"$ref": "cycle"}} == encoded(view)


def test_what_is_shared_is_written_twice() -> None:
    """A container that is there twice, not within itself, is no cycle."""
    shared = [Colour.RED]

    assert {"a": ["red"], "b": ["red"], "c": [["red"]]} == encoded({"a": shared, "b": shared, "c": [shared]})


# Projections ----------------------------------------------------------------------------------------------------------


class Foreign:
    def __init__(self, content: object) -> None:
        self.content = content


def projecting(function: Callable[[Any], object], asked: list[type] | None = None) -> PayloadEncoder:
    """An encoder with a function for `Foreign`; notes which types were asked about."""

    def resolve(kind: type) -> Callable[[Any], object] | None:
        if asked is not None:
            asked.append(kind)
        return function if kind is Foreign else None

    return PayloadEncoder(resolve=resolve)


class Listing:
    """A plugin's function that projects whole lists, too."""

    def __init__(self, function: Callable[[Any], object]) -> None:
        self.function = function
        self.lists = 0

    def __call__(self, value: Any) -> object:
        return self.function(value)

    def project_list(self, values: list[Any]) -> list[Any]:
        self.lists += 1
        return [self.function(value) if type(value) is Foreign else value for value in values]


def test_a_plugin_may_say_what_becomes_of_a_type() -> None:
    """The function is asked for once per type that JSON does not know, until the plugins change."""
    asked: list[type] = []
    encoder = projecting(lambda value: {"content": value.content}, asked)

    first = encoder.encode([Foreign(1), Foreign("a"), {"x": 1}, "s", None, 1.5, (1,)])
    again = encoder.encode({"a": Foreign(1), "b": Colour.RED})

    assert b'[{"content":1},{"content":"a"},{"x":1},"s",null,1.5,[1]]' == first
    assert b'{"a":{"content":1},"b":"red"}' == again
    assert [Foreign, Colour] == asked
    encoder.reset_cache()
    encoder.encode(Foreign(1))
    assert [Foreign, Colour, Foreign] == asked


@pytest.mark.parametrize(
    ("expected", "content"),
    [
        ("red", Colour.RED),
        ([{"content": 1}], [Foreign(1)]),
        ({"1": "2026-01-01"}, {1: dt.date(2026, 1, 1)}),
        ("\ufffd", "\ud800"),
        ({"$type": "object"}, object()),
    ],
)
@pytest.mark.parametrize("kind", [None, Listing])
def test_projections_may_hold_what_is_foreign_again(expected: object, content: object, kind: Any) -> None:
    """What a projection returns is walked where it is not plain, also where a plugin says that it is."""
    encoder = projecting((kind or (lambda function: function))(lambda value: {"content": value.content}))

    assert [{"content": expected}] * 2 == decoded(encoder.encode([Foreign(content), Foreign(content)]))


@pytest.mark.usefixtures("python_only")
def test_trust_in_a_projection_is_lost_once() -> None:
    """What a plugin returns is encoded on trust until it was not plain: from then on it is walked at once."""
    called: list[object] = []

    def project(value: Any) -> object:
        called.append(value)
        return value.content

    encoder = projecting(project)
    for content, calls in ((1, 1), (Colour.RED, 2), (Colour.RED, 1), (1, 1)):
        called.clear()
        encoder.encode([Foreign(content)])
        assert calls == len(called)


@pytest.mark.parametrize("kind", [None, Listing])
def test_a_projection_may_return_any_value_and_itself(kind: Any) -> None:
    """A projection into a scalar, another foreign object or a cycle is recorded like any other value."""

    def encode(function: Callable[[Any], object], value: object) -> Any:
        encoder = projecting(function if kind is None else kind(function))
        encoder.encode(Foreign(1))
        return decoded(encoder.encode(value))

    assert "x" == encode(lambda _: "x", Foreign(1))
    assert ["red"] == encode(lambda _: Colour.RED, [Foreign(1)])
    assert {"$ref": "cycle"} == encode(lambda value: value, Foreign(1))
    assert {"me": {"$ref": "cycle"}} == encode(lambda value: {"me": value}, Foreign(1))
    (endless,) = encode(Foreign, [Foreign(1)])
    assert {"$error"} == endless.keys()


def test_a_plugin_may_project_whole_lists() -> None:
    """A list that begins with such a value is projected in one call, once the type is known, and loses nothing."""
    function = Listing(lambda value: {"content": value.content})
    encoder = projecting(function)
    mixed = [Foreign(1), {"x": Foreign([2])}, "s", None, [Foreign(3)]]
    expected = [{"content": 1}, {"x": {"content": [2]}}, "s", None, [{"content": 3}]]
    assert expected == decoded(encoder.encode(mixed))
    before = function.lists

    assert [{"content": 1}, 2] == decoded(encoder.encode([Foreign(1), 2]))
    assert {"a": [{"content": 1}, "s"], "b": []} == decoded(encoder.encode({"a": [Foreign(1), "s"], "b": []}))
    assert before + 2 == function.lists
    assert expected == decoded(encoder.encode(mixed))
    assert [[1, {"content": 1}]] == decoded(encoder.encode([[1, Foreign(1)]]))


def test_a_list_that_a_plugin_cannot_project_is_projected_item_by_item() -> None:
    """One bad value costs the others nothing, and a list beyond the limit is cut as ever."""
    encoder = projecting(Listing(lambda value: {"content": 1 // value.content}))
    encoder.encode(Foreign(1))

    recorded = decoded(encoder.encode([Foreign(1), Foreign(0), Foreign(1)]))
    assert [{"content": 1}, {"$error": f"{__name__}.Foreign"}, {"content": 1}] == recorded
    assert 1 == encoder.failed

    encoder.limits = PayloadLimits(max_bytes=1000)
    cut = decoded(encoder.encode([Foreign(1)] * 1000))
    assert {"content": 1} == cut[0] == cut[-1]
    assert {"$truncated"} == cut[1].keys()


def test_a_projection_or_a_property_that_raises_is_an_error_in_place() -> None:
    """The rest of the payload is recorded, and the failure is counted once."""

    class Broken(Mapping[str, int]):
        def __getitem__(self, key: str) -> int:
            raise KeyError(key)

        def __iter__(self) -> Iterator[str]:
            return iter("a")

        def __len__(self) -> int:
            return 1

    encoder = projecting(lambda value: 1 // 0)
    recorded = decoded(encoder.encode([1, Foreign(1), Broken(), uuid.UUID.__new__(uuid.UUID)]))

    assert 1 == recorded[0]
    assert {"$error": f"{__name__}.Foreign"} == recorded[1]
    assert recorded[2]["$error"].endswith("Broken")
    assert {"$error": "uuid.UUID"} == recorded[3]
    assert 3 == encoder.failed


def test_a_resolver_that_raises_counts_as_none() -> None:
    """Trouble with finding a function leaves the type to the usual rules."""

    def resolve(_: type) -> None:
        raise ValueError

    assert {"x": 1, "y": None, "always": 3} == decoded(PayloadEncoder(resolve=resolve).encode(Plain(1)))


def test_a_resolver_may_encode_meanwhile() -> None:
    """What a plugin emits while it is asked may hold the same type."""
    encoder = PayloadEncoder(resolve=lambda _: encoder.encode(Plain(1)) and None)

    assert {"x": 1, "y": None, "always": 3} == decoded(encoder.encode(Plain(1)))


def test_classes_are_not_kept_alive() -> None:
    """A class that is gone is forgotten, so that its id may be used again."""
    encoder = PayloadEncoder()

    def use() -> list[weakref.ref[type]]:
        made = [
            type("Gone", (), {}),
            dataclasses.make_dataclass("GoneData", ["x"]),
            dataclasses.make_dataclass("GoneSlots", ["x"], slots=True),
            enum.Enum("GoneEnum", "A"),
        ]
        encoder.encode([made[0](), made[1](1), made[2](1), made[3].A])  # type: ignore[attr-defined]
        return [weakref.ref(kind) for kind in made]

    references = use()
    gc.collect()

    assert [None] * 4 == [reference() for reference in references]


# Hostile classes ------------------------------------------------------------------------------------------------------


def test_nothing_of_a_foreign_object_is_run() -> None:
    """No method, property or attribute hook of an unknown object is called, wherever the object is."""
    touched: list[str] = []

    def trap(name: str) -> Callable[..., Any]:
        def run(*_: object) -> Any:
            touched.append(name)
            raise ValueError(name)

        return run

    names = (
        "repr str iter next len bool getattr getattribute eq lt call enter await bytes int float index contains format"
    )
    body = {
        f"__{name}__": trap(name) for name in [*names.split(), "class", "dict", "hash"] if name not in ("class", "dict")
    }
    body |= {"__class__": property(trap("class")), "__dict__": property(trap("dict")), "value": property(trap("value"))}
    hostile = type("Hostile", (), body)
    things = [hostile(), {"a": hostile()}, (hostile(),), [[hostile()]], Plain(1, hostile()), Foreign(hostile())]

    recorded = encoded(things)

    assert [] == touched
    assert {"$type": f"{__name__}.Hostile"} == recorded[0] == recorded[1]["a"] == recorded[2][0] == recorded[4]["y"]


def test_an_enum_with_a_value_of_its_own_is_read_past_it() -> None:
    """A property `value` that raises, or rewrites the list that is being recorded, is never run."""
    ran: list[int] = []

    class Nasty(enum.Enum):
        A = 1

        @property
        def value(self) -> Any:  # type: ignore[override]
            ran.append(1)
            items.clear()
            raise ValueError

    items: list[Any] = [Nasty.A, *map(str, range(1000))]

    assert [1, *map(str, range(1000))] == encoded(items)
    assert [] == ran


def test_metaclasses_and_class_attributes_have_no_say() -> None:
    """A class whose metaclass raises, and one that lies about its fields, are recorded without harm."""

    class Meta(type):
        def __hash__(cls) -> int:
            raise ValueError

        def __getattribute__(cls, name: str) -> Any:
            raise ValueError

        __mro__ = property(lambda cls: 1 // 0)  # type: ignore[assignment]

    class Odd(metaclass=Meta):
        pass

    class Liar:
        __dataclass_fields__ = 3
        __attrs_attrs__ = (1, 2)
        __pydantic_fields__: typing.ClassVar[Any] = {1: 2}
        __pydantic_validator__ = 1

    odd, liar = encoded([Odd(), Liar()])

    assert odd["$type"].endswith(".Odd")
    assert {} == liar


# Limits ---------------------------------------------------------------------------------------------------------------

WRAPS: dict[str, Callable[[Any], Any]] = {
    "list": lambda x: [x],
    "dict": lambda x: {"a": x},
    "tuple": lambda x: (x,),
    "pair": lambda x: (1, x),
    "record": lambda x: Plain(1, x),
}


@pytest.mark.parametrize("depth", [100, 200, 249, 250])
@pytest.mark.parametrize("kind", WRAPS)
def test_depth_within_the_limit_is_recorded_whole(depth: int, kind: str) -> None:
    """Up to the limit every level is there, also where the native encoder would not go."""
    encoder = PayloadEncoder()

    recorded = decoded(encoder.encode(nested(depth, WRAPS[kind])))

    assert depth == depth_of(recorded)
    assert 0 == encoder.truncated


@pytest.mark.parametrize("depth", [251, 400, 3000, 20_000])
@pytest.mark.parametrize("kind", WRAPS)
def test_deeper_than_the_limit_is_cut_visibly(depth: int, kind: str) -> None:
    """Beyond the limit there is a mark, and the payload counts as cut."""
    encoder = PayloadEncoder()

    document = encoder.encode(nested(depth, WRAPS[kind]))

    assert 251 <= depth_of(decoded(document)) <= 252
    assert b'{"$truncated":{"depth":250}}' in document
    assert 1 == encoder.truncated


def test_the_depth_limit_is_a_setting() -> None:
    """One level is one container, also an empty one."""
    limits, cut = PayloadLimits(max_depth=1), {"$truncated": {"depth": 1}}

    assert {"a": cut, "b": 1, "c": cut} == encoded({"a": [1], "b": 1, "c": []}, limits)
    assert [{"$truncated": {"depth": 1}}] == encoded([[Colour.RED]], limits)
    assert [1] == encoded([1], limits)


@pytest.mark.parametrize(
    ("most", "size"), [(most, 1 << 20) for most in (1, 2, 63, 64, 65, 250)] + [(2, 10_000), (63, 10_000)]
)
@pytest.mark.parametrize("innermost", [[], {}, (), set(), collections.deque(), [1]], ids=repr)
def test_the_depth_limit_is_the_same_for_all_containers(most: int, size: int, innermost: Any) -> None:
    """As many levels as the limit says are recorded whole, whatever is innermost; with one more, that one is cut."""
    filler = "x" * 20_000 if size < 20_000 else ""  # beyond the size limit another walk counts the levels
    for levels, is_cut in ((most, False), (most + 1, True)):
        value = innermost
        for _ in range(levels - 2):
            value = [value]
        encoder = PayloadEncoder(PayloadLimits(max_bytes=size, max_depth=most))
        document = encoder.encode([filler, value] if levels > 1 else innermost)

        assert is_cut == (b'{"$truncated":{"depth":%d}}' % most in document)


LARGE = 3_000_000
OVERSIZE: dict[str, object] = {
    "text": "x" * LARGE,
    "escapes": '"\n\x00' * LARGE,
    "unicode": "é😀" * LARGE,
    "bytes": bytes(LARGE),
    "long list": list(range(LARGE)),
    "range": range(10**30),
    "long texts": [f"m{number}" * 1000 for number in range(2000)],
    "one long text among others": ["a", "x" * LARGE, "b", "c"],
    "dict": {"a": "x" * LARGE, "b": ["y" * LARGE] * 3, "c": 1},
    "many keys": {str(number): number for number in range(300_000)},
    "long keys": {"k" * LARGE: 1, "a": 2},
    "nested": [[["x" * 1000] * 100] * 100] * 100,
    "shared": {"n": 1, "d": nested(40, lambda x: {"a": x, "b": [x, x], "c": 1})},
    "wide": [[[0] * 1000] * 1000] * 1000,
    "records": [Plain(number, "x" * 1000) for number in range(3000)],
    "exception": ValueError("x" * LARGE),
    "foreign mapping": {"a": Lookup(10**7), "b": "x" * LARGE},
    "deep and long": nested(300, lambda x: ["x" * 10_000, x]),
}


@pytest.mark.parametrize("name", OVERSIZE)
@pytest.mark.parametrize("most", [1 << 20, 5000, 300])
def test_larger_than_the_limit_is_cut_visibly(name: str, most: int) -> None:
    """Whatever it is, the document stays within the limit, says what is missing, and the payload counts as cut once."""
    encoder = PayloadEncoder(PayloadLimits(max_bytes=most))

    document = encoder.encode(OVERSIZE[name])
    decoded(document)

    assert len(document) <= most
    assert b'{"$truncated":{"' in document or b'"$truncated":{"' in document
    assert 1 == encoder.truncated
    assert 0 == encoder.failed


def test_cutting_is_deterministic() -> None:
    """The same payload is cut in the same way."""
    for name in ("dict", "records", "long texts"):
        assert PayloadEncoder().encode(OVERSIZE[name]) == PayloadEncoder().encode(OVERSIZE[name])


def test_a_list_keeps_its_first_item_and_the_newest() -> None:
    """A history that is too long keeps its beginning and its end; how many are missing is in between."""
    items = [f"message {number} " * 20 for number in range(1000)]

    recorded = encoded(items, PayloadLimits(max_bytes=20_000))

    assert items[0] == recorded[0]
    missing = recorded[1]["$truncated"]["items"]
    assert items[missing + 1 :] == recorded[2:]
    assert 1000 == missing + len(recorded) - 1
    assert len(recorded) > 50


def test_containers_keep_at_most_so_many_items() -> None:
    """Where a payload has to be cut, lists and dicts have a limit of items, too."""
    limits = PayloadLimits(max_bytes=100_000, max_items=10)

    numbers = encoded(list(range(100_000)), limits)
    keys = encoded({str(number): number for number in range(100_000)}, limits)

    assert [0, {"$truncated": {"items": 99_990}}, *range(99_991, 100_000)] == numbers
    assert {**{str(number): number for number in range(10)}, "$truncated": {"items": 99_990}} == keys
    assert list(range(20)) == encoded(list(range(20)), limits)


def test_a_dict_shortens_its_largest_values() -> None:
    """Small values stay whole; a long text keeps its beginning and says how many bytes are missing."""
    value = {"long": "x" * 50_000, "answer": 42, "list": [1, 2, 3], "at": dt.date(2026, 1, 1)}

    recorded = encoded(value, PayloadLimits(max_bytes=1000))

    assert ["long", "answer", "list", "at"] == list(recorded)
    assert {"answer": 42, "list": [1, 2, 3], "at": "2026-01-01"}.items() <= recorded.items()
    kept = recorded["long"]["text"]
    assert len(kept) > 300
    assert 50_000 == len(kept) + recorded["long"]["$truncated"]["bytes"]


def test_bytes_keep_their_beginning() -> None:
    """Long bytes are cut before they are encoded."""
    recorded = encoded({"data": b"abc" * 1_000_000}, PayloadLimits(max_bytes=1000))["data"]

    kept = base64.b64decode(recorded["base64"])
    assert b"abc" * 50 == kept[:150]
    assert 3_000_000 == recorded["size"] == len(kept) + recorded["$truncated"]["bytes"]


def test_a_foreign_mapping_is_read_as_far_as_the_limit() -> None:
    """A mapping that is no dict may be endless: the limit of items always holds for it."""
    encoder = PayloadEncoder(PayloadLimits(max_items=3))

    assert {"0": 0, "1": 1, "2": 2, "$truncated": {"items": 7}} == decoded(encoder.encode(Lookup(10)))
    assert {"0": 0, "1": 1, "2": 2} == decoded(encoder.encode(Lookup(3)))
    assert 1 == encoder.truncated


@pytest.mark.parametrize("most", range(1, 70))
def test_even_absurd_limits_are_held(most: int) -> None:
    """A limit that is too small for a mark leaves null."""
    for value in ("x" * 1000, list(range(1000)), {"a": "x" * 1000}, b"x" * 1000):
        document = PayloadEncoder(PayloadLimits(max_bytes=most)).encode(value)

        decoded(document)
        assert len(document) <= max(most, 4)


def test_a_payload_at_the_limit_is_whole() -> None:
    """The limit is the size of the document, to the byte."""
    value = [Colour.RED, "x" * 100]
    size = len(PayloadEncoder().encode(value))

    assert ["red", "x" * 100] == encoded(value, PayloadLimits(max_bytes=size))
    assert ["red", "x" * 100] != encoded(value, PayloadLimits(max_bytes=size - 1))


# The encoder ----------------------------------------------------------------------------------------------------------


def test_a_snapshot_is_detached() -> None:
    """What the caller changes afterwards is not seen."""
    value: dict[str, Any] = {"a": [1, Foreign([2])]}
    encoder = projecting(lambda item: item.content)
    document = encoder.encode(value)

    value["a"].clear()

    assert {"a": [1, [2]]} == decoded(document)


def test_no_stack_left() -> None:
    """At the edge of the recursion limit a payload is recorded, or an error in its place; nothing is raised."""
    encoder = projecting(lambda item: item.content)
    documents: set[bytes] = set()

    def deeper() -> None:
        documents.add(encoder.encode({"a": [Foreign(Colour.RED), {1: 2}]}))
        deeper()

    with pytest.raises(RecursionError):
        deeper()

    for document in documents:
        decoded(document)
    assert b'{"a":["red",{"1":2}]}' in documents


def test_the_second_look_sees_the_same() -> None:
    """Once payloads held enum members, or somebody uses fragments, plain data is recorded as before."""
    plain = {"a": [1, {"b": [None, True, 1.5, "é"]}], "c": (1, 2)}
    fragments = [orjson.Fragment(b"1")]
    encoder = PayloadEncoder()
    documents = {encoder.encode(plain)}
    fragments.clear()
    documents |= {encoder.encode(plain), encoder.encode([Colour.RED]), encoder.encode(plain)}

    assert {b'{"a":[1,{"b":[null,true,1.5,"\xc3\xa9"]}],"c":[1,2]}', b'["red"]'} == documents
    assert b"[[[1]],1]" == encoder.encode([[[1]], 1])
    assert {"$type": "orjson.Fragment"} == decoded(encoder.encode([[orjson.Fragment(b"{")]]))[0][0]


def test_a_short_switch_interval_asks_for_the_second_look() -> None:
    """Where threads switch within microseconds, plain data is recorded as before, too."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        assert {"a": [1, [2]]} == encoded({"a": [1, [2]]})
    finally:
        sys.setswitchinterval(before)


def test_limits_may_be_replaced() -> None:
    """A runtime sets the limits when it has read its settings."""
    encoder = PayloadEncoder()
    assert PayloadLimits(1 << 20, 250, 10_000) == encoder.limits

    encoder.limits = PayloadLimits(max_bytes=100)

    assert len(encoder.encode("x" * 1000)) <= 100
