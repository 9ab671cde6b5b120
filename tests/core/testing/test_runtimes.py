"""Runtimes of a test's own."""

from pathlib import Path

import pydantic
import pytest

from relay_core import MarkEvent, PluginError, SettingsError, hookimpl
from relay_core.plugin_context import PluginContext
from relay_core.testing import isolated_runtime, settle


class Limit(pydantic.BaseModel):
    limit: int = 1


class Counter:
    """Counts marks; raises at one that is called `bad`."""

    def __init__(self) -> None:
        self.seen = self.limit = 0
        self.gone = False

    @hookimpl
    def relay_configure(self, context: PluginContext) -> None:
        self.limit = context.settings(Limit).limit

    @hookimpl
    def relay_unconfigure(self) -> None:
        self.gone = True

    @hookimpl
    def relay_mark(self, event: MarkEvent) -> None:
        self.seen += 1
        if event.name == "bad":
            raise ValueError("bad mark")


def test_has_the_plugins_and_nothing_else() -> None:
    """The runtime has these plugins, configured with these settings, and no installed one; then they are gone."""
    counter = Counter()

    with isolated_runtime({"counter": counter}, plugins={"counter": {"limit": 7}}) as relay:
        relay.scopes.event("mark")
        assert ("counter",) == relay.registry.names()

    assert (1, 7, True) == (counter.seen, counter.limit, counter.gone)


def test_reads_neither_file_nor_environment(no_settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the project or the machine sets does not reach the runtime."""
    (no_settings / "relay.toml").write_text("sampling = 0.25\n")
    monkeypatch.setenv("RELAY_EXIT_TIMEOUT", "77")

    with isolated_runtime(log_level="ERROR") as relay:
        assert (1.0, 5.0) == (relay.settings.sampling, relay.settings.exit_timeout)


def test_a_plugin_that_raises_fails_the_test() -> None:
    """What production would count and log is an error here, after the block."""
    with pytest.raises(AssertionError, match="'counter': 1"), isolated_runtime({"counter": Counter()}) as relay:
        relay.scopes.event("bad")


def test_failures_may_be_what_the_test_is_about() -> None:
    """A test about failures can allow them."""
    with isolated_runtime({"counter": Counter()}, allow_failures=True) as relay:
        relay.scopes.event("bad")
        settle(relay)

        assert {"counter": 1} == relay.statistics().failed


def test_the_test_s_own_exception_wins() -> None:
    """What the block raises is not replaced by what plugins have done."""

    def fail() -> None:
        with isolated_runtime({"counter": Counter()}) as relay:
            relay.scopes.event("bad")
            raise KeyError("own")

    with pytest.raises(KeyError):
        fail()


def test_wrong_settings() -> None:
    """Settings that production would leave out are errors here."""
    with pytest.raises(pydantic.ValidationError), isolated_runtime(queue={"max_event": 1}):
        pass
    with (
        pytest.raises(SettingsError, match="limits"),
        isolated_runtime({"counter": Counter()}, plugins={"counter": {"limits": 1}}),
    ):
        pass


def test_a_plugin_that_cannot_be_used() -> None:
    """A plugin that production would leave out is an error here."""

    class Misspelt:
        @hookimpl
        def relay_marc(self, event: MarkEvent) -> None:
            raise NotImplementedError

    with pytest.raises(PluginError, match="relay_mark"), isolated_runtime({"misspelt": Misspelt()}):
        pass
