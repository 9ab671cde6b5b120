"""The stages of a managed LLM call: what guardrails and intercepts are given, and what becomes of their answers."""

from typing import Any

import pytest
from tests.core.control.support import Recording

from relay_core.codecs import AnnotatedLLMRequest, AnthropicMessagesCodec, LLMRequest, OpenAIChatCodec
from relay_core.control import LlmExecutionContext, LLMRequestInterceptOutcome, PendingMarkSpec
from relay_core.errors import GuardrailRejected
from relay_core.runtime import Relay

pytestmark = pytest.mark.anyio

CONTENT = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "seed": 1}
REQUEST = LLMRequest({"x-team": "a"}, CONTENT)
CODEC = OpenAIChatCodec()


def sent(request: LLMRequest) -> LLMRequest:
    """Answer with what was sent."""
    return request


async def test_refusal_event_by_event(recording: Recording) -> None:
    """A refusal leaves the guardrail's scope and a mark named after the call, and opens no LLM scope."""
    relay = recording.relay
    relay.guardrails.register_llm_conditional_execution(
        "guard", 1, lambda request: "too long" if len(request.content["messages"]) == 1 else None
    )

    with pytest.raises(GuardrailRejected, match="too long"):
        await relay.llm.execute("p", REQUEST, lambda request: pytest.fail("called"), metadata={"m": 1})

    assert ["+guard", "-guard ok", "*p"] == await recording.story()
    start, end, mark = await recording.events()
    assert {"kind": "llm_conditional_execution"} == start.data
    assert {"allowed": False, "rejected": True, "rejection_reason": "too long"} == end.data
    assert ({"rejected": True, "rejection_reason": "too long"}, {"m": 1}) == (mark.data, mark.metadata)


async def test_guardrails_cannot_touch_the_call(relay: Relay) -> None:
    """A guardrail's copy of the request is deep."""

    def vandal(request: LLMRequest) -> None:
        request.content["messages"].clear()
        request.headers.clear()

    relay.guardrails.register_llm_conditional_execution("vandal", 1, vandal)

    assert await relay.llm.execute("p", REQUEST, sent) is REQUEST
    assert {"x-team": "a"} == REQUEST.headers
    assert [{"role": "user", "content": "hi"}] == CONTENT["messages"]


async def test_intercept_may_return_a_request_or_an_outcome(recording: Recording) -> None:
    """A request intercept returns a request, or an outcome with marks, which follow the start event."""
    relay = recording.relay

    def one(name: str, request: LLMRequest, view: object) -> LLMRequest:
        assert view is None
        return LLMRequest({**request.headers, "one": "1"}, request.content)

    async def two(name: str, request: LLMRequest, view: object) -> LLMRequestInterceptOutcome:
        return LLMRequestInterceptOutcome(request, pending_marks=[PendingMarkSpec("routed", data={"to": "b"})])

    relay.intercepts.register_llm_request("one", 1, False, one)
    relay.intercepts.register_llm_request("two", 2, False, two)

    got = await relay.llm.execute("p", REQUEST, sent)

    assert {"x-team": "a", "one": "1"} == got.headers
    assert got.content is CONTENT
    assert ["+p", "p > *routed", "-p ok"] == await recording.story()
    assert {"x-team": "a", "one": "1"} == (await recording.start_of("p")).data["headers"]


@pytest.mark.parametrize("answer", [None, {"model": "m"}, LLMRequestInterceptOutcome("request")])  # type: ignore[arg-type]
async def test_other_answers_are_refused(recording: Recording, answer: Any) -> None:
    """A request intercept that returns anything else is an error that names it; the call is not made."""
    recording.relay.intercepts.register_llm_request("wrong", 1, False, lambda name, request, view: answer)

    with pytest.raises(TypeError, match="'wrong' must return"):
        await recording.relay.llm.execute("p", REQUEST, lambda request: pytest.fail("called"))

    assert [] == await recording.events()


async def test_break_chain_ends_the_chain(relay: Relay) -> None:
    """After an intercept registered with `break_chain`, no later request intercept runs."""
    relay.intercepts.register_llm_request("last", 1, True, lambda name, request, view: request)
    relay.intercepts.register_llm_request("never", 2, False, lambda name, request, view: pytest.fail("asked"))

    assert await relay.llm.execute("p", REQUEST, sent) is REQUEST


@pytest.mark.parametrize("hand_back", ["request", "outcome", "outcome with the view"])
async def test_view_may_be_edited_in_place(recording: Recording, hand_back: str) -> None:
    """Edits of the view get into the request, with the rest of it as it was, and into the recorded view."""

    def edit(name: str, request: LLMRequest, view: AnnotatedLLMRequest) -> Any:
        view.model = "other"
        view.messages.append({"role": "user", "content": "more"})
        if hand_back == "request":
            return request
        return LLMRequestInterceptOutcome(request, view if "view" in hand_back else None)

    recording.relay.intercepts.register_llm_request("edit", 1, False, edit)

    got = await recording.relay.llm.execute("p", REQUEST, sent, codec=CODEC)

    messages = [*CONTENT["messages"], {"role": "user", "content": "more"}]  # type: ignore[misc]
    assert {"model": "other", "messages": messages, "seed": 1} == got.content
    assert "other" == (await recording.start_of("p")).annotated_request["model"]
    assert "m" == CONTENT["model"]


async def test_next_intercept_sees_the_edited_view(relay: Relay) -> None:
    """Each request intercept gets a view of what the one before it left."""

    def first(name: str, request: LLMRequest, view: AnnotatedLLMRequest) -> LLMRequest:
        view.model = "first"
        return request

    def second(name: str, request: LLMRequest, view: AnnotatedLLMRequest) -> LLMRequest:
        assert "first" == view.model
        return LLMRequest(request.headers, {**request.content, "model": "second"})

    def third(name: str, request: LLMRequest, view: AnnotatedLLMRequest) -> LLMRequest:
        assert "second" == view.model
        return request

    for priority, function in enumerate([first, second, third]):
        relay.intercepts.register_llm_request(function.__name__, priority, False, function)

    assert "second" == (await relay.llm.execute("p", REQUEST, sent, codec=CODEC)).content["model"]


async def test_content_and_view_may_not_both_be_edited(relay: Relay) -> None:
    """An intercept that edits the content and the view is told to choose: nobody could say which one counts."""

    def both(name: str, request: LLMRequest, view: AnnotatedLLMRequest) -> LLMRequest:
        view.model = "view"
        return LLMRequest({}, {**request.content, "seed": 2})

    relay.intercepts.register_llm_request("both", 1, False, both)

    with pytest.raises(ValueError, match="'both' changed both"):
        await relay.llm.execute("p", REQUEST, lambda request: pytest.fail("called"), codec=CODEC)


async def test_one_intercept_serves_every_provider(relay: Relay) -> None:
    """The same edit of the view becomes each provider's own request."""

    def cap(name: str, request: LLMRequest, view: AnnotatedLLMRequest) -> LLMRequest:
        view.params = {**(view.params or {}), "max_tokens": 10}
        return request

    relay.intercepts.register_llm_request("cap", 1, False, cap)
    content = {"messages": [], "max_tokens": 100}

    for codec in (OpenAIChatCodec(), AnthropicMessagesCodec()):
        got = await relay.llm.execute("p", LLMRequest({}, content), sent, codec=codec)
        assert {"messages": [], "max_tokens": 10} == got.content


async def test_execution_intercept_takes_either_form(relay: Relay) -> None:
    """An execution intercept takes ``(context, next)``, or ``(name, request, context, next)``."""
    seen: list[object] = []

    async def short(context: LlmExecutionContext, following: Any) -> Any:
        codecs = [context.request_codec.resolve_codec(), context.response_codec.resolve_codec()]
        seen.extend([context.name, context.model_name, *codecs])
        return await following(context.request)

    async def long(name: str, request: LLMRequest, context: LlmExecutionContext, following: Any) -> Any:
        seen.extend([name, request])
        return await following(request)

    relay.intercepts.register_llm_execution("short", 1, short)
    relay.intercepts.register_llm_execution("long", 2, long)

    got = await relay.llm.execute("p", REQUEST, sent, model_name="m-1", codec=CODEC)

    assert got is REQUEST
    assert ["p", "m-1", CODEC, None, "p", REQUEST] == seen


async def test_next_wants_a_request(relay: Relay) -> None:
    """`next` with anything but a request is an error."""
    relay.intercepts.register_llm_execution("wrong", 1, lambda context, following: following(context.request.content))

    with pytest.raises(TypeError, match="next must be called with an LLMRequest"):
        await relay.llm.execute("p", REQUEST, sent)


async def test_fallback_model(recording: Recording) -> None:
    """An intercept may send the request to another model when the first one fails; that is one call."""

    async def model(request: LLMRequest) -> Any:
        if request.content["model"] == "m":
            raise TimeoutError
        return request.content["model"]

    async def fallback(context: LlmExecutionContext, following: Any) -> Any:
        try:
            return await following(context.request)
        except TimeoutError:
            return await following(LLMRequest({}, {**context.request.content, "model": "fallback"}))

    recording.relay.intercepts.register_llm_execution("fallback", 1, fallback)

    assert "fallback" == await recording.relay.llm.execute("p", REQUEST, model)
    assert ["+p", "-p ok"] == await recording.story()


async def test_recorded_elsewhere(recording: Recording) -> None:
    """A call that an integration records has no scope from here; control applies, and marks land on the parent."""
    relay = recording.relay
    relay.intercepts.register_llm_request(
        "routed",
        1,
        lambda name, request, view: LLMRequestInterceptOutcome(request, pending_marks=[PendingMarkSpec("routed")]),
    )

    assert await relay.llm.execute("p", REQUEST, sent, recorded=False) is REQUEST
    assert relay.llm.execute_sync("p", REQUEST, sent, recorded=False) is REQUEST
    assert ["*routed", "*routed"] == await recording.story()


async def test_answered_by_an_intercept(recording: Recording) -> None:
    """What an intercept answers itself is recorded here, whoever records the calls that are made."""
    relay = recording.relay
    relay.intercepts.register_llm_execution("cache", 1, lambda context, following: {"cached": True})
    never: Any = pytest.fail

    assert {"cached": True} == await relay.llm.execute("p", REQUEST, never, model_name="m-1", recorded=False)

    assert ["+p", "-p ok"] == await recording.story()
    start, end = await recording.events()
    assert {"headers": {"x-team": "a"}, "content": CONTENT} == start.data
    assert {"cached": True} == end.data


async def test_failed_in_an_intercept(recording: Recording) -> None:
    """A call that fails in an intercept before it is made has its scope from here, and the caller the exception."""

    def broken(context: Any, following: Any) -> Any:
        raise LookupError("no connection")

    recording.relay.intercepts.register_llm_execution("broken", 1, broken)
    never: Any = pytest.fail
    with pytest.raises(LookupError, match="no connection"):
        await recording.relay.llm.execute("p", REQUEST, never, model_name="m-1", recorded=False)

    assert ["+p", "-p error"] == await recording.story()
