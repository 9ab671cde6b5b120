"""Call order and isolation of hook implementations."""

from collections.abc import Callable

import pluggy
import pytest

from relay_core import hookspecs
from relay_core.errors import PluginError
from relay_core.hook_checks import Implementation
from relay_core.hook_table import HookTable
from relay_core.hookspecs import hookspec


@pytest.fixture
def errors() -> list[tuple[str, str, BaseException]]:
    """What implementations raised."""
    return []


@pytest.fixture
def table(errors: list[tuple[str, str, BaseException]]) -> HookTable:
    """A table that knows the core's hooks."""
    made = HookTable(pluggy.PluginManager("relay"), lambda *error: errors.append(error))
    made.declare(hookspecs)
    return made


def answering(answer: object) -> Callable[..., object]:
    """Make an implementation that answers."""

    def function(type: object) -> object:
        return answer

    return function


def raising(error: BaseException) -> Callable[..., object]:
    """Make an implementation that raises."""

    def function(type: object) -> object:
        raise error

    return function


def show(table: HookTable, plugin: str, function: Callable[..., object], rank: int = 0) -> None:
    """Let a plugin have one implementation."""
    table.show(plugin, [Implementation("relay_payload_encoder", function, rank)])


def test_call_order(table: HookTable) -> None:
    """`tryfirst` comes first and `trylast` last; within each, registration order."""
    for plugin, rank in [("last", 1), ("a", 0), ("first", -1), ("b", 0), ("first too", -1)]:
        show(table, plugin, answering(plugin), rank)

    assert ["first", "first too", "a", "b", "last"] == [it.plugin for it in table.impls("relay_payload_encoder")]


def test_impls_is_a_snapshot(table: HookTable) -> None:
    """What was taken keeps its plugins, whatever comes and goes afterwards."""
    show(table, "a", answering(1))
    taken = table.impls("relay_payload_encoder")
    table.hide("a")

    assert (["a"], []) == ([it.plugin for it in taken], list(table.impls("relay_payload_encoder")))


def test_no_implementation(table: HookTable) -> None:
    """A hook that nobody implements has no implementations, no first answer and no answers."""
    assert ((), None, ()) == (
        table.impls("relay_mark"),
        table.first("relay_current_scope"),
        table.call("relay_flush", 1.0),
    )


def test_first_answer_wins(table: HookTable) -> None:
    """The first answer that is not None wins; later plugins are not asked."""
    show(table, "silent", answering(None))
    show(table, "falsy", answering(0))
    show(table, "never asked", raising(AssertionError()))

    assert 0 == table.first("relay_payload_encoder", int)


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), GeneratorExit()])
def test_failures_are_isolated(
    table: HookTable, errors: list[tuple[str, str, BaseException]], error: BaseException
) -> None:
    """Whatever one plugin raises is reported with its name, and the next one is asked."""
    show(table, "broken", raising(error))
    show(table, "fine", answering("answer"))

    assert "answer" == table.first("relay_payload_encoder", int)
    assert ("answer",) == table.call("relay_payload_encoder", int)
    assert [("broken", "relay_payload_encoder", error)] * 2 == errors


def test_keyboard_interrupt_passes(table: HookTable) -> None:
    """The user's Ctrl-C is not a plugin's failure."""
    show(table, "busy", raising(KeyboardInterrupt()))

    with pytest.raises(KeyboardInterrupt):
        table.first("relay_payload_encoder", int)


def test_implementation_before_its_hook(table: HookTable) -> None:
    """An implementation of a hook that is declared later is called from then on."""

    class Specs:
        @staticmethod
        @hookspec
        def acme_rate(run: object) -> None: ...

    table.show("acme", [Implementation("acme_rate", lambda run: run)])
    before = table.call("acme_rate", 1)
    table.declare(Specs)

    assert ((), (1,)) == (before, table.call("acme_rate", 1))


def test_declaring_twice(table: HookTable) -> None:
    """Declaring the same hook again, as after a module was reloaded, changes nothing; other arguments are refused."""

    class Specs:
        @staticmethod
        @hookspec
        def acme_rate(run: object) -> None: ...

    class Other:
        @staticmethod
        @hookspec
        def acme_rate(score: object) -> None: ...

    table.declare(Specs)
    table.declare(Specs)

    with pytest.raises(PluginError, match=r"declared with \(run\)"):
        table.declare(Other)
    assert ("run",) == table.specifications["acme_rate"].arguments


def test_declaring_nothing(table: HookTable) -> None:
    """A namespace without declarations is a mistake, and is said to be one."""

    class Specs:
        def acme_rate(self, run: object) -> None: ...

    with pytest.raises(PluginError, match="@hookspec"):
        table.declare(Specs)


def test_declaring_against_an_implementation(table: HookTable) -> None:
    """A declaration that an implementation contradicts is refused, naming the plugin; nothing is declared."""

    class Specs:
        @staticmethod
        @hookspec
        def acme_rate(run: object) -> None: ...

    table.show("acme", [Implementation("acme_rate", lambda score: score)])

    with pytest.raises(PluginError, match="plugin 'acme', hook 'acme_rate': takes"):
        table.declare(Specs)
    assert "acme_rate" not in table.specifications
