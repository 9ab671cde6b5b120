"""From an exception to an outcome, and from an outcome to what the end event says."""

import asyncio

import pytest

from relay_core import Outcome
from relay_core.outcomes import OK_STATUS, outcome_of, status_metadata, type_name


class StopFromOutsideError(BaseException):
    """How a library stops work that it has started."""


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ValueError(), Outcome.ERROR),
        (TimeoutError(), Outcome.ERROR),
        (StopIteration(), Outcome.ERROR),
        (ExceptionGroup("", [ValueError()]), Outcome.ERROR),
        (BaseExceptionGroup("", [KeyboardInterrupt()]), Outcome.ERROR),
        (asyncio.CancelledError(), Outcome.CANCELLED),
        (KeyboardInterrupt(), Outcome.CANCELLED),
        (SystemExit(), Outcome.CANCELLED),
        (StopFromOutsideError(), Outcome.CANCELLED),
        (GeneratorExit(), Outcome.ABANDONED),
    ],
)
def test_outcome_of(error: BaseException, outcome: Outcome) -> None:
    """Errors are failures; what stops work from outside is none."""
    assert outcome is outcome_of(error)


def test_ok_is_one_text() -> None:
    """The text that nearly every end event has says what `status_metadata` says."""
    pairs = ",".join(f'"{key}":"{value}"' for key, value in status_metadata(Outcome.OK).items())

    assert OK_STATUS.decode() == pairs


def test_status() -> None:
    """Every outcome but ok has a description; an error has its type, too."""
    assert {
        "otel.status_code": "UNSET",
        "otel.status_description": "drained",
        "relay.outcome": "drained",
    } == status_metadata(Outcome.DRAINED)
    assert {
        "otel.status_code": "ERROR",
        "otel.status_description": "'x'",
        "relay.outcome": "error",
        "error.type": "KeyError",
        "exception.type": "KeyError",
    } == status_metadata(Outcome.ERROR, KeyError("x"))
    assert "error.type" not in status_metadata(Outcome.CANCELLED, KeyError("x"))


@pytest.mark.parametrize("outcome", [Outcome.INTERRUPTED, Outcome.HANDED_OFF])
def test_control_flow_has_no_message(outcome: Outcome) -> None:
    """What control flow carries is the application's payload: the description does not repeat it."""
    assert outcome.wire == status_metadata(outcome, ValueError("payload"))["otel.status_description"]
    assert "deploy" == status_metadata(Outcome.DRAINED, ValueError("deploy"))["otel.status_description"]


def test_type_name() -> None:
    """Built-in types are named without their module."""
    assert ("ValueError", "asyncio.exceptions.CancelledError") == (
        type_name(ValueError),
        type_name(asyncio.CancelledError),
    )
