"""Streams of managed LLM calls."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest
from tests.core.control.support import Recording, told

from relay_core.codecs import LLMRequest, OpenAIChatCodec
from relay_core.control import LlmExecutionContext, LlmStream, LlmSyncStream
from relay_core.errors import AsyncMiddlewareError, ContinuationError, GuardrailRejected
from relay_core.events import ScopeEvent
from relay_core.vocabulary import LLMAttributes, Outcome

pytestmark = pytest.mark.anyio

REQUEST = LLMRequest({}, {"model": "m", "messages": []})


class Model:
    """A streaming model that notes how its stream ended."""

    def __init__(self, recording: Recording, chunks: int = 3, error: BaseException | None = None) -> None:
        """Yield `chunks` chunks, then raise `error`."""
        self._recording = recording
        self._chunks = chunks
        self._error = error
        self.closed = False

    async def __call__(self, request: LLMRequest) -> AsyncIterator[dict[str, int]]:
        """Stream."""
        try:
            for number in range(self._chunks):
                self._recording.relay.scopes.event("in the model")
                yield {"n": number}
            if self._error is not None:
                raise self._error
        finally:
            self.closed = True


class Call:
    """One streaming call, with what its collector got."""

    def __init__(self, recording: Recording) -> None:
        """Serve `recording`."""
        self._recording = recording
        self.collected: list[Any] = []

    async def open(self, model: Any, **options: Any) -> LlmStream:
        """Start the call."""
        return await self._recording.relay.llm.stream_execute(
            "p", REQUEST, model, self.collected.append, lambda: {"all": list(self.collected)}, **options
        )


@pytest.fixture
def call(recording: Recording) -> Call:
    """A call of the runtime of `recording`."""
    return Call(recording)


async def test_whole_stream(recording: Recording, call: Call) -> None:
    """A stream that is read to its end leaves one scope, with the finalizer's response and the time to first chunk."""
    stream = await call.open(Model(recording), attributes=LLMAttributes.STATEFUL, model_name="m-1")
    chunks = [chunk async for chunk in stream]
    start, end = await recording.start_of("p"), await recording.end_of("p")

    assert [{"n": 0}, {"n": 1}, {"n": 2}] == chunks == call.collected
    assert ("stateful", "streaming") == start.attributes == end.attributes
    assert ({"all": chunks}, Outcome.OK) == (end.data, end.outcome)
    assert end.category_profile is not None
    assert {"model_name", "time_to_first_chunk", "chunk_count"} == end.category_profile.keys()
    assert 0 <= end.category_profile["time_to_first_chunk"] < 60
    assert 3 == end.category_profile["chunk_count"]


async def test_scope_is_current_where_chunks_are_made(recording: Recording, call: Call) -> None:
    """The model runs inside of the call's scope, the consumer of its chunks outside."""
    async for _ in await call.open(Model(recording, chunks=2)):
        recording.relay.scopes.event("consumer")

    story = ["+p", "p > *in the model", "*consumer", "p > *in the model", "*consumer", "-p ok"]
    assert story == await recording.story()


async def test_response_is_normalized(recording: Recording, call: Call) -> None:
    """The response codec reads what the finalizer returns."""

    async def model(request: LLMRequest) -> AsyncIterator[str]:
        yield "a"

    stream = await recording.relay.llm.stream_execute(
        "p",
        REQUEST,
        model,
        lambda chunk: None,
        lambda: {"choices": [{"message": {"content": "whole"}}]},
        response_codec=OpenAIChatCodec(),
    )
    assert ["a"] == [chunk async for chunk in stream]

    assert "whole" == (await recording.end_of("p")).annotated_response["message"]


async def test_collector_gets_copies(recording: Recording) -> None:
    """A collector that edits its chunk does not edit the consumer's."""
    stream = await recording.relay.llm.stream_execute(
        "p", REQUEST, Model(recording, chunks=1), lambda chunk: chunk.clear(), lambda: None
    )

    assert [{"n": 0}] == [chunk async for chunk in stream]


async def test_closing_early(recording: Recording, call: Call) -> None:
    """A stream closed early ends as abandoned with the partial response; closing again does nothing."""
    model = Model(recording)
    stream = await call.open(model)
    await anext(stream)
    await stream.aclose()
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    end = await recording.end_of("p")

    assert model.closed
    assert ({"all": [{"n": 0}]}, Outcome.ABANDONED) == (end.data, end.outcome)
    assert end.metadata is not None
    assert end.category_profile is not None
    assert ("UNSET", 1) == (end.metadata["otel.status_code"], end.category_profile["chunk_count"])


async def test_closing_by_block(recording: Recording, call: Call) -> None:
    """Leaving an `async with` closes the stream."""
    async with await call.open(Model(recording)) as stream:
        await anext(stream)

    assert Outcome.ABANDONED is (await recording.end_of("p")).outcome


async def test_closing_before_the_first_chunk(recording: Recording, call: Call) -> None:
    """A stream that was never read has no time to first chunk."""
    await (await call.open(Model(recording))).aclose()
    end = await recording.end_of("p")

    assert ({"chunk_count": 0}, {"all": []}) == (end.category_profile, end.data)


async def test_dropped_stream(recording: Recording, call: Call) -> None:
    """A stream that nobody holds any more ends its scope as abandoned."""
    stream = await call.open(Model(recording))
    await anext(stream)
    del stream
    gc.collect()

    assert Outcome.ABANDONED is (await recording.end_of("p")).outcome


async def test_error_in_the_stream(recording: Recording, call: Call) -> None:
    """An exception in the middle of a stream reaches the consumer as it is; the partial response is recorded."""
    error = ConnectionResetError("gone")
    stream = await call.open(Model(recording, chunks=1, error=error))
    await anext(stream)
    with pytest.raises(ConnectionResetError) as caught:
        await anext(stream)
    end = await recording.end_of("p")

    assert caught.value is error
    assert ({"all": [{"n": 0}]}, Outcome.ERROR) == (end.data, end.outcome)
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_cancelled_consumer(recording: Recording, call: Call) -> None:
    """Cancelling whoever waits for a chunk ends the scope as cancelled."""
    waiting = anyio.Event()

    async def model(request: LLMRequest) -> AsyncIterator[int]:
        waiting.set()
        await anyio.sleep_forever()
        yield 1

    stream = await call.open(model)
    task = asyncio.ensure_future(anext(stream))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert Outcome.CANCELLED is (await recording.end_of("p")).outcome


async def test_failing_collector(recording: Recording) -> None:
    """What a collector raises ends the stream and closes the model's."""
    model = Model(recording)

    def collector(chunk: object) -> None:
        raise TypeError("collector")

    stream = await recording.relay.llm.stream_execute("p", REQUEST, model, collector, lambda: None)
    with pytest.raises(TypeError, match="collector"):
        await anext(stream)

    assert model.closed
    assert Outcome.ERROR is (await recording.end_of("p")).outcome


async def test_failing_finalizer() -> None:
    """What a finalizer raises is counted; the consumer has its chunks and the scope ends."""
    recording = Recording()

    def finalizer() -> None:
        raise TypeError("finalizer")

    stream = await recording.relay.llm.stream_execute("p", REQUEST, Model(recording), lambda chunk: None, finalizer)

    assert 3 == len([chunk async for chunk in stream])
    assert Outcome.OK is (await recording.end_of("p")).outcome
    assert 1 == recording.relay.statistics().suppressed_errors
    recording.relay.shutdown(5.0)


async def test_awaitable_of_a_stream(recording: Recording, call: Call) -> None:
    """The call may return a coroutine that gives the stream, as provider SDKs do."""

    async def create(request: LLMRequest) -> AsyncIterator[Any]:
        return Model(recording)(request)

    assert 3 == len([chunk async for chunk in await call.open(create)])


async def test_no_stream(recording: Recording, call: Call) -> None:
    """A call that gives no async iterator is an error, and its scope ends."""
    with pytest.raises(TypeError, match="must give an async iterator"):
        await call.open(lambda request: [1, 2])

    assert Outcome.ERROR is (await recording.end_of("p")).outcome


async def test_refused_stream(recording: Recording, call: Call) -> None:
    """Guardrails refuse streaming calls, too, and request intercepts rewrite them."""
    relay = recording.relay
    relay.guardrails.register_llm_conditional_execution("guard", 1, lambda request: "no")

    with pytest.raises(GuardrailRejected):
        await call.open(lambda request: pytest.fail("called"))

    assert ["+guard", "-guard ok", "*p"] == await recording.story()


async def test_intercept_that_returns_a_stream(recording: Recording, call: Call) -> None:
    """A stream intercept may return a stream of its own; the collector gets what came out of it."""

    async def double(context: LlmExecutionContext, following: Any) -> Any:
        inner = await following(context.request)

        async def doubled() -> AsyncIterator[int]:
            async for chunk in inner:
                yield chunk["n"] * 2

        return doubled()

    recording.relay.intercepts.register_llm_stream_execution("double", 1, double)

    assert [0, 2, 4] == [chunk async for chunk in await call.open(Model(recording))]
    assert [0, 2, 4] == call.collected


async def test_intercept_that_yields(recording: Recording, call: Call) -> None:
    """A stream intercept may be an async generator, and may call `next` while it runs."""

    async def twice(name: str, request: LLMRequest, context: LlmExecutionContext, following: Any) -> AsyncIterator[Any]:
        for _ in range(2):
            async for chunk in await following(request):
                yield chunk["n"]

    recording.relay.intercepts.register_llm_stream_execution("twice", 1, twice)

    assert [0, 1, 0, 1] == [chunk async for chunk in await call.open(Model(recording, chunks=2))]


async def test_next_is_dead_when_the_stream_is_over(recording: Recording, call: Call) -> None:
    """A stream intercept's `next` works as long as the stream, and no longer."""
    kept: list[Any] = []

    async def leak(context: LlmExecutionContext, following: Any) -> Any:
        kept.append(following)
        return await following(context.request)

    recording.relay.intercepts.register_llm_stream_execution("leak", 1, leak)
    async with contextlib.aclosing(await call.open(Model(recording))) as stream:
        await anext(stream)

    with pytest.raises(ContinuationError):
        kept[0](REQUEST)


# Without a loop -------------------------------------------------------------------------------------------------------


def _count(recording: Recording, chunks: int = 3, error: BaseException | None = None) -> Any:
    def model(request: LLMRequest) -> Iterator[int]:
        for number in range(chunks):
            recording.relay.scopes.event("in the model")
            yield number
        if error is not None:
            raise error

    return model


def _open_sync(recording: Recording, model: Any, **options: Any) -> LlmSyncStream:
    collected: list[int] = []
    return recording.relay.llm.stream_execute_sync("p", REQUEST, model, collected.append, lambda: collected, **options)


def test_whole_sync_stream(recording: Recording) -> None:
    """Without a loop a stream is an iterator with the same scope."""
    chunks = []
    for chunk in _open_sync(recording, _count(recording, chunks=2)):
        chunks.append(chunk)
        recording.relay.scopes.event("consumer")
    events = recording.events_now()

    assert [0, 1] == chunks
    story = ["+p", "p > *in the model", "*consumer", "p > *in the model", "*consumer", "-p ok"]
    assert story == told(events)
    assert [0, 1] == events[-1].data


def test_sync_stream_closed_early(recording: Recording) -> None:
    """Without a loop a stream closed early ends as abandoned with what there was; closing again does nothing."""
    with _open_sync(recording, _count(recording)) as stream:
        assert 0 == next(stream)
    stream.close()
    with pytest.raises(StopIteration):
        next(stream)
    end = recording.events_now()[-1]

    assert isinstance(end, ScopeEvent)
    assert (Outcome.ABANDONED, [0]) == (end.outcome, end.data)


def test_error_in_a_sync_stream(recording: Recording) -> None:
    """Without a loop an exception reaches the consumer as it is, too."""
    error = LookupError()
    stream = _open_sync(recording, _count(recording, chunks=0, error=error))
    with pytest.raises(LookupError) as caught:
        next(stream)

    assert caught.value is error
    assert ["+p", "-p error"] == told(recording.events_now())


def test_sync_stream_intercept(recording: Recording) -> None:
    """Without a loop stream intercepts are generators, or return iterators."""

    def twice(context: LlmExecutionContext, following: Any) -> Iterator[int]:
        yield from following(context.request)
        yield from following(context.request)

    recording.relay.intercepts.register_llm_stream_execution("twice", 1, twice)
    recording.relay.intercepts.register_llm_stream_execution(
        "negate", 2, lambda context, following: (-chunk for chunk in following(context.request))
    )

    assert [0, -1, 0, -1] == list(_open_sync(recording, _count(recording, chunks=2)))


async def _async_model(request: LLMRequest) -> AsyncIterator[int]:
    yield 1


def test_async_stream_needs_a_loop(recording: Recording) -> None:
    """What is async in a streaming call without a loop is an error."""
    with pytest.raises(TypeError, match="must give an iterator"):
        _open_sync(recording, _async_model)
    recording.relay.intercepts.register_llm_stream_execution("later", 1, anyio.sleep)
    with pytest.raises(AsyncMiddlewareError, match=r"'later'.*await llm\.stream_execute"):
        _open_sync(recording, _count(recording))


# Recorded elsewhere ---------------------------------------------------------------------------------------------------


async def test_unrecorded_stream(recording: Recording) -> None:
    """A stream that somebody else records has no scope, and is controlled all the same."""
    recording.relay.guardrails.register_llm_conditional_execution("guard", 1, lambda request: None)
    never: Any = pytest.fail
    stream = await recording.relay.llm.stream_execute(
        "p", REQUEST, _async_model, lambda chunk: None, never, recorded=False
    )

    assert [1] == [chunk async for chunk in stream]
    assert ["+guard", "-guard ok"] == await recording.story()


async def test_a_stream_that_an_intercept_makes(recording: Recording) -> None:
    """A stream that an intercept makes itself is recorded here, whoever records the calls that are made."""

    async def cached(context: LlmExecutionContext, following: Any) -> AsyncIterator[str]:
        yield "from "
        yield "cache"

    recording.relay.intercepts.register_llm_stream_execution("cache", 1, cached)
    collected: list[str] = []
    never: Any = pytest.fail
    stream = await recording.relay.llm.stream_execute(
        "p", REQUEST, never, collected.append, lambda: "".join(collected), recorded=False
    )

    assert ["from ", "cache"] == [chunk async for chunk in stream]
    assert ["+p", "-p ok"] == await recording.story()
    start, end = await recording.events()
    assert isinstance(start, ScopeEvent)
    assert ("streaming",) == tuple(start.attributes)
    assert "from cache" == end.data
    assert start.timestamp_us < end.timestamp_us


@pytest.mark.parametrize("wrong", [LookupError("no connection"), "no stream"], ids=["raises", "nonsense"])
async def test_a_stream_that_an_intercept_does_not_make(recording: Recording, wrong: Any) -> None:
    """A stream that fails in an intercept before the call is made is recorded here, too."""

    async def broken(context: LlmExecutionContext, following: Any) -> Any:
        if isinstance(wrong, Exception):
            raise wrong
        return wrong

    recording.relay.intercepts.register_llm_stream_execution("broken", 1, broken)
    never: Any = pytest.fail
    with pytest.raises((LookupError, TypeError)):
        await recording.relay.llm.stream_execute("p", REQUEST, never, never, never, recorded=False)

    assert ["+p", "-p error"] == await recording.story()
