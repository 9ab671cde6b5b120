"""Whose child a run is that starts: a function of ids, with the ambient run asked only where the ids do not say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from relay_langchain.current import configured_run_id

if TYPE_CHECKING:
    from relay_core.handles import ScopeHandle
    from relay_core.scopes import Scopes
    from relay_langchain.registry import RunRegistry
    from relay_langchain.runs import Run

__all__ = ["parent_handle", "parent_run"]

_FALLBACKS: Final = "RunnableWithFallbacks"


def parent_run(runs: RunRegistry, parent_run_id: UUID | None, name: str | None) -> Run | None:
    """Return the run that contains the one that starts, open or closed; None at top level.

    Args:
        runs: where runs are known.
        parent_run_id: what LangChain says. None, or an id that was never seen: then the run whose body this is counts.
        name: the run name that LangChain gives the new run.
    """
    parent = runs.find(parent_run_id)
    configured_id = configured_run_id()
    if configured_id is None or configured_id is parent_run_id:
        return parent
    configured = runs.find(configured_id)
    if configured is not None and (parent is None or _is_fallback(configured, parent, name)):
        return configured
    return parent


def _is_fallback(configured: Run, parent: Run, name: str | None) -> bool:
    """Tell whether `configured` is a `RunnableWithFallbacks`, whose children name its parent as theirs.

    It hands them its own config, and so its run name too, where it has one. A stream names the right parent by itself.
    """
    return (
        configured.parent is parent
        and configured.kind == "chain"
        and not configured.deferred
        and (configured.name.startswith(_FALLBACKS) or configured.name == name)
    )


def parent_handle(scopes: Scopes, parent: Run | None) -> ScopeHandle:
    """Return the scope under which a run of `parent` starts: a scope that user code opened inside of it comes first.

    A closed scope is returned as it is: the core takes its nearest open ancestor then, and says so.
    """
    if parent is None or parent.handle is None:
        return scopes.innermost(None) or scopes.root
    handle = parent.handle
    if not parent.closed and (not parent.hidden or handle.is_open):
        return scopes.innermost(handle) or scopes.root
    nearest = handle.parent
    while nearest is not None and not nearest.is_open:
        nearest = nearest.parent
    inner = scopes.innermost(nearest)
    return handle if inner is nearest or inner is None or _contains(inner, handle) else inner


def _contains(scope: ScopeHandle, handle: ScopeHandle) -> bool:
    ancestor = handle.parent
    while ancestor is not None and ancestor is not scope:
        ancestor = ancestor.parent
    return ancestor is not None
