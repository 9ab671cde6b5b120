"""Whose child a run is: ids first, the context where they do not say, user scopes in between."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManager
from langchain_core.runnables import Runnable, RunnableLambda
from langsmith import tracing_context
from langsmith.run_trees import RunTree
from tests.langchain.support import Chat, Recording

from relay_core.propagation import Propagation


def echo(name: str) -> RunnableLambda[Any, Any]:
    """Return a function that returns what it is given."""
    return RunnableLambda(lambda x: x, name=name)


def fallbacks(**config: Any) -> Runnable[Any, Any]:
    """Return a function that fails, with another one to fall back to."""

    def fail(_: Any) -> Any:
        raise ValueError("bad")

    return RunnableLambda(fail, name="bad").with_fallbacks([echo("good")]).with_config(**config)


@pytest.mark.parametrize("config", [{}, {"run_name": "careful"}], ids=["plain", "named"])
def test_fallbacks(recording: Recording, config: dict[str, Any]) -> None:
    """What a fallback tries is inside of it, at the top, in a chain and in a function, named or not."""
    name = config.get("run_name", "RunnableWithFallbacks")
    tree = f"{name}{{{name}!error {name}}}" if config else f"{name}{{bad!error good}}"

    fallbacks(**config).invoke(0, recording.config)
    (echo("e") | fallbacks(**config)).invoke(0, recording.config)
    RunnableLambda(lambda x: fallbacks(**config).invoke(x), name="f").invoke(0, recording.config)

    assert [tree, f"RunnableSequence{{e {tree}}}", f"f{{{tree}}}"] == [str(root) for root in recording.roots]
    recording.assert_complete()


def test_streamed_and_batched_fallbacks(recording: Recording) -> None:
    """The same holds for streams and batches of fallbacks."""
    list(fallbacks().stream(0, recording.config))
    fallbacks().batch([1, 2], recording.config)

    assert ["RunnableWithFallbacks{bad!error good}"] * 3 == [str(root) for root in recording.roots]
    recording.assert_complete()


@pytest.mark.anyio
async def test_async_fallbacks(recording: Recording) -> None:
    """The same holds for async fallbacks."""
    await (echo("e") | fallbacks()).ainvoke(0, recording.config)

    assert "RunnableSequence{e RunnableWithFallbacks{bad!error good}}" == recording.tree


def test_a_config_that_is_passed_on_by_hand(recording: Recording) -> None:
    """A function that passes an outer run's config on says whose child it means: only fallbacks are an exception."""

    def outer(x: Any, config: Any) -> Any:
        return RunnableLambda(lambda y: echo("inner").invoke(y, config), name="middle").invoke(x)

    RunnableLambda(outer, name="outer").invoke(0, recording.config)

    assert "outer{middle inner}" == recording.tree.replace("{middle}", "")


def test_a_handler_that_is_passed_again(recording: Recording) -> None:
    """A handler passed again inside a run does not make a new root."""
    RunnableLambda(lambda x: echo("inner").invoke(x, recording.config), name="outer").invoke(0, recording.config)

    assert "outer{inner}" == recording.tree
    recording.assert_complete()


def test_callbacks_switched_off(recording: Recording) -> None:
    """A run without callbacks is invisible, and what it passes the handler to is at the top."""
    invisible = RunnableLambda(lambda x: echo("inner").invoke(x, recording.config), name="invisible")
    RunnableLambda(lambda x: invisible.invoke(x, {"callbacks": []}), name="outer").invoke(0, recording.config)

    assert "outer inner" == recording.tree
    recording.assert_complete()


def test_a_bare_thread(recording: Recording) -> None:
    """A run in a thread that got no context is at the top."""

    def outer(x: Any) -> None:
        thread = threading.Thread(target=lambda: echo("inner").invoke(x, recording.config))
        thread.start()
        thread.join()

    RunnableLambda(outer, name="outer").invoke(0, recording.config)

    assert "outer inner" == recording.tree


def test_a_handler_that_is_not_inherited(recording: Recording) -> None:
    """A handler that LangChain does not inherit records the root alone."""
    manager = CallbackManager([recording.handler()])
    (echo("a") | echo("b")).invoke(1, {"callbacks": manager})

    assert "RunnableSequence" == recording.tree


def test_a_parent_that_only_langsmith_knows(recording: Recording) -> None:
    """A parent id that was never seen, as LangSmith sets it, leads to the run whose body it is, else to the top."""
    with tracing_context(parent=RunTree(name="foreign", run_type="chain")):
        echo("e").invoke(1, recording.config)

    assert "e" == recording.tree
    recording.assert_complete()


# --- User scopes ------------------------------------------------------------------------------------------------------


def test_runs_inside_of_a_user_scope(recording: Recording) -> None:
    """A user's scope is the parent of the runs that start in it."""
    with recording.relay.scopes.scope("request"):
        echo("a").invoke(1, recording.config)
        echo("b").batch([1, 2], recording.config)

    assert "request{a b b}" == recording.tree
    recording.assert_complete()


def test_a_user_scope_inside_of_a_run(recording: Recording) -> None:
    """A scope that a body opens is the parent of what runs in it, and of nothing afterwards."""

    def body(x: Any) -> Any:
        with recording.relay.scopes.scope("mine"):
            echo("inside").invoke(x)
            Chat().invoke("x")
        return echo("after").invoke(x)

    (RunnableLambda(body, name="f") | echo("next")).invoke(1, recording.config)

    assert "RunnableSequence{f{mine{inside Chat} after} next}" == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
async def test_async_user_scopes(recording: Recording) -> None:
    """The same holds in async code, for tasks and threads of the body too; siblings keep theirs apart."""
    scopes = recording.relay.scopes

    async def body(name: str) -> None:
        async with scopes.scope(f"{name} mine"):
            await asyncio.sleep(0)
            await asyncio.gather(echo(f"{name} task").ainvoke(1))
            await asyncio.to_thread(echo(f"{name} thread").invoke, 1)

    config = recording.config
    async with scopes.scope("request"):
        await asyncio.gather(*(RunnableLambda(body, name=name).ainvoke(name, config) for name in "ab"))

    (root,) = recording.roots
    assert {f"{name}{{{name} mine{{{name} task {name} thread}}}}" for name in "ab"} == {
        str(child) for child in root.children
    }
    recording.assert_complete()


def test_a_user_scope_inside_of_a_model_body(recording: Recording) -> None:
    """A scope that a model's body opens is the parent of what runs in it."""

    def body() -> None:
        with recording.relay.scopes.scope("mine"):
            echo("inside").invoke(1)

    (echo("e") | Chat(body=body)).invoke("x", recording.config)

    assert "RunnableSequence{e Chat{mine{inside}}}" == recording.tree


def test_a_stream_of_consumers_is_no_staircase(recording: Recording) -> None:
    """What the consumer of a stream runs is not inside of the stream."""
    for _ in Chat().stream("x", recording.config):
        echo("consumer").invoke(1, recording.config)

    assert {"Chat", "consumer"} == {str(root) for root in recording.roots}


def test_isolated_code(recording: Recording) -> None:
    """What runs in isolated code has no parent."""

    def body(x: Any) -> Any:
        with Propagation(recording.relay.scopes).isolated():
            return echo("alone").invoke(x)

    RunnableLambda(body, name="f").invoke(1, recording.config)

    assert "f alone" == recording.tree


@pytest.mark.anyio
async def test_a_user_scope_of_a_task_that_outlives_its_run(recording: Recording) -> None:
    """A background task's own scope is the parent of what it runs, also after the run that started the task."""
    go = asyncio.Event()
    tasks: list[asyncio.Task[Any]] = []

    async def background() -> None:
        await go.wait()
        async with recording.relay.scopes.scope("background"):
            await echo("late").ainvoke(1)

    async def fire(_: Any) -> None:
        tasks.append(asyncio.ensure_future(background()))

    await RunnableLambda(fire, name="fire").ainvoke(0, recording.config)
    go.set()
    await tasks[0]

    assert "fire background{late}" == recording.tree
    recording.assert_complete()
