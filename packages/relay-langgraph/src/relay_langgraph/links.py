"""What joins the two halves of an interrupted run: ``relay.link`` on both roots, the same in all processes."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from relay_core.handles import ScopeHandle
    from relay_langchain.runs import Run

__all__ = ["Links"]

_KEY: Final = "langgraph.links"

_Place = tuple[str, str, str | None]


class Links:
    """Puts links on roots, and remembers which interrupted ones ran in this process. Any thread."""

    def __init__(self, limit: int) -> None:
        """Remember at most `limit` interrupts."""
        self._limit = limit
        self._interrupted: dict[_Place, str] = {}

    def interrupted(self, run: Run, checkpoint_ns: str, checkpoint_id: str | None) -> None:
        """Link a graph's run that waits in a checkpoint."""
        thread_id = run.metadata.get("thread_id")
        if thread_id is None:  # nobody can resume it
            return
        self._attach(run, _link(thread_id, checkpoint_ns, checkpoint_id))
        if self._limit and run.handle is not None:
            self._remember((str(thread_id), checkpoint_ns, checkpoint_id), run.handle.root_uuid)

    def resumed(self, run: Run, checkpoint_ns: str, checkpoint_id: str | None, *, if_remembered: bool = False) -> None:
        """Link a graph's run that goes on from a checkpoint; with the interrupted root's uuid, if it is remembered."""
        thread_id = run.metadata.get("thread_id")
        other = self._interrupted.get((str(thread_id), checkpoint_ns, checkpoint_id))
        if thread_id is None or (if_remembered and other is None):
            return
        link = _link(thread_id, checkpoint_ns, checkpoint_id)
        if other is not None:
            link["uuid"] = other
        self._attach(run, link)

    def _remember(self, place: _Place, root_uuid: str) -> None:
        self._interrupted[place] = root_uuid
        while len(self._interrupted) > self._limit:
            with suppress(RuntimeError, StopIteration):  # another thread is at it, too
                self._interrupted.pop(next(iter(self._interrupted)), None)

    def _attach(self, run: Run, link: dict[str, Any]) -> None:
        """Lay the link over the end's metadata of the graph's scope, and of the root that contains it."""
        root = run.root
        for holder in (run, root) if root is not run else (run,):
            links: list[dict[str, Any]] = holder.notes.setdefault(_KEY, [])
            if link not in links:
                links.append(link)
            told = links[0] if len(links) == 1 else list(links)
            for handle in {holder.handle, _outermost(holder.handle)} if holder is root else {holder.handle}:
                if handle is not None:
                    handle.set_metadata(**{"relay.link": told})


def _link(thread_id: object, checkpoint_ns: str, checkpoint_id: str | None) -> dict[str, Any]:
    return {"thread_id": thread_id, "checkpoint_ns": checkpoint_ns, "checkpoint_id": checkpoint_id}


def _outermost(handle: ScopeHandle | None) -> ScopeHandle | None:
    """Return the root above, which may be a scope of the user's own."""
    while handle is not None and handle.parent is not None:
        handle = handle.parent
    return handle
