"""Events in a file, one JSON object per line: the sink that writes them and the reader that gives them back."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from relay_core.errors import EventFormatError
from relay_core.event_reader import event_from_dict
from relay_core.events import MarkEvent, ScopeEvent, json_lines
from relay_core.hookspecs import hookimpl
from relay_core.jsonl_backlog import Backlog
from relay_core.jsonl_file import FileName, LineFile
from relay_core.jsonl_lines import Problem, scan, what_is_wrong
from relay_core.validator import validate
from relay_core.wording import counted

__all__ = ["JsonlSink", "JsonlStatistics", "Problem", "read", "validate"]

_logger = logging.getLogger("relay_core.jsonl")

BACKLOG_BYTES: Final = 16 << 20
"""How many bytes of lines a sink keeps while its file cannot be written; beyond that the oldest are lost."""
RETRY_SECONDS: Final = 1.0
"""How long a sink leaves a file alone that could not be written."""
UNCONFIGURE_SECONDS: Final = 5.0
"""How long unregistering a sink may wait for a write that is under way."""


@dataclass(frozen=True, slots=True)
class JsonlStatistics:
    """What one sink did so far, in this process."""

    written: int
    """Lines in the file."""
    waiting: int
    """Lines in memory, because the file could not be written."""
    lost: int
    """Events that are in no file, because too many waited. The file says so in a mark, once it can be written."""
    failures: int
    """How often the file could not be written."""


class JsonlSink:
    """A plugin that writes every event to a file, as one line of ATOF JSON.

        relay_core.plugins.register(JsonlSink("run.jsonl"), name="jsonl")

    All lines of a batch go out in one `write` on a descriptor that appends, so that several processes may share a file
    on a local disk without torn lines. The file is opened by the first event, with its directories, for its owner only
    (0600), and opened again when it was moved away or deleted. A forked child writes to its own ``{pid}``.

    When the file cannot be written (disk full, permission revoked), the lines wait in memory, up to 16 MiB, and the
    sink tries again with a later batch, at most once per second, and at every flush. The error goes to the dispatcher,
    which logs it once per minute and counts it under the plugin's name; the application never sees it. What had to be
    given up is counted in `statistics()` and recorded in the file by a mark ``relay.events_dropped``.

    Every method may be called from any thread. The hooks run on the delivery thread; they block it, and nobody else,
    while the disk does.

    Args:
        path: The file's name. ``{pid}`` stands for the process id, ``{time}`` or ``{time:%Y-%m-%d}`` for the moment, in
            UTC, at which the first event arrives. Relative to the working directory of this moment; ``~`` is the home.
        mode: ``"append"`` keeps what is in the file, and puts a newline after a torn last line. ``"overwrite"`` empties
            it when the first event arrives: use ``{pid}`` if several processes run with this setting.
        rotate_bytes: The size at which the sink goes on in another file, ``run-4711.1.jsonl`` after ``run-4711.jsonl``,
            then ``.2`` and so on; no file is renamed or removed. Wants ``{pid}`` in the name.
        fsync: Whether to wait, after each batch, until it is on the disk.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: `path` is empty, is a directory or has an unknown placeholder; `mode` is unknown; `rotate_bytes` is
            less than 1, or goes with a name without ``{pid}``.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        mode: Literal["append", "overwrite"] = "append",
        rotate_bytes: int | None = None,
        fsync: bool = False,
    ) -> None:
        self._name = _file_name(path)
        _check(mode, rotate_bytes, fsync, self._name)
        self._overwrite = mode == "overwrite"
        self._rotate_bytes = rotate_bytes
        self._fsync = fsync
        self._begin()

    def _begin(self) -> None:
        """Start with nothing written, in this process."""
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._file = LineFile(self._name, overwrite=self._overwrite, rotate_bytes=self._rotate_bytes, fsync=self._fsync)
        self._backlog = Backlog(BACKLOG_BYTES)
        self._retry_at = 0.0
        self._written = self._failures = 0

    @property
    def path(self) -> Path | None:
        """The file that was written to last; None before the first event."""
        return self._file.path

    def statistics(self) -> JsonlStatistics:
        """Return the counters of this moment."""
        return JsonlStatistics(self._written, self._backlog.waiting, self._backlog.lost, self._failures)

    @hookimpl
    def relay_dispatch(self, events: tuple[ScopeEvent | MarkEvent, ...]) -> None:
        """Write a batch, and what waits from earlier ones.

        Raises:
            OSError: The file cannot be written; the lines wait.
        """
        self._settle()
        with self._lock:
            self._backlog.add(json_lines(events), len(events))
            if time.monotonic() >= self._retry_at:
                self._write()
            else:
                self._backlog.give_up_oldest()

    @hookimpl
    def relay_flush(self, timeout: float) -> None:
        """Write what waits.

        Raises:
            OSError: The file still cannot be written.
            TimeoutError: Another thread was still writing after `timeout` seconds.
        """
        self._finish(timeout, close=False)

    @hookimpl
    def relay_shutdown(self, timeout: float) -> None:
        """Write what waits and close the file; an event that comes later opens it again.

        Raises:
            OSError: The file still cannot be written.
            TimeoutError: Another thread was still writing after `timeout` seconds.
        """
        self._finish(timeout, close=True)

    @hookimpl
    def relay_unconfigure(self) -> None:
        """Write what waits and close the file, because the plugin is unregistered.

        Raises:
            OSError: The file still cannot be written.
        """
        self._finish(UNCONFIGURE_SECONDS, close=True)

    def __del__(self) -> None:
        if (file := getattr(self, "_file", None)) is not None:
            file.close()

    def _settle(self) -> None:
        """Leave to the parent process what is the parent's: its file, its lines, and a lock that nobody may release."""
        if os.getpid() != self._pid:
            self._overwrite = self._overwrite and self._name.has_pid
            self._file.close()
            self._begin()

    def _finish(self, timeout: float, *, close: bool) -> None:
        self._settle()
        if not self._lock.acquire(timeout=timeout):
            raise TimeoutError(f"{self._file.path} was still being written after {timeout} seconds")
        try:
            self._write()
        finally:
            if close:
                self._file.close()
            self._lock.release()

    def _write(self) -> None:
        """Write everything that waits."""
        backlog = self._backlog
        if not backlog.blocks:
            return
        blocks = backlog.marked()
        try:
            self._file.append(blocks)
            self._retry_at = 0.0
        except OSError as error:
            self._failures += 1
            self._retry_at = time.monotonic() + RETRY_SECONDS
            count = sum(block.count(b"\n") for block in blocks)
            error.add_note(f"{counted(count, 'line')} kept for {self._name.template}, {backlog.lost} lost")
            raise
        finally:
            backlog.settle(blocks)
            backlog.give_up_oldest()
            self._written = backlog.written


def read(
    path: str | os.PathLike[str], *, on_problem: Callable[[Problem], object] | None = None
) -> Iterator[ScopeEvent | MarkEvent]:
    """Yield the events of a file, in its order; skips what is no event and reports it.

    Torn lines may be anywhere: a process was killed, or a disk was full. The file is read as the events are asked for.

    Args:
        path: The file.
        on_problem: Called with each line that was skipped; by default they are logged as warnings.

    Raises:
        OSError: The file cannot be read.
        EventFormatError: An event has another major version than 0.
    """
    for number, line, fields in scan(path):
        event, message = _event(line, fields)
        if event is not None:
            yield event
        elif on_problem is None:
            _logger.warning("%s, line %d was skipped: %s", path, number, message)
        else:
            on_problem(Problem(number, "warning", message))


def _event(line: bytes, fields: dict[str, Any] | None) -> tuple[ScopeEvent | MarkEvent | None, str]:
    """Return the event of a line, or why it has none."""
    if fields is None:
        return None, what_is_wrong(line)
    try:
        return event_from_dict(fields), ""
    except EventFormatError as error:
        if error.field == "atof_version" and isinstance(fields.get("atof_version"), str):
            raise
        return None, f"no event: {error}"


def _file_name(path: str | os.PathLike[str]) -> FileName:
    text = os.fspath(path)
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - what is passed may be anything
        raise TypeError(f"path must be str or a path, not {type(text).__name__}")
    if not text:
        raise ValueError("path is empty; name a file, for example 'run.jsonl'")
    absolute = Path(text).expanduser().absolute()
    if absolute.is_dir():
        raise ValueError(
            f"path {text!r} is a directory; name a file in it, for example {str(absolute / 'run.jsonl')!r}"
        )
    return FileName(str(absolute))


def _check(mode: object, rotate_bytes: object, fsync: object, name: FileName) -> None:
    if mode not in ("append", "overwrite"):
        raise ValueError(f"mode {mode!r} is unknown; use 'append' or 'overwrite'")
    if not isinstance(fsync, bool):
        raise TypeError(f"fsync must be True or False, not {type(fsync).__name__}")
    if rotate_bytes is None:
        return
    if not isinstance(rotate_bytes, int) or isinstance(rotate_bytes, bool):
        raise TypeError(f"rotate_bytes must be an int or None, not {type(rotate_bytes).__name__}")
    if rotate_bytes < 1:
        raise ValueError(f"rotate_bytes is {rotate_bytes}; use None for a file that grows for ever")
    if not name.has_pid:
        raise ValueError(
            "rotate_bytes wants {pid} in the path, since processes that share a file cannot rotate it: "
            f"{name.template!r}"
        )
