"""`install()` and `uninstall()`."""

from pathlib import Path

import pytest

from relay_core.errors import InstallationError, SettingsError
from relay_core.events import MarkEvent
from relay_core.hookspecs import hookimpl
from relay_core.installation import install, uninstall
from relay_core.runtime import Relay


class Integration:
    """A plugin that notes what happens to it."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    @hookimpl
    def relay_configure(self) -> None:
        self.calls.append("configure")

    @hookimpl
    def relay_unconfigure(self) -> None:
        self.calls.append("unconfigure")

    @hookimpl
    def relay_instrument(self) -> None:
        self.calls.append("instrument")

    @hookimpl
    def relay_uninstrument(self) -> None:
        self.calls.append("uninstrument")


@pytest.fixture
def relay(no_settings: Path, monkeypatch: pytest.MonkeyPatch) -> Relay:
    """A runtime that loads no installed plugins."""
    monkeypatch.setenv("RELAY_DISABLE_AUTOLOAD", "1")
    return Relay()


def test_first_use_does_not_instrument(relay: Relay) -> None:
    """Using Relay configures plugins and leaves frameworks alone; `install()` hooks integrations in."""
    plugin = Integration()
    relay.ensure_ready()
    relay.registry.register(plugin)
    before = list(plugin.calls)
    install(runtime=relay)

    assert (["configure"], ["configure", "instrument"]) == (before, plugin.calls)


def test_install_is_first_use(relay: Relay) -> None:
    """`install()` alone does all that the first use does."""
    install(runtime=relay, sampling=0.5)

    assert (True, 0.5, 0.5) == (relay.scopes.ready, relay.settings.sampling, relay.scopes.sampling)


def test_idempotent(relay: Relay) -> None:
    """A second call with the same settings, or with none, returns the same installation and does nothing."""
    plugin = Integration()
    relay.registry.register(plugin)
    first = install(runtime=relay, queue={"max_events": 7})

    assert first is install(runtime=relay)
    assert first is install(runtime=relay, queue__max_events=7)
    assert ["configure", "instrument"] == plugin.calls


def test_other_settings(relay: Relay) -> None:
    """A later call with other settings is an error that names them and the way out; nothing changes."""
    first = install(runtime=relay, sampling=0.5)

    with pytest.raises(InstallationError, match=r"'queue.max_events'; call relay_core.uninstall\(\) first"):
        install(runtime=relay, sampling=0.5, queue={"max_events": 7})
    assert (65_536, first) == (first.settings.queue.max_events, install(runtime=relay))


def test_other_settings_after_first_use(relay: Relay) -> None:
    """Settings are read once: after the first use `install()` may repeat them, not change them."""
    relay.ensure_ready()
    install(runtime=relay, sampling=1)

    with pytest.raises(InstallationError, match="'sampling'"):
        install(runtime=relay, sampling=0.5)


@pytest.mark.parametrize("used", [False, True])
def test_wrong_arguments(relay: Relay, used: bool) -> None:
    """A wrong argument is an error before the first use and after it."""
    if used:
        relay.ensure_ready()

    with pytest.raises(SettingsError, match="did you mean 'sampling'"):
        install(runtime=relay, sampeling=1)


def test_uninstall(relay: Relay) -> None:
    """After `uninstall()` integrations are out of their frameworks, and other settings may be installed."""
    plugin = Integration()
    relay.registry.register(plugin)
    install(runtime=relay, sampling=0.5)
    uninstall(runtime=relay)
    again = install(runtime=relay, sampling=0.25)

    assert 0.25 == again.settings.sampling == relay.settings.sampling
    assert ["configure", "instrument", "uninstrument", "unconfigure", "configure", "instrument"] == plugin.calls


def test_uninstall_by_the_installation(relay: Relay) -> None:
    """An installation can be asked to go; a second time, or after another one has come, it does nothing."""
    first = install(runtime=relay)
    first.uninstall()
    second = install(runtime=relay)
    first.uninstall()

    assert second is relay.startup.installation


def test_uninstall_without_install(relay: Relay) -> None:
    """Uninstalling what was never installed is no error."""
    uninstall(runtime=relay)

    assert not relay.startup.report().installed


def test_uninstalled_relay_can_be_used(relay: Relay) -> None:
    """After `uninstall()` the next use starts Relay again, without instrumenting."""
    plugin = Integration()
    relay.registry.register(plugin)
    install(runtime=relay)
    uninstall(runtime=relay)
    plugin.calls.clear()
    relay.scopes.pop(relay.scopes.push("work"))

    assert ["configure"] == plugin.calls


def test_switched_off(relay: Relay) -> None:
    """Where Relay is switched off, `install()` instruments nothing and nothing is delivered."""

    class Observer(Integration):
        @hookimpl
        def relay_mark(self, event: MarkEvent) -> None:
            self.calls.append("mark")

    plugin = Observer()
    relay.registry.register(plugin)
    install(runtime=relay, enabled=False)
    relay.scopes.event("mark")
    relay.subscribers.flush(5.0)

    assert [] == plugin.calls


def test_integration_that_comes_later(relay: Relay) -> None:
    """An integration that is registered after `install()` is instrumented on the spot."""
    install(runtime=relay)
    plugin = Integration()
    relay.registry.register(plugin)

    assert ["configure", "instrument"] == plugin.calls
