"""Fixtures of the control side's tests."""

from collections.abc import Iterator

import pytest
from tests.core.control.support import Recording

from relay_core.runtime import Relay


@pytest.fixture
def recording() -> Iterator[Recording]:
    """A runtime of its own and everything it emits; our own errors fail the test."""
    recording = Recording()
    yield recording
    suppressed = recording.relay.statistics().suppressed_errors
    recording.relay.shutdown(5.0)
    assert suppressed == 0


@pytest.fixture
def relay(recording: Recording) -> Relay:
    """The runtime of `recording`."""
    return recording.relay
