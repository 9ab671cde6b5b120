"""First use of a runtime."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.core.distributions import Distributions

from relay_core import startup as startup_module
from relay_core.errors import DiscoveryError, PluginError, SettingsError
from relay_core.hookspecs import hookimpl
from relay_core.installation import Installation
from relay_core.registry import PluginRegistry
from relay_core.runtime import Relay
from relay_core.settings import Settings
from relay_core.startup import Startup

PLUGIN = """
from relay_core import hookimpl

calls = []

class Plugin:
    @hookimpl
    def relay_configure(self, context):
        calls.append(context.name)

    @hookimpl
    def relay_unconfigure(self):
        calls.append("unconfigure")
"""

BROKEN = """
from relay_core import hookimpl

class Plugin:
    @hookimpl
    def relay_configure(self, context):
        raise ZeroDivisionError("oh")

class Misspelt:
    @hookimpl
    def relay_scope_strat(self, event): ...
"""


@pytest.fixture
def applied() -> list[Settings]:
    """The settings that were applied."""
    return []


@pytest.fixture
def startup(no_settings: Path, monkeypatch: pytest.MonkeyPatch, applied: list[Settings]) -> Startup:
    """A runtime's first use, which loads the plugins `acme` and `other` only."""
    monkeypatch.setenv("RELAY_PLUGINS_ALLOW", "acme,other")
    return Startup(Relay(), PluginRegistry(on_change=lambda: None), apply=applied.append)


def names(startup: Startup) -> tuple[str, ...]:
    """Name the registered plugins."""
    return startup._registry.names()


def install(startup: Startup, **overrides: object) -> Installation:
    """Do what `relay_core.install()` does."""
    return startup.install(overrides, lambda: Installation(startup._host))


def run(*works: Callable[[], object]) -> None:
    """Run functions in threads of their own."""
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_nothing_happens_before_the_first_use(
    startup: Startup, distributions: Distributions, applied: list[Settings]
) -> None:
    """Making a runtime reads no setting and loads no plugin."""
    distributions.install("acme-relay", {"acme": "acme:Plugin"}, {"acme": PLUGIN})

    assert (False, Settings(), [], ()) == (startup.ready, startup.settings, applied, names(startup))


def test_first_use(
    startup: Startup, distributions: Distributions, applied: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """First use reads settings, hands them over, discovers plugins and configures them, once."""
    monkeypatch.setenv("RELAY_SAMPLING", "0.5")
    distributions.install("acme-relay", {"acme": "acme:Plugin"}, {"acme": PLUGIN})
    startup.ensure()
    startup.ensure()
    import acme  # type: ignore[import-not-found]

    assert (True, 0.5, [startup.settings], ("acme",), ["acme"]) == (
        startup.ready,
        startup.settings.sampling,
        applied,
        names(startup),
        acme.calls,
    )


def test_switched_off(startup: Startup, distributions: Distributions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Relay is switched off, no plugin is loaded."""
    monkeypatch.setenv("RELAY_ENABLED", "false")
    distributions.install("acme-relay", {"acme": "acme:Plugin"}, {"acme": PLUGIN})
    startup.ensure()

    assert (True, ()) == (startup.ready, names(startup))


def test_broken_plugins_are_left_out(
    startup: Startup, distributions: Distributions, caplog: pytest.LogCaptureFixture
) -> None:
    """A plugin that cannot be registered or configured is logged and reported, and does not take the others along."""
    distributions.install(
        "acme-relay",
        {"acme": "broken:Plugin", "other": "broken:Misspelt", "third": "acme:Plugin"},
        {"broken": BROKEN, "acme": PLUGIN},
    )
    startup._registry.register(object(), "by hand")
    install(startup, plugins_allow=["acme", "other", "third"])
    report = startup.report()

    assert ("by hand", "third") == names(startup)
    assert [("acme", "refused"), ("other", "refused"), ("third", "loaded")] == [
        (it.name, it.state) for it in report.plugins if it.name in {"acme", "other", "third"}
    ]
    assert "hook 'relay_configure': raised ZeroDivisionError: oh" in caplog.text
    assert "did you mean 'relay_scope_start'" in caplog.text


def test_plugin_by_hand_that_cannot_be_configured(startup: Startup) -> None:
    """A plugin that was registered before the first use and cannot be configured stands in the report, too."""

    class Broken:
        @hookimpl
        def relay_configure(self) -> None:
            raise ValueError("no")

    startup._registry.register(Broken(), "by hand")
    startup.ensure()
    found = startup.report().plugin("by hand")

    assert ((), "refused", "registered by hand") == (names(startup), found and found.state, found and found.origin)


# --- Wrong settings --------------------------------------------------------------------------------------------------


def test_wrong_settings_are_left_out(
    startup: Startup, no_settings: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """At an implicit first use wrong settings are logged, and the others hold: the application goes on."""
    (no_settings / "relay.toml").write_text("sampeling = 1\nexit_timeout = 1\n")
    monkeypatch.setenv("RELAY_QUEUE__MAX_EVENTS", "many")
    monkeypatch.setenv("RELAY_NONSENSE", "1")
    startup.ensure()

    assert (1, 65_536) == (startup.settings.exit_timeout, startup.settings.queue.max_events)
    assert ["sampeling" in caplog.text, "max_events" in caplog.text, "RELAY_NONSENSE" in caplog.text] == [True] * 3
    assert 3 == len([it for it in startup.report().problems if "plugins_allow" not in it])


def test_wrong_settings_at_install(startup: Startup, no_settings: Path) -> None:
    """At `install()` wrong settings are an error, wherever they were set; nothing is started."""
    (no_settings / "relay.toml").write_text("sampeling = 1\n")

    with pytest.raises(SettingsError, match="did you mean 'sampling'"):
        install(startup)
    assert not startup.ready


def test_wrong_settings_at_install_after_first_use(startup: Startup, no_settings: Path) -> None:
    """`install()` does not keep quiet about wrong settings that an earlier first use had to."""
    (no_settings / "relay.toml").write_text("sampeling = 1\n")
    startup.ensure()

    for _ in range(2):
        with pytest.raises(SettingsError, match="did you mean 'sampling'"):
            install(startup)


def test_wrong_settings_in_strict_mode(startup: Startup, no_settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In strict mode wrong settings are an error at every use, until they are mended."""
    monkeypatch.setenv("RELAY_STRICT", "1")
    file = no_settings / "relay.toml"
    file.write_text("sampeling = 1\n")
    for _ in range(2):
        with pytest.raises(SettingsError):
            startup.ensure()
    file.unlink()
    startup.reset()
    startup.ensure()

    assert startup.ready


# --- Strict mode -----------------------------------------------------------------------------------------------------


def test_strict_refuses_broken_plugins(
    startup: Startup, distributions: Distributions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In strict mode broken plugins are an error that names them all, and nothing stays registered or configured."""
    monkeypatch.setenv("RELAY_STRICT", "1")
    distributions.install(
        "acme-relay", {"acme": "broken:Misspelt", "other": "acme:Plugin"}, {"broken": BROKEN, "acme": PLUGIN}
    )
    for _ in range(2):
        with pytest.raises(DiscoveryError, match="did you mean 'relay_scope_start'") as caught:
            startup.ensure()
    import acme

    assert (("acme",), (), ["other", "unconfigure"], False) == (
        caught.value.plugins,
        names(startup),
        acme.calls,
        startup.ready,
    )
    assert isinstance(caught.value, PluginError)


@pytest.mark.parametrize(
    "source",
    [
        "class Plugin:\n    def relay_mark(self, event): ...\n",
        f"import haystack\n{PLUGIN}",
    ],
)
def test_strict_refuses_odd_plugins(
    startup: Startup, distributions: Distributions, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """In strict mode a forgotten marker and a framework import are errors, too."""
    monkeypatch.setenv("RELAY_STRICT", "1")
    distributions.install("acme-relay", {"acme": "acme:Plugin"}, {"acme": source, "haystack": ""})

    with pytest.raises(DiscoveryError, match=r"plugin 'acme': (loading it imported haystack|implements no hook)"):
        startup.ensure()


def test_strict_with_good_plugins(
    startup: Startup, distributions: Distributions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In strict mode good plugins load as ever, and a blocked one is no error."""
    monkeypatch.setenv("RELAY_STRICT", "1")
    monkeypatch.setenv("RELAY_PLUGINS_BLOCK", "other")
    distributions.install("acme-relay", {"acme": "acme:Plugin", "other": "nowhere"}, {"acme": PLUGIN})
    startup.ensure()

    assert ("acme",) == names(startup)


# --- Again -----------------------------------------------------------------------------------------------------------


def test_discover_finds_what_came_later(startup: Startup, distributions: Distributions) -> None:
    """A package that is installed into the running process is found by looking again; what is there stays."""
    distributions.install("acme-relay", {"acme": "acme:Plugin"}, {"acme": PLUGIN})
    startup.ensure()
    distributions.install("other-relay", {"other": "acme:Plugin"}, {})
    startup.discover()
    import acme

    assert (("acme", "other"), ["acme", "other"]) == (names(startup), acme.calls)
    assert ["acme", "other"] == [it.name for it in startup.report().plugins if it.state == "loaded"]


def test_reset(startup: Startup, distributions: Distributions) -> None:
    """After a reset found plugins are gone, those registered by hand are unconfigured, and first use begins anew."""

    class ByHand:
        calls: list[str] = []  # noqa: RUF012 - one instance

        @hookimpl
        def relay_configure(self) -> None:
            self.calls.append("configure")

        @hookimpl
        def relay_unconfigure(self) -> None:
            self.calls.append("unconfigure")

    distributions.install("acme-relay", {"acme": "acme:Plugin"}, {"acme": PLUGIN})
    startup.ensure()
    startup._registry.register(ByHand(), "by hand")
    startup.reset()
    between = names(startup), startup.ready
    startup.ensure()
    import acme

    assert ((("by hand",), False), ("by hand", "acme")) == (between, names(startup))
    assert ["configure", "unconfigure", "configure"] == ByHand.calls
    assert ["acme", "unconfigure", "acme"] == acme.calls


# --- Threads ---------------------------------------------------------------------------------------------------------


def test_other_threads_wait(startup: Startup) -> None:
    """Threads that use Relay while another one starts it wait until it is ready: no event comes too early."""
    configuring, go_on = threading.Event(), threading.Event()
    seen: list[bool] = []

    class Slow:
        @hookimpl
        def relay_configure(self) -> None:
            configuring.set()
            go_on.wait(10)

    def use() -> None:
        configuring.wait(10)
        go_on.set()
        startup.ensure()
        seen.append(startup.ready)

    startup._registry.register(Slow())
    run(startup.ensure, use, use)

    assert [True, True] == seen


def test_plugin_that_hangs(startup: Startup, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A plugin that hangs in `relay_configure` holds up its own thread only; the log names it."""
    monkeypatch.setattr(startup_module, "PATIENCE_SECONDS", 0.01)
    configuring, go_on = threading.Event(), threading.Event()

    class Hanging:
        @hookimpl
        def relay_configure(self) -> None:
            configuring.set()
            go_on.wait(10)

    def use() -> None:
        configuring.wait(10)
        startup.ensure()
        startup.ensure()
        go_on.set()

    startup._registry.register(Hanging(), "hanging")
    run(startup.ensure, use)

    assert 1 == caplog.text.count("last plugin to be configured: hanging")
    assert startup.ready


def test_plugin_that_uses_relay_while_it_is_configured(startup: Startup) -> None:
    """A plugin that uses Relay in `relay_configure` neither waits for itself nor starts it twice."""
    calls: list[bool] = []

    class Eager:
        @hookimpl
        def relay_configure(self) -> None:
            startup.ensure()
            startup.discover()
            calls.append(startup.ready)

    startup._registry.register(Eager())
    startup.ensure()

    assert [False] == calls


def test_our_own_bug(startup: Startup, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A bug of ours in the first use is logged once and stops nobody."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(startup_module, "find_plugins", fail)
    with caplog.at_level(logging.ERROR):
        startup.ensure()
        startup.ensure()

    assert 1 == caplog.text.count("first use failed")


def test_fork_during_another_threads_first_use(startup: Startup) -> None:
    """In a forked child, where the thread that was starting does not exist, first use works."""
    holder = threading.Thread(target=startup._lock.acquire)
    holder.start()
    holder.join()
    startup.after_fork()
    startup.ensure()

    assert startup.ready
