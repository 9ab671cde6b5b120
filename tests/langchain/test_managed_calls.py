"""`managed`: one chat model or one tool under control, wherever it is used, controlled once and recorded once."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain.tools import InjectedState, ToolRuntime
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import StructuredTool, tool
from pydantic import BaseModel, Field
from tests.langchain.support import Chat, Recording, StreamingChat

from relay_core.codecs import LLMRequest
from relay_core.control import LlmExecutionContext
from relay_core.errors import AsyncMiddlewareError, GuardrailRejected
from relay_core.vocabulary import Outcome
from relay_langchain import managed
from relay_langchain.managed_calls import is_managed

Ask = Callable[..., Any]


@pytest.fixture(params=["handler", "alone"])
def config(request: pytest.FixtureRequest, recording: Recording) -> dict[str, Any]:
    """Run every test with and without a callback handler in the user's code."""
    return recording.config if request.param == "handler" else {}


@pytest.fixture(params=["invoke", "ainvoke", "stream", "astream", "batch", "abatch"])
def ask(request: pytest.FixtureRequest, config: dict[str, Any]) -> Ask:
    """Call a model or a chain in each of the ways there are, and return the text of what it answers."""

    async def collected(model: Any, given: Any) -> str:
        return "".join([chunk.content async for chunk in model.astream(given, config)])

    def ask(model: Any, given: Any = "hi") -> str:
        match request.param:
            case "invoke":
                return str(model.invoke(given, config).content)
            case "ainvoke":
                return str(asyncio.run(model.ainvoke(given, config)).content)
            case "stream":
                return "".join(chunk.content for chunk in model.stream(given, config))
            case "astream":
                return asyncio.run(collected(model, given))
            case "batch":
                return str(model.batch([given], config)[0].content)
            case _:
                return str(asyncio.run(model.abatch([given], config))[0].content)

    return ask


class Watching(Chat):
    """A model that notes what it is asked."""

    seen: list[Any] = Field(default_factory=list)

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        self.seen.append(([message.content for message in messages], stop, kwargs))
        return super()._generate(messages, stop, run_manager, **kwargs)

    async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        return self._generate(messages, stop, None, **kwargs)


def counted(recording: Recording) -> list[str]:
    """Register guardrails that let everything pass, and return the list that they note their questions in."""
    asked: list[str] = []
    guardrails = recording.relay.guardrails
    guardrails.register_llm_conditional_execution("llm", 1, lambda request: asked.append("llm"))
    guardrails.register_tool_conditional_execution("tool", 1, lambda name, args: asked.append(name))
    return asked


def outcomes(recording: Recording, category: str) -> list[Any]:
    """Return the outcomes of all scopes of one category."""
    nodes = [node for root in recording.roots for node in root.walk() if node.start.category == category]
    return [node.end.outcome if node.end else None for node in nodes]


# Models ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Chat, StreamingChat])
def test_model_is_controlled_once_and_recorded_once(recording: Recording, ask: Ask, kind: type[Chat]) -> None:
    """Whatever way a model is called, guardrails are asked once and there is one scope."""
    asked = counted(recording)
    model = managed(kind(), runtime=recording.relay)

    assert "one two three" == ask(model)
    assert ["llm"] == asked
    assert [Outcome.OK] == outcomes(recording, "llm")
    recording.assert_complete()


def test_request_of_a_model_is_rewritten(recording: Recording, ask: Ask) -> None:
    """Intercepts change messages and options of a single model, whatever way it is called."""

    def edit(name: str, request: LLMRequest, view: Any) -> LLMRequest:
        view.messages[0]["content"] = "hello"
        view.params = {"temperature": 0.5, "stop": ["END"]}
        return request

    recording.relay.intercepts.register_llm_request("edit", 1, edit)
    model = Watching()
    ask(managed(model, runtime=recording.relay))

    assert [(["hello"], ["END"], {"temperature": 0.5})] == model.seen


def test_model_is_refused(recording: Recording, ask: Ask) -> None:
    """A refused model call raises, whatever way it is made, and leaves no LLM scope."""
    recording.relay.guardrails.register_llm_conditional_execution("guard", 1, lambda request: "no")

    with pytest.raises(GuardrailRejected, match="guardrail rejected: no"):
        ask(managed(Chat(), runtime=recording.relay))

    assert [] == outcomes(recording, "llm")


def test_model_in_a_chain(recording: Recording, ask: Ask) -> None:
    """A managed model works inside of a chain."""
    asked = counted(recording)
    chain = ChatPromptTemplate.from_messages(["{x}"]) | managed(Chat(), runtime=recording.relay)

    assert "one two three" == ask(chain, {"x": "hi"})
    assert ["llm"] == asked
    assert [Outcome.OK] == outcomes(recording, "llm")


def test_it_is_still_the_same_model(recording: Recording) -> None:
    """The result is of the same class, shares the target's state, and the target itself is not touched."""
    target = Chat(answers=["a", "b"])
    model = managed(target, runtime=recording.relay)

    assert isinstance(model, Chat)
    assert "Chat" == type(model).__name__
    assert is_managed(model, recording.relay)
    assert not is_managed(target, recording.relay)
    assert "a" == target.invoke("hi").content
    assert [] == recording.events
    changed = model.model_copy(update={"answers": ["changed"]})
    assert "changed" == changed.invoke("hi").content
    assert [Outcome.OK] == outcomes(recording, "llm")


def test_bound_tools_and_structured_output(recording: Recording, config: dict[str, Any]) -> None:
    """What LangChain builds around a managed model is controlled, too."""
    asked = counted(recording)

    class Answer(BaseModel):
        """The answer."""

        x: int

    call = AIMessage("", tool_calls=[{"name": "Answer", "args": {"x": 3}, "id": "c1"}])
    model = managed(Chat(answers=[call]), runtime=recording.relay)

    assert Answer(x=3) == model.with_structured_output(Answer, method="function_calling").invoke("hi", config)
    assert ["llm"] == asked
    assert [Outcome.OK] == outcomes(recording, "llm")


def test_manage_twice(recording: Recording) -> None:
    """Managing what is managed already controls it once."""
    asked = counted(recording)
    managed(managed(Chat(), runtime=recording.relay), runtime=recording.relay).invoke("hi")

    assert ["llm"] == asked


def test_stream_that_is_left(recording: Recording, config: dict[str, Any]) -> None:
    """A consumer that stops early closes the model's stream."""
    chunks = managed(StreamingChat(), runtime=recording.relay).stream("hi", config)
    assert "one " == next(chunks).content
    chunks.close()

    assert [Outcome.ABANDONED] == outcomes(recording, "llm")
    recording.assert_complete()


def test_stream_intercept(recording: Recording, config: dict[str, Any]) -> None:
    """A stream intercept changes chunks on their way to the consumer."""

    def loud(context: LlmExecutionContext, following: Any) -> Iterator[Any]:
        for chunk in following(context.request):
            yield chunk.model_copy(update={"content": chunk.content.upper()})

    recording.relay.intercepts.register_llm_stream_execution("loud", 1, loud)
    model = managed(StreamingChat(), runtime=recording.relay)

    assert ["ONE ", "TWO ", "THREE"] == [chunk.content for chunk in model.stream("hi", config) if chunk.content]


def test_nested_calls_of_other_models_are_controlled(recording: Recording) -> None:
    """A managed model that is called while another one answers is controlled, too."""
    asked = counted(recording)
    inner = managed(Chat(), runtime=recording.relay)
    managed(Chat(body=lambda: inner.invoke("inner")), runtime=recording.relay).invoke("outer")

    assert ["llm", "llm"] == asked


@pytest.mark.parametrize("on_loop", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("chunks", "recorded"),
    [
        ([AIMessageChunk("from "), AIMessageChunk("cache")], {"role": "assistant", "content": "from cache"}),
        ([AIMessageChunk("whole")], {"role": "assistant", "content": "whole"}),
        (["from ", "cache"], "from cache"),
        ([1, 2], [1, 2]),
        ([], None),
    ],
)
def test_stream_from_an_intercept(
    recording: Recording, config: dict[str, Any], on_loop: bool, chunks: list[Any], recorded: Any
) -> None:
    """A stream that an intercept makes itself is recorded with the text that its chunks add up to."""

    async def cached_async(context: Any, following: Any) -> Any:
        for chunk in chunks:
            yield chunk

    async def collected(model: Any) -> list[Any]:
        return [chunk async for chunk in model.astream("hi", config)]

    intercept: Any = cached_async if on_loop else lambda context, following: iter(chunks)
    recording.relay.intercepts.register_llm_stream_execution("cache", 1, intercept)
    model: Any = managed(StreamingChat(words=[KeyError("asked")]), runtime=recording.relay)
    given = asyncio.run(collected(model)) if on_loop else list(model.stream("hi", config))

    (root,) = recording.roots
    assert root.end is not None
    assert (chunks, recorded) == (given, root.end.data)


# Tools ----------------------------------------------------------------------------------------------------------------


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def _sub(a: int, b: int) -> int:
    return a - b


sub = StructuredTool.from_function(coroutine=_sub, name="sub", description="Subtract.")

CALL = {"type": "tool_call", "name": "add", "args": {"a": 1, "b": 2}, "id": "c1"}


@pytest.fixture(params=["invoke", "ainvoke"])
def use(request: pytest.FixtureRequest, config: dict[str, Any]) -> Ask:
    """Call a tool in both ways there are."""

    def use(target: Any, given: Any) -> Any:
        if request.param == "invoke":
            return target.invoke(given, config)
        return asyncio.run(target.ainvoke(given, config))

    return use


def test_tool_is_controlled_once_and_recorded_once(recording: Recording, use: Ask) -> None:
    """Whatever way a tool is called, guardrails are asked once, its arguments are rewritten and there is one scope."""
    asked = counted(recording)
    recording.relay.intercepts.register_tool_request("more", 1, lambda name, args: {**args, "b": 40})
    controlled = managed(add, runtime=recording.relay)

    assert 41 == use(controlled, {"a": 1, "b": 2})
    assert ToolMessage("41", name="add", tool_call_id="c1") == use(controlled, CALL)
    assert ["add", "add"] == asked
    assert [Outcome.OK, Outcome.OK] == outcomes(recording, "tool")
    recording.assert_complete()


def test_async_tool(recording: Recording) -> None:
    """A tool that only has a coroutine is controlled, too."""
    asked = counted(recording)

    assert -1 == asyncio.run(managed(sub, runtime=recording.relay).ainvoke({"a": 1, "b": 2}))
    assert ["sub"] == asked


def test_async_guardrail_for_a_sync_tool(recording: Recording) -> None:
    """On the loop async guardrails apply to sync tools, which LangChain runs in a thread; without one they cannot."""

    async def guard(name: str, args: Any) -> str:
        return "no"

    recording.relay.guardrails.register_tool_conditional_execution("later", 1, guard)
    controlled = managed(add, runtime=recording.relay)

    with pytest.raises(GuardrailRejected):
        asyncio.run(controlled.ainvoke({"a": 1, "b": 2}))
    with pytest.raises(AsyncMiddlewareError):
        controlled.invoke({"a": 1, "b": 2})


def test_tool_is_refused(recording: Recording, use: Ask) -> None:
    """A refused call raises, but one that a model asked for is answered with a message, unless that is not wanted."""
    recording.relay.guardrails.register_tool_conditional_execution("guard", 1, lambda name, args: "no")
    controlled = managed(add, runtime=recording.relay)

    with pytest.raises(GuardrailRejected):
        use(controlled, {"a": 1, "b": 2})
    message = use(controlled, CALL)
    assert ("error", "The call of the tool 'add' was refused: no") == (message.status, message.content)
    with pytest.raises(GuardrailRejected):
        use(managed(add, runtime=recording.relay, on_refusal="raise"), CALL)
    assert [] == outcomes(recording, "tool")


def test_injected_arguments_are_not_shown(recording: Recording, config: dict[str, Any]) -> None:
    """In an agent guardrails and intercepts see what the model passed; the tool gets the injected state as it is."""
    seen: list[Any] = []

    @tool
    def look(runtime: ToolRuntime, x: int, state: Annotated[Any, InjectedState]) -> str:
        """Look at the state."""
        return f"{x} {state['messages'][0].content} {runtime.tool_call_id}"

    def rewrite(name: str, args: Any) -> Any:
        seen.append(args)
        return {"x": 5}

    recording.relay.intercepts.register_tool_request("rewrite", 1, rewrite)
    ask = AIMessage("", tool_calls=[{"name": "look", "args": {"x": 1}, "id": "c1"}])
    agent: Any = create_agent(Chat(answers=[ask, "ok"]), [managed(look, runtime=recording.relay)])
    messages = agent.invoke({"messages": [HumanMessage("hi")]}, config)["messages"]

    assert "5 hi c1" == messages[2].content
    assert [{"x": 1}] == seen


def test_json_schema(recording: Recording, use: Ask) -> None:
    """A tool whose arguments are described by a JSON schema is controlled, too."""
    asked = counted(recording)
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    described = StructuredTool(name="d", description="d", args_schema=schema, func=lambda x: x * 2)

    assert 6 == use(managed(described, runtime=recording.relay), {"x": 3})
    assert ["d"] == asked


def test_text_input(recording: Recording, use: Ask) -> None:
    """A tool with one argument may be given it as text."""

    @tool
    def shout(text: str) -> str:
        """Shout."""
        return text.upper()

    assert "HI" == use(managed(shout, runtime=recording.relay), "hi")


@pytest.mark.parametrize("target", [print, "tool", BaseChatModel])
def test_anything_else_is_refused(target: Any) -> None:
    """Only chat models and tools can be managed."""
    with pytest.raises(TypeError, match="chat model or a tool"):
        managed(target)


def test_wrong_setting() -> None:
    """What becomes of a refusal is one of two words."""
    wrong: Any = "ignore"

    with pytest.raises(ValueError, match="on_refusal"):
        managed(add, on_refusal=wrong)
