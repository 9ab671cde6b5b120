"""`managed`: one chat model or one tool under Relay's control, wherever it is used."""

from __future__ import annotations

import contextvars
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, TypeVar, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool

from relay_core.codecs import LLMRequest
from relay_core.errors import GuardrailRejected
from relay_core.json_values import is_object
from relay_core.runtime import Relay, default
from relay_langchain.chat_request import CODEC, ChatRequest
from relay_langchain.control import OnRefusal, control_model, control_model_async, refusal_message
from relay_langchain.observation import Observation

__all__ = ["is_managed", "managed", "model_name"]

T = TypeVar("T", bound=BaseChatModel | BaseTool)

_ATTRIBUTE: Final = "_relay_managed"
_controlled: Final[contextvars.ContextVar[tuple[object, ...]]] = contextvars.ContextVar("relay_managed", default=())
"""The models and tools that are being called under control in this context: LangChain calls some methods by others."""


def managed(target: T, *, runtime: Relay | None = None, on_refusal: OnRefusal = "message") -> T:
    """Return `target` under control: guardrails and intercepts apply to each of its calls.

    The result is a copy of the same class, so `bind_tools`, `with_structured_output`, `batch`, `with_retry` and agents
    work with it. It shares the target's clients. With and without a callback handler each call is one scope.
    A model is controlled in `invoke`, `stream`, `batch` and their async twins, not in `generate`.

    Args:
        target: A chat model or a tool.
        runtime: Whose guardrails and intercepts apply; by default the default one's.
        on_refusal: What becomes of a refused call that a model asked a tool for: "message" answers with a ToolMessage
            that tells why, "raise" raises. Any other refused call raises `GuardrailRejected`.

    Raises:
        TypeError: It is neither.
        ValueError: `on_refusal` is neither "message" nor "raise".
    """
    if on_refusal not in ("message", "raise"):
        raise ValueError(f"on_refusal must be 'message' or 'raise', not {on_refusal!r}")
    mixin = _mixin_for(target)
    copy = target.model_copy()
    kind = type(target)
    setting = _Setting(default() if runtime is None else runtime, on_refusal)
    if not issubclass(kind, mixin):
        body = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
        object.__setattr__(copy, "__class__", type(kind.__name__, (mixin, kind), body))
    object.__setattr__(copy, _ATTRIBUTE, setting)
    return cast("T", copy)


def is_managed(target: object, relay: Relay) -> bool:
    """Tell whether `managed` has put it under control of this runtime."""
    setting = getattr(target, _ATTRIBUTE, None)
    return isinstance(setting, _Setting) and setting.relay is relay


def model_name(model: object) -> str | None:
    """Return the name of the model that a chat model asks, as far as it tells."""
    for attribute in ("model_name", "model", "model_id"):
        name = getattr(model, attribute, None)
        if isinstance(name, str) and name:
            return name
    return None


class _Setting:
    """How one target is controlled."""

    __slots__ = ("observation", "on_refusal", "relay")

    def __init__(self, relay: Relay, on_refusal: OnRefusal) -> None:
        self.relay = relay
        self.on_refusal = on_refusal
        self.observation = Observation(relay)


def _mixin_for(target: object) -> type[Any]:
    if isinstance(target, BaseChatModel):
        return _ManagedModel
    if isinstance(target, BaseTool):
        return _ManagedTool
    raise TypeError(f"managed() takes a chat model or a tool, not {type(target).__name__}")


class _Inside:
    """A block in which calls of `target` are LangChain's own, and not to be controlled again."""

    __slots__ = ("_target", "_token")

    def __init__(self, target: object) -> None:
        self._target = target

    def __enter__(self) -> None:
        self._token = _controlled.set((*_controlled.get(), self._target))

    def __exit__(self, *_: object) -> None:
        _controlled.reset(self._token)


def _is_inside(target: object) -> bool:
    return any(one is target for one in _controlled.get())


class _ManagedModel:
    """The controlled methods of a chat model, in front of its own."""

    def invoke(
        self, input: Any, config: RunnableConfig | None = None, *, stop: list[str] | None = None, **kwargs: Any
    ) -> Any:
        own = cast("Any", super())
        if _is_inside(self):
            return own.invoke(input, config, stop=stop, **kwargs)
        setting = _setting_of(self)

        def call(final: ChatRequest) -> Any:
            with _Inside(self):
                return own.invoke(final.messages, setting.observation.config(config, self), **_options(final))

        return control_model(setting.relay, _name(self), _asked(self, input, stop, kwargs), call)

    async def ainvoke(
        self, input: Any, config: RunnableConfig | None = None, *, stop: list[str] | None = None, **kwargs: Any
    ) -> Any:
        own = cast("Any", super())
        if _is_inside(self):
            return await own.ainvoke(input, config, stop=stop, **kwargs)
        setting = _setting_of(self)

        async def call(final: ChatRequest) -> Any:
            with _Inside(self):
                return await own.ainvoke(final.messages, setting.observation.config(config, self), **_options(final))

        return await control_model_async(setting.relay, _name(self), _asked(self, input, stop, kwargs), call)

    def stream(
        self, input: Any, config: RunnableConfig | None = None, *, stop: list[str] | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        own = cast("Any", super())
        if _is_inside(self):
            yield from own.stream(input, config, stop=stop, **kwargs)
            return
        setting = _setting_of(self)
        asked = _asked(self, input, stop, kwargs)
        before, answer = asked.llm_request(), _Answer()

        def call(after: LLMRequest) -> Iterator[Any]:
            answer.is_ours = False
            final = asked.edited(before, after)
            chunks = own.stream(final.messages, setting.observation.config(config, self), **_options(final))
            return _stepping(self, chunks)

        with setting.relay.llm.stream_execute_sync(
            _name(self), before, call, answer.add, answer.whole, model_name=asked.model, codec=CODEC, recorded=False
        ) as chunks:
            yield from chunks

    async def astream(
        self, input: Any, config: RunnableConfig | None = None, *, stop: list[str] | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        own = cast("Any", super())
        if _is_inside(self):
            async for chunk in own.astream(input, config, stop=stop, **kwargs):
                yield chunk
            return
        setting = _setting_of(self)
        asked = _asked(self, input, stop, kwargs)
        before, answer = asked.llm_request(), _Answer()

        def call(after: LLMRequest) -> AsyncIterator[Any]:
            answer.is_ours = False
            final = asked.edited(before, after)
            chunks = own.astream(final.messages, setting.observation.config(config, self), **_options(final))
            return _stepping_async(self, chunks)

        async with await setting.relay.llm.stream_execute(
            _name(self), before, call, answer.add, answer.whole, model_name=asked.model, codec=CODEC, recorded=False
        ) as chunks:
            async for chunk in chunks:
                yield chunk


class _ManagedTool:
    """The controlled methods of a tool, in front of its own."""

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        own = cast("Any", super())
        if _is_inside(self):
            return own.invoke(input, config, **kwargs)
        setting, call = _setting_of(self), _ToolCall(self, input)

        def run(args: Any) -> Any:
            call.reached = True
            with _Inside(self):
                return own.invoke(call.with_args(args), setting.observation.config(config, self), **kwargs)

        try:
            result = setting.relay.tools.execute_sync(
                call.name, call.args, run, tool_call_id=call.tool_call_id, recorded=False
            )
        except GuardrailRejected as refused:
            return call.explained(refused, setting)
        return result.result

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        own = cast("Any", super())
        if _is_inside(self):
            return await own.ainvoke(input, config, **kwargs)
        setting, call = _setting_of(self), _ToolCall(self, input)

        async def run(args: Any) -> Any:
            call.reached = True
            with _Inside(self):
                return await own.ainvoke(call.with_args(args), setting.observation.config(config, self), **kwargs)

        try:
            result = await setting.relay.tools.execute(
                call.name, call.args, run, tool_call_id=call.tool_call_id, recorded=False
            )
        except GuardrailRejected as refused:
            return call.explained(refused, setting)
        return result.result


class _ToolCall:
    """One call of a managed tool: what the model or the application passed, apart from what a framework injects."""

    __slots__ = ("_hidden", "_input", "args", "name", "reached", "tool_call_id")

    def __init__(self, tool: Any, given: Any) -> None:
        self._input = given
        self.name: str = tool.name
        self.reached = False
        """Whether the call got as far as the tool."""
        by_model = is_object(given) and given.get("type") == "tool_call"
        args = given["args"] if by_model else given
        self.tool_call_id: str | None = given.get("id") if by_model else None
        visible = _visible(tool, args) if is_object(args) else args
        self._hidden = {key: args[key] for key in args if key not in visible} if is_object(args) else {}
        self.args = visible if self._hidden else args

    def with_args(self, args: Any) -> Any:
        """Return the tool's input with these arguments, and with the injected ones."""
        if self._hidden and is_object(args):
            args = {**args, **self._hidden}
        elif args is self.args:
            return self._input
        return args if self.tool_call_id is None else {**self._input, "args": args}

    def explained(self, refused: GuardrailRejected, setting: _Setting) -> ToolMessage:
        """Return what the model is told about a refusal of this call; one from inside of the tool is not ours."""
        if self.reached or self.tool_call_id is None or setting.on_refusal == "raise":
            raise refused
        return refusal_message(refused, self.name, self.tool_call_id)


def _visible(tool: Any, args: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments without those that a framework injects: as LangChain shows them to callbacks."""
    filtered = getattr(tool, "_filter_injected_args", None)
    return args if filtered is None else filtered(args)


def _setting_of(target: object) -> _Setting:
    setting = getattr(target, _ATTRIBUTE)
    assert isinstance(setting, _Setting)
    return setting


def _name(model: Any) -> str:
    return str(getattr(model, "name", None) or type(model).__name__)


def _asked(model: Any, given: Any, stop: list[str] | None, options: dict[str, Any]) -> ChatRequest:
    messages = model._convert_input(given).to_messages()
    options = dict(options)
    tools: list[Any] = list(options.pop("tools", None) or ())
    if stop is not None:
        options["stop"] = stop
    return ChatRequest(messages, tools, options, model_name(model))


def _options(final: ChatRequest) -> dict[str, Any]:
    """Return what the model is called with beside messages and config."""
    return {**final.options, "tools": final.tools} if final.tools else final.options


def _stepping(target: object, chunks: Iterator[Any]) -> Iterator[Any]:
    """Yield chunks; only while one is made is the target being called."""
    try:
        while True:
            with _Inside(target):
                try:
                    chunk = next(chunks)
                except StopIteration:
                    return
            yield chunk
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()


async def _stepping_async(target: object, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Do as `_stepping`, on the event loop."""
    try:
        while True:
            with _Inside(target):
                try:
                    chunk = await anext(chunks)
                except StopAsyncIteration:
                    return
            yield chunk
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()


class _Answer:
    """The chunks of a stream that an intercept makes itself: nobody else records them."""

    __slots__ = ("_chunks", "is_ours")

    def __init__(self) -> None:
        self.is_ours = True
        """Whether the model was not asked; else its handler records the stream, and no chunk is kept."""
        self._chunks: list[Any] = []

    def add(self, chunk: object) -> None:
        if self.is_ours:
            self._chunks.append(chunk)

    def whole(self) -> Any:
        """Return what the chunks add up to, and all of them where they do not."""
        chunks = self._chunks
        if not chunks:
            return None
        if all(isinstance(chunk, str) for chunk in chunks):
            return "".join(chunks)
        if all(isinstance(chunk, AIMessageChunk) for chunk in chunks):
            return chunks[0] + chunks[1:] if len(chunks) > 1 else chunks[0]
        return chunks
