"""The examples run, stay small, and show what they promise."""

import subprocess
import sys
from pathlib import Path

import pytest

from relay_core.jsonl import read, validate
from relay_core.tree import Node, Tree, build_tree, linked
from relay_core.vocabulary import Outcome

EXAMPLES = Path(__file__).parents[1] / "examples"
PROGRAMS = [path for path in sorted(EXAMPLES.glob("*.py")) if "__main__" in path.read_text()]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_an_example_is_short_enough_to_read(program: Path) -> None:
    """An example fits on a page."""
    assert len(program.read_text().splitlines()) < 60


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the file that the quickstart has written."""
    folder = tmp_path_factory.mktemp("quickstart")
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "quickstart.py"), "demo.jsonl"],
        cwd=folder,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return folder / "demo.jsonl"


@pytest.fixture
def tree(quickstart: Path) -> Tree:
    """Give the quickstart's tree."""
    return build_tree(read(quickstart))


def named(tree: Tree, name: str) -> list[Node]:
    """Return the scopes of that name in the order of the tree."""
    return [node for node in tree.walk() if node.name == name]


def test_the_quickstarts_file_is_valid(quickstart: Path) -> None:
    """Not even a warning."""
    assert validate(quickstart) == []


def test_the_quickstart_is_one_story(tree: Tree) -> None:
    """The interrupted run and its continuation are joined by their link."""
    [[first, second]] = linked(tree.roots)

    assert (first.name, first.outcome, first.category) == ("travel-agent", Outcome.INTERRUPTED, "agent")
    assert (second.name, second.outcome) == ("travel-agent", Outcome.OK)


def test_the_quickstarts_models_and_tools(tree: Tree) -> None:
    """Model calls have their tokens, tools their call ids, and both are inside of their nodes."""
    models = [node for node in tree.walk() if node.category == "llm"]
    tools = [node for node in tree.walk() if node.category == "tool"]

    assert [model.usage["prompt_tokens"] for model in models] == [120, 120, 120]
    assert {tool.tool_call_id for tool in tools} == {
        "call_weather_Lisbon",
        "call_weather_Oslo",
        "call_book_flight_Lisbon",
    }
    assert {node.parent.name for node in models if node.parent} == {"model"}
    assert {node.parent.name for node in tools if node.parent} == {"tools"}


def test_the_quickstarts_failure_and_interrupt(tree: Tree) -> None:
    """The tool that failed is an error, the one that waits for a human is none."""
    outcomes = [node.outcome for node in named(tree, "weather")]

    assert sorted(map(str, outcomes)) == ["error", "ok", "ok"]
    assert [node.outcome for node in named(tree, "book_flight")] == [Outcome.INTERRUPTED, Outcome.OK]
    assert [node.error for node in tree.walk() if node.error] == ["ConnectionError: the weather service did not answer"]


def test_the_quickstarts_marks(tree: Tree) -> None:
    """The mark of user code is on the tool call that it was emitted in."""
    for tool in named(tree, "weather"):
        assert [(mark.name, mark.data) for mark in tool.marks] == [("cache-miss", tool.input)]


def test_the_quickstarts_branches(tree: Tree) -> None:
    """The two calls that the model asked for at once are two branches of one step."""
    first, second = named(tree, "tools")[:2]

    assert first.metadata["langgraph.step"] == second.metadata["langgraph.step"]
    assert {first.metadata["langgraph.branch"], second.metadata["langgraph.branch"]} == {0, 1}
