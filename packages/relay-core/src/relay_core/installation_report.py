"""The report of a first use: what was found, loaded and refused, why, and which settings came from where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from relay_core.discovery import FoundPlugin, unknown_names
from relay_core.registry import PluginRegistry
from relay_core.settings_sources import LoadedSettings, flat

__all__ = ["InstallationReport", "PluginReport", "SettingReport", "make_report"]

_SECRET_WORDS = ("authorization", "cookie", "credential", "dsn", "key", "passw", "secret", "token")


@dataclass(frozen=True, slots=True)
class PluginReport:
    """One plugin that was found, or registered by hand."""

    name: str
    """The name it is or was to be registered under."""
    origin: str
    """Where it comes from: "acme-relay 1.2 (acme.relay:Plugin)", "registered by hand"."""
    state: Literal["loaded", "refused", "blocked"]
    """Whether it is there; "blocked" by a setting, "refused" because it cannot be used."""
    reason: str | None = None
    """Why it is not there, and what to do; None if it is."""
    hooks: tuple[str, ...] = ()
    """The names of the hooks it implements, sorted."""
    notes: tuple[str, ...] = ()
    """What is odd about it, one sentence each; in strict mode the notes of discovery are reasons to refuse."""
    traceback: str | None = None
    """The traceback where its import or a hook of it raised."""


@dataclass(frozen=True, slots=True)
class SettingReport:
    """One setting in force."""

    key: str
    """The key, with dots: "queue.max_events"."""
    value: object
    """The value; "[redacted]" where the key looks like that of a credential."""
    origin: str
    """Where it was set: "default", a file, "environment RELAY_...", "install()"."""


@dataclass(frozen=True, slots=True)
class InstallationReport:
    """What Relay found at first use. A snapshot: it does not change; `str()` makes it readable."""

    ready: bool
    """Whether the first use is over; before it there is nothing to report."""
    installed: bool
    """Whether `install()` was called, so that integrations are hooked into their frameworks."""
    enabled: bool
    """Whether Relay does anything; see the setting `enabled`."""
    plugins: tuple[PluginReport, ...] = ()
    """The plugins: found ones in load order, then those registered by hand."""
    settings: tuple[SettingReport, ...] = ()
    """All settings in force, by key."""
    problems: tuple[str, ...] = ()
    """What is wrong with the settings, one sentence each."""
    hooks: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """The plugins that implement each hook, in call order; hooks without one are left out."""

    @property
    def ok(self) -> bool:
        """Whether there is nothing to mend: no plugin refused, no note, no problem with the settings."""
        return not self.problems and not any(it.state == "refused" or it.notes for it in self.plugins)

    def plugin(self, name: str) -> PluginReport | None:
        """Return the report of one plugin, or None if nothing of this name was found."""
        return next((it for it in self.plugins if it.name == name), None)

    def __str__(self) -> str:
        lines = [_heading(self), "", "Plugins", *(_plugin_lines(self.plugins) or ["  none"])]
        changed = [it for it in self.settings if it.origin != "default"]
        lines += ["", "Settings that are not the defaults", *(map(_setting_line, changed) if changed else ["  none"])]
        if self.problems:
            lines += ["", "Problems", *(f"  - {problem}" for problem in self.problems)]
        return "\n".join(lines)


def _heading(report: InstallationReport) -> str:
    if not report.ready:
        return "Relay has not been used yet."
    if not report.enabled:
        return "Relay is switched off (enabled = false)."
    return "Relay is installed." if report.installed else "Relay is in use, but install() was not called."


def _plugin_lines(plugins: tuple[PluginReport, ...]) -> list[str]:
    lines: list[str] = []
    for plugin in plugins:
        lines.append(f"  {plugin.state:<8} {plugin.name}  -  {plugin.origin}")
        if plugin.reason:
            lines.append(f"           {plugin.reason}")
        if plugin.hooks:
            lines.append(f"           hooks: {', '.join(plugin.hooks)}")
        lines += [f"           note: {note}" for note in plugin.notes]
    return lines


def _setting_line(setting: SettingReport) -> str:
    return f"  {setting.key} = {setting.value!r}  -  {setting.origin}"


def make_report(
    registry: PluginRegistry, found: Sequence[FoundPlugin], loaded: LoadedSettings, *, ready: bool, installed: bool
) -> InstallationReport:
    """Take a snapshot of what there is now."""
    names = {it.name for it in found}
    by_hand = [FoundPlugin(name, "registered by hand") for name in registry.names() if name not in names]
    plugins = [it for it in (*found, *by_hand) if it.refused or it.blocked or registry.get(it.name) is not None]
    problems = [str(problem) for problem in loaded.problems]
    if ready and not loaded.settings.disable_autoload:
        problems += unknown_names(loaded.settings, [it.name for it in plugins])
    return InstallationReport(
        ready=ready,
        installed=installed,
        enabled=loaded.settings.enabled,
        plugins=tuple(_plugin_report(registry, it) for it in plugins),
        settings=tuple(
            SettingReport(key, _masked(key, value), loaded.origins.get(key, "default"))
            for key, value in sorted(flat(loaded.settings).items())
        ),
        problems=(*problems, *loaded.warnings),
        hooks={hook: users for hook in registry.hooks() if (users := tuple(it.plugin for it in registry.impls(hook)))},
    )


def _plugin_report(registry: PluginRegistry, plugin: FoundPlugin) -> PluginReport:
    if plugin.refused or plugin.blocked:
        state: Literal["refused", "blocked"] = "refused" if plugin.refused else "blocked"
        reason = plugin.refused or plugin.blocked
        return PluginReport(plugin.name, plugin.origin, state, reason, (), tuple(plugin.notes), plugin.traceback)
    notes = (*plugin.notes, *registry.notes(plugin.name))
    return PluginReport(plugin.name, plugin.origin, "loaded", None, registry.implemented(plugin.name), notes)


def _masked(key: str, value: object) -> object:
    """Hide what may be a credential: a plugin's section may hold one."""
    if key.startswith("plugins.") and any(word in key.rpartition(".")[2].lower() for word in _SECRET_WORDS):
        return "[redacted]"
    if key.startswith("plugins.") and isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value).items()
        return {name: _masked(f"{key}.{name}", item) for name, item in items}
    return value
