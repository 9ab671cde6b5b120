"""The page about the hooks, which third parties rely on."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """The script that writes the page."""
    spec = importlib.util.spec_from_file_location("generate_hooks", DOCS / "generate_hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_is_up_to_date(generator: ModuleType) -> None:
    """The page says what the declarations say; `python docs/generate_hooks.py` writes it anew."""
    assert generator.page() == generator.PAGE.read_text(encoding="utf-8")


def test_each_hook_has_a_heading(generator: ModuleType) -> None:
    """Each hook of the core and of relay-langchain has a heading with its arguments, and a link to it."""
    from relay_core.registry import PluginRegistry
    from relay_langchain import hookspecs

    registry = PluginRegistry(on_change=lambda: None)
    registry.add_hookspecs(hookspecs)
    text = generator.PAGE.read_text(encoding="utf-8")

    assert [
        name
        for name, hook in registry.hooks().items()
        if f"### `{name}({', '.join(hook.arguments)})`" not in text or f"[`{name}`](#{name}" not in text
    ] == []
