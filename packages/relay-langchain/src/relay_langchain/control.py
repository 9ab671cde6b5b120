"""Model and tool calls of LangChain under Relay's control: guardrails and intercepts apply, LangChain makes the call.

Used by `middleware` for agents, by `managed_calls` for single models and tools, and by relay-langgraph for tool nodes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

from langchain_core.messages import ToolMessage

from relay_core.control import ToolExecutionResult  # loads what an agent's first call needs
from relay_core.errors import GuardrailRejected
from relay_core.runtime import Relay, default
from relay_langchain.chat_request import CODEC, ChatRequest
from relay_langchain.observation import Observation

__all__ = ["OnRefusal", "ToolControl", "control_model", "control_model_async", "refusal_message"]

OnRefusal = Literal["message", "raise"]
"""What becomes of a refused tool call: a ToolMessage that tells the model why, or the exception."""

_PLAIN: Final = (str, int, float, bool, dict, type(None))


def control_model(relay: Relay, name: str, asked: ChatRequest, call: Callable[[ChatRequest], Any]) -> Any:
    """Ask a model under control, without an event loop; `call` asks it.

    Raises:
        GuardrailRejected: A guardrail refused.
        AsyncMiddlewareError: A guardrail or an intercept is async.
        BaseException: What the model, a guardrail or an intercept raised.
    """
    before = asked.llm_request()
    return relay.llm.execute_sync(
        name,
        before,
        lambda after: call(asked.edited(before, after)),
        model_name=asked.model,
        codec=CODEC,
        recorded=False,
    )


async def control_model_async(
    relay: Relay, name: str, asked: ChatRequest, call: Callable[[ChatRequest], Awaitable[Any]]
) -> Any:
    """Ask a model under control; `call` asks it.

    Raises:
        GuardrailRejected: A guardrail refused.
        BaseException: What the model, a guardrail or an intercept raised.
    """
    before = asked.llm_request()
    return await relay.llm.execute(
        name,
        before,
        lambda after: call(asked.edited(before, after)),
        model_name=asked.model,
        codec=CODEC,
        recorded=False,
    )


class ToolControl:
    """Runs the tool calls of an agent or a tool node under control: `wrap` and `awrap` are what such a node asks for.

    Artifacts, commands, interrupts and injected arguments pass through as they are.
    """

    def __init__(self, *, runtime: Relay | None = None, on_refusal: OnRefusal = "message") -> None:
        """Control with `runtime`, by default the default one.

        Raises:
            ValueError: `on_refusal` is neither "message" nor "raise".
        """
        if on_refusal not in ("message", "raise"):
            raise ValueError(f"on_refusal must be 'message' or 'raise', not {on_refusal!r}")
        self._relay = default() if runtime is None else runtime
        self._on_refusal = on_refusal
        self._observation = Observation(self._relay)

    def wrap(self, request: Any, execute: Callable[[Any], Any]) -> Any:
        """Run one tool call: a `ToolCallRequest`, and the function that executes it."""
        call = request.tool_call
        reached = _Reached()

        def run(args: Any) -> Any:
            reached.it = True
            final = _with_args(request, args)
            with self._observation.of_tool(_config(request), request.tool, call["name"], args, call["id"]) as tool_run:
                tool_run.output = execute(final)
            return tool_run.output

        try:
            result = self._relay.tools.execute_sync(
                call["name"], call["args"], run, tool_call_id=call["id"], recorded=False
            )
        except GuardrailRejected as refused:
            return self._explained(refused, reached, call)
        return _answer(result, call)

    async def awrap(self, request: Any, execute: Callable[[Any], Awaitable[Any]]) -> Any:
        """Do as `wrap`, on the event loop."""
        call = request.tool_call
        reached = _Reached()

        async def run(args: Any) -> Any:
            reached.it = True
            final = _with_args(request, args)
            with self._observation.of_tool(_config(request), request.tool, call["name"], args, call["id"]) as tool_run:
                tool_run.output = await execute(final)
            return tool_run.output

        try:
            result = await self._relay.tools.execute(
                call["name"], call["args"], run, tool_call_id=call["id"], recorded=False
            )
        except GuardrailRejected as refused:
            return self._explained(refused, reached, call)
        return _answer(result, call)

    def _explained(self, refused: GuardrailRejected, reached: _Reached, call: Any) -> ToolMessage:
        """Return what the model is told about a refusal of this call; one from inside of the tool is not ours."""
        if reached.it or self._on_refusal == "raise":
            raise refused
        return refusal_message(refused, call["name"], call["id"])


class _Reached:
    """Whether a call got as far as the tool."""

    __slots__ = ("it",)

    def __init__(self) -> None:
        self.it = False


def refusal_message(refused: GuardrailRejected, name: str, tool_call_id: str | None) -> ToolMessage:
    """Return the message that tells the model why its tool call was refused."""
    content = f"The call of the tool {name!r} was refused: {refused.reason}"
    return ToolMessage(content, name=name, tool_call_id=tool_call_id or "", status="error")


def _with_args(request: Any, args: Any) -> Any:
    """Return the request with the arguments that the intercepts left."""
    call = request.tool_call
    return request if args is call["args"] else request.override(tool_call={**call, "args": args})


def _config(request: Any) -> Any:
    return getattr(request.runtime, "config", None)


def _answer(result: ToolExecutionResult[Any], call: Any) -> Any:
    """Return what a tool node takes: an intercept's plain value becomes a message, everything else stays itself."""
    value = result.result
    if type(value) not in _PLAIN:
        return value
    from json import dumps

    content = value if isinstance(value, str) else dumps(value, default=str)
    return ToolMessage(content, name=call["name"], tool_call_id=call["id"], artifact=result.annotation)
