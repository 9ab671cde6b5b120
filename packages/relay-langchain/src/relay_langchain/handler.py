"""The callback handler: every hook of LangChain, passed on, and none of our own errors passed back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, cast
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers.base import BaseTracer

from relay_core.runtime import Relay, default
from relay_core.vocabulary import Outcome
from relay_langchain.composition import composed
from relay_langchain.model_request import prompt_messages
from relay_langchain.recorder import ABSENT, Recorder
from relay_langchain.registry import RunRegistry, registry_of

if TYPE_CHECKING:
    from langchain_core.agents import AgentAction, AgentFinish
    from langchain_core.documents import Document
    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import LLMResult

    from relay_langchain.runs import Run

__all__ = ["RelayCallbackHandler"]


class RelayCallbackHandler(BaseCallbackHandler):
    """Records what LangChain runs as scopes.

    Pass it in `config={"callbacks": [RelayCallbackHandler()]}`, or install Relay and pass nothing. One handler serves
    any number of concurrent runs; several handlers of one runtime record a run once. It holds no run, no payload and no
    exception; it never raises, and it counts its own errors in `statistics().suppressed_errors`. Its hooks are sync and
    run inline, so that they see the context of the code they report.

    Args:
        runtime: the runtime that records; by default the default one.
    """

    raise_error = False
    run_inline = True

    def __new__(cls, *args: Any, runtime: Relay | None = None, **kwargs: Any) -> Self:
        """Make a handler that also derives from what installed plugins demand (`relay_handler_bases`)."""
        relay = default() if runtime is None else runtime
        relay.ensure_ready()
        bases = [base for answer in relay.registry.call("relay_handler_bases") for base in _types(answer)]
        try:
            kind = composed(cls, bases)
        except TypeError as error:
            relay.suppress(error, "relay_langchain.composition")
            kind = cls
        return super().__new__(kind)

    def __init__(self, *, runtime: Relay | None = None) -> None:
        """See the class."""
        super().__init__()
        self._relay = default() if runtime is None else runtime
        self._runs = registry_of(self._relay)
        self._recorder = Recorder(self._relay, self._runs)

    @property
    def runtime(self) -> Relay:
        """The runtime that records."""
        return self._relay

    @property
    def runs(self) -> RunRegistry:
        """The runs of that runtime, for plugins whose classes the handler derives from."""
        return self._runs

    @property
    def open_runs(self) -> int:
        """How many runs have started and not ended, over all handlers of the runtime; 0 when nothing runs."""
        return self._runs.open_runs

    @property
    def is_detached(self) -> bool:
        """Whether `detach` was called."""
        return self.ignore_chain

    def detach(self) -> None:
        """Stop recording for good: close what this handler has started and ignore what LangChain still reports."""
        _ignore_all(self, True)
        self._runs.close_all(self)

    # --- Chains ------------------------------------------------------------------------------------------------------

    def on_chain_start(
        self,
        serialized: Mapping[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        run_type: str | None = ABSENT,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        """A chain, graph, node, prompt, parser or function starts."""
        try:
            run = self._recorder.begin(self, "chain", run_id, parent_run_id, name, serialized, tags, metadata)
            if run is not None:
                run.deferred = "defers_inputs" in kwargs
                self._recorder.chain_start(run, run_id, inputs, run_type)
        except Exception as error:
            self._relay.suppress(error, "on_chain_start")

    def on_chain_end(self, outputs: Any, *, run_id: UUID, inputs: Any = ABSENT, **kwargs: Any) -> None:
        """It ends well."""
        run = None
        try:
            run = self._runs.claim(run_id)
            if run is not None:
                self._recorder.chain_end(run, outputs, inputs)
        except Exception as error:
            self._salvage("on_chain_end", error, run)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, inputs: Any = ABSENT, **kwargs: Any) -> None:
        """It ends by an exception."""
        self._failed("on_chain_error", error, run_id, inputs=inputs)

    # --- Models ------------------------------------------------------------------------------------------------------

    def on_chat_model_start(
        self,
        serialized: Mapping[str, Any] | None,
        messages: Sequence[Sequence[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        name: str | None = None,
        invocation_params: Mapping[str, Any] | None = None,
        batch_size: int = 1,
        **kwargs: Any,
    ) -> None:
        """A chat model is asked."""
        try:
            run = self._recorder.begin(self, "chat_model", run_id, parent_run_id, name, serialized, tags, metadata)
            if run is not None:
                asked = messages[0] if len(messages) == 1 else [message for prompt in messages for message in prompt]
                self._recorder.model_start(run, run_id, asked, invocation_params, batch_size)
        except Exception as error:
            self._relay.suppress(error, "on_chat_model_start")

    def on_llm_start(
        self,
        serialized: Mapping[str, Any] | None,
        prompts: Sequence[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        name: str | None = None,
        invocation_params: Mapping[str, Any] | None = None,
        batch_size: int = 1,
        **kwargs: Any,
    ) -> None:
        """A completion model is asked."""
        try:
            run = self._recorder.begin(self, "llm", run_id, parent_run_id, name, serialized, tags, metadata)
            if run is not None:
                asked = [message for prompt in prompts for message in prompt_messages(prompt)]
                self._recorder.model_start(run, run_id, asked, invocation_params, batch_size)
        except Exception as error:
            self._relay.suppress(error, "on_llm_start")

    def on_llm_new_token(self, token: Any = None, *, run_id: UUID, **kwargs: Any) -> None:
        """A chunk of an answer: counted, and the first one timed."""
        try:  # all of it here: this is called more often than everything else together
            run = self._runs.find(run_id)
            if run is not None:
                run.count_chunk()
        except Exception as error:
            self._relay.suppress(error, "on_llm_new_token")

    def on_stream_event(self, event: Any = None, *, run_id: UUID, **kwargs: Any) -> None:
        """An event of a typed stream: counted like a chunk."""
        self.on_llm_new_token(run_id=run_id)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """A model has answered."""
        run = None
        try:
            run = self._runs.claim(run_id)
            if run is not None:
                self._recorder.model_end(run, response)
        except Exception as error:
            self._salvage("on_llm_end", error, run)

    def on_llm_error(
        self, error: BaseException, *, run_id: UUID, response: LLMResult | None = None, **kwargs: Any
    ) -> None:
        """A model call ends by an exception; `response` is what had arrived by then."""
        self._failed("on_llm_error", error, run_id, result=response)

    # --- Tools and retrievers ----------------------------------------------------------------------------------------

    def on_tool_start(
        self,
        serialized: Mapping[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        name: str | None = None,
        tool_call_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        """A tool is called; LangChain has taken injected arguments out of `inputs`."""
        try:
            run = self._recorder.begin(self, "tool", run_id, parent_run_id, name, serialized, tags, metadata)
            if run is not None:
                self._recorder.tool_start(run, run_id, input_str if inputs is None else inputs, tool_call_id)
        except Exception as error:
            self._relay.suppress(error, "on_tool_start")

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool has returned."""
        run = None
        try:
            run = self._runs.claim(run_id)
            if run is not None:
                self._recorder.tool_end(run, output)
        except Exception as error:
            self._salvage("on_tool_end", error, run)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool has raised."""
        self._failed("on_tool_error", error, run_id)

    def on_retriever_start(
        self,
        serialized: Mapping[str, Any] | None,
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        """A retriever is asked."""
        try:
            run = self._recorder.begin(self, "retriever", run_id, parent_run_id, name, serialized, tags, metadata)
            if run is not None:
                self._recorder.retriever_start(run, run_id, query)
        except Exception as error:
            self._relay.suppress(error, "on_retriever_start")

    def on_retriever_end(self, documents: Sequence[Document], *, run_id: UUID, **kwargs: Any) -> None:
        """A retriever has found what it found."""
        run = None
        try:
            run = self._runs.claim(run_id)
            if run is not None:
                self._recorder.retriever_end(run, documents)
        except Exception as error:
            self._salvage("on_retriever_end", error, run)

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A retriever has raised."""
        self._failed("on_retriever_error", error, run_id)

    # --- Marks -------------------------------------------------------------------------------------------------------

    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """User code dispatches an event: a mark on the scope of the run it is in."""
        try:
            self._recorder.custom_event(self, run_id, name, data)
        except Exception as error:
            self._relay.suppress(error, "on_custom_event")

    def on_agent_action(self, action: AgentAction, *, run_id: UUID, **kwargs: Any) -> None:
        """A classic agent has decided; a mark, because it shares the id of the agent's run."""
        self._mark("on_agent_action", "Agent Action", action, run_id)

    def on_agent_finish(self, finish: AgentFinish, *, run_id: UUID, **kwargs: Any) -> None:
        """A classic agent is done deciding; a mark: its run goes on until its own end."""
        self._mark("on_agent_finish", "Agent Finish", finish, run_id)

    def on_retry(self, retry_state: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A call is tried again, where something reports it."""
        try:
            self._recorder.retried(self._runs.find(run_id), retry_state)
        except Exception as error:
            self._relay.suppress(error, "on_retry")

    # --- Common ------------------------------------------------------------------------------------------------------

    def _failed(self, hook: str, error: BaseException, run_id: UUID, **late: Any) -> None:
        run = None
        try:
            run = self._runs.claim(run_id)
            if run is not None:
                self._recorder.failed(run, error, **late)
        except Exception as trouble:
            self._salvage(hook, trouble, run)

    def _salvage(self, hook: str, error: Exception, run: Run | None) -> None:
        """Count an error of ours, and end the run all the same: without what we could not say about its end."""
        self._relay.suppress(error, hook)
        try:
            if run is not None:
                self._runs.end_claimed(run, Outcome.ERROR if hook.endswith("error") else Outcome.OK)
        except Exception as another:
            self._relay.suppress(another, hook)

    def _mark(self, hook: str, name: str, data: object, run_id: UUID) -> None:
        try:
            self._recorder.mark(self._runs.find(run_id), name, data)
        except Exception as error:
            self._relay.suppress(error, hook)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (RelayCallbackHandler, ())


def _types(answer: object) -> list[object]:
    return list(cast("Sequence[object]", answer)) if isinstance(answer, list | tuple) else [answer]


def _ignore_all(handler: object, ignored: bool) -> None:
    """Say which events a handler, or a class of handlers, does not want: all of them or none."""
    for kind in ("llm", "retry", "chain", "agent", "retriever", "chat_model", "custom_event"):
        setattr(handler, f"ignore_{kind}", ignored)


# Plain attributes where LangChain has properties: they are read on every event.
_ignore_all(RelayCallbackHandler, False)

# LangGraph gives the payloads that its TracePolicy allows to tracers only. Relay is one, without that class's
# machinery.
BaseTracer.register(RelayCallbackHandler)
