"""Registration, and a plugin's way from configuration to its end."""

import threading
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from relay_core.errors import PluginError, PluginExistsError, SettingsError
from relay_core.hookspecs import hookimpl, hookspec
from relay_core.plugin_context import PluginContext
from relay_core.registry import PluginRegistry
from relay_core.settings import Settings


class Host:
    """A runtime with nothing to register at."""

    subscribers = guardrails = intercepts = event_metadata = object()


def make_context(name: str) -> PluginContext:
    """Make a context as the runtime would."""
    return PluginContext(name, Host(), Settings(), {})


class Log:
    """A plugin that notes which of its lifecycle hooks were called."""

    def __init__(self, calls: list[str], name: str = "") -> None:
        self._calls = calls
        self._name = name

    @hookimpl
    def relay_configure(self) -> None:
        self._calls.append(f"{self._name}configure")

    @hookimpl
    def relay_unconfigure(self) -> None:
        self._calls.append(f"{self._name}unconfigure")

    @hookimpl
    def relay_instrument(self) -> None:
        self._calls.append(f"{self._name}instrument")

    @hookimpl
    def relay_uninstrument(self) -> None:
        self._calls.append(f"{self._name}uninstrument")


class Marks:
    """A plugin that observes marks."""

    @hookimpl
    def relay_mark(self, event: object) -> None: ...


@pytest.fixture
def calls() -> list[str]:
    """What happened, in order."""
    return []


@pytest.fixture
def registry(calls: list[str]) -> PluginRegistry:
    """A registry without plugins, not configured yet."""
    return PluginRegistry(
        on_change=lambda: calls.append("change"),
        on_error=lambda plugin, hook, error: calls.append(f"{plugin} {hook} {error!r}"),
        drain=lambda: calls.append("drain"),
    )


def broken(hook: str, error: BaseException) -> Any:
    """Make a plugin one of whose hooks raises."""

    def body(self: object) -> None:
        raise error

    return type("Broken", (), {hook: hookimpl(body), "relay_mark": hookimpl(Marks.relay_mark)})()


# --- Registration ----------------------------------------------------------------------------------------------------


def test_register(registry: PluginRegistry, calls: list[str]) -> None:
    """A registered plugin is there by its name, with its hooks, and the runtime is told."""
    plugin = Marks()
    name = registry.register(plugin, "acme")

    assert ("acme", ("acme",), plugin, ("relay_mark",)) == (
        name,
        registry.names(),
        registry.get("acme"),
        registry.implemented("acme"),
    )
    assert [plugin.relay_mark] == [it.function for it in registry.impls("relay_mark")]
    assert ["change"] == calls


def test_default_names(registry: PluginRegistry) -> None:
    """Without a name a plugin is called like its class or module; the second of a kind gets a number."""
    module = types.ModuleType("acme_module")
    module.relay_mark = hookimpl(lambda event: None)  # type: ignore[attr-defined]

    assert ["Marks", "Marks-2", "acme_module"] == [registry.register(it) for it in (Marks(), Marks(), module)]


def test_duplicate_name(registry: PluginRegistry) -> None:
    """A taken name is refused, and the first plugin stays."""
    first = Marks()
    registry.register(first, "acme")

    with pytest.raises(PluginExistsError, match="plugin 'acme' already exists"):
        registry.register(Marks(), "acme")
    assert first is registry.get("acme")


def test_same_object_twice(registry: PluginRegistry) -> None:
    """One object is registered once; the error names what it is called, and what it was to be called."""
    plugin = Marks()
    registry.register(plugin, "acme")

    with pytest.raises(PluginExistsError, match="plugin 'other': is registered already, as 'acme'"):
        registry.register(plugin, "other")


def test_a_name_that_is_no_str(registry: PluginRegistry) -> None:
    """A name is text: settings and reports go by it."""
    with pytest.raises(TypeError, match="name must be a str, not int"):
        registry.register(Marks(), 5)  # type: ignore[arg-type]


def test_equal_plugins(registry: PluginRegistry) -> None:
    """Two plugins that compare equal are still two."""

    @dataclass
    class Sink:
        path: str

        @hookimpl
        def relay_mark(self, event: object) -> None: ...

    first, second = Sink("a"), Sink("a")
    registry.register(first, "first")
    registry.register(second, "second")
    registry.unregister(second)

    assert ("first",) == registry.names()
    assert [("first", first)] == [(it.plugin, it.function.__self__) for it in registry.impls("relay_mark")]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("plugin", "text"), [(Marks, r"is a class; register an instance, Marks\("), (None, "is None")])
def test_not_a_plugin(registry: PluginRegistry, plugin: object, text: str) -> None:
    """A class instead of an instance, and None, are refused."""
    with pytest.raises(PluginError, match=text):
        registry.register(plugin, "acme")


def test_refused_plugin_leaves_nothing(registry: PluginRegistry, calls: list[str]) -> None:
    """Where one hook is wrong, none of the plugin's hooks is registered, and its name is free."""

    class Plugin(Marks):
        @hookimpl
        def relay_scope_strat(self, event: object) -> None: ...

    with pytest.raises(PluginError, match="did you mean 'relay_scope_start'"):
        registry.register(Plugin(), "acme")

    assert ((), (), []) == (registry.names(), registry.impls("relay_mark"), calls)
    assert "acme" == registry.register(Marks(), "acme")


def test_notes(registry: PluginRegistry, caplog: pytest.LogCaptureFixture) -> None:
    """A forgotten marker is no error, but it is noted and logged with the plugin's name."""

    class Plugin:
        def relay_mark(self, event: object) -> None: ...

    registry.register(Plugin(), "acme")

    assert ["implements no hook", "'relay_mark' is named like a hook"] == [
        note[:length] for note, length in zip(registry.notes("acme"), (18, 33), strict=True)
    ]
    assert "plugin 'acme': 'relay_mark' is named like a hook but has no @hookimpl" in caplog.text


def test_unregister(registry: PluginRegistry) -> None:
    """A plugin goes by its name or as an object; one that is not there is no error."""
    plugin = Marks()
    registry.register(plugin, "acme")
    registry.register(Marks(), "other")

    assert (True, True, False, False) == (
        registry.unregister(plugin),
        registry.unregister("other"),
        registry.unregister(plugin),
        registry.unregister("other"),
    )
    assert ((), ()) == (registry.names(), registry.impls("relay_mark"))


def test_unknown_plugin(registry: PluginRegistry) -> None:
    """Of a plugin that is not there, nothing is known."""
    assert (None, (), ()) == (registry.get("acme"), registry.implemented("acme"), registry.notes("acme"))


def test_unreadable_plugin(registry: PluginRegistry) -> None:
    """An object that cannot even be looked at is refused like any other broken plugin."""

    class Opaque:
        def __dir__(self) -> list[str]:
            raise ZeroDivisionError("oh")

    with pytest.raises(PluginError, match="plugin 'acme': raised ZeroDivisionError: oh"):
        registry.register(Opaque(), "acme")


# --- Hooks of other packages -----------------------------------------------------------------------------------------


class AcmeSpecs:
    """The hooks of a third-party package."""

    @staticmethod
    @hookspec
    def acme_rate(run: object) -> object:
        """A run is to be rated."""


class AcmeHost:
    """The plugin of a package that declares hooks."""

    @hookimpl
    def relay_addhooks(self, manager: PluginRegistry) -> None:
        manager.add_hookspecs(AcmeSpecs)


class Rater:
    """The plugin of a package that implements another package's hook, and says nothing about it being optional."""

    @hookimpl
    def acme_rate(self, run: object) -> object:
        return run


def test_addhooks_comes_before_all_plugins(registry: PluginRegistry) -> None:
    """Hooks are declared before any plugin is registered, whatever the order of the plugins."""
    failures = registry.register_all([("rater", Rater()), ("host", AcmeHost())])

    assert ({}, (7,)) == (failures, registry.call("acme_rate", 7))


def test_addhooks_by_hand(registry: PluginRegistry) -> None:
    """A plugin that is registered by hand may declare and implement its own hooks."""

    class Both(AcmeHost, Rater): ...

    registry.register(Both())

    assert 7 == registry.first("acme_rate", 7)


def test_addhooks_that_raises(registry: PluginRegistry) -> None:
    """A plugin whose `relay_addhooks` raises is refused, and its neighbours are not."""

    class Broken:
        @hookimpl
        def relay_addhooks(self) -> None:
            raise ZeroDivisionError("oh")

    failures = registry.register_all([("broken", Broken()), ("marks", Marks())])

    assert {"broken": "plugin 'broken', hook 'relay_addhooks': raised ZeroDivisionError: oh"} == {
        name: str(error) for name, error in failures.items()
    }
    assert ("marks",) == registry.names()


# --- Configuration ---------------------------------------------------------------------------------------------------


def test_configured_later(registry: PluginRegistry, calls: list[str]) -> None:
    """Plugins that are there before the runtime is ready are configured when it is, in registration order."""
    registry.register(Log(calls, "a "))
    registry.register(Log(calls, "b "))
    calls.clear()
    registry.configure(make_context)

    assert ["a configure", "b configure", "change"] == calls


def test_configured_on_the_spot(registry: PluginRegistry, calls: list[str]) -> None:
    """A plugin that comes later is configured on the spot, before it sees events."""
    registry.configure(make_context)
    calls.clear()

    class Plugin(Log):
        @hookimpl
        def relay_configure(self) -> None:
            calls.append(f"configure, sees marks: {bool(registry.impls('relay_mark'))}")

        @hookimpl
        def relay_mark(self, event: object) -> None: ...

    registry.register(Plugin(calls))

    assert ["configure, sees marks: False", "change"] == calls


def test_configured_once(registry: PluginRegistry, calls: list[str]) -> None:
    """Configuring again configures only what has come since."""
    registry.register(Log(calls, "a "))
    registry.configure(make_context)
    registry.configure(make_context)

    assert 1 == calls.count("a configure")


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(1)])
def test_configure_raises(registry: PluginRegistry, calls: list[str], error: BaseException) -> None:
    """A plugin that cannot be configured is not registered; the error says what it raised."""
    registry.configure(make_context)

    with pytest.raises(PluginError, match=r"plugin 'acme', hook 'relay_configure': raised (ValueError|SystemExit)"):
        registry.register(broken("relay_configure", error), "acme")
    assert ((), ()) == (registry.names(), registry.impls("relay_mark"))


def test_configure_raises_at_first_use(registry: PluginRegistry) -> None:
    """At first use a plugin that cannot be configured is taken out again, and the others stay."""
    registry.register(broken("relay_configure", ValueError("no")), "broken")
    registry.register(Marks(), "marks")
    failures = registry.configure(make_context)

    assert (["broken"], ("marks",)) == (list(failures), registry.names())
    assert ["marks"] == [it.plugin for it in registry.impls("relay_mark")]


def test_wrong_settings_pass_as_they_are(registry: PluginRegistry) -> None:
    """An error about the plugin's settings is not wrapped into another one."""
    registry.configure(make_context)

    with pytest.raises(SettingsError):
        registry.register(broken("relay_configure", SettingsError("no", key="k", origin="o")))


def test_interrupt_while_configuring(registry: PluginRegistry) -> None:
    """Ctrl-C while a plugin is being configured passes, and the plugin is not registered."""
    registry.configure(make_context)

    with pytest.raises(KeyboardInterrupt):
        registry.register(broken("relay_configure", KeyboardInterrupt()), "acme")
    assert () == registry.names()


def test_unconfigured_after_delivery(registry: PluginRegistry, calls: list[str]) -> None:
    """A plugin that goes is taken out first, and unconfigured once what was emitted before is delivered."""
    registry.configure(make_context)
    registry.register(Log(calls), "acme")
    calls.clear()
    registry.unregister("acme")

    assert ["change", "drain", "unconfigure"] == calls


def test_no_waiting_without_unconfigure(registry: PluginRegistry, calls: list[str]) -> None:
    """Nobody waits for delivery where the plugin has nothing to do at its end."""
    registry.configure(make_context)
    registry.register(Marks(), "acme")
    registry.unregister("acme")

    assert "drain" not in calls


def test_unconfigure_all(registry: PluginRegistry, calls: list[str]) -> None:
    """Unconfiguring the runtime unconfigures all plugins, last one first; they can be configured again."""
    registry.register(Log(calls, "a "))
    registry.register(Log(calls, "b "))
    registry.configure(make_context)
    calls.clear()
    registry.unconfigure()
    registry.configure(make_context)

    assert ["drain", "b unconfigure", "a unconfigure", "a configure", "b configure", "change"] == calls


def test_unconfigure_raises(registry: PluginRegistry, calls: list[str]) -> None:
    """A plugin that raises at its end goes all the same, and the failure is reported."""
    registry.configure(make_context)
    registry.register(broken("relay_unconfigure", ValueError("no")), "acme")

    assert (True, ()) == (registry.unregister("acme"), registry.names())
    assert "acme relay_unconfigure ValueError('no')" in calls


def test_plugin_registers_another(registry: PluginRegistry) -> None:
    """A plugin may register and unregister others, and even itself, while it is being configured."""

    class Plugin(Marks):
        @hookimpl
        def relay_configure(self) -> None:
            registry.register(Marks(), "other")
            registry.unregister(self)

    registry.configure(make_context)
    registry.register(Plugin(), "acme")

    assert (("other",), ["other"]) == (registry.names(), [it.plugin for it in registry.impls("relay_mark")])


# --- Instrumentation -------------------------------------------------------------------------------------------------


def test_instrument(registry: PluginRegistry, calls: list[str]) -> None:
    """Integrations are instrumented once, and those that come later on the spot."""
    registry.configure(make_context)
    registry.register(Log(calls, "a "))
    registry.instrument()
    registry.instrument()
    registry.register(Log(calls, "b "))
    registry.uninstrument()
    registry.uninstrument()

    assert [
        *("a configure", "change", "a instrument"),
        *("b configure", "change", "b instrument"),
        *("a uninstrument", "b uninstrument"),
    ] == calls


def test_instrumented_once(registry: PluginRegistry, calls: list[str]) -> None:
    """Configuring again, as after another discovery, instruments no integration a second time."""
    registry.register(Log(calls))
    registry.configure(make_context)
    registry.instrument()
    registry.configure(make_context)

    assert 1 == calls.count("instrument")


def test_instrumented_again(registry: PluginRegistry, calls: list[str]) -> None:
    """An integration that has nothing to undo is instrumented again after all were taken out."""

    class Plugin:
        @hookimpl
        def relay_instrument(self) -> None:
            calls.append("instrument")

    registry.register(Plugin())
    registry.instrument()
    registry.uninstrument()
    registry.instrument()

    assert 2 == calls.count("instrument")


def test_unregistering_an_instrumented_plugin(registry: PluginRegistry, calls: list[str]) -> None:
    """An integration that goes is taken out of its framework before it is unconfigured."""
    registry.configure(make_context)
    registry.instrument()
    registry.register(Log(calls), "acme")
    calls.clear()
    registry.unregister("acme")

    assert ["change", "uninstrument", "drain", "unconfigure"] == calls


def test_instrument_raises(registry: PluginRegistry, calls: list[str]) -> None:
    """An integration that cannot hook itself in stays registered, and the failure is noted; the others go on."""
    registry.register(broken("relay_instrument", ValueError("no")), "broken")
    registry.register(Log(calls), "fine")
    registry.instrument()

    assert ("relay_instrument raised ValueError: no",) == registry.notes("broken")
    assert "instrument" in calls


# --- Threads ---------------------------------------------------------------------------------------------------------


def test_registering_while_reading(registry: PluginRegistry) -> None:
    """Hooks are called while other threads register and unregister: nobody fails, nothing is left over."""
    registry.configure(make_context)
    done = threading.Event()
    failures: list[BaseException] = []

    def guarded(work: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                failures.append(error)

        return run

    def come_and_go(number: int) -> None:
        for round_ in range(50):
            name = registry.register(Marks(), f"{number}-{round_}")
            registry.unregister(name)

    def read() -> None:
        while not done.is_set():
            registry.call("relay_mark", None)

    reader = threading.Thread(target=guarded(read))
    writers = [threading.Thread(target=guarded(lambda number=number: come_and_go(number))) for number in range(4)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()

    assert ([], (), ()) == (failures, registry.names(), registry.impls("relay_mark"))


def test_one_name_many_threads(registry: PluginRegistry) -> None:
    """Of several threads that register under one name, one succeeds."""
    registry.configure(make_context)
    barrier = threading.Barrier(8)
    outcomes: list[str] = []

    def register() -> None:
        barrier.wait()
        try:
            outcomes.append(registry.register(Marks(), "acme"))
        except PluginExistsError:
            outcomes.append("refused")

    threads = [threading.Thread(target=register) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ["acme", *["refused"] * 7] == sorted(outcomes)


def test_fork_while_another_thread_registers(registry: PluginRegistry) -> None:
    """In a forked child the registry works, although the parent's thread that held its lock does not exist there."""
    held = threading.Thread(target=registry._lock.acquire)
    held.start()
    held.join()
    registry.after_fork()

    assert "acme" == registry.register(Marks(), "acme")
