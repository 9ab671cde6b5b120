"""The command `relay`: shows and validates files of events, and says which plugins there are."""

from relay_core.cli.app import main
from relay_core.cli.show import show_files

__all__ = ["main", "show_files"]
