"""`install()` and `uninstall()`: first use with arguments, and integrations hooked into their frameworks, out again."""

from __future__ import annotations

from relay_core.installation_report import InstallationReport
from relay_core.runtime import Relay, default
from relay_core.settings import Settings

__all__ = ["Installation", "install", "uninstall"]


class Installation:
    """Relay at work in this process. Returned by `install()`; every method may be called from any thread."""

    def __init__(self, runtime: Relay) -> None:
        """Not for users: `install()` makes it."""
        self._runtime = runtime

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._runtime.startup.settings

    @property
    def report(self) -> InstallationReport:
        """What was found, loaded and refused, why, and which settings came from where; readable by `str()`."""
        return self._runtime.startup.report()

    def uninstall(self) -> None:
        """As `relay_core.uninstall()`; does nothing when that was called already."""
        if self._runtime.startup.installation is self:
            uninstall(runtime=self._runtime)


def install(*, runtime: Relay | None = None, **overrides: object) -> Installation:
    """Read settings, load plugins, and hook all integrations into their frameworks. May be called again.

    Args:
        runtime: The runtime to install; by default the one that the module functions speak to.
        overrides: Settings that win over the file and the environment: `strict=True`, `queue={"max_events": 1000}` or,
            which is the same, `queue__max_events=1000`.

    Returns:
        The installation; a second call returns the same one.

    Raises:
        SettingsError: A setting is unknown or wrong, wherever it was set.
        InstallationError: Relay is in use with other settings than these; `uninstall()` first.
        DiscoveryError: Strict mode, and a plugin cannot be used.
    """
    relay = default() if runtime is None else runtime
    installation = relay.startup.install(overrides, lambda: Installation(relay))
    relay.ensure_ready()
    return installation


def uninstall(*, runtime: Relay | None = None) -> None:
    """Take all integrations out of their frameworks, and unload what discovery loaded. Never raises.

    Plugins registered by hand stay registered, unconfigured. Scopes of user code that are open can still be popped;
    those of runs that only `install()` had recorded end as abandoned. The next use of Relay, or the next `install()`,
    reads settings and discovers plugins again.

    Args:
        runtime: The runtime to uninstall; by default the one that the module functions speak to.
    """
    relay = default() if runtime is None else runtime
    relay.startup.reset()
    relay.scopes.ready = False
