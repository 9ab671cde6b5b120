"""The console sink: a line for each event."""

import io
import re
from collections.abc import Callable

import pytest

from relay_core import Outcome, Relay, ScopeType
from relay_core.console import OPEN_SCOPES, ConsoleSink
from relay_core.testing import deterministic, settle

MakeRuntime = Callable[..., Relay]


def printed(make: MakeRuntime, act: Callable[[Relay], None], **options: bool) -> list[str]:
    """The lines of what `act` emits."""
    stream = io.StringIO()
    relay = make({"console": ConsoleSink(stream, **options)})
    with deterministic(relay) as clock:
        relay.scopes.event("begin")
        clock.advance(0.0015)
        act(relay)
        settle(relay)
    return stream.getvalue().splitlines()[1:]


def run(relay: Relay) -> None:
    """An agent with a tool that fails after a retry."""
    agent = relay.scopes.start("weather", ScopeType.Agent, input={"question": "Paris?"})
    tool = relay.scopes.start("lookup", ScopeType.Tool, handle=agent, input={"city": "Paris"})
    relay.scopes.event("Retry", handle=tool, data={"attempt": 2})
    relay.scopes.end(tool, outcome=Outcome.ERROR, error=ValueError("no map"))
    relay.scopes.end(agent, output="x" * 500)


def test_a_line_for_each_event(relay_runtime: MakeRuntime) -> None:
    """Lines are indented like the tree, and an end says how it ended and how long it took."""
    assert [
        "00:00:00.001500 > agent weather",
        "00:00:00.001500   > tool lookup",
        "00:00:00.001500     * Retry",
        "00:00:00.001501   < tool lookup: error ValueError: no map, 0.0 ms",
        "00:00:00.001501 < agent weather: ok, 0.0 ms",
    ] == printed(relay_runtime, run)


def test_payloads(relay_runtime: MakeRuntime) -> None:
    """Inputs, outputs and data are shown where that is wanted, cut where they are long."""
    lines = printed(relay_runtime, run, payloads=True)

    assert lines[0].endswith('> agent weather {"question":"Paris?"}')
    assert lines[2].endswith('* Retry {"attempt":2}')
    assert re.search(r'ms "x{199}\.\.\.$', lines[4])


def test_an_end_without_its_start(relay_runtime: MakeRuntime) -> None:
    """A sink that comes late prints ends without a duration."""

    def act(relay: Relay) -> None:
        handles = [relay.scopes.start(str(number)) for number in range(OPEN_SCOPES + 1)]
        relay.scopes.end(handles[0])

    assert printed(relay_runtime, act)[-1].endswith("< function 0: ok")


def test_standard_error(relay_runtime: MakeRuntime, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a stream the lines go to standard error, whatever that is at the time."""
    relay = relay_runtime({"console": ConsoleSink()})

    relay.scopes.event("mark")
    settle(relay)

    assert capsys.readouterr().err.endswith(" * mark\n")
