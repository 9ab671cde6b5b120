"""`LlmStream`: the chunks of a managed LLM call, as the caller gets them, and the end of its scope."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from relay_core.control.host import Host
from relay_core.control.wrap import Continuation
from relay_core.handles import ScopeHandle, enter, leave
from relay_core.json_values import detached
from relay_core.outcomes import outcome_of
from relay_core.vocabulary import Outcome

__all__ = ["LlmStream"]


class LlmStream:
    """An async iterator over chunks. The call's scope ends when it is exhausted, fails, is closed or is dropped.

    The scope is current while a chunk is being made, and not where the chunks are consumed. Use it from one task.
    """

    __slots__ = (
        "__weakref__",
        "_chunks",
        "_collector",
        "_continuations",
        "_finalizer",
        "_first_chunk",
        "_handle",
        "_host",
        "_open",
        "_profile",
        "_source",
        "_started",
    )

    def __init__(
        self,
        host: Host,
        handle: ScopeHandle,
        source: AsyncIterator[Any],
        collector: Callable[[Any], object],
        finalizer: Callable[[], Any],
        *,
        profile: Callable[[Any], dict[str, Any] | None],
        continuations: Sequence[Continuation],
        started: float,
    ) -> None:
        """Not for users: `llm.stream_execute` makes streams."""
        self._host = host
        self._handle = handle
        self._source = source
        self._collector = collector
        self._finalizer = finalizer
        self._profile = profile
        self._continuations = continuations
        self._started = started
        self._first_chunk: float | None = None
        self._chunks = 0
        self._open = True

    def __aiter__(self) -> "LlmStream":
        """Return the stream itself."""
        return self

    async def __anext__(self) -> Any:
        """Return the next chunk.

        Raises:
            StopAsyncIteration: There is none, or the stream is closed.
            BaseException: What the call, a stream intercept or the collector raised.
        """
        if not self._open:
            raise StopAsyncIteration
        try:
            chunk = await self._pull()
            self._note(chunk)
        except StopAsyncIteration:
            self._finish(Outcome.OK, None)
            raise
        except BaseException as error:
            self._finish(outcome_of(error), error)
            try:
                await self._close_source()
            except Exception as second:  # the consumer gets the first one
                self._host.suppress(second, "closing a stream that failed")
            raise
        return chunk

    async def aclose(self) -> None:
        """Stop early: close the call's own stream and end the scope as abandoned. Idempotent.

        Raises:
            BaseException: What the call's own stream raised on closing; the scope has ended all the same.
        """
        if self._open:
            try:
                await self._close_source()
            finally:
                self._finish(Outcome.ABANDONED, None)

    async def __aenter__(self) -> "LlmStream":
        """Return the stream itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the stream."""
        await self.aclose()

    def __del__(self) -> None:
        """End the scope of a stream that was dropped."""
        if getattr(self, "_open", False):
            self._finish(Outcome.ABANDONED, None)

    async def _pull(self) -> Any:
        scopes = self._host.scopes
        entry = enter(self._handle, scopes.current_run())
        try:
            return await self._source.__anext__()
        finally:
            leave(entry)

    def _note(self, chunk: Any) -> None:
        if self._first_chunk is None:
            self._first_chunk = time.perf_counter() - self._started
        self._chunks += 1
        self._collector(detached(chunk))

    async def _close_source(self) -> None:
        close = getattr(self._source, "aclose", None)
        if close is None:
            return
        entry = enter(self._handle, self._host.scopes.current_run())
        try:
            await close()
        finally:
            leave(entry)

    def _finish(self, outcome: Outcome, error: BaseException | None) -> None:
        """End the scope, once, with what the finalizer makes of the chunks so far."""
        if not self._open:
            return
        self._open = False
        for continuation in self._continuations:
            continuation.active = False
        output = self._output()
        profile = self._profile(output) or {}
        if self._first_chunk is not None:
            profile["time_to_first_chunk"] = self._first_chunk
        self._host.scopes.end(
            self._handle,
            outcome=outcome,
            error=error,
            output=output,
            category_profile=profile or None,
            metadata={"relay.chunk_count": self._chunks},
        )

    def _output(self) -> Any:
        try:
            return self._finalizer()
        except Exception as error:  # for observation only: the caller has its chunks
            self._host.suppress(error, "a stream's finalizer")
            return None
