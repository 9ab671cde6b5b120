"""Runs close once each on every path, parents after their children, with and without the garbage collector."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import Runnable, RunnableGenerator, RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from tests.langchain.support import Chat, Completion, Finder, Recording, StreamingChat

from relay_core.vocabulary import Outcome
from relay_langchain import RelayCallbackHandler, registry
from relay_langchain.registry import registry_of

pytestmark = pytest.mark.usefixtures("collector")


class Gate:
    """Where an async body waits until it is let go or cancelled."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def wait(self) -> None:
        self.reached.set()
        await self.opened.wait()


async def exceed(limit: asyncio.Timeout) -> None:
    """Let the time of `limit` run out."""
    limit.reschedule(asyncio.get_running_loop().time())
    await asyncio.Event().wait()


def echo(name: str) -> RunnableLambda[Any, Any]:
    """Return a function that returns what it is given."""
    return RunnableLambda(lambda x: x, name=name)


def raising(error: BaseException) -> Any:
    """Return a function that raises a new exception like `error`: one that is kept would keep LangChain's frames."""

    def fail(*_: Any, **__: Any) -> Any:
        raise type(error)(*error.args)

    return fail


def lcel() -> Runnable[Any, str]:
    """Return a function, a streaming model and a parser in sequence."""
    return echo("pre") | StreamingChat() | StrOutputParser()


async def cancelled(work: Any, gate: Gate) -> None:
    """Cancel `work` once it waits at the gate."""
    task = asyncio.ensure_future(work)
    await gate.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# --- Streams that nobody reads to the end -----------------------------------------------------------------------------


def test_a_stream_that_is_never_read(recording: Recording) -> None:
    """A stream that nobody iterates has not run."""
    lcel().stream("x", recording.config)

    assert "" == recording.tree
    recording.assert_complete()


def test_a_stream_that_stays_open(recording: Recording) -> None:
    """While a half-read stream is held, its runs are open; closing it closes them, the root last and with the rest."""
    stream: Any = lcel().stream("x", recording.config)
    next(stream)
    assert 3 == recording.open_runs

    stream.close()

    assert "RunnableSequence!abandoned{pre StreamingChat StrOutputParser}" == recording.tree
    end = recording.node("RunnableSequence").end
    assert end is not None
    assert ("UNSET", "its consumer left the stream", "x") == tuple(
        (end.metadata or {}).get(key) for key in ("otel.status_code", "otel.status_description", "langchain.inputs")
    )
    recording.assert_complete()


def test_a_stream_that_is_dropped(recording: Recording) -> None:
    """A half-read stream that is dropped closes at once."""
    for _ in lcel().stream("x", recording.config):
        break

    assert "RunnableSequence!abandoned{pre StreamingChat StrOutputParser}" == recording.tree
    recording.assert_complete()


def test_a_stream_whose_step_stops_early(recording: Recording) -> None:
    """A step that wants no more of what comes before it has not left the stream: the chain ends well."""

    def first(chunks: Iterator[Any]) -> Iterator[Any]:
        yield next(chunks)

    chain = echo("pre") | StreamingChat() | RunnableGenerator(first)
    list(chain.stream("x", recording.config))

    assert "ok" == recording.node("RunnableSequence").end.outcome
    assert "ok" == recording.node("first").end.outcome
    recording.assert_complete()


def test_a_body_that_leaves_a_stream(recording: Recording) -> None:
    """A function that leaves a model's stream has not been left itself."""

    def one_chunk(text: str) -> Any:
        return next(StreamingChat().stream(text)).text

    list(echo("pre").pipe(RunnableLambda(one_chunk)).stream("x", recording.config))

    assert "RunnableSequence{pre one_chunk{StreamingChat!abandoned}}" == recording.tree
    recording.assert_complete()


def test_a_parallel_stream_that_is_left(recording: Recording) -> None:
    """Branches that are being read when the consumer leaves are abandoned, and so is the chain around them."""
    stream: Any = RunnableParallel(a=echo("pre") | StreamingChat(), b=StreamingChat()).stream("x", recording.config)
    next(stream)
    stream.close()

    (root,) = recording.roots
    assert "abandoned" == root.end.outcome
    recording.assert_complete()


def test_a_consumer_that_raises(recording: Recording) -> None:
    """A stream whose consumer raises closes, and the error is the consumer's own."""

    def consume() -> None:
        for _ in lcel().stream("x", recording.config):
            raise KeyError

    with pytest.raises(KeyError):
        consume()

    recording.assert_complete()


def test_a_pending_end_keeps_its_time_and_output(recording: Recording) -> None:
    """A run that ended before its children has the output of that moment, and ends with the last of them."""
    handler = recording.handler()
    parent, child = uuid4(), uuid4()
    output = {"n": 1}
    handler.on_chain_start(None, 0, run_id=parent, name="parent")
    handler.on_chain_start(None, 0, run_id=child, parent_run_id=parent, name="child")
    handler.on_chain_end(output, run_id=parent)
    output["n"] = 2
    assert 2 == handler.open_runs
    assert "parent!None{child!None}" == recording.tree.replace("∅", "None")

    handler.on_chain_end("c", run_id=child)

    node = recording.node("parent")
    assert node.end is not None
    assert {"n": 1} == node.end.data
    child_end = recording.node("child").end
    assert child_end is not None
    assert node.end.timestamp_us < child_end.timestamp_us
    recording.assert_complete()


def test_a_clock_that_is_set_back(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pending end before its own start, by the clock, is recorded when the last child ends."""
    handler = recording.handler()
    parent, child = uuid4(), uuid4()
    handler.on_chain_start(None, 0, run_id=parent, name="parent")
    handler.on_chain_start(None, 0, run_id=child, parent_run_id=parent, name="child")

    class Past(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(2020, 1, 1, tzinfo=UTC)

    monkeypatch.setattr(registry, "datetime", Past)
    for run_id in (parent, child):
        handler.on_chain_end(1, run_id=run_id)

    assert "parent{child}" == recording.tree
    assert 0 == handler.open_runs
    recording.expect_suppressed()


def test_a_model_stream_that_is_closed(recording: Recording) -> None:
    """A model's own stream that is closed early is abandoned and keeps what had arrived."""
    stream: Any = StreamingChat().stream("x", recording.config)
    next(stream)
    stream.close()

    assert "StreamingChat!abandoned" == recording.tree
    end = recording.node("StreamingChat").end
    assert end is not None
    assert "UNSET" == (end.metadata or {})["otel.status_code"]
    recording.assert_complete()


def test_a_parallel_stream_that_is_closed(recording: Recording) -> None:
    """Branches that go on, or even start, after their closed stream still end under it."""
    stream: Any = RunnableParallel(a=lcel(), b=echo("b")).stream("x", recording.config)
    next(stream)
    stream.close()

    (root,) = recording.roots
    assert {"RunnableSequence", "b"} == {child.name for child in root.children}
    recording.assert_complete()


def test_a_generator_that_is_closed(recording: Recording) -> None:
    """A user's generator that is closed early ends."""

    def numbers(_: Iterator[Any]) -> Iterator[int]:
        yield 1
        yield 2

    stream: Any = RunnableGenerator(numbers, name="gen").stream(0, recording.config)
    next(stream)
    stream.close()

    assert "gen" == recording.tree
    recording.assert_complete()


def test_a_stream_pulled_from_several_threads(recording: Recording) -> None:
    """A stream that is pulled and closed from different threads makes one complete tree."""
    stream: Any = lcel().stream("x", recording.config)
    for step in (lambda: next(stream), lambda: next(stream), stream.close):
        thread = threading.Thread(target=step)
        thread.start()
        thread.join()

    assert "RunnableSequence!abandoned{pre StreamingChat StrOutputParser}" == recording.tree
    recording.assert_complete()


def test_an_abandoned_v3_stream(recording: Recording) -> None:
    """A typed stream that is dropped half-read, which LangChain never reports, is abandoned."""
    stream = StreamingChat().stream_events("x", recording.config, version="v3")
    next(iter(stream))
    del stream
    gc.collect()  # it is a cycle: the one case that needs the collector

    assert "StreamingChat!abandoned" == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
@pytest.mark.parametrize("how", ["aclose", "drop"])
async def test_an_async_stream_that_ends_early(recording: Recording, how: str) -> None:
    """An async stream that is closed or dropped early is abandoned as a whole."""
    stream: Any = lcel().astream("x", recording.config)
    await anext(stream)
    if how == "aclose":
        await stream.aclose()
    del stream
    await recording.settle()

    assert "RunnableSequence!abandoned{pre StreamingChat!abandoned StrOutputParser!abandoned}" == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
async def test_an_async_model_stream_that_is_closed(recording: Recording) -> None:
    """A model's own async stream that is closed early is abandoned."""
    stream: Any = StreamingChat().astream("x", recording.config)
    await anext(stream)
    await stream.aclose()

    assert "StreamingChat!abandoned" == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
async def test_an_async_parallel_stream_that_is_closed(recording: Recording) -> None:
    """Every branch of an async parallel stream that is closed ends."""
    stream: Any = RunnableParallel(a=lcel(), b=echo("b")).astream("x", recording.config)
    await anext(stream)
    await stream.aclose()
    del stream
    await recording.settle()

    recording.assert_complete()


@pytest.mark.anyio
async def test_an_async_generator_that_is_closed(recording: Recording) -> None:
    """A user's async generator that is closed early is abandoned."""

    async def numbers(_: AsyncIterator[Any]) -> AsyncIterator[int]:
        yield 1
        yield 2

    stream: Any = RunnableGenerator(numbers, name="gen").astream(0, recording.config)
    await anext(stream)
    await stream.aclose()

    assert "gen!abandoned" == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
async def test_astream_events_that_ends_early(recording: Recording) -> None:
    """`astream_events` that is left early cancels its run, and all of it ends."""
    stream: Any = lcel().astream_events("x", recording.config, version="v2")
    async for event in stream:
        if event["event"] == "on_chat_model_stream":
            break
    await stream.aclose()
    await recording.settle()

    assert "RunnableSequence!cancelled" in recording.tree
    recording.assert_complete()


def test_a_loop_that_ends_with_a_live_stream(recording: Recording) -> None:
    """An async stream that is still open when its loop ends is abandoned."""
    streams: list[Any] = []

    async def main() -> None:
        streams.append(lcel().astream("x", recording.config))
        await anext(streams[0])

    asyncio.run(main())

    assert "StreamingChat!abandoned" in recording.tree
    recording.assert_complete()


@pytest.mark.anyio
async def test_another_handler_that_keeps_exceptions(recording: Recording) -> None:
    """A handler that keeps the exception keeps LangChain's generators alive; our runs end all the same."""

    class Keeper(BaseCallbackHandler):
        def __init__(self) -> None:
            self.kept: list[BaseException] = []

        def on_chain_error(self, error: BaseException, **_: Any) -> None:
            self.kept.append(error)

    stream: Any = lcel().astream("x", {"callbacks": [Keeper(), recording.handler()]})
    await anext(stream)
    await stream.aclose()
    await recording.settle()

    assert "StreamingChat!abandoned" in recording.tree
    recording.assert_complete()


# --- Cancellation -----------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_cancelled_model(recording: Recording) -> None:
    """A chat model cancelled in `ainvoke`, which LangChain never reports, is cancelled."""
    gate = Gate()
    await cancelled(Chat(abody=gate.wait).ainvoke("x", recording.config), gate)
    await recording.settle()

    assert "Chat!cancelled" == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
async def test_a_cancelled_model_whose_id_somebody_keeps(recording: Recording) -> None:
    """The end of its cancelled task closes a call whose run id the application keeps."""
    gate, run_id = Gate(), uuid4()
    await cancelled(Chat(abody=gate.wait).ainvoke("x", {**recording.config, "run_id": run_id}), gate)
    await recording.settle()

    assert "Chat!cancelled" == recording.tree
    assert isinstance(run_id, UUID)
    recording.assert_complete()


@pytest.mark.anyio
async def test_a_cancelled_agenerate(recording: Recording) -> None:
    """Every prompt of a cancelled `agenerate` ends."""
    gate = Gate()
    model = Chat(abody=gate.wait)
    prompts = [[HumanMessage("a")], [HumanMessage("b")]]
    await cancelled(model.agenerate(prompts, callbacks=[recording.handler()]), gate)
    await recording.settle()

    assert 2 == len(recording.nodes("Chat"))
    recording.assert_complete()


@pytest.mark.anyio
async def test_a_cancelled_completion(recording: Recording) -> None:
    """A completion model that is cancelled is cancelled."""
    gate = Gate()
    await cancelled(Completion(abody=gate.wait).ainvoke("x", recording.config), gate)
    await recording.settle()

    assert "Completion!cancelled" == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
async def test_a_cancelled_sequence(recording: Recording) -> None:
    """A sequence that is cancelled while its model answers is cancelled, the forgotten model before it."""
    gate = Gate()
    await cancelled((echo("pre") | Chat(abody=gate.wait)).ainvoke("x", recording.config), gate)
    await recording.settle()

    assert "RunnableSequence!cancelled{pre Chat!cancelled}" == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
async def test_a_timeout(recording: Recording) -> None:
    """A sequence that runs out of time is cancelled."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as limit:
            await (echo("pre") | Chat(abody=lambda: exceed(limit))).ainvoke("x", recording.config)
    await recording.settle()

    assert "RunnableSequence!cancelled{pre Chat!cancelled}" == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
async def test_a_model_that_runs_out_of_time(recording: Recording) -> None:
    """A lone model that runs out of time is cancelled, once the exception is gone."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as limit:
            await Chat(abody=lambda: exceed(limit)).ainvoke("x", recording.config)
    await recording.settle()

    assert "Chat!cancelled" == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
async def test_a_timeout_that_user_code_handles(recording: Recording) -> None:
    """A model that runs out of time inside a function that goes on is cancelled, and the function is fine."""

    async def body(x: Any) -> Any:
        try:
            async with asyncio.timeout(None) as limit:
                return await Chat(abody=lambda: exceed(limit)).ainvoke("x")
        except TimeoutError:
            return x

    assert 1 == await RunnableLambda(body, name="f").ainvoke(1, recording.config)
    await recording.settle()

    assert "f{Chat!cancelled}" == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
async def test_a_cancelled_stream(recording: Recording) -> None:
    """The consumer of an async stream that is cancelled cancels all of it."""
    gate = Gate()

    async def consume() -> None:
        async for _ in (StreamingChat(abody=gate.wait) | StrOutputParser()).astream("x", recording.config):
            pass

    await cancelled(consume(), gate)
    await recording.settle()

    assert "StreamingChat!cancelled" in recording.tree
    recording.assert_complete()


@pytest.mark.anyio
async def test_cancelled_branches(recording: Recording) -> None:
    """Every branch of cancelled parallel work and of a cancelled batch ends."""
    gate = Gate()
    model = Chat(abody=gate.wait)
    await cancelled(RunnableParallel(a=model, b=echo("b")).ainvoke("x", recording.config), gate)
    gate = Gate()
    model = Chat(abody=gate.wait)
    await cancelled((echo("e") | model).abatch(["x", "y"], recording.config), gate)
    await recording.settle()

    assert all(node.end is not None and node.end.outcome == "cancelled" for node in recording.nodes("Chat"))
    recording.assert_complete()


@pytest.mark.anyio
async def test_a_cancelled_tool(recording: Recording) -> None:
    """An async tool that is cancelled is cancelled, whether LangChain reports it or not."""
    gate = Gate()

    @tool
    async def slow() -> None:
        """Wait."""
        await gate.wait()

    await cancelled(slow.ainvoke({}, recording.config), gate)
    await recording.settle()

    assert "slow!cancelled" == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
async def test_a_cancelled_retriever(recording: Recording) -> None:
    """A retriever that is cancelled, which LangChain never reports, is cancelled."""
    gate = Gate()

    class Slow(Finder):
        async def _aget_relevant_documents(self, query: str, *, run_manager: Any) -> Any:
            await gate.wait()

    await cancelled(Slow().ainvoke("q", recording.config), gate)
    await recording.settle()

    assert "Slow!cancelled" == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
async def test_a_model_that_raises_cancellation(recording: Recording) -> None:
    """A model that itself raises CancelledError is cancelled, whatever LangChain makes of it for the caller."""
    with pytest.raises((asyncio.CancelledError, AttributeError)):
        await Chat(answers=[asyncio.CancelledError()]).ainvoke("x", recording.config)
    await recording.settle()

    assert "Chat!cancelled" == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
async def test_a_swallowed_cancellation(recording: Recording) -> None:
    """A function that swallows its cancellation ends well."""
    gate = Gate()

    async def stubborn(_: Any) -> str:
        try:
            await gate.wait()
        except asyncio.CancelledError:
            return "still here"
        return "late"

    task = asyncio.ensure_future(RunnableLambda(stubborn, name="f").ainvoke(0, recording.config))
    await gate.reached.wait()
    task.cancel()

    assert "still here" == await task
    assert "f" == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
async def test_a_thread_that_survives_cancellation(recording: Recording) -> None:
    """A sync function's thread outlives its cancelled run; what it starts then is late, and under no dead scope."""
    started, go, done = threading.Event(), threading.Event(), threading.Event()

    def stubborn(x: Any) -> Any:
        started.set()
        go.wait(5)
        try:
            return echo("late").invoke(x)
        finally:
            done.set()

    task = asyncio.ensure_future(RunnableLambda(stubborn, name="f").ainvoke(0, recording.config))
    await asyncio.to_thread(started.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go.set()
    await asyncio.to_thread(done.wait, 5)
    await recording.settle()

    assert "f!cancelled late" == recording.tree
    late = recording.node("late")
    assert (late.start.metadata or {})["relay.late_parent"] == recording.node("f").start.uuid
    recording.assert_complete()


@pytest.mark.anyio
async def test_a_sync_tool_whose_thread_survives(recording: Recording) -> None:
    """A sync tool that is awaited and cancelled ends once, with its thread or before."""
    started, go = threading.Event(), threading.Event()

    @tool
    def slow() -> str:
        """Wait."""
        started.set()
        go.wait(5)
        return "done"

    async def body(_: Any) -> Any:
        return await slow.ainvoke({})

    task = asyncio.ensure_future(RunnableLambda(body, name="f").ainvoke(0, recording.config))
    await asyncio.to_thread(started.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "f!cancelled{slow!cancelled}" == recording.tree
    go.set()
    await recording.settle()

    recording.assert_complete()


def test_a_loop_that_ends_with_a_running_model(recording: Recording) -> None:
    """A task that its loop cancels at the end closes its runs."""

    async def main() -> None:
        gate = Gate()
        task = asyncio.ensure_future((echo("pre") | Chat(abody=gate.wait)).ainvoke("x", recording.config))
        await gate.reached.wait()
        assert not task.done()

    asyncio.run(main())

    assert "RunnableSequence!cancelled{pre Chat!cancelled}" == recording.tree
    recording.assert_complete()


# --- Exits and errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(KeyboardInterrupt(), "cancelled"), (SystemExit(3), "cancelled"), (GeneratorExit(), "abandoned")],
    ids=["KeyboardInterrupt", "SystemExit", "GeneratorExit"],
)
@pytest.mark.parametrize("where", ["function", "model", "tool", "retriever", "batch", "completion"])
def test_exits(recording: Recording, error: BaseException, outcome: str, where: str) -> None:
    """KeyboardInterrupt, SystemExit and GeneratorExit pass through and end every run on their way."""

    class Dying(Completion):
        def _call(self, prompt: str, *_: Any, **__: Any) -> str:
            return raising(error)()

    @tool
    def die() -> None:
        """Die."""
        raising(error)()

    work: dict[str, RunnableLambda[Any, Any] | Any] = {
        "function": RunnableLambda(raising(error), name="f"),
        "model": echo("pre") | Chat(answers=[error]),
        "tool": RunnableLambda(lambda _: die.invoke({}), name="f"),
        "retriever": RunnableLambda(lambda _: Finder(body=raising(error)).invoke("q"), name="f"),
        "batch": echo("pre") | RunnableLambda(raising(error), name="f"),
        "completion": Dying(),
    }

    run, inputs = (work[where].batch, ["x", "y"]) if where == "batch" else (work[where].invoke, "x")
    with pytest.raises(type(error)):
        run(inputs, recording.config)

    assert {outcome} == {root.end.outcome for root in recording.roots if root.end}
    recording.assert_complete()


def test_generate_with_one_failing_prompt(recording: Recording) -> None:
    """When one of several prompts fails, LangChain forgets the others: they are abandoned."""
    model = Chat(answers=["a", ValueError("b"), "c"])
    with pytest.raises(ValueError, match="b"):
        model.generate([[HumanMessage(text)] for text in "abc"], callbacks=[recording.handler()])

    assert "Chat!abandoned Chat!error Chat!abandoned" == recording.tree
    recording.assert_complete()


def test_parallel_branch_that_fails(recording: Recording) -> None:
    """A failing branch fails the parallel run, after the other branches have ended."""
    with pytest.raises(ValueError, match="bad"):
        RunnableParallel(bad=RunnableLambda(raising(ValueError("bad")), name="bad"), ok=echo("ok")).invoke(
            0, recording.config
        )

    (root,) = recording.roots
    assert {"bad!error", "ok"} == {str(child) for child in root.children}
    recording.assert_complete()


@pytest.mark.anyio
async def test_async_parallel_branch_that_fails(recording: Recording) -> None:
    """An async branch that goes on after its parent failed is abandoned with it, and its late end is ignored."""
    gate = Gate()
    finished = asyncio.Event()

    async def slow(_: Any) -> None:
        await gate.wait()
        finished.set()

    async def bad(_: Any) -> None:
        await gate.reached.wait()
        raise ValueError("bad")

    parallel = RunnableParallel(bad=RunnableLambda(bad, name="bad"), slow=RunnableLambda(slow, name="slow"))
    with pytest.raises(ValueError, match="bad"):
        await parallel.ainvoke(0, recording.config)
    gate.opened.set()
    await finished.wait()
    await recording.settle()

    (root,) = recording.roots
    assert {"bad!error", "slow!abandoned"} == {str(child) for child in root.children}
    recording.assert_complete()


@pytest.mark.anyio
async def test_fire_and_forget(recording: Recording) -> None:
    """What a background task starts after its parent has ended is a late child, and is not lost."""
    gate = Gate()
    tasks: list[asyncio.Task[Any]] = []

    async def background() -> None:
        await gate.wait()
        await echo("late").ainvoke(1)

    async def fire(_: Any) -> None:
        tasks.append(asyncio.ensure_future(background()))
        await gate.reached.wait()

    await RunnableLambda(fire, name="fire").ainvoke(0, recording.config)
    gate.opened.set()
    await tasks[0]

    assert "fire late" == recording.tree
    assert (recording.node("late").start.metadata or {})["relay.late_parent"] == recording.node("fire").start.uuid
    recording.assert_complete()


class Rude(BaseCallbackHandler):
    """Another handler that raises where it is told to."""

    raise_error = True
    run_inline = True

    def __init__(self, hook: str) -> None:
        setattr(self, hook, raising(RuntimeError("rude")))


@pytest.mark.parametrize("hook", ["on_chain_start", "on_chat_model_start", "on_chain_end", "on_llm_end"])
def test_another_handler_that_raises(recording: Recording, hook: str) -> None:
    """Another handler that raises into LangChain leaves none of our runs open."""
    with pytest.raises(RuntimeError, match="rude"):
        (echo("pre") | Chat()).invoke("x", {"callbacks": [recording.handler(), Rude(hook)]})

    recording.assert_complete()


# --- State ------------------------------------------------------------------------------------------------------------


def test_repeated_and_unknown_ends_are_ignored(recording: Recording) -> None:
    """A second end of a run, and the end of a run that never started, change nothing."""
    handler = recording.handler()
    run_id = uuid4()
    handler.on_chain_start(None, 0, run_id=run_id, name="c")
    handler.on_chain_error(ValueError("first"), run_id=run_id)
    handler.on_chain_end("second", run_id=run_id)
    handler.on_chain_end("never", run_id=uuid4())
    handler.on_llm_new_token("never", run_id=uuid4())

    assert "c!error" == recording.tree
    recording.assert_complete()


def test_an_id_in_two_objects(recording: Recording) -> None:
    """Where an id is used again as another object, the end of the first object does not end the new run."""
    handler = recording.handler()
    first, second, child = UUID(int=7), UUID(int=7), uuid4()
    handler.on_chain_start(None, 1, run_id=first, name="one")
    handler.on_chain_start(None, 1, run_id=child, parent_run_id=first, name="child")
    handler.on_chain_end(1, run_id=first)  # waits for the child
    handler.on_chain_start(None, 2, run_id=second, name="two")
    del first

    assert 3 == handler.open_runs
    for run_id in (child, second):
        handler.on_chain_end(2, run_id=run_id)
    assert "one{child} two" == recording.tree
    recording.assert_complete()


def test_a_pending_subtree_closes_with_a_failing_ancestor(recording: Recording) -> None:
    """An error above closes pending runs with their own ends and open ones as abandoned, children first."""
    handler = recording.handler()
    ids = [uuid4() for _ in range(3)]
    for index, run_id in enumerate(ids):
        handler.on_chain_start(
            None, 0, run_id=run_id, parent_run_id=ids[index - 1] if index else None, name=f"c{index}"
        )
    handler.on_chain_end("well", run_id=ids[1])
    handler.on_chain_error(ValueError("no"), run_id=ids[0])

    assert "c0!error{c1{c2!abandoned}}" == recording.tree
    recording.assert_complete()


def test_nothing_is_kept(recording: Recording) -> None:
    """Once LangChain has dropped a run's id, nothing of the run is left."""
    for _ in range(3):
        lcel().invoke("x", recording.config)
        list(lcel().stream("x", recording.config))

    runs = registry_of(recording.relay)
    assert {} == runs._known == runs._open == runs._pending


def test_no_growth(recording: Recording) -> None:
    """Two hundred runs leave no memory behind."""
    config = recording.config

    def work() -> None:
        for _ in range(100):
            lcel().invoke("x", config)
            for _ in lcel().stream("x", config):
                break
        recording.clear()

    work()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    work()
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()

    assert grown < 100_000


def test_no_exception_is_kept(recording: Recording) -> None:
    """The exception that ended a run is free once the application has dropped it."""
    import weakref

    class Broken(Exception):  # noqa: N818
        pass

    errors: list[weakref.ref[Broken]] = []

    def fail(_: Any) -> None:
        error = Broken()
        errors.append(weakref.ref(error))
        raise error

    with pytest.raises(Broken):
        (echo("pre") | RunnableLambda(fail)).invoke(0, recording.config)
    gc.collect()

    assert errors[0]() is None


def test_a_bounded_number_of_runs(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ids are hoarded and runs never end, the oldest are abandoned."""
    monkeypatch.setattr(registry, "MAX_KNOWN", 20)
    handler = recording.handler()
    ids = [uuid4() for _ in range(30)]
    for run_id in ids:
        handler.on_chain_start(None, 0, run_id=run_id, name="c")

    assert handler.open_runs <= 20
    handler.runs.close_all()
    assert {Outcome.ABANDONED} == {node.end.outcome for node in recording.nodes("c") if node.end}
    recording.assert_complete()


def test_detach_closes_what_the_handler_has_started(recording: Recording) -> None:
    """A detached handler's open runs are abandoned, those of others go on, and it hears nothing any more."""
    first, second = recording.handler(), recording.handler()
    one, two, three = uuid4(), uuid4(), uuid4()
    first.on_chain_start(None, 0, run_id=one, name="one")
    first.on_chain_start(None, 0, run_id=three, parent_run_id=one, name="three")
    second.on_chain_start(None, 0, run_id=two, name="two")

    first.detach()
    CallbackManager([first]).on_chain_start({"name": "later"}, 0)
    assert "one!abandoned{three!abandoned} two!∅" == recording.tree
    assert first.is_detached
    second.on_chain_end(0, run_id=two)

    recording.assert_complete()


def test_runtimes_keep_their_runs_apart(recording: Recording) -> None:
    """Handlers of two runtimes record the same run each for its own."""
    other = Recording()

    echo("e").invoke(1, {"callbacks": [recording.handler(), other.handler()]})

    assert "e" == recording.tree == other.tree
    assert registry_of(recording.relay) is not registry_of(other.relay)
    assert registry_of(recording.relay) is RelayCallbackHandler(runtime=recording.relay).runs
    other.relay.shutdown(1.0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child(recording: Recording) -> None:
    """Runs that are open at a fork are the parent's; the child starts with none."""
    results: list[int] = []

    def body(x: Any) -> Any:
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.write(write, bytes([recording.open_runs]))
            os._exit(0)
        os.waitpid(child, 0)
        results.append(os.read(read, 1)[0])
        os.close(read)
        os.close(write)
        return x

    RunnableLambda(body, name="f").invoke(0, recording.config)

    assert [0] == results
    recording.assert_complete()
