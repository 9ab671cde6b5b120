"""Copies of JSON values, and when two of them say the same."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay_core.json_values import as_mapping, detached, same_json

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@settings(max_examples=60)
@given(json_values)
def test_copy_says_the_same(value: object) -> None:
    """A detached copy says the same as its original."""
    assert same_json(detached(value), value)


def test_copy_shares_no_container() -> None:
    """Editing a detached copy anywhere leaves the original alone."""
    original = {"a": [{"b": [1]}], "c": {"d": 2}}

    copy = detached(original)
    copy["a"][0]["b"].append(2)
    copy["c"]["d"] = 3

    assert {"a": [{"b": [1]}], "c": {"d": 2}} == original


def test_copy_shares_everything_else() -> None:
    """What is neither a plain dict nor a plain list is the same object in the copy."""

    class Special(dict[str, int]):
        pass

    leaves = [object(), Special(a=1), (1, [2])]

    assert all(one is other for one, other in zip(leaves, detached(leaves), strict=True))


def test_copy_keeps_cycles_and_sharing() -> None:
    """A cycle stays a cycle, and what occurs twice is copied once."""
    inner: list[object] = []
    cyclic: dict[str, object] = {"one": inner, "two": inner}
    cyclic["self"] = cyclic

    copy = detached(cyclic)

    assert copy["self"] is copy
    assert copy["one"] is copy["two"]
    assert copy["one"] is not inner


def test_depth_does_not_matter() -> None:
    """Values deeper than Python's recursion limit are copied and compared."""
    deep: list[object] = []
    for _ in range(50_000):
        deep = [deep]

    assert same_json(detached(deep), deep)


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (1, 1.0), (0, False), ("1", 1), ([1], [True]), ({"a": 1}, {"a": 1.0}), ([], {})]
)
def test_types_count(one: object, other: object) -> None:
    """What Python calls equal but JSON writes differently is not the same."""
    assert not same_json(one, other)


def test_key_order_does_not_count() -> None:
    """Objects with the same members in another order say the same; arrays in another order do not."""
    assert same_json({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert not same_json([1, 2], [2, 1])


def test_foreign_objects_are_the_same_only_as_themselves() -> None:
    """No foreign comparison runs."""

    class Hostile:
        def __eq__(self, other: object) -> bool:
            raise AssertionError("compared")

        __hash__ = None  # type: ignore[assignment]

    hostile = Hostile()

    assert same_json({"a": hostile}, {"a": hostile})
    assert not same_json({"a": hostile}, {"a": Hostile()})
    assert not same_json(math.nan, float("nan"))


def test_cycles_end_a_comparison() -> None:
    """Two cyclic values can be compared."""
    one: list[object] = []
    one.append(one)
    other: list[object] = []
    other.append(other)

    assert same_json(one, other)


def test_what_is_no_mapping_is_empty() -> None:
    """A value of the wrong shape reads as an empty mapping."""
    assert {} == as_mapping([1])
    assert {"a": 1} == as_mapping({"a": 1})
