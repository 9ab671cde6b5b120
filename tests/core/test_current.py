"""The one context variable: the application's own are safe, whatever runs in the middle of ours."""

import contextvars
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from tests.core.recorder import Recorder

from relay_core import Relay
from relay_core.current import get_entry, watch_collector

THEIRS: contextvars.ContextVar[int] = contextvars.ContextVar("theirs", default=0)


class Garbage:
    """An object that only the garbage collector can free, and that does something when it goes."""

    def __init__(self, function: Callable[[], object]) -> None:
        self.function = function
        self.me = self

    def __del__(self) -> None:
        self.function()


@pytest.fixture
def eager_collector() -> Iterator[None]:
    """Run the garbage collector all the time."""
    watch_collector()
    thresholds = gc.get_threshold()
    gc.set_threshold(7, 3, 3)
    yield
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("eager_collector")
def test_setting_inside_of_our_setting(relay: Relay) -> None:
    """A finalizer that sets a variable while a scope becomes current does not lose the context's variables."""
    THEIRS.set(1)
    finalized: list[object] = []

    def finalize() -> None:
        THEIRS.set(len(finalized))
        finalized.append([])

    for number in range(3000):
        Garbage(finalize)
        # So that the collector comes at every point of what follows.
        shift: list[list[object]] = [[] for _ in range(number % 13)]
        with relay.scopes.scope("work") as handle:
            assert handle is contextvars.copy_context().run(relay.scopes.current)
        assert THEIRS in contextvars.copy_context()
        del shift
    assert len(finalized) > 2000


@pytest.mark.usefixtures("eager_collector")
def test_our_setting_inside_of_others(relay: Relay, recorder: Recorder) -> None:
    """A scope of a finalizer does not lose the variable that was being set when the collector ran."""
    finalized: list[object] = []
    made, all_finalized = 2999, threading.Event()

    def finalize() -> None:
        with relay.scopes.scope("finalizer"):
            relay.scopes.event("note")
        finalized.append([])
        if len(finalized) == made:
            all_finalized.set()

    for number in range(1, made + 1):
        Garbage(finalize)
        THEIRS.set(number)
        assert number == contextvars.copy_context()[THEIRS]
    # A collection that began in the delivery thread may have lost the GIL in a callback: until it goes on there is no
    # other, and `gc.collect()` does nothing.
    for _ in range(1000):
        gc.collect()
        if all_finalized.wait(0.01):
            break

    assert made == len(finalized) == len(recorder.starts) == len(recorder.marks) == len(recorder.ends)
    assert 0 == relay.statistics().open_scopes


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="the collector does not run inside of a set")
def test_scopes_of_a_finalizer_are_not_current(relay: Relay) -> None:
    """On 3.11 a scope that is pushed inside of a collection is not current: what was so before still is."""
    watch_collector()
    current: list[object] = []

    def finalize() -> None:
        with relay.scopes.scope("finalizer"):
            current.append(relay.scopes.current())

    with relay.scopes.scope("outer") as outer:
        Garbage(finalize)
        gc.collect()
        assert outer is get_entry()

    assert [outer] == current


IN_A_PROCESS_OF_ITS_OWN = """
import contextvars, gc
from relay_core import current, scope

def place(variable):
    return (hash(variable) ^ hash(variable) >> 32) & 31

def variables():
    # 16 of them in places of their own: the next one makes Python take their common node apart.
    known = {place(current.current_entry)}
    while len(known) < 17:
        variable = contextvars.ContextVar("full")
        kept.append(variable)
        if place(variable) not in known:
            known.add(place(variable))
            yield variable

kept, theirs, is_setting = [], None, False
handle = scope.start("work")
"""

FINALIZERS = """
class Garbage:
    # Is there again at the next collection; the first one comes before the set looks at the variables.
    def __init__(self, age):
        self.me, self.age = self, age

    def __del__(self):
        if is_setting:
            kept.append([[] for _ in range(40)])  # so that the next allocation makes the collector come again
            if self.age:
                theirs.set(self.age)
            Garbage(self.age + 1)
"""

CALLBACKS = """
def monitor(phase, _):
    if is_setting:
        theirs.set([])

class Garbage:
    def __init__(self, age):
        kept.append([[] for _ in range(40)])

gc.callbacks.insert(0, monitor)
gc.callbacks.remove(current._note_collection)  # as before the first use of Relay
"""

SIGNALS = """
def handler(phase, _):
    # As a signal handler may that comes first in the collector's callback.
    if is_setting and phase == "start":
        with scope.scope("handler"):
            pass

class Garbage:
    def __init__(self, age):
        gc.collect()

current.watch_collector()
gc.callbacks.insert(0, handler)
"""

SET = """
def work(threshold):
    global theirs, is_setting
    theirs = contextvars.ContextVar("theirs")
    mine = list(variables())
    for variable in mine:
        variable.set(variable)
    Garbage(0)
    gc.set_threshold(threshold)
    is_setting = True
    current.set_entry(handle)
    is_setting = False
    gc.set_threshold(700)
    assert current.get_entry() is handle
    assert all(variable.get() is variable for variable in mine)

current.watch_collector()
for number in range(60):
    contextvars.Context().run(work, 1 + number % 20)
print("done")
"""


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="the collector does not run inside of a set")
@pytest.mark.parametrize(
    "others", [FINALIZERS, CALLBACKS, SIGNALS], ids=["finalizers", "callbacks of the collector", "signal handlers"]
)
def test_collections_all_through_one_setting(others: str) -> None:
    """However often the collector comes during one setting, and whoever else it calls, no variable is lost."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", IN_A_PROCESS_OF_ITS_OWN + others + SET],
        env={**os.environ, "RELAY_DISABLE_AUTOLOAD": "1", "PYTHONMALLOC": "debug"},  # what is freed is overwritten
        capture_output=True,
        check=False,
        text=True,
        timeout=50,
    )

    assert (0, "done", "") == (done.returncode, done.stdout.strip(), done.stderr)
