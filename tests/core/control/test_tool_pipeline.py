"""The stages of a managed tool call: their order, what each is given, and what it may do."""

import asyncio
from typing import Any

import anyio
import pytest
from tests.core.control.support import Recording

from relay_core.control import (
    PendingMarkSpec,
    ToolExecutionContext,
    ToolExecutionInterceptOutcome,
    ToolExecutionResult,
)
from relay_core.errors import ContinuationError, GuardrailRejected
from relay_core.runtime import Relay
from relay_core.vocabulary import Outcome

pytestmark = pytest.mark.anyio

ARGS = {"x": 1}


async def test_stages_in_order(recording: Recording) -> None:
    """Guardrails, request intercepts, start, execution intercepts, tool, end, pending marks: in that order."""
    relay = recording.relay
    log: list[str] = []
    relay.guardrails.register_tool_conditional_execution("guard", 1, lambda name, args: log.append("guard"))
    relay.intercepts.register_tool_request("rewrite", 1, False, lambda name, args: log.append("rewrite") or {"x": 2})

    def intercept(label: str) -> Any:
        async def run(context: ToolExecutionContext, following: Any) -> Any:
            log.append(f"{label} before")
            relay.scopes.event(f"in {label}")
            downstream = await following(context.args)
            log.append(f"{label} after")
            profile = {"subtype": "cache"}
            spec = PendingMarkSpec(f"by {label}", "custom", profile, {"n": 1}, {"m": 1}, severity="warn")
            return ToolExecutionInterceptOutcome(downstream.result, [spec], annotation=label)

        return run

    relay.intercepts.register_tool_execution("outer", 1, intercept("outer"))
    relay.intercepts.register_tool_execution("inner", 2, intercept("inner"))

    result = await relay.tools.execute("t", ARGS, lambda args: log.append(f"tool {args}"))

    assert ToolExecutionResult(None, "outer") == result
    assert ["guard", "rewrite", "outer before", "inner before", "tool {'x': 2}", "inner after", "outer after"] == log
    assert [
        "+guard",
        "-guard ok",
        "+t",
        "t > *in outer",
        "t > *in inner",
        "-t ok",
        "t > *by inner",
        "t > *by outer",
    ] == await recording.story()
    assert {"x": 2} == (await recording.start_of("t")).data
    mark = (await recording.events())[-1]
    assert ({"n": 1}, {"m": 1, "nemo_relay.log.severity": "warn"}) == (mark.data, mark.metadata)
    assert ("custom", {"subtype": "cache"}) == (mark.category, mark.category_profile)


async def test_refusal_event_by_event(recording: Recording) -> None:
    """The first refusal leaves its guardrail's scope and a mark named after the tool, and opens no tool scope."""
    relay = recording.relay
    relay.guardrails.register_tool_conditional_execution("third", 3, lambda name, args: pytest.fail("asked"))
    relay.guardrails.register_tool_conditional_execution("second", 2, lambda name, args: f"{name} is off")
    relay.guardrails.register_tool_conditional_execution("first", 1, lambda name, args: None)

    with relay.scopes.scope("request"), pytest.raises(GuardrailRejected) as caught:
        await relay.tools.execute("t", ARGS, lambda args: pytest.fail("called"), metadata={"m": 1})

    assert ("t is off", "guardrail rejected: t is off") == (caught.value.reason, str(caught.value))
    assert isinstance(caught.value, RuntimeError)
    assert [
        "+request",
        "request > +first",
        "request > -first ok",
        "request > +second",
        "request > -second ok",
        "request > *t",
        "-request ok",
    ] == await recording.story()
    events = await recording.events()
    assert {"kind": "tool_conditional_execution", "target_name": "t"} == events[1].data
    assert {"allowed": True, "rejected": False} == events[2].data
    assert {"allowed": False, "rejected": True, "rejection_reason": "t is off"} == events[4].data
    assert ({"rejected": True, "rejection_reason": "t is off"}, {"m": 1}) == (events[5].data, events[5].metadata)


async def test_request_intercepts_build_on_each_other(relay: Relay) -> None:
    """Each request intercept gets what the one before it returned; async ones are awaited."""

    async def double(name: str, args: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        return {"x": args["x"] * 2}

    relay.intercepts.register_tool_request("double", 2, False, double)
    relay.intercepts.register_tool_request("add", 1, False, lambda name, args: {"x": args["x"] + 1})

    assert {"x": 4} == (await relay.tools.execute("t", ARGS, lambda args: args)).result


async def test_break_chain_ends_the_chain(relay: Relay) -> None:
    """After an intercept registered with `break_chain`, no later request intercept runs."""
    relay.intercepts.register_tool_request("last", 1, True, lambda name, args: {"x": "last"})
    relay.intercepts.register_tool_request("never", 2, False, lambda name, args: pytest.fail("asked"))

    assert {"x": "last"} == (await relay.tools.execute("t", ARGS, lambda args: args)).result


async def test_break_chain_may_be_left_out(relay: Relay) -> None:
    """A request intercept may be registered with three arguments, or by keyword."""
    relay.intercepts.register_tool_request("one", 1, lambda name, args: {**args, "one": 1})
    relay.intercepts.register_tool_request(
        name="two", priority=2, break_chain=False, fn=lambda name, args: {**args, "two": 2}
    )

    assert {"x": 1, "one": 1, "two": 2} == (await relay.tools.execute("t", ARGS, lambda args: args)).result


async def test_edits_in_place_stay_with_the_intercept(relay: Relay) -> None:
    """Intercepts get copies: what they change without returning it, and at the top level, is not seen elsewhere."""
    args = {"x": 1}

    def vandal(name: str, given: dict[str, int]) -> dict[str, int]:
        kept = dict(given)
        given.clear()
        return kept

    relay.intercepts.register_tool_request("vandal", 1, False, vandal)

    assert {"x": 1} == (await relay.tools.execute("t", args, lambda given: given)).result
    assert {"x": 1} == args


async def test_guardrails_cannot_touch_the_call(relay: Relay) -> None:
    """A guardrail's copy is deep, and each guardrail gets one of its own."""
    args = {"nested": {"x": 1}}

    def vandal(name: str, given: Any) -> None:
        assert {"nested": {"x": 1}} == given
        given["nested"]["x"] = 2

    relay.guardrails.register_tool_conditional_execution("one", 1, vandal)
    relay.guardrails.register_tool_conditional_execution("two", 2, vandal)

    assert (await relay.tools.execute("t", args, lambda given: given)).result is args
    assert {"nested": {"x": 1}} == args


async def test_passing_on_the_context_is_no_replacement(relay: Relay) -> None:
    """A tool behind an execution intercept that passes its arguments on gets the caller's own object."""
    relay.intercepts.register_tool_execution("pass", 1, lambda context, following: following(context.args))

    assert (await relay.tools.execute("t", ARGS, lambda args: args)).result is ARGS


async def test_next_may_run_several_times_and_concurrently(relay: Relay) -> None:
    """`next` runs the rest of the chain as often as it is called, also at the same time."""
    together = anyio.Event()
    arrived: list[int] = []

    async def tool(number: int) -> int:
        arrived.append(number)
        if len(arrived) == 3:
            together.set()
        await together.wait()
        return number * 10

    async def fan_out(context: ToolExecutionContext, following: Any) -> Any:
        results = await asyncio.gather(*(following(number) for number in (1, 2, 3)))
        return [result.result for result in results]

    relay.intercepts.register_tool_execution("fan out", 1, fan_out)

    assert [10, 20, 30] == (await relay.tools.execute("t", 0, tool)).result


async def test_hedged_calls(recording: Recording) -> None:
    """An intercept may race calls and cancel the loser; the scope ends once, with the winner's result."""
    relay = recording.relay

    async def tool(name: str) -> str:
        if name == "slow":
            await anyio.sleep_forever()
        return name

    async def hedge(context: ToolExecutionContext, following: Any) -> Any:
        racers = [asyncio.ensure_future(following(name)) for name in ("slow", "fast")]
        done, pending = await asyncio.wait(racers, return_when=asyncio.FIRST_COMPLETED)
        for loser in pending:
            loser.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        return done.pop().result()

    relay.intercepts.register_tool_execution("hedge", 1, hedge)

    assert "fast" == (await relay.tools.execute("t", None, tool)).result
    assert ["+t", "-t ok"] == await recording.story()


async def test_retry_with_another_argument(recording: Recording) -> None:
    """An intercept may catch a failure and try something else: that call is a success."""
    relay = recording.relay

    def tool(model: str) -> str:
        if model == "main":
            raise ConnectionError
        return model

    async def fallback(context: ToolExecutionContext, following: Any) -> Any:
        try:
            return await following(context.args)
        except ConnectionError:
            return await following("fallback")

    relay.intercepts.register_tool_execution("fallback", 1, fallback)

    assert "fallback" == (await relay.tools.execute("t", "main", tool)).result
    assert Outcome.OK is (await recording.end_of("t")).outcome


async def test_next_is_dead_after_return(relay: Relay) -> None:
    """A `next` that outlives its intercept refuses, called then or only awaited then."""
    kept: list[Any] = []

    async def leak(context: ToolExecutionContext, following: Any) -> Any:
        kept.extend([following, following(context.args)])
        return 1

    relay.intercepts.register_tool_execution("leak", 1, leak)
    await relay.tools.execute("t", ARGS, lambda args: pytest.fail("called"))

    with pytest.raises(ContinuationError, match="'leak' is no longer active"):
        await kept[0](ARGS)
    with pytest.raises(RuntimeError, match="no longer active"):
        await kept[1]


async def test_intercept_may_answer_itself(recording: Recording) -> None:
    """An intercept that does not call `next` gives the result; the tool is not called and its scope is still there."""
    recording.relay.intercepts.register_tool_execution("cache", 1, lambda context, following: "cached")

    result = await recording.relay.tools.execute("t", ARGS, lambda args: pytest.fail("called"))

    assert "cached" == result.result
    assert "cached" == (await recording.end_of("t")).data


@pytest.mark.parametrize("stage", ["guardrail", "request", "execution"])
@pytest.mark.parametrize("error", [KeyError("odd"), asyncio.CancelledError(), RuntimeError("x")])
async def test_exceptions_of_middleware_reach_the_caller(
    recording: Recording, stage: str, error: BaseException
) -> None:
    """Whatever middleware raises reaches the caller as the same object; the tool is not called; all scopes end."""
    relay = recording.relay

    def failing(*_: object) -> None:
        raise error

    if stage == "guardrail":
        relay.guardrails.register_tool_conditional_execution("failing", 1, failing)
    elif stage == "request":
        relay.intercepts.register_tool_request("failing", 1, False, failing)
    else:
        relay.intercepts.register_tool_execution("failing", 1, failing)

    with pytest.raises(type(error)) as caught:
        await relay.tools.execute("t", ARGS, lambda args: pytest.fail("called"))

    assert caught.value is error
    assert 0 == relay.statistics().open_scopes


async def test_chain_is_taken_when_its_stage_starts(relay: Relay) -> None:
    """What is registered during a stage counts from the next stage on."""

    def register(name: str, args: Any) -> None:
        relay.guardrails.register_tool_conditional_execution("late", 2, lambda *_: pytest.fail("asked"))
        relay.intercepts.register_tool_request("in time", 1, False, lambda *_: {"x": "rewritten"})

    relay.guardrails.register_tool_conditional_execution("registers", 1, register)

    assert {"x": "rewritten"} == (await relay.tools.execute("t", ARGS, lambda args: args)).result


async def test_two_requests_one_guarded(recording: Recording) -> None:
    """Of two concurrent requests only the one with the guardrail on its scope is refused; it is gone with the scope."""
    relay = recording.relay
    local = relay.scopes.local
    both = anyio.Event()
    waiting: list[str] = []

    async def request(name: str, guarded: bool) -> str:
        with relay.scopes.scope(name) as handle:
            if guarded:
                from relay_core.control import Guardrails, ScopePlace

                place = ScopePlace(relay.scopes, handle)
                Guardrails(place).register_tool_conditional_execution("local", 1, lambda name, args: "not here")
                assert local(handle).chains.snapshot
            waiting.append(name)
            if len(waiting) == 2:
                both.set()
            await both.wait()
            try:
                return str((await relay.tools.execute("t", name, lambda args: args)).result)
            except GuardrailRejected as refused:
                return refused.reason

    assert ["not here", "b"] == await asyncio.gather(request("a", True), request("b", False))
    waiting.clear()
    assert ["a", "b"] == await asyncio.gather(request("a", False), request("b", False))
    assert 4 == (await recording.story()).count("+a") + (await recording.story()).count("+b")


async def test_bad_mark_does_not_cost_the_result() -> None:
    """A pending mark that cannot be emitted is counted; the caller gets the result."""
    recording = Recording()
    mark = PendingMarkSpec("bad", severity="nonsense")
    recording.relay.intercepts.register_tool_execution(
        "marks", 1, lambda context, following: ToolExecutionInterceptOutcome(1, [mark, PendingMarkSpec("good")])
    )

    assert 1 == (await recording.relay.tools.execute("t", ARGS, lambda args: args)).result
    assert ["+t", "-t ok", "t > *good"] == await recording.story()
    assert 1 == recording.relay.statistics().suppressed_errors
    recording.relay.shutdown(5.0)


@pytest.mark.parametrize("guarded", [False, True])
async def test_recorded_elsewhere(recording: Recording, guarded: bool) -> None:
    """A call that an integration records has no scope from here; control applies, and marks land on the parent."""
    relay = recording.relay
    if guarded:
        relay.guardrails.register_tool_conditional_execution("guard", 1, lambda name, args: None)

        async def marked(context: Any, following: Any) -> Any:
            await following(context.args)
            return ToolExecutionInterceptOutcome("changed", [PendingMarkSpec("mark")])

        relay.intercepts.register_tool_execution("marks", 1, marked)

    with relay.scopes.scope("request"):
        result = await relay.tools.execute("t", ARGS, lambda args: "plain", recorded=False)

    assert ("changed" if guarded else "plain") == result.result
    inside = ["request > +guard", "request > -guard ok", "request > *mark"] if guarded else []
    assert ["+request", *inside, "-request ok"] == await recording.story()


async def test_answered_by_an_intercept(recording: Recording) -> None:
    """What an intercept answers itself is recorded here, whoever records the calls that are made."""
    relay = recording.relay
    answer = ToolExecutionInterceptOutcome("cached", [PendingMarkSpec("hit")], annotation="note")
    relay.intercepts.register_tool_execution("cache", 1, lambda context, following: answer)
    never: Any = pytest.fail

    with relay.scopes.scope("request"):
        result = await relay.tools.execute("t", ARGS, never, tool_call_id="c1", recorded=False)

    assert "cached" == result.result
    assert ["+request", "request > +t", "request > -t ok", "t > *hit", "-request ok"] == await recording.story()
    start, end = [event for event in await recording.events() if event.name == "t"]
    assert (ARGS, "cached") == (start.data, end.data)
    assert {"tool_call_id": "c1", "tool_result_annotation": "note"} == end.category_profile


async def test_failed_in_an_intercept(recording: Recording) -> None:
    """A call that fails in an intercept before it is made has its scope from here, and the caller the exception."""
    relay = recording.relay

    async def broken(context: Any, following: Any) -> Any:
        raise LookupError("no connection")

    relay.intercepts.register_tool_execution("broken", 1, broken)
    never: Any = pytest.fail

    with relay.scopes.scope("request"), pytest.raises(LookupError, match="no connection"):
        await relay.tools.execute("t", ARGS, never, tool_call_id="c1", recorded=False)

    assert ["+request", "request > +t", "request > -t error", "-request ok"] == await recording.story()
    start, end = [event for event in await recording.events() if event.name == "t"]
    assert (ARGS, "no connection") == (start.data, (end.metadata or {})["otel.status_description"])


async def test_failed_after_the_call(recording: Recording) -> None:
    """A call that was made has the integration's scope: what an intercept raises afterwards adds none."""

    async def broken(context: Any, following: Any) -> Any:
        await following(context.args)
        raise LookupError

    recording.relay.intercepts.register_tool_execution("broken", 1, broken)
    with pytest.raises(LookupError):
        await recording.relay.tools.execute("t", ARGS, lambda args: "made", recorded=False)

    assert [] == await recording.story()


async def test_an_outcome_around_what_next_gave(recording: Recording) -> None:
    """An intercept may wrap the result of `next` in an outcome: the tool's own result and annotation stay."""

    async def marked(context: Any, following: Any) -> Any:
        return ToolExecutionInterceptOutcome(await following(context.args), [PendingMarkSpec("seen")])

    recording.relay.intercepts.register_tool_execution("marks", 1, marked)

    result = await recording.relay.tools.execute("t", ARGS, lambda args: ToolExecutionResult("r", "note"))

    assert ToolExecutionResult("r", "note") == result
