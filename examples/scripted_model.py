"""The one thing in the examples that is not real: a chat model that says what a script tells it to."""

from typing import Any

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

__all__ = ["ScriptedModel", "message"]


class ScriptedModel(GenericFakeChatModel):
    """A chat model that asks for tools, as its script says."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> "ScriptedModel":
        """Know the tools from the script."""
        return self


def message(text: str = "", **calls: list[str]) -> AIMessage:
    """Return one answer of a script: text, the cities for which to call each tool, and what it cost."""
    asked = [
        {"name": name, "args": {"city": city}, "id": f"call_{name}_{city}"} for name in calls for city in calls[name]
    ]
    usage = {"input_tokens": 120, "output_tokens": 18, "total_tokens": 138}
    return AIMessage(text, tool_calls=asked, usage_metadata=usage)
