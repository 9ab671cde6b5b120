"""Records about the operation of a program."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import relay_core
from relay_core.runtime import Relay
from relay_core.testing import isolated_runtime


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
    shown = {**fields, "odd": {"$type": "object"}}
    assert {"fields": shown, "scope_uuid": work.uuid, "root_uuid": work.root_uuid} == told
    assert ("relay_core.log", "plain", {}) == (plain.name, plain.getMessage(), vars(plain)["relay"]["fields"])


def test_credentials(caplog: pytest.LogCaptureFixture) -> None:
    """Values under credential-like keys are neither in the text nor in the record's fields, at any depth."""
    fields = {"api_key": "s3cret", "of": [{"Password": "s3cret"}], "text": '{"cookie": "s3cret"}', "count": 1}
    with caplog.at_level("INFO", "relay_core"):
        relay_core.info("called", fields=fields)

    (record,) = caplog.records
    shown = {
        "api_key": "[redacted]",
        "of": [{"Password": "[redacted]"}],
        "text": '{"cookie":"[redacted]"}',
        "count": 1,
    }
    assert shown == vars(record)["relay"]["fields"]
    assert record.getMessage().startswith('called api_key="[redacted]" of=[{"Password":"[redacted]"}] text=')
    assert "s3cret" not in record.getMessage()


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        (["ssn"], {"ssn": "[redacted]", "api_key": "a"}),
        ([], {"ssn": "1", "api_key": "a"}),
    ],
)
def test_configured_keys(
    keys: list[str], shown: dict[str, str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys are those of the settings."""
    with isolated_runtime(redact_keys=keys) as relay, caplog.at_level("INFO", "relay_core"):
        monkeypatch.setattr("relay_core.operational_log.default", lambda: relay)
        relay_core.info("called", fields={"ssn": "1", "api_key": "a"})

    (record,) = caplog.records
    assert shown == vars(record)["relay"]["fields"]
    assert f'called ssn="{shown["ssn"]}" api_key="{shown["api_key"]}"' == record.getMessage()


def test_credentials_before_any_use(
    no_settings: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record may be the first use of Relay: the settings are read before its fields are."""
    (no_settings / "relay.toml").write_text('redact_keys = ["ssn"]\n')
    relay = Relay()
    monkeypatch.setenv("RELAY_DISABLE_AUTOLOAD", "1")
    monkeypatch.setattr("relay_core.operational_log.default", lambda: relay)
    with caplog.at_level("INFO", "relay_core.log"):
        relay_core.info("called", fields={"ssn": "1"})
    relay.shutdown(10.0)

    (record,) = caplog.records
    assert 'called ssn="[redacted]"' == record.getMessage()


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
