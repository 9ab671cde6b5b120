"""One scope as a block: on every path it ends once, with the outcome that fits, and the body's exception goes on."""

import asyncio
import contextlib
import functools
import gc
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.core.recorder import Recorder

from relay_core import Outcome, Relay, ScopeHandle, ScopeType

pytestmark = pytest.mark.usefixtures("implementation")

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


ENDINGS = [
    (None, Outcome.OK, "OK", None),
    (ValueError("bad"), Outcome.ERROR, "ERROR", "bad"),
    (ValueError(), Outcome.ERROR, "ERROR", "ValueError"),
    (UnprintableError(), Outcome.ERROR, "ERROR", f"{__name__}.UnprintableError"),
    (ExceptionGroup("both", [ValueError("x")]), Outcome.ERROR, "ERROR", "both (1 sub-exception)"),
    (asyncio.CancelledError(), Outcome.CANCELLED, "UNSET", "cancelled"),
    (asyncio.CancelledError("too slow"), Outcome.CANCELLED, "UNSET", "too slow"),
    (KeyboardInterrupt(), Outcome.CANCELLED, "UNSET", "cancelled"),
    (SystemExit(3), Outcome.CANCELLED, "UNSET", "3"),
    (GeneratorExit(), Outcome.ABANDONED, "UNSET", "abandoned"),
]


def check_end(recorder: Recorder, error: BaseException | None, outcome: Outcome, code: str, says: str | None) -> None:
    """Check that the scope `work` has ended once, and how."""
    (end,) = recorder.ends
    metadata = end.metadata or {}
    kind = f"{__name__}.UnprintableError" if isinstance(error, UnprintableError) else type(error).__name__
    assert outcome is end.outcome
    assert (code, says) == (metadata["otel.status_code"], metadata.get("otel.status_description"))
    assert (kind if outcome is Outcome.ERROR else None) == metadata.get("error.type") == metadata.get("exception.type")


# --- Blocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("error", "outcome", "code", "says"), ENDINGS)
def test_with(
    relay: Relay, recorder: Recorder, error: BaseException | None, outcome: Outcome, code: str, says: str | None
) -> None:
    """A `with` block ends on every path, and its body's own exception comes out of it."""
    with contextlib.ExitStack() as stack:
        if error is not None:
            caught = stack.enter_context(pytest.raises(type(error)))
        with relay.scopes.scope("work", ScopeType.Agent, input=1) as handle:
            assert handle is relay.scopes.current()
            if error is not None:
                raise error

    assert error is None or caught.value is error
    assert relay.scopes.current() is None
    check_end(recorder, error, outcome, code, says)


@pytest.mark.anyio
@pytest.mark.parametrize(("error", "outcome", "code", "says"), ENDINGS)
async def test_async_with(
    relay: Relay, recorder: Recorder, error: BaseException | None, outcome: Outcome, code: str, says: str | None
) -> None:
    """An `async with` block does the same."""
    with contextlib.ExitStack() as stack:
        if error is not None:
            stack.enter_context(pytest.raises(type(error)))
        async with relay.scopes.scope("work"):
            if error is not None:
                raise error

    check_end(recorder, error, outcome, code, says)


def test_output(relay: Relay, recorder: Recorder) -> None:
    """The block's handle takes the output and more metadata."""
    with relay.scopes.scope("work") as handle:
        handle.set_output({"answer": 42})
        handle.set_metadata(model="m")

    assert {"answer": 42} == recorder.end("work").data
    assert "m" == (recorder.end("work").metadata or {})["model"]


def test_popped_inside(relay: Relay, recorder: Recorder) -> None:
    """A block whose scope was ended inside has nothing more to end."""
    with relay.scopes.scope("work") as handle:
        relay.scopes.pop(handle)

    assert ["+work", "-work"] == recorder.names


def test_times(relay: Relay, recorder: Recorder) -> None:
    """A block takes the times of work that is over."""
    with relay.scopes.scope("work", timestamp=NOON, end_timestamp=NOON + timedelta(seconds=1)):
        pass

    assert "2026-03-01T12:00:00.000000Z" == recorder.start("work").timestamp
    assert "2026-03-01T12:00:01.000000Z" == recorder.end("work").timestamp


def test_end_before_start(relay: Relay, recorder: Recorder) -> None:
    """An end before the start is refused at the end; the scope ends all the same."""
    block = relay.scopes.scope("work", timestamp=NOON, end_timestamp=NOON - timedelta(seconds=1))
    with pytest.raises(ValueError, match="before the start"), block:
        pass

    assert ["+work", "-work"] == recorder.names
    assert relay.scopes.current() is None


def test_end_before_start_does_not_replace_the_bodys_exception(relay: Relay, recorder: Recorder) -> None:
    """Where the body has failed, its exception is the one that comes out."""
    block = relay.scopes.scope("work", timestamp=NOON, end_timestamp=NOON - timedelta(seconds=1))
    with pytest.raises(KeyError, match="mine"), block:
        raise KeyError("mine")

    assert Outcome.ERROR is recorder.end("work").outcome


@pytest.mark.parametrize(("end", "error"), [(datetime(2026, 3, 1), ValueError), ("now", TypeError)])
def test_wrong_end(relay: Relay, recorder: Recorder, end: Any, error: type[Exception]) -> None:
    """An end that is no time, or has no zone, is refused on entry."""
    with pytest.raises(error, match="end_timestamp"):
        relay.scopes.scope("work", end_timestamp=end).__enter__()

    assert [] == recorder.events


def test_a_block_is_one_scope_at_a_time(relay: Relay, recorder: Recorder) -> None:
    """A block that is entered cannot be entered again before it is left; then it can, for another scope."""
    block = relay.scopes.scope("work")
    with block, pytest.raises(RuntimeError, match="'work' is entered already"):
        block.__enter__()
    with block:
        pass

    assert ["+work", "-work"] * 2 == recorder.names
    assert 2 == len({it.uuid for it in recorder.starts})


# --- Decorators ------------------------------------------------------------------------------------------------------


def test_function(relay: Relay, recorder: Recorder) -> None:
    """Each call of a decorated function is a scope of its own, and the function keeps its name and signature."""

    @relay.scopes.scope("work", ScopeType.Tool)
    def double(number: int) -> int:
        """Double."""
        relay.scopes.event(f"in {number}")
        return 2 * number

    assert [2, 4] == [double(1), double(2)]

    assert ("double", "Double.") == (double.__name__, double.__doc__)
    assert ["+work", "in 1", "-work", "+work", "in 2", "-work"] == recorder.names
    assert 2 == len({it.uuid for it in recorder.starts})


def test_recursion_and_threads(relay: Relay, recorder: Recorder) -> None:
    """A decorated function may call itself and may run in several threads at once."""

    @relay.scopes.scope("work")
    def descend(depth: int) -> None:
        if depth:
            descend(depth - 1)

    threads = [threading.Thread(target=descend, args=(3,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    by_uuid = {it.uuid: it for it in recorder.starts}
    depths = [0] * 4
    for start in recorder.starts:
        depth = 0
        parent = start.parent_uuid
        while parent is not None:
            parent, depth = by_uuid[parent].parent_uuid, depth + 1
        depths[depth] += 1
    assert [4, 4, 4, 4] == depths


def test_failing_function(relay: Relay, recorder: Recorder) -> None:
    """What a decorated function raises comes out unchanged."""

    @relay.scopes.scope("work")
    def fail() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        fail()

    assert Outcome.ERROR is recorder.end("work").outcome


@pytest.mark.anyio
async def test_coroutine_function(relay: Relay, recorder: Recorder) -> None:
    """The scope of a decorated coroutine function lasts until it is done, once for each call."""

    @relay.scopes.scope("work")
    async def work(number: int) -> int:
        await asyncio.sleep(0)
        relay.scopes.event(f"in {number}")
        return number

    assert asyncio.iscoroutinefunction(work)
    assert [1, 2] == await asyncio.gather(work(1), work(2))
    ends = {it.uuid: it for it in recorder.ends}
    assert {"in 1", "in 2"} == {it.name for it in recorder.marks if it.parent_uuid in ends}


@pytest.mark.anyio
async def test_objects_with_an_async_call(relay: Relay, recorder: Recorder) -> None:
    """A callable object that is called asynchronously is treated like a coroutine function, and a partial of one."""

    class Worker:
        async def __call__(self, number: int) -> int:
            await asyncio.sleep(0)
            relay.scopes.event("in")
            return number

    block = relay.scopes.scope("work")
    assert 1 == await block(Worker())(1)
    assert 2 == await block(functools.partial(Worker(), 2))()
    assert ["+work", "in", "-work"] * 2 == recorder.names


@pytest.mark.anyio
async def test_cancelled_coroutine(relay: Relay, recorder: Recorder) -> None:
    """A task that is cancelled inside of a decorated coroutine ends its scope as cancelled."""
    inside = asyncio.Event()

    @relay.scopes.scope("work")
    async def wait() -> None:
        inside.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await inside.wait()
    task.cancel("enough")
    with pytest.raises(asyncio.CancelledError):
        await task

    check_end(recorder, asyncio.CancelledError(), Outcome.CANCELLED, "UNSET", "enough")


def test_what_cannot_be_decorated(relay: Relay) -> None:
    """Decorating what is not callable is an error at once."""
    with pytest.raises(TypeError, match="decorates functions, not int"):
        relay.scopes.scope("work")(7)  # type: ignore[type-var]


# --- Generators ------------------------------------------------------------------------------------------------------


@pytest.fixture
def counting(relay: Relay) -> Any:
    """A decorated generator that says which scope it is in at every step."""

    @relay.scopes.scope("count")
    def count(limit: int) -> Generator[int, str | None, str]:
        try:
            for number in range(limit):
                relay.scopes.event(f"at {number}")
                answer = yield number
                if answer is not None:
                    relay.scopes.event(f"got {answer}")
        finally:
            relay.scopes.event("cleaning up")
        return "done"

    return count


def test_generator(relay: Relay, recorder: Recorder, counting: Any) -> None:
    """A generator's scope is current in the generator and not in its consumer."""
    with relay.scopes.scope("consumer") as consumer:
        for number in counting(2):
            assert consumer is relay.scopes.current()
            relay.scopes.event(f"used {number}")

    parents = recorder.parents()
    assert {"at 0": "count", "used 0": "consumer", "at 1": "count", "used 1": "consumer"}.items() <= parents.items()
    assert {"count": "consumer", "cleaning up": "count"}.items() <= parents.items()
    assert Outcome.OK is recorder.end("count").outcome


def test_a_generator_that_is_not_started(relay: Relay, recorder: Recorder, counting: Any) -> None:
    """A generator that nobody advances has no scope."""
    counting(2).close()

    assert [] == recorder.events


def test_send_throw_and_return(recorder: Recorder, counting: Any) -> None:
    """What is sent and thrown in reaches the generator, and its return value comes out."""
    generator = counting(2)
    assert 0 == next(generator)
    assert 1 == generator.send("hello")
    with pytest.raises(StopIteration) as stop:
        generator.send(None)
    assert "done" == stop.value.value
    other = counting(2)
    next(other)
    with pytest.raises(LookupError, match="thrown"):
        other.throw(LookupError("thrown"))

    assert "count" == recorder.parents()["got hello"]
    assert [Outcome.OK, Outcome.ERROR] == [it.outcome for it in recorder.ends]


def test_a_generator_that_handles_what_is_thrown(relay: Relay, recorder: Recorder) -> None:
    """A generator may catch what is thrown in and go on; nothing of ours keeps the exception."""

    @relay.scopes.scope("work")
    def stubborn() -> Generator[str]:
        while True:
            try:
                yield "waiting"
            except LookupError:
                yield "caught"

    class ThrownError(LookupError):  # one that can be referred to weakly
        pass

    generator = stubborn()
    next(generator)
    error = ThrownError("x")
    reference = weakref.ref(error)
    assert "caught" == generator.throw(error)
    assert "waiting" == next(generator)
    del error

    assert reference() is None
    generator.close()
    assert Outcome.ABANDONED is recorder.end("work").outcome


def test_yield_from(relay: Relay, recorder: Recorder, counting: Any) -> None:
    """A decorated generator may be delegated to, and gives its value."""

    def outer() -> Generator[int, str | None, str]:
        return (yield from counting(1))

    generator = outer()
    assert 0 == next(generator)
    with pytest.raises(StopIteration) as stop:
        generator.send("hi")

    assert "done" == stop.value.value
    assert "count" == recorder.parents()["got hi"]


@pytest.mark.parametrize("how", ["close", "drop"])
def test_a_consumer_that_stops_early(recorder: Recorder, counting: Any, how: str) -> None:
    """A generator that is closed or dropped ends its scope as abandoned, after it has cleaned up inside of it."""
    generator = counting(5)
    next(generator)
    if how == "close":
        generator.close()
    del generator
    gc.collect()

    assert ["+count", "at 0", "cleaning up", "-count"] == recorder.names
    assert "count" == recorder.parents()["cleaning up"]
    check_end(recorder, GeneratorExit(), Outcome.ABANDONED, "UNSET", "abandoned")


def test_a_generator_that_will_not_close(relay: Relay, recorder: Recorder) -> None:
    """A generator that yields while it is closed fails as it would without us."""

    @relay.scopes.scope("work")
    def clinging() -> Iterator[int]:
        try:
            yield 1
        except GeneratorExit:
            yield 2

    generator = clinging()
    next(generator)
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        generator.close()  # type: ignore[attr-defined]

    assert Outcome.ERROR is recorder.end("work").outcome


def test_a_generator_advanced_by_several_threads(relay: Relay, recorder: Recorder, counting: Any) -> None:
    """Each step may be made in another thread: the scope is current there for the step, and nowhere after it."""
    generator = counting(3)
    current: list[object] = []

    def advance() -> None:
        next(generator)
        current.append(relay.scopes.current())

    for _ in range(3):
        thread = threading.Thread(target=advance)
        thread.start()
        thread.join()
    assert [None] * 3 == current
    generator.close()

    assert {"count"} == {recorder.parents()[f"at {number}"] for number in range(3)}


def test_a_scope_that_spans_steps(relay: Relay, recorder: Recorder) -> None:
    """A block inside of a decorated generator is not seen by the consumer, and is there again in the next step."""

    @relay.scopes.scope("work")
    def spanning() -> Iterator[None]:
        with relay.scopes.scope("inner"):
            yield
            relay.scopes.event("second step")

    generator = spanning()
    next(generator)
    assert relay.scopes.current() is None
    assert [] == list(generator)

    assert {"inner": "work", "second step": "inner"}.items() <= recorder.parents().items()


def test_a_scope_that_spans_steps_and_is_popped_elsewhere(relay: Relay, recorder: Recorder) -> None:
    """What the generator had open and somebody else has closed is not current in the next step."""
    opened: list[ScopeHandle] = []

    @relay.scopes.scope("work")
    def spanning() -> Iterator[None]:
        opened.append(relay.scopes.push("first"))
        opened.append(relay.scopes.push("second"))
        yield
        relay.scopes.event("in first")
        yield
        relay.scopes.event("in work")

    with relay.scopes.scope("consumer"):
        for _ in spanning():
            relay.scopes.pop(opened.pop())

    assert {"in first": "first", "in work": "work"}.items() <= recorder.parents().items()


@pytest.fixture
def counting_async(relay: Relay) -> Any:
    """As `counting`, asynchronous."""

    @relay.scopes.scope("count")
    async def count(limit: int) -> AsyncGenerator[int, str | None]:
        try:
            for number in range(limit):
                await asyncio.sleep(0)
                relay.scopes.event(f"at {number}")
                answer = yield number
                if answer is not None:
                    relay.scopes.event(f"got {answer}")
        finally:
            await asyncio.sleep(0)
            relay.scopes.event("cleaning up")

    return count


@pytest.mark.anyio
async def test_async_generator(relay: Relay, recorder: Recorder, counting_async: Any) -> None:
    """An async generator's scope is current in the generator and not in its consumer."""
    async with relay.scopes.scope("consumer") as consumer:
        async for number in counting_async(2):
            assert consumer is relay.scopes.current()
            relay.scopes.event(f"used {number}")

    parents = recorder.parents()
    assert {"at 0": "count", "used 0": "consumer", "at 1": "count", "used 1": "consumer"}.items() <= parents.items()
    assert {"count": "consumer", "cleaning up": "count"}.items() <= parents.items()
    assert Outcome.OK is recorder.end("count").outcome


@pytest.mark.anyio
async def test_asend_athrow_and_aclose(recorder: Recorder, counting_async: Any) -> None:
    """What is sent and thrown into an async generator reaches it; closing it ends the scope as abandoned."""
    first, second = counting_async(2), counting_async(2)
    assert 0 == await anext(first)
    assert 1 == await first.asend("hello")
    await first.aclose()
    await anext(second)
    with pytest.raises(LookupError, match="thrown"):
        await second.athrow(LookupError("thrown"))

    assert "count" == recorder.parents()["got hello"]
    assert [Outcome.ABANDONED, Outcome.ERROR] == [it.outcome for it in recorder.ends]


@pytest.mark.anyio
async def test_async_consumer_that_is_cancelled(recorder: Recorder, relay: Relay) -> None:
    """A consumer that is cancelled while the generator works ends the scope as cancelled."""
    inside = asyncio.Event()

    @relay.scopes.scope("work")
    async def slow() -> AsyncIterator[int]:
        inside.set()
        await asyncio.Event().wait()
        yield 1

    async def consume() -> None:
        async for _ in slow():
            pass

    task = asyncio.create_task(consume())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert Outcome.CANCELLED is recorder.end("work").outcome


@pytest.mark.anyio
async def test_a_task_of_an_async_generator(relay: Relay, recorder: Recorder) -> None:
    """A task that an async generator starts stays under its scope, also between the generator's steps."""
    between = asyncio.Event()

    async def background() -> None:
        await between.wait()
        relay.scopes.event("background")

    @relay.scopes.scope("work")
    async def working() -> AsyncIterator[None]:
        task = asyncio.create_task(background())
        yield
        await task

    async for _ in working():
        between.set()
        await asyncio.sleep(0)

    assert "work" == recorder.parents()["background"]


def test_async_generator_that_is_dropped(relay: Relay, recorder: Recorder, counting_async: Any) -> None:
    """An async generator that is dropped is closed by its loop, and its scope ends as abandoned."""

    async def main() -> None:
        async for _ in counting_async(5):
            break
        gc.collect()
        await asyncio.sleep(0.01)

    asyncio.run(main())

    assert Outcome.ABANDONED is recorder.end("count").outcome
    assert "count" == recorder.parents()["cleaning up"]
