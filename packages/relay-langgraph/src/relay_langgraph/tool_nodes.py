"""`tool_node`: LangGraph's `ToolNode` with its calls under Relay's control, for graphs that are not agents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.tools import BaseTool
from langgraph.prebuilt import ToolNode

from relay_core.runtime import Relay
from relay_langchain.control import OnRefusal, ToolControl

__all__ = ["tool_node"]


def tool_node(
    tools: Sequence[BaseTool | Callable[..., Any]],
    *,
    runtime: Relay | None = None,
    on_refusal: OnRefusal = "message",
    **options: Any,
) -> ToolNode:
    """Return a `ToolNode` whose calls pass guardrails and intercepts, sync and async.

    The same as `ToolNode(tools, wrap_tool_call=control.wrap, awrap_tool_call=control.awrap)` with a
    `relay_langchain.control.ToolControl`. With and without a callback handler each call is one scope. Artifacts,
    `Command`, interrupts and injected arguments pass through as they are.

    Args:
        tools: As for `ToolNode`.
        runtime: Whose guardrails and intercepts apply; by default the default one's.
        on_refusal: "message" tells the model with a ToolMessage why its call was refused; "raise" raises
            `GuardrailRejected`, which the node's `handle_tool_errors` may turn into a message after all.
        options: Further arguments of `ToolNode`, but for its two wrappers.

    Raises:
        ValueError: `on_refusal` is neither "message" nor "raise".
    """
    control = ToolControl(runtime=runtime, on_refusal=on_refusal)
    return ToolNode(tools, wrap_tool_call=control.wrap, awrap_tool_call=control.awrap, **options)
