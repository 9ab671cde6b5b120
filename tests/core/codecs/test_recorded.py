"""Annotations of events, as dicts and as views."""

import copy
import json
import pickle
from typing import Any

import pytest

from relay_core.codecs import AnnotatedLLMRequest, AnnotatedLLMResponse
from relay_core.codecs.recorded import RecordedLLMRequest, RecordedLLMResponse

REQUEST = AnnotatedLLMRequest([{"role": "user", "content": "hi"}], model="m", extra={"vendor": 1})
RESPONSE = AnnotatedLLMResponse(message="hi", usage={"total_tokens": 3}, extra={"vendor": 1})


def test_fields_and_methods() -> None:
    """What is recorded has the fields and the methods of the view that it was made from, unset ones, too."""
    request, response = RecordedLLMRequest(REQUEST.to_dict()), RecordedLLMResponse(RESPONSE.to_dict())

    assert ("m", None, {"vendor": 1}) == (request.model, request.tools, request.extra)
    assert ("hi", False) == (request.last_user_message(), request.has_tool_calls())
    assert ({"total_tokens": 3}, "hi", None) == (response.usage, response.response_text(), response.id)


def test_it_is_a_dict() -> None:
    """It is a dict of what is on the wire, for JSON, comparisons and copies."""
    request = RecordedLLMRequest(REQUEST.to_dict())

    assert REQUEST.to_dict() == request == json.loads(json.dumps(request))
    assert request == copy.deepcopy(request) == pickle.loads(pickle.dumps(request))
    assert "m" == copy.copy(request).model


@pytest.mark.parametrize(
    ("recorded", "name"),
    [
        (RecordedLLMRequest(), "tool_calls"),
        (RecordedLLMRequest(), "_text"),
        (RecordedLLMRequest(messages=7), "model"),
        (RecordedLLMRequest(params=7), "model"),
    ],
)
def test_what_is_not_there(recorded: Any, name: str) -> None:
    """A name that the view has not, or types that it has not, are an AttributeError, as with any object."""
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
        getattr(recorded, name)
