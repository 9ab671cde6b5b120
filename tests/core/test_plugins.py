"""The plugins of the default runtime."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tests.core.distributions import Distributions

OBSERVER = '''
from relay_core import hookimpl

class Observer:
    """Notes what it sees."""

    def __init__(self):
        self.seen = []

    @hookimpl
    def relay_configure(self, context):
        self.seen.append("configured as " + context.name)

    @hookimpl
    def relay_mark(self, event):
        self.seen.append(event.name)

    @hookimpl
    def relay_unconfigure(self):
        self.seen.append("unconfigured")

    @hookimpl
    def relay_scope_start(self, event): ...
'''


def run(source: str, folder: Path, **environment: str) -> str:
    """Run a program of its own: the default runtime is one per process. Return what it prints."""
    program = textwrap.dedent(source)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**inherited, "PYTHONPATH": path, **environment},
        timeout=30,
        check=False,
    )
    assert "" == done.stderr
    return done.stdout


@pytest.fixture
def app(distributions: Distributions) -> Path:
    """The folder of an application that a plugin is installed next to."""
    distributions.install("acme-relay", {"acme": "acme:Observer"}, {"acme": OBSERVER})
    return distributions.folder


def test_import_loads_nothing(app: Path) -> None:
    """Importing relay_core loads no plugin and starts no thread."""
    output = run(
        """
        import sys, threading
        import relay_core, relay_core.plugins
        print("acme" in sys.modules, threading.active_count())
        """,
        app,
        RELAY_STRICT="nonsense",
    )

    assert "False 1\n" == output


def test_installed_plugin_works_without_code(app: Path) -> None:
    """A plugin that is merely installed sees the events of an application that does not know it."""
    output = run(
        """
        from relay_core import plugins, scope, subscribers
        scope.event("hello")
        subscribers.flush()
        print(plugins.report().plugin("acme").state, plugins._relay.registry.get("acme").seen)
        """,
        app,
        RELAY_PLUGINS_ALLOW="acme",
    )

    assert "loaded ['configured as acme', 'hello']\n" == output


def test_register_and_unregister(app: Path) -> None:
    """A plugin registered by hand is configured on the spot, sees what is emitted before it goes, and nothing after."""
    output = run(
        """
        from acme import Observer
        from relay_core import plugins, scope
        plugin = Observer()
        print(plugins.register(plugin, name="mine"))
        for number in range(100):
            scope.event(str(number))
        print(plugins.unregister("mine"), plugins.unregister(plugin))
        scope.event("too late")
        print(plugin.seen == ["configured as mine", *map(str, range(100)), "unconfigured"])
        """,
        app,
        RELAY_DISABLE_AUTOLOAD="1",
    )

    assert "mine\nTrue False\nTrue\n" == output


def test_discover(app: Path) -> None:
    """Looking for plugins gives the report."""
    output = run(
        """
        from relay_core import plugins
        print(plugins.discover().plugin("acme").origin)
        """,
        app,
        RELAY_PLUGINS_ALLOW="acme",
    )

    assert "acme-relay 1.0 (acme:Observer)\n" == output


def test_strict_mode_in_user_code(app: Path) -> None:
    """In strict mode a broken plugin stops the program at its first use of Relay, with one error that says why."""
    (app / "acme.py").write_text("import nowhere_to_be_found\n")
    output = run(
        """
        from relay_core import PluginError, scope
        import logging; logging.disable()
        try:
            scope.event("hello")
        except PluginError as error:
            print(error)
        """,
        app,
        RELAY_STRICT="1",
        RELAY_PLUGINS_ALLOW="acme",
    )

    assert (
        "strict mode refuses what was found:\n  - plugin 'acme': cannot be loaded: "
        "ModuleNotFoundError: No module named 'nowhere_to_be_found'\n"
    ) == output
