"""Which scope user code is in, in every kind of body that LangChain runs."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableGenerator, RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from tests.langchain.support import Chat, Completion, Finder, Recording, StreamingChat

Probe = Callable[..., None]


@pytest.fixture
def seen() -> list[str | None]:
    """The names of the current scopes that `probe` found."""
    return []


@pytest.fixture
def probe(recording: Recording, seen: list[str | None]) -> Probe:
    """A function that looks for the current scope, whatever it is given."""

    def look(*_: Any) -> None:
        scope = recording.relay.scopes.current()
        seen.append(None if scope is None else scope.name)

    return look


def then(probe: Probe, name: str) -> RunnableLambda[Any, Any]:
    """Return a function that probes and returns what it is given."""

    def body(x: Any) -> Any:
        probe()
        return x

    return RunnableLambda(body, name=name)


def athen(probe: Probe, name: str) -> RunnableLambda[Any, Any]:
    """The same as an async function that probes again after another task has run."""

    async def body(x: Any) -> Any:
        probe()
        await asyncio.sleep(0)
        probe()
        return x

    return RunnableLambda(body, name=name)


def test_functions(recording: Recording, probe: Probe, seen: list[str | None]) -> None:
    """A function is in its own scope, also in a batch and in parallel branches; outside there is none."""
    probe()
    then(probe, "f").invoke(0, recording.config)
    probe()
    RunnableParallel(a=then(probe, "a")).invoke(0, recording.config)
    (then(probe, "g") | then(probe, "h")).batch([1, 2], recording.config)
    probe()

    assert [None, "f", None, "a", "g", "g", "h", "h", None] == seen


def test_after_a_child(recording: Recording, probe: Probe, seen: list[str | None]) -> None:
    """After a child has ended the parent is current again, whether the child ended well or not."""

    def body(_: Any) -> None:
        then(probe, "child").invoke(0)
        probe()
        with pytest.raises(ZeroDivisionError):
            RunnableLambda(lambda _: 1 / 0).invoke(0)
        probe()
        Chat(body=probe).invoke("x")
        probe()

    RunnableLambda(body, name="f").invoke(0, recording.config)

    assert ["child", "f", "f", "Chat", "f"] == seen


@pytest.mark.anyio
async def test_async_functions(recording: Recording, probe: Probe, seen: list[str | None]) -> None:
    """An async function is in its own scope before and after an await, and the caller in none, run after run."""
    for _ in range(2):
        await athen(probe, "f").ainvoke(0, recording.config)
        probe()
    await (athen(probe, "g") | then(probe, "h")).ainvoke(0, recording.config)
    probe()

    assert ["f", "f", None, "f", "f", None, "g", "g", "h", None] == seen


@pytest.mark.anyio
async def test_twenty_at_once(recording: Recording) -> None:
    """Concurrent runs each see their own scope."""
    matches: list[bool] = []

    def named(name: str) -> RunnableLambda[Any, Any]:
        async def body(_: Any) -> None:
            for _ in range(3):
                scope = recording.relay.scopes.current()
                matches.append(scope is not None and scope.name == name)
                await asyncio.sleep(0)

        return RunnableLambda(body, name=name)

    config = recording.config
    await asyncio.gather(*(named(f"f{i}").ainvoke(0, config) for i in range(20)))

    assert [True] * 60 == matches


@pytest.mark.anyio
async def test_tasks_and_threads_of_user_code(recording: Recording, probe: Probe, seen: list[str | None]) -> None:
    """Tasks and threads that user code starts in a body are in that body's scope; a bare thread is in none."""

    async def body(_: Any) -> None:
        await asyncio.create_task(athen(probe, "in task").ainvoke(0))
        await asyncio.to_thread(probe)
        context = contextvars.copy_context()
        for target in (lambda: context.run(probe), probe):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()

    await RunnableLambda(body, name="f").ainvoke(0, recording.config)

    assert ["in task", "in task", "f", "f", None] == seen


def test_tools(recording: Recording, probe: Probe, seen: list[str | None]) -> None:
    """A tool's body is in the tool's scope."""

    @tool
    def work() -> None:
        """Work."""
        probe()

    work.invoke({}, recording.config)
    probe()

    assert ["work", None] == seen


@pytest.mark.anyio
async def test_async_tools(recording: Recording, probe: Probe, seen: list[str | None]) -> None:
    """The body of an async tool, and of a sync one that is awaited, is in the tool's scope."""

    @tool
    def work() -> None:
        """Work."""
        probe()

    @tool
    async def awork() -> None:
        """Work."""
        probe()
        await asyncio.to_thread(probe)

    await work.ainvoke({}, recording.config)
    await awork.ainvoke({}, recording.config)
    probe()

    assert ["work", "awork", "awork", None] == seen


def test_model_bodies(recording: Recording, probe: Probe, seen: list[str | None]) -> None:
    """A model's body is in the model's scope, alone, in a chain and in a batch; what follows is not."""
    Chat(body=probe).invoke("x", recording.config)
    probe()
    (then(probe, "f") | Chat(body=probe) | StrOutputParser() | then(probe, "g")).batch(["x"], recording.config)
    probe()

    assert ["Chat", None, "f", "Chat", "g", None] == seen


def test_runs_inside_of_a_model_body(recording: Recording, probe: Probe, seen: list[str | None]) -> None:
    """What a model's body runs is in its own scope, and the body in the model's again afterwards."""

    def body() -> None:
        then(probe, "inner").invoke(0)
        probe()

    (then(probe, "f") | Chat(body=body)).invoke("x", recording.config)

    assert ["f", "inner", "Chat"] == seen


@pytest.mark.anyio
async def test_async_model_bodies(recording: Recording, probe: Probe, seen: list[str | None]) -> None:
    """An async model's body is in the model's scope, the caller's task in none afterwards."""

    async def body() -> None:
        await asyncio.sleep(0)
        probe()

    await Chat(abody=body).ainvoke("x", recording.config)
    probe()
    await (athen(probe, "f") | Chat(abody=body) | then(probe, "g")).ainvoke("x", recording.config)
    probe()

    assert ["Chat", None, "f", "f", "Chat", "g", None] == seen


@pytest.mark.anyio
async def test_async_completion_models(recording: Recording, probe: Probe, seen: list[str | None]) -> None:
    """LangChain starts async completion models in tasks of their own: there the enclosing run is current."""

    async def body() -> None:
        probe()

    await (athen(probe, "f") | Completion(abody=body)).ainvoke("x", recording.config)
    probe()

    assert ["f", "f", "RunnableSequence", None] == seen


def test_several_prompts_at_once(recording: Recording, probe: Probe, seen: list[str | None]) -> None:
    """With several prompts nobody can tell which run a model's body is in: the enclosing run is current."""
    model = Chat(body=probe)
    model.generate([[HumanMessage("a")], [HumanMessage("b")]], callbacks=[recording.handler()])
    RunnableLambda(lambda _: model.generate([[HumanMessage("a")], [HumanMessage("b")]]) and None, name="f").invoke(
        0, recording.config
    )

    assert [None, None] == seen[:2]
    assert {"f"} == set(seen[2:]) or set() == set(seen[2:])


def test_retriever_bodies(recording: Recording, probe: Probe, seen: list[str | None]) -> None:
    """A retriever's body is in the retriever's scope."""
    Finder(body=probe).invoke("q", recording.config)
    probe()
    RunnableLambda(lambda q: Finder(body=probe).invoke(q), name="f").invoke("q", recording.config)

    assert ["Finder", None, "Finder"] == seen


def test_the_consumer_of_a_stream_is_outside(recording: Recording, probe: Probe, seen: list[str | None]) -> None:
    """Whoever consumes a stream of a chain or a model is in no run."""
    for _ in StreamingChat().stream("x", recording.config):
        probe()
    for _ in (StreamingChat() | StrOutputParser()).stream("x", recording.config):
        probe()
    for _ in StreamingChat().stream_events("x", recording.config, version="v3"):
        probe()

    assert {None} == set(seen)


@pytest.mark.anyio
async def test_the_consumer_of_an_async_stream_is_outside(
    recording: Recording, probe: Probe, seen: list[str | None]
) -> None:
    """The same holds for async streams."""
    async for _ in StreamingChat().astream("x", recording.config):
        probe()
    async for _ in (StreamingChat() | StrOutputParser()).astream("x", recording.config):
        probe()
    async for _ in (StreamingChat() | StrOutputParser()).astream_events("x", recording.config, version="v2"):
        probe()

    assert {None} == set(seen)


def test_a_streaming_model_body(recording: Recording, probe: Probe, seen: list[str | None]) -> None:
    """The body of a streaming model is in the model's scope up to its first chunk."""
    list(StreamingChat(body=probe).stream("x", recording.config))

    assert "StreamingChat" == seen[0]
    assert {None} == set(seen[1:])


def test_generator_functions(recording: Recording, probe: Probe, seen: list[str | None]) -> None:
    """A generator function is in its own scope at each step."""

    def numbers(_: Iterator[Any]) -> Iterator[int]:
        for number in range(2):
            probe()
            yield number

    list(RunnableGenerator(numbers, name="gen").stream(0, recording.config))
    probe()

    assert ["gen", "gen", None] == seen


@pytest.mark.anyio
async def test_async_generator_functions(recording: Recording, probe: Probe, seen: list[str | None]) -> None:
    """The same holds for an async generator function."""

    async def numbers(_: AsyncIterator[Any]) -> AsyncIterator[int]:
        for number in range(2):
            probe()
            yield number

    async for _ in RunnableGenerator(numbers, name="gen").astream(0, recording.config):
        pass
    probe()

    assert ["gen", "gen", None] == seen


@pytest.mark.anyio
async def test_in_a_run_that_was_cancelled(recording: Recording) -> None:
    """A closed run is never current: a thread that survives it is in its nearest open ancestor."""
    started, go, done = threading.Event(), threading.Event(), threading.Event()
    found: list[Any] = []

    def stubborn(_: Any) -> None:
        started.set()
        go.wait(5)
        scope = recording.relay.scopes.current()
        found.append(None if scope is None else scope.name)
        done.set()

    async def outer(_: Any) -> None:
        task = asyncio.ensure_future(RunnableLambda(stubborn, name="inner").ainvoke(0))
        await asyncio.to_thread(started.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()
        await asyncio.to_thread(done.wait, 5)

    await RunnableLambda(outer, name="outer").ainvoke(0, recording.config)

    assert ["outer"] == found


def test_hidden_runs(recording: Recording, probe: Probe, seen: list[str | None]) -> None:
    """In the body of a hidden run the scope around it is current."""
    hidden = then(probe, "hidden").with_config(tags=["langsmith:hidden"])
    RunnableLambda(hidden.invoke, name="f").invoke(0, recording.config)
    hidden.invoke(0, recording.config)

    assert ["f", None] == seen


def test_user_scopes(recording: Recording, probe: Probe, seen: list[str | None]) -> None:
    """A scope that user code opens in a body is the inner one there, up to the next run inside of it."""
    scopes = recording.relay.scopes

    def body(_: Any) -> None:
        with scopes.scope("mine"):
            probe()
            then(probe, "child").invoke(0)
            probe()
        probe()

    with scopes.scope("request"):
        RunnableLambda(body, name="f").invoke(0, recording.config)
        probe()

    assert ["mine", "child", "mine", "f", "request"] == seen


def test_marks_land_where_they_are_emitted(recording: Recording) -> None:
    """A mark that a body emits without a handle is a mark of that run."""

    @tool
    def work() -> None:
        """Work."""
        recording.relay.scopes.event("note")

    RunnableLambda(lambda _: work.invoke({}), name="f").invoke(0, recording.config)

    assert ["note"] == [mark.name for mark in recording.node("work").marks]
