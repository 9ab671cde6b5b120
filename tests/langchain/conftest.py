"""Fixtures for the tests of relay-langchain."""

import gc
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
    assert suppressed == 0 or recording.suppressed_is_fine


@pytest.fixture(params=[True, False], ids=["gc", "nogc"])
def collector(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Run the test with and without the cyclic garbage collector: no scope may depend on it to close."""
    if not request.param:
        gc.disable()
    yield request.param
    gc.enable()
