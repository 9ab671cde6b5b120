"""NeMo Relay's scope-stack functions: places in the tree of scopes stand in for stacks."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.core.recorder import Recorder

import relay_core
from relay_core import PropagationContext, Relay, RelayError, ScopeError, ScopeHandle, hookimpl
from relay_core.scope_stack import ScopeStack, ScopeStacks
from relay_core.testing import isolated_runtime

PARENT = "0190b5a0-0000-7000-8000-000000000001"
ROOT = "0190b5a0-0000-7000-8000-000000000002"


@pytest.fixture
def stacks(relay: Relay) -> ScopeStacks:
    """The functions of the module for the runtime under test."""
    return ScopeStacks(relay.scopes)


def in_thread(function: Callable[[], Any]) -> Any:
    """Call `function` in a new thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


# --- Use -------------------------------------------------------------------------------------------------------------


def test_fresh_stack(relay: Relay, recorder: Recorder, stacks: ScopeStacks) -> None:
    """On a fresh stack nothing is open; what was current before is current after the block."""
    with relay.scopes.scope("outer") as outer:
        with stacks.use_scope_stack(stack := stacks.create_scope_stack()) as used:
            assert (stack, relay.root) == (used, relay.scopes.get_handle())
            with relay.scopes.scope("inner"):
                pass
            assert relay.scopes.current() is None
        assert outer is relay.scopes.current()

    assert {"outer": None, "inner": None} == recorder.parents()


def test_used_again(relay: Relay, stacks: ScopeStacks) -> None:
    """A scope that is left open on a stack is not current outside of it, and is when the stack is used again."""
    stack = stacks.create_scope_stack()
    with relay.scopes.scope("outer") as outer:
        with stacks.use_scope_stack(stack):
            kept = relay.scopes.push("kept")
        assert outer is relay.scopes.current()
        with stacks.use_scope_stack(stack):
            assert kept is relay.scopes.current()
            relay.scopes.pop(kept)
            assert relay.scopes.current() is None
        with stacks.use_scope_stack(stack):
            assert relay.scopes.current() is None
        assert outer is relay.scopes.current()


def test_used_within_another(relay: Relay, stacks: ScopeStacks) -> None:
    """Stacks may be used within each other, and one within itself."""
    one, other = stacks.create_scope_stack(), stacks.create_scope_stack()

    with stacks.use_scope_stack(one), relay.scopes.scope("on one") as on_one:
        with stacks.use_scope_stack(other):
            assert relay.scopes.current() is None
        assert on_one is relay.scopes.current()
        assert one is stacks.get_scope_stack()
        with stacks.use_scope_stack(one):
            assert on_one is relay.scopes.current()
        assert on_one is relay.scopes.current()


def test_left_open_in_a_nested_block(relay: Relay, stacks: ScopeStacks) -> None:
    """What a block leaves open is there when the outer block on the same stack goes on, and when it is used again."""
    stack = stacks.create_scope_stack()
    with stacks.use_scope_stack(stack):
        with stacks.use_scope_stack(stack):
            kept = relay.scopes.push("kept")
        inside = relay.scopes.current()
    with stacks.use_scope_stack(stack):
        again = relay.scopes.current()
        relay.scopes.pop(kept)
        assert relay.scopes.current() is None

    assert (kept, kept) == (inside, again)


def test_left_open_around_a_nested_block(relay: Relay, stacks: ScopeStacks) -> None:
    """A scope of the outer block is under what the inner one left open; both are there when the stack is used again."""
    stack = stacks.create_scope_stack()
    with stacks.use_scope_stack(stack):
        before = relay.scopes.push("before")
        with stacks.use_scope_stack(stack), stacks.use_scope_stack(stack):
            kept = relay.scopes.push("kept")
        after = relay.scopes.push("after")
    with stacks.use_scope_stack(stack):
        found = [relay.scopes.current()]
        for handle in (after, kept, before):
            relay.scopes.pop(handle)
            found.append(relay.scopes.current())

    assert [after, kept, before, None] == found


def test_body_that_raises(relay: Relay, stacks: ScopeStacks) -> None:
    """A block that raises is left like any, and its exception passes through."""

    def work() -> None:
        with stacks.use_scope_stack(stacks.create_scope_stack()):
            relay.scopes.push("open")
            raise KeyError

    with relay.scopes.scope("outer") as outer:
        with pytest.raises(KeyError):
            work()
        assert outer is relay.scopes.current()


def test_left_in_another_context(relay: Relay, stacks: ScopeStacks) -> None:
    """A block that is left in another context than it was entered in is over in both, and disturbs neither."""
    before = relay.scopes.push("before")
    block = stacks.use_scope_stack(stacks.create_scope_stack())
    block.__enter__()

    def leave() -> ScopeHandle | None:
        with relay.scopes.scope("theirs"):
            block.__exit__(None, None, None)
            return relay.scopes.current()

    theirs = in_thread(leave)

    assert theirs is not None
    assert ("theirs", before) == (theirs.name, relay.scopes.current())


def test_inside_of_an_integrations_run(relay: Relay, stacks: ScopeStacks) -> None:
    """A stack that is used inside of a framework's run hides that run, too; a later run is the inner one."""
    runs: list[ScopeHandle] = [relay.scopes.start("run")]

    class Integration:
        @hookimpl
        def relay_current_scope(self) -> ScopeHandle:
            return runs[-1]

    relay.registry.register(Integration())
    with stacks.use_scope_stack(stacks.create_scope_stack()):
        assert relay.scopes.current() is None
        runs.append(relay.scopes.start("nested run"))
        assert runs[-1] is relay.scopes.current()


# --- Where we are ----------------------------------------------------------------------------------------------------


def test_active(relay: Relay, stacks: ScopeStacks) -> None:
    """A stack is active where a scope is open, where one is used, and where one has been asked for."""

    def told() -> list[bool]:
        found = [stacks.scope_stack_active()]
        with relay.scopes.scope("work"):
            found.append(stacks.scope_stack_active())
        with stacks.use_scope_stack(stacks.create_scope_stack()):
            found.append(stacks.scope_stack_active())
        found.append(stacks.scope_stack_active())
        stack = stacks.get_scope_stack()
        assert stack is stacks.get_scope_stack()
        return [*found, stacks.scope_stack_active()]

    assert [False, True, True, False, True] == contextvars.Context().run(told)


def test_asking_changes_no_parent(relay: Relay, recorder: Recorder, stacks: ScopeStacks) -> None:
    """To ask for the stack changes nothing about who is whose parent, before, inside of or after a scope."""
    stacks.get_scope_stack()
    with relay.scopes.scope("outer"):
        stacks.get_scope_stack()
        with relay.scopes.scope("inner"):
            relay.scopes.event("mark")
        relay.scopes.event("after")
    with relay.scopes.scope("next"):
        pass

    assert {"outer": None, "inner": "outer", "mark": "inner", "after": "outer", "next": None} == recorder.parents()


def test_nothing_to_propagate(stacks: ScopeStacks) -> None:
    """Where no stack is active there is none to take to a thread."""
    with pytest.raises(RelayError, match="no active scope stack"):
        contextvars.Context().run(stacks.propagate_scope_to_thread)


def test_stack_of_a_scope_that_ends(relay: Relay, stacks: ScopeStacks) -> None:
    """A stack whose scope has ended is at the nearest open ancestor, and then outside of any."""
    outer, inner = relay.scopes.push("outer"), relay.scopes.push("inner")
    stack = stacks.propagate_scope_to_thread()

    assert (inner, "<ScopeStack 'inner'>") == (stack.handle, repr(stack))
    relay.scopes.pop(inner)
    assert outer is stack.handle
    relay.scopes.pop(outer)
    assert relay.root is stack.handle


# --- Threads ---------------------------------------------------------------------------------------------------------


def test_thread(relay: Relay, recorder: Recorder, stacks: ScopeStacks) -> None:
    """A thread continues under the scope that was current when the stack was taken, task after task."""

    def work(name: str) -> None:
        stacks.set_thread_scope_stack(stack)
        with relay.scopes.scope(name):
            relay.scopes.event(f"in {name}")

    with ThreadPoolExecutor(1) as pool:
        with relay.scopes.scope("first"):
            stack = stacks.propagate_scope_to_thread()
            list(pool.map(work, ["a", "b"]))
        with relay.scopes.scope("second"):
            stack = stacks.propagate_scope_to_thread()
            pool.submit(work, "c").result()

    expected = {"first": None, "a": "first", "b": "first", "second": None, "c": "second"}
    assert expected | {"in a": "a", "in b": "b", "in c": "c"} == recorder.parents()


def test_thread_on_a_used_stack(relay: Relay, stacks: ScopeStacks) -> None:
    """A stack that is in use is taken along with what is open on it."""
    with stacks.use_scope_stack(stacks.create_scope_stack()), relay.scopes.scope("work") as work:
        stack = stacks.get_scope_stack()

        def current() -> ScopeHandle | None:
            stacks.set_thread_scope_stack(stack)
            return relay.scopes.current()

        assert work is in_thread(current)


def test_thread_that_has_a_scope(relay: Relay, stacks: ScopeStacks) -> None:
    """Where the context has a scope of its own, or uses a stack, that one wins."""
    stack = stacks.create_scope_stack()
    with relay.scopes.scope("work") as work:
        stacks.set_thread_scope_stack(stack)
        assert work is relay.scopes.current()
        other = stacks.propagate_scope_to_thread()
    with stacks.use_scope_stack(stack):
        stacks.set_thread_scope_stack(other)
        assert stack is stacks.get_scope_stack()


def test_threads_do_not_disturb_each_other(relay: Relay, stacks: ScopeStacks) -> None:
    """What one thread opens on a stack is not current in another one that was given the same stack."""
    with relay.scopes.scope("work") as work:
        stack = stacks.propagate_scope_to_thread()
        opened, done = threading.Event(), threading.Event()

        def opens() -> None:
            stacks.set_thread_scope_stack(stack)
            with relay.scopes.scope("theirs"):
                opened.set()
                done.wait(10)

        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(opens)
            opened.wait(10)
            here = relay.scopes.current()
            done.set()
            running.result()

    assert work is here


# --- Tasks -----------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_forked_tasks(relay: Relay, recorder: Recorder, stacks: ScopeStacks) -> None:
    """Tasks in forked contexts are children of what was current then, and close in any order."""
    turns = [asyncio.Event() for _ in range(3)]

    async def child(number: int) -> None:
        with relay.scopes.scope(f"child {number}"):
            await turns[number].wait()
            relay.scopes.event(f"mark {number}")

    with relay.scopes.scope("request") as request:
        tasks = [asyncio.create_task(child(n), context=stacks.fork_asyncio_context()) for n in range(3)]
        await asyncio.sleep(0)
        for number in (2, 0, 1):
            turns[number].set()
            await tasks[number]
        assert request is relay.scopes.current()

    children = {f"child {n}": "request" for n in range(3)} | {f"mark {n}": f"child {n}" for n in range(3)}
    assert {"request": None, **children} == recorder.parents()


# --- Other processes -------------------------------------------------------------------------------------------------


def test_stack_from_propagation(relay: Relay, recorder: Recorder, stacks: ScopeStacks) -> None:
    """On a stack that is made of a context, scopes and marks continue the tree of the process that sent it."""
    stack = stacks.create_scope_stack_from_propagation(PropagationContext(PARENT, ROOT))

    with relay.scopes.scope("before"), stacks.use_scope_stack(stack):
        assert PARENT == relay.scopes.get_handle().uuid
        with relay.scopes.scope("work"):
            pass
        relay.scopes.event("note")

    assert [(PARENT, ROOT)] * 2 == [(it.parent_uuid, it.root_uuid) for it in (recorder.start("work"), *recorder.marks)]


def test_stack_without_a_root(relay: Relay, stacks: ScopeStacks) -> None:
    """Without a root the parent stands for it; without a context, as captured outside of any scope, nothing is open."""
    with stacks.use_scope_stack(stacks.create_scope_stack_from_propagation(PropagationContext(PARENT))):
        assert PARENT == relay.scopes.push("work").root_uuid
    with stacks.use_scope_stack(stacks.create_scope_stack_from_propagation(None)):
        assert relay.root is relay.scopes.get_handle()


# --- What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [None, "stack", 7])
def test_wrong_arguments(stacks: ScopeStacks, wrong: Any) -> None:
    """What is no stack, or no context, is refused before any effect."""
    with pytest.raises(TypeError, match="stack must be a ScopeStack"), stacks.use_scope_stack(wrong):
        pass
    with pytest.raises(TypeError, match="stack must be a ScopeStack"):
        stacks.set_thread_scope_stack(wrong)
    if wrong is not None:
        with pytest.raises(TypeError, match="context must be a PropagationContext"):
            stacks.create_scope_stack_from_propagation(wrong)


def test_stack_of_another_runtime(relay: Relay, stacks: ScopeStacks) -> None:
    """A stack belongs to a runtime."""
    with isolated_runtime() as other:
        foreign = ScopeStacks(other.scopes).create_scope_stack()
        with pytest.raises(ScopeError, match="another runtime"), stacks.use_scope_stack(foreign):
            pass


def test_two_runtimes(relay: Relay, stacks: ScopeStacks) -> None:
    """A stack hides the scopes of its own runtime only."""
    with isolated_runtime() as other, other.scopes.scope("theirs") as theirs:
        relay.scopes.push("mine")
        with stacks.use_scope_stack(stacks.create_scope_stack()):
            assert (None, theirs) == (relay.scopes.current(), other.scopes.current())
            assert ScopeStacks(other.scopes).get_scope_stack().handle is theirs


def test_thread_with_a_scope_of_another_runtime(relay: Relay, stacks: ScopeStacks) -> None:
    """A scope of another runtime is no reason to leave the thread where it is."""
    with relay.scopes.scope("work") as work:
        stack = stacks.propagate_scope_to_thread()

        def current() -> list[bool]:
            with isolated_runtime() as other, other.scopes.scope("theirs") as theirs:
                stacks.set_thread_scope_stack(stack)
                stacks.set_thread_scope_stack(stack)
                return [work is relay.scopes.current(), theirs is other.scopes.current()]

        assert [True, True] == in_thread(current)


def test_module_functions() -> None:
    """The functions are those of the default runtime, under the names that NeMo Relay's have, in the package itself."""
    stack = relay_core.create_scope_stack()

    assert isinstance(stack, ScopeStack)
    with relay_core.use_scope_stack(stack):
        assert relay_core.get_scope_stack() is stack
        assert relay_core.scope_stack_active()
