"""Records about the operation of a program."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

import relay_core


@pytest.mark.parametrize(
    ("function", "level"),
    [
        (relay_core.trace, 5),
        (relay_core.debug, logging.DEBUG),
        (relay_core.info, logging.INFO),
        (relay_core.warn, logging.WARNING),
        (relay_core.error, logging.ERROR),
    ],
)
def test_levels(function: Callable[..., None], level: int, caplog: pytest.LogCaptureFixture) -> None:
    """Each function logs at its level, from where it is called, to the logger of its target."""
    with caplog.at_level(5, "relay_core"):
        function("100%", target="app.part")

    (record,) = caplog.records
    assert ("relay_core.log.app.part", level, "100%") == (record.name, record.levelno, record.getMessage())
    assert ("test_levels", __file__) == (record.funcName, record.pathname)


def test_fields(caplog: pytest.LogCaptureFixture) -> None:
    """Fields of any type are appended in JSON, and the record knows the scope."""
    fields = {"count": 1, "of": {"x": [1]}, "odd": object()}
    with caplog.at_level("INFO", "relay_core"), relay_core.scope.scope("work") as work:
        relay_core.log("info", "done", fields=fields)
        relay_core.log("warning", "plain")

    done, plain = caplog.records
    assert 'done count=1 of={"x":[1]} odd={"$type":"object"}' == done.getMessage()
    told: dict[str, Any] = vars(done)["relay"]
    assert {"fields": fields, "scope_uuid": work.uuid, "root_uuid": work.root_uuid} == told
    assert ("relay_core.log", "plain", {}) == (plain.name, plain.getMessage(), vars(plain)["relay"]["fields"])


def test_below_the_level(caplog: pytest.LogCaptureFixture) -> None:
    """What is below the logger's level is not looked at."""
    with caplog.at_level("WARNING", "relay_core"):
        relay_core.info("quiet", fields={"x": 1})

    assert [] == caplog.records


@pytest.mark.parametrize(
    ("arguments", "error"),
    [(("loud", "x"), ValueError), (("info", 7), TypeError), ((7, "x"), ValueError)],
)
def test_wrong_arguments(arguments: tuple[Any, Any], error: type[Exception]) -> None:
    """An unknown level, a message that is no text and fields that are no mapping are refused."""
    with pytest.raises(error):
        relay_core.log(*arguments)
    with pytest.raises(TypeError, match="fields must be a mapping"):
        relay_core.info("x", fields=[1])  # type: ignore[arg-type]
