"""Relay: one runtime contract for what agent applications do. Scopes own work, marks record checkpoints.

How an event flows, and which module to open for it:

    scope.push / pop / event          the public functions; `runtime` holds what they speak to
      -> scopes, lifecycle, handles   who is the parent, who is current, when does it end
      -> payload                      any object to JSON bytes, snapshotted now
      -> dispatcher                   one bounded queue, one thread
      -> redaction, transform         credentials go, sanitizers change what is recorded
      -> delivery                     hooks, subscribers and sinks, one after the other

Nothing starts, and nothing is read, before the first use.
"""

from relay_core import propagation, scope, scope_local, subscribers
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
from relay_core.metrics import MetricMeasurement
from relay_core.propagation import PropagationContext, capture_propagation_context, capture_traceparent
from relay_core.runtime import Relay, statistics
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
    "GuardrailRejected",
    "LLMAttributes",
    "LogSeverity",
    "MarkEvent",
    "MetricKind",
    "MetricMeasurement",
    "MetricValueType",
    "Outcome",
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
    "capture_propagation_context",
    "capture_traceparent",
    "hookimpl",
    "hookspec",
    "propagation",
    "scope",
    "scope_local",
    "statistics",
    "subscribers",
]
