"""The metadata of a start event."""

from __future__ import annotations

from typing import Any

import pytest

from relay_langchain.metadata import start_metadata


def test_everything() -> None:
    """Id, run type, tags and the user's own entries are recorded, LangChain's notes to its tracer are not."""
    metadata = {"tenant": "t", "ls_provider": "p", "ls_model_type": "chat", "lc_versions": {"core": "1"}, "k": None}

    assert {
        "langchain.run_id": "r",
        "langchain.run_type": "prompt",
        "langchain.tags": ["a"],
        "tenant": "t",
        "k": None,
    } == start_metadata("r", ["a"], metadata, "prompt")


def test_next_to_nothing() -> None:
    """A run without tags and metadata has its id."""
    assert {"langchain.run_id": "r"} == start_metadata("r", [], {}, None)


@pytest.mark.parametrize(
    ("metadata", "session"),
    [
        ({"thread_id": "t1", "session_id": "s1"}, "t1"),
        ({"session_id": "s1"}, "s1"),
        ({"conversation_id": 7}, "7"),
        ({"thread_id": None}, None),
    ],
)
def test_session(metadata: dict[str, Any], session: str | None) -> None:
    """The id of the thread, else of the session or conversation, is the session's id, as text."""
    assert session == start_metadata("r", [], metadata, None).get("session.id")


def test_omitted_keys() -> None:
    """Keys that a plugin records in its own way are left out."""
    assert {"langchain.run_id": "r", "b": 2} == start_metadata("r", [], {"a": 1, "b": 2}, None, omit={"a"})
