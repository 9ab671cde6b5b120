"""What texts share."""

import pytest

from relay_core.wording import counted, error_text, hint, nearest


@pytest.mark.parametrize(("name", "expected"), [("relay_scope_strat", "relay_scope_start"), ("banana", None)])
def test_nearest(name: str, expected: str | None) -> None:
    """A misspelt name finds the one that was meant; a foreign one finds none."""
    assert expected == nearest(name, ["relay_mark", "relay_scope_start", "relay_scope_end"])


def test_hint_without_a_near_name() -> None:
    """Where no name is near, the sentence simply ends."""
    assert "" == hint("banana", ["relay_mark"])


@pytest.mark.parametrize(("number", "text"), [(0, "0 errors"), (1, "1 error"), (2, "2 errors"), (1000, "1,000 errors")])
def test_counted(number: int, text: str) -> None:
    """One thing is singular, none and several are plural."""
    assert text == counted(number, "error")


def test_error_text() -> None:
    """An exception in one line has its type and its message."""
    assert "ValueError: too small" == error_text(ValueError("too small"))


def test_error_text_of_a_broken_exception() -> None:
    """An exception whose own text cannot be had is still named."""

    class Broken(Exception):  # noqa: N818 - it is broken, not an error of ours
        def __str__(self) -> str:
            raise ValueError

    assert error_text(Broken()).endswith("Broken")
