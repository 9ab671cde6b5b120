"""Agent work with fake models, each a callable that does it once: what a user's application does between requests."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

__all__ = ["WORKLOADS", "Work", "Workload"]

Work = Callable[[list[Any]], object]
"""Does the work once, with these callback handlers."""


class _Scripted(BaseChatModel):
    """Answers from the conversation alone: asks for a tool until there are five results, then is done."""

    tool_calls: int = 0

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> "_Scripted":
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        done = sum(isinstance(message, ToolMessage) for message in messages)
        usage: Any = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
        if done >= self.tool_calls:
            answer = AIMessage("It is done.", usage_metadata=usage)
        else:
            call: Any = {"name": ("add", "echo")[done % 2], "args": {"a": done, "b": 1}, "id": f"call-{done}"}
            answer = AIMessage("", tool_calls=[call], usage_metadata=usage)
        return ChatResult(generations=[ChatGeneration(message=answer)])


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def echo(a: int, b: int) -> str:
    """Say it again."""
    return f"{a} {b}"


class _State(TypedDict):
    messages: Annotated[list[BaseMessage], add_messages]
    step: int


def _chain() -> Any:
    prompt = ChatPromptTemplate.from_messages([("system", "You are {role}."), ("user", "{question}")])
    return prompt | _Scripted() | StrOutputParser()


_QUESTION = {"role": "a helper", "question": "What is the answer?"}


def lcel() -> Work:
    """LCEL: prompt, model, parser."""
    chain = _chain()
    return lambda callbacks: chain.invoke(_QUESTION, config={"callbacks": callbacks})


def graph() -> Work:
    """Ten nodes in a row over a state of twenty messages."""
    builder = StateGraph(_State)
    previous = START
    for number in range(10):
        name = f"node-{number}"
        builder.add_node(name, lambda state: {"step": state["step"] + 1})  # type: ignore[arg-type]
        builder.add_edge(previous, name)
        previous = name
    builder.add_edge(previous, END)
    compiled = builder.compile()
    messages = _history(10)
    return lambda callbacks: compiled.invoke({"messages": messages, "step": 0}, config={"callbacks": callbacks})


def agent() -> Work:
    """An agent loop of six turns with two tools."""
    loop = create_agent(_Scripted(tool_calls=5), [add, echo])
    return lambda callbacks: loop.invoke({"messages": [HumanMessage("Go.")]}, config={"callbacks": callbacks})


def concurrent() -> Work:
    """The LCEL chain, 100 times at once, awaited."""
    chain = _chain()

    async def gather(callbacks: list[Any]) -> None:
        await asyncio.gather(*(chain.ainvoke(_QUESTION, config={"callbacks": callbacks}) for _ in range(100)))

    return lambda callbacks: asyncio.run(gather(callbacks))


def stream() -> Work:
    """A stream of 200 chunks through a model and a parser."""

    def answers() -> Iterator[AIMessage]:
        while True:
            yield AIMessage(" ".join(["word"] * 100))

    chain = GenericFakeChatModel(messages=answers()) | StrOutputParser()
    return lambda callbacks: sum(1 for _ in chain.stream("Go.", config={"callbacks": callbacks}))


def conversation() -> Work:
    """A conversation that grows from nothing to 400 messages over 200 turns: prompt with the history, model, parser."""
    prompt = ChatPromptTemplate.from_messages([("system", "You are a helper."), ("placeholder", "{history}")])
    chain = prompt | _Scripted() | StrOutputParser()
    history = _history(200)

    def converse(callbacks: list[Any]) -> None:
        for turn in range(200):
            chain.invoke({"history": history[: 2 * turn + 2]}, config={"callbacks": callbacks})

    return converse


def _history(turns: int) -> list[BaseMessage]:
    history: list[BaseMessage] = []
    for turn in range(turns):
        history.append(HumanMessage(f"Question {turn}: " + "why is the sky blue? " * 8, id=f"h{turn}"))
        history.append(AIMessage(f"Answer {turn}: " + "because of scattering. " * 8, id=f"a{turn}"))
    return history


@dataclass(frozen=True)
class Workload:
    """One kind of work, and what is allowed for it."""

    name: str
    make: Callable[[], Work]
    """Makes what does the work once."""
    operations: int
    """How often it is done in one round."""
    units: int = 1
    """How many requests, turns or streams one time is."""
    allowed_us: float | None = None
    """What Relay may add to one unit, in microseconds of CPU; None where nothing is promised."""


WORKLOADS: tuple[Workload, ...] = (
    Workload("LCEL prompt | model | parser", lcel, 40, allowed_us=350),
    Workload("graph of 10 nodes, 20 messages", graph, 10, allowed_us=900),
    Workload("agent, 6 turns, 2 tools", agent, 4, allowed_us=2500),
    Workload("100 concurrent ainvoke, per call", concurrent, 1, units=100),
    Workload("stream of 200 chunks", stream, 4),
    Workload("conversation growing to 400 messages, per turn", conversation, 1, units=200, allowed_us=1500),
)
