"""Fixtures for every test."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio: the frameworks that Relay observes know no other backend."""
    return "asyncio"
