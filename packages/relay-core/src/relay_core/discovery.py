"""Finds plugins through the entry-point group `relay` and loads them; registering them is the registry's part.

An entry point names a plugin object, a module, or a class, which is instantiated without arguments.
"""

from __future__ import annotations

import inspect
import logging
import sys
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points

from relay_core.errors import PluginError, PluginExistsError, RelayError
from relay_core.hookspecs import PROJECT
from relay_core.settings import Settings, section_name
from relay_core.wording import error_text, hint

__all__ = ["FRAMEWORKS", "FoundPlugin", "find_plugins", "unknown_names"]

_log = logging.getLogger(__name__)

FRAMEWORKS = (
    "anthropic",
    "autogen",
    "crewai",
    "google.adk",
    "haystack",
    "langchain",
    "langchain_core",
    "langgraph",
    "llama_index",
    "openai",
    "pydantic_ai",
    "semantic_kernel",
    "smolagents",
    "torch",
    "transformers",
)
"""Packages that are slow to import or have side effects: loading a plugin may not import them."""


_SHIPPED = "relay_core.shipped:ShippedSinks"
"""Relay's own sinks: whoever sets `jsonl.path` has allowed them, and would miss the file otherwise."""


@dataclass(slots=True)
class FoundPlugin:
    """An entry point, and what became of it."""

    name: str
    """The entry point's name, which the plugin is registered under."""
    origin: str
    """The distribution and what the entry point names: "acme-relay 1.2 (acme.relay:Plugin)"."""
    plugin: object | None = None
    """The plugin once it is loaded."""
    blocked: str | None = None
    """The setting that keeps it out, in words."""
    refused: str | None = None
    """Why it cannot be used, and what to do."""
    traceback: str | None = None
    """Where its own code raised."""
    notes: list[str] = field(default_factory=list[str])
    """What is odd about it; in strict mode a reason to refuse it."""

    def refuse(self, error: RelayError) -> None:
        """Note and log why the plugin cannot be used. Keeps text only: an exception would keep its frames alive."""
        self.plugin = None
        self.refused = str(error)
        if error.__cause__ is not None:
            self.traceback = "".join(traceback.format_exception(error.__cause__))
        _log.warning("left out %s: %s", self.origin, error)


def find_plugins(settings: Settings, taken: Iterable[str]) -> list[FoundPlugin]:
    """Look for entry points and load those that the settings allow, in the order of their names. Never raises.

    Args:
        settings: `plugins_allow` and `plugins_block`; with `disable_autoload` nothing is looked for. Neither keeps a
            sink of Relay's own out that another setting asks for; `plugins_block` does.
        taken: Names of plugins that are registered already; those are neither loaded nor returned.
    """
    asked = settings.jsonl.path is not None or settings.console.enabled
    if settings.disable_autoload and not asked:
        return []
    known = set(taken)
    found: list[FoundPlugin] = []
    try:
        ordered = sorted(entry_points(group=PROJECT), key=lambda it: (it.name, _origin(it)))
    except Exception as error:
        return [_unreadable(error)]
    for entry_point in ordered:
        ours = asked and entry_point.value == _SHIPPED
        if entry_point.name not in known and (ours or not settings.disable_autoload):
            blocked = _blocked(entry_point.name, settings, ours=ours)
            one = FoundPlugin(entry_point.name, _origin(entry_point), blocked=blocked)
            if any(other.name == one.name for other in found):
                one.refuse(PluginExistsError(plugin=one.name))
            elif one.blocked is None:
                _load(entry_point, one)
            found.append(one)
    return found


def _unreadable(error: Exception) -> FoundPlugin:
    """Stand for all installed plugins: Python cannot read one distribution's entry points without the others'."""
    found = FoundPlugin("entry points", "installed distributions")
    found.refuse(PluginError(f"cannot be read: {error_text(error)}", plugin=found.name))
    return found


def _origin(entry_point: EntryPoint) -> str:
    try:
        distribution = "" if entry_point.dist is None else f"{entry_point.dist.name} {entry_point.dist.version} "
    except Exception:  # a distribution whose metadata is damaged
        distribution = ""
    return f"{distribution}({entry_point.value})"


def _blocked(name: str, settings: Settings, *, ours: bool) -> str | None:
    if _names(name, settings.plugins_block):
        return "named in plugins_block"
    if settings.plugins_allow is not None and not ours and not _names(name, settings.plugins_allow):
        return "not named in plugins_allow"
    return None


def _names(name: str, names: Sequence[str]) -> bool:
    return section_name(name) in map(section_name, names)


def _load(entry_point: EntryPoint, found: FoundPlugin) -> None:
    before = {name for name in FRAMEWORKS if name in sys.modules}
    try:
        loaded = entry_point.load()
        found.plugin = loaded() if inspect.isclass(loaded) else loaded
        if inspect.isroutine(loaded):
            raise PluginError(
                "the entry point names a function, not a plugin object, module or class", plugin=found.name
            )
    except KeyboardInterrupt:
        raise
    except PluginError as error:
        found.refuse(error)
    except BaseException as error:
        refusal = PluginError(f"cannot be loaded: {error_text(error)}", plugin=found.name)
        refusal.__cause__ = error
        found.refuse(refusal)
    imported = [name for name in FRAMEWORKS if name in sys.modules and name not in before]
    if imported:
        note = (
            f"loading it imported {', '.join(imported)}; import a framework in relay_instrument or where it is needed"
        )
        found.notes.append(note)
        _log.warning("plugin %r: %s", found.name, note)


def unknown_names(settings: Settings, known: Iterable[str]) -> list[str]:
    """Return a sentence for each name in the settings that no plugin has: a misspelt block list blocks nothing.

    Args:
        settings: `plugins_allow`, `plugins_block` and the names of the sections in `plugins`.
        known: The names of all plugins that were found or registered.
    """
    names = {section_name(name): name for name in known}
    asked = [("plugins_allow", settings.plugins_allow or ()), ("plugins_block", settings.plugins_block)]
    asked.append(("plugins", tuple(settings.plugins)))
    return [
        f"{key} names {name!r}, but there is no plugin of this name{hint(name, names.values())}"
        for key, given in asked
        for name in given
        if section_name(name) not in names
    ]
