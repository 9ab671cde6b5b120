"""How `Command` and `Send` are recorded: what nodes tell their graph, conversations in it in OpenAI's shape."""

from typing import Any

from relay_langchain.payloads import plain_payload

__all__ = ["command", "send"]


def command(value: Any) -> dict[str, object]:
    """Return what a command says: the fields that are set."""
    told: dict[str, object] = {}
    if (update := value.update) is not None:
        told["update"] = plain_payload(update)
    if goto := value.goto:
        told["goto"] = goto
    if (resume := value.resume) is not None:
        told["resume"] = resume
    if (graph := value.graph) is not None:
        told["graph"] = graph
    return told


def send(value: Any) -> dict[str, object]:
    """Return the node that is to run, and its input."""
    return {"node": value.node, "arg": plain_payload(value.arg)}
