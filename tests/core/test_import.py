"""What `import relay_core` does: nothing that anyone could see or would have to wait for."""

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import relay_core
from relay_core.accelerator import native

SCRIPT = """
import sys
audited, read = [], []

class Environment(dict):
    def _see(self, key):
        if isinstance(key, str) and not key.startswith("PYDANTIC"):
            read.append(key)
    def __getitem__(self, key):
        self._see(key)
        return super().__getitem__(key)
    def get(self, key, default=None):
        self._see(key)
        return super().get(key, default)
    def __contains__(self, key):
        self._see(key)
        return super().__contains__(key)
    def __iter__(self):
        read.append("*")
        return super().__iter__()
    def items(self):
        read.append("*")
        return super().items()

# What we depend on may do as it likes at its own import.
import orjson, pluggy, pydantic, uuid_utils, asyncio, concurrent.futures.thread, logging
import importlib.metadata, inspect, os, threading, _thread, gc, atexit
class Model(pydantic.BaseModel):
    x: int = 1

before, known = set(sys.modules), {"pydantic", *sys.stdlib_module_names}
os.environ = Environment(os.environ)
entry_points = []
importlib.metadata.entry_points = lambda **kwargs: entry_points.append(kwargs) or ()
exits, forks, collections = [], [], len(gc.callbacks)
atexit.register, os.register_at_fork = exits.append, lambda **kwargs: forks.append(kwargs)

source = inspect.findsource
inspect.findsource = lambda it: audited.append(f"source of {it}") or source(it)

def audit(event, arguments):
    if event == "open" and not str(arguments[0]).endswith((".py", ".pyc", ".so")) and "__pycache__" not in arguments[0]:
        audited.append(f"open {arguments[0]}")
    elif event.startswith(("socket.", "subprocess.", "os.fork", "os.exec", "_thread.start", "os.mkdir", "os.remove")):
        audited.append(event)

sys.addaudithook(audit)
import MODULE
import json
print(json.dumps({
    "audited": audited,
    "read": read,
    "entry_points": entry_points,
    "exits": [it.__name__ for it in exits],
    "forks": len(forks),
    "collections": len(gc.callbacks) - collections,
    "threads": [it.name for it in threading.enumerate()],
    "modules": sorted({it.partition(".")[0] for it in set(sys.modules) - before} - known),
    "handlers": len(logging.getLogger("relay_core").handlers),
}))
"""


def imported(module: str) -> Any:
    """Import a module in a process of its own and tell what happened meanwhile."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT.replace("MODULE", module)],
        env={**os.environ, "RELAY_JSONL__PATH": "must-not-be-written.jsonl", "RELAY_NONSENSE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
    return json.loads(done.stdout)


@pytest.mark.parametrize("module", ["relay_core", "relay_core.scope", "relay_core.plugins", "relay_core.jsonl"])
def test_importing(module: str) -> None:
    """Importing starts, opens, reads and registers nothing, not even our own source, and imports no framework."""
    nothing = {
        "audited": [],
        "read": [],
        "entry_points": [],
        "exits": [],
        "forks": 0,
        "collections": 0,
        "threads": ["MainThread"],
        "modules": ["relay_core", "relay_native"] if native is not None else ["relay_core"],
        "handlers": 0,
    }

    assert nothing == imported(module)


def run(script: str, *arguments: str) -> str:
    """Run a script in a process of its own and return what it prints."""
    return subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True).stdout


def test_observing_needs_no_control() -> None:
    """The control side is not imported by scopes, subscribers and plugins, only by a name of its own."""
    script = """
import sys, relay_core
relay_core.subscribers.register("it", lambda event: None)
with relay_core.scope.scope("it"):
    relay_core.scope.event("it")
print([it for it in sys.modules if it.startswith(("relay_core.control", "relay_core.codecs"))])
print(relay_core.ToolHandle.__name__, "relay_core.control" in sys.modules)
"""

    assert "[]\nScopeHandle True\n" == run(script)


def test_public_names_are_attributes() -> None:
    """After a plain import every public name is an attribute of the package, and listed by `dir`."""
    script = """
import relay_core
listed = dir(relay_core)
for name in relay_core.__all__:
    assert name in listed and getattr(relay_core, name) is not None, name
"""

    assert "" == run(script)


def test_other_names_are_no_attributes() -> None:
    """A misspelt name of the package is an AttributeError as always."""
    with pytest.raises(AttributeError, match="module 'relay_core' has no attribute 'tolls'"):
        relay_core.tolls  # noqa: B018


@pytest.mark.parametrize("package", ["relay_core.control", "relay_core.codecs"])
def test_first_use_by_many_threads(package: str) -> None:
    """Threads that ask for names and modules for the first time, while another one imports, get them all."""
    script = """
import importlib, relay_core, sys, threading
from importlib.machinery import PathFinder, SourceFileLoader

by_delivery = ["relay_core.codecs.recorded", "relay_core.llm_sanitizers"]
asked = [*relay_core._MODULES_ON_DEMAND, *by_delivery, "ToolHandle", "LLMRequest", "ScopeStack", "Json", "log"]
failures, threads = [], []

def ask(name):
    try:
        importlib.import_module(name) if "." in name else getattr(relay_core, name)
    except BaseException as error:
        failures.append(f"{name}: {error!r}")

class Slow(SourceFileLoader):
    def create_module(self, spec):
        threads.extend(threading.Thread(target=ask, args=(name,)) for name in asked)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(0.05)  # until it waits for us: it cannot end before

class Finder:
    def find_spec(self, name, path, target=None):
        if name == sys.argv[1]:
            spec = PathFinder.find_spec(name, path)
            spec.loader = Slow(spec.loader.name, spec.loader.path)
            return spec

sys.meta_path.insert(0, Finder())
ask("tools")
for thread in threads:
    thread.join()
print(len(threads) == len(asked), failures)
"""

    assert "True []\n" == run(script, package)


def test_control_is_made_once() -> None:
    """Threads that ask a runtime for its control side at the same time get the same one."""
    for _ in range(20):
        relay, gate = relay_core.Relay(), threading.Barrier(4)

        def ask(relay: relay_core.Relay = relay, gate: threading.Barrier = gate) -> object:
            gate.wait(10)
            return relay.control

        with ThreadPoolExecutor(4) as pool:
            assert 1 == len({id(answer.result()) for answer in [pool.submit(ask) for _ in range(4)]})
