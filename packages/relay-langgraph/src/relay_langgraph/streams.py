"""Opt-in: a graph's own stream tells what fires no callback. `stream` and `astream` record it and pass the chunks on.

LangGraph runs no callback for a node whose result is cached, or known from before an interrupt, and for a checkpoint.
Its stream modes ``updates`` and ``checkpoints`` tell of them, but only whoever pulls the stream can ask for these.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol
from uuid import UUID, uuid4

from relay_core.json_values import as_mapping
from relay_core.runtime import default
from relay_langchain.runs import find

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

    from relay_core.runtime import Relay

__all__ = ["CACHED", "CHECKPOINT", "StreamingGraph", "astream", "stream"]

CACHED: Final = "Node Cached"
"""The mark of a node that did not run: its result was cached, or known from before the graph was interrupted."""

CHECKPOINT: Final = "Graph Checkpoint"
"""The mark of a saved checkpoint."""

_RECORDED: Final = ("updates", "checkpoints")


class StreamingGraph(Protocol):
    """What is needed of a compiled graph."""

    @property
    def stream_mode(self) -> Any:
        """The modes in which it streams by default."""
        ...

    @property
    def stream(self) -> Callable[..., Any]:
        """Its method `stream`."""
        ...

    @property
    def astream(self) -> Callable[..., Any]:
        """Its method `astream`."""
        ...


def stream(
    graph: StreamingGraph,
    input: object,
    config: RunnableConfig | None = None,
    *,
    stream_mode: str | Sequence[str] | None = None,
    runtime: Relay | None = None,
    **options: Any,
) -> Generator[Any]:
    """Stream a graph as `graph.stream` does, and record cached nodes and checkpoints as marks on the graph's scope.

    Args:
        graph: a compiled graph.
        input: as for `graph.stream`.
        config: as for `graph.stream`; the handler is taken from it, or from `install()`.
        stream_mode: as for `graph.stream`; the chunks come in these modes alone.
        runtime: the runtime that records; by default the default one.
        options: what else `graph.stream` takes.
    """
    recorder = _Recorder(graph, config, stream_mode, options, runtime)
    chunks: Generator[Any] = graph.stream(input, recorder.config, stream_mode=recorder.modes, **options)
    with closing(chunks):
        for chunk in chunks:
            yield from recorder.wanted(chunk)


async def astream(
    graph: StreamingGraph,
    input: object,
    config: RunnableConfig | None = None,
    *,
    stream_mode: str | Sequence[str] | None = None,
    runtime: Relay | None = None,
    **options: Any,
) -> AsyncGenerator[Any]:
    """Stream a graph as `graph.astream` does; else as `stream`."""
    recorder = _Recorder(graph, config, stream_mode, options, runtime)
    chunks: AsyncGenerator[Any] = graph.astream(input, recorder.config, stream_mode=recorder.modes, **options)
    async with aclosing(chunks):
        async for chunk in chunks:
            for wanted in recorder.wanted(chunk):
                yield wanted


class _Chunk(NamedTuple):
    mode: str
    namespace: tuple[str, ...]
    data: Any


class _Recorder:
    """What one stream is asked for, and what becomes of its chunks."""

    def __init__(
        self,
        graph: StreamingGraph,
        config: RunnableConfig | None,
        stream_mode: str | Sequence[str] | None,
        options: Mapping[str, Any],
        runtime: Relay | None,
    ) -> None:
        wanted: Any = stream_mode or graph.stream_mode
        self._single = isinstance(wanted, str)
        self._wanted: tuple[str, ...] = (wanted,) if self._single else tuple(wanted)
        self._subgraphs = bool(options.get("subgraphs"))
        self._typed = options.get("version") == "v2"
        self._relay = default() if runtime is None else runtime
        self._run_id: UUID = (config or {}).get("run_id") or uuid4()
        self.config: Any = {**(config or {}), "run_id": self._run_id}
        self.modes: Any = [*self._wanted, *(mode for mode in _RECORDED if mode not in self._wanted)]

    def wanted(self, chunk: Any) -> Generator[Any]:
        """Record a chunk, and yield it in the shape that was asked for, if it was."""
        read = self._read(chunk)
        try:
            self._record(read)
        except Exception as error:
            self._relay.suppress(error, "relay_langgraph.streams")
        if read.mode not in self._wanted:
            return
        if self._typed or not self._single:
            yield chunk
        else:
            yield (read.namespace, read.data) if self._subgraphs else read.data

    def _read(self, chunk: Any) -> _Chunk:
        if self._typed:
            return _Chunk(chunk["type"], tuple(chunk["ns"]), chunk["data"])
        if self._subgraphs:
            return _Chunk(chunk[1], tuple(chunk[0]), chunk[2])
        return _Chunk(chunk[0], (), chunk[1])

    def _record(self, chunk: _Chunk) -> None:
        if chunk.mode == "updates":
            updates = as_mapping(chunk.data)
            if as_mapping(updates.get("__metadata__")).get("cached"):
                nodes = [name for name in updates if name != "__metadata__"]
                self._mark(CACHED, {"nodes": nodes, "checkpoint_ns": "|".join(chunk.namespace)})
        elif chunk.mode == "checkpoints":
            self._mark(CHECKPOINT, _checkpoint(as_mapping(chunk.data)))

    def _mark(self, name: str, data: Mapping[str, object]) -> None:
        run = find(self._run_id, runtime=self._relay)
        if run is not None and run.handle is not None:
            self._relay.scopes.event(name, handle=run.handle, data=data)


def _checkpoint(data: Mapping[str, Any]) -> dict[str, object]:
    """Return which checkpoint it is, what made it and what comes next; the state is in the nodes' own scopes."""
    configurable = as_mapping(as_mapping(data.get("config")).get("configurable"))
    metadata = as_mapping(data.get("metadata"))
    return {
        "checkpoint_id": configurable.get("checkpoint_id"),
        "checkpoint_ns": configurable.get("checkpoint_ns", ""),
        "source": metadata.get("source"),
        "step": metadata.get("step"),
        "next": data.get("next"),
    }
