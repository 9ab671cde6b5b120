"""Tasks, threads and copied contexts each have their own current scope without asking, and close in any order."""

import asyncio
import contextvars
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.core.recorder import Recorder

from relay_core import Relay, ScopeHandle, hookimpl, propagation

pytestmark = pytest.mark.usefixtures("implementation")

TASKS = 200
THREADS = 16
DEPTH = 50


@pytest.mark.anyio
async def test_gather(relay: Relay, recorder: Recorder) -> None:
    """Siblings under `gather` are children of what was current when they were made, and not of each other."""

    async def child(number: int) -> None:
        with relay.scopes.scope(f"child {number}"):
            await asyncio.sleep(0)
            relay.scopes.event(f"in {number}")
            await asyncio.sleep(0.001 * (3 - number))

    with relay.scopes.scope("parent") as parent:
        await asyncio.gather(*(child(number) for number in range(3)))
        assert parent is relay.scopes.current()

    expected = {f"child {it}": "parent" for it in range(3)} | {f"in {it}": f"child {it}" for it in range(3)}
    assert expected.items() <= recorder.parents().items()


@pytest.mark.anyio
async def test_task_group(relay: Relay, recorder: Recorder) -> None:
    """A task belongs to the scope that was current when it was made, also when it outlives it."""
    go_on = asyncio.Event()

    async def child() -> None:
        relay.scopes.event("early")
        await go_on.wait()
        relay.scopes.push("late")

    async with asyncio.TaskGroup() as group:
        with relay.scopes.scope("root"):
            with relay.scopes.scope("parent"):
                group.create_task(child())
                await asyncio.sleep(0)
            go_on.set()
            await asyncio.sleep(0.001)

    assert "parent" == recorder.parents()["early"]
    assert "root" == recorder.parents()["late"]


@pytest.mark.anyio
async def test_to_thread(relay: Relay, recorder: Recorder) -> None:
    """A thread of `to_thread` is inside of the scope that called it, and its own scopes stay its own."""

    def work() -> ScopeHandle:
        return relay.scopes.push("in thread")

    with relay.scopes.scope("parent") as parent:
        inner = await asyncio.to_thread(work)
        assert parent is relay.scopes.current()
    relay.scopes.pop(inner)

    assert "parent" == recorder.parents()["in thread"]


def test_copied_context(relay: Relay) -> None:
    """What is pushed and popped in a copied context shows outside as far as it concerns what is current there."""
    outer = relay.scopes.push("outer")
    context = contextvars.copy_context()

    inner = context.run(relay.scopes.push, "inner")
    assert outer.uuid == inner.parent_uuid
    assert (inner, outer) == (context.run(relay.scopes.current), relay.scopes.current())

    context.run(relay.scopes.pop, outer)
    assert (inner, None) == (context.run(relay.scopes.current), relay.scopes.current())
    relay.scopes.pop(inner)
    assert context.run(relay.scopes.current) is None


def test_new_threads_have_no_scope(relay: Relay) -> None:
    """A plain thread begins outside of any scope: contexts do not go there by themselves."""
    seen: list[object] = []
    with relay.scopes.scope("work"):
        thread = threading.Thread(target=lambda: seen.append(relay.scopes.current()))
        thread.start()
        thread.join()

    assert [None] == seen


def check_many(relay: Relay, recorder: Recorder, workers: int) -> None:
    """Check that `workers` chains of DEPTH scopes have hung each under its own, and that nothing is open."""
    starts, ends = recorder.starts, recorder.ends
    assert workers * DEPTH == len(starts) == len(ends) == len({it.uuid for it in ends})
    names = {it.uuid: it.name for it in starts}
    parents = {it.name: names.get(it.parent_uuid or "") for it in starts}
    expected = {f"{worker}/{depth}": f"{worker}/{depth - 1}" for worker in range(workers) for depth in range(1, DEPTH)}
    assert expected | {f"{worker}/0": None for worker in range(workers)} == parents
    assert 0 == relay.statistics().open_scopes
    assert relay.scopes.current() is None


def nest(relay: Relay, worker: int) -> list[ScopeHandle]:
    """Open DEPTH nested scopes and give them in random order."""
    handles = [relay.scopes.push(f"{worker}/{depth}") for depth in range(DEPTH)]
    random.Random(worker).shuffle(handles)
    return handles


@pytest.mark.anyio
async def test_many_tasks(relay: Relay, recorder: Recorder) -> None:
    """200 tasks with 50 nested scopes each that close in random order: every parent is right, nothing stays open."""

    async def work(worker: int) -> None:
        for handle in nest(relay, worker):
            relay.scopes.pop(handle)
            await asyncio.sleep(0)

    await asyncio.gather(*(work(worker) for worker in range(TASKS)))

    check_many(relay, recorder, TASKS)


def test_many_threads(relay: Relay, recorder: Recorder) -> None:
    """The same with 16 threads."""

    def work(worker: int) -> None:
        for handle in nest(relay, worker):
            relay.scopes.pop(handle)
        assert relay.scopes.current() is None

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))

    check_many(relay, recorder, THREADS)


def test_threads_close_each_others_scopes(relay: Relay, recorder: Recorder) -> None:
    """The same when each thread closes what another one has opened."""
    handed_over: list[list[ScopeHandle]] = []

    def open_them(worker: int) -> None:
        handed_over.append(nest(relay, worker))

    def close_them(handles: list[ScopeHandle]) -> None:
        for handle in handles:
            relay.scopes.pop(handle)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda worker: contextvars.Context().run(open_them, worker), range(THREADS)))
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(close_them, handed_over))

    check_many(relay, recorder, THREADS)


# --- An integration's idea of the current scope ----------------------------------------------------------------------


class Framework:
    """An integration that knows which of its runs is active in this context."""

    def __init__(self, relay: Relay) -> None:
        self._scopes = relay.scopes
        self._active: contextvars.ContextVar[ScopeHandle | None] = contextvars.ContextVar("active", default=None)

    @hookimpl
    def relay_current_scope(self) -> ScopeHandle | None:
        return self._active.get()

    def run(self, name: str, body: Callable[[], Any], **options: Any) -> Any:
        """Call `body` inside of a run of the framework."""
        handle = self._scopes.start(name, **options)
        token = self._active.set(handle)
        try:
            return body()
        finally:
            self._active.reset(token)
            self._scopes.end(handle)


@pytest.fixture
def framework(relay: Relay) -> Framework:
    """A framework whose integration is registered."""
    made = Framework(relay)
    relay.registry.register(made, "framework")
    return made


def test_inside_of_a_run(relay: Relay, recorder: Recorder, framework: Framework) -> None:
    """What happens inside of a framework's run is in that run, with no effort by the user."""
    with relay.scopes.scope("user"):
        framework.run("run", lambda: relay.scopes.event("note"))
        relay.scopes.event("after")

    assert {"run": "user", "note": "run", "after": "user"}.items() <= recorder.parents().items()


def test_a_user_scope_in_a_run(relay: Relay, recorder: Recorder, framework: Framework) -> None:
    """A scope that the user opens inside of a run is the inner one, until a nested run is."""

    def body() -> None:
        with relay.scopes.scope("user in run"):
            relay.scopes.event("a")
            framework.run("nested", lambda: relay.scopes.event("b"))
            relay.scopes.event("c")
        relay.scopes.event("d")

    framework.run("run", body)

    expected = {"user in run": "run", "a": "user in run", "nested": "user in run", "b": "nested", "c": "user in run"}
    assert {**expected, "d": "run", "run": None} == recorder.parents()


def test_a_user_scope_around_two_runs(relay: Relay, recorder: Recorder, framework: Framework) -> None:
    """A user scope that was opened in an outer run is not the inner one inside of a nested run."""

    def outer() -> None:
        with relay.scopes.scope("user"):
            framework.run("inner", lambda: framework.run("innermost", lambda: relay.scopes.event("note")))

    framework.run("outer", outer)

    assert {"inner": "user", "innermost": "inner", "note": "innermost"}.items() <= recorder.parents().items()


def test_a_run_that_has_ended(relay: Relay, recorder: Recorder, framework: Framework) -> None:
    """A run that has ended is not current, even if its framework still says so."""

    def body() -> None:
        relay.scopes.end(framework.relay_current_scope() or relay.root)
        relay.scopes.event("note")

    with relay.scopes.scope("user"):
        framework.run("run", body)

    assert "user" == recorder.parents()["note"]


def test_isolated_inside_of_a_run(relay: Relay, recorder: Recorder, framework: Framework) -> None:
    """An isolated block inside of a run sees nothing; a run inside of it is seen again."""
    isolated = propagation.Propagation(relay.scopes).isolated

    def body() -> None:
        with isolated():
            relay.scopes.event("alone")
            framework.run("inner", lambda: relay.scopes.event("in inner"))

    framework.run("run", body)

    assert {"alone": None, "inner": None, "in inner": "inner"}.items() <= recorder.parents().items()


def test_an_integration_that_fails(relay: Relay, recorder: Recorder) -> None:
    """An integration that raises when it is asked is counted; the user's scope is current."""

    class Broken:
        @hookimpl
        def relay_current_scope(self) -> ScopeHandle | None:
            raise RuntimeError("broken")

    relay.registry.register(Broken(), "broken")
    with relay.scopes.scope("user"):
        relay.scopes.event("note")

    assert "user" == recorder.parents()["note"]
    assert 2 == relay.statistics().failed["broken"]
