"""Which run user code is in: LangChain's own idea of it, and a note for the bodies that LangChain does not show.

LangChain puts the active run into a ContextVar of its own for chains, tools and nodes. The bodies of models and
retrievers are not among them, so their start hooks note the run here; nobody ever takes a note back, readers skip runs
that are over.
"""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Final

from langchain_core.runnables.config import var_child_runnable_config

if TYPE_CHECKING:
    from uuid import UUID

    from relay_core.handles import ScopeHandle
    from relay_langchain.registry import RunRegistry
    from relay_langchain.runs import Run

__all__ = ["configured_run_id", "current_scope", "innermost_open", "note_body", "noted_body"]

_noted: Final[contextvars.ContextVar[int | None]] = contextvars.ContextVar("relay_langchain_body", default=None)

note_body: Final = _noted.set
"""Note the run whose body is about to run in this context, by its key."""

noted_body: Final = _noted.get
"""Return the key of the run noted last in this context; it may be over."""

_config: Final = var_child_runnable_config.get


def configured_run_id() -> UUID | None:
    """Return the id of the run whose body this is, as LangChain's runnable config has it, or None."""
    config = _config()
    if config is None:
        return None
    return getattr(config.get("callbacks"), "parent_run_id", None)


def innermost_open(configured: Run | None, noted: Run | None) -> Run | None:
    """Return the inner one of two runs that user code may be in, the nearest open one, hidden runs included.

    Args:
        configured: the run of LangChain's config.
        noted: the model or retriever run noted in this context. It counts while it is open and has not streamed a chunk
            (from then on whoever consumes the stream would find itself in it), and only inside of `configured`.
    """
    while configured is not None and configured.closed:
        configured = configured.parent
    if noted is None or noted.closed or noted.chunks:
        return configured
    if configured is None:
        return noted
    outer = noted.parent
    while outer is not None and outer is not configured:
        outer = outer.parent
    return configured if outer is None else noted


def current_scope(runs: RunRegistry) -> ScopeHandle | None:
    """Return the scope of the run that the calling code is in, or None outside of all runs."""
    run = innermost_open(runs.find(configured_run_id()), runs.find_key(noted_body()))
    return None if run is None or runs.is_top_level(run) else run.handle
