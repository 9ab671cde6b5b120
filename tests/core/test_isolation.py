"""Failures are counted by name, and each name is heard once in a while."""

import logging
import threading

import pytest

from relay_core.isolation import WINDOW_SECONDS, Isolation


class Clock:
    """Seconds that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def logger() -> logging.Logger:
    """A logger of the test's own."""
    return logging.getLogger("relay_core.test_isolation")


def test_one_message_in_a_window(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    """Each name is logged once in a window, with what failed and how often; all failures are counted."""
    clock = Clock()
    isolation = Isolation(logger, clock=clock)
    for _ in range(3):
        isolation.record("a", "a subscriber", ValueError("bad"))
    isolation.record("b", "relay_flush", OSError())
    clock.now += WINDOW_SECONDS
    isolation.record("a", "a subscriber", ValueError("worse"))

    assert ({"a": 4, "b": 1}, 5) == (isolation.counts(), isolation.total)
    assert [
        "a failed in a subscriber (1 so far)",
        "b failed in relay_flush (1 so far)",
        "a failed in a subscriber (4 so far)",
    ] == [record.message for record in caplog.records]
    assert "ValueError: bad" in caplog.text


def test_a_log_that_fails(logger: logging.Logger) -> None:
    """Where the application's own logging fails the failure is counted all the same."""

    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError("broken")

    handler = Broken()
    logger.addHandler(handler)
    isolation = Isolation(logger)
    isolation.record("a", "a subscriber", ValueError())
    logger.removeHandler(handler)

    assert {"a": 1} == isolation.counts()


def test_many_threads(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    """No failure is lost when many threads fail at once."""
    caplog.set_level(logging.CRITICAL, logger.name)
    isolation = Isolation(logger)

    def fail() -> None:
        for number in range(1000):
            isolation.record(f"{number % 3}", "a subscriber", ValueError())

    threads = [threading.Thread(target=fail) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 8000 == isolation.total
