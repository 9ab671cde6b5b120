"""Managed LLM calls, as the application makes them."""

import asyncio
from typing import Any

import anyio
import pytest
from tests.core.control.support import Recording, told

from relay_core.codecs import AnnotatedLLMResponse, LLMRequest, OpenAIChatCodec
from relay_core.control import LlmExecutionContext
from relay_core.errors import AsyncMiddlewareError, GuardrailRejected, ScopeClosedError
from relay_core.runtime import Relay
from relay_core.vocabulary import LLMAttributes, Outcome

pytestmark = pytest.mark.anyio

CONTENT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
REQUEST = LLMRequest({"Authorization": "Bearer s3cret", "x-api-key": "s3cret", "x-team": "a"}, CONTENT)
RESPONSE = {"id": "r", "choices": [{"message": {"content": "yo"}, "finish_reason": "stop"}]}
CODEC = OpenAIChatCodec()


async def answer(request: LLMRequest) -> Any:
    """Answer every request alike."""
    return RESPONSE


async def test_call_is_one_scope(recording: Recording) -> None:
    """A managed call leaves a start with the request and an end with the response, and their normalized views."""
    response = await recording.relay.llm.execute(
        "provider",
        REQUEST,
        answer,
        attributes=LLMAttributes.STATEFUL,
        metadata={"m": 1},
        model_name="m-1",
        codec=CODEC,
        response_codec=CODEC,
    )
    start, end = await recording.events()

    assert response is RESPONSE
    assert ("llm", ("stateful",)) == (start.category, start.attributes)  # type: ignore[union-attr]
    assert {"headers": {"x-team": "a"}, "content": CONTENT} == start.data
    assert {"model_name": "m-1", "annotated_request": CODEC.decode(REQUEST).to_dict()} == start.category_profile
    assert RESPONSE == end.data
    assert {
        "model_name": "m-1",
        "annotated_response": CODEC.decode_response(RESPONSE).to_dict(),
    } == end.category_profile
    assert end.metadata is not None
    assert (1, "OK") == (end.metadata["m"], end.metadata["otel.status_code"])


async def test_credentials_reach_the_provider_only(recording: Recording) -> None:
    """Nothing is added to a request or taken from it; its credentials are in no event."""
    got: list[LLMRequest] = []

    await recording.relay.llm.execute("p", REQUEST, got.append)

    assert got[0] is REQUEST
    assert not [event for event in await recording.events() if "s3cret" in event.to_json()]


async def test_responses_may_be_any_object(relay: Relay) -> None:
    """What the call returns reaches the caller as the same object."""
    response = object()

    assert await relay.llm.execute("p", REQUEST, lambda request: response) is response


async def test_request_must_be_one(recording: Recording) -> None:
    """Anything but an `LLMRequest` is refused before anything happens."""
    wrong: Any = CONTENT

    with pytest.raises(TypeError, match="LLMRequest"):
        await recording.relay.llm.execute("p", wrong, answer)

    assert [] == await recording.events()


async def test_failure_and_cancellation(recording: Recording) -> None:
    """A failed call raises the original exception, a cancelled one is cancelled; both scopes end accordingly."""
    relay = recording.relay
    running = anyio.Event()
    error = LookupError("no such model")

    async def fail(request: LLMRequest) -> None:
        raise error

    async def hang(request: LLMRequest) -> None:
        running.set()
        await anyio.sleep_forever()

    with pytest.raises(LookupError) as caught:
        await relay.llm.execute("failing", REQUEST, fail)
    task = asyncio.create_task(relay.llm.execute("hanging", REQUEST, hang))
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert caught.value is error
    assert Outcome.ERROR is (await recording.end_of("failing")).outcome
    assert Outcome.CANCELLED is (await recording.end_of("hanging")).outcome


async def test_scope_is_current_inside_the_call(recording: Recording) -> None:
    """What the call does nests under it."""

    def call(request: LLMRequest) -> None:
        recording.relay.scopes.event("inside")

    await recording.relay.llm.execute("p", REQUEST, call)

    assert ["+p", "p > *inside", "-p ok"] == await recording.story()


async def test_codec_trouble_stays_out_of_the_call() -> None:
    """A codec that fails where only observers want it costs the view and nothing else."""

    class Broken(OpenAIChatCodec):
        def decode(self, request: LLMRequest) -> Any:
            raise ValueError

        def decode_response(self, response: Any) -> Any:
            raise ValueError

    recording = Recording()

    response = await recording.relay.llm.execute("p", REQUEST, answer, codec=Broken(), response_codec=Broken())

    assert RESPONSE == response
    assert [None, None] == [event.category_profile for event in await recording.events()]
    assert 2 == recording.relay.statistics().suppressed_errors
    recording.relay.shutdown(5.0)


async def test_nobody_listens_nobody_decodes() -> None:
    """With nobody listening no codec is asked."""

    class Unwanted(OpenAIChatCodec):
        def decode(self, request: LLMRequest) -> Any:
            raise AssertionError

        decode_response = decode

    relay = Relay()

    assert RESPONSE == await relay.llm.execute("p", REQUEST, answer, codec=Unwanted(), response_codec=Unwanted())
    assert 0 == relay.statistics().suppressed_errors


# Without a loop -------------------------------------------------------------------------------------------------------


def test_sync_call_goes_through_everything(recording: Recording) -> None:
    """Without a loop a call passes guardrails, request intercepts and execution intercepts, too."""
    relay = recording.relay
    relay.guardrails.register_llm_conditional_execution("guard", 1, lambda request: None)
    relay.intercepts.register_llm_request("request", 1, False, lambda name, request, view: LLMRequest({}, "rewritten"))

    def wrap(context: LlmExecutionContext, following: Any) -> Any:
        return [following(context.request), following(LLMRequest({}, "again"))]

    relay.intercepts.register_llm_execution("wrap", 1, wrap)

    response = relay.llm.execute_sync("p", REQUEST, lambda request: request.content)

    assert ["rewritten", "again"] == response
    assert ["+guard", "-guard ok", "+p", "-p ok"] == told(recording.events_now())


@pytest.mark.parametrize("kind", ["llm_conditional_execution", "llm_request", "llm_execution"])
def test_async_middleware_is_refused_before_anything_happens(recording: Recording, kind: str) -> None:
    """Async middleware in front of a call without a loop is an error that names it; nothing has happened then."""
    relay = recording.relay

    async def middleware(*_: object) -> None: ...

    registrar = relay.guardrails if kind.endswith("conditional_execution") else relay.intercepts
    getattr(registrar, f"register_{kind}")("later", 1, middleware)

    with pytest.raises(AsyncMiddlewareError, match=r"llm\.execute_sync.*'later'.*await llm\.execute"):
        relay.llm.execute_sync("p", REQUEST, lambda request: pytest.fail("called"))

    assert [] == recording.events_now()


def test_async_call_needs_a_loop(relay: Relay) -> None:
    """An async function in a call without a loop is an error that says what to await."""
    with pytest.raises(AsyncMiddlewareError, match=r"await llm\.execute"):
        relay.llm.execute_sync("p", REQUEST, answer)


# By hand --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["codec", "view", "mapping"])
async def test_call_by_hand(recording: Recording, how: str) -> None:
    """`call` and `call_end` leave the same events; the normalized response is given or made from the response."""
    relay = recording.relay
    options: dict[str, Any] = {
        "codec": {"response_codec": CODEC},
        "view": {"annotated_response": CODEC.decode_response(RESPONSE)},
        "mapping": {"annotated_response": CODEC.decode_response(RESPONSE).to_dict()},
    }[how]

    handle = relay.llm.call("p", REQUEST, model_name="m-1", codec=CODEC, data="note")
    relay.llm.call_end(handle, RESPONSE, metadata={"m": 1}, **options)
    start, end = await recording.events()

    assert "note" == handle.data
    assert {"headers": {"x-team": "a"}, "content": CONTENT} == start.data
    assert {"model_name": "m-1", "annotated_request": CODEC.decode(REQUEST).to_dict()} == start.category_profile
    assert RESPONSE == end.data
    assert CODEC.decode_response(RESPONSE).to_dict() == end.annotated_response  # type: ignore[union-attr]


async def test_end_by_hand_of_an_empty_response(recording: Recording) -> None:
    """Where the response is None, `data` is recorded in its place."""
    handle = recording.relay.llm.call("p", REQUEST)
    recording.relay.llm.call_end(handle, None, data="fallback", annotated_response=AnnotatedLLMResponse(message="m"))
    end = await recording.end_of("p")

    assert ("fallback", {"message": "m"}) == (end.data, end.annotated_response)


async def test_end_by_hand_only_once(relay: Relay) -> None:
    """A call ends once, and only with the handle of an LLM call."""
    handle = relay.llm.call("p", REQUEST)
    relay.llm.call_end(handle, 1)

    with pytest.raises(ScopeClosedError):
        relay.llm.call_end(handle, 1)
    with pytest.raises(TypeError, match=r"llm\.call"):
        relay.llm.call_end(relay.tools.call("no llm", 1), 1)


# Parts of the pipeline ------------------------------------------------------------------------------------------------


async def test_request_intercepts_alone_with_a_loop(relay: Relay) -> None:
    """Inside a loop the whole outcome comes as an awaitable."""
    relay.intercepts.register_llm_request("rewrite", 1, lambda name, request, view: LLMRequest({}, name))

    outcome = relay.llm.request_intercepts("p", REQUEST)

    assert LLMRequest({}, "p") == (await outcome).request  # type: ignore[misc]


def test_request_intercepts_alone_without_a_loop(relay: Relay) -> None:
    """Outside of a loop the outcome is returned, with the view that an intercept edited."""

    def edit(name: str, request: LLMRequest, view: Any) -> LLMRequest:
        view.model = "other"
        return request

    relay.intercepts.register_llm_request("edit", 1, edit)

    outcome: Any = relay.llm.request_intercepts("p", REQUEST, codec=CODEC)

    assert ("other", "other") == (outcome.request.content["model"], outcome.annotated_request.model)


async def test_conditional_execution_alone(recording: Recording) -> None:
    """Guardrails alone leave their scopes, and refuse without a mark."""
    relay = recording.relay
    relay.guardrails.register_llm_conditional_execution("guard", 1, lambda request: "no")

    with pytest.raises(GuardrailRejected):
        await relay.llm.conditional_execution(REQUEST)  # type: ignore[misc]

    assert ["+guard", "-guard ok"] == await recording.story()


def test_conditional_execution_alone_without_a_loop(relay: Relay) -> None:
    """Outside of a loop guardrails answer at once."""
    assert relay.llm.conditional_execution(REQUEST) is None
