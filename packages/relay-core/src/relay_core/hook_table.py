"""Which hooks are declared, who implements them in which order, and calling them one by one. Knows no plugin's life."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType, ModuleType
from typing import NamedTuple

import pluggy

from relay_core.errors import PluginError
from relay_core.hook_checks import HookSpecification, Implementation, adapt, read_specifications

__all__ = ["HookImpl", "HookTable"]


class HookImpl(NamedTuple):
    """One implementation of a hook, ready to be called."""

    plugin: str
    """The plugin's name."""
    function: Callable[..., object]
    """Takes all arguments of the hook, positionally."""


_Shown = tuple[Implementation, HookImpl | None]


class HookTable:
    """The implementations of each hook in call order. Every method may be called from any thread."""

    def __init__(self, manager: pluggy.PluginManager, on_error: Callable[[str, str, BaseException], None]) -> None:
        """Start empty.

        Args:
            manager: Reads pluggy's markers and nothing else.
            on_error: Called with plugin, hook and exception where an implementation has raised.
        """
        self._manager = manager
        self._on_error = on_error
        self._lock = threading.RLock()
        self._specifications: dict[str, HookSpecification] = {}
        self._shown: dict[str, list[_Shown]] = {}
        # Replaced as a whole, never changed: readers take no lock.
        self._impls: dict[str, tuple[HookImpl, ...]] = {}

    @property
    def specifications(self) -> Mapping[str, HookSpecification]:
        """Every declared hook by name."""
        return MappingProxyType(self._specifications)

    def impls(self, hook: str) -> tuple[HookImpl, ...]:
        """Return the implementations in call order: `tryfirst`, registration order, `trylast`. One dict lookup."""
        return self._impls.get(hook, ())

    def first(self, hook: str, *arguments: object) -> object | None:
        """Return the first answer that is not None; where one raises, it is reported and the next one is asked."""
        for plugin, function in self._impls.get(hook, ()):
            try:
                answer = function(*arguments)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                self._on_error(plugin, hook, error)
                continue
            if answer is not None:
                return answer
        return None

    def call(self, hook: str, *arguments: object) -> tuple[object, ...]:
        """Call every implementation and return the answers that are not None; one that raises is reported."""
        answers = [self.call_one(impl, hook, arguments) for impl in self._impls.get(hook, ())]
        return tuple(answer for answer in answers if answer is not None)

    def call_one(self, impl: HookImpl, hook: str, arguments: tuple[object, ...]) -> object | None:
        """Call one implementation; None if it raises anything but KeyboardInterrupt."""
        try:
            return impl.function(*arguments)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._on_error(impl.plugin, hook, error)
            return None

    def declare(self, namespace: ModuleType | type) -> None:
        """Add the hooks of a module or class; see `PluginRegistry.add_hookspecs`."""
        with self._lock:
            found = read_specifications(self._manager, namespace)
            if not found:
                raise PluginError("declares no hook; mark its functions with @hookspec", plugin=repr(namespace))
            fresh = [specification for specification in found if self._is_fresh(specification)]
            self._specifications = self._specifications | {it.name: it for it in fresh}
            for plugin, shown in self._shown.items():
                self._shown[plugin] = [(it, impl or self.bound(plugin, it)) for it, impl in shown]
            self._rebuild()

    def _is_fresh(self, found: HookSpecification) -> bool:
        known = self._specifications.get(found.name)
        if known is not None and known.arguments != found.arguments:
            raise PluginError(
                f"is declared with ({', '.join(known.arguments)}) by {known.owner} already",
                plugin=found.owner,
                hook=found.name,
            )
        for plugin, shown in self._shown.items():
            for implementation, _ in shown:
                if implementation.hook == found.name:
                    adapt(implementation, plugin, found.arguments)
        return known is None

    def place(self, plugin: str) -> None:
        """Keep a plugin its place behind those that are there; `show` fills it, whoever has come in between."""
        with self._lock:
            self._shown.setdefault(plugin, [])

    def show(self, plugin: str, implementations: Iterable[Implementation]) -> None:
        """Let a plugin's implementations be called from now on: in its place, or after those that are there."""
        with self._lock:
            self._shown[plugin] = [(it, self.bound(plugin, it)) for it in implementations]
            self._rebuild()

    def hide(self, plugin: str) -> None:
        """Do not call a plugin's implementations any more."""
        with self._lock:
            if self._shown.pop(plugin, None) is not None:
                self._rebuild()

    def bound(self, plugin: str, implementation: Implementation) -> HookImpl | None:
        """Return an implementation ready to be called, or None where its hook is not declared yet."""
        specification = self._specifications.get(implementation.hook)
        return specification and HookImpl(plugin, adapt(implementation, plugin, specification.arguments))

    def after_fork(self) -> None:
        """Make the table usable in a forked child, whose parent may have held the lock in another thread."""
        self._lock = threading.RLock()

    def _rebuild(self) -> None:
        ranked: dict[str, list[tuple[int, HookImpl]]] = {}
        for shown in self._shown.values():
            for implementation, impl in shown:
                if impl is not None:
                    ranked.setdefault(implementation.hook, []).append((implementation.rank, impl))
        self._impls = {
            hook: tuple(impl for _, impl in sorted(entries, key=lambda entry: entry[0]))
            for hook, entries in ranked.items()
        }
