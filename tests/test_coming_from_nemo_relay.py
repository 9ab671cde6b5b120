"""What code that was written for NeMo Relay finds: names, arguments, and a page that says what is missing."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import relay_core
from relay_core import codecs, guardrails, intercepts, scope_local

PAGE = Path(__file__).parents[1] / "docs" / "coming-from-nemo-relay.md"

# The public names of the package `nemo_relay` 0.10.4: those that are here, and those that the page speaks about.
NAMES = """
    AnnotatedLLMRequest AnnotatedLLMResponse DataSchema Event EventMetadata EventMetadataInjectorCallback
    EventMetadataScalar EventMetadataValue EventSanitizeFields EventSanitizeGuardrail Json JsonObject JsonPrimitive
    JsonValue LLMAttributes LLMHandle LLMRequest LLMRequestInterceptOutcome LlmCodecIdentity
    LlmConditionalExecutionGuardrail LlmExecutionContext LlmExecutionIntercept LlmRequestContext
    LlmRequestIntercept LlmResponseContext
    LlmSanitizeRequestCodec LlmSanitizeRequestContext LlmSanitizeRequestGuardrail LlmSanitizeResponseCodec
    LlmSanitizeResponseContext LlmSanitizeResponseGuardrail LlmStreamExecutionIntercept LogSeverity MarkEvent
    MetricKind MetricMeasurement MetricValueType PendingMarkSpec PropagationContext ScopeAttributes ScopeEvent
    ScopeHandle ScopeStack ScopeType ToolAttributes ToolConditionalExecutionGuardrail ToolExecutionContext
    ToolExecutionIntercept ToolExecutionInterceptOutcome ToolExecutionResult ToolHandle ToolRequestIntercept
    ToolSanitizeGuardrail capture_propagation_context capture_propagation_context_with_root
    capture_rootless_propagation_context capture_traceparent codecs create_scope_stack
    create_scope_stack_from_propagation debug error event_metadata fork_asyncio_context get_scope_stack guardrails
    info intercepts llm log propagate_scope_to_thread scope scope_local scope_stack_active set_thread_scope_stack
    subscribers tools trace typed use_scope_stack warn
"""
MISSING = """
    AtifExporter AtofExporter AtofExporterConfig AtofExporterMode AtofStreamSinkConfig
    MetricTemporality OpenTelemetryConfig OpenTelemetryFileSinkConfig OpenTelemetryLogConfig
    OpenTelemetryLogSubscriber OpenTelemetryMetricConfig OpenTelemetryMetricSubscriber
    OpenTelemetryRuntimeDiagnostic OpenTelemetryRuntimeDiagnostics OpenTelemetrySubscriber UnsupportedBehavior
    adaptive model_pricing observability pii_redaction plugin resource_metrics runtime_registrations
"""
MISSING_CODECS = ["GeminiGenerateContentCodec", "OCIGenAIChatCodec"]

# The arguments of its functions.
MODEL = "handle attributes data metadata model_name codec response_codec"
FUNCTIONS = {
    "create_scope_stack": "",
    "capture_propagation_context": "",
    "capture_rootless_propagation_context": "",
    "capture_propagation_context_with_root": "root_uuid",
    "capture_traceparent": "",
    "create_scope_stack_from_propagation": "context",
    "fork_asyncio_context": "",
    "get_scope_stack": "",
    "scope_stack_active": "",
    "propagate_scope_to_thread": "",
    "set_thread_scope_stack": "stack",
    "use_scope_stack": "stack",
    "scope.event": "name * handle data data_schema metadata severity timestamp",
    "scope.get_handle": "",
    "scope.metric": "name measurements * handle metadata timestamp",
    "scope.pop": "handle * output metadata timestamp",
    "scope.push": "name scope_type * handle attributes data metadata input timestamp",
    "scope.scope": "name scope_type * handle attributes data metadata input timestamp end_timestamp",
    "subscribers.deregister": "name",
    "subscribers.flush": "",
    "subscribers.flush_async": "",
    "subscribers.register": "name callback",
    "tools.call": "name args * handle attributes data metadata tool_call_id timestamp",
    "tools.call_end": "handle result * data metadata timestamp",
    "tools.execute": "name args func * handle attributes data metadata tool_call_id",
    "tools.request_intercepts": "name args",
    "tools.conditional_execution": "name args",
    "llm.call": "name request * handle attributes data metadata model_name timestamp",
    "llm.call_end": "handle response * data metadata annotated_response response_codec timestamp",
    "llm.execute": f"name request func * {MODEL}",
    "llm.stream_execute": f"name request func collector finalizer * {MODEL}",
    "llm.request_intercepts": "name request",
    "llm.conditional_execution": "request",
    "typed.tool_execute": "name args func args_codec result_codec * handle attributes data metadata tool_call_id",
    "typed.llm_execute": f"name request func response_json_codec * {MODEL}",
    "typed.llm_stream_execute": f"name request func collector finalizer chunk_json_codec response_json_codec * {MODEL}",
    "event_metadata.register_injector": "name priority injector",
    "event_metadata.deregister_injector": "name",
}
SANITIZE_KINDS = ["mark_sanitize", "scope_sanitize_start", "scope_sanitize_end"]
GUARDRAIL_KINDS = [
    f"{call}_{kind}"
    for call in ("tool", "llm")
    for kind in ("sanitize_request", "sanitize_response", "conditional_execution")
]
REQUEST_KINDS = ["tool_request", "llm_request"]
EXECUTION_KINDS = ["tool_execution", "llm_execution", "llm_stream_execution"]


def function(path: str) -> Any:
    """The function of that path in the package."""
    found: Any = relay_core
    for name in path.split("."):
        found = getattr(found, name)
    return found


def test_names() -> None:
    """Every public name is exported here, or on the page; what the package exports is there, sorted."""
    exported = relay_core.__all__

    assert sorted(exported) == exported
    assert [] == [name for name in exported if not hasattr(relay_core, name)]
    assert [] == [name for name in NAMES.split() if name not in exported]
    assert [] == [name for name in MISSING.split() if name in exported]


def test_the_page_knows_what_is_missing() -> None:
    """The page names what is missing."""
    told = set(re.findall(r"\w+", PAGE.read_text().partition("## What is not here")[2]))

    assert [] == [name for name in (*MISSING.split(), *MISSING_CODECS) if name not in told]
    assert [] == [name for name in MISSING_CODECS if hasattr(codecs, name)]


def test_the_page_leads_somewhere() -> None:
    """Every relative link of the page names a file of the repository, and a heading of it."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#([^)]+))?\)", PAGE.read_text())

    assert [] == [path for path, _ in links if not (PAGE.parent / path).exists()]
    assert [] == [
        f"{path}#{heading}"
        for path, heading in links
        if heading and f"\n## {heading}\n" not in (PAGE.parent / path).read_text().lower()
    ]


@pytest.mark.parametrize(("path", "arguments"), FUNCTIONS.items())
def test_arguments(path: str, arguments: str) -> None:
    """A function takes the same arguments in the same order; whatever it takes beyond may be left out."""
    positional, _, by_name = arguments.partition("*")
    parameters = inspect.signature(function(path)).parameters
    leading = [it for it in parameters.values() if it.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]

    assert positional.split() == [it.name for it in leading][: len(positional.split())]
    assert [] == [name for name in by_name.split() if parameters[name].default is inspect.Parameter.empty]
    beyond = [it for it in parameters.values() if it.name not in arguments.split()]
    assert [] == [it.name for it in beyond if it.default is inspect.Parameter.empty]


@pytest.mark.parametrize(
    ("module", "kinds", "arguments"),
    [
        (guardrails, SANITIZE_KINDS + GUARDRAIL_KINDS, ["name", "priority", "guardrail"]),
        (intercepts, REQUEST_KINDS, ["name", "priority", "break_chain", "fn"]),
        (intercepts, EXECUTION_KINDS, ["name", "priority", "fn"]),
    ],
)
def test_registrars(module: Any, kinds: list[str], arguments: list[str]) -> None:
    """Everything is registered and taken back with the same arguments, on a scope with its handle in front."""
    for kind in kinds:
        register, deregister = f"register_{kind}", f"deregister_{kind}"
        assert arguments == list(inspect.signature(getattr(module, register)).parameters)
        assert ["name"] == list(inspect.signature(getattr(module, deregister)).parameters)
        on_scope = ["scope_handle", *arguments]
        assert on_scope == list(inspect.signature(getattr(scope_local, register)).parameters)
        assert ["scope_handle", "name"] == list(inspect.signature(getattr(scope_local, deregister)).parameters)
