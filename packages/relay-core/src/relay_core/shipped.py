"""The sinks that come with Relay, switched on by settings: a plugin like any other, found through its entry point."""

from typing import TYPE_CHECKING

from relay_core.hookspecs import hookimpl
from relay_core.settings import ConsoleSettings, JsonlSettings

if TYPE_CHECKING:
    from relay_core.plugin_context import PluginContext
    from relay_core.registry import PluginRegistry

__all__ = ["ShippedSinks"]


class ShippedSinks:
    """Registers the JSONL sink where `jsonl.path` is set, and the console sink where `console.enabled` is.

    It does what an application could do by hand, `plugins.register(JsonlSink(path), name="jsonl")`; a sink of that name
    that the application has registered itself stays, and this one is not made.
    """

    def __init__(self) -> None:
        """Register nothing yet."""
        self._registry: PluginRegistry | None = None
        self._names: list[str] = []

    @hookimpl
    def relay_configure(self, context: "PluginContext") -> None:
        """Register the sinks that the settings ask for.

        Raises:
            ValueError: The settings of the JSONL sink do not go together; the message says which.
        """
        settings, self._registry = context.runtime.settings, context.runtime.registry
        wanted: list[tuple[str, object]] = []
        if settings.jsonl.path is not None and self._registry.get("jsonl") is None:
            wanted.append(("jsonl", _jsonl(settings.jsonl, settings.jsonl.path)))
        if settings.console.enabled and self._registry.get("console") is None:
            wanted.append(("console", _console(settings.console)))
        for name, sink in wanted:
            self._registry.register(sink, name)
            self._names.append(name)

    @hookimpl
    def relay_unconfigure(self) -> None:
        """Take the sinks out again."""
        while self._registry is not None and self._names:
            self._registry.unregister(self._names.pop())


# Imported when they are wanted: discovery loads this module in every process.


def _jsonl(settings: JsonlSettings, path: str) -> object:
    from relay_core.jsonl import JsonlSink

    return JsonlSink(path, mode=settings.mode, rotate_bytes=settings.rotate_bytes, fsync=settings.fsync)


def _console(settings: ConsoleSettings) -> object:
    from relay_core.console import ConsoleSink

    return ConsoleSink(payloads=settings.payloads)
