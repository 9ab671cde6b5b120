"""The pytest plugin, in test runs of its own."""

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

AGENT = """
    import pytest
    from relay_core import ScopeType, scope
    from relay_core.testing import expect

    def agent(city="Paris"):
        with scope.scope("weather", ScopeType.Agent), scope.scope("lookup", ScopeType.Tool, input={"city": city}):
            pass
"""


def inner(pytester: pytest.Pytester, tests: str, *options: str) -> pytest.RunResult:
    """Run these tests where Relay reads no settings and loads no plugins."""
    pytester.makefile(".toml", relay="disable_autoload = true")
    pytester.makepyfile(AGENT + tests)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:langsmith_plugin", *options)


def test_what_passes(pytester: pytest.Pytester) -> None:
    """Each test gets the tree and the events of what it runs itself, coroutines too, by a clock that it moves."""
    result = inner(
        pytester,
        """
    @pytest.mark.parametrize("city", ["Paris", "Rome"])
    def test_tree(relay_tree, relay_events, assert_no_open_scopes, city):
        agent(city)
        assert relay_tree == expect.agent("weather", expect.tool("lookup", input={"city": city}))
        assert [event.name for event in relay_events] == ["weather", "lookup", "lookup", "weather"]

    def test_clock(relay_clock, relay_events):
        with scope.scope("work"):
            relay_clock.advance(2)
        assert [event.timestamp[17:19] for event in relay_events] == ["00", "02"]
        assert relay_events[0].uuid.endswith("-000000000001")

    @pytest.mark.anyio
    @pytest.mark.parametrize("anyio_backend", ["asyncio"])
    async def test_coroutine(relay_tree):
        agent()
        assert relay_tree.names("tool") == ["lookup"]
    """,
    )

    result.assert_outcomes(passed=4)


def test_what_fails(pytester: pytest.Pytester) -> None:
    """A test fails where its run differs, where a scope stays open, and where a plugin raises; it says what."""
    result = inner(
        pytester,
        """
    from relay_core import hookimpl

    def test_differs(relay_tree):
        agent("Rome")
        assert relay_tree == expect.agent("weather", expect.tool("lookup", input={"city": "Paris"}))

    def test_leak(assert_no_open_scopes):
        scope.push("leak")

    def test_after_the_leak(relay_tree, assert_no_open_scopes):
        agent()
        assert relay_tree.only("agent") == expect.agent("weather")
        assert_no_open_scopes()

    class Plugin:
        @hookimpl
        def relay_mark(self, event):
            raise ValueError(event.name)

    def test_plugin_raises(relay_runtime):
        relay_runtime({"broken": Plugin()}).scopes.event("mark")

    def test_plugin_may_raise(relay_runtime):
        relay_runtime({"broken": Plugin()}, allow_failures=True).scopes.event("mark")
    """,
        "-vv",
    )

    result.assert_outcomes(passed=4, failed=1, errors=2)
    for lines in (
        [
            "E * the run is not as expected",
            'E * agent weather > tool lookup: input.city is "Rome", expected "Paris"',
            "E * - expected, + recorded:",
            "E *   agent weather",
            'E * -   tool lookup input={"city": "Paris"}',
            'E * +   tool lookup input={"city": "Rome"}',
        ],
        ["E * AssertionError: 1 scope has not ended:", "E *   function leak"],
        ["E *plugins or subscribers raised*{'broken': 1}"],
    ):
        result.stdout.fnmatch_lines(lines)


def test_several_workers(pytester: pytest.Pytester) -> None:
    """Tests that run side by side in several processes do not see each other's runs."""
    result = inner(
        pytester,
        """
    @pytest.mark.parametrize("number", range(8))
    def test_tree(relay_tree, number):
        agent(str(number))
        assert relay_tree == expect.agent("weather", expect.tool("lookup", input={"city": str(number)}))
    """,
        "-n",
        "2",
    )

    result.assert_outcomes(passed=8)


def test_relay_is_imported_late() -> None:
    """The start of pytest does not import Relay: only a test that wants it pays for it."""
    program = "import pytest_relay, sys; print([it for it in sys.modules if it in ('relay_core', 'pydantic')])"

    imported = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert "[]" == imported.stdout.strip()
