"""The plugin, as discovery finds it, and what is left without it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from langgraph.callbacks import GraphCallbackHandler
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from tests.langchain.support import Recording
from tests.langgraph.support import EMPTY, asks, builder, marks, metadata, thread

from relay_core.errors import SettingsError
from relay_core.runtime import Relay
from relay_langgraph.interrupts import connected
from relay_langgraph.plugin import LangGraphPlugin


def test_discovery(recording: Recording) -> None:
    """Discovery finds the plugin, an object of its own for each runtime."""
    other = Relay()
    for relay in (recording.relay, other):
        relay.ensure_ready()
    first, second = (relay.registry.get("langgraph") for relay in (recording.relay, other))

    assert isinstance(first, LangGraphPlugin)
    assert isinstance(second, LangGraphPlugin)
    assert first is not second
    assert connected(recording.relay) is not connected(other)


@pytest.mark.parametrize("module", ["langgraph", "langchain_core"])
def test_no_framework_at_discovery(module: str) -> None:
    """Discovering and configuring the plugin imports no framework."""
    code = (
        "import sys; from relay_core.runtime import Relay; r = Relay(); r.ensure_ready();"
        f"assert r.registry.get('langgraph'); sys.exit({module!r} in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_handler(recording: Recording) -> None:
    """Every handler is one of LangGraph's own, without another class in user code."""
    assert isinstance(recording.handler(), GraphCallbackHandler)


def test_unregistered(recording: Recording) -> None:
    """Without the plugin graphs are recorded with plainer names, and nothing breaks."""
    recording.relay.registry.unregister("langgraph")
    graph = builder("a", "ask", ask=asks()).compile(name="G", checkpointer=InMemorySaver())
    config = thread(recording)
    graph.invoke(EMPTY, config)
    graph.invoke(Command(resume="yes"), config)

    assert "G{a ask!error} G{ask}" == recording.tree
    assert "function" == recording.roots[0].start.category
    assert "a" == metadata(recording.node("a"))["langgraph_node"]
    assert not isinstance(recording.handler(), GraphCallbackHandler)
    recording.assert_complete()


def test_unregistered_meanwhile(recording: Recording) -> None:
    """A handler that was made with the plugin goes on without it."""
    config = thread(recording)
    recording.relay.registry.unregister("langgraph")
    builder("ask", ask=asks()).compile(name="G", checkpointer=InMemorySaver()).invoke(EMPTY, config)

    assert "G{ask!error}" == recording.tree
    assert [] == marks(recording, "Graph Interrupt")
    assert connected(recording.relay) is None


def test_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that the settings block is not there."""
    monkeypatch.setenv("RELAY_PLUGINS_BLOCK", '["langgraph"]')
    recording = Recording()
    builder("a").compile(name="G").invoke(EMPTY, recording.config)

    assert "G{a}" == recording.tree
    assert "function" == recording.roots[0].start.category
    recording.assert_complete()


def test_detached_handler(recording: Recording) -> None:
    """A handler that was detached records no interrupt either."""
    handler = recording.handler()
    graph = builder("ask", ask=asks()).compile(name="G", checkpointer=InMemorySaver())
    handler.detach()
    graph.invoke(EMPTY, {"callbacks": [handler], "configurable": {"thread_id": "t1"}})

    assert "" == recording.tree
    assert [] == recording.events


def test_interrupt_values_are_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a graph asks is not recorded where the settings say so; its id is."""
    monkeypatch.setenv("RELAY_PLUGINS__LANGGRAPH__INTERRUPT_VALUES", "false")
    recording = Recording()
    graph = builder("ask", ask=asks("secret?")).compile(name="G", checkpointer=InMemorySaver())
    graph.invoke(EMPTY, thread(recording))

    assert [["id"], ["id"]] == [list(data["interrupts"][0]) for _, data in marks(recording, "Graph Interrupt")]


def test_wrong_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that does not exist is an error that names the one that was meant."""
    monkeypatch.setenv("RELAY_PLUGINS__LANGGRAPH__INTERRUPT_VALUE", "false")
    relay: Any = Relay()
    plugin = LangGraphPlugin()
    relay.ensure_ready()

    with pytest.raises(SettingsError, match="interrupt_values"):
        relay.registry.register(plugin, "langgraph")
