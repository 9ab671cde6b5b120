"""Which codecs a managed LLM call was given, told to the functions around it."""

from dataclasses import dataclass
from typing import Final

from relay_core.codecs.anthropic_messages import AnthropicMessagesCodec
from relay_core.codecs.openai_chat import OpenAIChatCodec
from relay_core.codecs.openai_responses import OpenAIResponsesCodec
from relay_core.codecs.protocol import LlmCodec, LlmResponseCodec

__all__ = ["LlmCodecIdentity", "LlmRequestContext", "LlmResponseContext"]

_NAMES: Final[dict[type[object], str]] = {
    AnthropicMessagesCodec: "anthropic_messages",
    OpenAIChatCodec: "openai_chat",
    OpenAIResponsesCodec: "openai_responses",
}


@dataclass(frozen=True, slots=True)
class LlmCodecIdentity:
    """Which codec it is."""

    kind: str
    """``builtin``, ``opaque`` (another codec, not known here) or ``none``."""
    id: str | None
    """The codec's name: ``openai_chat``."""


@dataclass(frozen=True, slots=True)
class LlmRequestContext:
    """The codec for the request that a managed LLM call was given, if any."""

    given: LlmCodec | None = None

    @property
    def codec(self) -> LlmCodecIdentity:
        """Which codec it is."""
        return _identity(self.given)

    def resolve_codec(self) -> LlmCodec | None:
        """Return the codec, to read and edit the request in its normalized shape; None if none was given."""
        return self.given


@dataclass(frozen=True, slots=True)
class LlmResponseContext:
    """The codec for the response that a managed LLM call was given, if any."""

    given: LlmResponseCodec | None = None

    @property
    def codec(self) -> LlmCodecIdentity:
        """Which codec it is."""
        return _identity(self.given)

    def resolve_codec(self) -> LlmResponseCodec | None:
        """Return the codec, to read the response in its normalized shape; None if none was given."""
        return self.given


def _identity(codec: object) -> LlmCodecIdentity:
    if codec is None:
        return LlmCodecIdentity("none", None)
    name = _NAMES.get(type(codec))
    return LlmCodecIdentity("opaque" if name is None else "builtin", name)
