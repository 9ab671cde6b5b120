"""LangGraph's own metadata of a run: read where it is new, left out where it is only inherited."""

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["RAW_KEYS", "graph_metadata", "is_later_step", "is_node", "is_task", "node_metadata"]

RAW_KEYS: Final = frozenset(
    {
        "checkpoint_ns",
        "langgraph_checkpoint_ns",
        "langgraph_node",
        "langgraph_path",
        "langgraph_step",
        "langgraph_triggers",
        "thread_id",
    }
)
"""LangGraph's entries in LangChain's metadata. Everything inside of a node inherits them, so they say nothing there."""

_STEP_TAG: Final = "graph:step:"
_SEQUENCE_TAG: Final = "seq:step:"
_PUSH: Final = "__pregel_push"
_ERROR_HANDLER: Final = "node_error_handler"


def is_node(tags: tuple[object, ...]) -> bool:
    """Tell by its tags, which are not inherited, whether a run is a node of a graph."""
    for tag in tags:  # noqa: SIM110 - any() costs more than the answer, and this is asked about every run
        if isinstance(tag, str) and tag.startswith(_STEP_TAG):
            return True
    return False


def is_later_step(tags: tuple[object, ...]) -> bool:
    """Tell whether a run is a step of a sequence, but not the first one."""
    return any(isinstance(tag, str) and tag.startswith(_SEQUENCE_TAG) and tag != f"{_SEQUENCE_TAG}1" for tag in tags)


def is_task(name: str, metadata: Mapping[str, Any], inherited: Mapping[str, Any]) -> bool:
    """Tell whether a run in a node is a task of the functional API.

    Args:
        name: the run's name.
        metadata: its metadata.
        inherited: its parent's metadata.
    """
    path: tuple[Any, ...] = metadata.get("langgraph_path") or ()
    return (
        path[-1:] == (True,)
        and name == metadata.get("langgraph_node")
        and metadata.get("langgraph_checkpoint_ns") != inherited.get("langgraph_checkpoint_ns")
    )


def node_metadata(kind: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a node's or a task's scope says about its place in the graph."""
    path: tuple[Any, ...] = metadata.get("langgraph_path") or ()
    told = {
        "langgraph.kind": kind,
        "langgraph.node": metadata["langgraph_node"],
        "langgraph.step": metadata.get("langgraph_step"),
        "langgraph.triggers": list(metadata.get("langgraph_triggers") or ()),
        "langgraph.path": list(path),
        "langgraph.checkpoint_ns": metadata.get("langgraph_checkpoint_ns"),
    }
    if (thread_id := metadata.get("thread_id")) is not None:
        told["langgraph.thread_id"] = thread_id
    if len(path) > 2:
        if path[0] == _PUSH and path[-1] is False:
            told["langgraph.branch"] = path[1]
        elif path[2] == _ERROR_HANDLER:
            told["langgraph.error_handler_of"] = path[1]
    return told


def graph_metadata(kind: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a graph's scope says: what it is, in which thread, and from which checkpoint it is replayed."""
    told = {"langgraph.kind": kind}
    for key in ("thread_id", "checkpoint_id"):
        if (value := metadata.get(key)) is not None:
            told[f"langgraph.{key}"] = value
    return told
