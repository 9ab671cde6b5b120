"""The chunks of a managed LLM call as the caller gets them, with or without a loop, and the end of its scope."""

import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from relay_core.control.host import Host
from relay_core.control.wrap import Continuation
from relay_core.current import enter, leave
from relay_core.handles import ScopeHandle
from relay_core.json_values import detached
from relay_core.vocabulary import Outcome

__all__ = ["LlmStream", "LlmSyncStream", "StreamRecord"]


class StreamRecord:
    """What is known of a stream while it runs, and told when it is over, once."""

    __slots__ = (
        "_chunks",
        "_collector",
        "_finalizer",
        "_first_chunk",
        "_handle",
        "_host",
        "_late",
        "_profile",
        "_started",
        "is_open",
    )

    def __init__(
        self,
        host: Host,
        handle: ScopeHandle | None,
        collector: Callable[[Any], object],
        finalizer: Callable[[], Any],
        profile: Callable[[Any], dict[str, Any] | None],
        late: Callable[[], ScopeHandle | None],
    ) -> None:
        """Record on the open scope `handle`, or without one on what `late` begins at the end; the clock starts now."""
        self._host = host
        self._handle = handle
        self._collector = collector
        self._finalizer = finalizer
        self._profile = profile
        self._late = late
        self._started = time.perf_counter()
        self._first_chunk: float | None = None
        self._chunks = 0
        self.is_open = True
        """Whether the stream is neither over nor closed."""

    @contextmanager
    def current(self) -> Generator[None]:
        """Make the call's scope current while a chunk is made."""
        if self._handle is None:
            yield
            return
        entry = enter(self._handle, self._host.scopes.current_run())
        try:
            yield
        finally:
            leave(entry)

    def note(self, chunk: Any) -> None:
        """Count a chunk, time the first one, and let the collector have a copy."""
        if self._first_chunk is None:
            self._first_chunk = time.perf_counter() - self._started
        self._chunks += 1
        self._collector(detached(chunk))

    def finish(self, outcome: Outcome, error: BaseException | None = None) -> None:
        """End the scope with what the finalizer makes of the chunks so far; the second time do nothing."""
        if not self.is_open:
            return
        self.is_open = False
        handle = self._late() if self._handle is None else self._handle
        if handle is None:
            return
        output = self._output()
        profile = self._profile(output) or {}
        if self._first_chunk is not None:
            profile["time_to_first_chunk"] = self._first_chunk
        profile["chunk_count"] = self._chunks
        self._host.scopes.end(
            handle,
            outcome=outcome,
            error=error,
            output=output,
            category_profile=profile,
        )

    def outcome_of(self, error: BaseException) -> Outcome:
        """Return how the scope of a stream ends that failed by `error`."""
        return self._host.scopes.outcome_of(error)

    def suppress(self, error: BaseException, where: str) -> None:
        """Count and log an error that may not reach the consumer."""
        self._host.suppress(error, where)

    def _output(self) -> Any:
        try:
            return self._finalizer()
        except Exception as error:  # for observation only: the caller has its chunks
            self.suppress(error, "a stream's finalizer")
            return None


class _Stream:
    """What both kinds of stream have in common."""

    __slots__ = ("__weakref__", "_continuations", "_record", "_source")

    def __init__(self, record: StreamRecord, source: Any, continuations: Sequence[Continuation]) -> None:
        """Not for users: `llm.stream_execute` and `llm.stream_execute_sync` make streams."""
        self._record = record
        self._source = source
        self._continuations = continuations

    def __del__(self) -> None:
        """End the scope of a stream that was dropped."""
        if hasattr(self, "_continuations"):
            self._finish(Outcome.ABANDONED)

    def _finish(self, outcome: Outcome, error: BaseException | None = None) -> None:
        for continuation in self._continuations:
            continuation.active = False
        self._record.finish(outcome, error)

    def _fail(self, error: BaseException) -> None:
        self._finish(self._record.outcome_of(error), error)


class LlmStream(_Stream):
    """An async iterator over chunks. The call's scope ends when it is exhausted, fails, is closed or is dropped.

    The scope is current while a chunk is being made, and not where the chunks are consumed. Use it from one task.
    """

    __slots__ = ()

    _source: AsyncIterator[Any]

    def __aiter__(self) -> "LlmStream":
        """Return the stream itself."""
        return self

    async def __anext__(self) -> Any:
        """Return the next chunk.

        Raises:
            StopAsyncIteration: There is none, or the stream is closed.
            BaseException: What the call, a stream intercept or the collector raised.
        """
        if not self._record.is_open:
            raise StopAsyncIteration
        try:
            with self._record.current():
                chunk = await self._source.__anext__()
            self._record.note(chunk)
        except StopAsyncIteration:
            self._finish(Outcome.OK)
            raise
        except BaseException as error:
            self._fail(error)
            try:
                await self._close_source()
            except Exception as second:  # the consumer gets the first one
                self._record.suppress(second, "closing a stream that failed")
            raise
        return chunk

    async def aclose(self) -> None:
        """Stop early: close the call's own stream and end the scope as abandoned. Idempotent.

        Raises:
            BaseException: What the call's own stream raised on closing; the scope has ended all the same.
        """
        if self._record.is_open:
            try:
                await self._close_source()
            finally:
                self._finish(Outcome.ABANDONED)

    async def __aenter__(self) -> "LlmStream":
        """Return the stream itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the stream."""
        await self.aclose()

    async def _close_source(self) -> None:
        close = getattr(self._source, "aclose", None)
        if close is not None:
            with self._record.current():
                await close()


class LlmSyncStream(_Stream):
    """An iterator over chunks, for code without an event loop; otherwise like `LlmStream`."""

    __slots__ = ()

    _source: Iterator[Any]

    def __iter__(self) -> "LlmSyncStream":
        """Return the stream itself."""
        return self

    def __next__(self) -> Any:
        """Return the next chunk.

        Raises:
            StopIteration: There is none, or the stream is closed.
            BaseException: What the call, a stream intercept or the collector raised.
        """
        if not self._record.is_open:
            raise StopIteration
        try:
            with self._record.current():
                chunk = next(self._source)
            self._record.note(chunk)
        except StopIteration:
            self._finish(Outcome.OK)
            raise
        except BaseException as error:
            self._fail(error)
            try:
                self._close_source()
            except Exception as second:  # the consumer gets the first one
                self._record.suppress(second, "closing a stream that failed")
            raise
        return chunk

    def close(self) -> None:
        """Stop early: close the call's own stream and end the scope as abandoned. Idempotent.

        Raises:
            BaseException: What the call's own stream raised on closing; the scope has ended all the same.
        """
        if self._record.is_open:
            try:
                self._close_source()
            finally:
                self._finish(Outcome.ABANDONED)

    def __enter__(self) -> "LlmSyncStream":
        """Return the stream itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the stream."""
        self.close()

    def _close_source(self) -> None:
        close = getattr(self._source, "close", None)
        if close is not None:
            with self._record.current():
                close()
