"""Reads the hook implementations of a plugin object and refuses those that could never work. Registers nothing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pluggy

from relay_core.errors import PluginError
from relay_core.hookspecs import OBSERVE_HOOKS, PROJECT
from relay_core.wording import hint, nearest

__all__ = [
    "HookSpecification",
    "Implementation",
    "adapt",
    "check",
    "forgotten",
    "read_plugin",
    "read_specifications",
]

_PREFIX = f"{PROJECT}_"


class HookSpecification(NamedTuple):
    """A declared hook."""

    name: str
    """The hook's name."""
    arguments: tuple[str, ...]
    """The names of its arguments, in order."""
    doc: str
    """The docstring of its declaration."""
    owner: str
    """The module or class that declares it."""
    asynchronous: bool
    """Whether it is declared with `async def`; then its implementations may be, too. No hook of the core is."""


class Implementation(NamedTuple):
    """One method of a plugin that implements a hook."""

    hook: str
    """The hook's name."""
    function: Callable[..., object]
    """The bound method."""
    rank: int = 0
    """-1 for `tryfirst`, 1 for `trylast`, 0 for all others."""
    optional: bool = False
    """Whether the hook need not exist: it may be declared later, or never."""
    wrapper: bool = False
    """Whether it is marked as one of pluggy's wrappers."""


def read_specifications(manager: pluggy.PluginManager, namespace: Any) -> list[HookSpecification]:
    """Return the hooks that a module or class declares."""
    owner = str(getattr(namespace, "__qualname__", getattr(namespace, "__name__", namespace)))
    return [
        HookSpecification(
            name,
            _declared_arguments(namespace, name),
            inspect.getdoc(getattr(namespace, name)) or "",
            owner,
            inspect.iscoroutinefunction(getattr(namespace, name)),
        )
        for name in dir(namespace)
        if manager.parse_hookspec_opts(namespace, name) is not None
    ]


def _declared_arguments(namespace: object, name: str) -> tuple[str, ...]:
    arguments = tuple(inspect.signature(getattr(namespace, name)).parameters)
    unbound = inspect.isclass(namespace) and not isinstance(inspect.getattr_static(namespace, name), staticmethod)
    return arguments[1:] if unbound else arguments


def read_plugin(manager: pluggy.PluginManager, plugin: object) -> tuple[list[Implementation], list[str]]:
    """Return what `plugin` implements, unchecked, and its functions that are named like a hook and not marked."""
    implementations: list[Implementation] = []
    unmarked: list[str] = []
    for attribute in dir(plugin):
        if attribute.startswith("__"):
            continue
        try:
            options = manager.parse_hookimpl_opts(plugin, attribute)
        except Exception:  # a property of the plugin that raises is no hook
            continue
        if options is not None:
            implementations.append(_implementation(attribute, getattr(plugin, attribute), dict(options)))
        elif attribute.startswith(_PREFIX) and inspect.isroutine(inspect.getattr_static(plugin, attribute)):
            unmarked.append(attribute)
    return implementations, unmarked


def _implementation(attribute: str, function: Callable[..., object], options: dict[str, Any]) -> Implementation:
    return Implementation(
        options.get("specname") or attribute,
        function,
        bool(options.get("trylast")) - bool(options.get("tryfirst")),
        bool(options.get("optionalhook")),
        bool(options.get("wrapper") or options.get("hookwrapper")),
    )


def check(implementation: Implementation, plugin: str, known: Mapping[str, HookSpecification]) -> None:
    """Refuse an implementation that could never work.

    Args:
        implementation: What a plugin implements.
        plugin: The plugin's name, for the error.
        known: The declared hooks by name.

    Raises:
        PluginError: Its hook is unknown and not optional, its arguments are wrong, it is a wrapper or `async def`.
    """
    hook = implementation.hook
    if implementation.wrapper:
        raise PluginError(
            "wrappers are not supported, because every implementation is called on its own; remove wrapper=True",
            plugin=plugin,
            hook=hook,
        )
    if hook in known:
        _check_kind(implementation, plugin, known[hook])
        adapt(implementation, plugin, known[hook].arguments)
    elif not implementation.optional:
        raise PluginError(
            f"there is no hook of this name{hint(hook, known)} (an implementation of another distribution's hook is "
            "marked with @hookimpl(optionalhook=True))",
            plugin=plugin,
            hook=hook,
        )


def _check_kind(implementation: Implementation, plugin: str, specification: HookSpecification) -> None:
    function = inspect.unwrap(implementation.function)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise PluginError("contains 'yield', so calling it would do nothing", plugin=plugin, hook=specification.name)
    if inspect.iscoroutinefunction(function) and not specification.asynchronous:
        where = " The delivery thread has no event loop." if specification.name in OBSERVE_HOOKS else ""
        raise PluginError(
            f"is 'async def', but nobody awaits it.{where} Make it a plain 'def'; for asynchronous work "
            "hand over to an event loop of your own, as with asyncio.run_coroutine_threadsafe",
            plugin=plugin,
            hook=specification.name,
        )


def adapt(implementation: Implementation, plugin: str, arguments: Sequence[str]) -> Callable[..., object]:
    """Return a function that takes all `arguments` of the hook and passes on those that the implementation names.

    Where the implementation names them all, in order, this is the bound method itself.

    Raises:
        PluginError: It wants an argument that the hook does not have, or takes `*args` or `**kwargs`.
    """
    function = implementation.function
    wanted = [it for it in inspect.signature(function).parameters.values() if _is_wanted(it, arguments)]
    names = [parameter.name for parameter in wanted]
    kinds = {parameter.kind for parameter in wanted}
    count = len(names)
    in_order = names == list(arguments[:count]) and inspect.Parameter.KEYWORD_ONLY not in kinds
    unknown = [str(parameter) for parameter in wanted if parameter.name not in arguments]
    if unknown or (inspect.Parameter.POSITIONAL_ONLY in kinds and not in_order):
        raise PluginError(
            f"takes ({', '.join(unknown or names)}), but the hook has ({', '.join(arguments)}); "
            "name those of the hook's arguments that you want",
            plugin=plugin,
            hook=implementation.hook,
        )
    if in_order:
        return function if count == len(arguments) else lambda *given: function(*given[:count])
    return _pass_by_name(function, [(name, arguments.index(name)) for name in names])


def _is_wanted(parameter: inspect.Parameter, arguments: Sequence[str]) -> bool:
    if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
        return True
    return parameter.name in arguments or parameter.default is parameter.empty


def _pass_by_name(function: Callable[..., object], wanted: Sequence[tuple[str, int]]) -> Callable[..., object]:
    def call(*arguments: object) -> object:
        return function(**{name: arguments[index] for name, index in wanted})

    return call


def forgotten(unmarked: Iterable[str], known: Mapping[str, HookSpecification]) -> list[str]:
    """Return a sentence for each name of an unmarked function that was probably meant to implement a hook."""
    # Compared without the prefix, which makes every name look near.
    hooks = {name.removeprefix(_PREFIX): name for name in known}
    notes: list[str] = []
    for name in unmarked:
        near = nearest(name.removeprefix(_PREFIX), hooks)
        if near is not None:
            meant = "" if hooks[near] == name else f"; did you mean {hooks[near]!r}?"
            notes.append(f"{name!r} is named like a hook but has no @hookimpl: it is never called{meant}")
    return notes
