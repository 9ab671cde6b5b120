"""What a model answered."""

from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, Generation, LLMResult

from relay_langchain.model_response import read_response

USAGE = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}


def answer(message: AIMessage, **fields: object) -> LLMResult:
    """Return a result with one candidate."""
    return LLMResult(generations=[[ChatGeneration(message=message, **fields)]])


def test_a_chat_answer() -> None:
    """A chat answer becomes a completion with choices and usage, and the normalized view of it."""
    message = AIMessage(
        "",
        tool_calls=[{"name": "add", "args": {"a": 1}, "id": "c1"}],
        usage_metadata=USAGE,
        response_metadata={"model_name": "gpt-x", "finish_reason": "tool_calls", "id": "r1"},
    )

    response = read_response(answer(message))

    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
    assert {
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "", "tool_calls": [call]},
                "finish_reason": "tool_calls",
            }
        ],
        "usage": usage,
        "model": "gpt-x",
        "id": "r1",
    } == response.completion
    assert {
        "message": "",
        "finish_reason": "tool_use",
        "tool_calls": [{"id": "c1", "name": "add", "arguments": {"a": 1}}],
        "model": "gpt-x",
        "id": "r1",
        "usage": usage,
    } == response.annotated


def test_several_candidates() -> None:
    """Each candidate is a choice; the usage is counted once, from the first."""
    candidates = [ChatGeneration(message=AIMessage(text, usage_metadata=USAGE)) for text in ("a", "b")]

    completion = read_response(LLMResult(generations=[candidates])).completion

    assert ["a", "b"] == [choice["message"]["content"] for choice in completion["choices"]]
    assert [0, 1] == [choice["index"] for choice in completion["choices"]]
    assert 3 == completion["usage"]["total_tokens"]


def test_a_plain_completion() -> None:
    """A completion model's text is an assistant message; usage and model come from `llm_output`."""
    result = LLMResult(
        generations=[[Generation(text="done", generation_info={"finish_reason": "length"})]],
        llm_output={"token_usage": {"prompt_tokens": 1, "completion_tokens": 1}, "model_name": "davinci"},
    )

    assert {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "done"}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        "model": "davinci",
    } == read_response(result).completion


def test_finish_reason_and_logprobs_of_the_generation() -> None:
    """What the generation itself says comes before what the message's metadata says."""
    message = AIMessage("x", response_metadata={"stop_reason": "end_turn"})
    completion = read_response(answer(message, generation_info={"finish_reason": "stop", "logprobs": [1]})).completion

    assert ("stop", [1]) == (completion["choices"][0]["finish_reason"], completion["choices"][0]["logprobs"])
    assert "complete" == read_response(answer(message)).annotated["finish_reason"]


def test_a_cached_answer() -> None:
    """An answer from LangChain's cache says so, and its tokens do not count as usage."""
    response = read_response(answer(AIMessage("x", usage_metadata={**USAGE, "total_cost": 0})))

    assert response.cached
    assert response.completion["usage"] is None
    assert response.completion["cached"] is True
    assert 3 == response.completion["cached_usage"]["total_tokens"]
    assert "usage" not in response.annotated


def test_no_candidates() -> None:
    """An empty result is an empty completion."""
    assert {"choices": [], "usage": None} == read_response(LLMResult(generations=[[]])).completion
