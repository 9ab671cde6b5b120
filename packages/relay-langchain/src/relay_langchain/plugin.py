"""The plugin ``langchain``, found through the entry-point group ``relay``. Loading it imports no framework."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from relay_core import hookimpl

if TYPE_CHECKING:
    from relay_core.handles import ScopeHandle
    from relay_core.plugin_context import PluginContext
    from relay_core.registry import PluginRegistry
    from relay_core.runtime import Relay
    from relay_langchain.registry import RunRegistry
    from relay_langchain.runs import Run

__all__ = ["LangChainPlugin"]


class LangChainPlugin:
    """Connects one runtime to LangChain: encoders for its types, the current run, instrumentation at `install()`."""

    def __init__(self) -> None:
        """Begin unconnected."""
        self._relay: Relay | None = None
        self._runs: RunRegistry | None = None
        self.open_runs: dict[int, Run] = {}
        """The runs that are under way: while there are none, nobody asks for the current scope."""

    @hookimpl
    def relay_addhooks(self, manager: PluginRegistry) -> None:
        """Declare the hooks of `relay_langchain.hookspecs`."""
        from relay_langchain import hookspecs

        manager.add_hookspecs(hookspecs)

    @hookimpl
    def relay_configure(self, context: PluginContext) -> None:
        """Read the settings; see `relay_langchain.settings`."""
        from relay_langchain.registry import registry_of
        from relay_langchain.settings import LangChainSettings

        self._relay = relay = context.runtime
        self._runs = registry_of(relay)
        self.open_runs = self._runs.running
        self._runs.show_hidden = context.settings(LangChainSettings).show_hidden

    @hookimpl
    def relay_unconfigure(self) -> None:
        """Let go of the runtime."""
        self._relay = self._runs = None
        self.open_runs = {}

    @hookimpl
    def relay_instrument(self) -> None:
        """Record every run in this process, where LangChain is installed."""
        try:
            from relay_langchain.instrument import instrument
        except ModuleNotFoundError as error:
            if error.name is None or not error.name.startswith("langchain"):
                raise
            return
        if self._relay is not None:
            instrument(self._relay)

    @hookimpl
    def relay_uninstrument(self) -> None:
        """Stop that."""
        module = sys.modules.get("relay_langchain.instrument")
        if module is not None and self._relay is not None:
            module.uninstrument(self._relay)

    @hookimpl
    def relay_payload_encoder(self, type: type) -> Callable[[Any], object] | None:
        """Project LangChain's own types; see `relay_langchain.projections`."""
        from relay_langchain.projections import payload_encoder

        return payload_encoder(type)

    @hookimpl
    def relay_current_scope(self) -> ScopeHandle | None:
        """Return the scope of the run that the calling code is in."""
        runs = self._runs
        if runs is None or not runs.running:  # LangChain may not even be there
            return None
        from relay_langchain.current import current_scope

        return current_scope(runs)
