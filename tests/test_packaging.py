"""The distributions: one version, one licence, and wheels that hold what they should."""

import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ["relay-core", "relay-langchain", "relay-langgraph"]


def manifest(package: str) -> dict[str, Any]:
    """The parsed pyproject file of a package."""
    return tomllib.loads((ROOT / "packages" / package / "pyproject.toml").read_text())


def test_packages_share_one_version() -> None:
    """The packages move in lock-step: one version, and each requires exactly that one of the others."""
    (version,) = {manifest(package)["project"]["version"] for package in PACKAGES}

    required = {
        requirement
        for package in PACKAGES
        for requirement in manifest(package)["project"]["dependencies"]
        if requirement.startswith("relay-")
    }

    assert {f"relay-core=={version}", f"relay-langchain=={version}"} == required


@pytest.mark.parametrize("package", PACKAGES)
def test_package_carries_the_licence(package: str) -> None:
    """Every package ships the licence of the repository, word for word."""
    assert (ROOT / "LICENSE").read_text() == (ROOT / "packages" / package / "LICENSE").read_text()


@pytest.mark.parametrize("package", PACKAGES)
def test_wheel_is_complete(package: str, tmp_path: Path) -> None:
    """A built wheel is typed, licensed, holds every source file, and declares what its manifest says."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT / "packages" / package],
        check=True,
        capture_output=True,
    )

    (path,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        (metadata_name,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(wheel.read(metadata_name).decode())
    source = ROOT / "packages" / package / "src"
    modules = {file.relative_to(source).as_posix() for file in source.rglob("*.py")}
    assert modules | {f"{package.replace('-', '_')}/py.typed"} <= names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert (">=3.11", "Apache-2.0") == (metadata["Requires-Python"], metadata["License-Expression"])
