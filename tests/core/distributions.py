"""Distributions as if they were installed, for tests of discovery."""

import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["Distributions"]


class Distributions:
    """A folder of installed distributions, which Python finds as long as it is on its path."""

    def __init__(self, folder: Path) -> None:
        """Begin empty."""
        self.folder = folder
        self._modules: set[str] = set()

    def install(self, name: str, entry_points: Mapping[str, str], sources: Mapping[str, str]) -> None:
        """Install one distribution.

        Args:
            name: The distribution's name; its version is 1.0.
            entry_points: What stands in the group `relay`.
            sources: The text of its modules by their names.
        """
        metadata = self.folder / f"{name.replace('-', '_')}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = [f"{key} = {value}" for key, value in entry_points.items()]
        (metadata / "entry_points.txt").write_text("\n".join(["[relay]", *lines, ""]))
        for module, source in sources.items():
            (self.folder / f"{module}.py").write_text(source)
            self._modules.add(module)

    def forget(self) -> None:
        """Unload the modules."""
        for module in self._modules:
            sys.modules.pop(module, None)
