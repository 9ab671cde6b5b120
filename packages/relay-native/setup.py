"""The extension module; everything else is in pyproject.toml."""

from pathlib import Path

from setuptools import Extension, setup

SOURCES = sorted(str(path) for path in Path("src/relay_native").glob("*.c"))

setup(ext_modules=[Extension("relay_native._native", SOURCES, depends=["src/relay_native/native.h"])])
