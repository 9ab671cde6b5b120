"""What the package exports."""

import pytest

import relay_langchain


def test_exports() -> None:
    """The package exports these names, and each is there."""
    assert [
        "RelayCallbackHandler",
        "RelayMiddleware",
        "Run",
        "RunInfo",
        "managed",
        "not_instrumented",
    ] == relay_langchain.__all__
    for name in relay_langchain.__all__:
        assert getattr(relay_langchain, name).__name__ == name
        assert name in dir(relay_langchain)


def test_unknown_names() -> None:
    """A name that is not there is an AttributeError."""
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = relay_langchain.nothing
