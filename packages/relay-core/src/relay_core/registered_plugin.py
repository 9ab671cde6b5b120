"""One plugin of a registry: what it implements, and its way from being read to being configured and back."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pluggy

from relay_core.errors import PluginError, RelayError
from relay_core.hook_checks import HookSpecification, Implementation, adapt, check, forgotten, read_plugin
from relay_core.wording import error_text

if TYPE_CHECKING:
    from relay_core.plugin_context import PluginContext
    from relay_core.registry import PluginRegistry

__all__ = ["RegisteredPlugin"]


class RegisteredPlugin:
    """A plugin under its name. Takes no lock: the registry sees to it that one thread at a time moves it on."""

    def __init__(self, name: str, plugin: object) -> None:
        """Begin with nothing known about `plugin`."""
        self.name = name
        """The name it is registered under."""
        self.plugin = plugin
        """The object or module itself."""
        self.implementations: list[Implementation] = []
        """The hooks it implements."""
        self.notes: list[str] = []
        """What is odd about it, one sentence each."""
        self.configured = False
        """Whether it has been configured, and not unconfigured since."""
        self.shown = False
        """Whether its hooks are called."""
        self.instrumented = False
        """Whether it has hooked itself into its framework, and not out since."""
        self._unmarked: list[str] = []
        self._context: PluginContext | None = None

    def read(self, manager: pluggy.PluginManager) -> None:
        """Find out what it implements.

        Raises:
            PluginError: It is no plugin, or looking at it raises.
        """
        if self.plugin is None:
            raise PluginError("is None", plugin=self.name)
        if inspect.isclass(self.plugin):
            raise PluginError(f"is a class; register an instance, {self.plugin.__name__}(...)", plugin=self.name)
        with self._refusing(None):
            self.implementations, self._unmarked = read_plugin(manager, self.plugin)

    def add_hooks(self, registry: PluginRegistry) -> None:
        """Let it declare hooks of its own.

        Raises:
            PluginError: It cannot.
        """
        for implementation in self.implementations:
            if implementation.hook == "relay_addhooks":
                check(implementation, self.name, registry.hooks())
        add_hooks = self.hook("relay_addhooks", registry.hooks())
        if add_hooks is not None:
            with self._refusing("relay_addhooks"):
                add_hooks(registry)

    def check(self, known: Mapping[str, HookSpecification]) -> None:
        """Hold its implementations against the declared hooks, and note what seems to have been forgotten.

        Raises:
            PluginError: An implementation could never work.
        """
        for implementation in self.implementations:
            check(implementation, self.name, known)
        if not self.implementations:
            self.notes.append("implements no hook: none of its functions is marked with @hookimpl")
        self.notes += forgotten(self._unmarked, known)

    def hook(self, name: str, known: Mapping[str, HookSpecification]) -> Callable[..., object] | None:
        """Return its implementation of a hook, which takes all of the hook's arguments; None if it has none."""
        for implementation in self.implementations:
            if implementation.hook == name:
                return adapt(implementation, self.name, known[name].arguments)
        return None

    def configure(self, make_context: Callable[[str], PluginContext], known: Mapping[str, HookSpecification]) -> None:
        """Call `relay_configure`; where that raises, what it registered is taken back.

        Raises:
            PluginError: It raised something of its own.
            SettingsError: Its settings are wrong.
        """
        configure = self.hook("relay_configure", known)
        if configure is None:
            return
        try:
            with self._refusing("relay_configure"):
                self._context = make_context(self.name)
                configure(self._context)
        except BaseException:
            self.take_back()
            raise

    def take_back(self) -> None:
        """Take back what it registered through its context. Never raises."""
        context, self._context = self._context, None
        if context is not None:
            context.undo()

    @contextmanager
    def _refusing(self, hook: str | None) -> Generator[None]:
        """Turn whatever the plugin's own code raises into a `PluginError`."""
        try:
            yield
        except (RelayError, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise PluginError(f"raised {error_text(error)}", plugin=self.name, hook=hook) from error
