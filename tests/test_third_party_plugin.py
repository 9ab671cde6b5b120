"""A stranger's plugin package: built as a wheel, installed into a fresh environment, found without code in the app."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "third_party_plugin"

APP = """
from relay_core import ScopeType, scope

with scope.scope("support", ScopeType.Agent, input={"email": "ada@example.org", "text": "Hello"}):
    model = scope.start("model", ScopeType.Llm)
    scope.end(model, category_profile={"annotated_response": {"usage": {"total_tokens": 70}}})
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with the wheel in it, and with the dependencies of this one."""
    folder = tmp_path_factory.mktemp("third_party_plugin")
    source = shutil.copytree(EXAMPLE, folder / "source")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source)
    run(sys.executable, "-m", "venv", folder / "env")
    interpreter = folder / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    paths = json.loads(run(interpreter, "-c", "import json, sysconfig; print(json.dumps(sysconfig.get_paths()))"))
    # What the plugin depends on is here already, and the test may not ask a registry for it.
    here = sysconfig.get_paths()["purelib"]
    (Path(paths["purelib"]) / "dependencies.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    (wheel,) = folder.glob("*.whl")
    run(interpreter, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps", "--no-index", wheel)
    return interpreter


def run(*command: str | Path, cwd: Path | None = None, **variables: str) -> str:
    """Run a command without settings for Relay but these, and return what it prints on both streams."""
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith("RELAY_")}
    done = subprocess.run(  # noqa: PLW1510 - the assertion shows what it has printed
        command, cwd=cwd, env={**environment, **variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_works_without_code_in_the_app(python: Path, tmp_path: Path) -> None:
    """The plugin is there without a word in the app, with its settings: it warns, and hides a field."""
    (tmp_path / "app.py").write_text(APP)

    printed = run(
        python,
        "app.py",
        cwd=tmp_path,
        RELAY_PLUGINS__BUDGET__LIMIT="50",
        RELAY_JSONL__PATH="run.jsonl",
    )

    assert "support took 70 tokens, 50 were allowed" in printed
    events = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    assert ["support", "model", "model", "support"] == [event["name"] for event in events]
    assert {"email": "[hidden]", "text": "Hello"} == events[0]["data"]


def test_the_report_names_it(python: Path, tmp_path: Path) -> None:
    """`relay plugins` shows where the plugin comes from."""
    printed = run(python, "-c", "import relay_core.plugins as it; print(it.discover())", cwd=tmp_path)

    assert "budget" in printed
    assert "acme-relay-budget 1.0.0 (acme_relay_budget:Budget)" in printed


def test_misspelt_settings_refuse_it_by_name(python: Path, tmp_path: Path) -> None:
    """Where its settings are wrong the plugin is left out, by name and with the mend, and the application works."""
    (tmp_path / "app.py").write_text(APP)

    printed = run(python, "app.py", cwd=tmp_path, RELAY_PLUGINS__BUDGET__LIMITS="50", RELAY_JSONL__PATH="run.jsonl")

    assert "did you mean 'limit'" in printed
    assert 4 == len((tmp_path / "run.jsonl").read_text().splitlines())


def test_its_own_tests(python: Path, tmp_path: Path) -> None:
    """The tests of the package pass, with the testing kit and nothing else."""
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")

    printed = run(python, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:langsmith_plugin", "-q", cwd=tmp_path)

    assert "4 passed" in printed
