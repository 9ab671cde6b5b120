"""What a model is asked."""

from langchain_core.messages import HumanMessage

from relay_langchain.model_request import prompt_messages, read_request

MESSAGES = [HumanMessage("hi")]
TOOL = {"type": "function", "function": {"name": "add"}}


def test_a_request() -> None:
    """Messages, model, tools, tool choice and the known parameters make the request and its normalized view."""
    params = {"model": "gpt-x", "tools": [TOOL], "tool_choice": "auto", "temperature": 0.5, "stop": None, "_type": "x"}

    request = read_request(MESSAGES, params, {"ls_provider": "openai"})

    assert {
        "messages": MESSAGES,
        "model": "gpt-x",
        "tools": [TOOL],
        "tool_choice": "auto",
        "temperature": 0.5,
    } == request.body
    assert {
        "messages": MESSAGES,
        "model": "gpt-x",
        "tools": [TOOL],
        "tool_choice": "auto",
        "params": {"temperature": 0.5},
    } == request.annotated
    assert ("gpt-x", "openai") == (request.model, request.provider)


def test_what_the_metadata_knows() -> None:
    """Model and parameters come from LangChain's metadata where the parameters do not say them."""
    metadata = {"ls_model_name": "m", "ls_temperature": 0.1, "ls_max_tokens": 9, "ls_stop": ["x"]}

    request = read_request(MESSAGES, None, metadata)

    assert {"messages": MESSAGES, "model": "m", "temperature": 0.1, "max_tokens": 9, "stop": ["x"]} == request.body


def test_unknown_parameters_are_not_recorded() -> None:
    """Parameters that are not known by name may hold anything, secrets too, and are left out."""
    assert {"messages": MESSAGES} == read_request(MESSAGES, {"openai_api_key": "sk", "base_url": "u"}, {}).body


def test_a_model_without_a_name() -> None:
    """A model that does not know its name is recorded without one."""
    request = read_request(MESSAGES, {}, {})

    assert (None, None) == (request.model, request.provider)


def test_a_prompt() -> None:
    """A plain prompt is what a user says."""
    assert [{"role": "user", "content": "once"}] == prompt_messages("once")
