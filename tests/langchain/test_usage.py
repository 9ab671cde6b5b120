"""Token usage in OpenAI's shape and in the normalized one."""

import pytest

from relay_langchain.usage import is_cached, normalized_usage, openai_usage


def test_usage_metadata_with_details() -> None:
    """Cache, reasoning and audio details of LangChain's usage metadata get OpenAI's names."""
    reported = {
        "input_tokens": 10,
        "output_tokens": 20,
        "total_tokens": 30,
        "input_token_details": {"cache_read": 4, "cache_creation": 3, "audio": 2},
        "output_token_details": {"reasoning": 7, "audio": 1},
    }

    usage = openai_usage(reported)

    assert {
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "total_tokens": 30,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3, "audio_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 7, "audio_tokens": 1},
    } == usage
    assert {
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "total_tokens": 30,
        "cache_read_tokens": 4,
        "cache_write_tokens": 3,
        "reasoning_tokens": 7,
        "prompt_audio_tokens": 2,
        "completion_audio_tokens": 1,
    } == normalized_usage(usage)


def test_a_providers_own_usage() -> None:
    """What a provider left in `llm_output` is taken as it is, its details too; a missing total is the sum."""
    reported = {"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}

    assert {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 1},
    } == openai_usage(reported)


def test_unknown_details_keep_their_names() -> None:
    """A detail that OpenAI has no name for is recorded under LangChain's."""
    assert {"prompt_tokens_details": {"ephemeral_5m": 3}} == openai_usage({"input_token_details": {"ephemeral_5m": 3}})


@pytest.mark.parametrize(
    ("reported", "expected"),
    [(None, False), ({}, False), ({"input_tokens": 1}, False), ({"total_cost": 0.1}, False), ({"total_cost": 0}, True)],
)
def test_cached_answers(reported: dict[str, float] | None, expected: bool) -> None:
    """A cost of zero is how LangChain's cache marks an answer that it replays."""
    assert expected == is_cached(reported)
