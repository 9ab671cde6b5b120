"""LangGraph's own metadata, read."""

from typing import Any

import pytest

from relay_langgraph.metadata import graph_metadata, is_later_step, is_node, is_task, node_metadata

NODE: dict[str, Any] = {
    "langgraph_node": "a",
    "langgraph_step": 3,
    "langgraph_triggers": ("branch:to:a",),
    "langgraph_path": ("__pregel_pull", "a"),
    "langgraph_checkpoint_ns": "a:1",
}


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ((), False),
        (("mine", "graph:step:1"), True),
        (("seq:step:1",), False),
        (("my:graph:step:1",), False),
        ((None, 1), False),
    ],
)
def test_is_node(tags: tuple[object, ...], expected: bool) -> None:
    """A node is told by its tag."""
    assert expected is is_node(tags)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [((), False), (("seq:step:1",), False), (("mine", "seq:step:2"), True), (("seq:step:12",), True), ((2,), False)],
)
def test_is_later_step(tags: tuple[object, ...], expected: bool) -> None:
    """The first step of a sequence is none that follows."""
    assert expected is is_later_step(tags)


@pytest.mark.parametrize(
    ("name", "path", "inherited", "expected"),
    [
        ("t", ("__pregel_push", ("__pregel_pull", "f"), 0, True), {"langgraph_checkpoint_ns": "f:1"}, True),
        ("t", ("__pregel_push", ("__pregel_pull", "f"), 0, True), {}, True),
        ("t", ("__pregel_push", ("__pregel_pull", "f"), 0, True), {"langgraph_checkpoint_ns": "f:1|t:2"}, False),
        ("inside", ("__pregel_push", ("__pregel_pull", "f"), 0, True), {"langgraph_checkpoint_ns": "f:1"}, False),
        ("t", ("__pregel_push", 0, False), {}, False),
        ("t", (), {}, False),
        ("t", None, {}, False),
    ],
)
def test_is_task(name: str, path: Any, inherited: dict[str, Any], expected: bool) -> None:
    """A task is told by its path, which everything inside inherits, and by a namespace of its own."""
    metadata = {"langgraph_node": "t", "langgraph_path": path, "langgraph_checkpoint_ns": "f:1|t:2"}
    assert expected is is_task(name, metadata, inherited)


def test_node_metadata() -> None:
    """A node tells what LangGraph tells of it, in lists of its own."""
    told = node_metadata("node", NODE)

    assert {
        "langgraph.kind": "node",
        "langgraph.node": "a",
        "langgraph.step": 3,
        "langgraph.triggers": ["branch:to:a"],
        "langgraph.path": ["__pregel_pull", "a"],
        "langgraph.checkpoint_ns": "a:1",
    } == told


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("__pregel_push", 4, False), {"langgraph.branch": 4}),
        (("__pregel_pull", "boom", "node_error_handler", False), {"langgraph.error_handler_of": "boom"}),
        (("__pregel_pull", "a", "b"), {}),
    ],
)
def test_paths(path: Any, expected: dict[str, Any]) -> None:
    """The path of a node says which branch it is, or whose error it handles."""
    told = node_metadata("node", {**NODE, "langgraph_path": path})

    assert expected == {key: told[key] for key in ("langgraph.branch", "langgraph.error_handler_of") if key in told}


def test_graph_metadata() -> None:
    """A graph tells its thread, and the checkpoint that it was given."""
    assert {"langgraph.kind": "graph"} == graph_metadata("graph", {"other": 1})
    assert {"langgraph.kind": "agent", "langgraph.thread_id": "t", "langgraph.checkpoint_id": "c"} == graph_metadata(
        "agent", {"thread_id": "t", "checkpoint_id": "c"}
    )
