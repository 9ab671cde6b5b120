"""`RelayMiddleware`: an agent's model and tool calls under control, one scope each, nothing rewritten on the way."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentState
from langchain.tools import InjectedToolCallId, ToolRuntime
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt
from tests.langchain.support import Chat, Recording, StreamingChat

from relay_core.codecs import LLMRequest
from relay_core.control import LlmExecutionContext
from relay_core.errors import AsyncMiddlewareError, GuardrailRejected
from relay_core.jsonl import JsonlSink
from relay_core.vocabulary import Outcome
from relay_langchain import RelayMiddleware, managed


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def asks(name: str, **args: Any) -> AIMessage:
    """Return an answer of a model that asks for a tool."""
    return AIMessage("", tool_calls=[{"name": name, "args": args, "id": "c1"}])


@pytest.fixture(params=["handler", "alone"])
def config(request: pytest.FixtureRequest, recording: Recording) -> dict[str, Any]:
    """Run every test with and without a callback handler in the user's code."""
    return recording.config if request.param == "handler" else {}


Run = Callable[..., list[Any]]


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def on_loop(request: pytest.FixtureRequest) -> bool:
    """Run every test with and without an event loop."""
    return bool(request.param)


@pytest.fixture
def run(recording: Recording, config: dict[str, Any], on_loop: bool) -> Run:
    """Run an agent with the middleware to its end, and return its messages."""

    def run(model: Any, tools: Sequence[Any] = (add,), *, on_refusal: Any = "message", **options: Any) -> list[Any]:
        relay = RelayMiddleware(runtime=recording.relay, on_refusal=on_refusal)
        agent: Any = create_agent(model, list(tools), middleware=[relay], **options)
        given = {"messages": [HumanMessage("hi", id="m1")]}
        result = asyncio.run(agent.ainvoke(given, config)) if on_loop else agent.invoke(given, config)
        return list(result["messages"])

    return run


def kinds(recording: Recording, category: str) -> list[Any]:
    """Return all scopes of one category, wherever they are in the tree."""
    return [node for root in recording.roots for node in root.walk() if node.start.category == category]


def test_one_scope_per_call(recording: Recording, run: Run) -> None:
    """With and without a handler there is exactly one scope per model call and per tool call, with its payload."""
    messages = run(Chat(answers=[asks("add", a=1, b=2), "three"]))

    assert ["hi", "", "3", "three"] == [message.content for message in messages]
    first, second = kinds(recording, "llm")
    (call,) = kinds(recording, "tool")
    assert ("Chat", "Chat", "add") == (first.name, second.name, call.name)
    assert ({"a": 1, "b": 2}, "c1") == (call.start.data, call.end.category_profile["tool_call_id"])
    assert "3" == call.end.data["content"]
    assert "three" == second.end.data["choices"][0]["message"]["content"]
    recording.assert_complete()


def test_refused_tool_is_explained_to_the_model(recording: Recording, run: Run) -> None:
    """A refused tool call becomes a message that the model can read; there is a mark and no tool scope."""
    recording.relay.guardrails.register_tool_conditional_execution("guard", 1, lambda name, args: "sums are closed")
    model = Chat(answers=[asks("add", a=1, b=2), "then not"])

    _, _, explained, last = run(model)

    assert "The call of the tool 'add' was refused: sums are closed" == explained.content
    assert ("error", "c1", "add", "then not") == (
        explained.status,
        explained.tool_call_id,
        explained.name,
        last.content,
    )
    assert [] == kinds(recording, "tool")
    (guard,) = kinds(recording, "guardrail")
    assert "sums are closed" == guard.end.data["rejection_reason"]
    assert explained.content in json.dumps(kinds(recording, "llm")[1].start.data)


def test_refused_tool_may_raise(recording: Recording, run: Run) -> None:
    """With `on_refusal="raise"` the application gets the exception."""
    recording.relay.guardrails.register_tool_conditional_execution("guard", 1, lambda name, args: "no")

    with pytest.raises(GuardrailRejected, match="guardrail rejected: no"):
        run(Chat(answers=[asks("add", a=1, b=2)]), on_refusal="raise")


def test_refusal_inside_of_a_tool_is_its_own(recording: Recording, run: Run) -> None:
    """A managed call that a tool makes and that is refused fails that tool: the model is told nothing false."""
    relay = recording.relay
    relay.guardrails.register_tool_conditional_execution(
        "guard", 1, lambda name, args: "no" if name == "inner" else None
    )

    @tool
    def outer() -> str:
        """Make a managed call."""
        return str(relay.tools.execute_sync("inner", 1, lambda args: args))

    with pytest.raises(GuardrailRejected):
        run(Chat(answers=[asks("outer")]), [outer])


def test_refused_model_raises(recording: Recording, run: Run) -> None:
    """A refused model call raises, and leaves no LLM scope."""
    recording.relay.guardrails.register_llm_conditional_execution(
        "guard", 1, lambda request: "too many" if len(request.content["messages"]) > 1 else None
    )

    with pytest.raises(GuardrailRejected, match="too many"):
        run(Chat(answers=[asks("add", a=1, b=2), "never"]))

    assert 1 == len(kinds(recording, "llm"))


def test_wrong_setting(recording: Recording) -> None:
    """What becomes of a refusal is one of two words."""
    wrong: Any = "ignore"

    with pytest.raises(ValueError, match="on_refusal"):
        RelayMiddleware(runtime=recording.relay, on_refusal=wrong)


def test_request_intercepts_change_what_is_sent(recording: Recording, run: Run) -> None:
    """Messages, settings and tools can be changed; what was left alone is the same object."""
    seen: list[Any] = []

    class Watching(Chat):
        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
            seen.append((list(messages), stop, kwargs))
            return super()._generate(messages, stop, run_manager, **kwargs)

        async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
            return self._generate(messages, stop, None, **kwargs)

    def edit(name: str, request: LLMRequest, view: Any) -> LLMRequest:
        assert ("Watching", "fake-1", ["add"]) == (name, view.model, [it["function"]["name"] for it in view.tools])
        view.messages[0]["content"] = "Be brief."
        view.messages.append({"role": "user", "content": "Really."})
        view.params = {"temperature": 0.5, "stop": ["END"]}
        view.tools = None
        return request

    recording.relay.intercepts.register_llm_request("edit", 1, edit)
    run(Watching(), system_prompt=SystemMessage("Be verbose.", id="s1"))
    messages, stop, options = seen[0]

    assert [SystemMessage("Be brief.", id="s1"), HumanMessage("hi", id="m1"), HumanMessage("Really.")] == messages
    assert (["END"], {"temperature": 0.5}) == (stop, options)
    recorded = kinds(recording, "llm")[0].start.data
    assert ["Be brief.", "hi", "Really."] == [message["content"] for message in recorded["messages"]]


def test_untouched_messages_are_the_same_objects(recording: Recording, run: Run) -> None:
    """An intercept that adds a message does not rebuild the others: nothing that LangChain keeps on them is lost."""
    seen: list[Any] = []
    kept = HumanMessage("hi", id="m1", additional_kwargs={"private": object()})

    class Watching(Chat):
        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
            seen.extend(messages)
            return super()._generate(messages, stop, run_manager, **kwargs)

    def add_one(name: str, request: LLMRequest, view: Any) -> LLMRequest:
        view.messages.insert(0, {"role": "system", "content": "New."})
        return request

    recording.relay.intercepts.register_llm_request("add", 1, add_one)
    relay = RelayMiddleware(runtime=recording.relay)
    agent: Any = create_agent(Watching(), [], middleware=[relay])
    agent.invoke({"messages": [kept]})

    assert "New." == seen[0].content
    assert seen[1].additional_kwargs["private"] is kept.additional_kwargs["private"]


def test_tool_arguments_are_rewritten(recording: Recording, run: Run) -> None:
    """A tool request intercept changes what the tool gets and what is recorded, and not what the model had asked."""
    recording.relay.intercepts.register_tool_request("more", 1, lambda name, args: {**args, "b": 40})
    messages = run(Chat(answers=[asks("add", a=2, b=2), "ok"]))

    assert {"a": 2, "b": 2} == messages[1].tool_calls[0]["args"]
    assert "42" == messages[2].content
    assert {"a": 2, "b": 40} == kinds(recording, "tool")[0].start.data


def test_fallback_model_as_an_intercept(recording: Recording, run: Run, on_loop: bool) -> None:
    """An execution intercept may try again; each try of the model is a scope of its own."""
    model = Chat(answers=[ConnectionError("down"), "up"])

    def again(context: LlmExecutionContext, following: Callable[[LLMRequest], Any]) -> Any:
        try:
            return following(context.request)
        except ConnectionError:
            return following(context.request)

    async def again_async(context: LlmExecutionContext, following: Callable[[LLMRequest], Any]) -> Any:
        try:
            return await following(context.request)
        except ConnectionError:
            return await following(context.request)

    recording.relay.intercepts.register_llm_execution("again", 1, again_async if on_loop else again)
    messages = run(model)

    assert "up" == messages[-1].content
    assert [Outcome.ERROR, Outcome.OK] == [node.end.outcome for node in kinds(recording, "llm")]


def test_intercept_may_answer_for_a_tool(recording: Recording, run: Run) -> None:
    """A plain value from an execution intercept becomes the tool's message; the tool is not called."""
    recording.relay.intercepts.register_tool_execution("cache", 1, lambda context, following: {"cached": 3})
    messages = run(Chat(answers=[asks("add", a=1, b=2), "ok"]))

    assert ('{"cached": 3}', "c1", "add") == (messages[2].content, messages[2].tool_call_id, messages[2].name)
    (called,) = kinds(recording, "tool")
    assert called.end is not None
    assert ("add", {"a": 1, "b": 2}, {"cached": 3}) == (called.name, called.start.data, called.end.data)


def test_intercept_may_answer_for_a_model(recording: Recording, run: Run) -> None:
    """A message from an execution intercept becomes the model's answer, and is recorded; the model is not asked."""
    recording.relay.intercepts.register_llm_execution("cache", 1, lambda context, following: AIMessage("known"))
    messages = run(Chat(answers=[KeyError("asked")]))

    assert "known" == messages[-1].content
    (asked,) = kinds(recording, "llm")
    assert asked.end is not None
    assert ("Chat", {"role": "assistant", "content": "known"}) == (asked.name, asked.end.data)


def test_intercept_may_fail_before_a_tool(recording: Recording, run: Run) -> None:
    """A tool call that fails in an execution intercept is one tool scope with an error; the tool is not called."""

    def broken(context: Any, following: Any) -> Any:
        raise LookupError("no connection")

    recording.relay.intercepts.register_tool_execution("broken", 1, broken)
    with pytest.raises(LookupError, match="no connection"):
        run(Chat(answers=[asks("add", a=1, b=2), "never"]))

    (called,) = kinds(recording, "tool")
    assert called.end is not None
    assert ("add", {"a": 1, "b": 2}, Outcome.ERROR) == (called.name, called.start.data, called.end.outcome)


def test_intercept_may_fail_after_a_tool(recording: Recording, run: Run, on_loop: bool) -> None:
    """What an execution intercept raises after the tool has answered does not make a second scope of the call."""

    def broken(context: Any, following: Any) -> Any:
        following(context.args)
        raise LookupError

    async def broken_async(context: Any, following: Any) -> Any:
        await following(context.args)
        raise LookupError

    recording.relay.intercepts.register_tool_execution("broken", 1, broken_async if on_loop else broken)
    with pytest.raises(LookupError):
        run(Chat(answers=[asks("add", a=1, b=2), "never"]))

    assert [Outcome.OK] == [node.end.outcome for node in kinds(recording, "tool")]


@pytest.mark.parametrize("error", [KeyError("odd"), ZeroDivisionError(), PermissionError("no")])
def test_errors_of_model_and_tool_reach_the_caller(recording: Recording, run: Run, error: Exception) -> None:
    """Whatever a model or a tool raises reaches the application as the same object."""

    def raising() -> str:
        raise error

    @tool
    def fail() -> str:
        """Fail."""
        return raising()

    with pytest.raises(type(error)) as by_tool:
        run(Chat(answers=[asks("fail")]), [fail])
    with pytest.raises(type(error)) as by_model:
        run(Chat(body=raising), [fail])

    assert by_tool.value is error
    assert by_model.value is error
    assert Outcome.ERROR is kinds(recording, "tool")[0].end.outcome
    recording.assert_complete()


def test_artifacts_commands_and_injected_arguments(recording: Recording, run: Run) -> None:
    """What tools give and get beside text passes through as it is, and injected arguments are not recorded."""
    artifact = object()
    states: list[Any] = []

    @tool(response_format="content_and_artifact")
    def with_artifact(runtime: ToolRuntime, x: int) -> tuple[str, object]:
        """Return an artifact."""
        states.append(runtime.state)
        return "content", artifact

    @tool
    def with_command(call_id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        """Update the state."""
        return Command(update={"messages": [ToolMessage("updated", tool_call_id=call_id)]})

    recording.relay.intercepts.register_tool_request("look", 1, lambda name, args: {**args})
    model = Chat(answers=[asks("with_artifact", x=1), asks("with_command"), "ok"])
    messages = run(model, [with_artifact, with_command])

    assert messages[2].artifact is artifact
    assert "updated" == messages[4].content
    assert "hi" == states[0]["messages"][0].content
    assert [{"x": 1}, {}] == [node.start.data for node in kinds(recording, "tool")]


def test_interrupt_in_a_tool(recording: Recording, config: dict[str, Any]) -> None:
    """An interrupt in a controlled tool stops the agent, counts as interrupted, and can be answered."""

    @tool
    def ask(question: str) -> str:
        """Ask a human."""
        return f"human said {interrupt(question)}"

    recording.relay.guardrails.register_tool_conditional_execution("guard", 1, lambda name, args: None)
    model = Chat(answers=[asks("ask", question="May I?"), "thanks"])
    relay = RelayMiddleware(runtime=recording.relay)
    agent: Any = create_agent(model, [ask], middleware=[relay], checkpointer=InMemorySaver())
    config = {**config, "configurable": {"thread_id": "t"}}

    asked = agent.invoke({"messages": [HumanMessage("hi")]}, config)
    answered = agent.invoke(Command(resume="yes"), config)

    assert "May I?" == asked["__interrupt__"][0].value
    assert ["human said yes", "thanks"] == [message.content for message in answered["messages"][-2:]]
    assert [Outcome.INTERRUPTED, Outcome.OK] == [node.end.outcome for node in kinds(recording, "tool")]
    recording.assert_complete()


def test_model_without_a_name(recording: Recording, run: Run) -> None:
    """A model that does not say what it is called works."""

    class Nameless(Chat):
        model_name: Any = None

        def _get_ls_params(self, stop: Any = None, **kwargs: Any) -> Any:
            return {}

    run(Nameless(name=None))

    assert ["Nameless"] == [node.name for node in kinds(recording, "llm")]


def test_streaming(recording: Recording, config: dict[str, Any]) -> None:
    """An agent that is streamed gives its tokens as ever."""
    relay = RelayMiddleware(runtime=recording.relay)
    agent: Any = create_agent(StreamingChat(), [], middleware=[relay])
    tokens = [
        chunk.content for chunk, _ in agent.stream({"messages": [HumanMessage("hi")]}, config, stream_mode="messages")
    ]

    assert ["one ", "two ", "three"] == [token for token in tokens if token]
    assert "one two three" == kinds(recording, "llm")[0].end.data["choices"][0]["message"]["content"]


def test_async_middleware_needs_an_async_agent(recording: Recording) -> None:
    """An async guardrail in front of an agent that is invoked without a loop is an error that says so."""

    async def later(name: str, args: Any) -> None: ...

    recording.relay.guardrails.register_tool_conditional_execution("later", 1, later)
    agent: Any = create_agent(
        Chat(answers=[asks("add", a=1, b=2)]), [add], middleware=[RelayMiddleware(runtime=recording.relay)]
    )

    with pytest.raises(AsyncMiddlewareError, match="'later'"):
        agent.invoke({"messages": [HumanMessage("hi")]})


def test_managed_parts_are_controlled_once(recording: Recording, run: Run) -> None:
    """A model and a tool that are under control already are not controlled again by the middleware."""
    asked: list[str] = []
    recording.relay.guardrails.register_tool_conditional_execution("t", 1, lambda name, args: asked.append("tool"))
    recording.relay.guardrails.register_llm_conditional_execution("l", 1, lambda request: asked.append("llm"))
    model = managed(Chat(answers=[asks("add", a=1, b=2), "ok"]), runtime=recording.relay)

    run(model, [managed(add, runtime=recording.relay)])

    assert ["llm", "tool", "llm"] == asked
    assert (2, 1) == (len(kinds(recording, "llm")), len(kinds(recording, "tool")))


def test_other_middleware_goes_along(recording: Recording) -> None:
    """State of other middleware and of the agent is untouched."""
    from langchain.agents.middleware import before_model

    class State(AgentState[Any]):
        count: int

    @before_model(state_schema=State)
    def count(state: Any, runtime: Any) -> dict[str, Any]:
        return {"count": state.get("count", 0) + 1}

    relay = RelayMiddleware(runtime=recording.relay)
    agent: Any = create_agent(Chat(answers=[asks("add", a=1, b=2), "ok"]), [add], middleware=[count, relay])

    assert 2 == agent.invoke({"messages": [HumanMessage("hi")]})["count"]


def test_secret_is_nowhere_in_the_file(recording: Recording, run: Run, tmp_path: Path) -> None:
    """An agent with a redactor and a guardrail: what the model sent is real, and the secret is nowhere in the JSONL."""
    relay = recording.relay
    secret = "4111-1111-1111-1111"
    relay.registry.register(JsonlSink(tmp_path / "run.jsonl"), name="jsonl")

    def redacted(value: Any) -> Any:
        return json.loads(json.dumps(value).replace(secret, "[card]"))

    def clean(event: Any, fields: Any) -> Any:
        return {key: redacted(value) for key, value in fields.items()}

    relay.guardrails.register_scope_sanitize_start("pii", 1, clean)
    relay.guardrails.register_scope_sanitize_end("pii", 1, clean)
    relay.guardrails.register_mark_sanitize("pii", 1, clean)
    relay.guardrails.register_tool_conditional_execution(
        "guard", 1, lambda name, args: f"no payments with {secret}" if name == "pay" else None
    )
    charged: list[str] = []

    @tool
    def pay(card: str) -> str:
        """Pay."""
        raise AssertionError

    @tool
    def check(card: str) -> str:
        """Check a card."""
        charged.append(card)
        return f"{card} is valid"

    model = Chat(answers=[asks("check", card=secret), asks("pay", card=secret), f"Not with {secret}."])
    messages = run(model, [pay, check])
    assert relay.subscribers.flush()
    text = (tmp_path / "run.jsonl").read_text()

    assert [secret] == charged
    assert secret in messages[-1].content
    assert secret not in text
    assert "[card]" in text
    assert (3, 1) == (len(kinds(recording, "llm")), len(kinds(recording, "tool")))
