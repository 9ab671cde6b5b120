"""What `import relay_core` does: nothing that anyone could see or would have to wait for."""

import subprocess
import sys

import pytest

# What the dependencies read is theirs; so is what the import system reads.
IMPORT = """
import builtins, inspect, os, sys, threading
import orjson, pluggy, pydantic, uuid_utils
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

seen = []
environment, opened, source = os._Environ.__getitem__, builtins.open, inspect.findsource

def read(self, name):
    if not name.startswith("PYDANTIC_"):
        seen.append(f"variable {name}")
    return environment(self, name)

os._Environ.__getitem__ = read
builtins.open = lambda *args, **kwargs: seen.append(f"file {args[0]}") or opened(*args, **kwargs)
inspect.findsource = lambda it: seen.append(f"source of {it}") or source(it)
import relay_core
"""


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("seen", "[]"),
        ("threading.active_count()", "1"),
        ("[name for name in sys.modules if name.split('.')[0] in ('langchain_core', 'langgraph', 'rich')]", "[]"),
        ("'pydantic_settings' in sys.modules", "False"),
    ],
    ids=["reads", "threads", "frameworks", "slow"],
)
def test_importing_has_no_side_effect(question: str, answer: str) -> None:
    """Importing starts no thread, reads no variable, no file and no source, and imports no framework."""
    done = subprocess.run(
        [sys.executable, "-c", f"{IMPORT}\nprint({question})"], capture_output=True, text=True, check=False, timeout=60
    )

    assert (answer + "\n", "") == (done.stdout, done.stderr)
