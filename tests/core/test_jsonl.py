"""The JSONL sink, through its hooks, and the reader."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from uuid_utils import uuid7

from relay_core import jsonl
from relay_core.errors import EventFormatError
from relay_core.event_reader import event_from_dict
from relay_core.events import MarkEvent, ScopeEvent
from relay_core.jsonl import JsonlSink, Problem, read
from relay_core.runtime import Relay


def mark(name: str = "m", **fields: Any) -> ScopeEvent | MarkEvent:
    """Return a mark with a uuid of its own."""
    return event_from_dict(
        {
            "kind": "mark",
            "atof_version": "0.1",
            "uuid": str(uuid7()),
            "timestamp": "2026-03-01T12:34:56.123456Z",
            "name": name,
            **fields,
        }
    )


def names(path: Path) -> list[str]:
    """Return the names of the events in a file."""
    return [event.name for event in read(path)]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a sink try again at once."""
    monkeypatch.setattr(jsonl, "RETRY_SECONDS", 0.0)


# --- Arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"path": ""}, ValueError, "path is empty"),
        ({"path": b"x.jsonl"}, TypeError, "path must be str"),
        ({"path": 3}, TypeError, "int"),
        ({"path": "/"}, ValueError, "is a directory"),
        ({"path": "{when}.jsonl"}, ValueError, "unknown placeholder"),
        ({"path": "x.jsonl", "mode": "w"}, ValueError, "use 'append' or 'overwrite'"),
        ({"path": "x.jsonl", "fsync": 1}, TypeError, "fsync must be True or False"),
        ({"path": "x.jsonl", "rotate_bytes": 10}, ValueError, r"rotate_bytes wants \{pid\}"),
        ({"path": "{pid}.jsonl", "rotate_bytes": 0}, ValueError, "use None"),
        ({"path": "{pid}.jsonl", "rotate_bytes": "1M"}, TypeError, "rotate_bytes must be an int"),
        ({"path": "{pid}.jsonl", "rotate_bytes": True}, TypeError, "rotate_bytes must be an int"),
    ],
)
def test_bad_arguments_are_refused_at_once(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    """A wrong argument raises at construction, and the message names it and the mend."""
    with pytest.raises(error, match=message):
        JsonlSink(**arguments)


def test_relative_paths_are_fixed_at_construction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An application that changes its working directory later does not move its file."""
    monkeypatch.chdir(tmp_path)
    sink = JsonlSink("run.jsonl")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    sink.relay_dispatch((mark(),))

    assert sink.path == tmp_path / "run.jsonl"
    assert names(tmp_path / "run.jsonl") == ["m"]


# --- Writing ---------------------------------------------------------------------------------------------------------


def test_events_are_written_as_they_are(tmp_path: Path) -> None:
    """Each line is the event's own JSON, in the order of the batch, there as soon as the hook returns."""
    events = (mark("a", data={"z": 1, "a": "ü"}), mark("b", vendor={"kept": True}))

    JsonlSink(tmp_path / "run.jsonl").relay_dispatch(events)

    assert (tmp_path / "run.jsonl").read_bytes() == b"".join(event.to_json_bytes() + b"\n" for event in events)
    assert tuple(read(tmp_path / "run.jsonl")) == events


def test_construction_and_idle_life_touch_nothing(tmp_path: Path) -> None:
    """A sink without events leaves no file."""
    sink = JsonlSink(tmp_path / "logs" / "run.jsonl")
    sink.relay_flush(1.0)
    sink.relay_shutdown(1.0)
    sink.relay_unconfigure()

    assert sink.path is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_events_after_the_shutdown_are_still_written(tmp_path: Path, mode: Any) -> None:
    """What other exit handlers emit after `relay_shutdown` goes behind what was written before."""
    sink = JsonlSink(tmp_path / "run.jsonl", mode=mode)
    sink.relay_dispatch((mark("a"),))
    sink.relay_shutdown(1.0)

    sink.relay_dispatch((mark("b"),))
    sink.relay_unconfigure()
    sink.relay_dispatch((mark("c"),))

    assert names(tmp_path / "run.jsonl") == ["a", "b", "c"]


def test_an_idle_sink_holds_no_descriptor_after_its_end(tmp_path: Path) -> None:
    """Shutdown, unregistering and garbage collection close the file."""
    before = len(list(Path("/proc/self/fd").iterdir()))

    for end in ("relay_shutdown", "relay_unconfigure", None):
        sink = JsonlSink(tmp_path / "run.jsonl")
        sink.relay_dispatch((mark(),))
        if end == "relay_shutdown":
            sink.relay_shutdown(1.0)
        elif end:
            sink.relay_unconfigure()
        del sink

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_many_threads_may_share_a_sink(tmp_path: Path) -> None:
    """Two runtimes, each with a delivery thread, may write through one sink."""
    sink = JsonlSink(tmp_path / "run-{pid}.jsonl", rotate_bytes=5000)
    threads = [
        threading.Thread(target=lambda: [sink.relay_dispatch((mark(), mark())) for _ in range(100)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    problems: list[Problem] = []
    assert sum(1 for path in tmp_path.iterdir() for _ in read(path, on_problem=problems.append)) == 800
    assert not problems
    assert sink.statistics().written == 800


# --- Failing ---------------------------------------------------------------------------------------------------------


def blocked_directory(tmp_path: Path) -> tuple[Path, Callable[[], object]]:
    """Give a path that cannot be opened, and what to call to make it possible."""
    (tmp_path / "logs").write_bytes(b"a file, where a directory should be")
    return tmp_path / "logs" / "run.jsonl", (tmp_path / "logs").unlink


def test_a_file_that_cannot_be_opened_loses_nothing(tmp_path: Path, impatient: None) -> None:
    """The error goes to the dispatcher with a note; the lines wait and are written once it is possible."""
    path, heal = blocked_directory(tmp_path)
    sink = JsonlSink(path)
    for name in "ab":
        with pytest.raises(OSError) as caught:  # noqa: PT011 - which one depends on the system
            sink.relay_dispatch((mark(name),))
    assert caught.value.__notes__ == [f"2 lines kept for {path}, 0 lost"]
    assert sink.statistics() == jsonl.JsonlStatistics(written=0, waiting=2, lost=0, failures=2)

    heal()
    sink.relay_dispatch((mark("c"),))

    assert names(path) == ["a", "b", "c"]
    assert sink.statistics() == jsonl.JsonlStatistics(written=3, waiting=0, lost=0, failures=2)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_revoked_permission_loses_nothing(tmp_path: Path, impatient: None) -> None:
    """A directory that nobody may write into is a failure like any other."""
    tmp_path.chmod(0o500)
    sink = JsonlSink(tmp_path / "run.jsonl")
    with pytest.raises(PermissionError):
        sink.relay_dispatch((mark("a"),))

    tmp_path.chmod(0o700)
    sink.relay_dispatch((mark("b"),))

    assert names(tmp_path / "run.jsonl") == ["a", "b"]


def test_a_failing_file_is_left_alone_for_a_while(tmp_path: Path) -> None:
    """Between two tries the batches wait quietly; a flush tries at once."""
    path, heal = blocked_directory(tmp_path)
    sink = JsonlSink(path)
    with pytest.raises(OSError):  # noqa: PT011 - see above
        sink.relay_dispatch((mark("a"),))
    heal()

    sink.relay_dispatch((mark("b"),))
    assert sink.statistics() == jsonl.JsonlStatistics(written=0, waiting=2, lost=0, failures=1)
    sink.relay_flush(1.0)

    assert names(path) == ["a", "b"]


@pytest.mark.parametrize("hook", ["relay_flush", "relay_shutdown"])
def test_a_barrier_says_when_it_failed(tmp_path: Path, hook: str) -> None:
    """A flush that cannot write does not pass for a flush."""
    path, _ = blocked_directory(tmp_path)
    sink = JsonlSink(path)
    with pytest.raises(OSError):  # noqa: PT011 - see above
        sink.relay_dispatch((mark("a"),))

    with pytest.raises(OSError):  # noqa: PT011 - see above
        getattr(sink, hook)(1.0)


def test_what_waits_is_bounded_and_what_is_lost_is_said(
    tmp_path: Path, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit the oldest events are given up; the file says how many, where they are missing."""
    monkeypatch.setattr(jsonl, "BACKLOG_BYTES", 3 * len(mark("0").to_json_bytes() + b"\n"))
    path, heal = blocked_directory(tmp_path)
    sink = JsonlSink(path)
    for name in "01234":
        with pytest.raises(OSError):  # noqa: PT011 - see above
            sink.relay_dispatch((mark(name),))

    heal()
    sink.relay_dispatch((mark("5"),))

    assert names(path) == ["relay.events_dropped", "2", "3", "4", "5"]
    assert next(read(path)).data == {"count": 2, "reason": "sink_failed"}
    assert sink.statistics() == jsonl.JsonlStatistics(written=5, waiting=0, lost=2, failures=5)
    assert not [problem for problem in jsonl.validate(path) if problem.severity == "error"]


FULL_DISK = """
import resource, sys
from pathlib import Path
from relay_core import jsonl
from relay_core.event_reader import event_from_dict

jsonl.RETRY_SECONDS = 0.0
path = Path(sys.argv[1])
def mark(name):
    return event_from_dict({"kind": "mark", "atof_version": "0.1", "uuid": "0190b5a0-0000-7000-8000-000000000000",
                            "timestamp": 1, "name": name})
sink = jsonl.JsonlSink(path)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
failed = 0
for number in range(10):
    try:
        sink.relay_dispatch((mark(f"{number}"),))
    except OSError:
        failed += 1
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
sink.relay_dispatch((mark("last"),))
torn = []
print([event.name for event in jsonl.read(path, on_problem=torn.append)])
print(failed > 0, len(torn), sink.statistics().lost)
"""


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """When there is room again, every event is whole in the file; the reader skips the one torn line."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "run.jsonl")],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    assert done.stdout.splitlines() == [str([*map(str, range(10)), "last"]), "True 1 0"]


def test_a_runtime_counts_reports_once_and_goes_on(
    tmp_path: Path, no_settings: Path, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    """Behind a runtime a failing file is counted under the plugin's name, logged once, and never seen by the caller."""
    path, heal = blocked_directory(tmp_path)
    relay = Relay()
    relay.registry.register(JsonlSink(path), name="jsonl")
    for name in ("a", "b"):
        with relay.scopes.scope(name):
            assert not relay.subscribers.flush(5.0)
    assert relay.statistics().failed["jsonl"] >= 4
    assert len([record for record in caplog.records if "jsonl" in record.getMessage()]) == 1

    heal()
    assert relay.subscribers.flush(5.0)
    relay.shutdown()

    assert names(path) == ["a", "a", "b", "b"]
    assert jsonl.validate(path) == []


# --- Processes -------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_a_forked_child_has_a_file_of_its_own(tmp_path: Path, mode: Any) -> None:
    """With ``{pid}`` in the name parent and child write two files, and the child leaves the parent's lines alone."""
    sink = JsonlSink(tmp_path / "run-{pid}.jsonl", mode=mode)
    sink.relay_dispatch((mark("before"),))

    child = os.fork()
    if child == 0:
        sink.relay_dispatch((mark("child"),))
        os._exit(0 if sink.statistics().written == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0
    sink.relay_dispatch((mark("after"),))

    assert names(tmp_path / f"run-{os.getpid()}.jsonl") == ["before", "after"]
    assert names(tmp_path / f"run-{child}.jsonl") == ["child"]


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_a_forked_child_may_share_the_file(tmp_path: Path, mode: Any) -> None:
    """Without ``{pid}`` parent and child append to one file, even if it was overwritten by the parent."""
    sink = JsonlSink(tmp_path / "run.jsonl", mode=mode)
    sink.relay_dispatch((mark("before"),))

    child = os.fork()
    if child == 0:
        sink.relay_dispatch((mark("child"),))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    sink.relay_dispatch((mark("after"),))

    assert names(tmp_path / "run.jsonl") == ["before", "child", "after"]


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_does_not_write_what_waits_in_the_parent(tmp_path: Path) -> None:
    """Lines that wait for a retry belong to the parent, also when its lock was held at the fork."""
    path, heal = blocked_directory(tmp_path)
    sink = JsonlSink(path)
    with pytest.raises(OSError):  # noqa: PT011 - see above
        sink.relay_dispatch((mark("parent"),))
    heal()

    with sink._lock:
        child = os.fork()
        if child == 0:
            threading.Thread(target=sink.relay_dispatch, args=((mark("child"),),)).start()
            threading.Thread(target=sink.relay_flush, args=(1.0,)).start()
            for thread in threading.enumerate():
                if thread is not threading.current_thread():
                    thread.join()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    sink.relay_flush(1.0)

    assert names(path) == ["child", "parent"]


KILLED = """
import sys
from relay_core import jsonl
from relay_core.event_reader import event_from_dict
sink = jsonl.JsonlSink(sys.argv[1])
number = 0
while True:
    fields = {"kind": "mark", "atof_version": "0.1", "uuid": "u", "timestamp": 1, "data": "x" * 5000}
    sink.relay_dispatch(tuple(event_from_dict(fields | {"name": str(n)}) for n in range(number, number + 50)))
    number += 50
    print(number, flush=True)
"""


def test_a_killed_process_leaves_whole_lines(tmp_path: Path) -> None:
    """After SIGKILL every line but possibly the last is whole, and what was written before is there."""
    path = tmp_path / "run.jsonl"
    with subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        for _ in range(20):
            written = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)

    problems: list[Problem] = []
    found = [int(event.name) for event in read(path, on_problem=problems.append)]
    assert found == list(range(len(found)))
    assert len(found) >= written
    assert [problem.line for problem in problems] in ([], [len(found) + 1])


# --- Reading ---------------------------------------------------------------------------------------------------------


def test_the_reader_skips_and_reports(tmp_path: Path) -> None:
    """Torn lines, foreign lines and objects that are no events are skipped wherever they are, each with its number."""
    path = tmp_path / "run.jsonl"
    good = mark().to_json_bytes()
    path.write_bytes(b"\n".join([good, good[:40], b"[]", b'{"kind": "mark"}', b"", good, good[:-1]]))
    problems: list[Problem] = []

    assert [event.name for event in read(path, on_problem=problems.append)] == ["m", "m"]
    assert [problem.line for problem in problems] == [2, 3, 4, 7]
    assert {problem.severity for problem in problems} == {"warning"}


def test_the_reader_logs_what_nobody_asked_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without a callback each skipped line is a warning with file and number."""
    (tmp_path / "run.jsonl").write_bytes(b'{"kind"')

    with caplog.at_level(logging.WARNING):
        assert list(read(tmp_path / "run.jsonl")) == []

    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'run.jsonl'}, line 1 was skipped: torn line: the file ends before the line does"
    ]


def test_another_major_version_is_no_torn_line(tmp_path: Path) -> None:
    """A file of a later major version is refused, not skipped line by line."""
    fields = json.loads(mark().to_json()) | {"atof_version": "1.0"}
    (tmp_path / "run.jsonl").write_text(json.dumps(fields))

    with pytest.raises(EventFormatError, match=r"1\.0"):
        list(read(tmp_path / "run.jsonl"))


def test_a_file_that_is_not_there() -> None:
    """Reading what does not exist is the usual error."""
    with pytest.raises(FileNotFoundError):
        next(read("nowhere.jsonl"))
