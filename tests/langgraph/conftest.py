"""Fixtures for the tests of relay-langgraph."""

from collections.abc import Iterator

import pytest
from tests.langchain.support import Recording


@pytest.fixture
def recording() -> Iterator[Recording]:
    """A runtime of its own and everything it emits; our own errors fail the test."""
    recording = Recording()
    yield recording
    suppressed = recording.relay.statistics().suppressed_errors
    recording.relay.shutdown(1.0)
    assert suppressed == 0


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def run_async(request: pytest.FixtureRequest) -> bool:
    """Run the graph in both ways: LangGraph has an implementation for each."""
    return bool(request.param)
