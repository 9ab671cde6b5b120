"""Interrupts and resumes: outcomes and marks, with all that LangGraph tells, and derived where it tells nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from tests.langchain.support import Recording
from tests.langgraph.support import (
    EMPTY,
    State,
    asks,
    builder,
    calls,
    marks,
    metadata,
    model,
    outcomes,
    run,
    says,
    thread,
)

from relay_core.events import MarkEvent

INTERRUPT, RESUME = "Graph Interrupt", "Graph Resume"


def asking(*names: str, **others: Any) -> Any:
    """Return a graph whose node `ask` asks."""
    return builder(*(names or ("a", "ask", "z")), ask=asks(), **others).compile(name="G", checkpointer=InMemorySaver())


# --- All that LangGraph tells ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_interrupt_and_resume(recording: Recording, run_async: bool, durability: Any) -> None:
    """A graph that asks is interrupted, and so is its node; the answer goes on with a root of its own."""
    graph, config = asking(), thread(recording)
    run(graph, EMPTY, config, run_async, durability=durability)
    run(graph, Command(resume="yes"), config, run_async, durability=durability)

    assert "G!interrupted{a ask!interrupted} G{ask z}" == recording.tree
    interrupts, resumes = marks(recording, INTERRUPT), marks(recording, RESUME)
    assert ["G", "ask"] == [name for name, _ in interrupts] == [name for name, _ in resumes]
    first, second = recording.roots
    for root, told in ((first, interrupts), (second, resumes)):
        for _, data in told:
            assert metadata(root)["langchain.run_id"] == data["run_id"]
            assert "pending" == data["status"]
    assert 1 == len({data["checkpoint_id"] for _, data in (*interrupts, *resumes)})
    assert interrupts[0][1]["checkpoint_id"]
    ((asked,), (again,)) = (data["interrupts"] for _, data in interrupts)
    assert asked == again
    assert ("sure?", 32) == (asked["value"], len(asked["id"]))
    spaces = [data["checkpoint_ns"] for _, data in (*interrupts, *resumes)]
    node_space = metadata(second.children[0])["langgraph.checkpoint_ns"]
    assert ["", node_space, "", node_space] == spaces
    recording.assert_complete()


def test_status(recording: Recording) -> None:
    """An interrupted scope is neither a success nor an error, and says so without the question."""
    asking().invoke(EMPTY, thread(recording))

    for node in (recording.node("ask"), recording.roots[0]):
        told = metadata(node)
        assert ("UNSET", "interrupted") == (told["otel.status_code"], told["otel.status_description"])
        assert "error.type" not in told


def test_interrupt_lies_in_its_scope(recording: Recording) -> None:
    """The mark of a node is told after its end, but lies in the node's time."""
    asking().invoke(EMPTY, thread(recording))

    node = recording.node("ask")
    assert node.end is not None
    assert node.start.timestamp <= node.marks[0].timestamp <= node.end.timestamp
    (mark,) = [
        event for event in recording.events if isinstance(event, MarkEvent) and event.parent_uuid == node.end.uuid
    ]
    assert INTERRUPT == mark.name


def test_question_is_a_snapshot(recording: Recording) -> None:
    """The node's mark has the question as it was asked, whatever becomes of it until the graph has stopped."""
    question = {"amount": 1}

    class Later(BaseCallbackHandler):
        def on_chain_error(self, error: BaseException, **kwargs: Any) -> None:
            question["amount"] = 2

    graph = builder("ask", ask=asks(question)).compile(name="G", checkpointer=InMemorySaver())
    graph.invoke(EMPTY, {**thread(recording), "callbacks": [recording.handler(), Later()]})

    assert {"amount": 1} == dict(marks(recording, INTERRUPT))["ask"]["interrupts"][0]["value"]


def test_question_with_credentials(recording: Recording) -> None:
    """Credentials in a question are not recorded anywhere."""
    builder("ask", ask=asks({"api_key": "sk-1"})).compile(checkpointer=InMemorySaver()).invoke(EMPTY, thread(recording))

    assert {"api_key": "[redacted]"} == dict(marks(recording, INTERRUPT))["ask"]["interrupts"][0]["value"]
    assert "sk-1" not in "".join(event.to_json() for event in recording.events)


@pytest.mark.parametrize("when", ["before", "after"])
def test_static_breakpoints(recording: Recording, run_async: bool, when: str) -> None:
    """A breakpoint interrupts the graph without any node that asks."""
    graph = builder("a", "b").compile(name="G", checkpointer=InMemorySaver())
    config = thread(recording)
    stop: dict[str, Any] = {"interrupt_before": ["b"]} if when == "before" else {"interrupt_after": ["a"]}
    run(graph, EMPTY, config, run_async, **stop)
    run(graph, None, config, run_async)

    assert "G!interrupted{a} G{b}" == recording.tree
    assert [("G", f"interrupt_{when}", [])] == [
        (name, data["status"], data["interrupts"]) for name, data in marks(recording, INTERRUPT)
    ]
    assert ["G", "b"] == [name for name, _ in marks(recording, RESUME)]


def test_static_breakpoint_in_a_subgraph(recording: Recording, run_async: bool) -> None:
    """A breakpoint in a subgraph interrupts its node as well."""
    inner = builder("n", "m").compile(name="INNER", interrupt_before=["m"])
    graph = builder("sub", sub=inner).compile(name="G", checkpointer=InMemorySaver())
    config = thread(recording)
    run(graph, EMPTY, config, run_async)
    run(graph, None, config, run_async)

    assert "G!interrupted{sub!interrupted{INNER!interrupted{n}}} G{sub{INNER{m}}}" == recording.tree
    assert [("G", []), ("sub", [])] == [(name, data["interrupts"]) for name, data in marks(recording, INTERRUPT)]
    assert ["G", "sub", "INNER", "m"] == [name for name, _ in marks(recording, RESUME)]


def test_interrupt_in_a_subgraph(recording: Recording, run_async: bool) -> None:
    """An interrupt deep inside interrupts all around it; the mark is on the node that asks, and on the root."""
    inner = builder("ask", ask=asks()).compile(name="INNER")
    graph = builder("sub", sub=inner).compile(name="G", checkpointer=InMemorySaver())
    config = thread(recording)
    run(graph, EMPTY, config, run_async)

    assert "G!interrupted{sub!interrupted{INNER!interrupted{ask!interrupted}}}" == recording.tree
    assert ["G", "ask"] == [name for name, _ in marks(recording, INTERRUPT)]
    assert "subgraph" == metadata(recording.node("INNER"))["langgraph.kind"]

    recording.clear()
    run(graph, Command(resume="yes"), config, run_async)

    assert "G{sub{INNER{ask}}}" == recording.tree
    assert ["G", "sub", "INNER", "ask"] == [name for name, _ in marks(recording, RESUME)]
    assert "subgraph" == metadata(recording.node("INNER"))["langgraph.kind"]
    assert ["relay.link" in metadata(recording.node(name)) for name in ("G", "INNER")] == [True, False]


def test_several_interrupts(recording: Recording, run_async: bool) -> None:
    """Nodes that ask at the same time have a mark each; the root's has all questions. What was finished stays so."""
    graph: Any = StateGraph(State)
    for name in ("one", "two"):
        graph.add_node(name, asks(f"{name}?")).add_edge(START, name)
    graph.add_node("three", says("three")).add_edge(START, "three")
    compiled, config = graph.compile(name="G", checkpointer=InMemorySaver()), thread(recording)
    result = run(compiled, EMPTY, config, run_async)

    found = marks(recording, INTERRUPT)
    assert [["one?", "two?"], ["one?"], ["two?"]] == [
        sorted(asked["value"] for asked in data["interrupts"])
        for _, data in sorted(found, key=lambda it: (it[0], str(it)))
    ]
    assert ["G", "one", "two"] == sorted(name for name, _ in found)

    recording.clear()
    answers = {asked.id: "yes" for asked in result["__interrupt__"]}
    run(compiled, Command(resume=answers), config, run_async)

    assert {"one", "two"} == {node.name for node in recording.roots[0].children}
    assert ["G", "one", "two"] == sorted(name for name, _ in marks(recording, RESUME))


def test_interrupts_one_after_another(recording: Recording) -> None:
    """A node that asks twice is interrupted twice; the run in the middle is a resume and an interrupt."""

    def ask(state: Any) -> Any:
        return {"seen": [interrupt("first?"), interrupt("second?")]}

    graph = builder("ask", ask=ask).compile(name="G", checkpointer=InMemorySaver())
    config = thread(recording)
    for inputs in (EMPTY, Command(resume=1), Command(resume=2)):
        graph.invoke(inputs, config)

    assert "G!interrupted{ask!interrupted} G!interrupted{ask!interrupted} G{ask}" == recording.tree
    assert ["first?", "second?"] == [
        data["interrupts"][0]["value"] for name, data in marks(recording, INTERRUPT) if name == "ask"
    ]


def test_interrupt_in_a_tool(recording: Recording, run_async: bool) -> None:
    """A tool that asks is interrupted, and so are the tool node and the agent."""

    @tool
    def ask_human(question: str) -> str:
        """Ask."""
        return str(interrupt(question))

    agent = create_agent(
        model(calls("ask_human", question="really?"), "done"), [ask_human], name="agent", checkpointer=InMemorySaver()
    )
    config = thread(recording)
    run(agent, {"messages": [("user", "hi")]}, config, run_async)
    run(agent, Command(resume="yes"), config, run_async)

    assert (
        "agent!interrupted{model{Chat} tools!interrupted{ask_human!interrupted}} agent{tools{ask_human} model{Chat}}"
    ) == recording.tree
    assert ["agent", "tools"] == [name for name, _ in marks(recording, INTERRUPT)]
    recording.assert_complete()


def test_human_in_the_loop(recording: Recording) -> None:
    """LangChain's own approval step of an agent is an interrupt like any other."""

    @tool
    def pay(amount: int) -> str:
        """Pay."""
        return "paid"

    agent = create_agent(
        model(calls("pay", amount=1), "done"),
        [pay],
        name="agent",
        middleware=[HumanInTheLoopMiddleware(interrupt_on={"pay": True})],
        checkpointer=InMemorySaver(),
    )
    config = thread(recording)
    agent.invoke({"messages": [("user", "pay")]}, config)
    agent.invoke(Command(resume={"decisions": [{"type": "approve"}]}), config)

    node = "HumanInTheLoopMiddleware.after_model"
    assert {"ok", "interrupted"} == outcomes(recording)
    assert ["agent", node] == [name for name, _ in marks(recording, INTERRUPT)]
    assert ["agent", node] == [name for name, _ in marks(recording, RESUME)]
    assert 1 == len(recording.nodes("pay"))


def test_interrupt_in_the_functional_api(recording: Recording) -> None:
    """An entrypoint, and a task in it, may ask; tasks that had finished are not run again."""

    @task
    def work(x: int) -> int:
        return x

    @task
    def confirm(x: int) -> bool:
        return bool(interrupt(f"{x}?"))

    @entrypoint(checkpointer=InMemorySaver())
    def flow(x: int) -> bool:
        return confirm(work(x).result()).result()

    config = thread(recording)
    flow.invoke(1, config)
    flow.invoke(Command(resume=True), config)

    assert (
        "LangGraph!interrupted{flow!interrupted{work confirm!interrupted}} LangGraph{flow{confirm}}" == recording.tree
    )
    assert ["LangGraph", "confirm"] == [name for name, _ in marks(recording, INTERRUPT)]


def test_two_handlers(recording: Recording) -> None:
    """Two handlers, or one that is listed twice, record an interrupt and a resume once."""
    handler = recording.handler()
    config = {"callbacks": [handler, handler, recording.handler()], "configurable": {"thread_id": "t"}}
    graph = asking("ask")
    graph.invoke(EMPTY, config)
    graph.invoke(Command(resume=1), config)

    assert (2, 2) == (len(marks(recording, INTERRUPT)), len(marks(recording, RESUME)))
    assert "G!interrupted{ask!interrupted} G{ask}" == recording.tree


def test_replay(recording: Recording) -> None:
    """A replay from an earlier checkpoint is a root of its own that says from which one."""
    graph = builder("a", "b").compile(name="G", checkpointer=InMemorySaver())
    graph.invoke(EMPTY, {"configurable": {"thread_id": "t1"}})
    (before,) = [it for it in graph.get_state_history({"configurable": {"thread_id": "t1"}}) if it.next == ("b",)]
    checkpoint = before.config["configurable"]
    graph.invoke(None, {**recording.config, "configurable": checkpoint})

    assert "G{b}" == recording.tree
    assert checkpoint["checkpoint_id"] == metadata(recording.roots[0])["langgraph.checkpoint_id"]
    assert ["G", "b"] == [name for name, _ in marks(recording, RESUME)]


def test_state_updates(recording: Recording) -> None:
    """Reading and updating a state from outside runs no callback: nothing is recorded."""
    graph = builder("a").compile(checkpointer=InMemorySaver())
    config = thread(recording)
    graph.update_state(config, {"seen": ["x"]}, as_node="a")
    graph.get_state(config)

    assert "" == recording.tree


def test_sqlite(recording: Recording, tmp_path: Any) -> None:
    """A checkpointer that writes to a file makes no difference."""
    with SqliteSaver.from_conn_string(str(tmp_path / "state.db")) as saver:
        graph = builder("a", "ask", ask=asks()).compile(name="G", checkpointer=saver)
        config = thread(recording)
        graph.invoke(EMPTY, config)
        graph.invoke(Command(resume="yes"), config)

    assert "G!interrupted{a ask!interrupted} G{ask}" == recording.tree
    assert 1 == len({data["checkpoint_id"] for mark in (INTERRUPT, RESUME) for _, data in marks(recording, mark)})


@pytest.mark.anyio
async def test_async_sqlite(recording: Recording, tmp_path: Any) -> None:
    """Nor does an async one."""
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "state.db")) as saver:
        graph = builder("a", "ask", ask=asks()).compile(name="G", checkpointer=saver)
        config = thread(recording)
        await graph.ainvoke(EMPTY, config)
        await graph.ainvoke(Command(resume="yes"), config)

    assert "G!interrupted{a ask!interrupted} G{ask}" == recording.tree
    assert 1 == len({data["checkpoint_id"] for mark in (INTERRUPT, RESUME) for _, data in marks(recording, mark)})


@pytest.mark.anyio
async def test_many_at_once(recording: Recording) -> None:
    """Fifty threads of one graph that ask at the same time, and are answered at the same time, are not mixed up."""
    graph = builder("ask", ask=asks()).compile(name="G", checkpointer=InMemorySaver())
    handler = recording.handler()
    configs: list[Any] = [{"callbacks": [handler], "configurable": {"thread_id": f"t{i}"}} for i in range(50)]
    await asyncio.gather(*(graph.ainvoke(EMPTY, config) for config in configs))
    await asyncio.gather(*(graph.ainvoke(Command(resume="yes"), config) for config in configs))

    asked, answered = recording.roots[:50], recording.roots[50:]
    assert {"interrupted"} == {metadata(root)["relay.outcome"] for root in asked}
    assert {root.start.uuid for root in asked} == {metadata(root)["relay.link"]["uuid"] for root in answered}
    for root in answered:
        (other,) = [it for it in asked if it.start.uuid == metadata(root)["relay.link"]["uuid"]]
        assert metadata(other)["langgraph.thread_id"] == metadata(root)["langgraph.thread_id"]
    recording.assert_complete()


# --- Derived ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def instrumented(recording: Recording) -> Iterator[Recording]:
    """Recording all runs of the process, without a handler in any config."""
    recording.relay.ensure_ready()
    recording.relay.registry.instrument()
    yield recording
    recording.relay.registry.uninstrument()


T1: Any = {"configurable": {"thread_id": "t1"}}


def test_instrumented(instrumented: Recording, run_async: bool) -> None:
    """Without a handler in the config LangGraph tells nobody: interrupt and resume are derived, without checkpoint."""
    graph = asking()
    run(graph, EMPTY, T1, run_async)
    run(graph, Command(resume="yes"), T1, run_async)

    assert "G!interrupted{a ask!interrupted} G{ask z}" == instrumented.tree
    interrupts, resumes = marks(instrumented, INTERRUPT), marks(instrumented, RESUME)
    assert ["G", "ask"] == [name for name, _ in interrupts] == [name for name, _ in resumes]
    assert {None} == {data["checkpoint_id"] for _, data in (*interrupts, *resumes)}
    assert ["sure?", "sure?"] == [data["interrupts"][0]["value"] for _, data in interrupts]
    instrumented.assert_complete()


def test_instrumented_breakpoints(instrumented: Recording) -> None:
    """Static breakpoints are invisible there."""
    graph = builder("a", "b").compile(name="G", checkpointer=InMemorySaver(), interrupt_before=["b"])
    graph.invoke(EMPTY, T1)
    graph.invoke(None, T1)

    assert "G{a} G{b}" == instrumented.tree
    assert [] == marks(instrumented, INTERRUPT) == marks(instrumented, RESUME)


def test_instrumented_subgraph(instrumented: Recording) -> None:
    """Deep interrupts are derived like others; of a subgraph's resume LangGraph tells."""
    inner = builder("ask", ask=asks()).compile(name="INNER")
    graph = builder("sub", sub=inner).compile(name="G", checkpointer=InMemorySaver())
    graph.invoke(EMPTY, T1)
    graph.invoke(Command(resume="yes"), T1)

    assert ["G", "ask"] == [name for name, _ in marks(instrumented, INTERRUPT)]
    assert ["G", "sub", "INNER", "ask"] == [name for name, _ in marks(instrumented, RESUME)]


def test_instrumented_with_handler(instrumented: Recording) -> None:
    """A handler in the config brings all details back, and records nothing twice."""
    graph, config = asking("ask"), thread(instrumented)
    graph.invoke(EMPTY, config)
    graph.invoke(Command(resume="yes"), config)

    assert "G!interrupted{ask!interrupted} G{ask}" == instrumented.tree
    found = [*marks(instrumented, INTERRUPT), *marks(instrumented, RESUME)]
    assert (4, 1) == (len(found), len({data["checkpoint_id"] for _, data in found}))
    assert found[0][1]["checkpoint_id"]


def test_consumer_stops_at_the_interrupt(recording: Recording) -> None:
    """A graph whose consumer leaves the stream at the interrupt is interrupted, although LangGraph tells nobody."""
    for chunk in asking().stream(EMPTY, thread(recording), stream_mode="updates"):
        if "__interrupt__" in chunk:
            break
    del chunk

    assert "G!interrupted{a ask!interrupted}" == recording.tree
    assert ["G", "ask"] == [name for name, _ in marks(recording, INTERRUPT)]
    recording.assert_complete()


def test_interrupt_beside_an_error(recording: Recording) -> None:
    """Where another node fails the graph fails; the node that asked says so all the same."""

    def boom(state: Any) -> Any:
        raise ValueError("no")

    graph: Any = StateGraph(State)
    graph.add_node("ask", asks()).add_node("bad", boom).add_edge(START, "ask").add_edge(START, "bad")
    with pytest.raises(ValueError, match="no"):
        graph.compile(name="G", checkpointer=InMemorySaver()).invoke(EMPTY, thread(recording))

    assert {"G": "error", "ask": "interrupted", "bad": "error"} == {
        node.name: str(node.end and node.end.outcome) for node in recording.roots[0].walk()
    }
    assert ["ask"] == [name for name, _ in marks(recording, INTERRUPT)]


def test_graph_with_a_thread_of_its_own(recording: Recording) -> None:
    """A graph that a node runs in another thread is interrupted alone; the graph around it goes on."""
    inner = builder("ask", ask=asks()).compile(name="INNER", checkpointer=InMemorySaver())

    def calls_it(state: Any) -> Any:
        inner.invoke(EMPTY, {"configurable": {"thread_id": "other"}})
        return EMPTY

    builder("body", body=calls_it).compile(name="G", checkpointer=InMemorySaver()).invoke(EMPTY, thread(recording))

    assert "G{body{INNER!interrupted{ask!interrupted}}}" == recording.tree
    assert ["INNER", "ask"] == [name for name, _ in marks(recording, INTERRUPT)]
