"""What a trajectory says about its root."""

import pytest

from relay_core import Outcome, ScopeEvent, ScopeType
from relay_core.events import Event
from relay_core.testing import isolated_runtime, recording
from relay_core.trajectory import Cut, Trajectory

RESPONSE = {"usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}}


@pytest.fixture
def run() -> list[Event]:
    """The events of an agent that calls a model twice and a tool that fails."""
    with isolated_runtime() as relay, recording(relay) as recorded:
        scopes = relay.scopes
        agent = scopes.start("weather", ScopeType.Agent)
        for _ in range(2):
            llm = scopes.start("model", ScopeType.Llm, handle=agent)
            scopes.end(llm, category_profile={"annotated_response": RESPONSE})
        tool = scopes.start("lookup", ScopeType.Tool, handle=agent, input={"city": "Paris"})
        scopes.event("Retry", handle=tool)
        scopes.end(tool, outcome=Outcome.ERROR, error=ValueError("no such city"))
        scopes.end(agent)
        return list(recorded.events)


def test_walks_the_tree(run: list[Event]) -> None:
    """A trajectory is walked parents first, and every scope knows its depth and its path."""
    trajectory = Trajectory(run)

    walked = [(node.name, node.depth) for node in trajectory.walk()]

    assert [("weather", 0), ("model", 1), ("model", 1), ("lookup", 1)] == walked
    (tool,) = trajectory.find(category="tool")
    assert ["weather", "lookup"] == [node.name for node in tool.path]
    assert ["Retry"] == [mark.name for mark in tool.marks]


def test_keeps_the_order_of_emission(run: list[Event]) -> None:
    """The events of a trajectory are those of the stream, in the same order."""
    assert tuple(run) == Trajectory(run).events


def test_sums_up(run: list[Event]) -> None:
    """Tokens are summed over all scopes, errors are listed, and the duration is that of the root."""
    trajectory = Trajectory(run)

    assert {"prompt_tokens": 20, "completion_tokens": 4, "total_tokens": 24} == trajectory.usage
    assert ["ValueError: no such city"] == [node.error for node in trajectory.errors]
    assert trajectory.root is not None
    assert run[-1].timestamp_us - run[0].timestamp_us == trajectory.duration_us
    assert trajectory.is_closed


def test_finds_by_name_and_category(run: list[Event]) -> None:
    """Scopes are found by name, by category, or by both."""
    trajectory = Trajectory(run)

    assert 2 == len(trajectory.find(name="model"))
    assert [] == trajectory.find(name="model", category="tool")
    assert 4 == len(trajectory.find())


def test_without_the_root(run: list[Event]) -> None:
    """A follow-up that does not hold the root has no root and no duration, and its topmost scopes all the same."""
    follow_up = Trajectory(run[1:3], part=2)

    assert follow_up.root is None
    assert follow_up.duration_us is None
    assert ["model"] == [node.name for node in follow_up.roots]
    assert not follow_up.is_truncated


def test_open_scopes_show(run: list[Event]) -> None:
    """A trajectory whose root has not ended is not closed."""
    assert not Trajectory(run[:-1], cuts=[Cut.MAX_AGE]).is_closed


def test_says_what_it_is(run: list[Event]) -> None:
    """The representation names the root, the number of events, and what was cut."""
    trajectory = Trajectory(run, cuts=[Cut.MAX_EVENTS])

    assert f"<Trajectory of {trajectory.root_uuid}, part 1, 9 events, cut: max_events>" == repr(trajectory)
    assert isinstance(trajectory.events[0], ScopeEvent)


def test_refuses_to_be_empty() -> None:
    """A trajectory of nothing is an error."""
    with pytest.raises(ValueError, match="at least one event"):
        Trajectory([])
