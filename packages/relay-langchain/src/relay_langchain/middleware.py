"""Relay's control for LangChain agents, as an `AgentMiddleware`. Needs the extra `agents`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import ModelRequest, ToolCallRequest

from relay_core.runtime import Relay, default
from relay_langchain.chat_request import ChatRequest
from relay_langchain.control import OnRefusal, ToolControl, control_model, control_model_async
from relay_langchain.managed_calls import is_managed, model_name
from relay_langchain.observation import Observation

__all__ = ["RelayMiddleware"]


class RelayMiddleware(AgentMiddleware[Any, Any, Any]):
    """Guardrails and intercepts for an agent's model and tool calls.

    Pass it as `create_agent(..., middleware=[RelayMiddleware()])`; put it last, so that it is the innermost one and
    sees what is really sent. With and without a `RelayCallbackHandler` each model call and each tool call is one scope.

    Request intercepts see the request in OpenAI's shape (messages, model settings, tools) and, as the normalized view,
    may change it; what they leave alone stays the same object. An execution intercept's `next(request)` gives
    LangChain's `ModelResponse`, and it may answer with that or with an `AIMessage`. Async guardrails and intercepts
    need an agent that is called with `ainvoke` or `astream`.

    Args:
        runtime: whose guardrails and intercepts apply; by default the default one's.
        on_refusal: "message" tells the model with a ToolMessage why its tool call was refused; "raise" raises
            `GuardrailRejected` into the application. A refused model call always raises.
    """

    def __init__(self, *, runtime: Relay | None = None, on_refusal: OnRefusal = "message") -> None:
        """See the class."""
        super().__init__()
        self._relay = default() if runtime is None else runtime
        self._tools = ToolControl(runtime=self._relay, on_refusal=on_refusal)
        self._observation = Observation(self._relay)

    def wrap_model_call(self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any]) -> Any:
        """Ask the model under control."""
        if is_managed(request.model, self._relay):
            return handler(request)

        def call(final: ChatRequest) -> Any:
            with self._observation.of_model(request.model):
                return handler(_applied(request, asked, final))

        asked = _asked(request)
        return control_model(self._relay, _name(request), asked, call)

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[Any]]
    ) -> Any:
        """Ask the model under control, on the event loop."""
        if is_managed(request.model, self._relay):
            return await handler(request)

        async def call(final: ChatRequest) -> Any:
            with self._observation.of_model(request.model):
                return await handler(_applied(request, asked, final))

        asked = _asked(request)
        return await control_model_async(self._relay, _name(request), asked, call)

    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Any]) -> Any:
        """Call the tool under control."""
        if is_managed(request.tool, self._relay):
            return handler(request)
        return self._tools.wrap(request, handler)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Any]]
    ) -> Any:
        """Call the tool under control, on the event loop."""
        if is_managed(request.tool, self._relay):
            return await handler(request)
        return await self._tools.awrap(request, handler)


def _asked(request: ModelRequest[Any]) -> ChatRequest:
    system = [] if request.system_message is None else [request.system_message]
    options = dict(request.model_settings)
    if request.tool_choice is not None:
        options["tool_choice"] = request.tool_choice
    return ChatRequest([*system, *request.messages], list(request.tools), options, model_name(request.model))


def _applied(request: ModelRequest[Any], before: ChatRequest, after: ChatRequest) -> ModelRequest[Any]:
    """Return the agent's request with what the intercepts changed."""
    if after is before:
        return request
    overrides: dict[str, Any] = {}
    if after.messages is not before.messages:
        first = after.messages[0] if after.messages else None
        has_system = first is not None and first.type == "system"
        overrides["system_message"] = first if has_system else None
        overrides["messages"] = after.messages[1:] if has_system else after.messages
    if after.tools is not before.tools:
        overrides["tools"] = after.tools
    options = dict(after.options)
    overrides["tool_choice"] = options.pop("tool_choice", None)
    overrides["model_settings"] = options
    return request.override(**overrides)


def _name(request: ModelRequest[Any]) -> str:
    return str(getattr(request.model, "name", None) or type(request.model).__name__)
