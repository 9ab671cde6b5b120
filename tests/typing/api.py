"""What users write about scopes, events and delivery, held by the type checkers and never run."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, assert_type

import relay_core
import relay_langchain
import relay_langgraph
from relay_core import MarkEvent, Outcome, ScopeEvent, ScopeHandle, ScopeType, Statistics
from relay_core.jsonl import JsonlSink, Problem, read, validate
from relay_core.propagation import ScopedThreadPoolExecutor


def scopes() -> None:
    """Push, pop, blocks and marks."""
    handle = relay_core.scope.push(
        "request",
        ScopeType.Agent,
        attributes=relay_core.ScopeAttributes.PARALLEL,
        metadata={"tenant": "a"},
        input={"question": 1},
        timestamp=datetime.now(UTC),
    )
    assert_type(handle, ScopeHandle)
    assert_type(handle.uuid, str)
    assert_type(handle.parent_uuid, str | None)
    relay_core.scope.pop(handle, output=[1, 2], metadata={"more": True})
    with relay_core.scope.scope("block", input=object()) as inner:
        assert_type(inner, ScopeHandle)
        inner.set_output(1)
        inner.set_metadata(rows=3)
        relay_core.scope.event("mark", handle=inner, data={"step": 1}, severity="info")
    assert_type(relay_core.scope.current(), ScopeHandle | None)
    assert_type(relay_core.scope.get_handle(), ScopeHandle)
    assert_type(relay_core.scope.end(handle, outcome=Outcome.CANCELLED, error=ValueError()), bool)


@relay_core.scope.scope("function")
def function(number: int) -> str:
    """Decorated, its signature is kept."""
    return str(number)


@relay_core.scope.scope("coroutine", ScopeType.Tool)
async def coroutine(number: int) -> str:
    """Decorated, its signature is kept."""
    return str(number)


@relay_core.scope.scope("generator")
def generator() -> Iterator[int]:
    """Decorated, its signature is kept."""
    yield 1


@relay_core.scope.scope("async-generator")
async def async_generator() -> AsyncIterator[int]:
    """Decorated, its signature is kept."""
    yield 1


async def decorated() -> None:
    """A decorator changes no type."""
    assert_type(function(1), str)
    assert_type(await coroutine(1), str)
    assert_type(list(generator()), list[int])
    assert_type([item async for item in async_generator()], list[int])
    async with relay_core.scope.scope("block") as handle:
        assert_type(handle, ScopeHandle)
    assert_type(await relay_core.subscribers.flush_async(timeout=1.0), bool)


def listen(event: ScopeEvent | MarkEvent) -> None:
    """A subscriber."""
    assert_type(event.name, str)
    assert_type(event.timestamp, str)
    assert_type(event.metadata, dict[str, Any] | None)
    if isinstance(event, ScopeEvent):
        assert_type(event.outcome, Outcome | None)
        assert_type(event.attributes, tuple[str, ...])
    else:
        assert_type(event.severity, str | None)


def delivery() -> None:
    """Subscribers, sinks, counters."""
    relay_core.subscribers.register("listen", listen)
    assert_type(relay_core.subscribers.flush(), bool)
    assert_type(relay_core.subscribers.deregister("listen"), bool)
    assert_type(relay_core.plugins.register(JsonlSink("run.jsonl"), name="jsonl"), str)
    assert_type(relay_core.statistics(), Statistics)
    assert_type(relay_core.statistics().dropped, dict[str, int])
    assert_type(next(read(Path("run.jsonl"))), ScopeEvent | MarkEvent)
    assert_type(validate("run.jsonl"), list[Problem])


def elsewhere() -> None:
    """Threads and processes."""
    bound = relay_core.propagation.bind(function)
    assert_type(bound(1), str)
    with ScopedThreadPoolExecutor(2) as pool:
        assert_type(pool.submit(function, 1).result(), str)
    carrier: dict[str, str] = {}
    relay_core.propagation.inject(carrier)
    with relay_core.propagation.attach(relay_core.propagation.extract(carrier)) as handle:
        assert_type(handle, ScopeHandle)
    asyncio.run(decorated())


def misspelt() -> None:
    """Names that do not exist, of packages that import theirs on demand."""
    _ = relay_core.tolls  # type: ignore[attr-defined]
    _ = relay_langchain.RelayCallbackHandlr  # type: ignore[attr-defined]
    _ = relay_langgraph.tool_nod  # type: ignore[attr-defined]
