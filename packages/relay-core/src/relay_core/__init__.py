"""Relay: one runtime contract for what agent applications do. Scopes own work, marks record checkpoints.

How an event flows, and which module to open for it:

    scope.push / pop / event          the public functions; `runtime` holds what they speak to
      -> scopes, lifecycle, handles   who is the parent, who is current, when does it end
      -> payload                      any object to JSON bytes, snapshotted now
      -> dispatcher                   one bounded queue, one thread
      -> redaction, transform         credentials go, sanitizers change what is recorded
      -> delivery                     hooks, subscribers and sinks, one after the other

And how a call is controlled, inline, in the caller's thread or task:

    tools.execute / llm.execute       guardrails may refuse it, intercepts rewrite and wrap it; then a scope as above

Nothing starts, and nothing is read, before the first use.
"""

from relay_core import (
    codecs,
    event_metadata,
    guardrails,
    intercepts,
    llm,
    plugins,
    propagation,
    scope,
    scope_local,
    subscribers,
    tools,
    typed,
)
from relay_core.codecs import AnnotatedLLMRequest, AnnotatedLLMResponse, LLMRequest
from relay_core.control import (
    LlmExecutionContext,
    LLMHandle,
    LLMRequestInterceptOutcome,
    LlmStream,
    LlmSyncStream,
    PendingMarkSpec,
    ToolExecutionContext,
    ToolExecutionInterceptOutcome,
    ToolExecutionResult,
    ToolHandle,
)
from relay_core.counters import Statistics
from relay_core.errors import (
    GuardrailRejected,
    PluginError,
    RegistrationError,
    RelayError,
    ScopeClosedError,
    ScopeError,
    SettingsError,
)
from relay_core.events import MarkEvent, ScopeEvent
from relay_core.handles import ScopeHandle
from relay_core.hookspecs import hookimpl, hookspec
from relay_core.installation import Installation, install, uninstall
from relay_core.metrics import MetricMeasurement
from relay_core.plugin_context import PluginContext
from relay_core.propagation import PropagationContext, capture_propagation_context, capture_traceparent
from relay_core.runtime import Relay, statistics
from relay_core.sanitizers import EventSanitizeFields
from relay_core.trajectory import Trajectory
from relay_core.vocabulary import (
    LLMAttributes,
    LogSeverity,
    MetricKind,
    MetricValueType,
    Outcome,
    ScopeAttributes,
    ScopeType,
    ToolAttributes,
)

__all__ = [
    "AnnotatedLLMRequest",
    "AnnotatedLLMResponse",
    "EventSanitizeFields",
    "GuardrailRejected",
    "Installation",
    "LLMAttributes",
    "LLMHandle",
    "LLMRequest",
    "LLMRequestInterceptOutcome",
    "LlmExecutionContext",
    "LlmStream",
    "LlmSyncStream",
    "LogSeverity",
    "MarkEvent",
    "MetricKind",
    "MetricMeasurement",
    "MetricValueType",
    "Outcome",
    "PendingMarkSpec",
    "PluginContext",
    "PluginError",
    "PropagationContext",
    "RegistrationError",
    "Relay",
    "RelayError",
    "ScopeAttributes",
    "ScopeClosedError",
    "ScopeError",
    "ScopeEvent",
    "ScopeHandle",
    "ScopeType",
    "SettingsError",
    "Statistics",
    "ToolAttributes",
    "ToolExecutionContext",
    "ToolExecutionInterceptOutcome",
    "ToolExecutionResult",
    "ToolHandle",
    "Trajectory",
    "capture_propagation_context",
    "capture_traceparent",
    "codecs",
    "event_metadata",
    "guardrails",
    "hookimpl",
    "hookspec",
    "install",
    "intercepts",
    "llm",
    "plugins",
    "propagation",
    "scope",
    "scope_local",
    "statistics",
    "subscribers",
    "tools",
    "typed",
    "uninstall",
]
