"""Conditional guardrails, and what each of them leaves behind."""

import asyncio
from typing import Any

import anyio
import pytest
from tests.core.control.support import Recording

from relay_core.vocabulary import Outcome

pytestmark = pytest.mark.anyio


async def test_failing_guardrail_fails_closed(recording: Recording) -> None:
    """A guardrail that raises refuses by its exception: its scope says so, without a rejection and without a mark."""
    relay = recording.relay

    def failing(name: str, args: Any) -> None:
        raise ZeroDivisionError("secret")

    relay.guardrails.register_tool_conditional_execution("failing", 1, failing)
    with pytest.raises(ZeroDivisionError):
        await relay.tools.execute("t", 1, lambda args: pytest.fail("called"))
    end = await recording.end_of("failing")

    assert ["+failing", "-failing error"] == await recording.story()
    assert {"allowed": False, "rejected": False, "error": "ZeroDivisionError"} == end.data


@pytest.mark.parametrize("answer", [False, True, 0, {"refuse": "x"}])
async def test_other_answers_fail_closed(recording: Recording, answer: Any) -> None:
    """A guardrail that returns neither None nor a str is an error that names it, and the call is not made."""
    relay = recording.relay
    relay.guardrails.register_tool_conditional_execution("odd", 1, lambda name, args: answer)

    with pytest.raises(TypeError, match="'odd' must return None or a str"):
        await relay.tools.execute("t", 1, lambda args: pytest.fail("called"))

    assert ["+odd", "-odd error"] == await recording.story()


async def test_async_guardrail(recording: Recording) -> None:
    """An async guardrail is awaited, and may make managed calls of its own: they nest under its scope."""
    relay = recording.relay

    async def judge(name: str, args: Any) -> str | None:
        if name == "judge model":
            return None
        verdict = await relay.tools.execute("judge model", args, lambda text: "no" if text == "bad" else None)
        return str(verdict.result) if verdict.result else None

    relay.guardrails.register_tool_conditional_execution("judge", 1, judge)

    assert "good" == (await relay.tools.execute("t", "good", lambda args: args)).result
    with pytest.raises(RuntimeError, match="guardrail rejected: no"):
        await relay.tools.execute("t", "bad", lambda args: pytest.fail("called"))
    assert 2 == (await recording.story()).count("judge > +judge model")


async def test_scope_is_current_inside_a_guardrail(recording: Recording) -> None:
    """A mark that a guardrail emits lands on the guardrail's scope."""
    relay = recording.relay
    relay.guardrails.register_tool_conditional_execution("g", 1, lambda name, args: relay.scopes.event("asked"))

    await relay.tools.execute("t", 1, lambda args: args)

    assert ["+g", "g > *asked", "-g ok", "+t", "-t ok"] == await recording.story()


async def test_cancelled_guardrail(recording: Recording) -> None:
    """Cancelling a call while a guardrail thinks ends the guardrail's scope as cancelled."""
    thinking = anyio.Event()

    async def slow(name: str, args: Any) -> None:
        thinking.set()
        await anyio.sleep_forever()

    recording.relay.guardrails.register_tool_conditional_execution("slow", 1, slow)
    task = asyncio.create_task(recording.relay.tools.execute("t", 1, lambda args: pytest.fail("called")))
    await thinking.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert Outcome.CANCELLED is (await recording.end_of("slow")).outcome


async def test_refusal_inside_a_guardrail_is_not_its_own(recording: Recording) -> None:
    """When a call that a guardrail makes is refused, the outer call fails with that refusal, and has no mark itself."""
    relay = recording.relay

    def inner(name: str, args: Any) -> str | None:
        return "no" if name == "inner" else None

    async def outer(name: str, args: Any) -> None:
        if name == "outer":
            await relay.tools.execute("inner", 1, lambda args: pytest.fail("called"))

    relay.guardrails.register_tool_conditional_execution("one", 1, inner)
    relay.guardrails.register_tool_conditional_execution("two", 2, outer)
    with pytest.raises(RuntimeError, match="guardrail rejected: no"):
        await relay.tools.execute("outer", 1, lambda args: pytest.fail("called"))
    story = await recording.story()

    assert "two > *inner" in story
    assert not [line for line in story if line.endswith("*outer")]
    assert "-two error" in story
