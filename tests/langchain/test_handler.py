"""What the handler makes of LangChain's hooks: trees, payloads, metadata, marks."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Annotated, Any
from uuid import uuid4

import pytest
from langchain_core.agents import AgentAction, AgentFinish
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager, adispatch_custom_event, dispatch_custom_event
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import (
    Runnable,
    RunnableBranch,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langchain_core.tools import InjectedToolArg, ToolException, tool
from tests.langchain.support import Chat, Completion, Finder, Recording, StreamingChat

from relay_core.events import ScopeEvent
from relay_langchain import RelayCallbackHandler

USAGE = {
    "input_tokens": 10,
    "output_tokens": 5,
    "total_tokens": 15,
    "input_token_details": {"cache_read": 3},
    "output_token_details": {"reasoning": 2},
}
LCEL = "RunnableSequence{pre ChatPromptTemplate StreamingChat StrOutputParser}"


def lcel(**model: Any) -> Runnable[Any, str]:
    """Return a function, a prompt, a streaming model and a parser in sequence."""
    pre: RunnableLambda[Any, Any] = RunnableLambda(lambda x: x, name="pre")
    return pre | ChatPromptTemplate.from_messages([("human", "{q}")]) | StreamingChat(**model) | StrOutputParser()


def echo(name: str) -> RunnableLambda[Any, Any]:
    """Return a function that returns what it is given."""
    return RunnableLambda(lambda x: x, name=name)


def fail(x: Any) -> Any:
    """Raise a ValueError."""
    raise ValueError(x)


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


# --- Sequences -------------------------------------------------------------------------------------------------------


def test_invoke(recording: Recording) -> None:
    """A sequence is a scope with one child per step."""
    assert "one two three" == lcel().invoke({"q": "hi"}, recording.config)

    assert LCEL == recording.tree
    recording.assert_complete()


def test_stream(recording: Recording) -> None:
    """A streamed sequence makes the same tree, although its steps overlap."""
    assert "one two three" == "".join(lcel().stream({"q": "hi"}, recording.config))

    assert LCEL == recording.tree
    recording.assert_complete()


def test_batch(recording: Recording) -> None:
    """A batch of three is three roots, never a staircase."""
    lcel().batch([{"q": "a"}, {"q": "b"}, {"q": "c"}], recording.config)

    assert " ".join([LCEL] * 3) == recording.tree
    recording.assert_complete()


def test_batch_inside_of_a_run(recording: Recording) -> None:
    """A batch in a function's body is as many children of it."""
    RunnableLambda(lambda _: echo("e").batch([1, 2, 3]), name="outer").invoke(0, recording.config)

    assert "outer{e e e}" == recording.tree


def test_sequential_roots_stay_apart(recording: Recording) -> None:
    """Runs one after the other in one thread are roots of their own."""
    for _ in range(3):
        lcel().invoke({"q": "hi"}, recording.config)

    assert " ".join([LCEL] * 3) == recording.tree


@pytest.mark.anyio
async def test_ainvoke(recording: Recording) -> None:
    """An async run makes the same tree; roots in one task stay apart."""
    for _ in range(2):
        await lcel().ainvoke({"q": "hi"}, recording.config)

    assert f"{LCEL} {LCEL}" == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
async def test_astream(recording: Recording) -> None:
    """An async stream makes the same tree."""
    assert "one two three" == "".join([chunk async for chunk in lcel().astream({"q": "hi"}, recording.config)])

    assert LCEL == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
async def test_abatch(recording: Recording) -> None:
    """An async batch is as many roots."""
    await lcel().abatch([{"q": "a"}, {"q": "b"}], recording.config)

    assert f"{LCEL} {LCEL}" == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
async def test_astream_events(recording: Recording) -> None:
    """`astream_events` makes the same tree as `invoke`."""
    async for _ in lcel().astream_events({"q": "hi"}, recording.config, version="v2"):
        pass

    assert LCEL == recording.tree
    recording.assert_complete()


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore:astream_log")
async def test_astream_log(recording: Recording) -> None:
    """`astream_log` makes the same tree as `invoke`."""
    async for _ in lcel().astream_log({"q": "hi"}, recording.config):
        pass

    assert LCEL == recording.tree


# --- Composition -----------------------------------------------------------------------------------------------------


def test_parallel(recording: Recording) -> None:
    """Branches that run at the same time are siblings, invoked or streamed."""
    parallel = RunnableParallel(a=echo("a"), b=echo("b"))

    parallel.invoke(1, recording.config)
    list(parallel.stream(1, recording.config))

    first, second = recording.roots
    for root in (first, second):
        assert {"a", "b"} == {child.name for child in root.children}
    recording.assert_complete()


def test_branch(recording: Recording) -> None:
    """Conditions and the branch that is taken are children of the branching run."""
    branch = RunnableBranch(
        (echo("cond1"), echo("br1")), (RunnableLambda(lambda _: True, name="cond2"), echo("br2")), echo("else")
    )

    branch.invoke(0, recording.config)

    assert "RunnableBranch{cond1 cond2 br2}" == recording.tree


def test_assign_and_map(recording: Recording) -> None:
    """`assign` and `map` nest as LangChain builds them."""
    RunnablePassthrough.assign(y=echo("y")).invoke({"x": 1}, recording.config)
    echo("each").map().invoke([1, 2], recording.config)

    assign, each = recording.roots
    assert "RunnableAssign<y>{RunnableParallel<y>{y}}" == str(assign)
    assert ["each", "each"] == [child.name for child in each.children]


def test_retry(recording: Recording) -> None:
    """Each attempt is a child of its own, and each repeated one leaves a mark with its number and the error before."""
    failures = [ValueError("1"), OSError("2")]

    def flaky(x: int) -> int:
        if failures:
            raise failures.pop(0)
        return x

    RunnableLambda(flaky, name="flaky").with_retry(wait_exponential_jitter=False).invoke(1, recording.config)

    (root,) = recording.roots
    assert "flaky{flaky!error flaky!error flaky}" == str(root)
    assert [
        ("Retry", {"attempt": 2, "error_type": "ValueError"}),
        ("Retry", {"attempt": 3, "error_type": "OSError"}),
    ] == [(mark.name, mark.data) for mark in root.marks]
    recording.assert_complete()


def test_a_function_that_returns_or_calls_a_runnable(recording: Recording) -> None:
    """What a function returns or calls, without passing a config on, is its child."""
    RunnableLambda(lambda _: echo("inner"), name="outer").invoke(0, recording.config)
    RunnableLambda(lambda x: echo("inner").invoke(x), name="outer").invoke(0, recording.config)

    assert "outer{inner} outer{inner}" == recording.tree


def test_generator(recording: Recording) -> None:
    """A generator function is one run."""

    def numbers(_: Any) -> Any:
        yield from "abc"

    assert "abc" == "".join(RunnableGenerator(numbers, name="gen").stream(0, recording.config))

    assert "gen" == recording.tree


# --- What is recorded of chains --------------------------------------------------------------------------------------


def test_payload_and_metadata_of_a_chain(recording: Recording) -> None:
    """A chain's events carry input and output, LangChain's id, tags and the user's metadata."""
    run_id = uuid4()
    config = {**recording.config, "run_id": run_id, "tags": ["blue"], "metadata": {"tenant": "t1", "session_id": "s9"}}

    echo("e").invoke({"a": 1}, config)

    node = recording.node("e")
    assert node.end is not None
    assert ({"a": 1}, {"a": 1}) == (node.start.data, node.end.data)
    expected = {
        "langchain.run_id": str(run_id),
        "langchain.tags": ["blue"],
        "session.id": "s9",
        "tenant": "t1",
        "session_id": "s9",
    }
    assert expected == node.start.metadata
    assert {**expected, "otel.status_code": "OK", "relay.outcome": "ok"} == node.end.metadata
    assert ("function", None, None) == (node.start.category, node.start.category_profile, node.start.data_schema)


def test_run_types_of_chains(recording: Recording) -> None:
    """Prompts and parsers are functions that say what they are."""
    lcel().invoke({"q": "hi"}, recording.config)

    types = {node.name: (node.start.metadata or {}).get("langchain.run_type") for node in recording.roots[0].walk()}
    assert ("prompt", "parser", None) == (types["ChatPromptTemplate"], types["StrOutputParser"], types["pre"])
    assert "function" == recording.node("ChatPromptTemplate").start.category


def test_real_inputs_of_a_streamed_chain(recording: Recording) -> None:
    """The start of a streamed chain has no input; its end says what it was."""
    list(lcel().stream({"q": "hi"}, recording.config))

    (root,) = recording.roots
    assert root.end is not None
    assert root.start.data is None
    assert {"q": "hi"} == (root.end.metadata or {})["langchain.inputs"]


def test_an_error(recording: Recording) -> None:
    """A run that raises ends as an error, with type and message; the error reaches the caller."""
    with pytest.raises(ValueError, match="boom"):
        (echo("e") | RunnableLambda(fail)).invoke("boom", recording.config)

    assert "RunnableSequence!error{e fail!error}" == recording.tree
    end = recording.node("fail").end
    assert end is not None
    metadata = end.metadata or {}
    assert ("ERROR", "boom", "ValueError") == (
        metadata["otel.status_code"],
        metadata["otel.status_description"],
        metadata["error.type"],
    )
    recording.assert_complete()


# --- Models ----------------------------------------------------------------------------------------------------------


def test_chat_model(recording: Recording) -> None:
    """A chat model's request and answer are recorded in OpenAI's shape, with normalized views, model and provider."""
    definition = {"type": "function", "function": {"name": "add", "parameters": {}}}
    model = Chat(usage=USAGE).bind_tools([definition], temperature=0.5)

    model.invoke([HumanMessage("hi")], recording.config)

    node = recording.node("Chat")
    start, end = node.start, node.end
    assert end is not None
    asked = {"role": "user", "content": "hi"}
    assert {"messages": [asked], "model": "fake-1", "tools": [definition], "temperature": 0.5} == start.data
    assert {"name": "openai/chat-completions", "version": "1"} == start.data_schema == end.data_schema
    assert {
        "messages": [asked],
        "model": "fake-1",
        "tools": [definition],
        "params": {"temperature": 0.5},
    } == start.annotated_request
    assert ("llm", "fake-1", "acme") == (
        start.category,
        (start.category_profile or {})["model_name"],
        (start.category_profile or {})["provider"],
    )
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    details = {
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    assert (usage | details, "fake-1-0806") == (end.data["usage"], end.data["model"])
    choice = end.data["choices"][0]
    assert ("assistant", "one two three", "stop") == (
        choice["message"]["role"],
        choice["message"]["content"],
        choice["finish_reason"],
    )
    assert {
        "model": "fake-1-0806",
        "message": "one two three",
        "finish_reason": "complete",
        "usage": usage | {"cache_read_tokens": 3, "reasoning_tokens": 2},
    } == end.annotated_response
    assert "fake-1" == (end.category_profile or {})["model_name"]


def test_tools_bound_as_objects(recording: Recording) -> None:
    """A tool that is bound as an object is recorded as its definition."""
    Chat().bind_tools([add]).invoke("hi", recording.config)

    (definition,) = recording.node("Chat").start.data["tools"]
    assert ("function", "add", "Add two numbers.") == (
        definition["type"],
        definition["function"]["name"],
        definition["function"]["description"],
    )
    assert {"a", "b"} == set(definition["function"]["parameters"]["properties"])


def test_streaming_chat_model(recording: Recording) -> None:
    """A stream is flagged, its first chunk timed, its chunks counted and not stored; usage and answer are whole."""
    assert 4 == len(list(StreamingChat(usage=USAGE).stream("hi", recording.config)))

    node = recording.node("StreamingChat")
    assert node.end is not None
    assert ("streaming",) == node.start.attributes == node.end.attributes
    profile = node.end.category_profile or {}
    assert 4 == profile["chunk_count"]
    assert 0 < profile["time_to_first_chunk"] < 5
    assert "one two three" == node.end.data["choices"][0]["message"]["content"]
    assert 15 == node.end.data["usage"]["total_tokens"]
    assert [] == node.marks


@pytest.mark.anyio
async def test_astreaming_chat_model(recording: Recording) -> None:
    """The same holds for an async stream."""
    async for _ in StreamingChat(usage=USAGE).astream("hi", recording.config):
        pass

    node = recording.node("StreamingChat")
    assert node.end is not None
    assert ("streaming",) == node.start.attributes
    assert 4 == (node.end.category_profile or {})["chunk_count"]
    assert 15 == node.end.data["usage"]["total_tokens"]


def test_an_invoked_model_is_no_stream(recording: Recording) -> None:
    """A model that is invoked has neither the flag nor a chunk count."""
    StreamingChat().invoke("hi", recording.config)

    node = recording.node("StreamingChat")
    assert node.end is not None
    assert () == node.start.attributes
    assert "chunk_count" not in (node.end.category_profile or {})


def test_v3_stream_events(recording: Recording) -> None:
    """Events of a typed stream are counted like chunks."""
    list(StreamingChat().stream_events("hi", recording.config, version="v3"))

    node = recording.node("StreamingChat")
    assert node.end is not None
    assert (node.end.category_profile or {})["chunk_count"] > 3
    recording.assert_complete()


def test_error_in_a_stream(recording: Recording) -> None:
    """A stream that breaks ends as an error, with what had arrived until then."""
    model = StreamingChat(words=["one ", ValueError("broken")])
    with pytest.raises(ValueError, match="broken"):
        list(model.stream("hi", recording.config))

    node = recording.node("StreamingChat")
    assert node.end is not None
    assert "StreamingChat!error" == str(node)
    assert "one " == node.end.data["choices"][0]["message"]["content"]
    assert 1 == (node.end.category_profile or {})["chunk_count"]


def test_structured_output(recording: Recording) -> None:
    """A tool call of the model is recorded with its arguments as JSON text, and decoded in the normalized view."""
    call = {"name": "add", "args": {"a": 1}, "id": "c1"}
    Chat(answers=[AIMessage("", tool_calls=[call])]).invoke("hi", recording.config)

    end = recording.node("Chat").end
    assert end is not None
    (recorded,) = end.data["choices"][0]["message"]["tool_calls"]
    assert {"name": "add", "arguments": '{"a":1}'} == recorded["function"]
    assert [{"id": "c1", "name": "add", "arguments": {"a": 1}}] == end.annotated_response["tool_calls"]


def test_credentials_in_tool_calls(recording: Recording) -> None:
    """A credential that a model passes to a tool is redacted in the call's JSON text, too, in questions and answers."""
    message = AIMessage("", tool_calls=[{"name": "login", "args": {"password": "hush", "user": "ann"}, "id": "c"}])
    Chat(answers=[message]).invoke([HumanMessage("hi"), message], recording.config)

    assert not any("hush" in event.to_json() for event in recording.events)
    (call,) = recording.node("Chat").start.data["messages"][1]["tool_calls"]
    assert '{"password":"[redacted]","user":"ann"}' == call["function"]["arguments"]


def test_completion_model(recording: Recording) -> None:
    """A completion model is recorded like a chat of one message, invoked and streamed."""
    Completion().invoke("once", recording.config)
    list(Completion().stream("once", recording.config))

    for node in recording.nodes("Completion"):
        assert node.end is not None
        assert [{"role": "user", "content": "once"}] == node.start.data["messages"]
        assert "done" == node.end.data["choices"][0]["message"]["content"]
    assert [(), ("streaming",)] == [node.start.attributes for node in recording.nodes("Completion")]
    recording.assert_complete()


def test_several_prompts(recording: Recording) -> None:
    """Each of several prompts is a run of its own."""
    Chat().generate([[HumanMessage("a")], [HumanMessage("b")]], callbacks=[recording.handler()])
    Completion().generate(["a", "b"], callbacks=[recording.handler()])

    assert "Chat Chat Completion Completion" == recording.tree
    assert ["a", "b"] == [node.start.data["messages"][0]["content"] for node in recording.nodes("Chat")]
    recording.assert_complete()


def test_a_cached_answer(recording: Recording) -> None:
    """An answer from LangChain's cache says so, and its tokens are not counted again."""
    from langchain_core.caches import InMemoryCache

    model = Chat(usage=USAGE, cache=InMemoryCache())
    model.invoke("hi", recording.config)
    model.invoke("hi", recording.config)

    first, second = (node.end for node in recording.nodes("Chat"))
    assert first is not None
    assert second is not None
    assert 15 == first.data["usage"]["total_tokens"]
    assert "langchain.cached" not in (first.metadata or {})
    assert (True, None) == ((second.metadata or {})["langchain.cached"], second.data["usage"])
    assert "usage" not in second.annotated_response


def test_a_model_without_a_name(recording: Recording) -> None:
    """A model that does not know its name is recorded without one."""
    Chat(model_name="").invoke("hi", recording.config)

    assert "model_name" not in (recording.node("Chat").start.category_profile or {})
    recording.assert_complete()


# --- Tools, retrievers -----------------------------------------------------------------------------------------------


def test_tool(recording: Recording) -> None:
    """A tool's events carry arguments, result, and the id of the model's call on both."""
    add.invoke({"name": "add", "args": {"a": 1, "b": 2}, "id": "c1", "type": "tool_call"}, recording.config)

    node = recording.node("add")
    assert node.end is not None
    assert ("tool", {"a": 1, "b": 2}) == (node.start.category, node.start.data)
    assert {"role": "tool", "content": "3", "name": "add", "tool_call_id": "c1"} == node.end.data
    assert ("c1", "c1") == tuple((event.category_profile or {})["tool_call_id"] for event in (node.start, node.end))


def test_tool_called_with_arguments(recording: Recording) -> None:
    """A tool that is called directly is recorded with its arguments and its plain result."""
    add.invoke({"a": 1, "b": 2}, recording.config)

    node = recording.node("add")
    assert node.end is not None
    assert ({"a": 1, "b": 2}, 3) == (node.start.data, node.end.data)


def test_tool_error(recording: Recording) -> None:
    """A tool that raises ends as an error and keeps its call id."""

    @tool
    def boom() -> None:
        """Fail."""
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        boom.invoke({"name": "boom", "args": {}, "id": "c2", "type": "tool_call"}, recording.config)

    node = recording.node("boom")
    assert node.end is not None
    assert "boom!error" == str(node)
    assert "c2" == (node.end.category_profile or {})["tool_call_id"]


def test_tool_error_that_langchain_handles(recording: Recording) -> None:
    """A tool failure that LangChain turns into a message for the model is an error all the same."""

    @tool
    def boom() -> None:
        """Fail."""
        raise ToolException("not today")

    boom.handle_tool_error = True
    result = boom.invoke({"name": "boom", "args": {}, "id": "c2", "type": "tool_call"}, recording.config)

    assert isinstance(result, ToolMessage)
    node = recording.node("boom")
    assert node.end is not None
    assert "boom!error" == str(node)
    assert "not today" == (node.end.metadata or {})["otel.status_description"]
    assert "not today" == node.end.data["content"]


def test_tool_with_invalid_arguments(recording: Recording) -> None:
    """Arguments that do not fit end the tool as an error."""
    with pytest.raises(ValueError, match="validation"):
        add.invoke({"a": "x"}, recording.config)

    assert "add!error" == recording.tree


def test_tool_artifact(recording: Recording) -> None:
    """What a tool returns beside the message for the model is its result annotation."""

    @tool(response_format="content_and_artifact")
    def search() -> tuple[str, dict[str, int]]:
        """Search."""
        return "found", {"rows": 2}

    search.invoke({"name": "search", "args": {}, "id": "c", "type": "tool_call"}, recording.config)

    end = recording.node("search").end
    assert end is not None
    assert "found" == end.data["content"]
    assert {"rows": 2} == (end.category_profile or {})["tool_result_annotation"]


def test_injected_arguments_are_not_recorded(recording: Recording) -> None:
    """What is injected into a tool (config, callbacks, annotated arguments) appears nowhere."""

    @tool
    def ask(question: str, secret: Annotated[str, InjectedToolArg], config: RunnableConfig) -> str:
        """Ask."""
        return question

    ask.invoke({"question": "why", "secret": "hush"}, {**recording.config, "configurable": {"key": "hush"}})

    assert {"question": "why"} == recording.node("ask").start.data
    assert not any("hush" in event.to_json() for event in recording.events)


@pytest.mark.anyio
async def test_async_tools(recording: Recording) -> None:
    """Sync and async tools make the same events when awaited."""

    @tool
    async def aadd(a: int, b: int) -> int:
        """Add."""
        return a + b

    await aadd.ainvoke({"a": 1, "b": 2}, recording.config)
    await add.ainvoke({"a": 1, "b": 2}, recording.config)

    assert "aadd add" == recording.tree
    recording.assert_complete()


def test_retriever(recording: Recording) -> None:
    """A retriever's events carry the query and the documents with content, metadata, score and id."""
    Finder().invoke("q?", recording.config)

    node = recording.node("Finder")
    assert node.end is not None
    assert ("retriever", "q?") == (node.start.category, node.start.data)
    assert [
        {"content": "alpha", "metadata": {"source": "a.md", "score": 0.9}, "score": 0.9, "id": "d1"},
        {"content": "beta", "metadata": {"source": "b.md"}},
    ] == node.end.data


def test_retriever_error(recording: Recording) -> None:
    """A retriever that raises ends as an error."""
    with pytest.raises(ValueError, match="no"):
        Finder(body=lambda: fail("no")).invoke("q?", recording.config)

    assert "Finder!error" == recording.tree
    recording.assert_complete()


# --- Marks -----------------------------------------------------------------------------------------------------------


def test_custom_events(recording: Recording) -> None:
    """An event that user code dispatches is a mark on the run it is in: function, tool, or the chain around a model."""

    @tool
    def work() -> None:
        """Work."""
        dispatch_custom_event("in tool", {"n": 1})

    def body(_: Any) -> None:
        dispatch_custom_event("in function", [1])
        work.invoke({})
        Chat(body=lambda: dispatch_custom_event("in model", None)).invoke("hi")

    RunnableLambda(body, name="f").invoke(0, recording.config)

    assert [("in function", [1]), ("in model", None)] == [(m.name, m.data) for m in recording.node("f").marks]
    assert [("in tool", {"n": 1})] == [(m.name, m.data) for m in recording.node("work").marks]


@pytest.mark.anyio
async def test_async_custom_events(recording: Recording) -> None:
    """The same holds in async code."""

    async def body(_: Any) -> None:
        await adispatch_custom_event("note", 5)
        await adispatch_custom_event("note", 5)

    await RunnableLambda(body, name="f").ainvoke(0, recording.config)

    assert [("note", 5), ("note", 5)] == [(mark.name, mark.data) for mark in recording.node("f").marks]


def test_agent_actions(recording: Recording) -> None:
    """A classic agent's decisions are marks on its run and do not end it."""
    handler = recording.handler()
    manager = CallbackManager([handler]).on_chain_start({"name": "agent"}, {"q": 1})
    manager.on_agent_action(AgentAction("add", {"a": 1}, "log"))
    manager.on_agent_finish(AgentFinish({"out": 2}, "bye"))
    assert 1 == handler.open_runs
    manager.on_chain_end({"out": 2})

    node = recording.node("agent")
    assert [
        ("Agent Action", {"tool": "add", "tool_input": {"a": 1}, "log": "log"}),
        ("Agent Finish", {"return_values": {"out": 2}, "log": "bye"}),
    ] == [(mark.name, mark.data) for mark in node.marks]
    recording.assert_complete()


def test_on_retry(recording: Recording) -> None:
    """A retry that somebody reports with tenacity's state is a mark."""
    from tenacity import Future, RetryCallState, Retrying

    state = RetryCallState(Retrying(), None, (), {})
    state.outcome = Future.construct(1, OSError("down"), has_exception=True)
    manager = CallbackManager([recording.handler()]).on_chain_start({"name": "c"}, 1)
    manager.on_retry(state)
    manager.on_chain_end(1)

    (mark,) = recording.node("c").marks
    assert ("Retry", {"attempt": 1, "error_type": "OSError"}) == (mark.name, mark.data)


# --- The handler as an object ----------------------------------------------------------------------------------------


def test_shape(recording: Recording) -> None:
    """The handler runs inline, never raises, is truthy, and is itself when copied."""
    handler = recording.handler()

    assert (True, False, True) == (handler.run_inline, handler.raise_error, bool(handler))
    assert handler is copy.copy(handler) is copy.deepcopy({"callbacks": [handler]})["callbacks"][0]
    assert handler != recording.handler()
    assert len({handler, recording.handler()}) == 2


def test_pickling() -> None:
    """A pickled handler comes back as one of the other process's default runtime."""
    assert isinstance(pickle.loads(pickle.dumps(RelayCallbackHandler())), RelayCallbackHandler)


def test_our_own_errors_stay_with_us(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of ours inside a hook is counted, and the application runs on."""
    handler = recording.handler()
    for name in ("begin", "custom_event"):
        monkeypatch.setattr(handler._recorder, name, lambda *_: 1 / 0)

    assert "one two three" == (echo("e") | Chat() | StrOutputParser()).invoke("x", {"callbacks": [handler]})

    assert [] == recording.events
    assert recording.relay.statistics().suppressed_errors > 0
    recording.expect_suppressed()


def test_odd_names_and_tags(recording: Recording) -> None:
    """Names and tags that are no text do not lose the run."""
    odd: Any = {**recording.config, "run_name": 7, "tags": [1, None]}
    echo("e").invoke(1, odd)

    assert "7" == recording.tree
    assert [1, None] == (recording.node("7").start.metadata or {})["langchain.tags"]


class Broken:
    """Stands for whatever of ours is broken."""

    def __getattr__(self, name: str) -> Any:
        raise ArithmeticError(name)


@pytest.mark.parametrize(
    ("hook", "arguments"),
    [
        ("on_chain_start", (None, 1)),
        ("on_chain_end", (1,)),
        ("on_chain_error", (ValueError(),)),
        ("on_chat_model_start", (None, [[]])),
        ("on_llm_start", (None, ["x"])),
        ("on_llm_new_token", ("x",)),
        ("on_stream_event", ({},)),
        ("on_llm_end", (None,)),
        ("on_llm_error", (ValueError(),)),
        ("on_tool_start", (None, "x")),
        ("on_tool_end", (1,)),
        ("on_tool_error", (ValueError(),)),
        ("on_retriever_start", (None, "q")),
        ("on_retriever_end", ([],)),
        ("on_retriever_error", (ValueError(),)),
        ("on_custom_event", ("e", 1)),
        ("on_agent_action", (None,)),
        ("on_agent_finish", (None,)),
        ("on_retry", (None,)),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_no_hook_raises(recording: Recording, hook: str, arguments: tuple[Any, ...]) -> None:
    """Whatever is broken in us, no hook raises: the error is counted."""
    handler: Any = recording.handler()
    handler._recorder = handler._runs = Broken()

    getattr(handler, hook)(*arguments, run_id=uuid4())

    assert 1 == recording.relay.statistics().suppressed_errors
    recording.expect_suppressed()


@pytest.mark.parametrize("method", ["chain_end", "failed"])
def test_trouble_at_the_end(recording: Recording, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """A run ends even where we fail to say how: after what is open in it, as well as its framework says it did."""
    handler = recording.handler()
    monkeypatch.setattr(handler._recorder, method, lambda *_, **__: 1 / 0)
    run_id, child = uuid4(), uuid4()
    handler.on_chain_start(None, 1, run_id=run_id, name="c")
    handler.on_tool_start({"name": "t"}, "x", run_id=child, parent_run_id=run_id)
    if method == "failed":
        handler.on_chain_error(ValueError("x"), run_id=run_id)
    else:
        handler.on_chain_end(1, run_id=run_id)

    assert ("c!error" if method == "failed" else "c") + "{t!abandoned}" == recording.tree
    assert 0 == handler.open_runs
    recording.expect_suppressed()


def test_an_id_of_another_library(recording: Recording) -> None:
    """A run id that cannot be watched is as good as any other while LangChain reports the end."""
    from uuid_utils import uuid7

    (echo("a") | echo("b")).invoke(1, {**recording.config, "run_id": uuid7()})

    assert "RunnableSequence{a b}" == recording.tree
    assert {} == recording.handler().runs._known
    recording.assert_complete()


def test_an_answer_that_cannot_be_read(recording: Recording) -> None:
    """A model's scope ends whatever its answer looks like."""
    from langchain_core.outputs import ChatGeneration, LLMResult

    broken = LLMResult.model_construct(generations=[[ChatGeneration.model_construct(message=None)]], llm_output=3)
    manager = CallbackManager([recording.handler()]).on_chat_model_start({"name": "m"}, [[HumanMessage("x")]])[0]
    manager.on_llm_end(broken)

    assert "m" == recording.tree
    assert 1 == recording.relay.statistics().suppressed_errors
    recording.expect_suppressed()


def test_nothing_is_built_when_nobody_listens() -> None:
    """Without a listener no event is built, and runs are counted all the same."""
    from relay_core.runtime import Relay

    relay = Relay()
    handler = RelayCallbackHandler(runtime=relay)
    seen: list[int] = []

    RunnableLambda(lambda _: seen.append(handler.open_runs)).invoke(0, {"callbacks": [handler]})

    assert ([1], 0, 0) == (seen, handler.open_runs, relay.statistics().emitted)


def test_capture_off(recording: Recording) -> None:
    """Where payloads of a category are not captured, scopes are recorded without them."""
    from relay_core.vocabulary import ScopeType

    recording.relay.scopes.uncaptured = frozenset({ScopeType.Llm, ScopeType.Tool})
    Chat().invoke("hush", recording.config)
    list(StreamingChat().stream("hush", recording.config))
    add.invoke({"a": 41, "b": 2}, recording.config)

    assert "Chat StreamingChat add" == recording.tree
    assert not any("hush" in event.to_json() or "41" in str(event.data) for event in recording.events)
    assert "fake-1" == (recording.node("Chat").start.category_profile or {})["model_name"]


class Twice(BaseCallbackHandler):
    """A second handler of another kind, as applications have them."""


def test_two_handlers_of_one_runtime(recording: Recording) -> None:
    """Two handlers, or one listed twice, record each run once: scopes, chunks and marks."""

    def body(x: Any) -> Any:
        dispatch_custom_event("note", {"n": 1})
        return x

    handler = recording.handler()
    config = {"callbacks": [handler, handler, Twice(), recording.handler()]}
    (RunnableLambda(body, name="f") | StreamingChat()).invoke("hi", config)
    list(StreamingChat().stream("hi", config))

    assert "RunnableSequence{f StreamingChat} StreamingChat" == recording.tree
    assert 1 == len(recording.node("f").marks)
    _, streamed = recording.nodes("StreamingChat")
    assert streamed.end is not None
    assert 4 == (streamed.end.category_profile or {})["chunk_count"]
    recording.assert_complete()


def test_a_handler_bound_and_passed(recording: Recording) -> None:
    """A handler that is bound with `with_config` and passed again records the root once."""
    handler = recording.handler()
    chain = (echo("a") | echo("b")).with_config(callbacks=[handler])

    chain.invoke(1, {"callbacks": [handler]})

    assert "RunnableSequence{a b}" == recording.tree
    recording.assert_complete()


def test_a_run_id_that_is_used_twice(recording: Recording) -> None:
    """A run id that the application uses again is a new run."""
    run_id = uuid4()
    for value in (1, 2):
        echo("e").invoke(value, {**recording.config, "run_id": run_id})

    assert [1, 2] == [node.start.data for node in recording.nodes("e")]
    recording.assert_complete()


def test_a_handler_passed_to_the_constructor(recording: Recording) -> None:
    """A handler given to one object records that object's runs, under the user's scope if there is one."""
    model = Chat(callbacks=[recording.handler()])

    with recording.relay.scopes.scope("request"):
        (echo("e") | model).invoke("hi")

    assert "request{Chat}" == recording.tree


def test_threads(recording: Recording) -> None:
    """Sixteen threads on one handler make sixteen times the same tree."""
    config = recording.config

    def work() -> None:
        for _ in range(5):
            lcel().invoke({"q": "hi"}, config)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [LCEL] * 80 == [str(root) for root in recording.roots]
    recording.assert_complete()


@pytest.mark.anyio
async def test_fifty_concurrent_runs(recording: Recording) -> None:
    """Fifty concurrent runs on one handler make fifty times the same tree."""
    import asyncio

    config = recording.config
    await asyncio.gather(*(lcel().ainvoke({"q": str(i)}, config) for i in range(50)))

    assert [LCEL] * 50 == [str(root) for root in recording.roots]
    recording.assert_complete()


def test_user_metadata_of_a_mutated_dict(recording: Recording) -> None:
    """What somebody does to LangChain's shared metadata after the start does not change what is known of the run."""
    handler = recording.handler()
    metadata = {"tenant": "t"}
    run_id = uuid4()
    handler.on_chain_start(None, 1, run_id=run_id, metadata=metadata, name="c")
    metadata["tags"] = "later"

    run = handler.runs.find(run_id)
    assert run is not None
    assert {"tenant": "t"} == run.metadata
    handler.on_chain_end(1, run_id=run_id)


def test_events_of_both_ends_agree(recording: Recording) -> None:
    """Name, category, attributes and parent are the same on both events of a scope."""
    list(lcel().stream({"q": "hi"}, recording.config))

    for node in recording.roots[0].walk():
        assert isinstance(node.end, ScopeEvent)
        for field in ("name", "category", "attributes", "parent_uuid", "root_uuid"):
            assert getattr(node.start, field) == getattr(node.end, field)


def test_trace_policy(recording: Recording) -> None:
    """LangGraph's policy for what is recorded of a node holds, sync and async; the node gets the real thing."""
    import asyncio

    from langgraph.graph import END, START, StateGraph
    from langgraph.types import TracePolicy, omit_payload

    seen: list[Any] = []

    def node(state: dict[str, Any]) -> dict[str, Any]:
        seen.append(state["secret"])
        return {"secret": "hush-2"}

    builder: Any = StateGraph(dict)
    builder.add_node(
        "n", node, trace_policy=TracePolicy(process_inputs=omit_payload, process_outputs=lambda _: {"shown": 1})
    )
    builder.add_edge(START, "n")
    builder.add_edge("n", END)
    graph = builder.compile()
    graph.invoke({"secret": "hush"}, recording.config)
    asyncio.run(graph.ainvoke({"secret": "hush"}, recording.config))

    assert ["hush", "hush"] == seen
    for recorded in recording.nodes("n"):
        assert recorded.end is not None
        assert ({}, {"shown": 1}) == (recorded.start.data, recorded.end.data)
    recording.assert_complete()


class Hostile:
    """A value that resists: its repr, str, copy, pickle and hash raise."""

    def __repr__(self) -> str:
        raise RuntimeError("hostile")

    __str__ = __repr__
    __hash__ = None  # type: ignore[assignment]

    def __copy__(self) -> Any:
        raise RuntimeError("hostile")

    __deepcopy__ = __reduce__ = __copy__  # type: ignore[assignment]


def test_hostile_state(recording: Recording) -> None:
    """Whatever is in the state, every scope is there and closed, and the application gets its own objects back."""

    def numbers() -> Any:
        yield from "abc"

    generator = numbers()
    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    state: dict[Any, Any] = {
        "object": Hostile(),
        "lock": threading.Lock(),
        "generator": generator,
        "cycle": cycle,
        "surrogate": "\ud800",
        "huge": 10**400,
        "nan": float("nan"),
        ("tuple", 1): b"\x00\xff",
        "message": HumanMessage("\udfff"),
    }

    result = (echo("a") | echo("b")).invoke(state, {**recording.config, "metadata": {"odd": Hostile()}})

    assert result is state
    assert ["a", "b", "c"] == list(generator)
    assert "RunnableSequence{a b}" == recording.tree
    recording.assert_complete()
