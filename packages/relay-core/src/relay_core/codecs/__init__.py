"""Codecs: a provider's request and response in one normalized shape, and edits of it back in the provider's.

`request` is what a managed call sends, `annotated` the normalized views, `protocol` what a codec must be able to do;
`openai_chat`, `openai_responses` and `anthropic_messages` are codecs, made from the tables of `mapping`.
"""

from relay_core.codecs.annotated import AnnotatedLLMRequest, AnnotatedLLMResponse
from relay_core.codecs.anthropic_messages import AnthropicMessagesCodec
from relay_core.codecs.openai_chat import OpenAIChatCodec
from relay_core.codecs.openai_responses import OpenAIResponsesCodec
from relay_core.codecs.protocol import LlmCodec, LlmResponseCodec
from relay_core.codecs.request import LLMRequest

__all__ = [
    "AnnotatedLLMRequest",
    "AnnotatedLLMResponse",
    "AnthropicMessagesCodec",
    "LLMRequest",
    "LlmCodec",
    "LlmResponseCodec",
    "OpenAIChatCodec",
    "OpenAIResponsesCodec",
]
