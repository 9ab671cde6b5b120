"""One plugin of a registry, on its own."""

import pluggy
import pytest

from relay_core.errors import PluginError, SettingsError
from relay_core.hookspecs import hookimpl
from relay_core.registered_plugin import RegisteredPlugin
from relay_core.registry import PluginRegistry

KNOWN = PluginRegistry(on_change=lambda: None).hooks()


class Context:
    """Stands in for the context of a plugin, which the registry neither makes nor looks at."""

    def __init__(self, calls: list[str]) -> None:
        self._calls = calls

    def undo(self) -> None:
        self._calls.append("undo")


def read(plugin: object) -> RegisteredPlugin:
    """Read a plugin named `acme`."""
    made = RegisteredPlugin("acme", plugin)
    made.read(pluggy.PluginManager("relay"))
    return made


def test_nothing_is_known_before_it_is_read() -> None:
    """A plugin that was not read implements nothing."""
    assert ([], [], False) == (
        RegisteredPlugin("acme", object()).implementations,
        RegisteredPlugin("acme", object()).notes,
        RegisteredPlugin("acme", object()).configured,
    )


@pytest.mark.parametrize("plugin", [None, dict])
def test_no_plugin(plugin: object) -> None:
    """None and classes are no plugins."""
    with pytest.raises(PluginError, match="plugin 'acme': is "):
        read(plugin)


def test_hook() -> None:
    """An implementation can be asked for by its hook, and takes all of the hook's arguments."""

    class Plugin:
        @hookimpl
        def relay_flush(self) -> str:
            return "flushed"

    flush = read(Plugin()).hook("relay_flush", KNOWN)

    assert ("flushed", None) == (flush and flush(1.0), read(Plugin()).hook("relay_shutdown", KNOWN))


def test_check_notes_what_was_forgotten() -> None:
    """Checking notes that a plugin does nothing, and which function was probably meant to do something."""

    class Plugin:
        def relay_mark(self, event: object) -> None: ...

    plugin = read(Plugin())
    plugin.check(KNOWN)

    assert ["implements no hook", "'relay_mark' is named like a hook"] == [
        plugin.notes[0].partition(":")[0],
        plugin.notes[1].partition(" but")[0],
    ]


def test_configure_takes_back_after_a_failure() -> None:
    """What a plugin registered before its `relay_configure` raised is taken back, once."""
    calls: list[str] = []

    class Plugin:
        @hookimpl
        def relay_configure(self, context: object) -> None:
            raise SettingsError("no", key="k", origin="o")

    plugin = read(Plugin())
    with pytest.raises(SettingsError):
        plugin.configure(lambda name: Context(calls), KNOWN)  # type: ignore[arg-type,return-value]
    plugin.take_back()

    assert ["undo"] == calls


def test_no_context_where_nobody_wants_one() -> None:
    """A plugin without `relay_configure` gets no context."""

    def fail(name: str) -> None:
        raise AssertionError

    read(object()).configure(fail, KNOWN)  # type: ignore[arg-type]
