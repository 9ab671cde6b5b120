"""`relay plugins` and `relay doctor`: what Relay finds here, what each plugin implements, and what is wrong."""

import argparse
import logging
import platform
import sys
from importlib import metadata

from relay_core.errors import RelayError
from relay_core.hookspecs import PROJECT
from relay_core.installation_report import InstallationReport, PluginReport
from relay_core.runtime import default
from relay_core.wording import counted

__all__ = ["run_doctor", "run_plugins"]


def run_plugins(arguments: argparse.Namespace) -> int:
    """List the plugins; returns the exit status."""
    report, _ = _report()
    for plugin in report.plugins:
        print(f"{plugin.name}  {_state(plugin)}  {plugin.origin}")
        if plugin.reason:
            print(f"    {plugin.reason}")
        for hook in plugin.hooks:
            print(f"    {hook}")
        for note in plugin.notes:
            print(f"    note: {note}")
    if not report.plugins:
        print("no plugins: install a package with an entry point in the group 'relay', such as relay-langgraph")
    return 0


def run_doctor(arguments: argparse.Namespace) -> int:
    """Say what is there and what is wrong with it; returns the exit status, 1 if there is something to mend."""
    report, refusal = _report()
    print(f"Python {platform.python_version()} at {sys.executable}")
    providers = {entry.dist.name for entry in metadata.entry_points(group=PROJECT) if entry.dist is not None}
    for name in sorted({"relay-core", "rich", *providers}):
        print(f"{name} {_version(name)}")
    print(f"\n{report}")
    for plugin in report.plugins:
        if plugin.traceback:
            print(f"\n{plugin.name}:\n{plugin.traceback.rstrip()}")
    if refusal is not None:
        print(f"\n{refusal}")
    well = report.ok and refusal is None
    print("\nAll is well." if well else "\nThere is something to mend, see above.")
    return 0 if well else 1


def _report() -> tuple[InstallationReport, RelayError | None]:
    """Use Relay, and return what it found; what it logs meanwhile is in the report, too."""
    logging.getLogger("relay_core").addHandler(logging.NullHandler())
    relay = default()
    refusal = None
    try:
        relay.ensure_ready()
    except RelayError as error:
        refusal = error
    return relay.startup.report(), refusal


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "is not installed"


def _state(plugin: PluginReport) -> str:
    if plugin.state != "loaded":
        return plugin.state
    return counted(len(plugin.hooks), "hook")
