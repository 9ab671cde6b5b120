"""Retry, then another model: an intercept around every model call, written once, for all of the application."""

import asyncio
from typing import Any

from relay_core import LlmExecutionContext, LLMRequest, intercepts, llm, scope
from relay_core.codecs import OpenAIChatCodec

FALLBACK = "small-and-steady"
outages = ["rate limit", "rate limit"]


async def provider(request: LLMRequest) -> dict[str, Any]:
    """Stand for a provider whose large model is busy."""
    model = request.content["model"]
    if model != FALLBACK and outages:
        raise ConnectionError(outages.pop())
    return {"model": model, "choices": [{"message": {"content": f"{model} says hello"}}]}


async def resilient(context: LlmExecutionContext, following: Any) -> Any:
    """Try the model twice, then the fallback; each failure is a mark on the call's scope."""
    for attempt in (1, 2):
        try:
            return await following(context.request)
        except ConnectionError as error:
            scope.event("Retry", data={"attempt": attempt, "error": str(error)}, severity="warn")
            await asyncio.sleep(0)
    view = OpenAIChatCodec().decode(context.request)
    view.model = FALLBACK
    return await following(OpenAIChatCodec().encode(view, context.request))


async def main() -> None:
    """Ask the large model, twice: the application never sees the outage."""
    intercepts.register_llm_execution("resilient", 10, resilient)
    request = LLMRequest({}, {"model": "large", "messages": [{"role": "user", "content": "Hello?"}], "seed": 7})
    for _ in range(2):
        response = await llm.execute("provider", request, provider)
        print(response["choices"][0]["message"]["content"])


if __name__ == "__main__":
    asyncio.run(main())
