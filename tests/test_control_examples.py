"""The examples and the page about the control side do what they say."""

import json
import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str, folder: Path, *arguments: str) -> list[str]:
    """Run an example in a folder of its own, and return the lines that it prints."""
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=60)
    assert (0, "") == (done.returncode, done.stderr.decode())
    return done.stdout.decode().splitlines()


def test_budget(tmp_path: Path) -> None:
    """Only the request whose budget is used up is stopped."""
    assert [
        "modest: done with 60 tokens",
        "greedy: stopped after 40 tokens, the budget of this request is used up",
    ] == run("budget_guardrail.py", tmp_path)


def test_redaction(tmp_path: Path) -> None:
    """The application works with the card number; the file has every event and no card number."""
    told, *lines = run("pii_redaction.py", tmp_path, "out.jsonl")
    events = [json.loads(line) for line in lines]

    assert "the application has: charged 4111-1111-1111-1111" == told
    assert ["payment", "provider", "provider", "charge", "charge", "charged", "payment"] == [
        it["name"] for it in events
    ]
    assert "4111" not in (tmp_path / "out.jsonl").read_text()
    assert {"card": "[card]"} == events[3]["data"]


def test_fallback(tmp_path: Path) -> None:
    """The outage costs retries, and no answer."""
    assert ["small-and-steady says hello", "large says hello"] == run("fallback_model.py", tmp_path)


def test_tenant_policy(tmp_path: Path) -> None:
    """The same agent refuses for one tenant what it does for the other, at the same time."""
    assert {
        "basic: 21 degrees in Lisbon",
        "basic: The call of the tool 'book_flight' was refused: not part of the basic plan",
        "premium: 21 degrees in Lisbon",
        "premium: booked to Lisbon",
    } == set(run("tenant_policy.py", tmp_path))


def test_page(tmp_path: Path) -> None:
    """The blocks of `docs/control.md`, one after the other, are a program that runs, and its links lead somewhere."""
    page = EXAMPLES.parent / "docs" / "control.md"
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "page.py").write_text("\n\n".join(blocks))

    assert [] == run(str(tmp_path / "page.py"), tmp_path)
    assert [] == [link for link in re.findall(r"\]\((.*?)\)", page.read_text()) if not (page.parent / link).exists()]
