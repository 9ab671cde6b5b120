"""The hooks that relay-langchain declares: what a run is, how it ends, and what a handler must derive from.

A package that understands a framework on top of LangChain, as relay-langgraph does, implements them. Declarations, no
behaviour; this module imports no framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from relay_core.hookspecs import hookspec

if TYPE_CHECKING:
    from relay_core.vocabulary import Outcome
    from relay_langchain.runs import Run, RunInfo

__all__ = ["relay_classify_error", "relay_classify_run", "relay_handler_bases", "relay_run_ends"]


@hookspec(firstresult=True)
def relay_classify_run(run: Run) -> RunInfo | None:
    """A run starts: a plugin may say what it is.

    When: once per run, before its start event, in the thread or task that starts it. Be quick and emit nothing, except
    marks on scopes that are open already.
    Order: `tryfirst`, registration order, `trylast`; the first answer that is not None wins, the rest is not asked.
    Returns: what differs from LangChain's own view, or None to leave the run as it is.
    Raising: is logged and counted under the plugin's name, and the next plugin is asked.

    Args:
        run: the run, with its parent but without a handle yet. Metadata is inherited in LangChain: compare with
            `run.parent.metadata` before concluding anything from a key.
    """


@hookspec(firstresult=True)
def relay_classify_error(run: Run, error: BaseException) -> Outcome | None:
    """A run ends by an exception: a plugin may say that this is no error, or which outcome it is.

    When: once per run that its framework ends with an error, before its end event, in the thread or task that reports
    it.
    Order: `tryfirst`, registration order, `trylast`; the first answer that is not None wins, the rest is not asked.
    Returns: the outcome, or None to treat the run as any scope: cancelled for cancellation and exit, abandoned for
    GeneratorExit, and for the rest what `relay_classify_outcome` says, or error. Implement only that one where the type
    of the exception tells all.
    Raising: is logged and counted under the plugin's name, and the next plugin is asked.

    Args:
        run: the run; `run.handle.set_metadata(...)` adds to its end event.
        error: not to be kept, nor its traceback: that would keep the framework's generators alive.
    """


@hookspec
def relay_run_ends(run: Run) -> None:
    """A chain ends without an error about which a plugin has noted something: the plugin may add to its end.

    When: once per such run (`run.notes` was used), before its end event, in the thread or task that reports it. Be
    quick; emit nothing, except marks on its scope and on scopes inside of it.
    Order: `tryfirst`, registration order, `trylast`.
    Returns: nothing.
    Raising: is logged and counted under the plugin's name; the run ends all the same.

    Args:
        run: the run; `run.outcome = ...` and `run.handle.set_metadata(...)` take effect on its end event.
    """


@hookspec
def relay_handler_bases() -> list[type] | None:
    """A framework delivers some callbacks only to handlers of its own class: a plugin may name classes to derive from.

    When: whenever a `RelayCallbackHandler` is made, in that thread. The first time for a framework this may import it.
    Order: registration order; all answers are combined, `RelayCallbackHandler` itself comes first in the resolution
    order.
    Returns: classes derived from LangChain's `BaseCallbackHandler`, with callback methods of the plugin's own; None
    where the framework is not installed.
    Raising: is logged and counted under the plugin's name; the handler is made without that plugin's classes.
    """
