"""The report of what was found, loaded and refused."""

import dataclasses
from pathlib import Path

import pytest
from tests.core.distributions import Distributions

from relay_core.hookspecs import hookimpl
from relay_core.installation import install
from relay_core.installation_report import InstallationReport
from relay_core.runtime import Relay

PLUGIN = """
from relay_core import hookimpl

class Plugin:
    @hookimpl
    def relay_mark(self, event): ...

    @hookimpl
    def relay_scope_end(self, event): ...

    def relay_scope_start(self, event): ...
"""


@pytest.fixture
def relay(no_settings: Path, monkeypatch: pytest.MonkeyPatch) -> Relay:
    """A runtime that loads no installed plugins but those of the test."""
    monkeypatch.setenv("RELAY_PLUGINS_ALLOW", "acme,broken")
    return Relay()


def only(report: InstallationReport, *names: str) -> InstallationReport:
    """Leave out what else may be installed here."""
    return dataclasses.replace(report, plugins=tuple(it for it in report.plugins if it.name in names))


def test_before_the_first_use(relay: Relay) -> None:
    """Before Relay is used there is nothing to report."""
    report = relay.startup.report()

    assert (False, False, (), ()) == (report.ready, report.installed, report.plugins, report.problems)
    assert str(report).startswith("Relay has not been used yet.")


def test_everything_in_it(
    relay: Relay, distributions: Distributions, monkeypatch: pytest.MonkeyPatch, no_settings: Path
) -> None:
    """The report names each plugin with where it comes from, its hooks, its oddities, and why it is not there."""
    monkeypatch.setenv("RELAY_PLUGINS_BLOCK", "blocked")
    monkeypatch.setenv("RELAY_SAMPLING", "0.5")
    monkeypatch.setenv("RELAY_NONSENSE", "1")
    distributions.install(
        "acme-relay", {"acme": "acme:Plugin", "blocked": "acme:Plugin", "broken": "nowhere"}, {"acme": PLUGIN}
    )
    installation = install(runtime=relay, queue__max_events=7)

    class ByHand:
        @hookimpl
        def relay_mark(self, event: object) -> None: ...

    relay.registry.register(ByHand(), "by hand")
    report = only(installation.report, "acme", "blocked", "broken", "by hand")

    assert (
        """
Relay is installed.

Plugins
  loaded   acme  -  acme-relay 1.0 (acme:Plugin)
           hooks: relay_mark, relay_scope_end
           note: 'relay_scope_start' is named like a hook but has no @hookimpl: it is never called
  blocked  blocked  -  acme-relay 1.0 (acme:Plugin)
           named in plugins_block
  refused  broken  -  acme-relay 1.0 (nowhere)
           plugin 'broken': cannot be loaded: ModuleNotFoundError: No module named 'nowhere'
  loaded   by hand  -  registered by hand
           hooks: relay_mark

Settings that are not the defaults
  plugins_allow = ('acme', 'broken')  -  environment RELAY_PLUGINS_ALLOW
  plugins_block = ('blocked',)  -  environment RELAY_PLUGINS_BLOCK
  queue.max_events = 7  -  install()
  sampling = 0.5  -  environment RELAY_SAMPLING

Problems
  - the variable RELAY_NONSENSE sets nothing
""".strip()
        == str(report)
    )
    assert {"relay_mark": ("acme", "by hand"), "relay_scope_end": ("acme",)} == report.hooks
    assert "Traceback" in str(report.plugins[2].traceback)
    assert not report.ok


def test_ok(relay: Relay, distributions: Distributions, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report without anything to mend says so; a blocked plugin is nothing to mend."""
    monkeypatch.setenv("RELAY_PLUGINS_BLOCK", "broken")
    source = PLUGIN.replace("    def relay_scope_start(self, event): ...", "")
    distributions.install("acme-relay", {"acme": "acme:Plugin", "broken": "nowhere"}, {"acme": source})
    relay.ensure_ready()

    assert relay.startup.report().ok


def test_snapshot(relay: Relay) -> None:
    """A report does not change once it is made; a plugin that is gone is not in the next one."""

    class ByHand: ...

    relay.ensure_ready()
    relay.registry.register(ByHand(), "by hand")
    report = relay.startup.report()
    relay.registry.unregister("by hand")

    assert (True, None) == (report.plugin("by hand") is not None, relay.startup.report().plugin("by hand"))


def test_switched_off(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report says when Relay is switched off."""
    monkeypatch.setenv("RELAY_ENABLED", "0")
    relay.ensure_ready()

    assert str(relay.startup.report()).startswith("Relay is switched off")


def test_in_use(relay: Relay) -> None:
    """The report says when Relay is in use without `install()`."""
    relay.ensure_ready()

    assert str(relay.startup.report()).startswith("Relay is in use, but install() was not called.")


def test_credentials(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """What looks like a credential in a plugin's section is not shown, at any depth."""
    monkeypatch.setenv("RELAY_PLUGINS__ACME__API_KEY", "hidden")
    install(runtime=relay, plugins={"acme": {"headers": {"X-Token": "hidden", "plain": "shown"}, "url": "shown"}})
    report = relay.startup.report()
    values = {it.key: it.value for it in report.settings if it.key.startswith("plugins.acme.")}

    assert {
        "plugins.acme.api_key": "[redacted]",
        "plugins.acme.headers": {"X-Token": "[redacted]", "plain": "shown"},
        "plugins.acme.url": "shown",
    } == values
    assert "hidden" not in str(report)


def test_all_settings_are_in_it(relay: Relay) -> None:
    """The report holds every setting with its origin, those with their defaults as well."""
    relay.ensure_ready()
    origins = {it.key: it.origin for it in relay.startup.report().settings}

    assert ("default", "environment RELAY_PLUGINS_ALLOW") == (origins["queue.max_events"], origins["plugins_allow"])


def test_names_that_nobody_has(relay: Relay) -> None:
    """A name in the settings that no plugin has is a problem, once plugins were looked for."""
    relay.ensure_ready()

    assert "plugins_allow names 'acme', but there is no plugin of this name" in relay.startup.report().problems
