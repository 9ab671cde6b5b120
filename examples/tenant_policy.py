"""A policy for one tenant's requests: the same agent serves two tenants at once, and only one may book."""

import asyncio
from collections.abc import Callable
from typing import Any

from langchain.agents import create_agent
from langchain.tools import tool
from scripted_model import ScriptedModel, message

from relay_core import ScopeType, scope, scope_local
from relay_langchain import RelayMiddleware

POLICIES = {"basic": {"weather"}, "premium": {"weather", "book_flight"}}


@tool
def weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"21 degrees in {city}"


@tool
def book_flight(city: str) -> str:
    """Book a flight."""
    return f"booked to {city}"


def only(allowed: set[str], tenant: str) -> Callable[[str, Any], str | None]:
    """Return a guardrail that refuses all other tools."""
    return lambda name, args: None if name in allowed else f"not part of the {tenant} plan"


async def request(tenant: str) -> None:
    """Serve one request; its policy is on its scope, and gone with it."""
    script = [message(weather=["Lisbon"]), message(book_flight=["Lisbon"]), message("That is all.")]
    agent = create_agent(
        ScriptedModel(messages=iter(script)), [weather, book_flight], middleware=[RelayMiddleware()], name="travel"
    )
    with scope.scope(f"request of {tenant}", ScopeType.Agent, metadata={"tenant": tenant}) as handle:
        scope_local.register_tool_conditional_execution(handle, "plan", 0, only(POLICIES[tenant], tenant))
        answer = await agent.ainvoke({"messages": [("user", "To Lisbon, please.")]})
    for said in answer["messages"]:
        if said.type == "tool":
            print(f"{tenant}: {said.content}")


async def main() -> None:
    """Serve both tenants at the same time."""
    await asyncio.gather(*(request(tenant) for tenant in POLICIES))


if __name__ == "__main__":
    asyncio.run(main())
