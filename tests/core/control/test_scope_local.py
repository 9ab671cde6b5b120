"""Guardrails, intercepts, sanitizers and injectors on one scope of the default runtime, by the public functions."""

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from relay_core import event_metadata, guardrails, intercepts, llm, scope, scope_local, subscribers, tools
from relay_core.codecs import LLMRequest
from relay_core.errors import GuardrailRejected, ScopeClosedError
from relay_core.events import MarkEvent, ScopeEvent

pytestmark = pytest.mark.anyio

Events = list[ScopeEvent | MarkEvent]


@pytest.fixture
def events() -> Iterator[Events]:
    """What the default runtime emits."""
    found: Events = []
    subscribers.register("test_scope_local", found.append)
    yield found
    subscribers.deregister("test_scope_local")


def _names(module: Any) -> set[str]:
    return {name for name in module.__all__ if "register_" in name}


def test_everything_can_be_local() -> None:
    """Each function of `guardrails`, `intercepts` and `event_metadata` has its twin here, with a handle in front."""
    local = {name for name in scope_local.__all__ if "subscriber" not in name and "injector" not in name}

    assert _names(guardrails) | _names(intercepts) == local
    assert {"register_injector", "deregister_injector"} == set(event_metadata.__all__)
    assert callable(scope_local.register_event_metadata_injector)
    for name in local:
        everywhere = inspect.signature(getattr(guardrails, name, None) or getattr(intercepts, name))
        here = inspect.signature(getattr(scope_local, name))
        assert ["scope_handle", *everywhere.parameters] == list(here.parameters)
        assert getattr(scope_local, name).__doc__


async def test_local_and_global_merge(events: Events) -> None:
    """Global and local intercepts form one chain by priority; the local ones go with their scope."""
    intercepts.register_tool_request("global", 2, lambda name, args: [*args, "global"])
    try:
        with scope.scope("request") as handle:
            scope_local.register_tool_request(handle, "first", 1, False, lambda name, args: [*args, "first"])
            with scope.scope("inner") as inner:
                scope_local.register_tool_request(inner, "last", 3, False, lambda name, args: [*args, "last"])
                inside = await tools.execute("t", [], lambda args: args)
            outside = await tools.execute("t", [], lambda args: args)
        after = await tools.execute("t", [], lambda args: args)
    finally:
        intercepts.deregister_tool_request("global")

    assert [["first", "global", "last"], ["first", "global"], ["global"]] == [
        inside.result,
        outside.result,
        after.result,
    ]


async def test_only_that_request_is_concerned(events: Events) -> None:
    """Of two concurrent requests only the one whose scope has the guardrail and the sanitizer is concerned."""
    both = anyio.Event()
    waiting: list[str] = []

    async def request(name: str, restricted: bool) -> Any:
        with scope.scope(name) as handle:
            if restricted:
                scope_local.register_llm_conditional_execution(handle, "quota", 1, lambda request: "quota is used up")
                scope_local.register_tool_sanitize_request(handle, "pii", 1, lambda name, args: "hidden")
                scope_local.register_event_metadata_injector(handle, "tenant", 1, lambda event: {"tenant": name})
            waiting.append(name)
            if len(waiting) == 2:
                both.set()
            await both.wait()
            await tools.execute(f"tool of {name}", "secret", lambda args: args)
            try:
                return await llm.execute("p", LLMRequest({}, {}), lambda request: "answer")
            except GuardrailRejected as refused:
                return refused.reason

    assert ["quota is used up", "answer"] == await asyncio.gather(request("a", True), request("b", False))
    await subscribers.flush_async()
    started = {
        event.name: event for event in events if isinstance(event, ScopeEvent) and event.scope_category == "start"
    }
    assert ("hidden", "secret") == (started["tool of a"].data, started["tool of b"].data)
    assert {"tenant": "a"} == started["tool of a"].metadata
    assert started["tool of b"].metadata is None


def test_closed_scope() -> None:
    """On a scope that has ended nothing can be registered, and there is nothing to take back."""
    with scope.scope("request") as handle:
        scope_local.register_mark_sanitize(handle, "n", 1, lambda event, fields: fields)
        assert scope_local.deregister_mark_sanitize(handle, "n")

    assert not scope_local.deregister_mark_sanitize(handle, "n")
    with pytest.raises(ScopeClosedError):
        scope_local.register_mark_sanitize(handle, "n", 1, lambda event, fields: fields)
