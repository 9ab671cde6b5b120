"""Every code block of the README does what the README says."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from relay_core.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
RELAY = "import sys; from relay_core.cli import main; sys.exit(main())"
TIMING = re.compile(r" · (parallel branch \d|[\d.]+ (us|ms|s)$)")


def run(*arguments: str, folder: Path) -> str:
    """Run Python in `folder`; returns what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(folder), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def run_python(code: str, folder: Path) -> None:
    """A Python block is a whole program."""
    (folder / "program.py").write_text(code)
    run("-W", "error::SyntaxWarning", "program.py", folder=folder)
    if "class FailedTools" in code:
        (folder / "acme_relay.py").write_text(code)


def run_shell(commands: str, folder: Path) -> None:
    """A command names a target of the Makefile, a distribution of ours, or runs `relay` on what came before."""
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    ours = [path.name for path in (ROOT / "packages").iterdir()]
    for line in commands.splitlines():
        match line.split():
            case ["make", target]:
                assert target in targets
            case ["pip", "install", name]:
                assert name in ours
            case ["relay", command, file]:
                assert main([command, str(folder / file)]) == 0
            case _:
                pytest.fail(f"what does this do: {line}")


def run_toml(text: str, folder: Path) -> None:
    """The entry point makes the class of the block before a plugin that is found."""
    [(group, entries)] = tomllib.loads(text)["project"]["entry-points"].items()
    info = folder / "acme_relay-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-relay\nVersion: 1.0\n")
    lines = [f"{name} = {target}" for name, target in entries.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]))

    assert "failed-tools  1 hook" in run("-c", RELAY, "plugins", folder=folder)


def said(tree: str) -> list[str]:
    """What a picture says, whatever the machine's pace: parallel branches may start in any order."""
    return sorted(TIMING.sub("", line).lstrip("│├└─ ") for line in tree.splitlines())


def compare_text(text: str, folder: Path) -> None:
    """The tree is the one that the quickstart prints, but for the times."""
    shown = run(str(ROOT / "examples" / "quickstart.py"), folder=folder)
    tree, _, _ = shown.rpartition("\n\n")

    assert said(text.rstrip()) == said(tree)
    assert main(["validate", "--strict", str(folder / "quickstart.jsonl")]) == 0


RUNNERS: dict[str, Callable[[str, Path], None]] = {
    "python": run_python,
    "sh": run_shell,
    "toml": run_toml,
    "text": compare_text,
}


def test_every_block_does_what_it_says(tmp_path: Path) -> None:
    """Programs run, commands exist or run, the plugin is found, and the tree is what the quickstart prints."""
    assert [language for language, _ in BLOCKS if language not in RUNNERS] == []

    for language, body in BLOCKS:
        RUNNERS[language](body, tmp_path)


def test_links_lead_somewhere() -> None:
    """Every relative link of the README names a file or folder of the repository."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)

    assert [link for link in links if not (ROOT / link).exists()] == []
