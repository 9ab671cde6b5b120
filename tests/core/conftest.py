"""Fixtures of the core's tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.distributions import Distributions
from tests.core.recorder import Recorder

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
