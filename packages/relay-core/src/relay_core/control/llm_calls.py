"""Managed LLM calls, as the application makes them."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from relay_core.callables import is_async, loop_runs
from relay_core.codecs import AnnotatedLLMResponse, LlmCodec, LLMRequest, LlmResponseCodec
from relay_core.control.host import Host
from relay_core.control.llm_pipeline import LLM_STAGES, STREAM_STAGES, LlmCall, LlmPipeline
from relay_core.control.pacing import AWAITING, Pace, drive
from relay_core.control.results import LLMRequestInterceptOutcome
from relay_core.control.streams import LlmStream, LlmSyncStream
from relay_core.errors import AsyncMiddlewareError, GuardrailRejected, ScopeClosedError
from relay_core.handles import ScopeHandle
from relay_core.vocabulary import Attributes, ScopeType

__all__ = ["LLMHandle", "LlmCalls"]

LLMHandle = ScopeHandle
"""What `llm.call` returns and `llm.call_end` wants: the handle of the call's scope."""

_SYNC: Final = Pace("llm.execute_sync", "llm.execute")
_SYNC_STREAM: Final = Pace("llm.stream_execute_sync", "llm.stream_execute")
_REQUEST: Final = Pace("llm.request_intercepts without a loop", "llm.request_intercepts")
_CONDITIONAL: Final = Pace("llm.conditional_execution without a loop", "llm.conditional_execution")


class LlmCalls:
    """The managed LLM calls of one runtime. `relay_core.llm` is the default runtime's."""

    __slots__ = ("_host", "_pipeline")

    def __init__(self, host: Host) -> None:
        """Serve the runtime `host`."""
        self._host = host
        self._pipeline = LlmPipeline(host)

    async def execute(
        self,
        name: str,
        request: LLMRequest,
        func: Callable[[LLMRequest], Any],
        *,
        handle: ScopeHandle | None = None,
        attributes: Attributes | None = None,
        data: object = None,
        metadata: Mapping[str, Any] | None = None,
        model_name: str | None = None,
        codec: LlmCodec | None = None,
        response_codec: LlmResponseCodec | None = None,
        recorded: bool = True,
    ) -> Any:
        """Call a model under control: guardrails may refuse, intercepts may rewrite and wrap, a scope records it.

        Order: conditional guardrails, request intercepts, start event, pending marks, execution intercepts (lowest
        priority outermost), `func`, end event. The call's scope is current inside `func` and ends on every path.

        Args:
            name: The provider's or the call's name.
            request: What is sent; nothing is added to it.
            func: ``func(request)``, sync or async; returns the response: any object.
            handle: The parent scope; by default the current scope.
            attributes: Flags such as `LLMAttributes.STATEFUL`.
            data: The application's own note; stays on the handle and is never recorded.
            metadata: Recorded on the call's scopes and on the mark of a refusal.
            model_name: Recorded as ``model_name`` on both events.
            codec: Gives request intercepts the normalized view, and the start event its ``annotated_request``.
            response_codec: Gives the end event its ``annotated_response``; the response is not touched.
            recorded: False where an integration records the call: it is controlled here, and has a scope
                from here only where an intercept answers in its place, or fails before.

        Returns:
            What `func` or an intercept returned.

        Raises:
            GuardrailRejected: A guardrail refused; `func` was not called.
            TypeError: `request` is no `LLMRequest`, or an intercept returned none.
            BaseException: What `func`, a guardrail, an intercept or the codec raised, unchanged.
        """
        call = self._call(
            name, request, func, handle, attributes, data, metadata, model_name, codec, response_codec, recorded
        )
        return await self._pipeline.execute(call, AWAITING)

    def execute_sync(
        self,
        name: str,
        request: LLMRequest,
        func: Callable[[LLMRequest], Any],
        *,
        handle: ScopeHandle | None = None,
        attributes: Attributes | None = None,
        data: object = None,
        metadata: Mapping[str, Any] | None = None,
        model_name: str | None = None,
        codec: LlmCodec | None = None,
        response_codec: LlmResponseCodec | None = None,
        recorded: bool = True,
    ) -> Any:
        """Do as `execute`, for code without an event loop: `func` and all middleware must be sync.

        An execution intercept's `next(request)` returns the response here, instead of an awaitable.

        Raises:
            AsyncMiddlewareError: `func`, a guardrail or an intercept is async; the call was not made.
            GuardrailRejected: As for `execute`.
            TypeError: As for `execute`.
            BaseException: As for `execute`.
        """
        if is_async(func):
            raise AsyncMiddlewareError(name, call=_SYNC.call, instead="llm.execute")
        call = self._call(
            name, request, func, handle, attributes, data, metadata, model_name, codec, response_codec, recorded
        )
        for stage in LLM_STAGES:  # refuse before anything has happened
            self._host.middleware.chain(stage, call.parent, _SYNC)
        return drive(self._pipeline.execute(call, _SYNC))

    async def stream_execute(
        self,
        name: str,
        request: LLMRequest,
        func: Callable[[LLMRequest], Any],
        collector: Callable[[Any], object],
        finalizer: Callable[[], Any],
        *,
        handle: ScopeHandle | None = None,
        attributes: Attributes | None = None,
        data: object = None,
        metadata: Mapping[str, Any] | None = None,
        model_name: str | None = None,
        codec: LlmCodec | None = None,
        response_codec: LlmResponseCodec | None = None,
        recorded: bool = True,
    ) -> LlmStream:
        """Call a model that answers in chunks, under control as with `execute`.

        Args:
            name: As for `execute`.
            request: As for `execute`.
            func: ``func(request)``: an async iterator of chunks, or an awaitable of one.
            collector: Called with a copy of each chunk, after stream intercepts; what it raises ends the stream.
            finalizer: Called once, when the stream is over or closed; returns the response so far, to be recorded.
                What it raises is counted and logged.
            handle: As for `execute`.
            attributes: As for `execute`; ``streaming`` is added.
            data: As for `execute`.
            metadata: As for `execute`.
            model_name: As for `execute`.
            codec: As for `execute`.
            response_codec: As for `execute`; reads what `finalizer` returns.
            recorded: As for `execute`; where False, nobody asks `finalizer`.

        Returns:
            The chunks. Exhaust the stream, or close it with `aclose()` or `async with`.

        Raises:
            GuardrailRejected: As for `execute`.
            TypeError: As for `execute`; or `func` or a stream intercept gave no async iterator.
            BaseException: As for `execute`.
        """
        call = self._call(
            name, request, func, handle, attributes, data, metadata, model_name, codec, response_codec, recorded
        )
        return LlmStream(*await self._pipeline.open_stream(call, AWAITING, collector, finalizer))

    def stream_execute_sync(
        self,
        name: str,
        request: LLMRequest,
        func: Callable[[LLMRequest], Iterable[Any]],
        collector: Callable[[Any], object],
        finalizer: Callable[[], Any],
        *,
        handle: ScopeHandle | None = None,
        attributes: Attributes | None = None,
        data: object = None,
        metadata: Mapping[str, Any] | None = None,
        model_name: str | None = None,
        codec: LlmCodec | None = None,
        response_codec: LlmResponseCodec | None = None,
        recorded: bool = True,
    ) -> LlmSyncStream:
        """Do as `stream_execute`, for code without an event loop: `func` gives an iterator, all middleware is sync.

        A stream intercept's `next(request)` returns the iterator here, instead of an awaitable.

        Returns:
            The chunks. Exhaust the stream, or close it with `close()` or `with`.

        Raises:
            AsyncMiddlewareError: `func`, a guardrail or an intercept is async; the call was not made.
            GuardrailRejected: As for `execute`.
            TypeError: As for `execute`; or `func` or a stream intercept gave no iterator.
            BaseException: As for `execute`.
        """
        if is_async(func):
            raise AsyncMiddlewareError(name, call=_SYNC_STREAM.call, instead="llm.stream_execute")
        call = self._call(
            name, request, func, handle, attributes, data, metadata, model_name, codec, response_codec, recorded
        )
        for stage in STREAM_STAGES:  # refuse before anything has happened
            self._host.middleware.chain(stage, call.parent, _SYNC_STREAM)
        return LlmSyncStream(*drive(self._pipeline.open_stream(call, _SYNC_STREAM, collector, finalizer)))

    def call(
        self,
        name: str,
        request: LLMRequest,
        *,
        handle: ScopeHandle | None = None,
        attributes: Attributes | None = None,
        data: object = None,
        metadata: Mapping[str, Any] | None = None,
        model_name: str | None = None,
        codec: LlmCodec | None = None,
        timestamp: datetime | None = None,
    ) -> LLMHandle:
        """Start an LLM call's scope by hand, for frameworks that only have hooks. No guardrail or intercept is asked.

        Args:
            name: As for `execute`.
            request: Recorded as the start's data.
            handle: As for `execute`.
            attributes: As for `execute`.
            data: As for `execute`.
            metadata: As for `execute`.
            model_name: As for `execute`.
            codec: Gives the start event its ``annotated_request``.
            timestamp: When the call began; timezone-aware, by default now.

        Returns:
            The handle that `call_end` wants. It does not become current.

        Raises:
            TypeError: `request` is no `LLMRequest`; or as for `scope.start`.
            ValueError: As for `scope.start`.
            ScopeError: As for `scope.start`.
        """
        return self._host.scopes.start(
            name,
            ScopeType.Llm,
            handle=handle,
            attributes=attributes,
            data=data,
            metadata=metadata,
            input=self._pipeline.start_payload(_checked(request)),
            category_profile=self._pipeline.start_profile(model_name, codec, request),
            timestamp=timestamp,
        )

    def call_end(
        self,
        handle: LLMHandle,
        response: Any,
        *,
        data: object = None,
        metadata: Mapping[str, Any] | None = None,
        annotated_response: AnnotatedLLMResponse | Mapping[str, Any] | None = None,
        response_codec: LlmResponseCodec | None = None,
        timestamp: datetime | None = None,
    ) -> None:
        """End what `call` started.

        Args:
            handle: What `call` returned.
            response: Recorded as the end's data: any object.
            data: Recorded instead where the response is None.
            metadata: Laid over the start's.
            annotated_response: The normalized response, recorded in the end event's profile.
            response_codec: Makes that from `response` where it is not given.
            timestamp: When the call ended; timezone-aware, not before its start, by default now.

        Raises:
            TypeError: `handle` is not the handle of an LLM call's scope.
            ScopeClosedError: The call has ended already.
            ValueError: As for `scope.end`.
        """
        if getattr(handle, "scope_type", None) is not ScopeType.Llm:
            raise TypeError("handle must be what llm.call returned")
        if annotated_response is None:
            profile = self._pipeline.end_profile(response_codec, response)
        else:
            given = annotated_response
            profile = {
                "annotated_response": given.to_dict() if isinstance(given, AnnotatedLLMResponse) else dict(given)
            }
        output = data if response is None else response
        ended = self._host.scopes.end(
            handle, output=output, category_profile=profile, metadata=metadata, timestamp=timestamp
        )
        if not ended:
            raise ScopeClosedError(name=handle.name, uuid=handle.uuid)

    def request_intercepts(
        self, name: str, request: LLMRequest, *, codec: LlmCodec | None = None
    ) -> LLMRequestInterceptOutcome | Awaitable[LLMRequestInterceptOutcome]:
        """Run only the request intercepts, on behalf of a framework that makes the call itself.

        Returns:
            The request to send, its view and the marks to emit; inside a running event loop an awaitable of that.

        Raises:
            AsyncMiddlewareError: No loop is running and an intercept is async.
            BaseException: What an intercept raised.
        """
        pace = AWAITING if loop_runs() else _REQUEST
        rewriting = self._rewritten(self._partial_call(name, request, codec), pace)
        return rewriting if pace.waits else drive(rewriting)

    def conditional_execution(self, request: LLMRequest) -> Awaitable[None] | None:
        """Run only the conditional guardrails, on behalf of a framework that makes the call itself.

        Returns:
            None if the call may be made; inside a running event loop an awaitable of that.

        Raises:
            GuardrailRejected: A guardrail refused.
            AsyncMiddlewareError: No loop is running and a guardrail is async.
            BaseException: What a guardrail raised.
        """
        pace = AWAITING if loop_runs() else _CONDITIONAL
        asking = self._permitted(self._partial_call("llm", request, None), pace)
        return asking if pace.waits else drive(asking)

    async def _rewritten(self, call: LlmCall, pace: Pace) -> LLMRequestInterceptOutcome:
        request = await self._pipeline.rewritten(call, pace)
        return LLMRequestInterceptOutcome(request, call.view, tuple(call.marks))

    async def _permitted(self, call: LlmCall, pace: Pace) -> None:
        reason = await self._pipeline.refusal(call, pace)
        if reason is not None:
            raise GuardrailRejected(reason)

    def _partial_call(self, name: str, request: LLMRequest, codec: LlmCodec | None) -> LlmCall:
        self._host.ready()
        return LlmCall(name, _checked(request), self._host.scopes.get_handle(), codec=codec)

    def _call(
        self,
        name: str,
        request: LLMRequest,
        func: Callable[[LLMRequest], Any],
        handle: ScopeHandle | None,
        attributes: Attributes | None,
        data: object,
        metadata: Mapping[str, Any] | None,
        model_name: str | None,
        codec: LlmCodec | None,
        response_codec: LlmResponseCodec | None,
        recorded: bool,
    ) -> LlmCall:
        self._host.ready()
        parent = self._host.scopes.get_handle() if handle is None else handle
        return LlmCall(
            name,
            _checked(request),
            parent,
            func,
            attributes,
            data,
            metadata,
            model_name,
            codec,
            response_codec,
            recorded,
        )


def _checked(request: LLMRequest) -> LLMRequest:
    if not isinstance(request, LLMRequest):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"request must be an LLMRequest, not {type(request).__name__}")
    return request
