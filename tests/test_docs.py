"""The pages about plugins and testing: their code runs, or is that of the example."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from relay_core.trajectory import Cut

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "third_party_plugin"


def blocks(page: str) -> list[str]:
    """The Python code of a page, block by block."""
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)


def quoted(code: str) -> bool:
    """Whether the code is in a file of the example."""
    return any(code in file.read_text() for file in EXAMPLE.rglob("*.py"))


def test_the_tutorial_runs(tmp_path: Path) -> None:
    """What the tutorial does not quote from the example can be typed in, from top to bottom."""
    program = "\n".join(code for code in blocks("plugins/writing.md") if not quoted(code))

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=50
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert ["lookup ok", "lookup ok", "debug: lookup", "debug: lookup", "debug: support"] == sorted(
        done.stdout.splitlines(), key=lambda line: line.startswith("debug")
    )


def test_the_tutorial_quotes_the_example() -> None:
    """The tutorial shows the settings, each hook and a test of the example, word for word."""
    shown = [code for code in blocks("plugins/writing.md") if quoted(code)]

    assert 5 == len(shown)


def test_the_tutorial_knows_every_limit() -> None:
    """Every reason why a trajectory is cut is explained."""
    page = (ROOT / "docs" / "plugins" / "writing.md").read_text()

    assert [] == [cut for cut in Cut if f"| `{cut}` |" not in page]


def test_the_tests_pass(pytester: pytest.Pytester) -> None:
    """The page about testing is a test module that passes."""
    code = blocks("testing.md")
    pytester.makepyfile("\n\n".join([*code, "@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"]))
    pytester.makefile(".toml", relay="disable_autoload = true")

    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:langsmith_plugin")

    result.assert_outcomes(passed=sum(block.count("def test_") for block in code))
