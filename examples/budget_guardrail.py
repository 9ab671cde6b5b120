"""A budget for one request: a guardrail and an intercept on its scope stop it when its tokens are used up."""

import asyncio
from typing import Any

from relay_core import GuardrailRejected, LlmExecutionContext, LLMRequest, ScopeType, llm, scope, scope_local


class Budget:
    """How many tokens a request may still use."""

    def __init__(self, tokens: int) -> None:
        """Begin with so many."""
        self.left = tokens

    def check(self, request: LLMRequest) -> str | None:
        """Refuse when nothing is left."""
        return None if self.left > 0 else "the budget of this request is used up"

    async def meter(self, context: LlmExecutionContext, following: Any) -> Any:
        """Count what a call has used."""
        response = await following(context.request)
        self.left -= response["usage"]["total_tokens"]
        return response


async def provider(request: LLMRequest) -> dict[str, Any]:
    """Stand for a model: 20 tokens for any question."""
    await asyncio.sleep(0)
    return {"choices": [{"message": {"content": "Go on."}}], "usage": {"total_tokens": 20}}


async def request(name: str, tokens: int, questions: int) -> str:
    """Serve one request, which asks the model several times."""
    with scope.scope(name, ScopeType.Agent) as handle:
        budget = Budget(tokens)
        scope_local.register_llm_conditional_execution(handle, "budget", 0, budget.check)
        scope_local.register_llm_execution(handle, "meter", 0, budget.meter)
        try:
            for number in range(questions):
                await llm.execute("provider", LLMRequest({}, {"messages": [f"question {number}"]}), provider)
        except GuardrailRejected as refused:
            return f"{name}: stopped after {tokens - budget.left} tokens, {refused.reason}"
        return f"{name}: done with {tokens - budget.left} tokens"


async def main() -> None:
    """Serve two requests at the same time; the budget of one is nothing to the other."""
    for line in await asyncio.gather(request("modest", 100, 3), request("greedy", 40, 10)):
        print(line)


if __name__ == "__main__":
    asyncio.run(main())
