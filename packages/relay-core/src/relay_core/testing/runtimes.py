"""A runtime of a test's own, with the plugins under test and nothing else: no entry points, no file, no environment."""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from relay_core.plugin_context import PluginContext
from relay_core.runtime import Relay
from relay_core.settings import Settings

__all__ = ["isolated_runtime"]


@contextmanager
def isolated_runtime(
    under_test: Mapping[str, object] | None = None, /, *, allow_failures: bool = False, **settings: Any
) -> Generator[Relay]:
    """Make a runtime with these plugins and settings, and take it down after the block.

    Unlike in production, a plugin that fails makes the test fail: at the end of the block.

    Args:
        under_test: The plugins by name; a plugin's own settings are found by this name.
        allow_failures: Whether plugins and subscribers may raise, because the test is about that.
        settings: The settings, as sections: `queue={"max_events": 10}`, `plugins={"acme": {"limit": 3}}`.

    Yields:
        The runtime; emit with `relay.scopes.push(...)`, `relay.tools.execute(...)` and so on.

    Raises:
        pydantic.ValidationError: A setting is unknown or wrong.
        PluginError: A plugin cannot be used.
        SettingsError: A plugin's own settings are wrong.
        AssertionError: A plugin or subscriber raised in the block.
        TimeoutError: Not everything could be delivered within ten seconds after the block.
    """
    logger = logging.getLogger("relay_core")
    level = logger.level
    relay = Relay()
    values = Settings.model_validate(settings)
    relay.apply(values)
    relay.startup.ready = relay.scopes.ready = True
    relay.registry.configure(lambda name: PluginContext(name, relay, values, {}))
    try:
        for name, plugin in (under_test or {}).items():
            relay.registry.register(plugin, name)
        yield relay
    finally:
        delivered = relay.shutdown(10.0)
        relay.registry.unconfigure()
        logger.setLevel(level)  # the setting `log_level` reaches all runtimes of the process
    failed = relay.statistics().failed
    if failed and not allow_failures:
        raise AssertionError(f"plugins or subscribers raised, the log has the tracebacks: {failed}")
    if not delivered:
        raise TimeoutError("not everything was delivered within ten seconds: a plugin does not return")
