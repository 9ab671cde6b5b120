"""Managed tool calls, as the application makes them."""

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from tests.core.control.support import Recording, told

from relay_core.control import ToolExecutionContext, ToolExecutionResult
from relay_core.errors import AsyncMiddlewareError, GuardrailRejected, ScopeClosedError, ScopeError
from relay_core.runtime import Relay
from relay_core.vocabulary import Outcome, ScopeType, ToolAttributes

pytestmark = pytest.mark.anyio

ARGS = {"x": 1}


class OddError(Exception):
    """An exception that nobody but the test knows."""


class Stop(BaseException):
    """Not even an Exception."""


def _allow(*_: object) -> None:
    """Let every call pass."""


@pytest.fixture(params=["direct", "pipeline"])
def path(request: pytest.FixtureRequest, relay: Relay) -> str:
    """Both ways through `execute`: without any middleware, and with some that does nothing."""
    if request.param == "pipeline":
        relay.intercepts.register_tool_request("nothing", 1, False, lambda name, args: args)
    return str(request.param)


@pytest.mark.usefixtures("path")
async def test_call_is_one_scope(recording: Recording) -> None:
    """A managed call leaves a start with the arguments and an end with the result."""

    async def tool(args: Any) -> ToolExecutionResult[Any]:
        return ToolExecutionResult({"y": args["x"] + 1}, annotation={"cached": True})

    result = await recording.relay.tools.execute(
        "add",
        ARGS,
        tool,
        attributes=ToolAttributes.REMOTE,
        data="note",
        metadata={"m": 1},
        tool_call_id="c1",
    )
    start, end = await recording.events()

    assert ToolExecutionResult({"y": 2}, {"cached": True}) == result
    assert ["+add", "-add ok"] == await recording.story()
    assert (ARGS, {"m": 1}, {"tool_call_id": "c1"}) == (start.data, start.metadata, start.category_profile)
    assert "tool" == start.category
    assert ("remote",) == start.attributes  # type: ignore[union-attr]
    assert {"y": 2} == end.data
    assert {"tool_call_id": "c1", "tool_result_annotation": {"cached": True}} == end.category_profile
    assert end.metadata is not None
    assert (1, "OK") == (end.metadata["m"], end.metadata["otel.status_code"])


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("value", [None, 5, {"a": [1]}, "text"])
async def test_plain_values_are_results(relay: Relay, value: Any) -> None:
    """A tool may return any value; the caller gets it as a result, and it is the same object."""
    result = await relay.tools.execute("t", ARGS, lambda args: value)

    assert result.result is value
    assert result.annotation is None


@pytest.mark.usefixtures("path")
async def test_tool_gets_the_callers_own_objects(relay: Relay) -> None:
    """Arguments do not pass through JSON: the tool gets the very object, whatever it is."""
    args = {"handle": object(), "nested": [ARGS]}

    result = await relay.tools.execute("t", args, lambda given: given)

    assert result.result is args


@pytest.mark.usefixtures("path")
async def test_scope_is_current_inside_the_tool(recording: Recording) -> None:
    """What a tool does nests under it; afterwards the caller's scope is current again."""
    relay = recording.relay

    async def tool(args: Any) -> None:
        relay.scopes.event("inside")
        await asyncio.to_thread(relay.scopes.event, "thread")
        await asyncio.create_task(_marking(relay, "task"))

    with relay.scopes.scope("request"):
        await relay.tools.execute("t", ARGS, tool)
        relay.scopes.event("after")

    assert [
        "+request",
        "request > +t",
        "t > *inside",
        "t > *thread",
        "t > *task",
        "request > -t ok",
        "request > *after",
        "-request ok",
    ] == await recording.story()


async def _marking(relay: Relay, name: str) -> None:
    relay.scopes.event(name)


@pytest.mark.usefixtures("path")
async def test_concurrent_calls_are_siblings(recording: Recording) -> None:
    """Calls that run at the same time are children of their caller, whatever the order they end in."""
    relay = recording.relay
    first_may_end = anyio.Event()

    async def first(args: Any) -> None:
        relay.scopes.event("in first")
        await first_may_end.wait()

    async def second(args: Any) -> None:
        relay.scopes.event("in second")
        first_may_end.set()

    with relay.scopes.scope("request"):
        await asyncio.gather(relay.tools.execute("first", 1, first), relay.tools.execute("second", 2, second))

    story = await recording.story()
    assert {"request > +first", "request > +second", "first > *in first", "second > *in second"} <= set(story)
    assert story.index("request > -second ok") < story.index("request > -first ok")


@pytest.mark.usefixtures("path")
async def test_explicit_parent(recording: Recording) -> None:
    """`handle` names the parent; the implicit root means top level; a foreign handle is refused."""
    relay = recording.relay
    handle = relay.scopes.start("parent")
    with relay.scopes.scope("request"):
        await relay.tools.execute("under", 1, _allow, handle=handle)
        await relay.tools.execute("top", 1, _allow, handle=relay.root)
        with pytest.raises(ScopeError):
            await relay.tools.execute("lost", 1, _allow, handle=Relay().scopes.start("elsewhere"))

    story = await recording.story()
    assert "parent > +under" in story
    assert "+top" in story
    assert not [line for line in story if "lost" in line]


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("error", [OddError("secret"), Stop(), KeyError("k"), ExceptionGroup("g", [OddError()])])
async def test_original_exception_reaches_the_caller(recording: Recording, error: BaseException) -> None:
    """Whatever a tool raises reaches the caller as the same object, and the scope ends."""

    def tool(args: Any) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await recording.relay.tools.execute("t", ARGS, tool)

    assert caught.value is error
    end = await recording.end_of("t")
    assert end.data is None
    assert end.outcome is (Outcome.CANCELLED if isinstance(error, Stop) else Outcome.ERROR)


@pytest.mark.usefixtures("path")
async def test_failure_is_described(recording: Recording) -> None:
    """The end of a failed call says what was raised."""

    async def tool(args: Any) -> None:
        raise ValueError("bad input")

    with pytest.raises(ValueError, match="bad input"):
        await recording.relay.tools.execute("t", ARGS, tool)

    metadata = (await recording.end_of("t")).metadata
    assert {
        "otel.status_code": "ERROR",
        "otel.status_description": "bad input",
        "relay.outcome": "error",
        "error.type": "ValueError",
        "exception.type": "ValueError",
    } == metadata


@pytest.mark.usefixtures("path")
async def test_cancellation_ends_the_scope(recording: Recording) -> None:
    """A cancelled call is cancelled, and its scope says so."""
    running = anyio.Event()

    async def tool(args: Any) -> None:
        running.set()
        await anyio.sleep_forever()

    task = asyncio.create_task(recording.relay.tools.execute("t", ARGS, tool))
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert Outcome.CANCELLED is (await recording.end_of("t")).outcome
    assert recording.relay.scopes.current() is None


async def test_nobody_listens() -> None:
    """With nobody listening a call works the same, its scope is current and nothing is emitted."""
    relay = Relay()

    async def tool(args: Any) -> Any:
        handle = relay.scopes.current()
        assert handle is not None
        return (args, handle.name, handle.scope_type)

    result = await relay.tools.execute("t", ARGS, tool)

    assert (ARGS, "t", ScopeType.Tool) == result.result
    assert (0, 0) == (relay.statistics().emitted, relay.statistics().open_scopes)


@pytest.mark.parametrize("name", [None, 5])
async def test_name_must_be_a_str(relay: Relay, name: Any) -> None:
    """A name that is no str is refused before the tool is called."""
    with pytest.raises(TypeError):
        await relay.tools.execute(name, ARGS, lambda args: pytest.fail("called"))


# Without a loop -------------------------------------------------------------------------------------------------------


def test_sync_call_goes_through_everything(recording: Recording) -> None:
    """Without a loop a call passes guardrails, request intercepts and execution intercepts, too."""
    relay = recording.relay
    relay.guardrails.register_tool_conditional_execution("guard", 1, _allow)
    relay.intercepts.register_tool_request("request", 1, False, lambda name, args: {**args, "y": 2})

    def wrap(context: ToolExecutionContext, following: Callable[[Any], Any]) -> Any:
        result = following({**context.args, "z": 3})
        return ToolExecutionResult({"wrapped": result.result})

    relay.intercepts.register_tool_execution("wrap", 1, wrap)

    result = relay.tools.execute_sync("t", ARGS, lambda args: args, tool_call_id="c1")

    assert {"wrapped": {"x": 1, "y": 2, "z": 3}} == result.result
    assert ["+guard", "-guard ok", "+t", "-t ok"] == told(recording.events_now())


def test_sync_call_is_refused(relay: Relay) -> None:
    """Without a loop a guardrail refuses, too."""
    relay.guardrails.register_tool_conditional_execution("guard", 1, lambda name, args: "no")

    with pytest.raises(GuardrailRejected, match="guardrail rejected: no"):
        relay.tools.execute_sync("t", ARGS, lambda args: pytest.fail("called"))


@pytest.mark.parametrize("kind", ["tool_conditional_execution", "tool_request", "tool_execution"])
def test_async_middleware_is_refused_before_anything_happens(recording: Recording, kind: str) -> None:
    """Async middleware in front of a call without a loop is an error that names it; nothing has happened then."""
    relay = recording.relay
    asked: list[str] = []
    relay.guardrails.register_tool_conditional_execution("first", 0, lambda name, args: asked.append("asked"))

    async def middleware(*_: object) -> None: ...

    registrar = relay.guardrails if kind.endswith("conditional_execution") else relay.intercepts
    getattr(registrar, f"register_{kind}")("later", 1, middleware)

    with pytest.raises(AsyncMiddlewareError, match=r"tools.execute_sync.*'later'.*await tools.execute"):
        relay.tools.execute_sync("t", ARGS, lambda args: pytest.fail("called"))

    assert [] == asked
    assert [] == recording.events_now()


async def _async_tool(args: Any) -> None: ...


def _disguised_tool(args: Any) -> Any:
    return _async_tool(args)


@pytest.mark.parametrize("tool", [_async_tool, _disguised_tool])
def test_async_tool_needs_a_loop(recording: Recording, tool: Any) -> None:
    """An async tool in a call without a loop is an error that says what to await; no coroutine is left behind."""
    with pytest.raises(AsyncMiddlewareError, match=r"await tools\.execute"):
        recording.relay.tools.execute_sync("t", ARGS, tool)

    assert 0 == recording.relay.statistics().open_scopes


# By hand --------------------------------------------------------------------------------------------------------------


async def test_call_by_hand(recording: Recording) -> None:
    """`call` and `call_end` leave the same events, without asking any middleware and without becoming current."""
    relay = recording.relay
    relay.guardrails.register_tool_conditional_execution("guard", 1, lambda name, args: "no")
    at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

    handle = relay.tools.call("t", ARGS, data="note", metadata={"m": 1}, tool_call_id="c1", timestamp=at)
    assert relay.scopes.current() is None
    relay.tools.call_end(
        handle, ToolExecutionResult([1], annotation="a"), metadata={"n": 2}, timestamp=at + dt.timedelta(seconds=1)
    )
    start, end = await recording.events()

    assert "note" == handle.data
    assert (ARGS, "2026-01-01T00:00:00.000000Z") == (start.data, start.timestamp)
    assert ([1], "2026-01-01T00:00:01.000000Z") == (end.data, end.timestamp)
    assert {"tool_call_id": "c1", "tool_result_annotation": "a"} == end.category_profile
    assert end.metadata is not None
    assert (1, 2) == (end.metadata["m"], end.metadata["n"])


async def test_end_by_hand_of_an_empty_result(recording: Recording) -> None:
    """Where the result is None, `data` is recorded in its place."""
    handle = recording.relay.tools.call("t", ARGS)
    recording.relay.tools.call_end(handle, None, data={"fallback": 1})

    assert {"fallback": 1} == (await recording.end_of("t")).data


async def test_end_by_hand_only_once(relay: Relay) -> None:
    """A call ends once, and only with the handle of a tool."""
    handle = relay.tools.call("t", ARGS)
    relay.tools.call_end(handle, 1)

    with pytest.raises(ScopeClosedError):
        relay.tools.call_end(handle, 1)
    with pytest.raises(TypeError, match=r"tools\.call"):
        relay.tools.call_end(relay.scopes.start("no tool"), 1)


# Parts of the pipeline ------------------------------------------------------------------------------------------------


def _add_one(name: str, args: dict[str, int]) -> dict[str, int]:
    return {"x": args["x"] + 1}


async def test_request_intercepts_alone_with_a_loop(relay: Relay) -> None:
    """Inside a loop the rewritten arguments come as an awaitable."""
    relay.intercepts.register_tool_request("add", 1, False, _add_one)

    assert {"x": 2} == await relay.tools.request_intercepts("t", ARGS)


def test_request_intercepts_alone_without_a_loop(relay: Relay) -> None:
    """Outside of a loop the rewritten arguments are returned; async intercepts are refused."""
    relay.intercepts.register_tool_request("add", 1, False, _add_one)
    assert {"x": 2} == relay.tools.request_intercepts("t", ARGS)

    async def later(name: str, args: Any) -> Any: ...

    relay.intercepts.register_tool_request("later", 1, False, later)
    with pytest.raises(AsyncMiddlewareError):
        relay.tools.request_intercepts("t", ARGS)


async def test_conditional_execution_alone_with_a_loop(recording: Recording) -> None:
    """Guardrails alone leave their scopes, and refuse without a mark: the caller makes the call and says so."""
    relay = recording.relay
    relay.guardrails.register_tool_conditional_execution("guard", 1, lambda name, args: args.get("refuse"))

    permission = relay.tools.conditional_execution("t", ARGS)
    assert permission is not None
    assert await permission is None
    refusal = relay.tools.conditional_execution("t", {"refuse": "no"})
    assert refusal is not None
    with pytest.raises(GuardrailRejected, match="no"):
        await refusal

    assert ["+guard", "-guard ok", "+guard", "-guard ok"] == await recording.story()


def test_conditional_execution_alone_without_a_loop(relay: Relay) -> None:
    """Outside of a loop guardrails answer at once."""
    assert relay.tools.conditional_execution("t", ARGS) is None
    relay.guardrails.register_tool_conditional_execution("guard", 1, lambda name, args: "no")
    with pytest.raises(GuardrailRejected):
        relay.tools.conditional_execution("t", ARGS)
