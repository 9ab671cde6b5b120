"""What the tests of relay-langgraph share: a state, small graphs, and how to run them in both ways."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt
from tests.langchain.support import Chat, Node, Recording


class State(TypedDict):
    """A state that shows which nodes have run, in which order."""

    seen: Annotated[list[Any], operator.add]


EMPTY: Any = {"seen": []}


def says(name: str, run_async: bool = False) -> Callable[[Any], Any]:
    """Return a node that adds its name to the state."""

    def node(state: Any) -> Any:
        return {"seen": [name]}

    async def anode(state: Any) -> Any:
        return {"seen": [name]}

    return anode if run_async else node


def asks(question: object = "sure?") -> Callable[[Any], Any]:
    """Return a node that asks a human and adds the answer to the state."""

    def node(state: Any) -> Any:
        return {"seen": [interrupt(question)]}

    return node


def builder(*names: str, run_async: bool = False, **others: Callable[[Any], Any]) -> Any:
    """Return the builder of a linear graph of nodes that say their names; `others` replace some of them."""
    graph: Any = StateGraph(State)
    before = START
    for name in names:
        graph.add_node(name, others.get(name) or says(name, run_async))
        graph.add_edge(before, name)
        before = name
    return graph


def run(graph: Any, inputs: Any, config: Any, run_async: bool, **options: Any) -> Any:
    """Invoke a graph, sync or in an event loop of its own."""
    if run_async:
        return asyncio.run(graph.ainvoke(inputs, config, **options))
    return graph.invoke(inputs, config, **options)


def thread(recording: Recording, thread_id: str = "t1") -> dict[str, Any]:
    """Return a config with a handler and a thread."""
    return {**recording.config, "configurable": {"thread_id": thread_id}}


def metadata(node: Node) -> dict[str, Any]:
    """Return what a scope says about itself when it has ended."""
    assert node.end is not None
    return node.end.metadata or {}


def kinds(recording: Recording) -> dict[str, str]:
    """Return what each scope turned out to be, by name."""
    return {node.name: metadata(node).get("langgraph.kind", "-") for root in recording.roots for node in root.walk()}


def marks(recording: Recording, name: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the marks with a name: of which scope, and what they say."""
    return [
        (node.name, mark.data)
        for root in recording.roots
        for node in root.walk()
        for mark in node.marks
        if mark.name == name
    ]


def outcomes(recording: Recording) -> set[str]:
    """Return all outcomes."""
    return {str(node.end and node.end.outcome) for root in recording.roots for node in root.walk()}


def calls(*names: str, **arguments: Any) -> AIMessage:
    """Return a model's answer that calls tools."""
    tool_calls = [{"name": name, "args": arguments, "id": f"call-{name}-{i}"} for i, name in enumerate(names)]
    return AIMessage("", tool_calls=tool_calls)


def model(*answers: Any) -> Chat:
    """Return a fake model that gives these answers."""
    return Chat(answers=list(answers))
