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

Nothing starts, and nothing is read, before the first use; what controls is not even imported.
"""

from typing import TYPE_CHECKING, Any

from relay_core import plugins, propagation, scope, subscribers
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
from relay_core.metrics import MetricMeasurement
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

if TYPE_CHECKING:
    from relay_core import codecs, event_metadata, guardrails, intercepts, llm, scope_local, tools, typed
    from relay_core.on_demand import (
        AnnotatedLLMRequest,
        AnnotatedLLMResponse,
        DataSchema,
        EventMetadata,
        EventMetadataInjectorCallback,
        EventMetadataScalar,
        EventMetadataValue,
        EventSanitizeGuardrail,
        Json,
        JsonObject,
        JsonPrimitive,
        JsonValue,
        LlmCodecIdentity,
        LlmConditionalExecutionGuardrail,
        LlmExecutionContext,
        LlmExecutionIntercept,
        LLMHandle,
        LLMRequest,
        LlmRequestContext,
        LlmRequestIntercept,
        LLMRequestInterceptOutcome,
        LlmResponseContext,
        LlmSanitizeRequestCodec,
        LlmSanitizeRequestContext,
        LlmSanitizeRequestGuardrail,
        LlmSanitizeResponseCodec,
        LlmSanitizeResponseContext,
        LlmSanitizeResponseGuardrail,
        LlmStream,
        LlmStreamExecutionIntercept,
        LlmSyncStream,
        PendingMarkSpec,
        ScopeStack,
        ToolConditionalExecutionGuardrail,
        ToolExecutionContext,
        ToolExecutionIntercept,
        ToolExecutionInterceptOutcome,
        ToolExecutionResult,
        ToolHandle,
        ToolRequestIntercept,
        ToolSanitizeGuardrail,
        create_scope_stack,
        create_scope_stack_from_propagation,
        debug,
        error,
        fork_asyncio_context,
        get_scope_stack,
        info,
        log,
        propagate_scope_to_thread,
        scope_stack_active,
        set_thread_scope_stack,
        trace,
        use_scope_stack,
        warn,
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
    "LlmRequestContext",
    "LlmRequestIntercept",
    "LlmResponseContext",
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

_MODULES_ON_DEMAND = {
    "codecs",
    "event_metadata",
    "guardrails",
    "intercepts",
    "llm",
    "scope_local",
    "tools",
    "typed",
}

if not TYPE_CHECKING:  # a type checker would take any misspelt name for one that is found here

    def __getattr__(name: str) -> Any:
        """Import a public name that is not here yet; who only observes is spared a third of the import.

        Measured: 13 of 41 ms on CPython 3.11, 15 of 48 ms on 3.13.
        """
        import importlib

        if name in _MODULES_ON_DEMAND:
            return importlib.import_module(f"{__name__}.{name}")
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(importlib.import_module(f"{__name__}.on_demand"), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
