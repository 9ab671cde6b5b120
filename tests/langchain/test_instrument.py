"""Recording without a handler in user code."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers import context
from tests.langchain.support import Chat, Recording

from relay_core.installation import install, uninstall
from relay_langchain import not_instrumented


@pytest.fixture
def installed(recording: Recording) -> Iterator[Recording]:
    """The recording's runtime, installed."""
    install(runtime=recording.relay)
    yield recording
    uninstall(runtime=recording.relay)


def echo(name: str) -> RunnableLambda[Any, Any]:
    """Return a function that returns what it is given."""
    return RunnableLambda(lambda x: x, name=name)


def test_every_run_is_recorded(installed: Recording) -> None:
    """Runs are recorded in any thread, nested and in batches, without a handler."""
    (echo("a") | echo("b")).invoke(1)
    echo("c").batch([1, 2])
    thread = threading.Thread(target=echo("d").invoke, args=(1,))
    thread.start()
    thread.join()

    assert "RunnableSequence{a b} c c d" == installed.tree
    installed.assert_complete()


@pytest.mark.anyio
async def test_async_runs(installed: Recording) -> None:
    """The same holds for async runs."""
    await asyncio.gather(*((echo("a") | Chat()).ainvoke("x") for _ in range(3)))

    assert ["RunnableSequence{a Chat}"] * 3 == [str(root) for root in installed.roots]
    installed.assert_complete()


def test_a_handler_that_the_user_passes_too(installed: Recording) -> None:
    """A run for which the user passes a handler is recorded once."""
    (echo("a") | echo("b")).invoke(1, installed.config)

    assert "RunnableSequence{a b}" == installed.tree


def test_nothing_before_install(recording: Recording) -> None:
    """First use alone instruments nothing."""
    recording.relay.ensure_ready()
    echo("a").invoke(1)

    assert [] == recording.events


def test_installing_twice(installed: Recording) -> None:
    """Installing twice is installing once: one hook in LangChain, one scope per run."""
    hooks = len(context._configure_hooks)
    install(runtime=installed.relay)
    uninstall(runtime=installed.relay)
    install(runtime=installed.relay)
    echo("a").invoke(1)

    assert "a" == installed.tree
    assert hooks == len(context._configure_hooks)


def test_uninstall_stops_live_runs(installed: Recording) -> None:
    """Uninstalling closes what is open as abandoned, and live runs record nothing any more."""

    def body(x: Any) -> Any:
        uninstall(runtime=installed.relay)
        echo("inside").invoke(x)
        return x

    (RunnableLambda(body, name="f") | echo("next")).invoke(1)
    echo("after").invoke(1)

    assert "RunnableSequence!abandoned{f!abandoned}" == installed.tree
    assert 0 == installed.open_runs
    installed.assert_complete()


def test_a_users_own_handler_survives_uninstall(installed: Recording) -> None:
    """Uninstalling leaves a handler that the user passes at work."""
    config = installed.config
    uninstall(runtime=installed.relay)
    echo("a").invoke(1, config)

    assert "a" == installed.tree


def test_opting_out(installed: Recording) -> None:
    """A block, and the tasks and threads started with its context, can be left out; a passed handler works there."""

    async def main() -> None:
        with not_instrumented():
            await asyncio.create_task(echo("a").ainvoke(1))
            await asyncio.to_thread(echo("b").invoke, 1)
            echo("mine").invoke(1, installed.config)
        await echo("c").ainvoke(1)

    asyncio.run(main())

    assert "mine c" == installed.tree


def test_one_runtime_at_a_time(installed: Recording) -> None:
    """While one runtime records the process, another one that is installed leaves it alone."""
    other = Recording()
    install(runtime=other.relay)
    echo("a").invoke(1)
    uninstall(runtime=other.relay)
    echo("b").invoke(1)

    assert ("a b", "") == (installed.tree, other.tree)
    other.relay.shutdown(1.0)
