"""The plugin, as discovery finds it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.langchain.support import Recording

from relay_core.runtime import Relay
from relay_langchain.plugin import LangChainPlugin
from relay_langchain.registry import registry_of


def test_discovery(recording: Recording) -> None:
    """Discovery finds the plugin, an object of its own for each runtime."""
    other = Relay()
    for relay in (recording.relay, other):
        relay.ensure_ready()
    first, second = (relay.registry.get("langchain") for relay in (recording.relay, other))

    assert isinstance(first, LangChainPlugin)
    assert isinstance(second, LangChainPlugin)
    assert first is not second


def test_declared_hooks(recording: Recording) -> None:
    """The plugin declares LangChain's hooks, so that others can implement them."""
    recording.relay.ensure_ready()

    declared = {"relay_classify_run", "relay_classify_error", "relay_handler_bases"}
    assert declared <= set(recording.relay.registry.hooks())


@pytest.mark.parametrize(
    "code", ["import relay_langchain", "import relay_core.runtime as r; r.default().ensure_ready()"]
)
def test_no_framework_is_imported(code: str) -> None:
    """Importing the package imports no framework, and neither does discovering its plugin."""
    frameworks = "{'langchain', 'langchain_core', 'langgraph'}"
    check = f"{code}\nimport sys\nassert not {frameworks} & {{name.split('.')[0] for name in sys.modules}}"

    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60, check=False)

    assert 0 == done.returncode, done.stderr


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hidden runs are shown where the plugin's settings say so."""
    monkeypatch.setenv("RELAY_PLUGINS__LANGCHAIN__SHOW_HIDDEN", "true")
    relay = Relay()
    relay.ensure_ready()

    assert registry_of(relay).show_hidden is True


def test_an_unconfigured_plugin() -> None:
    """A plugin that was not configured has no current scope and instruments nothing."""
    plugin = LangChainPlugin()
    plugin.relay_instrument()
    plugin.relay_uninstrument()

    assert plugin.relay_current_scope() is None
