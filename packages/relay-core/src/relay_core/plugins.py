"""The plugins of the default runtime: register by hand, look for installed ones, see what became of them."""

from typing import Final

from relay_core.installation_report import InstallationReport
from relay_core.runtime import Relay, default

__all__ = ["discover", "register", "report", "unregister"]

_relay: Final[Relay] = default()


def register(plugin: object, name: str | None = None) -> str:
    """Register a plugin, configure it on the spot, and return its name. Any thread, also while events flow.

    Args:
        plugin: An object or a module with functions marked `@hookimpl`.
        name: Unique; by default the module's name, or the name of the object's class with a number if that is taken.

    Raises:
        PluginError: The plugin cannot be used; nothing of it stays registered. `PluginExistsError` for a duplicate.
        SettingsError: The plugin's own settings are wrong; nothing of it stays registered.
    """
    _relay.ensure_ready()
    return _relay.registry.register(plugin, name)


def unregister(plugin_or_name: object) -> bool:
    """Take a plugin out, given itself or its name, and what it registered through its context; False if unknown.

    It gets no event that is emitted from now on, but those that were emitted before. Any thread; never raises.
    """
    return _relay.registry.unregister(plugin_or_name)


def discover() -> InstallationReport:
    """Look for installed plugins now. The first use of Relay does it by itself; later this finds what came since.

    Raises:
        DiscoveryError: Strict mode, and a plugin cannot be used.
    """
    _relay.ensure_ready()
    _relay.startup.discover()
    return report()


def report() -> InstallationReport:
    """Return which plugins were found, loaded and refused, why, and which settings came from where."""
    return _relay.startup.report()
