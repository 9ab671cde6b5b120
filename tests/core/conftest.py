"""Fixtures of the core's tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.distributions import Distributions
from tests.core.recorder import Recorder

from relay_core import accelerator, redaction, wire
from relay_core.acceleration import FUNCTIONS
from relay_core.payload import encoder
from relay_core.runtime import Relay
from relay_core.testing import isolated_runtime


@pytest.fixture
def no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the test run where no file and no variable sets anything; gives the working directory."""
    for name in [name for name in os.environ if name.upper().startswith("RELAY_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def distributions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Distributions]:
    """Distributions that are installed for the time of the test."""
    folder = tmp_path / "installed"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    made = Distributions(folder)
    yield made
    made.forget()


@pytest.fixture
def relay() -> Iterator[Relay]:
    """A runtime that reads no settings and loads no plugins. Mistakes of our own fail the test."""
    with isolated_runtime(allow_failures=True) as made:
        yield made
    assert made.own_errors.counts() == {}


@pytest.fixture
def recorder(relay: Relay) -> Recorder:
    """What the runtime `relay` delivers."""
    return Recorder(relay)


@pytest.fixture(params=["python", "native"])
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test twice: without what `relay-native` speeds up, and with it. Says which."""
    chosen: str = request.param
    if chosen == "python":
        without_native(monkeypatch)
    elif accelerator.native is None:
        pytest.skip("relay-native is not installed")
    return chosen


@pytest.fixture
def python_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the test as where `relay-native` is not installed."""
    without_native(monkeypatch)


def without_native(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what `relay-native` does, from what is made from now on."""
    for module in (encoder, redaction, wire):
        monkeypatch.setattr(module, "native", None)
    for owner, name in FUNCTIONS:
        function = vars(owner)[name]
        monkeypatch.setattr(owner, name, getattr(function, "__wrapped__", function))
