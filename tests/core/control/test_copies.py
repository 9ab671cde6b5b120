"""What middleware is handed, and what its answers mean."""

from typing import Any

import pytest

from relay_core.codecs import LLMRequest
from relay_core.control.copies import detached_request, shallow, shallow_request, taken, taken_request


@pytest.mark.parametrize("original", [{"a": [1]}, [1, {"b": 2}], "text", None, (1, 2)])
def test_unchanged_copy_means_the_original(original: Any) -> None:
    """Handing the copy back unchanged keeps the caller's own object."""
    given = shallow(original)

    assert given == original
    assert taken(given, given, original) is original


@pytest.mark.parametrize("original", [{"a": 1}, [1]])
def test_edited_copy_replaces_the_original(original: Any) -> None:
    """An edit in place and a new object both replace it."""
    edited = shallow(original)
    edited.clear()

    assert taken(edited, edited, original) is edited
    other = shallow(original)
    assert taken(other, shallow(original), original) is other


def test_equal_but_other_values_replace_the_original() -> None:
    """Identity decides: an equal value that the intercept put there is the intercept's."""
    original = {"a": [1]}
    given = shallow(original)
    given["a"] = [1]

    assert taken(given, given, original) is given


def test_requests_are_taken_by_part() -> None:
    """A request keeps the caller's content when only its headers were replaced."""
    original = LLMRequest({"a": "1"}, {"b": []})
    given = shallow_request(original)

    assert taken_request(given, given, original) is original
    assert taken_request(LLMRequest({}, given.content), given, original).content is original.content
    assert detached_request(original) == original
    assert detached_request(original).content["b"] is not original.content["b"]
