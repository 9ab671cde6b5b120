"""How LangGraph's own types are recorded: one projection per class, found by class name so that nothing is imported."""

from collections.abc import Callable
from typing import Any, Final

from relay_core.json_values import as_mapping
from relay_langchain.projections import PlainProjection

__all__ = ["payload_encoder"]

Projection = Callable[[Any], object]


def payload_encoder(kind: type) -> Projection | None:
    """Return what turns values of the class into plain data, or None for a class that is not LangGraph's."""
    for base in kind.__mro__:
        projection = _PROJECTIONS.get(f"{base.__module__}.{base.__qualname__}")
        if projection is not None:
            return PlainProjection(projection) if projection in _PLAIN else projection
    return None


def _command(value: Any) -> dict[str, object]:
    """Return what a command says: the fields that are set."""
    told = {"update": _plain(value.update), "goto": value.goto or None, "resume": value.resume, "graph": value.graph}
    return {name: field for name, field in told.items() if field is not None}


def _send(value: Any) -> dict[str, object]:
    return {"node": value.node, "arg": _plain(value.arg)}


def _plain(update: Any) -> Any:
    from relay_langchain.payloads import plain_payload  # imports LangChain, which is there where LangGraph is

    return plain_payload(update)


def _interrupt(value: Any) -> dict[str, object]:
    return {"id": value.id, "value": value.value}


def _snapshot(value: Any) -> dict[str, object]:
    """Return a state: its values, what comes next, and which checkpoint it is, without the rest of the config."""
    return {
        "values": value.values,
        "next": value.next,
        "checkpoint": _coordinates(value.config),
        "parent_checkpoint": _coordinates(value.parent_config),
        "metadata": value.metadata,
        "created_at": value.created_at,
        "tasks": value.tasks,
        "interrupts": value.interrupts,
    }


def _task(value: Any) -> dict[str, object]:
    return {
        "id": value.id,
        "name": value.name,
        "path": value.path,
        "error": value.error,
        "interrupts": value.interrupts,
        "result": value.result,
    }


def _output(value: Any) -> dict[str, object]:
    return {"value": value.value, "interrupts": value.interrupts}


def _node_error(value: Any) -> dict[str, object]:
    return {"node": value.node, "error": value.error}


def _coordinates(config: object) -> dict[str, object] | None:
    configurable = as_mapping(as_mapping(config).get("configurable"))
    return {key: configurable.get(key) for key in _COORDINATES} if configurable else None


_COORDINATES: Final = ("thread_id", "checkpoint_ns", "checkpoint_id")

_PLAIN: Final = frozenset({_command, _send, _interrupt})
"""Those whose results are plain data as a rule."""

_PROJECTIONS: Final[dict[str, Projection]] = {
    "langgraph.errors.NodeError": _node_error,
    "langgraph.types.Command": _command,
    "langgraph.types.GraphOutput": _output,
    "langgraph.types.Interrupt": _interrupt,
    "langgraph.types.PregelTask": _task,
    "langgraph.types.Send": _send,
    "langgraph.types.StateSnapshot": _snapshot,
}
