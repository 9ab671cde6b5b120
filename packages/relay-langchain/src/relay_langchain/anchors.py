"""How a run is found to be over although its framework reports no end: its id was collected, or its task is done.

LangChain's run manager holds the id of its run, so nobody can report an end once that id is gone. Where somebody else
keeps the id, the cancellation of the task that made the call tells the same for calls that cannot outlive their task.
"""

from __future__ import annotations

import asyncio
import contextvars
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from relay_langchain.runs import Run

__all__ = ["IdAnchor", "TaskAnchors"]


class IdAnchor(weakref.ref[UUID]):
    """A weak reference to a run's id that knows the run's key when the id is gone.

    Its callback runs in whichever thread drops the id last, maybe inside the garbage collector.
    """

    __slots__ = ("key",)  # set by whoever makes it: a `__new__` of our own would double what it costs

    key: int
    """The id as an int."""


class TaskAnchors:
    """Which runs were started in which asyncio task, as long as both live."""

    def __init__(self, cancelled: Callable[[set[int]], None]) -> None:
        """Report with `cancelled` the keys of the runs that a cancelled task leaves behind, in the task's thread."""
        self._cancelled = cancelled
        self._runs: weakref.WeakKeyDictionary[asyncio.Task[Any], set[int]] = weakref.WeakKeyDictionary()

    def add(self, run: Run) -> None:
        """Tie `run` to the task that runs now, if there is one."""
        loop = asyncio._get_running_loop()  # get_running_loop raises, for each sync call
        if loop is None:
            return
        task = asyncio.current_task(loop)
        if task is None:
            return
        runs = self._runs.get(task)
        if runs is None:
            runs = self._runs[task] = set()
            # In an empty context: the present one holds the run's state, and the task may live as long as the process.
            task.add_done_callback(self._done, context=contextvars.Context())
        runs.add(run.key)
        run.task_runs = runs

    def _done(self, task: asyncio.Task[Any]) -> None:
        runs = self._runs.pop(task, None)
        # Only a cancelled one tells: LangChain also reports starts in little tasks of their own, which end at once.
        if runs and task.cancelled():
            self._cancelled(runs)
