"""Run trees: what they are equal to, how they are looked up, and what pytest says where they differ."""

from collections.abc import Callable
from unittest.mock import ANY

import pytest

from relay_core import LogSeverity, Outcome, ScopeType, scope
from relay_core.testing import RunTree, expect, explain_comparison


@pytest.fixture
def tree(relay_tree: RunTree) -> RunTree:
    """An agent in whose node a model is called, two tools run side by side and one of them fails."""
    agent = scope.start("weather", ScopeType.Agent, input={"question": "Paris?"}, metadata={"session.id": "s1"})
    node = scope.start("act", handle=agent)
    llm = scope.start("FakeModel", ScopeType.Llm, handle=node, category_profile={"model_name": "fake-1"})
    scope.end(llm)
    profile = {"tool_call_id": "call-1"}
    good = scope.start(
        "lookup", ScopeType.Tool, handle=node, input={"city": "Paris", "days": [1, 2]}, category_profile=profile
    )
    bad = scope.start("locate", ScopeType.Tool, handle=node)
    scope.event("Retry", handle=bad, severity=LogSeverity.Warn)
    scope.end(bad, outcome=Outcome.ERROR, error=ValueError("no map"))
    scope.end(good, output="sunny")
    scope.end(node)
    scope.end(agent, output="sunny")
    return relay_tree


LOOKUP = expect.tool("lookup", input={"city": "Paris", "days": [1, 2]}, output="sunny", tool_call_id="call-1")
LOCATE = expect.tool("locate", error="ValueError: no map", marks=["Retry"])


# --- Equal -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "expected",
    [
        expect.agent("weather", expect.function("act", expect.llm("FakeModel"), LOOKUP, LOCATE)),
        expect.agent("weather", expect.function("act", expect.llm(model="fake-1"), LOOKUP, LOCATE), output="sunny"),
        expect.agent(None, expect.scope(None, ..., LOCATE)),
        expect.scope("weather", ...),
        expect.agent("weather", ..., expect.function("act", ...), ...),
        expect.agent("weather", expect.function("act", ..., LOOKUP, ...)),
        expect.agent("weather", expect.function("act", expect.llm(), expect.any_order(LOCATE, LOOKUP))),
        expect.agent("weather", expect.function("act", expect.any_order(LOCATE, expect.llm(), LOOKUP))),
        expect.agent("weather", ..., input={"question": ANY}, metadata={"session.id": "s1"}),
        [expect.agent("weather", ...)],
        (expect.agent("weather", ...),),
        [..., expect.any_order(expect.agent("weather", ...))],
        [...],
    ],
)
def test_fits(tree: RunTree, expected: object) -> None:
    """A run is equal to what describes it, as exactly or as loosely as the test likes; on either side of `==`."""
    assert expected == tree
    assert tree == expected


@pytest.mark.parametrize(
    "expected",
    [
        expect.agent("weather"),
        expect.agent("other", ...),
        expect.llm("weather", ...),
        expect.agent("weather", ..., expect.tool("lookup")),
        expect.agent("weather", expect.function("act", expect.llm(), LOCATE, LOOKUP)),
        expect.agent("weather", expect.function("act", expect.any_order(LOCATE, LOOKUP))),
        expect.agent("weather", expect.function("act", expect.llm(), expect.any_order(LOCATE, LOCATE))),
        expect.agent("weather", expect.function("act", ..., expect.tool("locate"))),
        expect.agent("weather", ..., outcome="error"),
        expect.agent("weather", ..., metadata={"session.id": "s2"}),
        expect.agent("weather", ..., marks=["Retry"]),
        [],
        [expect.agent("weather", ...), ..., expect.agent("weather", ...)],
        "weather",
        [1],
    ],
)
def test_does_not_fit(tree: RunTree, expected: object) -> None:
    """A run differs where a scope is missing, unexpected, elsewhere, called otherwise or ended otherwise."""
    assert tree != expected


def test_members_of_any_order_are_matched_as_a_whole(relay_tree: RunTree) -> None:
    """A loose member does not take the place that only it leaves to a strict one."""
    with scope.scope("agent", ScopeType.Agent):
        for city in ("Paris", "Rome"):
            with scope.scope("lookup", ScopeType.Tool, input=city):
                pass

    loose = expect.tool("lookup")
    assert relay_tree == expect.agent("agent", expect.any_order(loose, expect.tool("lookup", input="Paris")))
    assert relay_tree == expect.agent("agent", expect.any_order(loose, loose))


def test_an_open_scope_has_not_ended_well(relay_tree: RunTree) -> None:
    """A scope that is open fits only where the test says so."""
    handle = scope.start("work")

    assert relay_tree != expect.function("work")
    assert relay_tree == expect.function("work", outcome="open")
    assert relay_tree == expect.function("work", outcome=ANY)
    scope.end(handle)
    assert relay_tree == expect.function("work")


def test_nothing_was_run(relay_tree: RunTree) -> None:
    """A run of no scopes is equal to an empty list."""
    assert relay_tree == []


# --- Looking up ------------------------------------------------------------------------------------------------------


def test_looks_up(tree: RunTree) -> None:
    """Scopes are found by name and category, and the only one of a name is at hand."""
    assert ["lookup", "locate"] == tree.names("tool")
    assert ["weather", "act", "FakeModel", "lookup", "locate"] == tree.names()
    assert {"city": "Paris", "days": [1, 2]} == tree.one("lookup").input
    assert "FakeModel" == tree.one(category="llm").name
    assert [] == tree.find(name="lookup", category="llm")


@pytest.mark.parametrize(("name", "category", "message"), [("other", None, "no scopes"), (None, "tool", "2 scopes")])
def test_the_only_one(tree: RunTree, name: str | None, category: str | None, message: str) -> None:
    """Where there is none, or more than one, the error shows the run."""
    with pytest.raises(LookupError, match=f"{message} like (.|\n)*weather\n  function act\n"):
        tree.one(name, category=category)


def test_only_some_categories(tree: RunTree) -> None:
    """What the test is not about goes, and what is in it moves up."""
    tree = tree.only("agent", "tool")

    assert tree == expect.agent("weather", LOOKUP, LOCATE)
    assert ["weather", "locate"] == [node.name for node in tree.one("locate").path]


def test_shows_the_run(tree: RunTree) -> None:
    """As text a run is one line for each scope and mark, and a tool shows its arguments."""
    assert [
        "agent weather",
        "  function act",
        "    llm FakeModel",
        '    tool lookup input={"city": "Paris", "days": [1, 2]}',
        '    tool locate outcome="error"',
        "      * Retry",
    ] == str(tree).splitlines()
    assert "<run of 5 scopes>" == repr(tree)


# --- Differences -----------------------------------------------------------------------------------------------------


def explained(tree: RunTree, expected: object) -> list[str]:
    """The lines that pytest shows."""
    lines = explain_comparison(tree, expected)
    assert lines is not None
    assert lines == explain_comparison(expected, tree)
    return lines


def test_says_what_is_wrong_first(tree: RunTree) -> None:
    """The first lines name each difference with its path, down to the key in an argument."""
    expected = expect.agent(
        "weather",
        expect.function(
            "act", expect.llm(), expect.tool("lookup", input={"city": "Rome", "days": [1, 3], "unit": "C"}), LOCATE
        ),
        output="rainy",
    )

    assert [
        "the run is not as expected",
        'agent weather: output is "sunny", expected "rainy"',
        'agent weather > function act > tool lookup: input.city is "Paris", expected "Rome"',
        "agent weather > function act > tool lookup: input.days[1] is 2, expected 3",
        'agent weather > function act > tool lookup: input.unit is missing, expected "C"',
    ] == explained(tree, expected)[:5]


def test_shows_both_sides(tree: RunTree) -> None:
    """Then comes the tree: missing scopes with `-`, unexpected ones with `+`, what fits as it is."""
    expected = expect.agent(
        "weather", expect.function("act", expect.retriever("store"), expect.llm(), expect.tool("lookup"), ...)
    )

    lines = explained(tree, expected)

    assert "agent weather > function act > retriever store: missing" == lines[1]
    assert [
        "- expected, + recorded:",
        "  agent weather",
        "    function act",
        "-     retriever store",
        "      llm FakeModel",
        "      tool lookup",
        "      ... (1)",
    ] == lines[3:]


def test_shows_the_unexpected_with_all_that_is_in_it(tree: RunTree) -> None:
    """A scope that nobody expected is shown with what is in it."""
    lines = explained(tree, [])

    assert "agent weather: nobody expected it" == lines[1]
    assert ["+ agent weather", "+   function act"] == lines[4:6]


def test_shows_the_missing_with_all_that_is_in_it(relay_tree: RunTree) -> None:
    """A scope that is missing is shown with what was expected in it."""
    expected = expect.agent("weather", expect.any_order(expect.tool("a"), expect.tool(ANY)), ..., outcome="error")

    assert [
        '- agent weather outcome="error"',
        "-   in any order:",
        "-     tool a",
        "-     tool <ANY>",
        "-   ...",
    ] == explained(relay_tree, expected)[4:]


def test_another_name_shows_as_such(tree: RunTree) -> None:
    """A scope of another name in the same place is one difference, not two."""
    lines = explained(
        tree, expect.agent("weather", expect.function("act", expect.llm(), expect.tool("search"), LOCATE))
    )

    assert 'agent weather > function act > tool lookup: name is "lookup", expected "search"' == lines[1]
    assert ("", "-     tool search", "+     tool lookup") == (lines[2], lines[7], lines[8])


def test_differences_in_any_order(tree: RunTree) -> None:
    """Of scopes in any order, those that fit are paired, and the others with what comes closest."""
    expected = expect.agent(
        "weather",
        expect.function("act", expect.llm(), expect.any_order(LOCATE, expect.tool("lookup", output="rainy"))),
    )

    lines = explained(tree, expected)

    assert 'agent weather > function act > tool lookup: output is "sunny", expected "rainy"' == lines[1]
    assert "" == lines[2]


def test_long_values_are_cut(relay_tree: RunTree) -> None:
    """A long value does not bury the difference."""
    with scope.scope("work", input="x" * 5_000):
        pass

    assert all(len(line) < 700 for line in explained(relay_tree, expect.function("work", input="y" * 5_000)))


def test_other_comparisons_are_left_alone(tree: RunTree) -> None:
    """Where no run is compared with an expectation there is nothing to explain."""
    assert explain_comparison(tree, "weather") is None
    assert explain_comparison([expect.tool("a")], [expect.tool("b")]) is None
    assert explain_comparison(1, 2) is None


def test_a_wide_run(relay_tree: RunTree, assert_no_open_scopes: Callable[[], None]) -> None:
    """A run of many scopes is compared without delay."""
    with scope.scope("agent", ScopeType.Agent):
        for number in range(300):
            with scope.scope(f"tool {number}", ScopeType.Tool):
                pass
    tools = [expect.tool(f"tool {number}") for number in range(300)]

    assert relay_tree == expect.agent("agent", *tools)
    assert relay_tree == expect.agent("agent", ..., tools[150], ...)
    assert relay_tree != expect.agent("agent", *tools[:-1])
