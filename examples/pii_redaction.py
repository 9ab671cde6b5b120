"""Redaction changes the record and not the call: the tool gets the real card number, the file never does."""

import re
import sys
from pathlib import Path
from typing import Any

import relay_core
from relay_core import EventSanitizeFields, LLMRequest, guardrails, llm, scope, tools
from relay_core.events import Event
from relay_core.jsonl import JsonlSink

CARD = re.compile(r"\b(?:\d{4}[- ]?){3}\d{4}\b")


def hidden(value: Any) -> Any:
    """Return plain JSON data without card numbers."""
    if isinstance(value, str):
        return CARD.sub("[card]", value)
    if isinstance(value, dict):
        return {hidden(key): hidden(item) for key, item in value.items()}
    return [hidden(item) for item in value] if isinstance(value, list) else value


def redact(event: Event, fields: EventSanitizeFields) -> EventSanitizeFields:
    """Sanitize all that an event says, the normalized views of model calls included."""
    cleaned: EventSanitizeFields = hidden(fields)
    return cleaned


def main(path: str = "pii_redaction.jsonl") -> None:
    """Make a model call and a tool call about a card, and show what was recorded."""
    guardrails.register_scope_sanitize_start("cards", 100, redact)
    guardrails.register_scope_sanitize_end("cards", 100, redact)
    guardrails.register_mark_sanitize("cards", 100, redact)
    relay_core.plugins.register(JsonlSink(path, mode="overwrite"), name="jsonl")

    asked = LLMRequest({}, {"messages": [{"role": "user", "content": "Charge 4111-1111-1111-1111, please."}]})
    with scope.scope("payment", input="a customer writes"):
        card = llm.execute_sync("provider", asked, lambda request: "4111-1111-1111-1111")
        receipt = tools.execute_sync("charge", {"card": card}, lambda args: f"charged {args['card']}").result
        scope.event("charged", data={"receipt": receipt})

    relay_core.subscribers.flush()
    print(f"the application has: {receipt}")
    print(Path(path).read_text(), end="")


if __name__ == "__main__":
    main(*sys.argv[1:])
