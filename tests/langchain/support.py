"""What the tests of relay-langchain share: fake models, and a recording of everything that one runtime emits."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models import LLM, BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, GenerationChunk
from langchain_core.retrievers import BaseRetriever

from relay_core.events import MarkEvent, ScopeEvent
from relay_core.runtime import Relay
from relay_langchain import RelayCallbackHandler


class Chat(BaseChatModel):
    """A chat model that answers from a list, again and again, and does what it is told on the way."""

    answers: Sequence[Any] = ("one two three",)
    """Texts, messages, or exceptions to raise."""
    body: Callable[[], object] | None = None
    """Called inside of the model's body, once per call or chunk."""
    abody: Callable[[], Any] | None = None
    """Awaited inside of the model's async body."""
    model_name: str = "fake-1"
    usage: dict[str, Any] | None = None
    calls: int = 0

    @property
    def _llm_type(self) -> str:
        return "fake"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return {**super()._get_ls_params(stop=stop, **kwargs), "ls_model_name": self.model_name, "ls_provider": "acme"}

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return self.bind(tools=list(tools), **kwargs)

    def _next(self) -> AIMessage:
        answer = self.answers[self.calls % len(self.answers)]
        self.calls += 1
        if isinstance(answer, BaseException):
            raise type(answer)(*answer.args)  # a new one: an exception that is kept would keep LangChain's frames
        message = AIMessage(answer) if isinstance(answer, str) else answer.model_copy()
        if self.usage is not None:
            message.usage_metadata = self.usage
        message.response_metadata = {"model_name": f"{self.model_name}-0806", "finish_reason": "stop"} | (
            message.response_metadata
        )
        return message

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if self.body is not None:
            self.body()
        return ChatResult(generations=[ChatGeneration(message=self._next())])

    async def _agenerate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Any:
        if self.abody is not None:
            await self.abody()
        return self._generate(messages)


class StreamingChat(Chat):
    """The same with real streaming: a chunk per word; an exception among the words is raised in between."""

    words: Sequence[Any] = ("one ", "two ", "three")

    def _chunks(self) -> Iterator[ChatGenerationChunk]:
        for index, word in enumerate(self.words):
            if isinstance(word, BaseException):
                raise type(word)(*word.args)
            last = index == len(self.words) - 1
            message = AIMessageChunk(
                word,
                usage_metadata=self.usage if last and self.usage else None,
                response_metadata={"model_name": f"{self.model_name}-0806", "finish_reason": "stop"} if last else {},
            )
            yield ChatGenerationChunk(message=message)

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        for chunk in self._chunks():
            if self.body is not None:
                self.body()
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    async def _astream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._chunks():
            if self.abody is not None:
                await self.abody()
            if run_manager:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk


class Completion(LLM):
    """A completion model."""

    answer: str = "done"
    abody: Callable[[], Any] | None = None

    @property
    def _llm_type(self) -> str:
        return "fake-llm"

    def _call(self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> str:
        return self.answer

    async def _acall(self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> str:
        if self.abody is not None:
            await self.abody()
        return self.answer

    def _stream(
        self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[GenerationChunk]:
        for letter in self.answer:
            if run_manager:
                run_manager.on_llm_new_token(letter)
            yield GenerationChunk(text=letter)


class Finder(BaseRetriever):
    """A retriever of two documents that does what it is told on the way."""

    body: Callable[[], object] | None = None

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        if self.body is not None:
            self.body()
        return [
            Document("alpha", metadata={"source": "a.md", "score": 0.9}, id="d1"),
            Document("beta", metadata={"source": "b.md"}),
        ]


@dataclass
class Node:
    """One scope of a recorded tree."""

    start: ScopeEvent
    end: ScopeEvent | None = None
    children: list[Node] = field(default_factory=list)
    marks: list[MarkEvent] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.start.name

    def __str__(self) -> str:
        """`name` or `name!outcome`, and the children in braces."""
        outcome = "∅" if self.end is None else self.end.outcome
        told = self.name if outcome == "ok" else f"{self.name}!{outcome}"
        return told + ("{" + " ".join(map(str, self.children)) + "}" if self.children else "")

    def walk(self) -> Iterator[Node]:
        yield self
        for child in self.children:
            yield from child.walk()


class Recording:
    """Everything that one runtime of its own emits."""

    def __init__(self) -> None:
        self.relay = Relay()
        self._events: list[ScopeEvent | MarkEvent] = []
        self.suppressed_is_fine = False
        self.relay.subscribers.register("recording", self._events.append)

    def handler(self) -> RelayCallbackHandler:
        return RelayCallbackHandler(runtime=self.relay)

    @property
    def config(self) -> dict[str, Any]:
        return {"callbacks": [self.handler()]}

    @property
    def open_runs(self) -> int:
        return self.handler().open_runs

    @property
    def events(self) -> list[ScopeEvent | MarkEvent]:
        assert _flushed(self.relay)
        return list(self._events)

    @property
    def roots(self) -> list[Node]:
        """The recorded trees, in order of their starts."""
        nodes: dict[str, Node] = {}
        roots: list[Node] = []
        for event in self.events:
            if isinstance(event, MarkEvent):
                if event.parent_uuid is not None:
                    nodes[event.parent_uuid].marks.append(event)
            elif event.scope_category == "start":
                assert event.uuid not in nodes, f"{event.name} started twice"
                nodes[event.uuid] = Node(event)
                parent = None if event.parent_uuid is None else nodes[event.parent_uuid]
                (roots if parent is None else parent.children).append(nodes[event.uuid])
            else:
                assert nodes[event.uuid].end is None, f"{event.name} ended twice"
                nodes[event.uuid].end = event
        return roots

    @property
    def tree(self) -> str:
        """The recorded trees, as `str` of their nodes, side by side."""
        return " ".join(map(str, self.roots))

    def node(self, name: str) -> Node:
        """The only scope with this name."""
        (found,) = self.nodes(name)
        return found

    def nodes(self, name: str) -> list[Node]:
        return [node for root in self.roots for node in root.walk() if node.name == name]

    def assert_complete(self) -> None:
        """Nothing is open, nothing went wrong with us, and every scope ended once, after its children."""
        assert self.open_runs == 0
        assert self.relay.statistics().open_scopes == 0
        assert self.relay.statistics().suppressed_errors == 0
        assert self.relay.statistics().failed == {}
        ended: set[str] = set()
        children: dict[str | None, list[str]] = {}
        for event in self.events:
            if isinstance(event, ScopeEvent):
                if event.scope_category == "start":
                    assert event.parent_uuid not in ended, f"{event.name} started after the end of its parent"
                    children.setdefault(event.parent_uuid, []).append(event.uuid)
                else:
                    ended.add(event.uuid)
                    late = [child for child in children.get(event.uuid, ()) if child not in ended]
                    assert not late, f"{event.name} ended before {len(late)} of its children"
        assert ended == {child for siblings in children.values() for child in siblings}

    async def settle(self) -> None:
        """Wait until LangChain has reported what it reports late, in tasks of its own; collects no garbage."""
        for _ in range(200):
            await asyncio.sleep(0)
            if self.open_runs == 0:
                return
        for _ in range(400):  # up to two seconds
            if self.open_runs:
                await asyncio.sleep(0.005)

    def expect_suppressed(self) -> None:
        """Errors of our own are what this test is about."""
        self.suppressed_is_fine = True

    def clear(self) -> None:
        assert _flushed(self.relay)
        self._events.clear()


def _flushed(relay: Relay) -> bool:
    """Wait for delivery, also where an event loop runs."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return relay.subscribers.flush(10)
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(relay.subscribers.flush(10)))
    thread.start()
    thread.join()
    return results == [True]


class NoGc:
    """A block without the cyclic garbage collector: what has to close by itself must not depend on it."""

    def __enter__(self) -> None:
        gc.disable()

    def __exit__(self, *_: object) -> None:
        gc.enable()
