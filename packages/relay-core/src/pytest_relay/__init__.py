"""The pytest plugin of relay-core: fixtures to test agents and plugins with. See `relay_core.testing`.

It stands outside of `relay_core` because pytest imports it at every start, also where no test wants it: it imports
Relay when the first test does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from relay_core import Relay
    from relay_core.testing import FixedClock, RecordedEvents, Recording, RunTree

__all__ = [
    "assert_no_open_scopes",
    "pytest_assertrepr_compare",
    "relay_clock",
    "relay_events",
    "relay_recording",
    "relay_runtime",
    "relay_tree",
]


@pytest.fixture
def relay_recording() -> Generator[Recording]:
    """What the test emits: `relay_recording.events`, `.tree`, `.clear()`."""
    from relay_core.testing import recording

    with recording() as recorded:
        yield recorded


@pytest.fixture
def relay_events(relay_recording: Recording) -> RecordedEvents:
    """The events that the test emits, in order. Live: each look waits for what was emitted until then."""
    return relay_recording.events


@pytest.fixture
def relay_tree(relay_recording: Recording) -> RunTree:
    """The scopes of what the test runs: `assert relay_tree == expect.agent("weather", expect.llm())`."""
    return relay_recording.tree


@pytest.fixture
def assert_no_open_scopes(relay_recording: Recording) -> Generator[Callable[[], None]]:
    """Fails the test if a scope that it started has not ended: at its end, and whenever it is called."""
    yield relay_recording.assert_no_open_scopes
    relay_recording.assert_no_open_scopes()


@pytest.fixture
def relay_clock() -> Generator[FixedClock]:
    """A clock that stands still until the test moves it with `relay_clock.advance(seconds)`; ids count from 1."""
    from relay_core.testing import deterministic

    with deterministic() as clock:
        yield clock


@pytest.fixture
def relay_runtime() -> Generator[Callable[..., Relay]]:
    """Makes runtimes of the test's own: `relay_runtime({"acme": plugin}, plugins={"acme": {"limit": 3}})`.

    See `relay_core.testing.isolated_runtime`: a plugin that raises fails the test.
    """
    from relay_core.testing import isolated_runtime

    with ExitStack() as stack:

        def make(under_test: dict[str, object] | None = None, /, **options: Any) -> Relay:
            return stack.enter_context(isolated_runtime(under_test, **options))

        yield make


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Explain how a run differs from what was expected."""
    testing = sys.modules.get("relay_core.testing")
    if testing is None or op != "==":
        return None
    lines: list[str] | None = testing.explain_comparison(left, right)
    return lines
