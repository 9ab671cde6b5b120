"""First use of a runtime: reads settings, discovers plugins, configures them. Once, under a lock; undone by `reset`."""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from relay_core.discovery import FoundPlugin, find_plugins
from relay_core.errors import DiscoveryError, InstallationError, RelayError
from relay_core.installation_report import InstallationReport, make_report
from relay_core.plugin_context import PluginContext
from relay_core.registry import PluginRegistry
from relay_core.settings import Settings
from relay_core.settings_sources import ARGUMENTS, LoadedSettings, flat, load_settings

if TYPE_CHECKING:
    from relay_core.installation import Installation
    from relay_core.runtime import Relay

__all__ = ["Startup"]

_log = logging.getLogger(__name__)

PATIENCE_SECONDS = 10.0
"""How long a thread waits for another one's first use; then it goes on, because a plugin that hangs may not stop it."""


class Startup:
    """Takes one runtime from "made" to "ready" and back. Every method may be called from any thread."""

    def __init__(self, host: Relay, registry: PluginRegistry, *, apply: Callable[[Settings], None]) -> None:
        """Read nothing yet.

        Args:
            host: The runtime, as plugins see it.
            registry: The runtime's plugins.
            apply: Called with the settings once they are read, before any plugin is loaded.
        """
        self._host = host
        self._registry = registry
        self._apply = apply
        self._lock = threading.RLock()
        self._starting = False
        self._hangs = False
        self._loaded = LoadedSettings(Settings(), {}, (), ())
        self._found: list[FoundPlugin] = []
        self._refusal: RelayError | None = None
        self._busy: str | None = None
        self.ready = False
        """Whether the first use is over."""
        self.installation: Installation | None = None
        """What `install()` returned; None where it was not called."""

    @property
    def settings(self) -> Settings:
        """The settings in force; the defaults until they are read."""
        return self._loaded.settings

    # --- First use ---------------------------------------------------------------------------------------------------

    def ensure(self) -> None:
        """Do what first use does, unless it is done. Wrong settings and broken plugins are logged and left out.

        Returns at once where a plugin that is being configured uses Relay itself.

        Raises:
            SettingsError: Strict mode, and a setting is wrong.
            DiscoveryError: Strict mode, and a plugin cannot be used.
        """
        if self.ready:
            return
        with self._alone() as alone:
            if not alone or self.ready:
                return
            if self._refusal is not None:
                raise copy.copy(self._refusal)
            try:
                self._start({}, lenient=True)
            except RelayError as error:
                self._refusal = copy.copy(error)
                raise
            except Exception:  # our own bug: it may not stop the application, and not come again at every call
                _log.exception("Relay's first use failed; it goes on with what is ready")
                self.ready = True

    def install(self, overrides: Mapping[str, object], make: Callable[[], Installation]) -> Installation:
        """Do what first use does, with arguments that win over all other settings, and instrument.

        Args:
            overrides: The arguments.
            make: Makes what is returned, now and by every later call.

        Raises:
            SettingsError: A setting is wrong, wherever it was set.
            InstallationError: Relay is in use with other settings than these.
            DiscoveryError: Strict mode, and a plugin cannot be used.
        """
        with self._alone() as alone:
            if self.ready:
                self._compare(overrides)
            elif alone:
                self._refusal = None
                self._start(overrides, lenient=False)
            self.installation = installation = self.installation or make()
        if self.settings.enabled:
            self._registry.instrument()
        return installation

    def discover(self) -> None:
        """Look for plugins once more, as after a package was installed into the running process.

        Raises:
            DiscoveryError: Strict mode, and a plugin cannot be used; those found now are unregistered again.
        """
        self.ensure()
        with self._alone() as alone:
            if alone:
                self._discover()

    def reset(self) -> None:
        """Undo the first use: hand-registered plugins stay, unconfigured; the next first use begins from the start."""
        with self._lock:
            self.ready = False
            self.installation = None
            self._refusal = None
            self._withdraw(self._found)
            self._found = []

    def report(self) -> InstallationReport:
        """Return what was found, loaded and refused so far, and the settings in force."""
        return make_report(
            self._registry, self._found, self._loaded, ready=self.ready, installed=self.installation is not None
        )

    def after_fork(self) -> None:
        """Make the startup usable in a forked child, where the thread that held the lock does not exist."""
        if self._lock.acquire(blocking=False):
            self._lock.release()
        else:
            self._lock = threading.RLock()
            self._starting = self._hangs = False

    # --- Steps -------------------------------------------------------------------------------------------------------

    @contextmanager
    def _alone(self) -> Generator[bool]:
        """Say whether this thread may start: not inside its own start, nor while another one's takes too long."""
        if not self._lock.acquire(timeout=0 if self._hangs else PATIENCE_SECONDS):
            if not self._hangs:
                self._hangs = True  # the other threads need not wait as long for nothing, again and again
                _log.warning(
                    "Relay's first use in another thread takes longer than %s s (last plugin to be configured: %s)",
                    PATIENCE_SECONDS,
                    self._busy,
                )
            yield False
            return
        try:
            yield not self._starting
        finally:
            self._lock.release()

    def _start(self, overrides: Mapping[str, object], *, lenient: bool) -> None:
        self._starting = True
        try:
            loaded = load_settings(overrides)
            for problem in loaded.problems:
                if not lenient or loaded.settings.strict:
                    raise problem
                _log.warning("%s; it was left out", problem)
            for warning in loaded.warnings:
                _log.warning("%s", warning)
            self._loaded = loaded
            self._apply(loaded.settings)
            if loaded.settings.enabled:
                self._discover()
            self.ready = True
        finally:
            self._starting = self._hangs = False

    def _discover(self) -> None:
        fresh = find_plugins(self.settings, self._registry.names())
        failures = self._registry.register_all([(it.name, it.plugin) for it in fresh if it.plugin is not None])
        failures |= self._registry.configure(self._context)
        by_name = {it.name: it for it in fresh}
        for name, error in failures.items():
            by_name.setdefault(name, FoundPlugin(name, "registered by hand")).refuse(error)
        fresh = list(by_name.values())
        if self.settings.strict:
            self._refuse_any(fresh)
        self._found = [it for it in self._found if it.name not in by_name] + fresh

    def _context(self, plugin: str) -> PluginContext:
        self._busy = plugin
        return PluginContext(plugin, self._host, self.settings, self._loaded.origins)

    def _refuse_any(self, fresh: list[FoundPlugin]) -> None:
        problems = [(it.name, it.refused) for it in fresh if it.refused is not None]
        problems += [
            (it.name, f"plugin {it.name!r}: {note}")
            for it in fresh
            if it.plugin is not None
            for note in (*it.notes, *self._registry.notes(it.name))
        ]
        if problems:
            self._withdraw(fresh)
            names = list(dict.fromkeys(name for name, _ in problems))
            raise DiscoveryError([text for _, text in problems], plugins=names)

    def _withdraw(self, found: list[FoundPlugin]) -> None:
        if not self.ready:
            self._registry.uninstrument()
            self._registry.unconfigure()
        for plugin in found:
            if plugin.plugin is not None:
                self._registry.unregister(plugin.plugin)

    def _compare(self, overrides: Mapping[str, object]) -> None:
        """Raise unless Relay is in use with these settings already."""
        for problem in self._loaded.problems:
            raise copy.copy(problem)
        wanted = load_settings(overrides)
        for problem in wanted.problems:
            if problem.origin == ARGUMENTS:
                raise problem
        now, then = flat(self.settings), flat(wanted.settings)
        changed = [key for key, origin in wanted.origins.items() if origin == ARGUMENTS and then[key] != now.get(key)]
        if changed:
            raise InstallationError(changed)
