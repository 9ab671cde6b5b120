"""The command line: arguments, commands, exit statuses. What the commands do is in the modules named after them."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import metadata

from relay_core.cli import plugins, show, validate
from relay_core.errors import RelayError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run `relay` with `argv`, by default the arguments of the process.

    Returns:
        The exit status: 0, 1 for a file that is not valid or a doctor that found something, 2 for what cannot be done.

    Raises:
        SystemExit: The arguments are wrong, or ask for help.
    """
    arguments = _parser().parse_args(argv)
    try:
        status = int(arguments.run(arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone, as `head` does: not our failure, and nothing to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, RelayError) as error:
        print(f"relay: {error}", file=sys.stderr)
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("relay", description="Show and check what Relay recorded, and what it finds here.")
    parser.add_argument("--version", action="version", version=f"relay-core {metadata.version('relay-core')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text.capitalize() + ".")
        added.set_defaults(run=run)
        return added

    show.add_arguments(command("show", show.run, "show the tree of one or several files of events"))
    validate.add_arguments(command("validate", validate.run, "check files of events, line by line"))
    command("plugins", plugins.run_plugins, "list the plugins that are found, and what each implements")
    command("doctor", plugins.run_doctor, "say what is wrong with plugins and settings")
    return parser
