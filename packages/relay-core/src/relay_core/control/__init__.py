"""The control side of Relay: managed calls that guardrails may refuse and intercepts may rewrite and wrap.

    tool_calls, llm_calls        what the application calls
    tool_pipeline, llm_pipeline  the stages in order: `guard` (may refuse), request intercepts, the scope, `wrap`
    pacing                       one pipeline for calls with and without an event loop
    streams                      the chunks of a streaming call
    middleware, registrars       where the chains are kept, and how they are filled
    results, functions           the values and the function types of it all

It runs inline, in the caller's thread or task, and emits through the same scope functions as everyone else. What is
*recorded* is changed elsewhere: by sanitizers, on the delivery thread.
"""

from collections.abc import Callable

from relay_core.chains import ChainSet, Kind
from relay_core.control.host import Host
from relay_core.control.llm_calls import LlmCalls, LLMHandle
from relay_core.control.middleware import Middleware
from relay_core.control.registrars import OBSERVED, EventMetadata, Guardrails, Intercepts
from relay_core.control.results import (
    LlmExecutionContext,
    LLMRequestInterceptOutcome,
    PendingMarkSpec,
    ToolExecutionContext,
    ToolExecutionInterceptOutcome,
    ToolExecutionResult,
)
from relay_core.control.streams import LlmStream, LlmSyncStream
from relay_core.control.tool_calls import ToolCalls, ToolHandle
from relay_core.errors import ScopeClosedError
from relay_core.handles import ScopeHandle
from relay_core.scopes import Scopes
from relay_core.vocabulary import ScopeType

__all__ = [
    "Control",
    "EventMetadata",
    "Guardrails",
    "Intercepts",
    "LLMHandle",
    "LLMRequestInterceptOutcome",
    "LlmCalls",
    "LlmExecutionContext",
    "LlmStream",
    "LlmSyncStream",
    "PendingMarkSpec",
    "ScopePlace",
    "ToolCalls",
    "ToolExecutionContext",
    "ToolExecutionInterceptOutcome",
    "ToolExecutionResult",
    "ToolHandle",
]


class Control:
    """The control side of one runtime."""

    __slots__ = ("event_metadata", "guardrails", "intercepts", "llm", "tools")

    def __init__(
        self,
        scopes: Scopes,
        observed: ChainSet,
        *,
        first_use: Callable[[], None],
        wants: Callable[[ScopeType], bool],
        suppress: Callable[[BaseException, str], None],
    ) -> None:
        """Wire the parts together.

        Args:
            scopes: The runtime's scopes.
            observed: Where the runtime keeps injectors and sanitizers.
            first_use: Reads settings and discovers plugins; called before the first managed call.
            wants: Whether anybody gets payloads of such scopes.
            suppress: Counts and logs what may not reach the application.
        """
        middleware = Middleware(scopes)
        host = Host(scopes, middleware, first_use, wants, suppress)
        place = _RuntimePlace(middleware.chains, observed)
        self.tools = ToolCalls(host)
        self.llm = LlmCalls(host)
        self.guardrails = Guardrails(place)
        self.intercepts = Intercepts(place)
        self.event_metadata = EventMetadata(place)


class _RuntimePlace:
    """Registers for the whole runtime."""

    __slots__ = ("_controlling", "_observed")

    def __init__(self, controlling: ChainSet, observed: ChainSet) -> None:
        self._controlling = controlling
        self._observed = observed

    def chains(self, kind: Kind) -> ChainSet:
        return self._observed if kind in OBSERVED else self._controlling

    known = chains


class ScopePlace:
    """Registers on one scope: what concerns it and everything under it, until it ends."""

    __slots__ = ("_handle", "_scopes")

    def __init__(self, scopes: Scopes, handle: ScopeHandle) -> None:
        """Register on `handle`, a scope of `scopes`."""
        self._scopes = scopes
        self._handle = handle

    def chains(self, kind: Kind) -> ChainSet:
        """Return the scope's own set, whatever the kind.

        Raises:
            ScopeClosedError: The scope has ended.
            ScopeError: The implicit root, or a handle of another runtime.
            TypeError: No handle at all.
        """
        return self._scopes.local(self._handle).chains

    def known(self, kind: Kind) -> ChainSet | None:
        """Return the scope's own set, or None if the scope has ended and its registrations with it."""
        try:
            return self.chains(kind)
        except ScopeClosedError:
            return None
