"""How roots become trajectories: when they close, where the limits cut, and who is told."""

import multiprocessing
import threading
from collections.abc import Callable
from typing import Any

import pytest

from relay_core import MarkEvent, Relay, ScopeEvent, ScopeType, hookimpl
from relay_core.propagation import Propagation
from relay_core.testing import settle
from relay_core.trajectory import Cut, Trajectory

MakeRuntime = Callable[..., Relay]
Told = list[tuple[int, list[str], tuple[str, ...]]]


class Collector:
    """Keeps the trajectories it gets."""

    def __init__(self) -> None:
        self.trajectories: list[Trajectory] = []

    @hookimpl
    def relay_trajectory(self, trajectory: Trajectory) -> None:
        self.trajectories.append(trajectory)

    @property
    def told(self) -> Told:
        """Part, events as `+start`, `-end` or `*mark`, and cuts of each trajectory."""
        return [(it.part, [sign(event) + event.name for event in it.events], it.cuts) for it in self.trajectories]


def sign(event: ScopeEvent | MarkEvent) -> str:
    """`+` for a start, `-` for an end, `*` for a mark."""
    if isinstance(event, MarkEvent):
        return "*"
    return "+" if event.scope_category == "start" else "-"


@pytest.fixture
def collector() -> Collector:
    """The plugin that gets the trajectories."""
    return Collector()


@pytest.fixture
def make(relay_runtime: MakeRuntime, collector: Collector) -> MakeRuntime:
    """Makes a runtime with the collector, given the limits."""
    return lambda **limits: relay_runtime({"collector": collector}, trajectory=limits)


# --- When a root closes ----------------------------------------------------------------------------------------------


def test_a_root_that_closes(make: MakeRuntime, collector: Collector) -> None:
    """A trajectory comes once, complete and in order, when its root has closed."""
    relay = make()

    with relay.scopes.scope("agent", ScopeType.Agent), relay.scopes.scope("tool", ScopeType.Tool):
        relay.scopes.event("mark")
        settle(relay)
        assert [] == collector.told
    settle(relay)

    assert [(1, ["+agent", "+tool", "*mark", "-tool", "-agent"], ())] == collector.told


def test_a_child_that_ends_after_its_root(make: MakeRuntime, collector: Collector) -> None:
    """A root closes when everything in it has ended, too."""
    relay = make()
    root = relay.scopes.start("root")
    child = relay.scopes.start("child", handle=root)

    relay.scopes.end(root)
    settle(relay)
    assert [] == collector.told
    relay.scopes.end(child)
    settle(relay)

    assert [(1, ["+root", "+child", "-root", "-child"], ())] == collector.told


def test_roots_side_by_side(make: MakeRuntime, collector: Collector) -> None:
    """Roots that run at the same time are told apart, and come in the order in which they close."""
    relay = make()
    one, two = relay.scopes.start("one"), relay.scopes.start("two")
    relay.scopes.end(relay.scopes.start("in two", handle=two))
    relay.scopes.end(relay.scopes.start("in one", handle=one))

    relay.scopes.end(two)
    relay.scopes.end(one)
    settle(relay)

    names = [events for _, events, _ in collector.told]
    assert [["+two", "+in two", "-in two", "-two"], ["+one", "+in one", "-in one", "-one"]] == names


def test_late_events_are_a_follow_up(make: MakeRuntime, collector: Collector) -> None:
    """What happens in a root that has closed comes as its second part."""
    relay = make()
    root = relay.scopes.start("root")
    relay.scopes.end(root)

    relay.scopes.event("late", handle=root)
    settle(relay)

    assert [(1, ["+root", "-root"], ()), (2, ["*late"], ())] == collector.told


def test_marks_outside_of_any_scope(make: MakeRuntime, collector: Collector) -> None:
    """A mark that belongs to no root is in no trajectory."""
    relay = make()

    relay.scopes.event("alone")
    settle(relay)

    assert [] == collector.told


def test_a_root_of_another_process(make: MakeRuntime, collector: Collector) -> None:
    """Under a root that another process will end, each piece of work is a trajectory when it is over."""
    relay = make()
    remote = relay.scopes.remote("01980000-0000-7000-8000-000000000002", "01980000-0000-7000-8000-000000000001")

    with Propagation(relay.scopes).attach(remote):
        for name in ("first", "second"):
            with relay.scopes.scope(name), relay.scopes.scope("inner"):
                pass
    settle(relay)

    first, second = ["+first", "+inner", "-inner", "-first"], ["+second", "+inner", "-inner", "-second"]
    assert [(1, first, ()), (2, second, ())] == collector.told
    assert collector.trajectories[0].root is None
    assert ["first"] == [node.name for node in collector.trajectories[0].roots]


def test_a_plugin_that_comes_late(relay_runtime: MakeRuntime, collector: Collector) -> None:
    """A root that had begun before says so, and is waited for all the same."""
    relay = relay_runtime()
    root = relay.scopes.start("root")
    relay.registry.register(collector, "collector")

    relay.scopes.end(relay.scopes.start("child", handle=root))
    settle(relay)
    assert [] == collector.told
    relay.scopes.end(root)
    settle(relay)

    assert [(1, ["+child", "-child", "-root"], (Cut.BEGINNING,))] == collector.told


def test_an_id_that_comes_again(make: MakeRuntime, collector: Collector, relay_clock: object) -> None:
    """A root that starts anew under an id that was used before, as in tests with ids that count, is no follow-up."""
    relay = make()
    for _ in range(2):
        relay.scopes.new_uuid = lambda: "00000000-0000-7000-8000-000000000001"
        relay.scopes.end(relay.scopes.start("root"))
    settle(relay)

    assert [(1, ["+root", "-root"], ())] * 2 == collector.told


# --- Limits ----------------------------------------------------------------------------------------------------------


def test_max_events(make: MakeRuntime, collector: Collector) -> None:
    """Beyond the number of events only the ends of what is in already are kept, and the rest is counted."""
    relay = make(max_events=3)

    with relay.scopes.scope("root"), relay.scopes.scope("in"):
        relay.scopes.event("in")
        for _ in range(5):
            with relay.scopes.scope("out"):
                relay.scopes.event("out")
    settle(relay)

    assert [(1, ["+root", "+in", "*in", "-in", "-root"], (Cut.MAX_EVENTS,))] == collector.told
    (trajectory,) = collector.trajectories
    assert (15, True, True) == (trajectory.left_out, trajectory.is_closed, trajectory.is_truncated)


def test_max_bytes(make: MakeRuntime, collector: Collector) -> None:
    """Beyond the bytes an end still says how it ended and what it took, but no longer what came out."""
    relay = make(max_bytes=5_000)
    response = {"message": "y" * 5_000, "usage": {"prompt_tokens": 7, "total_tokens": 7}}

    with relay.scopes.scope("root") as root:
        llm = relay.scopes.start("model", ScopeType.Llm, handle=root, category_profile={"model_name": "large"})
        profile = {"annotated_response": response}
        relay.scopes.end(llm, output="z" * 5_000, category_profile=profile, metadata={"note": "n" * 500})
    settle(relay)

    (trajectory,) = collector.trajectories
    assert ((Cut.MAX_BYTES,), 0) == (trajectory.cuts, trajectory.left_out)
    (model,) = trajectory.find(name="model")
    assert {"prompt_tokens": 7, "total_tokens": 7} == model.usage
    assert ("ok", "large", ["$truncated"]) == (model.outcome, model.model_name, list(model.output))
    assert trajectory.events[2].payload_bytes < 300


def test_the_first_event_always_fits(make: MakeRuntime, collector: Collector) -> None:
    """A root whose first payload alone is too large is there all the same."""
    relay = make(max_bytes=10)

    with relay.scopes.scope("root", input="x" * 100):
        pass
    settle(relay)

    assert [(1, ["+root", "-root"], (Cut.MAX_BYTES,))] == collector.told


def test_max_total_bytes(make: MakeRuntime, collector: Collector) -> None:
    """Where all roots together are too large, the oldest is handed over as it is, and goes on as a follow-up."""
    relay = make(max_total_bytes=10_000)
    old, young = relay.scopes.start("old", input="x" * 6_000), relay.scopes.start("young", input="x" * 6_000)

    relay.scopes.end(young)
    relay.scopes.end(old)
    settle(relay)

    parts = [(1, ["+old"], (Cut.MAX_TOTAL_BYTES,)), (1, ["+young", "-young"], ()), (2, ["-old"], ())]
    assert parts == collector.told


def test_max_age(make: MakeRuntime, collector: Collector) -> None:
    """A root that does not close in time is handed over as it is; when it closes, what followed comes."""
    relay = make(max_age=60)
    seconds = 0.0
    relay.trajectories.clock = lambda: seconds
    root = relay.scopes.start("root")
    settle(relay)
    seconds = 61.0

    relay.scopes.event("elsewhere")
    settle(relay)
    assert [(1, ["+root"], (Cut.MAX_AGE,))] == collector.told
    assert not collector.trajectories[0].is_closed
    relay.scopes.end(root)
    settle(relay)

    assert (2, ["-root"], ()) == collector.told[1]


def test_lost_events_show(make: MakeRuntime, collector: Collector) -> None:
    """A trajectory that was being gathered while the queue was full says that events may be missing."""
    relay = make()
    root = relay.scopes.start("root")

    relay.scopes.event("relay.events_dropped", handle=relay.root)
    relay.scopes.end(root)
    settle(relay)

    assert [(1, ["+root", "-root"], (Cut.DROPPED,))] == collector.told


def test_the_end_of_the_process(make: MakeRuntime, collector: Collector) -> None:
    """What has not closed when the process ends is handed over, before plugins shut down."""
    relay = make()
    relay.scopes.start("root")

    relay.shutdown(5.0)

    assert [(1, ["+root"], (Cut.EXIT,))] == collector.told


# --- Who is told -----------------------------------------------------------------------------------------------------


def test_each_plugin_has_a_tree_of_its_own(relay_runtime: MakeRuntime, collector: Collector) -> None:
    """What one plugin does to its trajectory does not reach the next one's."""

    class Vandal:
        @hookimpl
        def relay_trajectory(self, trajectory: Trajectory) -> None:
            trajectory.roots.clear()

    relay = relay_runtime({"vandal": Vandal(), "collector": collector})

    with relay.scopes.scope("root"):
        pass
    settle(relay)

    assert ["root"] == [node.name for node in collector.trajectories[0].roots]


def test_a_plugin_that_raises(relay_runtime: MakeRuntime, collector: Collector) -> None:
    """A plugin that raises, even SystemExit, is counted under its name, and the others still get the trajectory."""

    class Broken:
        @hookimpl
        def relay_trajectory(self) -> None:
            raise SystemExit("no")

    relay = relay_runtime({"broken": Broken(), "collector": collector}, allow_failures=True)

    with relay.scopes.scope("root"):
        pass
    settle(relay)

    assert 1 == len(collector.trajectories)
    assert {"broken": 1} == relay.statistics().failed


def test_nothing_is_current(relay_runtime: MakeRuntime) -> None:
    """While a plugin looks at a trajectory no scope is current: what it emits is no part of the root that is over."""
    found: list[object] = []

    class Curious:
        @hookimpl
        def relay_trajectory(self) -> None:
            found.append(relay.scopes.current())

    relay = relay_runtime({"curious": Curious()})
    with relay.scopes.scope("other"):
        relay.scopes.end(relay.scopes.start("root", handle=relay.root))
        settle(relay)

        assert [None] == found


def test_a_plugin_that_feeds_itself(relay_runtime: MakeRuntime) -> None:
    """A plugin that emits a root for each trajectory is cut off, and the cut is counted."""

    class Evaluator(Collector):
        @hookimpl
        def relay_trajectory(self, trajectory: Trajectory) -> None:
            self.trajectories.append(trajectory)
            relay.scopes.end(relay.scopes.start("score", ScopeType.Evaluator))

    evaluator = Evaluator()
    relay = relay_runtime({"evaluator": evaluator})
    with relay.scopes.scope("root"):
        pass
    for _ in range(10):
        settle(relay)

    assert 9 == len(evaluator.trajectories)
    assert 2 == relay.statistics().dropped["feedback"]


def test_nobody_wants_them_any_more(make: MakeRuntime, collector: Collector) -> None:
    """Once no plugin wants trajectories, what was gathered is forgotten at the next flush."""
    relay = make()
    relay.scopes.start("root")
    settle(relay)

    relay.registry.unregister("collector")
    settle(relay)

    assert [] == collector.told
    assert 0 == relay.trajectories.gathering


def test_many_threads(make: MakeRuntime, collector: Collector) -> None:
    """Roots of many threads at once all arrive, complete."""
    relay = make()

    def work() -> None:
        for _ in range(50):
            with relay.scopes.scope("root"), relay.scopes.scope("child"):
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settle(relay)

    assert [(1, ["+root", "+child", "-child", "-root"], ())] * 400 == collector.told
    assert 0 == relay.trajectories.gathering


def work_in_a_child(relay: Relay, collector: Collector, root: Any, answers: Any) -> None:
    """Work in a forked child, under the root that it inherited and under one of its own; answer what was told."""
    for handle in (root, relay.root):
        relay.scopes.end(relay.scopes.start("work", handle=handle))
    settle(relay)
    answers.put(collector.told)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child(make: MakeRuntime, collector: Collector) -> None:
    """A forked child hands over its own work, in pieces where the root is the parent's, and nothing of the parent's."""
    relay = make()
    root = relay.scopes.start("root")
    settle(relay)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()

    child = context.Process(target=work_in_a_child, args=(relay, collector, root, answers))
    child.start()
    answer = answers.get(timeout=30)
    child.join()
    relay.scopes.end(root)
    settle(relay)

    assert [(1, ["+work", "-work"], ()), (1, ["+work", "-work"], ())] == answer
    assert [(1, ["+root", "-root"], ())] == collector.told
