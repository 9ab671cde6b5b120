"""The declarations of the core's hooks."""

import re
from pathlib import Path

import pytest

from relay_core import hookspecs
from relay_core.registry import PluginRegistry

HOOKS = PluginRegistry(on_change=lambda: None).hooks()

# DESIGN: third parties rely on these names and arguments.
CONTRACT = {
    "relay_addhooks": ("manager",),
    "relay_configure": ("context",),
    "relay_unconfigure": (),
    "relay_instrument": (),
    "relay_uninstrument": (),
    "relay_scope_start": ("event",),
    "relay_scope_end": ("event",),
    "relay_mark": ("event",),
    "relay_dispatch": ("events",),
    "relay_sanitize": ("event",),
    "relay_trajectory": ("trajectory",),
    "relay_flush": ("timeout",),
    "relay_shutdown": ("timeout",),
    "relay_payload_encoder": ("type",),
    "relay_current_scope": (),
    "relay_classify_outcome": ("error",),
}


def test_names_and_arguments() -> None:
    """The hooks have exactly the names and arguments that third parties rely on."""
    assert CONTRACT == {name: hook.arguments for name, hook in HOOKS.items()}


def test_sections() -> None:
    """Each hook stands in exactly one section."""
    listed = [name for section in hookspecs.SECTIONS.values() for name in section]

    assert sorted(HOOKS) == sorted(listed)


def test_exported() -> None:
    """Each hook is a public name of the module, so that its documentation can be looked up."""
    assert set(HOOKS) <= set(hookspecs.__all__)


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_documentation_answers_in_order(name: str) -> None:
    """Each docstring answers, in this order: what, when, order of plugins, return value, raising, arguments."""
    labels = re.findall(r"^(When|Order|Returns|Raising|Args):", HOOKS[name].doc, re.MULTILINE)

    assert ["When", "Order", "Returns", "Raising", *(["Args"] if HOOKS[name].arguments else [])] == labels


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_documentation_describes_each_argument(name: str) -> None:
    """Each argument of a hook is described under Args."""
    described = HOOKS[name].doc.partition("Args:")[2]

    assert [it for it in HOOKS[name].arguments if f"    {it}: " not in described] == []


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_declarations_are_typed_and_empty(name: str) -> None:
    """A declaration annotates every argument and its return value, and has no body but its docstring."""
    function = getattr(hookspecs, name)

    assert {*HOOKS[name].arguments, "return"} == set(function.__annotations__)
    assert function.__code__.co_consts in {(function.__doc__, None), (function.__doc__,), (None,)}


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_each_hook_has_a_test(name: str) -> None:
    """Some test of the core implements each hook."""
    tests = [file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("test_*.py")]

    assert any(f"def {name}(" in text for text in tests)
