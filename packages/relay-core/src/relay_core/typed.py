"""Managed calls with typed values at the boundary: the application has models, guardrails and intercepts have JSON.

A codec converts between the two. Where one is wanted, a type will do: any type that pydantic can validate.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Generic, TypeVar

from relay_core.callables import is_awaitable
from relay_core.codecs import LlmCodec, LLMRequest, LlmResponseCodec
from relay_core.control import LlmStream, ToolExecutionResult
from relay_core.handles import ScopeHandle
from relay_core.json_values import is_object
from relay_core.runtime import default
from relay_core.vocabulary import Attributes

__all__ = [
    "BestEffortAnyCodec",
    "Codec",
    "DataclassCodec",
    "JsonPassthrough",
    "PydanticCodec",
    "llm_execute",
    "llm_stream_execute",
    "tool_execute",
]

T = TypeVar("T")
Args = TypeVar("Args")
Result = TypeVar("Result")
Chunk = TypeVar("Chunk")


class Codec(Generic[T]):
    """Converts between values of one type and JSON. Subclass it, or use one of those below."""

    def to_json(self, value: T) -> Any:
        """Return `value` as plain JSON data."""
        raise NotImplementedError

    def from_json(self, data: Any) -> T:
        """Return the value that `data` stands for; raise what fits if it stands for none."""
        raise NotImplementedError


class JsonPassthrough(Codec[Any]):
    """For values that are JSON already."""

    def to_json(self, value: Any) -> Any:
        """Return `value`."""
        return value

    def from_json(self, data: Any) -> Any:
        """Return `data`."""
        return data


class PydanticCodec(Codec[T]):
    """For anything that pydantic can validate: models, dataclasses, typed dicts, lists of these."""

    def __init__(self, model_cls: type[T]) -> None:
        """Convert values of `model_cls`.

        Raises:
            pydantic.PydanticUserError: Pydantic cannot validate this type.
        """
        from pydantic import TypeAdapter

        self._adapter: TypeAdapter[T] = TypeAdapter(model_cls)

    def to_json(self, value: T) -> Any:
        """Return `value` as plain JSON data."""
        return self._adapter.dump_python(value, mode="json")

    def from_json(self, data: Any) -> T:
        """Validate `data`.

        Raises:
            pydantic.ValidationError: It does not fit the type.
        """
        return self._adapter.validate_python(data)


class DataclassCodec(PydanticCodec[T]):
    """For dataclasses, nested ones included."""

    def __init__(self, dc_cls: type[T]) -> None:
        """Convert instances of `dc_cls`."""
        super().__init__(dc_cls)


class _Remembering(dict[str, Any]):
    """The JSON of a model or a dataclass; knows which."""

    __slots__ = ("kind",)

    kind: type[Any]


class BestEffortAnyCodec(Codec[Any]):
    """For values of unknown type: models and dataclasses become objects, what is not JSON a string.

    Models and dataclasses come back as what they were; nothing else does. Middleware that puts another dict in the
    place of their JSON gets that dict through.
    """

    def to_json(self, value: Any) -> Any:
        """Return what can be said about `value` in JSON."""
        from pydantic_core import to_jsonable_python

        said: Any = to_jsonable_python(value, serialize_unknown=True, inf_nan_mode="null")
        if not is_object(said) or isinstance(value, dict):
            return said
        known = _Remembering(said)
        known.kind = type(value)
        return known

    def from_json(self, data: Any) -> Any:
        """Return the value that `to_json` was given if that was a model or a dataclass, and else `data`."""
        if not isinstance(data, _Remembering):
            return data
        plain: dict[str, Any] = dict(data)
        try:
            return PydanticCodec(data.kind).from_json(plain)
        except Exception:  # a type that pydantic does not know, or what middleware has put in does not fit it
            return plain


async def tool_execute(
    name: str,
    args: Args,
    func: Callable[[Args], Any],
    args_codec: Codec[Args] | type[Args],
    result_codec: Codec[Result] | type[Result],
    *,
    handle: ScopeHandle | None = None,
    attributes: Attributes | None = None,
    data: object = None,
    metadata: Mapping[str, Any] | None = None,
    tool_call_id: str | None = None,
) -> ToolExecutionResult[Result]:
    """Do as `tools.execute`, with typed arguments and a typed result.

    Args:
        name: As for `tools.execute`.
        args: The typed arguments.
        func: Called with typed arguments: those that the intercepts left, validated anew.
        args_codec: Converts the arguments; or their type.
        result_codec: Converts the result; or its type.
        handle: As for `tools.execute`.
        attributes: As for `tools.execute`.
        data: As for `tools.execute`.
        metadata: As for `tools.execute`.
        tool_call_id: As for `tools.execute`.

    Raises:
        GuardrailRejected: As for `tools.execute`.
        BaseException: As for `tools.execute`; and what a codec raises.
    """
    sent, received = _codec(args_codec), _codec(result_codec)

    async def call(raw: Any) -> ToolExecutionResult[Any]:
        value: Any = await _settled(func(sent.from_json(raw)))
        if isinstance(value, ToolExecutionResult):
            return ToolExecutionResult(received.to_json(value.result), value.annotation)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        return ToolExecutionResult(received.to_json(value))

    done = await default().tools.execute(
        name,
        sent.to_json(args),
        call,
        handle=handle,
        attributes=attributes,
        data=data,
        metadata=metadata,
        tool_call_id=tool_call_id,
    )
    return ToolExecutionResult(received.from_json(done.result), done.annotation)


async def llm_execute(
    name: str,
    request: LLMRequest,
    func: Callable[[LLMRequest], Result | Awaitable[Result]],
    response_json_codec: Codec[Result] | type[Result],
    *,
    handle: ScopeHandle | None = None,
    attributes: Attributes | None = None,
    data: object = None,
    metadata: Mapping[str, Any] | None = None,
    model_name: str | None = None,
    codec: LlmCodec | None = None,
    response_codec: LlmResponseCodec | None = None,
) -> Result:
    """Do as `llm.execute`, with a typed response.

    Args:
        name: As for `llm.execute`.
        request: As for `llm.execute`.
        func: Returns the typed response; sync or async.
        response_json_codec: Converts the response; or its type.
        handle: As for `llm.execute`.
        attributes: As for `llm.execute`.
        data: As for `llm.execute`.
        metadata: As for `llm.execute`.
        model_name: As for `llm.execute`.
        codec: As for `llm.execute`.
        response_codec: As for `llm.execute`.

    Raises:
        GuardrailRejected: As for `llm.execute`.
        BaseException: As for `llm.execute`; and what a codec raises.
    """
    received = _codec(response_json_codec)

    async def call(final: LLMRequest) -> Any:
        return received.to_json(await _settled(func(final)))

    response = await default().llm.execute(
        name,
        request,
        call,
        handle=handle,
        attributes=attributes,
        data=data,
        metadata=metadata,
        model_name=model_name,
        codec=codec,
        response_codec=response_codec,
    )
    return received.from_json(response)


async def llm_stream_execute(
    name: str,
    request: LLMRequest,
    func: Callable[[LLMRequest], AsyncIterator[Chunk]],
    collector: Callable[[Chunk], object],
    finalizer: Callable[[], Result],
    chunk_json_codec: Codec[Chunk] | type[Chunk],
    response_json_codec: Codec[Result] | type[Result],
    *,
    handle: ScopeHandle | None = None,
    attributes: Attributes | None = None,
    data: object = None,
    metadata: Mapping[str, Any] | None = None,
    model_name: str | None = None,
    codec: LlmCodec | None = None,
    response_codec: LlmResponseCodec | None = None,
) -> LlmStream:
    """Do as `llm.stream_execute`, with typed chunks for `collector` and a typed response from `finalizer`.

    Args:
        name: As for `llm.stream_execute`.
        request: As for `llm.stream_execute`.
        func: Yields typed chunks.
        collector: Called with each chunk, typed, after the stream intercepts.
        finalizer: Returns the typed response.
        chunk_json_codec: Converts chunks; or their type.
        response_json_codec: Converts the response; or its type.
        handle: As for `llm.execute`.
        attributes: As for `llm.execute`.
        data: As for `llm.execute`.
        metadata: As for `llm.execute`.
        model_name: As for `llm.execute`.
        codec: As for `llm.execute`.
        response_codec: As for `llm.execute`.

    Returns:
        The chunks as JSON.

    Raises:
        GuardrailRejected: As for `llm.execute`.
        BaseException: As for `llm.stream_execute`; and what a codec raises.
    """
    chunks, received = _codec(chunk_json_codec), _codec(response_json_codec)

    async def call(final: LLMRequest) -> AsyncIterator[Any]:
        async for chunk in func(final):
            yield chunks.to_json(chunk)

    return await default().llm.stream_execute(
        name,
        request,
        call,
        lambda raw: collector(chunks.from_json(raw)),
        lambda: received.to_json(finalizer()),
        handle=handle,
        attributes=attributes,
        data=data,
        metadata=metadata,
        model_name=model_name,
        codec=codec,
        response_codec=response_codec,
    )


def _codec(codec: Codec[T] | type[T]) -> Codec[T]:
    return codec if isinstance(codec, Codec) else PydanticCodec(codec)


async def _settled(value: Any) -> Any:
    return await value if is_awaitable(value) else value
