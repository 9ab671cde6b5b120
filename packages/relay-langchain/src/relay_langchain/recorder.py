"""From what LangChain reports to scopes: what starts under which parent, with which payload, and how it ends.

`handler` receives the hooks and guards them; `registry` decides when a scope closes. Payloads are handed to the core as
they are and encoded there, once; where nobody wants them none is built.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson
from langchain_core.messages import ToolMessage

from relay_core.handles import ScopeHandle
from relay_core.outcomes import type_name
from relay_core.vocabulary import LLMAttributes, Outcome, ScopeType
from relay_langchain.classify import (
    HIDDEN_TAG,
    SCOPE_TYPES,
    agent_name,
    is_agent,
    is_marked_hidden,
    retry_attempt,
    run_name,
    scope_type_of,
)
from relay_langchain.current import note_body
from relay_langchain.messages import chat_messages
from relay_langchain.metadata import start_metadata
from relay_langchain.model_request import read_request
from relay_langchain.model_response import read_response
from relay_langchain.parentage import parent_handle, parent_run
from relay_langchain.payloads import plain_payload
from relay_langchain.plans import has_plans
from relay_langchain.registry import Ending, RunRegistry, is_source
from relay_langchain.runs import Run, RunInfo
from relay_langchain.streaming import is_stream_call

if TYPE_CHECKING:
    from langchain_core.outputs import LLMResult

    from relay_core.runtime import Relay

__all__ = ["ABSENT", "CHAT_SCHEMA", "Recorder"]

ABSENT: Final[Any] = object()
"""Stands for an argument that LangChain did not pass."""

CHAT_SCHEMA: Final = {"name": "openai/chat-completions", "version": "1"}
"""The schema of what models are asked and answer."""

_OK: Final = Ending()
_ERROR_TEXT: Final = 2_000
"""How much of a failed tool's message becomes the status description."""


class Recorder:
    """Records the runs of one runtime. Any thread may call any method; the handler catches what they raise."""

    def __init__(self, relay: Relay, runs: RunRegistry) -> None:
        """Record with `relay` what `runs` keeps."""
        self._relay = relay
        self._runs = runs

    # --- Start -------------------------------------------------------------------------------------------------------

    def begin(
        self,
        owner: object,
        kind: str,
        run_id: UUID,
        parent_run_id: UUID | None,
        given_name: str | None,
        serialized: Mapping[str, Any] | None,
        tags: Collection[str] | None,
        metadata: Mapping[str, Any] | None,
    ) -> Run | None:
        """Make the run that starts, without a scope yet; None if this start was delivered before."""
        runs = self._runs
        if runs.is_repeated(run_id):
            return None
        noted = dict(metadata) if metadata else {}
        name = str(given_name) if given_name else run_name(kind, serialized, noted)
        parent = parent_run(runs, parent_run_id, given_name)
        if parent is not None and parent.deferred:
            parent.last_step = run_id.int
        return Run(run_id.int, kind, name, parent, tuple(tags) if tags else (), noted, SCOPE_TYPES[kind], owner)

    def chain_start(self, run: Run, run_id: UUID, inputs: object, run_type: str | None) -> None:
        """Start a chain's scope."""
        run.typed = run_type is not ABSENT
        if run.typed and run_type is not None:
            run.run_type = run_type
            run.scope_type = scope_type_of(run_type)
        elif run.metadata and is_agent(run.metadata, run.parent):
            run.scope_type = ScopeType.Agent
            run.name = agent_name(run.metadata, run.name)
        parent = run.parent
        if parent is not None and parent.error_type is not None and (attempt := retry_attempt(run.tags)) is not None:
            self._mark_retry(parent, attempt)
        # A streamed chain starts with a placeholder: its real input arrives with its end.
        self._start(run, run_id, None if run.deferred else inputs)

    def model_start(
        self, run: Run, run_id: UUID, messages: Sequence[object], params: Mapping[str, Any] | None, batch_size: int
    ) -> None:
        """Start a model's scope."""
        run.batch_size = batch_size
        request = read_request(self._asked(messages), params, run.metadata)
        profile: dict[str, Any] = {}
        if request.model is not None:
            profile["model_name"] = request.model
        if request.provider is not None:
            profile["provider"] = request.provider
        profile["annotated_request"] = request.annotated
        attributes = LLMAttributes.STREAMING if is_stream_call() else None
        self._start(run, run_id, request.body, schema=CHAT_SCHEMA, profile=profile, attributes=attributes)
        run.started_ns = time.perf_counter_ns()
        if batch_size == 1:
            note_body(run.key)

    def _asked(self, messages: Sequence[object]) -> object:
        """Return the messages in OpenAI's shape: made here once, because two views of the request hold them."""
        if not self._relay.wants(ScopeType.Llm):
            return ()
        if has_plans:
            return self._relay.encoder.shared(messages)
        try:
            return chat_messages(messages)
        except Exception:  # the payload encoder tells which one it is
            return messages

    def tool_start(self, run: Run, run_id: UUID, arguments: object, tool_call_id: str | None) -> None:
        """Start a tool's scope."""
        run.tool_call_id = tool_call_id
        profile = None if tool_call_id is None else {"tool_call_id": tool_call_id}
        self._start(run, run_id, arguments, profile=profile)

    def retriever_start(self, run: Run, run_id: UUID, query: str) -> None:
        """Start a retriever's scope."""
        self._start(run, run_id, query)
        note_body(run.key)

    def _start(
        self,
        run: Run,
        run_id: UUID,
        payload: object,
        *,
        schema: Mapping[str, str] | None = None,
        profile: Mapping[str, Any] | None = None,
        attributes: LLMAttributes | None = None,
    ) -> None:
        scopes = self._relay.scopes
        info = self._classified(run, payload)
        name = run.name if info is None or info.name is None else info.name
        parent = parent_handle(scopes, run.parent)
        hidden = None if info is None else info.hidden
        if hidden is None:
            hidden = HIDDEN_TAG in run.tags and is_marked_hidden(run.tags, run.parent) and not self._runs.show_hidden
        if hidden:
            run.hidden = True
            run.handle = parent
        else:
            omit = () if info is None else info.omit
            metadata = start_metadata(_text(run_id), run.tags, run.metadata, run.run_type, omit)
            if info is not None and info.metadata:
                metadata.update(info.metadata)
            run.handle = scopes.start(
                name,
                run.scope_type,
                handle=parent,
                attributes=attributes,
                metadata=metadata,
                input=payload if schema is not None else self._plain(run, payload),
                data_schema=schema,
                category_profile=profile,
            )
        self._runs.add(run, run_id)
        if info is not None and info.marks:
            for mark, data in info.marks:
                scopes.event(mark, handle=run.handle, data=data)

    def _classified(self, run: Run, inputs: object) -> RunInfo | None:
        """Ask the plugins what this run is."""
        run.inputs = inputs
        try:
            info = self._relay.registry.first("relay_classify_run", run)
        finally:
            run.inputs = None
        if not isinstance(info, RunInfo):
            return None
        if info.scope_type is not None:
            run.scope_type = info.scope_type
        return info

    # --- End ---------------------------------------------------------------------------------------------------------

    def chain_end(self, run: Run, outputs: object, inputs: object) -> None:
        """End a chain that did not fail."""
        if run.noted is not None:
            self._relay.registry.call("relay_run_ends", run)
        outcome = run.outcome or (Outcome.ABANDONED if run.children and self._runs.was_left(run) else Outcome.OK)
        metadata = self._late_inputs(run, inputs) if run.deferred else None
        if outcome is Outcome.ABANDONED:
            metadata = {"otel.status_description": "its consumer left the stream", **(metadata or {})}
        self._runs.finish(run, Ending(outcome, None, self._plain(run, outputs), None, None, metadata))

    def model_end(self, run: Run, result: LLMResult) -> None:
        """End a model's call that did not fail."""
        self._runs.finish(run, self._answered(run, result, Outcome.OK, None))

    def tool_end(self, run: Run, output: object) -> None:
        """End a tool that returned; a ToolMessage with status "error" tells of a failure that LangChain handled."""
        if not isinstance(output, ToolMessage):
            self._runs.finish(run, _OK if output is None else Ending(output=self._plain(run, output)))
            return
        fields = output.__dict__
        profile: dict[str, Any] = {}
        if run.tool_call_id is None and (call_id := fields.get("tool_call_id")):
            profile["tool_call_id"] = call_id
        if (artifact := fields.get("artifact")) is not None and self._relay.wants(ScopeType.Tool):
            profile["tool_result_annotation"] = artifact
        outcome, metadata = Outcome.OK, None
        if fields.get("status") == "error":
            outcome = Outcome.ERROR
            metadata = {"otel.status_description": str(fields.get("content"))[:_ERROR_TEXT]}
        recorded = self._plain(run, output)
        self._runs.finish(run, Ending(outcome, None, recorded, None, profile or None, metadata))

    def retriever_end(self, run: Run, documents: object) -> None:
        """End a retriever that found what it found."""
        self._runs.finish(run, Ending(output=documents))

    def failed(
        self, run: Run, error: BaseException, *, result: LLMResult | None = None, inputs: object = ABSENT
    ) -> None:
        """End a run by what it raised; `result` is what a model had answered until then."""
        if run.parent is not None:
            run.parent.error_type = type_name(type(error))
        outcome = self._runs.outcome_of(run, error)
        if outcome is Outcome.ABANDONED and run.parent is not None and is_source(run, run.parent):
            run.parent.outcome = outcome  # LangChain ends the stream around it as if nothing had happened
        if run.scope_type is ScopeType.Llm and run.kind != "chain":
            ending = self._answered(run, result, outcome, error)
        else:
            ending = Ending(outcome, error, metadata=self._late_inputs(run, inputs))
        self._runs.fail(run, ending)

    def _answered(self, run: Run, result: LLMResult | None, outcome: Outcome, error: BaseException | None) -> Ending:
        profile: dict[str, Any] = {}
        if run.chunks:
            profile["time_to_first_chunk"] = (run.first_chunk_ns - run.started_ns) / 1e9
            profile["chunk_count"] = run.chunks // run.deliveries
        output = metadata = None
        try:
            if result is not None and result.generations and self._relay.wants(ScopeType.Llm):
                response = read_response(result)
                output = response.completion
                profile["annotated_response"] = response.annotated
                if response.cached:
                    metadata = {"langchain.cached": True}
        except Exception as trouble:  # the scope ends whatever the answer looks like
            self._relay.suppress(trouble, "relay_langchain.model_response")
        schema = None if output is None else CHAT_SCHEMA
        return Ending(outcome, error, output, schema, profile or None, metadata)

    def _late_inputs(self, run: Run, inputs: object) -> Mapping[str, Any] | None:
        """Return the real input of a streamed chain for the end event's metadata, where payloads are recorded."""
        if not run.deferred or inputs is ABSENT or inputs is None or not self._relay.wants(run.scope_type):
            return None
        return {"langchain.inputs": plain_payload(inputs)}

    def _plain(self, run: Run, payload: object) -> object:
        """Return what to record of an input or output; the payload itself where nobody wants it, or plans do it."""
        return payload if has_plans or not self._relay.wants(run.scope_type) else plain_payload(payload)

    # --- In between --------------------------------------------------------------------------------------------------

    def mark(self, run: Run | None, name: str, data: object, metadata: Mapping[str, Any] | None = None) -> None:
        """Emit a mark on the run's scope, on the current one where the run is not known."""
        handle: ScopeHandle | None = None if run is None else run.handle
        self._relay.scopes.event(name, handle=handle, data=data, metadata=metadata)

    def custom_event(self, owner: object, run_id: UUID, name: str, data: object) -> None:
        """Emit a custom event as a mark, once, although each handler of the run reports it."""
        run = self._runs.find(run_id)
        if run is not None:
            delivered = (id(owner), id(data), name)
            last, run.last_event = run.last_event, delivered
            if last is not None and last[1:] == delivered[1:] and last[0] != delivered[0]:
                return
        self.mark(run, name, data)

    def retried(self, run: Run | None, state: Any) -> None:
        """Emit the mark of a retry that somebody reports with tenacity's state."""
        outcome = getattr(state, "outcome", None)
        kind = None
        if outcome is not None and outcome.done() and not outcome.cancelled():
            error: BaseException | None = outcome.exception()
            kind = None if error is None else type_name(type(error))
        self.mark(run, "Retry", {"attempt": getattr(state, "attempt_number", None), "error_type": kind})

    def _mark_retry(self, parent: Run, attempt: int) -> None:
        data = {"attempt": attempt, "error_type": parent.error_type}
        self.mark(parent, "Retry", data)


def _text(run_id: UUID) -> str:
    """Return a run's id in its usual form, in a third of the time that `str` takes."""
    return orjson.dumps(run_id)[1:-1].decode() if type(run_id) is UUID else str(run_id)
