"""The end of real processes, and their doubling: everything is delivered once, in time, and without noise."""

import multiprocessing
import os
import re
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest

PRELUDE = """
import os, sys, threading
from relay_core import scope, subscribers, statistics
from relay_core.runtime import default

def say(text):
    os.write(1, (text + chr(10)).encode())

def see(event):
    say(f"{os.getpid()} {event.name} {event.uuid} {event.parent_uuid}")
"""


class Done:
    """What a process left behind: lines of pid, name, uuid and parent."""

    def __init__(self, done: "subprocess.CompletedProcess[str]", seconds: float) -> None:
        self.code = done.returncode
        self.errors = done.stderr
        self.seconds = seconds
        self.lines = done.stdout.splitlines()

    @property
    def names(self) -> list[str]:
        """The names of the events, or what else was said, in order."""
        return [line.split()[1] if line[:1].isdigit() else line for line in self.lines]

    def events(self) -> list[list[str]]:
        """Return pid, name, uuid and parent of each event."""
        return [line.split() for line in self.lines if line[:1].isdigit()]


def run(script: str, *, expected: int = 0, errors: str | None = "") -> Done:
    """Run a script in a process of its own; check its exit code, and that it makes no noise."""
    environment = {**os.environ, "RELAY_DISABLE_AUTOLOAD": "1"}
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", PRELUDE + textwrap.dedent(script)],
        env=environment,
        capture_output=True,
        check=False,
        text=True,
        timeout=50,
    )
    result = Done(done, time.monotonic() - started)
    assert (expected, errors or "") == (done.returncode, done.stderr if errors is not None else "")
    return result


# --- Exit ------------------------------------------------------------------------------------------------------------


def test_exit_without_flush() -> None:
    """What was emitted last is delivered although nobody flushed."""
    done = run("""
        subscribers.register("see", see)
        for number in range(2000):
            scope.event(f"{number}")
    """)

    assert [f"{number}" for number in range(2000)] == done.names


@pytest.mark.parametrize("how", ["raise RuntimeError('end')", "raise KeyboardInterrupt", "sys.exit(3)"])
def test_exit_by_an_exception(how: str) -> None:
    """So it is when the process ends with an exception; the scope that was open has ended, too."""
    done = run(
        f"""
        subscribers.register("see", see)
        with scope.scope("work"):
            {how}
        """,
        expected={"r": 1, "s": 3}[how[0]] if "Keyboard" not in how else -2,
        errors=None,
    )

    assert ["work", "work"] == done.names
    assert "relay" not in done.errors.replace("relay_core/scope_block.py", "")


def test_exit_handlers() -> None:
    """Events of other exit handlers are delivered, whether these were registered before the first use or after it."""
    done = run("""
        import atexit
        atexit.register(lambda: (scope.event("registered-before"), say("after")))
        subscribers.register("see", see)
        scope.event("first")
        atexit.register(lambda: scope.event("registered-after"))
    """)

    assert ["first", "registered-after", "registered-before", "after"] == done.names


def test_first_use_at_exit() -> None:
    """Relay may be used for the first time in an exit handler."""
    done = run("""
        import atexit
        def end():
            subscribers.register("see", see)
            with scope.scope("work"):
                scope.event("note")
            say("end")
        atexit.register(end)
    """)

    assert ["work", "note", "work", "end"] == done.names


def test_finalizers_at_the_very_end() -> None:
    """An object that is freed while the interpreter takes itself apart may emit; nothing is said about it."""
    done = run("""
        class Late:
            def __init__(self, event):
                self.event = event
            def __del__(self):
                self.event("late")
        subscribers.register("see", see)
        scope.event("early")
        sys.modules["late"] = Late(scope.event)
    """)

    assert ["early", "late"] == done.names


def test_a_thread_that_outlives_main() -> None:
    """A thread that goes on after the main thread has ended is heard to its end, also if it is the first to emit."""
    done = run("""
        def work():
            threading.main_thread().join()
            subscribers.register("see", see)
            for number in range(500):
                scope.event(f"{number}")
        threading.Thread(target=work).start()
    """)

    assert [f"{number}" for number in range(500)] == done.names


def test_daemon_threads_that_emit_for_ever() -> None:
    """Daemon threads that never stop emitting do not keep the process from ending, nor make it noisy."""
    done = run("""
        subscribers.register("see", lambda event: None)
        def work():
            while True:
                scope.pop(scope.push("work"))
        for _ in range(3):
            threading.Thread(target=work, daemon=True).start()
        import time
        time.sleep(0.2)
    """)

    assert done.seconds < 20


def test_exit_in_a_thread() -> None:
    """A thread that leaves by `sys.exit` leaves its scopes ended as cancelled; the rest goes on."""
    done = run("""
        subscribers.register("see", lambda event: say(f"{event.name} {event.to_dict()['metadata']}"))
        def work():
            with scope.scope("work"):
                sys.exit(3)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        scope.event("after")
    """)

    assert 3 == len(done.lines)
    assert "'relay.outcome': 'cancelled'" in done.lines[1]
    assert "after None" == done.lines[2]


def test_a_subscriber_that_hangs() -> None:
    """A subscriber that hangs holds the exit up for the deadline and no longer; the loss is said."""
    done = run(
        """
        scope.push("first use")
        default().dispatcher.exit_timeout = 0.3
        subscribers.register("hang", lambda event: threading.Event().wait())
        for _ in range(300):
            scope.event("note")
        """,
        errors=None,
    )

    assert "44 events not delivered within exit_timeout (0.3 s)\n" == done.errors
    assert done.seconds < 10


def test_more_events_than_can_be_delivered() -> None:
    """Where events come faster than a subscriber takes them, until the end, the loss is said once."""
    done = run(
        """
        import time
        scope.push("first use")
        default().dispatcher.exit_timeout = 0.2
        subscribers.register("slow", lambda event: time.sleep(0.001))
        def work():
            while True:
                scope.event("note")
                time.sleep(0.0001)
        threading.Thread(target=work, daemon=True).start()
        time.sleep(0.2)
        import atexit
        atexit.register(time.sleep, 0.1)  # runs before the drain
        default().shutdown()
        time.sleep(0.1)
        """,
        errors=None,
    )

    assert re.fullmatch(r"[\d,]+ events not delivered within exit_timeout \(0\.2 s\)\n", done.errors)


def test_interrupting_the_exit() -> None:
    """Who interrupts a process that waits for a subscriber does not wait any longer."""
    done = run(
        """
        import signal
        scope.push("first use")
        default().dispatcher.exit_timeout = 40.0
        subscribers.register("hang", lambda event: threading.Event().wait())
        scope.event("note")
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        """,
        errors=None,
    )

    assert done.seconds < 20
    assert "" == done.errors


def test_the_end_of_plugins() -> None:
    """Plugins learn of the end once, after the last event, also where nothing was ever emitted."""
    plugin = """
        from relay_core import hookimpl, plugins
        class Plugin:
            @hookimpl
            def relay_mark(self, event):
                say(event.name)
            @hookimpl
            def relay_shutdown(self, timeout):
                say(f"shutdown {0 < timeout <= 5}")
        plugins.register(Plugin(), name="plugin")
        """
    done = run(plugin + "scope.event('note')")
    idle = run(plugin + "scope.push('nobody wants this')")

    assert ["note", "shutdown True"] == done.lines
    assert ["shutdown True"] == idle.lines


def test_several_runtimes() -> None:
    """Each runtime that is still alive is drained."""
    done = run("""
        from relay_core.testing import isolated_runtime
        from relay_core import Relay
        made = [Relay() for _ in range(3)]
        for number, relay in enumerate(made):
            relay.subscribers.register("see", see)
            relay.scopes.event(f"{number}")
    """)

    assert {"0", "1", "2"} == set(done.names)


# --- Forks -----------------------------------------------------------------------------------------------------------


def test_fork_under_load() -> None:
    """A child begins from zero with ids of its own; what its parent has queued is delivered by the parent, once."""
    done = run("""
        import random, warnings
        warnings.simplefilter("ignore")
        lines = []
        def keep(event):
            lines.append(f"{os.getpid()} {event.name} {event.uuid} {event.parent_uuid}")
        subscribers.register("keep", keep)
        stop = threading.Event()
        def emit():
            while not stop.is_set():
                for _ in range(20):
                    with scope.scope("load"):
                        pass
                stop.wait(0.0001)
        threads = [threading.Thread(target=emit) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(10):
            with scope.scope("inherited"):
                child = os.fork()
                if not child:
                    zero = statistics()
                    lines.clear()
                    for _ in range(50):
                        with scope.scope("child"):
                            pass
                    assert subscribers.flush()
                    after = statistics()
                    say(f"zero {zero.emitted + zero.delivered + zero.queued + zero.open_scopes}")
                    say(f"counted {after.emitted} {after.delivered} {after.queued} {after.open_scopes}")
                    os.write(1, "".join(line + chr(10) for line in lines).encode())
            if not child:
                assert subscribers.flush()
                say(f"silent {statistics().emitted}")
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        stop.set()
        for thread in threads:
            thread.join()
        assert subscribers.flush()
        say(f"parent {statistics().emitted} {len(lines)}")
        os.write(1, "".join(line + chr(10) for line in lines).encode())
    """)

    assert 10 == done.lines.count("zero 0") == done.lines.count("counted 100 100 0 0") == done.lines.count("silent 100")
    (told,) = (line.split() for line in done.lines if line.startswith("parent"))
    assert told[1] == told[2]
    events = done.events()
    each = Counter((pid, uuid) for pid, _, uuid, _ in events)
    assert {2} == set(each.values())
    assert len(each) == len({uuid for _, uuid in each}), "an id was drawn in two processes"
    inherited = {uuid for _, name, uuid, _ in events if name == "inherited"}
    assert inherited == {parent for _, name, _, parent in events if name == "child"}


def test_ids_where_nobody_listened() -> None:
    """A child draws ids of its own also if nobody listened in the parent."""
    done = run("""
        handles = [scope.push("work") for _ in range(3)]
        child = os.fork()
        own = {scope.push("own").uuid for _ in range(200)}
        say(" ".join(own))
        if child:
            os.waitpid(child, 0)
        os._exit(0)
    """)

    first, second = (set(line.split()) for line in done.lines)
    assert not first & second


def test_a_fork_while_registering() -> None:
    """A child is usable although a thread of the parent was registering something at the moment of the fork."""
    done = run("""
        import warnings
        warnings.simplefilter("ignore")
        from relay_core import guardrails, plugins
        stop = threading.Event()
        def register():
            while not stop.is_set():
                subscribers.register("a", see)
                subscribers.deregister("a")
                guardrails.register_mark_sanitize("m", 1, lambda event, fields: fields)
                guardrails.deregister_mark_sanitize("m")
        sys.setswitchinterval(1e-5)
        scope.push("first use")
        thread = threading.Thread(target=register)
        thread.start()
        for _ in range(60):
            child = os.fork()
            if not child:
                subscribers.register("b", lambda event: say(event.name))
                guardrails.register_mark_sanitize("n", 1, lambda event, fields: fields)
                scope.event("child")
                assert subscribers.flush(10)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        stop.set()
        thread.join()
    """)

    assert 60 == done.lines.count("child")


WORKER = """
import os
from relay_core import jsonl, plugins, scope

def work(folder, number):
    if "jsonl" not in plugins_of():
        plugins.register(jsonl.JsonlSink(os.path.join(folder, "{pid}.jsonl")), name="jsonl")
    with scope.scope(f"work {number}"):
        scope.event("note")

def plugins_of():
    from relay_core.runtime import default
    return default().registry.names()
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("how", ["Process", "Pool"])
def test_multiprocessing(tmp_path: Path, method: str, how: str) -> None:
    """A multiprocessing child delivers what it has before it is gone, without a flush."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("not on this platform")
    (tmp_path / "worker.py").write_text(WORKER)
    (tmp_path / "main.py").write_text(
        textwrap.dedent(f"""
        import multiprocessing, sys
        from relay_core import jsonl, scope, subscribers
        from worker import work
        if __name__ == "__main__":
            context = multiprocessing.get_context("{method}")
            seen = []
            subscribers.register("see", seen.append)
            with scope.scope("parent"):
                if "{how}" == "Process":
                    processes = [context.Process(target=work, args=(sys.argv[1], number)) for number in range(3)]
                    for process in processes:
                        process.start()
                    for process in processes:
                        process.join()
                        assert process.exitcode == 0
                else:
                    with context.Pool(2) as pool:
                        pool.starmap(work, [(sys.argv[1], number) for number in range(3)])
                        pool.close()
                        pool.join()
            assert subscribers.flush()
            assert [it.name for it in seen] == ["parent", "parent"], seen
        """)
    )
    environment = {**os.environ, "RELAY_DISABLE_AUTOLOAD": "1"}
    done = subprocess.run(
        [sys.executable, "main.py", str(tmp_path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)
    written = [line for file in tmp_path.glob("*.jsonl") for line in file.read_text().splitlines()]
    assert 9 == len(written)
