"""What users write with the testing kit, for the type checkers; never run."""

from collections.abc import Callable
from typing import Any

from relay_core import PluginContext, Relay, ScopeEvent, ScopeType, Trajectory, hookimpl, scope
from relay_core.testing import FixedClock, RecordedEvents, RunTree, deterministic, expect, isolated_runtime, recording
from relay_core.trajectory import Cut


def use(*values: object) -> None:
    """Take what a reader of this file wants to see the type of."""


class Plugin:
    """A plugin with typed hooks."""

    @hookimpl
    def relay_configure(self, context: PluginContext) -> None:
        """Use the context."""
        context.subscribers.register("name", lambda event: use(event.name))

    @hookimpl
    def relay_trajectory(self, trajectory: Trajectory) -> None:
        """Walk a run."""
        for node in trajectory.walk():
            path: list[str] = [it.name for it in node.path]
            use(path, node.depth, node.duration_us, node.total_usage.get("total_tokens", 0))
        if Cut.MAX_EVENTS in trajectory.cuts:
            use(trajectory.left_out, trajectory.part)


def test_tree(
    relay_tree: RunTree,
    relay_events: RecordedEvents,
    relay_clock: FixedClock,
    assert_no_open_scopes: Callable[[], None],
) -> None:
    """A test with the fixtures."""
    assert relay_tree.only("agent", "tool") == expect.agent(
        "weather",
        ...,
        expect.any_order(expect.tool("lookup", input={"city": "Paris"}), expect.tool(None)),
        outcome="ok",
    )
    assert [expect.agent("weather", ...)] == relay_tree
    names: list[str] = relay_tree.names("tool")
    argument: Any = relay_tree.one("lookup").input["city"]
    relay_clock.advance(1.5)
    event = relay_events[0]
    use(names, argument, event.outcome if isinstance(event, ScopeEvent) else event.severity)
    assert_no_open_scopes()


def test_plugin(relay_runtime: Callable[..., Relay]) -> None:
    """A test of a plugin."""
    relay = relay_runtime({"acme": Plugin()}, plugins={"acme": {"limit": 1}})
    relay.scopes.event("mark")


def by_hand() -> None:
    """What the fixtures are made of."""
    with isolated_runtime({"acme": Plugin()}, allow_failures=True) as relay, recording(relay) as recorded:
        relay.scopes.event("mark")
        recorded.assert_no_open_scopes()
    with deterministic() as clock, scope.scope("work", ScopeType.Agent):
        clock.advance(1)
