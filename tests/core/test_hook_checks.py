"""What makes an implementation of a hook impossible."""

import functools
from collections.abc import AsyncIterator, Callable, Iterator

import pluggy
import pytest

from relay_core import hookspecs
from relay_core.errors import PluginError
from relay_core.hook_checks import (
    HookSpecification,
    Implementation,
    adapt,
    check,
    forgotten,
    read_plugin,
    read_specifications,
)
from relay_core.hookspecs import hookimpl, hookspec

MANAGER = pluggy.PluginManager("relay")
KNOWN = {specification.name: specification for specification in read_specifications(MANAGER, hookspecs)}


def read(plugin: object) -> list[Implementation]:
    """Read and check what a plugin implements."""
    implementations, _ = read_plugin(MANAGER, plugin)
    for implementation in implementations:
        check(implementation, "acme", KNOWN)
    return implementations


def refusal(plugin: object) -> PluginError:
    """Read a plugin that is refused."""
    with pytest.raises(PluginError) as caught:
        read(plugin)
    return caught.value


def test_reads_marked_functions_only() -> None:
    """What is marked counts, under its own name or the hook named by `specname`; what is not marked does not."""

    class Plugin:
        @hookimpl
        def relay_mark(self, event: object) -> None: ...

        @hookimpl(specname="relay_scope_end")
        def write(self, event: object) -> None: ...

        def relay_scope_start(self, event: object) -> None: ...

    assert ["relay_mark", "relay_scope_end"] == sorted(it.hook for it in read(Plugin()))


def test_rank() -> None:
    """`tryfirst` and `trylast` are read from the marker."""

    class Plugin:
        @hookimpl(tryfirst=True)
        def relay_mark(self, event: object) -> None: ...

        @hookimpl(trylast=True)
        def relay_scope_end(self, event: object) -> None: ...

        @hookimpl
        def relay_scope_start(self, event: object) -> None: ...

    assert {"relay_mark": -1, "relay_scope_end": 1, "relay_scope_start": 0} == {
        it.hook: it.rank for it in read(Plugin())
    }


def test_unknown_hook() -> None:
    """A misspelt hook is refused, naming the plugin, the hook and the nearest real one."""

    class Plugin:
        @hookimpl
        def relay_scope_strat(self, event: object) -> None: ...

    error = refusal(Plugin())

    assert ("acme", "relay_scope_strat") == (error.plugin, error.hook)
    assert "did you mean 'relay_scope_start'?" in str(error)


def test_optional_hook() -> None:
    """A hook of another distribution may be missing, if the implementation says so."""

    class Plugin:
        @hookimpl(optionalhook=True)
        def acme_rate(self, run: object) -> None: ...

    assert ["acme_rate"] == [it.hook for it in read(Plugin())]


@pytest.mark.parametrize("option", ["wrapper", "hookwrapper"])
@pytest.mark.parametrize("hook", ["relay_mark", "relay_configure", "relay_dispatch"])
def test_wrappers(hook: str, option: str) -> None:
    """Wrappers are refused on every hook: implementations are called one by one."""

    def body(self: object) -> Iterator[None]:
        yield

    plugin = type("Plugin", (), {hook: hookimpl(**{option: True})(body)})()

    assert "wrappers are not supported" in str(refusal(plugin))


@pytest.mark.parametrize("hook", sorted(KNOWN))
def test_async_def(hook: str) -> None:
    """`async def` is refused on every hook of the core, because nobody would await it."""

    async def body(self: object) -> None: ...

    plugin = type("Plugin", (), {hook: hookimpl(body)})()

    assert "is 'async def'" in str(refusal(plugin))


def test_decorated_async_def() -> None:
    """`async def` is found behind a decorator that keeps the signature, too."""

    def decorate(function: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(function)
        def call(*arguments: object) -> object:
            return function(*arguments)

        return call

    class Plugin:
        @hookimpl
        @decorate
        async def relay_mark(self, event: object) -> None: ...

    assert "is 'async def'" in str(refusal(Plugin()))


def test_generators() -> None:
    """A function with `yield` in it would do nothing when it is called, and is refused."""

    class Plugin:
        @hookimpl
        def relay_mark(self, event: object) -> Iterator[None]:
            yield

    class AsyncPlugin:
        @hookimpl
        async def relay_mark(self, event: object) -> AsyncIterator[None]:
            yield

    assert "contains 'yield'" in str(refusal(Plugin()))
    assert "contains 'yield'" in str(refusal(AsyncPlugin()))


def test_async_hook_of_another_package() -> None:
    """A package that declares its own hook with `async def` awaits it itself, so its implementations may be async."""

    class Specs:
        @staticmethod
        @hookspec
        async def acme_rate(run: object) -> None: ...

    class Plugin:
        @hookimpl
        async def acme_rate(self, run: object) -> None: ...

    known = {it.name: it for it in read_specifications(MANAGER, Specs)}
    ((implementation,), _) = read_plugin(MANAGER, Plugin())

    check(implementation, "acme", known)


def test_wrong_argument() -> None:
    """An argument that the hook does not have is refused, naming those it has."""

    class Plugin:
        @hookimpl
        def relay_mark(self, evnt: object) -> None: ...

    assert "takes (evnt: object), but the hook has (event)" in str(refusal(Plugin()))


def test_catch_all_arguments() -> None:
    """`*args` and `**kwargs` are refused: pluggy would pass them nothing, silently."""

    class Plugin:
        @hookimpl
        def relay_mark(self, **everything: object) -> None: ...

    assert "takes (**everything: object)" in str(refusal(Plugin()))


def test_property_that_raises() -> None:
    """A plugin's own properties are none of our business, even where reading them raises."""

    class Plugin:
        @property
        def trouble(self) -> int:
            raise ZeroDivisionError

        @hookimpl
        def relay_mark(self, event: object) -> None: ...

    assert ["relay_mark"] == [it.hook for it in read(Plugin())]


def test_static_and_class_methods() -> None:
    """Static methods and class methods implement hooks as well."""

    class Plugin:
        @staticmethod
        @hookimpl
        def relay_mark(event: object) -> object:
            return event

        @classmethod
        @hookimpl
        def relay_flush(cls, timeout: float) -> object:
            return cls, timeout

    functions = {it.hook: it.function for it in read(Plugin())}

    assert (1, (Plugin, 2.0)) == (functions["relay_mark"](1), functions["relay_flush"](2.0))


# --- Adapting --------------------------------------------------------------------------------------------------------


def call(function: Callable[..., object], *arguments: object) -> object:
    """Call an implementation of a hook that has two arguments."""
    return adapt(Implementation("hook", function), "acme", ("first", "second"))(*arguments)


def test_exact_arguments_need_no_wrapper() -> None:
    """Where the implementation takes exactly the hook's arguments, it is called itself."""

    def function(first: object, second: object) -> None: ...

    assert function is adapt(Implementation("hook", function), "acme", ("first", "second"))


def test_fewer_arguments() -> None:
    """An implementation gets the arguments that it names: none, the first ones, or the last one."""
    assert "none" == call(lambda: "none", 1, 2)
    assert 1 == call(lambda first: first, 1, 2)
    assert 2 == call(lambda second: second, 1, 2)


def test_other_order() -> None:
    """Arguments are passed by name where their order differs."""
    assert (2, 1) == call(lambda second, first: (second, first), 1, 2)


def test_keyword_only_and_defaults() -> None:
    """Keyword-only arguments and those with a default are passed if the hook has them; others keep their default."""

    def function(*, second: object = "default", other: object = "own") -> object:
        return second, other

    assert (2, "own") == call(function, 1, 2)


def test_positional_only() -> None:
    """Positional-only arguments work as long as they are the hook's first ones."""

    def right(first: object, /) -> object:
        return first

    def wrong(second: object, /) -> object:
        return second

    assert 1 == call(right, 1, 2)
    with pytest.raises(PluginError, match=r"takes \(second\)"):
        call(wrong, 1, 2)


# --- Declarations ----------------------------------------------------------------------------------------------------


def test_specifications_of_a_class() -> None:
    """A class declares hooks, too; `self` is no argument of the hook, and the docstring is kept."""

    class Specs:
        @hookspec
        def acme_rate(self, run: object, score: float) -> None:
            """How good it was."""

        def helper(self) -> None: ...

    assert [("acme_rate", ("run", "score"), "How good it was.")] == [
        (it.name, it.arguments, it.doc) for it in read_specifications(MANAGER, Specs)
    ]
    assert isinstance(read_specifications(MANAGER, Specs)[0], HookSpecification)


# --- Forgotten markers -----------------------------------------------------------------------------------------------


def test_unmarked() -> None:
    """A function that is named like a hook, or nearly so, and has no marker, is pointed out; anything else is not."""

    class Plugin:
        def relay_mark(self, event: object) -> None: ...

        def relay_scope_strat(self, event: object) -> None: ...

        def relay_of_the_station(self) -> None: ...

        @hookimpl
        def relay_scope_end(self, event: object) -> None: ...

        relay_flush = 3

    _, unmarked = read_plugin(MANAGER, Plugin())
    notes = forgotten(unmarked, KNOWN)

    assert ["'relay_mark' is named", "'relay_scope_strat' is named"] == [" ".join(it.split()[:3]) for it in notes]
    assert "did you mean 'relay_scope_start'?" in notes[1]
