"""Which codecs a managed LLM call was given."""

from typing import Any

import pytest

from relay_core.codecs import AnthropicMessagesCodec, OpenAIChatCodec, OpenAIResponsesCodec
from relay_core.codecs.contexts import LlmCodecIdentity, LlmRequestContext, LlmResponseContext


class Derived(OpenAIChatCodec):
    """A codec that Relay does not know."""


@pytest.mark.parametrize("kind", [LlmRequestContext, LlmResponseContext])
@pytest.mark.parametrize(
    ("codec", "identity"),
    [
        (None, LlmCodecIdentity("none", None)),
        (OpenAIChatCodec(), LlmCodecIdentity("builtin", "openai_chat")),
        (OpenAIResponsesCodec(), LlmCodecIdentity("builtin", "openai_responses")),
        (AnthropicMessagesCodec(), LlmCodecIdentity("builtin", "anthropic_messages")),
        (Derived(), LlmCodecIdentity("opaque", None)),
    ],
)
def test_codec_and_its_name(kind: Any, codec: Any, identity: LlmCodecIdentity) -> None:
    """A context gives the codec, and says which one it is; Relay's own have the names that events have."""
    context = kind(codec)

    assert (codec, identity) == (context.resolve_codec(), context.codec)
