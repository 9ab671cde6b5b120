"""Who records a controlled call: the callback handler, where LangChain calls one anyway, else one of ours, here.

So that there is exactly one scope per model call and per tool call, with and without a handler in the user's code.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from langchain_core.runnables.config import RunnableConfig, merge_configs, var_child_runnable_config

from relay_core.propagation import Propagation
from relay_langchain.handler import RelayCallbackHandler

if TYPE_CHECKING:
    from relay_core.runtime import Relay

__all__ = ["Observation", "ToolRun"]

_ambient: Final = var_child_runnable_config


class ToolRun:
    """A tool call that is recorded by hand."""

    __slots__ = ("output",)

    def __init__(self) -> None:
        """Begin without an output."""
        self.output: Any = None


class Observation:
    """Records the calls of one runtime that no callback handler of it records."""

    def __init__(self, relay: Relay) -> None:
        """Record with `relay`."""
        self._relay = relay
        self._propagation = Propagation(relay.scopes)
        self._handler: RelayCallbackHandler | None = None

    @contextmanager
    def of_model(self, model: object) -> Generator[None]:
        """Have calls of `model` recorded that take their callbacks from the context, as in an agent."""
        config = _ambient.get()
        if self._is_observed(config, model):
            yield
            return
        token = _ambient.set(self.config(config))
        try:
            yield
        finally:
            _ambient.reset(token)

    def config(self, config: RunnableConfig | None, target: object = None) -> RunnableConfig:
        """Return a config with which calls of `target` are recorded; the config itself where they are already."""
        found = _ambient.get() if config is None else config
        if target is not None and self._is_observed(found, target):
            return config or {}
        return merge_configs(found, {"callbacks": [self._own()]})

    @contextmanager
    def of_tool(
        self, config: RunnableConfig | None, tool: object, name: str, args: Any, tool_call_id: str | None
    ) -> Generator[ToolRun]:
        """Record what happens in the block as one tool call, unless `config` has it recorded.

        Args:
            config: The config that the tool will be called with.
            tool: The tool, or None where it is not known.
            name: Its name.
            args: The arguments, without injected ones.
            tool_call_id: The id of the model's call.

        Returns:
            A run to put the output into.
        """
        run = ToolRun()
        if self._is_observed(config, tool):
            yield run
            return
        handler, run_id = self._own(), uuid4()
        handler.on_tool_start({"name": name}, "", run_id=run_id, inputs=args, tool_call_id=tool_call_id)
        known = handler.runs.find(run_id)
        scopes = self._relay.scopes
        try:
            with self._propagation.attach(scopes.root if known is None or known.handle is None else known.handle):
                yield run
        except BaseException as error:
            handler.on_tool_error(error, run_id=run_id)
            raise
        handler.on_tool_end(run.output, run_id=run_id)

    def _is_observed(self, config: RunnableConfig | None, target: object) -> bool:
        callbacks = [] if config is None else _handlers(config.get("callbacks"))
        callbacks += _handlers(getattr(target, "callbacks", None))
        mine = (handler for handler in callbacks if isinstance(handler, RelayCallbackHandler))
        if any(handler.runtime is self._relay and not handler.is_detached for handler in mine):
            return True
        return _instrumented(self._relay)

    def _own(self) -> RelayCallbackHandler:
        if self._handler is None:
            self._handler = RelayCallbackHandler(runtime=self._relay)
        return self._handler


def _handlers(callbacks: Any) -> list[Any]:
    """Return the handlers in what LangChain takes as callbacks: None, a list or a manager."""
    if callbacks is None:
        return []
    if isinstance(callbacks, Iterable):
        return list(callbacks)  # pyright: ignore[reportUnknownArgumentType]
    return [*getattr(callbacks, "handlers", ()), *getattr(callbacks, "inheritable_handlers", ())]


def _instrumented(relay: Relay) -> bool:
    """Tell whether `install()` has every run of this context recorded with `relay`."""
    from relay_langchain.instrument import installed_handler

    handler = installed_handler()
    return handler is not None and handler.runtime is relay
