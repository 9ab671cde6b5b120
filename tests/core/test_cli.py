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
    assert lines[1] == f"{file}: not valid, 7 events, 1 error, 0 warnings"


def test_validate_takes_warnings_for_errors_if_asked(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that ends in the middle of a run is valid, but not strictly."""
    cut(file, 8)

    assert main(["validate", "--quiet", str(file)]) == 0
    assert capsys.readouterr().out == ""
    assert main(["validate", "--strict", str(file)]) == 1
    assert ":5: warning: " in capsys.readouterr().out


# --- plugins, doctor -------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with an installed distribution that brings the plugin `acme`."""
    (tmp_path / "acme_relay.py").write_text(
        "import relay_core\nclass Plugin:\n    @relay_core.hookimpl\n    def relay_mark(self, event):\n        ...\n"
    )
    info = tmp_path / "acme_relay-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-relay\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[relay]\nacme = acme_relay:Plugin\n")
    return tmp_path


def relay(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `relay` in a process of its own, since it discovers plugins."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    return subprocess.run(
        [sys.executable, "-c", MAIN, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=folder,
        env=inherited | {"PYTHONPATH": str(folder)} | environment,
    )


def test_plugins_are_listed_with_their_hooks(folder: Path) -> None:
    """Each plugin comes with where it is from and what it implements."""
    done = relay(folder, "plugins")

    assert done.returncode == 0
    assert "acme  1 hook  acme-relay 1.2 (acme_relay:Plugin)\n    relay_mark\n" in done.stdout


def test_a_blocked_plugin_is_listed_as_such(folder: Path) -> None:
    """What is left out is listed, too, with the reason."""
    done = relay(folder, "plugins", RELAY_PLUGINS_BLOCK='["acme"]')

    assert "acme  blocked  acme-relay 1.2" in done.stdout


def test_the_doctor_is_content(folder: Path) -> None:
    """Where nothing is wrong the doctor says so, with the versions of all who bring a plugin."""
    done = relay(folder, "doctor")

    assert (done.returncode, done.stderr) == (0, "")
    assert "\nacme-relay 1.2\n" in done.stdout
    assert done.stdout.endswith("All is well.\n")


def test_the_doctor_shows_what_broke(folder: Path) -> None:
    """A plugin that cannot be imported comes with its traceback."""
    (folder / "acme_relay.py").write_text("1 / 0\n")

    done = relay(folder, "doctor")

    assert (done.returncode, done.stderr) == (1, "")
    assert "refused  acme" in done.stdout
    assert "ZeroDivisionError: division by zero\n" in done.stdout


def test_the_doctor_names_what_is_wrong(folder: Path) -> None:
    """A wrong setting is said, with the exit status 1; nothing is said twice."""
    (folder / "relay.toml").write_text("[queue]\nmax_evnts = 3\n")

    done = relay(folder, "doctor")

    assert (done.returncode, done.stderr) == (1, "")
    assert "max_evnts" in done.stdout
    assert done.stdout.endswith("There is something to mend, see above.\n")


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
