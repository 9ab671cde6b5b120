"""What a run of a graph is shown as: every kind of it, on real graphs."""

from __future__ import annotations

import asyncio
import threading
from typing import Any
from uuid import uuid4

import pytest
from langchain.agents import create_agent
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.cache.memory import InMemoryCache
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy, Command, RetryPolicy, Send
from tests.langchain.support import Recording
from tests.langgraph.support import EMPTY, State, builder, calls, kinds, marks, metadata, model, run, says, thread

from relay_langchain.runs import find
from relay_langgraph.notes import notes_of


def test_nodes(recording: Recording, run_async: bool) -> None:
    """A node says where in the graph it is; the graph is an agent's work, in its thread."""
    run(builder("a", "b", run_async=run_async).compile(name="G"), EMPTY, thread(recording), run_async)

    assert "G{a b}" == recording.tree
    graph, node = recording.node("G"), recording.node("b")
    assert ("agent", "function") == (graph.start.category, node.start.category)
    told = node.start.metadata or {}
    assert told.pop("langchain.run_id")
    namespace = told.pop("langgraph.checkpoint_ns")
    assert namespace.startswith("b:")
    assert {
        "langchain.tags": ["graph:step:2"],
        "session.id": "t1",
        "langgraph.kind": "node",
        "langgraph.node": "b",
        "langgraph.step": 2,
        "langgraph.triggers": ["branch:to:b"],
        "langgraph.path": ["__pregel_pull", "b"],
        "langgraph.thread_id": "t1",
    } == told
    assert {"langgraph.kind": "graph", "langgraph.thread_id": "t1", "session.id": "t1"}.items() <= (
        graph.start.metadata or {}
    ).items()
    recording.assert_complete()


def test_inherited_metadata(recording: Recording) -> None:
    """What is inside of a node does not repeat where the node is; what the user says about the request stays."""
    chat = model("hello")
    graph = builder("a", a=lambda state: {"seen": [chat.invoke("hi").content]}).compile(name="G")
    graph.invoke(EMPTY, {**thread(recording), "metadata": {"tenant": "acme"}})

    told = recording.node("Chat").start.metadata or {}
    assert "acme" == told["tenant"]
    assert [] == [key for key in told if key.startswith("langgraph") or key in ("checkpoint_ns", "thread_id")]


def test_outside_of_graphs(recording: Recording) -> None:
    """Runs that have nothing to do with graphs are left as they are, metadata with a likely name too."""
    RunnableLambda(lambda x: x, name="f").invoke(1, {**recording.config, "metadata": {"thread_id": "t", "k": 1}})

    told = recording.node("f").start.metadata or {}
    assert ("t", 1) == (told["thread_id"], told["k"])
    assert "langgraph.kind" not in told


def test_metadata_in_disguise(recording: Recording) -> None:
    """What a user writes into tags and metadata can mislead, but break nothing."""
    config = {**recording.config, "tags": ["graph:step:9"], "metadata": {"langgraph_node": "x", "ls_integration": 7}}
    RunnableLambda(lambda x: x, name="f").invoke(1, config)
    builder("a").compile(name="G").invoke(EMPTY, config)

    assert "f G{a}" == recording.tree
    recording.assert_complete()


def route(state: Any) -> str:
    """Go on."""
    return "b"


async def aroute(state: Any) -> str:
    """Go on."""
    return "b"


@pytest.mark.parametrize(
    ("function", "name"),
    [(route, "route"), (lambda state: "b", "route"), (aroute, "aroute")],
    ids=["named", "nameless", "async"],
)
def test_route(recording: Recording, function: Any, name: str) -> None:
    """The function of a conditional edge is a route under the node it leaves; one without a name is called route."""
    graph: Any = StateGraph(State)
    graph.add_node("a", says("a", True)).add_node("b", says("b", True))
    graph.add_edge(START, "a").add_conditional_edges("a", function, ["b"])
    run(graph.compile(name="G"), EMPTY, recording.config, True)

    assert f"G{{a{{{name}}} b}}" == recording.tree
    assert {"G": "graph", "a": "node", name: "route", "b": "node"} == kinds(recording)


def test_route_of_the_start(recording: Recording, run_async: bool) -> None:
    """A conditional edge from the start shows its function; the start itself is plumbing."""
    graph: Any = StateGraph(State)
    graph.add_node("a", says("a")).add_conditional_edges(START, lambda state: "a", ["a"])
    run(graph.compile(name="G"), EMPTY, recording.config, run_async)

    assert "G{route a}" == recording.tree
    assert "route" == kinds(recording)["route"]


def test_runnable_as_node(recording: Recording) -> None:
    """The steps of a chain that is a node are functions in it, and no routes."""
    chain = RunnableLambda(lambda state: state, name="one") | RunnableLambda(lambda state: {"seen": []}, name="two")
    builder("a", a=chain).compile(name="G").invoke(EMPTY, recording.config)

    assert "G{a{one two}}" == recording.tree
    assert {"G": "graph", "a": "node", "one": "-", "two": "-"} == kinds(recording)


def test_parallel_nodes(recording: Recording, run_async: bool) -> None:
    """Nodes of one step are siblings, whichever ends first."""
    together = threading.Barrier(2)

    def meets(state: Any) -> Any:
        together.wait(10)
        return EMPTY

    graph = builder("a", "b")
    graph.add_node("c", meets).add_node("d", meets).add_node("e", says("e"))
    graph.add_edge("b", "c").add_edge("b", "d").add_edge(["c", "d"], "e")
    run(graph.compile(name="G"), EMPTY, recording.config, run_async)

    assert [1, 2, 3, 3, 4] == sorted(metadata(node)["langgraph.step"] for node in recording.node("G").children)
    assert recording.tree in ("G{a b c d e}", "G{a b d c e}")
    recording.assert_complete()


def test_send_with_tools(recording: Recording, run_async: bool) -> None:
    """Each branch of a Send has its index; the tool that a branch calls is under that branch."""

    @tool
    def double(x: int) -> int:
        """Double."""
        return 2 * x

    def work(state: Any) -> Any:
        return {"seen": [double.invoke({"x": state["seen"][0]})]}

    graph: Any = StateGraph(State)
    graph.add_node("plan", says("plan")).add_node("work", work).add_edge(START, "plan")
    graph.add_conditional_edges("plan", lambda state: [Send("work", {"seen": [i]}) for i in range(20)], ["work"])
    run(graph.compile(name="G"), EMPTY, recording.config, run_async)

    work_nodes, tools = recording.nodes("work"), recording.nodes("double")
    assert list(range(20)) == sorted(metadata(node)["langgraph.branch"] for node in work_nodes)
    assert (20, 20) == (len(tools), len({node.start.parent_uuid for node in tools}))
    for node in work_nodes:
        assert {"x": metadata(node)["langgraph.branch"]} == node.children[0].start.data
    recording.assert_complete()


def test_subgraphs(recording: Recording, run_async: bool) -> None:
    """A subgraph is a function in its node, as a node and called in a body, and says at its end what it was."""
    inner = builder("n", run_async=run_async).compile(name="INNER")

    def calls_it(state: Any) -> Any:
        return inner.invoke(EMPTY)

    async def acalls_it(state: Any) -> Any:
        return await inner.ainvoke(EMPTY)

    graph = builder("sub", "body", sub=inner, body=acalls_it if run_async else calls_it).compile(name="G")
    run(graph, EMPTY, recording.config, run_async)

    assert "G{sub{INNER{n}} body{INNER{n}}}" == recording.tree
    assert {"G": "graph", "sub": "node", "body": "node", "INNER": "subgraph", "n": "node"} == kinds(recording)
    assert {"function"} == {node.start.category for node in recording.nodes("INNER")}


def test_subgraph_named_like_its_node(recording: Recording) -> None:
    """A subgraph with its node's name is still told from it."""
    builder("sub", sub=builder("n").compile(name="sub")).compile(name="G").invoke(EMPTY, recording.config)

    assert "G{sub{sub{n}}}" == recording.tree
    assert ["node", "subgraph"] == [metadata(node)["langgraph.kind"] for node in recording.nodes("sub")]


def test_graph_in_a_chain(recording: Recording) -> None:
    """A graph that is a step of a chain is a graph of its own, under the chain."""
    chain = RunnableLambda(lambda x: x, name="before") | builder("a").compile(name="G")
    chain.invoke(EMPTY, recording.config)

    assert "RunnableSequence{before G{a}}" == recording.tree
    assert ("function", "agent") == (recording.roots[0].start.category, recording.node("G").start.category)


def test_tasks(recording: Recording) -> None:
    """The functional API shows its entrypoint as a node and its tasks as tasks, nested as they call each other."""

    @task
    def one(x: int) -> int:
        return x + 1

    @task
    def two(x: int) -> int:
        return one(x).result()

    @entrypoint()
    def flow(x: int) -> int:
        return one(x).result() + two(x).result()

    flow.invoke(1, recording.config)

    assert "LangGraph{flow{one two{one}}}" == recording.tree
    assert {"LangGraph": "graph", "flow": "node", "one": "task", "two": "task"} == kinds(recording)
    assert ["__pregel_push", ["__pregel_pull", "flow"], 0] == metadata(recording.nodes("one")[0])["langgraph.path"][:3]
    recording.assert_complete()


@pytest.mark.anyio
async def test_async_tasks(recording: Recording) -> None:
    """So does the async functional API, where tasks run at the same time."""

    @task
    async def one(x: int) -> int:
        return x + 1

    @entrypoint()
    async def flow(x: int) -> list[int]:
        return list(await asyncio.gather(one(1), one(2)))

    await flow.ainvoke(1, recording.config)

    assert "LangGraph{flow{one one}}" == recording.tree
    assert {"LangGraph": "graph", "flow": "node", "one": "task"} == kinds(recording)
    recording.assert_complete()


def test_agent(recording: Recording, run_async: bool) -> None:
    """An agent is an agent by its own name; its nodes are nodes, and the one that calls tools a tool node."""

    @tool
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    agent = create_agent(model(calls("add", "add", a=1, b=2), "three"), [add], name="adder")
    run(agent, {"messages": [("user", "1+2?")]}, recording.config, run_async)

    assert "adder{model{Chat} tools{add} tools{add} model{Chat}}" == recording.tree
    found = kinds(recording)
    assert ("agent", "node", "tool_node") == (found["adder"], found["model"], found["tools"])
    assert "agent" == recording.node("adder").start.category
    assert [0, 1] == sorted(metadata(node)["langgraph.branch"] for node in recording.nodes("tools"))
    recording.assert_complete()


def test_agents_as_nodes(recording: Recording) -> None:
    """An agent in a graph is an agent, with or without a name; a graph in a tool of an agent is a subgraph."""
    inner = builder("n").compile(name="INNER")

    @tool
    def delegate(x: int) -> str:
        """Delegate."""
        return str(inner.invoke(EMPTY))

    graph = builder("a", a=lambda state: {"seen": [named.invoke({"messages": []})["messages"][-1].content]})
    graph.add_node("b", lambda state: {"seen": [unnamed.invoke({"messages": []})["messages"][-1].content]})
    graph.add_edge("a", "b")
    named = create_agent(model(calls("delegate", x=1), "done"), [delegate], name="bob")
    unnamed = create_agent(model("done"), [])
    graph.compile(name="G").invoke(EMPTY, recording.config)

    assert "G{a{bob{model{Chat} tools{delegate{INNER{n}}} model{Chat}}} b{LangGraph{model{Chat}}}}" == recording.tree
    found = kinds(recording)
    assert ("agent", "agent", "subgraph") == (found["bob"], found["LangGraph"], found["INNER"])
    assert {"agent"} == {recording.node(name).start.category for name in ("G", "bob", "LangGraph")}


def test_command_goto(recording: Recording) -> None:
    """A node that picks the next one by a command ends well, with the command as its output."""
    graph = builder("a", a=lambda state: Command(goto="z", update={"seen": ["a"]}))
    graph.add_node("z", says("z"))
    graph.compile(name="G").invoke(EMPTY, recording.config)

    assert "G{a z}" == recording.tree
    end = recording.node("a").end
    assert end is not None
    assert {"update": {"seen": ["a"]}, "goto": "z"} == end.data


def test_deferred_node(recording: Recording) -> None:
    """A deferred node is in the step in which it runs, after all branches."""
    graph = builder("a")
    graph.add_node("short", says("s")).add_node("long1", says("l")).add_node("long2", says("l"))
    graph.add_node("last", says("last"), defer=True)
    graph.add_edge("a", "short").add_edge("a", "long1").add_edge("long1", "long2")
    graph.add_edge("short", "last").add_edge("long2", "last")
    graph.compile(name="G").invoke(EMPTY, recording.config)

    assert 4 == metadata(recording.node("last"))["langgraph.step"]
    assert [] == recording.node("last").children


def test_cached_node(recording: Recording) -> None:
    """A node whose result is cached runs no callback: it is not there."""
    graph: Any = StateGraph(State)
    graph.add_node("a", says("a"), cache_policy=CachePolicy()).add_edge(START, "a")
    compiled = graph.compile(name="G", cache=InMemoryCache())
    compiled.invoke(EMPTY, recording.config)
    compiled.invoke(EMPTY, recording.config)

    assert "G{a} G" == recording.tree


def test_retries(recording: Recording, run_async: bool) -> None:
    """An attempt says its number and what the one before raised; a mark on the graph tells of the retry."""
    errors: list[Exception] = [KeyError("a"), ValueError("b")]

    def flaky(state: Any) -> Any:
        if errors:
            raise errors.pop(0)
        return EMPTY

    graph: Any = StateGraph(State)
    graph.add_node("a", flaky, retry_policy=RetryPolicy(initial_interval=0.001, retry_on=Exception))
    graph.add_node("b", says("b")).add_edge(START, "a").add_edge("a", "b")
    run(graph.compile(name="G"), EMPTY, recording.config, run_async)

    assert "G{a!error a!error a b}" == recording.tree
    told = [metadata(node) for node in recording.nodes("a")]
    assert [None, 2, 3] == [it.get("langgraph.attempt") for it in told]
    assert [None, "KeyError", "ValueError"] == [it.get("langgraph.previous_error") for it in told]
    assert [
        ("G", {"attempt": 2, "error_type": "KeyError", "node": "a"}),
        ("G", {"attempt": 3, "error_type": "ValueError", "node": "a"}),
    ] == marks(recording, "Retry")
    assert "langgraph.attempt" not in metadata(recording.node("b"))


def test_retries_of_branches(recording: Recording) -> None:
    """Attempts are counted by branch, not by name."""
    failed: set[int] = set()
    lock = threading.Lock()

    def flaky(state: Any) -> Any:
        (i,) = state["seen"]
        with lock:
            first = i % 2 == 1 and i not in failed
            failed.add(i)
        if first:
            raise ValueError(i)
        return EMPTY

    graph: Any = StateGraph(State)
    graph.add_node("plan", says("plan")).add_edge(START, "plan")
    graph.add_node("work", flaky, retry_policy=RetryPolicy(initial_interval=0.001, retry_on=ValueError))
    graph.add_conditional_edges("plan", lambda state: [Send("work", {"seen": [i]}) for i in range(6)], ["work"])
    graph.compile(name="G").invoke(EMPTY, recording.config)

    attempts = {
        (metadata(n)["langgraph.branch"], metadata(n).get("langgraph.attempt", 1)) for n in recording.nodes("work")
    }
    assert {(i, 1) for i in range(6)} | {(i, 2) for i in (1, 3, 5)} == attempts


def test_retries_of_tasks(recording: Recording) -> None:
    """A task of the functional API counts its attempts like a node; the same task called again begins anew."""
    failing = [True]

    @task(retry_policy=RetryPolicy(initial_interval=0.001, retry_on=ValueError))
    def flaky(x: int) -> int:
        if failing:
            failing.pop()
            raise ValueError(x)
        return x

    @entrypoint()
    def flow(x: int) -> int:
        return flaky(x).result() + flaky(x).result()

    flow.invoke(1, recording.config)

    assert "LangGraph{flow{flaky!error flaky flaky}}" == recording.tree
    assert [None, 2, None] == [metadata(node).get("langgraph.attempt") for node in recording.nodes("flaky")]
    assert [("flow", {"attempt": 2, "error_type": "ValueError", "node": "flaky"})] == marks(recording, "Retry")


def test_error_handler(recording: Recording, run_async: bool) -> None:
    """A node that handles the error of another one says of which; the graph ends well."""

    def boom(state: Any) -> Any:
        raise ValueError("no")

    graph: Any = StateGraph(State)
    graph.add_node("boom", boom, error_handler=says("handled")).add_edge(START, "boom")
    run(graph.compile(name="G"), EMPTY, recording.config, run_async)

    assert "G{boom!error __error_handler__boom}" == recording.tree
    assert "boom" == metadata(recording.node("__error_handler__boom"))["langgraph.error_handler_of"]


@pytest.mark.anyio
async def test_many_at_once(recording: Recording) -> None:
    """Fifty concurrent runs of one graph with one handler are fifty complete trees, each in its own thread."""
    graph = builder("a", "b", run_async=True).compile(name="G")
    handler = recording.handler()
    configs = [{"callbacks": [handler], "configurable": {"thread_id": f"t{i}"}} for i in range(50)]
    await asyncio.gather(*(graph.ainvoke(EMPTY, config) for config in configs))

    assert ["G{a b}"] * 50 == [str(root) for root in recording.roots]
    for root in recording.roots:
        assert 1 == len({metadata(node)["langgraph.thread_id"] for node in root.walk()})
    recording.assert_complete()


def test_long_run_forgets_its_steps(recording: Recording) -> None:
    """A run of many steps remembers the attempts of the last steps only."""
    run_id = uuid4()
    remembered: list[int] = []

    def step(state: Any) -> Any:
        notes = notes_of(find(run_id, runtime=recording.relay))
        assert notes is not None
        remembered.append(len(notes.steps))
        return {"seen": [1]}

    graph = builder("step", step=step)
    graph.add_conditional_edges("step", lambda state: "step" if len(state["seen"]) < 30 else "__end__")
    graph.compile(name="G").invoke(EMPTY, {**recording.config, "run_id": run_id, "recursion_limit": 100})

    assert (30, 2) == (len(remembered), max(remembered))
