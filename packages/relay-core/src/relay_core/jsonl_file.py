"""A file of whole lines that several processes may append to: names, opening, rotation and short writes. No events."""

import errno
import os
import stat
import string
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

__all__ = ["FileName", "LineFile", "split"]

FILE_MODE: Final = 0o600
"""Payloads are the application's private data."""
TIME_FORMAT: Final = "%Y%m%dT%H%M%SZ"
"""What ``{time}`` is without a format of its own; UTC, like the events."""
_LOOKS: Final = 5
_BETWEEN_LOOKS: Final = 0.001
"""Seconds. The others' writes last microseconds; what is torn for good costs this once."""
_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)


class FileName:
    """A path with the placeholders ``{pid}``, ``{time}`` and ``{time:%Y-%m-%d}``, in any of its parts."""

    def __init__(self, template: str) -> None:
        """Check `template`.

        Raises:
            ValueError: It holds another placeholder or a brace that opens none.
        """
        self.template = template
        try:
            self._parts = list(string.Formatter().parse(template))
        except ValueError as error:
            raise ValueError(f"path {template!r}: {error}; write '{{{{' for a brace that is meant as one") from None
        for _, field, spec, conversion in self._parts:
            if field is not None and (field not in ("pid", "time") or conversion or (field == "pid" and spec)):
                raise ValueError(
                    f"path {template!r} has the unknown placeholder {{{field}}}; known are {{pid}}, {{time}} and "
                    "{time:%Y-%m-%d} with any strftime format; write '{{' for a brace that is meant as one"
                )

    @property
    def has_pid(self) -> bool:
        """Whether each process has a file of its own."""
        return any(field == "pid" for _, field, _, _ in self._parts)

    def expand(self) -> Path:
        """Return the path for this process at this moment."""
        return Path("".join(text + _value(field, spec or "") for text, field, spec, _ in self._parts))


def _value(field: str | None, spec: str) -> str:
    if field == "pid":
        return str(os.getpid())
    return datetime.now(UTC).strftime(spec or TIME_FORMAT) if field else ""


def split(blocks: list[bytes]) -> list[bytes]:
    """Return blocks of whole lines as one line each, with their newlines."""
    return [line + b"\n" for line in b"".join(blocks).split(b"\n")[:-1]]


class LineFile:
    """Appends whole lines, one `os.write` for all lines of a call. One caller at a time; opened by the first call."""

    def __init__(self, name: FileName, *, overwrite: bool, rotate_bytes: int | None, fsync: bool) -> None:
        """Set up without touching the disk; the arguments are those of `relay_core.jsonl.JsonlSink`."""
        self.path: Path | None = None
        """The file that is or was written to; None before the first call."""
        self._name = name
        self._overwrite = overwrite
        self._rotate_bytes = rotate_bytes
        self._fsync = fsync
        self._descriptor: int | None = None
        self._inode = (0, 0)
        self._regular = True
        self._size = 0
        self._base: Path | None = None
        self._number = 0
        # The file ends in the middle of a line: the next write begins with a newline.
        self._torn = False

    def append(self, blocks: list[bytes]) -> None:
        """Write `blocks`, each of whole lines, and take from the list what is in the file.

        Raises:
            OSError: The lines that are left in the list could not be written. What was written of the first of them,
                if anything, stays in the file as a torn line.
        """
        if self._descriptor is not None:
            self._look()
        if self._descriptor is None:
            self._open()
        while blocks:
            count = len(blocks) if self._rotate_bytes is None else self._fitting(blocks)
            if count:
                self._write(blocks, count)
            else:
                self._rotate()
        self._sync()

    def close(self) -> None:
        """Close the file; the next `append` opens it again and never empties it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _write(self, blocks: list[bytes], count: int) -> None:
        """Write the first `count` blocks in one call; after a short write the loop in `append` goes on behind it."""
        assert self._descriptor is not None
        text = b"".join([b"\n", *blocks[:count]] if self._torn else blocks[:count])
        written = os.write(self._descriptor, text)
        self._size += written
        if written == len(text):
            self._torn = False
            del blocks[:count]
        elif written:
            self._keep_unwritten(blocks, written)
        else:
            raise OSError(errno.EIO, "the file takes no more bytes", str(self.path))

    def _keep_unwritten(self, blocks: list[bytes], written: int) -> None:
        """Take the lines that are whole from `blocks`, and note whether the file ends in the middle of the next one."""
        lines = split(blocks)
        end = 1 if self._torn else 0
        whole = 0
        while written >= end + len(lines[whole]):
            end += len(lines[whole])
            whole += 1
        blocks[:] = lines[whole:]
        self._torn = written > end

    def _sync(self) -> None:
        if self._fsync and self._regular and self._descriptor is not None:
            os.fsync(self._descriptor)

    # Opening ----------------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        """Open the file, creating it and its directories; the missing newline of a torn last line goes ahead."""
        path = self._choose()
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, _FLAGS | (os.O_TRUNC if self._overwrite else 0), FILE_MODE)
        self._descriptor, self.path, self._overwrite = descriptor, path, False
        self._measure(path, os.fstat(descriptor))

    def _look(self) -> None:
        """See what others did to the file since the last call: moved it, deleted it, or left a torn line in it."""
        assert self.path is not None
        try:
            status = os.stat(self.path)  # noqa: PTH116 - once per batch: no Path call on top
        except (FileNotFoundError, NotADirectoryError):
            self.close()
            return
        except OSError:  # nobody may look, but the descriptor still writes
            return
        if (status.st_dev, status.st_ino) != self._inode:
            self.close()  # what is written to it, nobody finds
        elif status.st_size != self._size:
            self._measure(self.path, status)

    def _measure(self, path: Path, status: os.stat_result) -> None:
        self._inode = (status.st_dev, status.st_ino)
        self._regular = stat.S_ISREG(status.st_mode)
        self._size = status.st_size
        self._torn = self._regular and status.st_size > 0 and _is_torn(path)

    # Rotation ---------------------------------------------------------------------------------------------------------

    def _choose(self) -> Path:
        """Return the file to write to: the name, then the name with ``.1``, ``.2``, ... while those before are full."""
        if self._base is None:
            self._base = self._name.expand()
        base = self._base
        if self._rotate_bytes is None:
            return base
        if self._overwrite:
            _remove_numbered(base)
            return base
        path = _numbered(base, self._number)
        while path.exists() and path.stat().st_size >= self._rotate_bytes:
            self._number += 1
            path = _numbered(base, self._number)
        return path

    def _fitting(self, blocks: list[bytes]) -> int:
        """Return how many of `blocks` fit into the file, cut into lines if not all do; one at least, if it is empty."""
        assert self._rotate_bytes is not None
        room = self._rotate_bytes - self._size
        if sum(map(len, blocks)) <= room:
            return len(blocks)
        blocks[:] = split(blocks)
        for count, line in enumerate(blocks):
            room -= len(line)
            if room < 0 and (count or self._size):
                return count
        return len(blocks)

    def _rotate(self) -> None:
        """Go on in the next file: of the same name and the next number, or of a new name if it holds the time."""
        self._sync()
        self.close()
        base = self._name.expand()
        self._number = self._number + 1 if base == self._base else 0
        self._base = base
        self._open()


def _numbered(base: Path, number: int) -> Path:
    return base.with_name(f"{base.stem}.{number}{base.suffix}") if number else base


def _remove_numbered(base: Path) -> None:
    """Remove what an earlier run with the same process id left behind."""
    number = 1
    while (path := _numbered(base, number)).exists():
        path.unlink()
        number += 1


def _is_torn(path: Path) -> bool:
    """Say whether the file ends in the middle of a line for good: another process may just be writing the rest."""
    for _ in range(_LOOKS):
        if _ends_with_newline(path):
            return False
        time.sleep(_BETWEEN_LOOKS)
    return True


def _ends_with_newline(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
    except OSError:  # not ours to read: an empty line too many hurts nobody
        return False
