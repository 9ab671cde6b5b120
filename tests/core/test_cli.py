"""The command `relay`."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from relay_core.cli import main, show_files
from relay_core.event_reader import event_from_dict

MAIN = "import sys; from relay_core.cli import main; sys.exit(main())"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a file with two runs, each a scope with a child."""
    path = tmp_path / "run.jsonl"
    lines: list[bytes] = []
    for run in (1, 2):
        ids = [f"0190b5a0-0000-7000-8000-00000000{run}{number}00" for number in (1, 2)]
        for phase, number, at in (("start", 0, 1), ("start", 1, 2), ("end", 1, 3), ("end", 0, 4)):
            event = event_from_dict(
                {
                    "kind": "scope",
                    "scope_category": phase,
                    "atof_version": "0.1",
                    "uuid": ids[number],
                    "parent_uuid": ids[0] if number else None,
                    "propagation_root_uuid": ids[0],
                    "timestamp": run * 1_000_000 + at,
                    "name": f"{'child' if number else 'root'}{run}",
                    "category": "function",
                }
            )
            lines.append(event.to_json_bytes() + b"\n")
    path.write_bytes(b"".join(lines))
    return path


def cut(file: Path, line: int) -> None:
    """Take one line out of a file."""
    lines = file.read_bytes().splitlines(keepends=True)
    del lines[line - 1]
    file.write_bytes(b"".join(lines))


# --- show ------------------------------------------------------------------------------------------------------------


def test_show_prints_the_tree(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal the tree comes plain, with a summary."""
    assert main(["show", str(file)]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "✓ root1  function · 3 us",
        "└─ ✓ child1  function · 1 us",
        "✓ root2  function · 3 us",
        "└─ ✓ child2  function · 1 us",
        "",
        "2 roots, 4 scopes, 0 marks",
    ]


def test_show_joins_files(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run whose events are in two files is one tree."""
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[0:8:2]))
    (tmp_path / "other.jsonl").write_bytes(b"".join(lines[1:8:2]))

    main(["show", str(file), str(tmp_path / "other.jsonl")])

    assert "2 roots, 4 scopes, 0 marks" in capsys.readouterr().out


def test_show_one_root(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A root is found by the beginning or the end of its uuid."""
    main(["show", "--root", "2100", "--depth", "1", str(file)])

    assert capsys.readouterr().out.splitlines() == [
        "✓ root2  function · 1 scope inside · 3 us",
        "",
        "1 root, 2 scopes, 0 marks",
    ]


def test_show_reports_torn_lines(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was skipped goes to stderr with its line, the rest is shown."""
    with file.open("ab") as lines:
        lines.write(b'{"kind"')

    assert main(["show", str(file)]) == 0

    captured = capsys.readouterr()
    assert captured.err == f"{file}:9: skipped: torn line: the file ends before the line does\n"
    assert "2 roots" in captured.out


def test_show_in_a_terminal_has_colours(file: Path) -> None:
    """A terminal gets colours, unless plain text is asked for; without rich it is told how to get them."""
    blocked = "import sys; sys.modules['rich'] = None; sys.modules['rich.console'] = None; " + MAIN

    assert "\x1b[" in in_terminal(MAIN, "show", str(file))
    assert "\x1b[" not in in_terminal(MAIN, "show", "--plain", str(file))
    without = in_terminal(blocked, "show", str(file))
    assert "pip install 'relay-core[cli]'" in without
    assert "root1" in without


def in_terminal(code: str, *arguments: str) -> str:
    """Run `code` in a terminal and return what it printed."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "120"}
    with subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=theirs, stderr=theirs, env=environment):
        os.close(theirs)
        printed = b""
        while True:
            try:
                block = os.read(ours, 65536)
            except OSError:  # Linux: the other end is closed
                break
            if not block:
                break
            printed += block
    os.close(ours)
    return printed.decode()


def test_show_from_code(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Programs show files with the same function."""
    show_files(file, root="1100")

    assert capsys.readouterr().out.startswith("✓ root1")


def test_a_reader_that_goes_away(file: Path) -> None:
    """Piping into something that stops reading, as `head` does, is no failure and says nothing."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as stdout:
        command = [sys.executable, "-c", MAIN, "show", str(file)]
        done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, check=False, timeout=60)

    assert (done.returncode, done.stderr) == (0, b"")


# --- validate --------------------------------------------------------------------------------------------------------


def test_validate_says_when_a_file_is_valid(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A valid file is said to be, with what is in it; the exit status is 0."""
    assert main(["validate", str(file)]) == 0

    assert capsys.readouterr().out == f"{file}: valid, 8 events, 0 errors, 0 warnings\n"


def test_validate_names_lines(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each error comes with file and line, and the exit status is 1, whatever other files are."""
    cut(file, 3)

    assert main(["validate", str(file), str(file)]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{file}:2: error: the scope 'child1'")
    assert lines[1] == f"{file}: not valid, 7 events, 1 errors, 0 warnings"


def test_validate_takes_warnings_for_errors_if_asked(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that ends in the middle of a run is valid, but not strictly."""
    cut(file, 8)

    assert main(["validate", "--quiet", str(file)]) == 0
    assert capsys.readouterr().out == ""
    assert main(["validate", "--strict", str(file)]) == 1
    assert ":5: warning: " in capsys.readouterr().out


# --- plugins, doctor -------------------------------------------------------------------------------------------------


def relay(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `relay` in a process of its own, since it discovers plugins."""
    return subprocess.run(
        [sys.executable, "-c", MAIN, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | environment,
    )


def test_plugins_are_listed_with_their_hooks() -> None:
    """Each plugin comes with where it is from and what it implements."""
    done = relay("plugins")

    assert done.returncode == 0
    assert "langchain  " in done.stdout
    assert "(relay_langchain.plugin:" in done.stdout
    assert "    relay_payload_encoder\n" in done.stdout


def test_a_blocked_plugin_is_listed_as_such() -> None:
    """What is left out is listed, too, with the reason."""
    done = relay("plugins", RELAY_PLUGINS_BLOCK='["langchain"]')

    assert "langchain  blocked  " in done.stdout


def test_the_doctor_names_what_is_wrong(tmp_path: Path) -> None:
    """A wrong setting is said, with the exit status 1; nothing is said twice."""
    (tmp_path / "relay.toml").write_text("[queue]\nmax_evnts = 3\n")
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "doctor"], capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path
    )

    assert done.returncode == 1
    assert "relay-core 0." in done.stdout
    assert "max_evnts" in done.stdout
    assert done.stdout.endswith("There is something to mend, see above.\n")
    assert done.stderr == ""


# --- The command itself ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["show", "validate"])
def test_a_file_that_is_not_there(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be read is one line on stderr and the exit status 2."""
    assert main([command, "nowhere.jsonl"]) == 2

    captured = capsys.readouterr()
    assert captured.err == "relay: [Errno 2] No such file or directory: 'nowhere.jsonl'\n"


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    """Help names the commands, the version is that of the distribution."""
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    shown = capsys.readouterr().out
    assert all(command in shown for command in ("show", "validate", "plugins", "doctor"))
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out.startswith("relay-core 0.")
    with pytest.raises(SystemExit, match="2"):
        main([])
