"""A file of whole lines: names, opening, rotation, short writes, and several processes at once."""

import errno
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from relay_core.jsonl_file import FileName, LineFile


def make(path: Path, *, overwrite: bool = False, rotate_bytes: int | None = None, fsync: bool = False) -> LineFile:
    """Return a file that nothing was written to."""
    return LineFile(FileName(str(path)), overwrite=overwrite, rotate_bytes=rotate_bytes, fsync=fsync)


def write(file: LineFile, *lines: bytes) -> None:
    """Append `lines` in one call, each a block of its own."""
    file.append([line + b"\n" for line in lines])


def test_placeholders_are_expanded(tmp_path: Path) -> None:
    """``{pid}`` and ``{time}``, with or without a format, may stand in any part of the path."""
    name = FileName(str(tmp_path / "{time:%Y}" / "run-{pid}-{time}-{{x}}.jsonl"))

    path = name.expand()

    assert re.fullmatch(r"20\d\d", path.parent.name)
    assert re.fullmatch(rf"run-{os.getpid()}-\d{{8}}T\d{{6}}Z-\{{x\}}\.jsonl", path.name)
    assert name.has_pid


@pytest.mark.parametrize("template", ["{}", "{host}.jsonl", "{pid!r}", "{pid:5}", "a{b", "a}b", "{0}"])
def test_other_placeholders_are_refused(template: str) -> None:
    """An unknown placeholder, or a brace that is not doubled, is an error that says what is known."""
    with pytest.raises(ValueError, match=r"\{"):
        FileName(template)


def test_nothing_is_touched_before_the_first_line(tmp_path: Path) -> None:
    """Neither the file nor its directory exists before something is written."""
    file = make(tmp_path / "deep" / "down" / "run.jsonl")
    assert not list(tmp_path.iterdir())

    write(file, b"1")

    assert (tmp_path / "deep" / "down" / "run.jsonl").read_bytes() == b"1\n"


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    """A new file has mode 0600."""
    write(make(tmp_path / "run.jsonl"), b"1")

    assert stat.S_IMODE((tmp_path / "run.jsonl").stat().st_mode) == 0o600


def test_one_write_per_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All lines of a call go out in one system call."""
    sizes: list[int] = []
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, block: sizes.append(len(block)) or real(fd, block))

    write(make(tmp_path / "run.jsonl"), b"one", b"two", b"three")

    assert sizes == [14]


def test_append_keeps_what_is_there(tmp_path: Path) -> None:
    """Mode append goes on behind the last line."""
    (tmp_path / "run.jsonl").write_bytes(b"old\n")

    write(make(tmp_path / "run.jsonl"), b"new")

    assert (tmp_path / "run.jsonl").read_bytes() == b"old\nnew\n"


def test_a_torn_last_line_is_ended_first(tmp_path: Path) -> None:
    """What a killed process left without a newline does not run into the next line."""
    (tmp_path / "run.jsonl").write_bytes(b'old\n{"tor')

    write(make(tmp_path / "run.jsonl"), b"new")

    assert (tmp_path / "run.jsonl").read_bytes() == b'old\n{"tor\nnew\n'


def test_a_line_that_another_process_is_writing_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A last line whose rest arrives meanwhile is not torn: no empty line comes behind it."""
    with (tmp_path / "run.jsonl").open("ab", buffering=0) as other:
        other.write(b'old\n{"wri')
        monkeypatch.setattr("relay_core.jsonl_file.time.sleep", lambda seconds: other.write(b'ting"}\n'))

        write(make(tmp_path / "run.jsonl"), b"new")

    assert (tmp_path / "run.jsonl").read_bytes() == b'old\n{"writing"}\nnew\n'


def test_a_line_that_another_process_tore_is_ended_first(tmp_path: Path) -> None:
    """What a process that was killed left in a shared file does not swallow the next line of the others."""
    file = make(tmp_path / "run.jsonl")
    write(file, b"1")
    with (tmp_path / "run.jsonl").open("ab") as other:
        other.write(b'2\n{"tor')

    write(file, b"3")
    write(file, b"4")

    assert (tmp_path / "run.jsonl").read_bytes() == b'1\n2\n{"tor\n3\n4\n'


def test_overwrite_empties_the_file_once(tmp_path: Path) -> None:
    """Mode overwrite empties the file at the first line, and not again after it was closed."""
    (tmp_path / "run.jsonl").write_bytes(b"old\n")
    file = make(tmp_path / "run.jsonl", overwrite=True)

    write(file, b"1")
    file.close()
    write(file, b"2")

    assert (tmp_path / "run.jsonl").read_bytes() == b"1\n2\n"


@pytest.mark.parametrize("how", ["delete", "move", "delete the directory"])
def test_a_file_that_is_gone_is_made_again(tmp_path: Path, how: str) -> None:
    """Lines are never written into a file that was moved away or deleted."""
    path = tmp_path / "logs" / "run.jsonl"
    file = make(path)
    write(file, b"1")
    if how == "move":
        path.rename(tmp_path / "moved.jsonl")
    else:
        path.unlink()
    if how == "delete the directory":
        path.parent.rmdir()

    write(file, b"2")

    assert path.read_bytes() == b"2\n"


def test_rotation_goes_on_in_numbered_files(tmp_path: Path) -> None:
    """A file that would grow beyond the limit is followed by the next number; no line is cut, none is lost."""
    file = make(tmp_path / "run-{pid}.jsonl", rotate_bytes=10)

    write(file, b"1234", b"5678", b"9", b"a line that is longer than the limit", b"0")
    write(file, b"1")

    pid = os.getpid()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        f"run-{pid}.jsonl": b"1234\n5678\n",
        f"run-{pid}.1.jsonl": b"9\n",
        f"run-{pid}.2.jsonl": b"a line that is longer than the limit\n",
        f"run-{pid}.3.jsonl": b"0\n1\n",
    }
    assert file.path == tmp_path / f"run-{pid}.3.jsonl"


def test_rotation_within_a_block(tmp_path: Path) -> None:
    """A block that does not fit is cut between its lines."""
    file = make(tmp_path / "run-{pid}.jsonl", rotate_bytes=10)

    file.append([b"1234\n5678\n9\n", b"0\n"])

    pid = os.getpid()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        f"run-{pid}.jsonl": b"1234\n5678\n",
        f"run-{pid}.1.jsonl": b"9\n0\n",
    }


def test_rotation_goes_on_behind_full_files(tmp_path: Path) -> None:
    """A later process with the same id, as in a container, appends behind the files that are full."""
    write(make(tmp_path / "run-{pid}.jsonl", rotate_bytes=4), b"111", b"222", b"3")

    write(make(tmp_path / "run-{pid}.jsonl", rotate_bytes=4), b"4")

    assert (tmp_path / f"run-{os.getpid()}.2.jsonl").read_bytes() == b"3\n4\n"


def test_overwrite_with_rotation_removes_the_numbered_files(tmp_path: Path) -> None:
    """Mode overwrite leaves nothing of an earlier run with the same process id."""
    write(make(tmp_path / "run-{pid}.jsonl", rotate_bytes=4), b"111", b"222", b"333")

    write(make(tmp_path / "run-{pid}.jsonl", rotate_bytes=4, overwrite=True), b"4")

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {f"run-{os.getpid()}.jsonl": b"4\n"}


def test_a_short_write_is_made_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a short write comes a newline and the whole line again; lines that were whole are not repeated."""
    real = os.write
    cuts = [7, 2, 3]
    monkeypatch.setattr(os, "write", lambda fd, block: real(fd, block[: cuts.pop(0)] if cuts else block))

    write(make(tmp_path / "run.jsonl"), b"one", b"two", b"three")

    # 7 bytes: "one\n" and a torn "two"; then "\nt"; then "\ntw"; then the rest.
    assert (tmp_path / "run.jsonl").read_bytes() == b"one\ntwo\nt\ntw\ntwo\nthree\n"


def test_a_short_write_within_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a block of lines that was written in part, only what is not whole in the file is written again."""
    real = os.write
    cuts = [7]
    monkeypatch.setattr(os, "write", lambda fd, block: real(fd, block[: cuts.pop(0)] if cuts else block))

    make(tmp_path / "run.jsonl").append([b"one\ntwo\n", b"three\nfour\n"])

    assert (tmp_path / "run.jsonl").read_bytes() == b"one\ntwo\ntwo\nthree\nfour\n"


def test_a_full_disk_keeps_the_unwritten_lines(tmp_path: Path) -> None:
    """The error comes out, and the list still holds the lines that are not whole in the file."""
    path = tmp_path / "run.jsonl"
    code = f"""
import resource, sys
from relay_core.jsonl_file import FileName, LineFile
resource.setrlimit(resource.RLIMIT_FSIZE, (12, resource.RLIM_INFINITY))
file = LineFile(FileName({str(path)!r}), overwrite=False, rotate_bytes=None, fsync=False)
blocks = [b"12345\\n67890abc\\n", b"def\\n"]
try:
    file.append(blocks)
except OSError as error:
    print(error.errno, blocks)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
file.append(blocks)
print(blocks)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)

    assert done.stdout.splitlines() == [f"{errno.EFBIG} [b'67890abc\\n', b'def\\n']", "[]"]
    assert path.read_bytes() == b"12345\n67890a\n67890abc\ndef\n"


def test_a_device_that_is_full(tmp_path: Path) -> None:
    """A write that fails altogether leaves every line in the list."""
    blocks = [b"1\n2\n", b"3\n"]

    with pytest.raises(OSError, match="No space left"):
        make(Path("/dev/full")).append(blocks)

    assert blocks == [b"1\n2\n", b"3\n"]


def test_fsync_leaves_special_files_alone() -> None:
    """A device that knows no fsync can be written with fsync all the same."""
    write(make(Path("/dev/null"), fsync=True), b"1")


def test_fsync_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With fsync, each call ends with one."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    file = make(tmp_path / "run.jsonl", fsync=True)

    write(file, b"1", b"2")
    write(file, b"3")

    assert len(synced) == 2


WRITER = """
import sys
from relay_core.jsonl_file import FileName, LineFile
file = LineFile(FileName(sys.argv[1]), overwrite=False, rotate_bytes=None, fsync=False)
line = sys.argv[2].encode() * 500 + b"\\n"
print("ready", flush=True)
sys.stdin.readline()
for _ in range(200):
    file.append([line * 10] * 2)
"""


def test_processes_share_a_file_without_torn_lines(tmp_path: Path) -> None:
    """Four processes that append at once leave whole lines only."""
    path = tmp_path / "run.jsonl"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in "abcd"
    ]
    for writer in writers:
        assert writer.stdout
        writer.stdout.readline()
    for writer in writers:
        writer.communicate("go\n", timeout=30)

    lines = path.read_bytes().splitlines()
    assert sorted({line.decode() for line in lines}) == [name * 500 for name in "abcd"]
    assert len(lines) == 4 * 200 * 20
