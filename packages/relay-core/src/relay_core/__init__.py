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
from relay_core.codecs.protocol import LlmCodec as LlmSanitizeRequestCodec
from relay_core.codecs.protocol import LlmResponseCodec as LlmSanitizeResponseCodec
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
from relay_core.control.functions import EventMetadataInjector as EventMetadataInjectorCallback
from relay_core.control.functions import (
    EventSanitizeGuardrail,
    LlmConditionalExecutionGuardrail,
    LlmExecutionIntercept,
    LlmRequestIntercept,
    LlmSanitizeRequestGuardrail,
    LlmSanitizeResponseGuardrail,
    LlmStreamExecutionIntercept,
    ToolConditionalExecutionGuardrail,
    ToolExecutionIntercept,
    ToolRequestIntercept,
    ToolSanitizeGuardrail,
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
from relay_core.events import Event, MarkEvent, ScopeEvent
from relay_core.handles import ScopeHandle
from relay_core.hookspecs import hookimpl, hookspec
from relay_core.installation import Installation, install, uninstall
from relay_core.json_types import (
    DataSchema,
    EventMetadata,
    EventMetadataScalar,
    EventMetadataValue,
    Json,
    JsonObject,
    JsonPrimitive,
    JsonValue,
)
from relay_core.llm_sanitizers import LlmCodecIdentity
from relay_core.llm_sanitizers import LlmSanitizeContext as LlmSanitizeRequestContext
from relay_core.llm_sanitizers import LlmSanitizeContext as LlmSanitizeResponseContext
from relay_core.metrics import MetricMeasurement
from relay_core.operational_log import debug, error, info, log, trace, warn
from relay_core.plugin_context import PluginContext
from relay_core.propagation import (
    PropagationContext,
    capture_propagation_context,
    capture_propagation_context_with_root,
    capture_rootless_propagation_context,
    capture_traceparent,
)
from relay_core.runtime import Relay, statistics
from relay_core.sanitizers import EventSanitizeFields
from relay_core.scope_stack import (
    ScopeStack,
    create_scope_stack,
    create_scope_stack_from_propagation,
    fork_asyncio_context,
    get_scope_stack,
    propagate_scope_to_thread,
    scope_stack_active,
    set_thread_scope_stack,
    use_scope_stack,
)
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
    "DataSchema",
    "Event",
    "EventMetadata",
    "EventMetadataInjectorCallback",
    "EventMetadataScalar",
    "EventMetadataValue",
    "EventSanitizeFields",
    "EventSanitizeGuardrail",
    "GuardrailRejected",
    "Installation",
    "Json",
    "JsonObject",
    "JsonPrimitive",
    "JsonValue",
    "LLMAttributes",
    "LLMHandle",
    "LLMRequest",
    "LLMRequestInterceptOutcome",
    "LlmCodecIdentity",
    "LlmConditionalExecutionGuardrail",
    "LlmExecutionContext",
    "LlmExecutionIntercept",
    "LlmRequestIntercept",
    "LlmSanitizeRequestCodec",
    "LlmSanitizeRequestContext",
    "LlmSanitizeRequestGuardrail",
    "LlmSanitizeResponseCodec",
    "LlmSanitizeResponseContext",
    "LlmSanitizeResponseGuardrail",
    "LlmStream",
    "LlmStreamExecutionIntercept",
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
    "ScopeStack",
    "ScopeType",
    "SettingsError",
    "Statistics",
    "ToolAttributes",
    "ToolConditionalExecutionGuardrail",
    "ToolExecutionContext",
    "ToolExecutionIntercept",
    "ToolExecutionInterceptOutcome",
    "ToolExecutionResult",
    "ToolHandle",
    "ToolRequestIntercept",
    "ToolSanitizeGuardrail",
    "Trajectory",
    "capture_propagation_context",
    "capture_propagation_context_with_root",
    "capture_rootless_propagation_context",
    "capture_traceparent",
    "codecs",
    "create_scope_stack",
    "create_scope_stack_from_propagation",
    "debug",
    "error",
    "event_metadata",
    "fork_asyncio_context",
    "get_scope_stack",
    "guardrails",
    "hookimpl",
    "hookspec",
    "info",
    "install",
    "intercepts",
    "llm",
    "log",
    "plugins",
    "propagate_scope_to_thread",
    "propagation",
    "scope",
    "scope_local",
    "scope_stack_active",
    "set_thread_scope_stack",
    "statistics",
    "subscribers",
    "tools",
    "trace",
    "typed",
    "uninstall",
    "use_scope_stack",
    "warn",
]
