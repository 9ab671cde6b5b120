"""What managed calls and their intercepts return, and what intercepts are told. Values without behaviour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from relay_core.codecs import AnnotatedLLMRequest, LLMRequest
from relay_core.codecs.contexts import LlmRequestContext, LlmResponseContext
from relay_core.vocabulary import LogSeverity

__all__ = [
    "LLMRequestInterceptOutcome",
    "LlmExecutionContext",
    "PendingMarkSpec",
    "ToolExecutionContext",
    "ToolExecutionInterceptOutcome",
    "ToolExecutionResult",
]

R = TypeVar("R")


@dataclass(slots=True)
class ToolExecutionResult(Generic[R]):
    """What a managed tool call gives: the tool's own result, and a note for whoever observes it."""

    result: R
    """What the tool returned; the object itself."""
    annotation: Any = None
    """Recorded as ``tool_result_annotation`` in the end event's profile; None for none."""


@dataclass(frozen=True, slots=True)
class PendingMarkSpec:
    """A mark that an intercept wants in the stream, under the scope of the call that it works on."""

    name: str
    category: str | None = None
    category_profile: Mapping[str, Any] | None = None
    data: Any = None
    metadata: Mapping[str, Any] | None = None
    data_schema: Mapping[str, object] | None = None
    severity: LogSeverity | str | None = None


@dataclass(frozen=True, slots=True)
class ToolExecutionInterceptOutcome(Generic[R]):
    """What a tool execution intercept returns if it has more to say than a result."""

    result: R
    """The tool's result, or the `ToolExecutionResult` that `next` gave."""
    pending_marks: Sequence[PendingMarkSpec] = ()
    """Emitted after the end event, under the tool's scope."""
    annotation: Any = field(default=None, kw_only=True)
    """As in `ToolExecutionResult`; None leaves the annotation of a `ToolExecutionResult` that is passed on."""


@dataclass(frozen=True, slots=True)
class LLMRequestInterceptOutcome:
    """What an LLM request intercept returns if it has more to say than a request."""

    request: LLMRequest
    annotated_request: AnnotatedLLMRequest | None = None
    """The normalized view with edits; None stands for the view that the intercept was given."""
    pending_marks: Sequence[PendingMarkSpec] = ()
    """Emitted after the start event, under the call's scope."""
    optimization_contributions: Sequence[Any] | None = None
    """Accepted for code written for NeMo Relay; not used."""


@dataclass(frozen=True, slots=True)
class ToolExecutionContext:
    """The tool call that an execution intercept wraps."""

    tool_name: str
    args: Any
    """The arguments, copied one level deep."""
    tool_call_id: str | None
    """The provider's id of the call."""


@dataclass(frozen=True, slots=True)
class LlmExecutionContext:
    """The LLM call that an execution intercept wraps."""

    name: str
    request: LLMRequest
    """The request; headers and content copied one level deep."""
    model_name: str | None
    request_codec: LlmRequestContext = field(default_factory=LlmRequestContext)
    """What the caller gave to read and edit the request in its normalized shape."""
    response_codec: LlmResponseContext = field(default_factory=LlmResponseContext)
    """What the caller gave to read the response in its normalized shape."""
