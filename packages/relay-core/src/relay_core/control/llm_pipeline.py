"""The stages of a managed LLM call, up to the call itself, which may give one response or a stream."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from relay_core.chains import Entry, Kind
from relay_core.codecs import AnnotatedLLMRequest, LlmCodec, LLMRequest, LlmResponseCodec
from relay_core.codecs.contexts import LlmRequestContext, LlmResponseContext
from relay_core.control.copies import detached_request, shallow_request, taken_request
from relay_core.control.guard import refusal
from relay_core.control.headers import recordable
from relay_core.control.host import Host
from relay_core.control.marks import emit_pending
from relay_core.control.pacing import Pace
from relay_core.control.results import LlmExecutionContext, LLMRequestInterceptOutcome, PendingMarkSpec
from relay_core.control.scopes import ManagedScope
from relay_core.control.streams import StreamRecord
from relay_core.control.wrap import Continuation, Layer, around
from relay_core.errors import GuardrailRejected
from relay_core.handles import ScopeHandle
from relay_core.json_values import same_json
from relay_core.vocabulary import Attributes, ScopeType, attribute_names

__all__ = ["LLM_STAGES", "STREAM_STAGES", "LlmCall", "LlmPipeline", "OpenStream"]

LLM_STAGES = (Kind.LLM_CONDITIONAL_EXECUTION, Kind.LLM_REQUEST, Kind.LLM_EXECUTION)
"""The chains that a call goes through, in order."""

STREAM_STAGES = (Kind.LLM_CONDITIONAL_EXECUTION, Kind.LLM_REQUEST, Kind.LLM_STREAM_EXECUTION)
"""The chains that a streaming call goes through, in order."""


def _no_call(request: LLMRequest) -> Any:
    raise NotImplementedError("this call only runs guardrails or request intercepts")


@dataclass(slots=True)
class LlmCall:
    """One call on its way through the stages."""

    name: str
    request: LLMRequest
    parent: ScopeHandle
    function: Callable[[LLMRequest], Any] = _no_call
    attributes: Attributes | None = None
    data: object = None
    metadata: Mapping[str, Any] | None = None
    model_name: str | None = None
    codec: LlmCodec | None = None
    response_codec: LlmResponseCodec | None = None
    recorded: bool = True
    """Whether the call gets a scope; if not, a framework's integration records it."""
    reached: bool = False
    """Whether the function was called."""
    view: AnnotatedLLMRequest | None = None
    """The last view that an intercept edited, for whoever runs the intercepts alone."""
    marks: list[PendingMarkSpec] = field(default_factory=list[PendingMarkSpec])


class OpenStream(NamedTuple):
    """A stream that is about to be read."""

    record: StreamRecord
    source: Any
    continuations: Sequence[Continuation]


class LlmPipeline:
    """Runs LLM calls through the chains. Each stage takes its snapshot when it starts."""

    __slots__ = ("_host",)

    def __init__(self, host: Host) -> None:
        """Serve the runtime `host`."""
        self._host = host

    async def execute(self, call: LlmCall, pace: Pace) -> Any:
        """Run every stage of a call that gives one response.

        One that is not recorded here has a scope of its own only where it ends in an intercept.

        Raises:
            GuardrailRejected: A guardrail refused; a mark says so.
            BaseException: What the call, a guardrail or an intercept raised.
        """
        request = await self.admitted(call, pace)
        chain = self._host.middleware.chain(Kind.LLM_EXECUTION, call.parent, pace)
        if not call.recorded:
            emit_pending(self._host, call.parent, call.marks)
            return await self._recorded_elsewhere(call, request, pace, chain)
        handle = self.start(call, request, call.attributes)
        emit_pending(self._host, handle, call.marks)
        with ManagedScope(self._host.scopes, handle) as managed:
            response = await around(_LlmLayer(call, pace), pace, chain, request)
        managed.finish(response, category_profile=self.end_profile(call.response_codec, response))
        return response

    async def _recorded_elsewhere(self, call: LlmCall, request: LLMRequest, pace: Pace, chain: Sequence[Entry]) -> Any:
        """Run what is left; record here what ends in an intercept: the integration never gets to know of it."""
        began = datetime.now(UTC)
        try:
            response = await around(_LlmLayer(call, pace), pace, chain, request)
        except BaseException as error:
            self._failed_elsewhere(call, request, call.attributes, began, error)
            raise
        if not call.reached:
            handle = self.start(call, request, call.attributes, began)
            profile = self.end_profile(call.response_codec, response)
            self._host.scopes.end(handle, output=response, category_profile=profile)
        return response

    def _failed_elsewhere(
        self,
        call: LlmCall,
        request: LLMRequest,
        attributes: Attributes | None,
        began: datetime,
        error: BaseException,
    ) -> None:
        if not call.reached:
            scopes = self._host.scopes
            handle = self.start(call, request, attributes, began)
            scopes.end(handle, outcome=scopes.outcome_of(error), error=error)

    async def open_stream(
        self, call: LlmCall, pace: Pace, collector: Callable[[Any], object], finalizer: Callable[[], Any]
    ) -> OpenStream:
        """Run every stage of a streaming call, up to the first chunk.

        Raises:
            GuardrailRejected: A guardrail refused; a mark says so.
            TypeError: The call or a stream intercept gave nothing to read chunks from.
            BaseException: What the call, a guardrail or an intercept raised.
        """
        request = await self.admitted(call, pace)
        chain = self._host.middleware.chain(Kind.LLM_STREAM_EXECUTION, call.parent, pace)
        attributes = (*attribute_names(call.attributes), "streaming")
        began = datetime.now(UTC)
        handle = self.start(call, request, attributes) if call.recorded else None
        emit_pending(self._host, handle or call.parent, call.marks)
        record = StreamRecord(
            self._host,
            handle,
            collector,
            finalizer,
            partial(self.end_profile, call.response_codec),
            lambda: None if call.reached else self.start(call, request, attributes, began),
        )
        continuations: list[Continuation] = []
        source = around(_LlmLayer(call, pace), pace, chain, request, continuations)
        if handle is None:
            try:
                return OpenStream(record, _readable(await source, pace), continuations)
            except BaseException as error:
                self._failed_elsewhere(call, request, attributes, began, error)
                raise
        with ManagedScope(self._host.scopes, handle):
            return OpenStream(record, _readable(await source, pace), continuations)

    async def admitted(self, call: LlmCall, pace: Pace) -> LLMRequest:
        """Ask the guardrails, then run the request intercepts.

        Raises:
            GuardrailRejected: A guardrail refused; a mark says so.
        """
        reason = await self.refusal(call, pace)
        if reason is not None:
            told = {"rejected": True, "rejection_reason": reason}
            self._host.scopes.event(call.name, handle=call.parent, data=told, metadata=call.metadata)
            raise GuardrailRejected(reason)
        return await self.rewritten(call, pace)

    async def refusal(self, call: LlmCall, pace: Pace) -> str | None:
        """Ask the guardrails; return the reason of the first one that refuses."""
        return await refusal(
            self._host.scopes,
            pace,
            self._host.middleware.chain(Kind.LLM_CONDITIONAL_EXECUTION, call.parent, pace),
            lambda: (detached_request(call.request),),
            parent=call.parent,
            subject={"kind": "llm_conditional_execution"},
            metadata=call.metadata,
        )

    async def rewritten(self, call: LlmCall, pace: Pace) -> LLMRequest:
        """Return the request after the request intercepts."""
        request = call.request
        for entry in self._host.middleware.chain(Kind.LLM_REQUEST, call.parent, pace):
            given = shallow_request(request)
            view = None if call.codec is None else call.codec.decode(request)
            outcome = _outcome(await pace.settle(entry.function(call.name, given, view), entry.name), entry)
            call.marks.extend(outcome.pending_marks)
            call.view = view = outcome.annotated_request or view
            new = taken_request(outcome.request, given, request)
            if call.codec is not None and view is not None:
                new = _with_view(call.codec, view, new, request, entry)
            request = new
            if entry.break_chain:
                break
        return request

    def start(
        self, call: LlmCall, request: LLMRequest, attributes: Attributes | None, timestamp: datetime | None = None
    ) -> ScopeHandle:
        """Start the call's scope with the final request."""
        return self._host.scopes.start(
            call.name,
            ScopeType.Llm,
            handle=call.parent,
            attributes=attributes,
            data=call.data,
            metadata=call.metadata,
            input=self.start_payload(request),
            category_profile=self.start_profile(call.model_name, call.codec, request),
            timestamp=timestamp,
        )

    def start_payload(self, request: LLMRequest) -> dict[str, Any] | None:
        """Return the data of the start event, if anybody gets it."""
        if not self._host.wants(ScopeType.Llm):
            return None
        return {"headers": recordable(request.headers), "content": request.content}

    def start_profile(
        self, model_name: str | None, codec: LlmCodec | None, request: LLMRequest
    ) -> dict[str, Any] | None:
        """Return the profile of the start event: the model's name, and the normalized request if anybody gets it."""
        profile: dict[str, Any] = {} if model_name is None else {"model_name": model_name}
        if codec is not None and self._host.wants(ScopeType.Llm):
            try:
                profile["annotated_request"] = codec.decode(request).to_dict()
            except Exception as error:  # for observation only: the call goes on
                self._host.suppress(error, "the request codec")
        return profile or None

    def end_profile(self, codec: LlmResponseCodec | None, response: Any) -> dict[str, Any] | None:
        """Return what the end event's profile adds: the normalized response, if anybody gets it."""
        if codec is None or response is None or not self._host.wants(ScopeType.Llm):
            return None
        try:
            return {"annotated_response": codec.decode_response(response).to_dict()}
        except Exception as error:  # for observation only
            self._host.suppress(error, "the response codec")
            return None


class _LlmLayer(Layer):
    """Execution intercepts around an LLM call, or around what makes a stream."""

    __slots__ = ("_call", "_pace")

    def __init__(self, call: LlmCall, pace: Pace) -> None:
        """Serve one call."""
        self._call = call
        self._pace = pace

    def context(self, argument: LLMRequest) -> LlmExecutionContext:
        """Return the call's context with this request."""
        call = self._call
        codecs = LlmRequestContext(call.codec), LlmResponseContext(call.response_codec)
        return LlmExecutionContext(call.name, shallow_request(argument), call.model_name, *codecs)

    def passed_on(self, argument: Any, context: LlmExecutionContext, original: LLMRequest) -> LLMRequest:
        """Return the request that `next` was called with.

        Raises:
            TypeError: It is no request.
        """
        if not isinstance(argument, LLMRequest):
            raise TypeError(f"next must be called with an LLMRequest, not {type(argument).__name__}")
        return taken_request(argument, context.request, original)

    def outcome(self, answer: Any) -> Any:
        """Return the answer: a response is whatever it is."""
        return answer

    async def call(self, argument: LLMRequest) -> Any:
        """Make the provider's call."""
        self._call.reached = True
        return await self._pace.settle(self._call.function(argument), self._call.name)


def _readable(source: Any, pace: Pace) -> Any:
    """Return the iterator to read chunks from."""
    kind = type(source).__name__
    if pace.waits:
        if hasattr(source, "__aiter__"):
            return aiter(source)
        raise TypeError(f"a streaming call must give an async iterator, not {kind}")
    if hasattr(source, "__iter__") and not isinstance(source, str | bytes | dict):
        return iter(source)
    raise TypeError(f"a streaming call without an event loop must give an iterator, not {kind}")


def _outcome(answer: Any, entry: Entry) -> LLMRequestInterceptOutcome:
    outcome = LLMRequestInterceptOutcome(answer) if isinstance(answer, LLMRequest) else answer
    if isinstance(outcome, LLMRequestInterceptOutcome) and isinstance(outcome.request, LLMRequest):  # pyright: ignore[reportUnnecessaryIsInstance]
        return outcome
    raise TypeError(
        f"LLM request intercept {entry.name!r} must return an LLMRequest or an LLMRequestInterceptOutcome, "
        f"not {type(answer).__name__}"
    )


def _with_view(
    codec: LlmCodec, view: AnnotatedLLMRequest, new: LLMRequest, old: LLMRequest, entry: Entry
) -> LLMRequest:
    """Return `new` with the edits that an intercept made in its view of `old`."""
    if new.content is old.content or same_json(new.content, old.content):
        return codec.encode(view, new)
    if same_json(codec.encode(view, old).content, old.content):
        return new
    raise ValueError(
        f"LLM request intercept {entry.name!r} changed both the request's content and the annotated view; change one"
    )
