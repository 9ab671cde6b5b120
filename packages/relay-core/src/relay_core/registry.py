"""The plugins of one runtime, from registration to their end. Neither finds plugins nor orders their hooks.

pluggy's manager reads the markers. It neither holds the plugins, because it takes two that compare equal for one, nor
calls the hooks, because it stops at the first one that raises.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING

import pluggy

from relay_core import hookspecs
from relay_core.errors import PluginExistsError, RelayError
from relay_core.hook_checks import HookSpecification
from relay_core.hook_table import HookImpl, HookTable
from relay_core.registered_plugin import RegisteredPlugin
from relay_core.wording import error_text

if TYPE_CHECKING:
    from relay_core.plugin_context import PluginContext

__all__ = ["HookImpl", "PluginRegistry"]

_log = logging.getLogger(__name__)

_NOTED_HOOKS = frozenset({"relay_unconfigure", "relay_instrument", "relay_uninstrument"})
"""Hooks that are called once, so that a failure belongs into the report."""

_Failures = dict[str, RelayError]


def _log_hook_error(plugin: str, hook: str, error: BaseException) -> None:
    _log.warning("plugin %r failed in %s: %s", plugin, hook, error_text(error), exc_info=error)


class PluginRegistry:
    """Holds plugins in registration order. Every method may be called from any thread, while events flow."""

    def __init__(
        self,
        *,
        on_change: Callable[[], None],
        on_error: Callable[[str, str, BaseException], None] = _log_hook_error,
        drain: Callable[[], object] = lambda: None,
    ) -> None:
        """Start with the core's hooks and no plugin.

        Args:
            on_change: Called after the plugins have changed, in the thread that changed them, with no lock held.
            on_error: Called with plugin, hook and exception where an implementation has raised.
            drain: Called before a plugin is unconfigured: waits, bounded, until what was emitted before is delivered.
        """
        self._on_change = on_change
        self._on_error = on_error
        self._drain = drain
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._table = HookTable(self._manager, self._note_error)
        self._lock = threading.RLock()
        self._plugins: dict[str, RegisteredPlugin] = {}
        self._make_context: Callable[[str], PluginContext] | None = None
        self._instrumented = False
        self._table.declare(hookspecs)

    # --- Hooks -------------------------------------------------------------------------------------------------------

    def impls(self, hook: str) -> tuple[HookImpl, ...]:
        """Return the implementations in call order: `tryfirst`, registration order, `trylast`. One dict lookup."""
        return self._table.impls(hook)

    def first(self, hook: str, *arguments: object) -> object | None:
        """Return the first answer that is not None; where one raises, it is reported and the next one is asked.

        Args:
            hook: The hook's name.
            arguments: All arguments of the hook, in order.
        """
        return self._table.first(hook, *arguments)

    def call(self, hook: str, *arguments: object) -> tuple[object, ...]:
        """Call every implementation and return the answers that are not None; one that raises is reported.

        Args:
            hook: The hook's name.
            arguments: All arguments of the hook, in order.
        """
        return self._table.call(hook, *arguments)

    def hooks(self) -> Mapping[str, HookSpecification]:
        """Return every declared hook by name: its arguments, its docstring and who declares it."""
        return self._table.specifications

    def add_hookspecs(self, namespace: ModuleType | type) -> None:
        """Declare every function of a module or class that is marked with `hookspec`. Declaring the same again is fine.

        Raises:
            PluginError: It declares no hook, or one that is declared with other arguments already, or one that a
                registered plugin implements with other arguments.
        """
        self._table.declare(namespace)

    # --- What is there -----------------------------------------------------------------------------------------------

    def get(self, name: str) -> object | None:
        """Return the plugin registered under `name`, or None."""
        registered = self._plugins.get(name)
        return None if registered is None else registered.plugin

    def names(self) -> tuple[str, ...]:
        """Return the names of the plugins in registration order."""
        return tuple(self._snapshot())

    def implemented(self, name: str) -> tuple[str, ...]:
        """Return the names of the hooks that a plugin implements, sorted; none for an unknown plugin."""
        registered = self._plugins.get(name)
        return () if registered is None else tuple(sorted({it.hook for it in registered.implementations}))

    def notes(self, name: str) -> tuple[str, ...]:
        """Return what is odd about a plugin: functions without `@hookimpl`, lifecycle hooks that raised."""
        registered = self._plugins.get(name)
        return () if registered is None else tuple(registered.notes)

    def _snapshot(self) -> dict[str, RegisteredPlugin]:
        with self._lock:
            return dict(self._plugins)

    # --- Coming ------------------------------------------------------------------------------------------------------

    def register(self, plugin: object, name: str | None = None) -> str:
        """Register `plugin`, configure it if the others are configured, and return its name.

        Args:
            plugin: An object or a module with functions marked `@hookimpl`.
            name: Unique; by default the module's name, or the name of the object's class with a number if that is
                taken.

        Raises:
            PluginError: The plugin cannot be used; nothing of it stays registered. `PluginExistsError` for a duplicate.
            SettingsError: The plugin's own settings are wrong; nothing of it stays registered.
            TypeError: `name` is no str.
        """
        name = _text(name) if name else self._free_name(plugin)
        for error in self.register_all([(name, plugin)]).values():
            raise error
        return name

    def register_all(self, plugins: Iterable[tuple[str, object]]) -> dict[str, RelayError]:
        """Register several plugins as one: first all hooks that they declare, then all of them, then `relay_configure`.

        Returns:
            Why plugins were refused, by name; the others are registered.
        """
        failures: _Failures = {}
        found = [RegisteredPlugin(name, plugin) for name, plugin in plugins]
        declared = [it for it in found if _succeeds(failures, it.name, self._declare, it)]
        admitted = [it for it in declared if _succeeds(failures, it.name, self._admit, it)]
        return failures | self._bring_up(admitted)

    def _free_name(self, plugin: object) -> str:
        name = base = str(getattr(plugin, "__name__", type(plugin).__name__))
        number = 1
        while name in self._plugins:
            number += 1
            name = f"{base}-{number}"
        return name

    def _declare(self, plugin: RegisteredPlugin) -> None:
        plugin.read(self._manager)
        plugin.add_hooks(self)

    def _admit(self, plugin: RegisteredPlugin) -> None:
        with self._lock:
            for registered in self._plugins.values():
                if registered.name == plugin.name or registered.plugin is plugin.plugin:
                    raise PluginExistsError(plugin=registered.name, requested=plugin.name)
            plugin.check(self.hooks())
            self._plugins[plugin.name] = plugin
            self._table.place(plugin.name)  # ahead of what it registers when it is configured
        for note in plugin.notes:
            _log.warning("plugin %r: %s", plugin.name, note)

    def _bring_up(self, plugins: Iterable[RegisteredPlugin]) -> _Failures:
        """Configure, show and instrument plugins, as far as the runtime has come itself."""
        failures: _Failures = {}
        ready = [it for it in plugins if _succeeds(failures, it.name, self._configure_one, it)]
        with self._lock:
            ready = [it for it in ready if self._plugins.get(it.name) is it]
            for plugin in ready:
                self._table.show(plugin.name, plugin.implementations)
                plugin.shown = True
        if ready or failures:
            self._on_change()
        if self._instrumented:
            self._switch_instruments("relay_instrument", on=True)
        return failures

    def _configure_one(self, plugin: RegisteredPlugin) -> None:
        with self._lock:
            make_context = self._make_context
            if make_context is None or plugin.configured:
                return
            plugin.configured = True
        try:
            plugin.configure(make_context, self.hooks())
        except BaseException:
            self._forget(plugin)
            raise

    # --- The runtime's own steps -------------------------------------------------------------------------------------

    def configure(self, make_context: Callable[[str], PluginContext]) -> dict[str, RelayError]:
        """Configure all plugins, and from now on those that are registered later, on the spot.

        Args:
            make_context: Makes the context of a plugin, given its name.

        Returns:
            Why plugins were refused, by name; they are unregistered.
        """
        self._make_context = make_context
        return self._bring_up(self._snapshot().values())

    def unconfigure(self) -> None:
        """Unconfigure all plugins, last one first; they stay registered. Never raises."""
        self._make_context = None
        self._drain()
        for plugin in reversed(self._snapshot().values()):
            self._unconfigure_one(plugin)

    def instrument(self) -> None:
        """Let integrations hook themselves into their frameworks, and from now on those that are registered later."""
        self._instrumented = True
        self._switch_instruments("relay_instrument", on=True)

    def uninstrument(self) -> None:
        """Let integrations take themselves out of their frameworks again."""
        self._instrumented = False
        self._switch_instruments("relay_uninstrument", on=False)

    def _switch_instruments(self, hook: str, *, on: bool) -> None:
        with self._lock:
            switched = [it for it in self._plugins.values() if it.shown and it.instrumented is not on]
            for plugin in switched:
                plugin.instrumented = on
        names = {plugin.name for plugin in switched}
        for impl in self.impls(hook):
            if impl.plugin in names:
                self._table.call_one(impl, hook, ())

    def after_fork(self) -> None:
        """Make the registry usable in a forked child, whose parent may have held the lock in another thread."""
        self._lock = threading.RLock()
        self._table.after_fork()

    # --- Going -------------------------------------------------------------------------------------------------------

    def unregister(self, plugin_or_name: object) -> bool:
        """Take a plugin out, given itself or its name; False if it is not registered. Never raises.

        It gets no event that is emitted from now on; `relay_unconfigure` is called once those emitted before are
        delivered.
        """
        with self._lock:
            plugin = self._find(plugin_or_name)
            if plugin is None:
                return False
            self._forget(plugin)
        self._on_change()
        if plugin.instrumented:
            self._call_of(plugin, "relay_uninstrument")
        if plugin.configured and plugin.hook("relay_unconfigure", self.hooks()) is not None:
            self._drain()
        self._unconfigure_one(plugin)
        return True

    def _find(self, plugin_or_name: object) -> RegisteredPlugin | None:
        if isinstance(plugin_or_name, str):
            return self._plugins.get(plugin_or_name)
        return next((it for it in self._plugins.values() if it.plugin is plugin_or_name), None)

    def _forget(self, plugin: RegisteredPlugin) -> None:
        with self._lock:
            self._table.hide(plugin.name)
            self._plugins.pop(plugin.name, None)

    def _unconfigure_one(self, plugin: RegisteredPlugin) -> None:
        if plugin.configured:
            plugin.configured = False
            self._call_of(plugin, "relay_unconfigure")
            plugin.take_back()

    def _call_of(self, plugin: RegisteredPlugin, hook: str) -> None:
        function = plugin.hook(hook, self.hooks())
        if function is not None:
            self._table.call_one(HookImpl(plugin.name, function), hook, ())

    def _note_error(self, plugin: str, hook: str, error: BaseException) -> None:
        registered = self._plugins.get(plugin)
        if registered is not None and hook in _NOTED_HOOKS:
            registered.notes.append(f"{hook} raised {error_text(error)}")
        self._on_error(plugin, hook, error)


def _text(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, not {type(name).__name__}")
    return name


def _succeeds(failures: _Failures, name: str, step: Callable[..., None], *arguments: object) -> bool:
    try:
        step(*arguments)
    except RelayError as error:
        failures[name] = error
        return False
    return True
