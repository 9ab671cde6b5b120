"""What a codec is. Any object with these methods will do; nothing has to be inherited or registered."""

from typing import Any, Protocol, runtime_checkable

from relay_core.codecs.annotated import AnnotatedLLMRequest, AnnotatedLLMResponse
from relay_core.codecs.request import LLMRequest

__all__ = ["LlmCodec", "LlmResponseCodec"]


@runtime_checkable
class LlmCodec(Protocol):
    """Shows request intercepts a normalized view, and turns their edits into a request of the provider's shape."""

    def decode(self, request: LLMRequest) -> AnnotatedLLMRequest:
        """Return a view that shares nothing mutable with `request`.

        Called in the caller's thread or task, before the request intercepts and again after an edit.
        What it raises reaches the caller of the managed call.
        """
        ...

    def encode(self, annotated: AnnotatedLLMRequest, original: LLMRequest) -> LLMRequest:
        """Return `original` with the edits of `annotated` in it; without edits its content must come back equal.

        Keep what you do not know: an intercept may edit one field and the provider must still get all others.
        """
        ...


@runtime_checkable
class LlmResponseCodec(Protocol):
    """Makes the normalized view of a response for the end event. What the caller gets is not touched."""

    def decode_response(self, response: Any) -> AnnotatedLLMResponse:
        """Return the view. What it raises is counted and logged, and the end event has no view then."""
        ...
