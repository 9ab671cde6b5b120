"""The metadata of a run's start event: LangChain's id, tags, and what the user said about the run."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

__all__ = ["start_metadata"]

_SESSION_KEYS: Final = ("thread_id", "session_id", "conversation_id")
"""Where applications and LangGraph keep the id of a conversation; the first one that is there is ``session.id``."""

_CONSUMED: Final = frozenset(
    {
        "lc_agent_name",
        "lc_versions",
        "ls_integration",
        "ls_max_tokens",
        "ls_model_name",
        "ls_model_type",
        "ls_provider",
        "ls_stop",
        "ls_temperature",
    }
)
"""LangChain's notes to its own tracer: recorded where they belong, in the category, the name and the profile."""


def start_metadata(
    run_id: str,
    tags: Sequence[str],
    metadata: Mapping[str, Any],
    run_type: str | None,
    omit: Collection[str] = (),
) -> dict[str, Any]:
    """Return the metadata of the start event.

    Args:
        run_id: LangChain's run id.
        tags: LangChain's tags.
        metadata: LangChain's metadata, the user's entries among them: these keep their names.
        run_type: LangChain's own word for a chain, or None.
        omit: keys of `metadata` that a plugin records in its own way.
    """
    found: dict[str, Any] = {"langchain.run_id": run_id}
    if run_type is not None:
        found["langchain.run_type"] = run_type
    if tags:
        found["langchain.tags"] = list(tags)  # a list of its own is what the payload encoder is quickest with
    if metadata:
        for key in _SESSION_KEYS:
            if (session := metadata.get(key)) is not None:
                found["session.id"] = str(session)
                break
        for key in metadata:
            if key not in omit and key not in _CONSUMED:
                found[key] = metadata[key]
    return found
