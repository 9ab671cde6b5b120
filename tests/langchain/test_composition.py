"""Handlers derive from what plugins demand."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers.base import BaseTracer
from tests.langchain.support import Recording

from relay_core.hookspecs import hookimpl
from relay_langchain import RelayCallbackHandler
from relay_langchain.composition import composed


class Lifecycle(BaseCallbackHandler):
    """A class that some framework delivers more events to."""

    def on_signal(self, event: Any) -> str:
        return f"seen {event}"


class Demanding:
    """A plugin that demands a class of handlers."""

    @hookimpl
    def relay_handler_bases(self) -> list[type]:
        return [Lifecycle, BaseCallbackHandler]


class Impossible:
    """A plugin that demands what cannot be combined."""

    @hookimpl
    def relay_handler_bases(self) -> list[type]:
        return [int]


def test_a_handler_with_a_plugins_base(recording: Recording) -> None:
    """A handler made while the plugin is there is an instance of the class, and is the same handler otherwise."""
    plain = recording.handler()
    recording.relay.registry.register(Demanding())
    first, second = recording.handler(), recording.handler()

    assert not isinstance(plain, Lifecycle)
    assert isinstance(first, Lifecycle)
    assert isinstance(first, RelayCallbackHandler)
    assert type(first) is type(second)
    assert "seen 1" == first.on_signal(1)
    assert "RelayCallbackHandler" == type(first).__name__


def test_a_users_subclass(recording: Recording) -> None:
    """A subclass of the user's own is composed too, and comes first."""

    class Mine(RelayCallbackHandler):
        def on_signal(self, event: Any) -> str:
            return "mine"

    recording.relay.registry.register(Demanding())
    handler: Any = Mine(runtime=recording.relay)

    assert isinstance(handler, Lifecycle)
    assert "mine" == handler.on_signal(1)


def test_what_cannot_be_combined(recording: Recording) -> None:
    """A class that cannot be combined is counted as an error of ours, and the handler works without it."""
    recording.relay.registry.register(Impossible())

    assert type(recording.handler()) is RelayCallbackHandler
    assert 1 == recording.relay.statistics().suppressed_errors
    recording.expect_suppressed()


def test_composed() -> None:
    """Classes that a handler has already add nothing, and what is no handler is refused."""
    assert composed(RelayCallbackHandler, [BaseCallbackHandler]) is RelayCallbackHandler
    with pytest.raises(TypeError, match="only derive from handlers"):
        composed(RelayCallbackHandler, ["x"])


def test_tracers(recording: Recording) -> None:
    """LangGraph takes the handler for a tracer, so that its payload policy applies, without it being one."""
    handler = recording.handler()

    assert isinstance(handler, BaseTracer)
    assert BaseTracer not in type(handler).__mro__
    assert not hasattr(handler, "tap_output_iter")
