"""`relay show`: the tree of one or several files of events."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from relay_core.cli.pictures import draw_plain, draw_rich
from relay_core.cli.rows import rows, summary
from relay_core.events import Event
from relay_core.jsonl import Problem, read
from relay_core.tree import Tree, build_tree

__all__ = ["add_arguments", "run", "show_files"]

_NO_RICH = "relay: no colours and no time line without rich: pip install 'relay-core[cli]'"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a file of events; several are joined")
    parser.add_argument("--root", metavar="UUID", help="show only the roots whose uuid begins or ends with this")
    parser.add_argument("--depth", type=int, metavar="N", help="show N levels of scopes")
    parser.add_argument("--data", action="store_true", help="show inputs and outputs, shortened")
    parser.add_argument("--plain", action="store_true", help="no colours and no time line, also in a terminal")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    show_files(*arguments.files, root=arguments.root, depth=arguments.depth, data=arguments.data, plain=arguments.plain)
    return 0


def show_files(
    *files: str | Path, root: str | None = None, depth: int | None = None, data: bool = False, plain: bool = False
) -> None:
    """Print the tree of `files` to stdout, for a human; what is wrong with a line goes to stderr.

    Args:
        files: Files of events; what belongs together is joined.
        root: Show only the roots whose uuid begins or ends with this.
        depth: How many levels of scopes to show.
        data: Whether to show inputs and outputs.
        plain: Whether to leave out colours and the time line in a terminal, too.

    Raises:
        OSError: A file cannot be read.
        EventFormatError: A file has events of another major version.
    """
    tree = build_tree(_events(files))
    if root is not None:
        wanted = [node for node in tree.roots if node.uuid.startswith(root) or node.uuid.endswith(root)]
        tree = Tree(tree.nodes, wanted, [])
    _draw(tree, depth, data, plain)
    print(f"\n{summary(tree)}")


def _draw(tree: Tree, depth: int | None, data: bool, plain: bool) -> None:
    lines = rows(tree, data=data, max_depth=depth)
    if not plain and sys.stdout.isatty():
        try:
            from rich.console import Console
        except ImportError:
            print(_NO_RICH, file=sys.stderr)
        else:
            draw_rich(lines, Console())
            return
    draw_plain(lines, sys.stdout)


def _events(files: tuple[str | Path, ...]) -> Iterator[Event]:
    for file in files:

        def report(problem: Problem, file: str | Path = file) -> None:
            print(f"{file}:{problem.line}: skipped: {problem.message}", file=sys.stderr)

        yield from read(file, on_problem=report)
