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
        name = f"{base.__module__}.{base.__qualname__}"
        if name in _UPDATES:
            from relay_langgraph import updates  # imports LangChain, which is there where LangGraph is

            return PlainProjection(updates.command if name == _COMMAND else updates.send)
        projection = _PROJECTIONS.get(name)
        if projection is not None:
            return projection
    return None


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

_COMMAND: Final = "langgraph.types.Command"
_UPDATES: Final = frozenset({_COMMAND, "langgraph.types.Send"})

_PROJECTIONS: Final[dict[str, Projection]] = {
    "langgraph.errors.NodeError": _node_error,
    "langgraph.types.GraphOutput": _output,
    "langgraph.types.Interrupt": _interrupt,
    "langgraph.types.PregelTask": _task,
    "langgraph.types.StateSnapshot": _snapshot,
}
