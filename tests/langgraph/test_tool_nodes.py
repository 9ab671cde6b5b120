"""`tool_node`: a bare `ToolNode` under control."""

import asyncio
from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedState
from langgraph.types import Command, interrupt
from tests.langchain.support import Recording

from relay_core.errors import GuardrailRejected
from relay_core.vocabulary import Outcome
from relay_langgraph import tool_node


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def asks(*calls: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a state whose last message asks for tools."""
    wanted = [{"name": name, "args": args, "id": f"c{index}"} for index, (name, args) in enumerate(calls)]
    return {"messages": [AIMessage("", tool_calls=wanted)]}


def graph(recording: Recording, *tools: Any, **options: Any) -> Any:
    """Return a graph that is one tool node."""
    saver = options.pop("checkpointer", None)
    builder = StateGraph(MessagesState)
    builder.add_node("tools", tool_node(tools, runtime=recording.relay, **options))
    builder.add_edge(START, "tools")
    return builder.compile(checkpointer=saver)


@pytest.fixture(params=["handler", "alone"])
def config(request: pytest.FixtureRequest, recording: Recording) -> dict[str, Any]:
    """Run every test with and without a callback handler in the user's code."""
    return recording.config if request.param == "handler" else {}


def run(compiled: Any, state: Any, config: Any, on_loop: bool) -> list[Any]:
    """Run the graph, and return the messages."""
    result = asyncio.run(compiled.ainvoke(state, config)) if on_loop else compiled.invoke(state, config)
    return list(result["messages"])


def tools_of(recording: Recording) -> list[Any]:
    """Return the tool scopes."""
    return [node for root in recording.roots for node in root.walk() if node.start.category == "tool"]


def test_calls_are_controlled(recording: Recording, config: dict[str, Any], run_async: bool) -> None:
    """Arguments are rewritten, refusals explained, and each call that is made is one scope."""
    recording.relay.intercepts.register_tool_request("more", 1, lambda name, args: {**args, "b": 40})
    recording.relay.guardrails.register_tool_conditional_execution(
        "guard", 1, lambda name, args: "no sevens" if args["a"] == 7 else None
    )

    state = asks(("add", {"a": 2, "b": 0}), ("add", {"a": 7, "b": 0}))
    messages = run(graph(recording, add), state, config, run_async)

    assert ["42", "The call of the tool 'add' was refused: no sevens"] == [it.content for it in messages[1:]]
    (call,) = tools_of(recording)
    assert ({"a": 2, "b": 40}, "c0") == (call.start.data, call.start.category_profile["tool_call_id"])
    recording.assert_complete()


def test_refusal_may_raise(recording: Recording, config: dict[str, Any], run_async: bool) -> None:
    """With `on_refusal="raise"` and without the node's own error handling the application gets the exception."""
    recording.relay.guardrails.register_tool_conditional_execution("guard", 1, lambda name, args: "no")
    compiled = graph(recording, add, on_refusal="raise", handle_tool_errors=False)

    with pytest.raises(GuardrailRejected):
        run(compiled, asks(("add", {"a": 1, "b": 2})), config, run_async)


def test_state_and_commands_pass_through(recording: Recording, config: dict[str, Any], run_async: bool) -> None:
    """Injected state reaches the tool and is not recorded; a command is a command."""

    @tool
    def look(state: Annotated[Any, InjectedState], call_id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        """Look at the state."""
        return Command(update={"messages": [ToolMessage(f"{len(state['messages'])} messages", tool_call_id=call_id)]})

    messages = run(graph(recording, look), asks(("look", {})), config, run_async)

    assert "1 messages" == messages[-1].content
    assert [{}] == [node.start.data for node in tools_of(recording)]


def test_interrupt_in_a_tool(recording: Recording, config: dict[str, Any], run_async: bool) -> None:
    """An interrupt in a controlled tool stops the graph, counts as interrupted, and can be answered."""

    @tool
    def ask() -> str:
        """Ask a human."""
        return f"human said {interrupt('May I?')}"

    compiled = graph(recording, ask, checkpointer=InMemorySaver())
    config = {**config, "configurable": {"thread_id": "t"}}
    run(compiled, asks(("ask", {})), config, run_async)
    messages = run(compiled, Command(resume="yes"), config, run_async)

    assert "human said yes" == messages[-1].content
    assert [Outcome.INTERRUPTED, Outcome.OK] == [node.end.outcome for node in tools_of(recording)]
    recording.assert_complete()
