"""Managed calls with typed values at the boundary."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from relay_core import intercepts, llm, tools
from relay_core.codecs import LLMRequest
from relay_core.control import ToolExecutionResult
from relay_core.typed import (
    BestEffortAnyCodec,
    Codec,
    DataclassCodec,
    JsonPassthrough,
    PydanticCodec,
    llm_execute,
    llm_stream_execute,
    tool_execute,
)

pytestmark = pytest.mark.anyio


@dataclass
class Query:
    text: str
    limit: int = 3


class Hits(BaseModel):
    found: list[str]


REQUEST = LLMRequest({}, {})


async def search(query: Query) -> ToolExecutionResult[Hits]:
    """Find the text as often as allowed."""
    return ToolExecutionResult(Hits(found=[query.text] * query.limit), annotation="a")


@pytest.mark.parametrize("codecs", [(DataclassCodec(Query), PydanticCodec(Hits)), (Query, Hits)])
async def test_tool_with_models(codecs: Any) -> None:
    """A tool has typed arguments and a typed result, and the note that goes with it; types will do for codecs."""
    result = await tool_execute("search", Query("x", 2), search, *codecs)

    assert ToolExecutionResult(Hits(found=["x", "x"]), "a") == result


async def test_plain_results() -> None:
    """A tool may return the typed result itself, sync or async."""
    result = await tool_execute("search", Query("x"), lambda query: Hits(found=[query.text]), Query, Hits)

    assert Hits(found=["x"]) == result.result


async def test_middleware_has_json() -> None:
    """Intercepts see JSON; what they leave is validated before the tool gets it."""
    seen: list[Any] = []

    def rewrite(name: str, args: Any) -> Any:
        seen.append(args)
        return {**args, "limit": "1"}

    intercepts.register_tool_request("typed", 1, False, rewrite)
    try:
        result = await tool_execute("search", Query("x"), search, Query, Hits)
        intercepts.register_tool_request("broken", 2, False, lambda name, args: {"limit": "many"})
        with pytest.raises(ValidationError):
            await tool_execute("search", Query("x"), search, Query, Hits)
    finally:
        intercepts.deregister_tool_request("typed")
        intercepts.deregister_tool_request("broken")

    assert [{"text": "x", "limit": 3}] == seen[:1]
    assert Hits(found=["x"]) == result.result


async def test_llm_with_models() -> None:
    """An LLM call has a typed response."""

    async def model(request: LLMRequest) -> Hits:
        return Hits(found=["x"])

    assert Hits(found=["x"]) == await llm_execute("p", REQUEST, model, Hits)


async def test_stream_with_models() -> None:
    """A stream's collector and finalizer are typed; the consumer gets JSON."""
    collected: list[Query] = []

    async def model(request: LLMRequest) -> AsyncIterator[Query]:
        yield Query("x")

    stream = await llm_stream_execute(
        "p", REQUEST, model, collected.append, lambda: Hits(found=[query.text for query in collected]), Query, Hits
    )

    assert [{"text": "x", "limit": 3}] == [chunk async for chunk in stream]
    assert [Query("x")] == collected


def test_codecs_for_anything() -> None:
    """JSON passes through; what is of unknown type becomes what JSON can say about it."""
    codecs: list[Codec[Any]] = [JsonPassthrough(), BestEffortAnyCodec()]

    assert [[1, {"a": None}]] * 2 == [codec.from_json(codec.to_json([1, {"a": None}])) for codec in codecs]
    assert {"text": "x", "limit": 3} == BestEffortAnyCodec().to_json(Query("x"))
    assert isinstance(BestEffortAnyCodec().to_json(object()), str)


@pytest.mark.parametrize("value", [Query("x", 2), Hits(found=["a"])])
async def test_unknown_models_come_back(value: Any) -> None:
    """A model or dataclass of any type reaches the tool as what it is, and comes back as that."""
    codec = BestEffortAnyCodec()
    seen: list[Any] = []

    result = await tool_execute("echo", value, lambda it: seen.append(it) or it, codec, codec)

    assert [value, value] == [*seen, result.result]
    assert {"text": "x"} == codec.from_json(codec.to_json({"text": "x"}))


async def test_unknown_models_after_middleware() -> None:
    """What middleware changes in place is in the model; what does not fit it any more comes as plain JSON."""
    codec = BestEffortAnyCodec()
    changed, broken = codec.to_json(Query("x")), codec.to_json(Query("x"))
    changed["limit"] = 1
    broken["limit"] = "many"

    assert Query("x", 1) == codec.from_json(changed)
    assert {"text": "x", "limit": "many"} == codec.from_json(broken)
    assert dict is type(codec.from_json(broken))


async def test_facades_speak_to_one_runtime() -> None:
    """The module functions work together."""
    result = await tools.execute("t", {"a": 1}, lambda args: args)

    assert {"a": 1} == result.result
    assert "r" == llm.execute_sync("p", REQUEST, lambda request: "r")
