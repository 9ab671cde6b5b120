"""Metadata injectors and sanitizers: what is recorded, and what happens when one of them fails."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.core.control.support import Recording

from relay_core.control import ToolExecutionResult
from relay_core.events import Event
from relay_core.sanitizers import EventSanitizeFields


@pytest.fixture
def recording() -> Iterator[Recording]:
    """A runtime of its own and everything it emits."""
    recording = Recording()
    yield recording
    recording.relay.shutdown(5.0)


def failing(*_: object) -> Any:
    """Fail."""
    raise ValueError


def call(recording: Recording, args: Any = "args", result: Any = "result") -> None:
    """Make one tool call."""
    recording.relay.tools.execute_sync("t", args, lambda _: ToolExecutionResult(result, annotation="note"))


def data(recording: Recording) -> list[Any]:
    """Return the data of all events."""
    return [event.data for event in recording.events_now()]


# Tools ----------------------------------------------------------------------------------------------------------------


def test_sanitizers_change_the_record_and_not_the_call(recording: Recording) -> None:
    """What a sanitizer returns is recorded; the tool and its caller have the real values."""
    guardrails = recording.relay.guardrails
    guardrails.register_tool_sanitize_request("in", 1, lambda name, args: {**args, "card": f"hidden from {name}"})
    guardrails.register_tool_sanitize_response("out", 1, lambda name, result: result[:3])
    args = {"card": "4111"}

    result = recording.relay.tools.execute_sync("pay", args, lambda got: f"paid {got['card']}")

    assert ("paid 4111", {"card": "4111"}) == (result.result, args)
    assert [{"card": "hidden from pay"}, "pai"] == data(recording)


def test_sanitizers_build_on_each_other(recording: Recording) -> None:
    """Sanitizers run by priority, each on what the one before it left."""
    recording.relay.guardrails.register_tool_sanitize_request("b", 2, lambda name, args: args + "b")
    recording.relay.guardrails.register_tool_sanitize_request("a", 1, lambda name, args: args + "a")

    call(recording, "")

    assert "ab" == data(recording)[0]


@pytest.mark.parametrize(
    "bad", [failing, lambda name, args: object(), lambda name, args: {1: 2}], ids=["raises", "object", "keys"]
)
def test_failing_sanitizer_clears_the_payload(recording: Recording, bad: Any) -> None:
    """A sanitizer that raises or returns what is no JSON clears the data, ends its chain and is counted."""
    guardrails = recording.relay.guardrails
    guardrails.register_tool_sanitize_request("bad", 1, bad)
    guardrails.register_tool_sanitize_request("next", 2, lambda name, args: pytest.fail("asked"))

    call(recording)

    assert [None, "result"] == data(recording)
    assert {"bad": 1} == recording.relay.statistics().failed


def test_awaitables_are_no_answers(recording: Recording) -> None:
    """A sync function that returns a coroutine fails, and the coroutine is closed."""

    async def later() -> None: ...

    recording.relay.guardrails.register_tool_sanitize_request("later", 1, lambda name, args: later())
    call(recording)

    assert [None, "result"] == data(recording)


def test_none_means_null(recording: Recording) -> None:
    """A sanitizer that returns None has the payload recorded as null, which is no failure."""
    recording.relay.guardrails.register_tool_sanitize_response("drop", 1, lambda name, result: None)
    call(recording)

    assert ["args", None] == data(recording)
    assert {} == recording.relay.statistics().failed


def test_nothing_to_sanitize(recording: Recording) -> None:
    """Where there is no payload, payload sanitizers are not asked."""
    recording.relay.guardrails.register_tool_sanitize_response("never", 1, lambda name, result: pytest.fail("asked"))
    call(recording, result=None)

    assert {} == recording.relay.statistics().failed


def test_other_categories_are_not_concerned(recording: Recording) -> None:
    """Tool sanitizers see tool events only, by hand or managed."""
    relay = recording.relay
    relay.guardrails.register_tool_sanitize_request("t", 1, lambda name, args: "sanitized")
    relay.scopes.pop(relay.scopes.push("f", input="plain"))
    relay.tools.call_end(relay.tools.call("t", "x"), "y")

    assert ["plain", None, "sanitized", "y"] == data(recording)


# Events ---------------------------------------------------------------------------------------------------------------


def test_event_sanitizers(recording: Recording) -> None:
    """Event sanitizers change data, category profile and metadata of marks, starts and ends, each kind apart."""
    relay = recording.relay

    def stamped(word: str) -> Any:
        def sanitize(event: Event, fields: EventSanitizeFields) -> EventSanitizeFields:
            return {
                "data": word,
                "category_profile": {"was": fields["category_profile"]},
                "metadata": {"name": event.name, "was": fields["data"]},
            }

        return sanitize

    relay.guardrails.register_scope_sanitize_start("s", 1, stamped("start"))
    relay.guardrails.register_scope_sanitize_end("e", 1, stamped("end"))
    relay.guardrails.register_mark_sanitize("m", 1, stamped("mark"))
    call(recording)
    relay.scopes.event("mark", data=1)
    start, end, mark = recording.events_now()

    assert ["start", "end", "mark"] == data(recording)
    assert [{"name": "t", "was": "args"}, {"name": "t", "was": "result"}, {"name": "mark", "was": 1}] == [
        event.metadata for event in (start, end, mark)
    ]
    assert {"was": {"tool_result_annotation": "note"}} == end.category_profile


def test_event_sanitizers_come_after_payload_sanitizers(recording: Recording) -> None:
    """An event sanitizer sees what the payload sanitizers left, and its event says the same."""
    guardrails = recording.relay.guardrails
    seen: list[Any] = []
    guardrails.register_tool_sanitize_request("tool", 1, lambda name, args: "sanitized")
    guardrails.register_scope_sanitize_start(
        "event", 1, lambda event, fields: seen.extend([event.data, fields["data"]]) or fields
    )
    call(recording)
    recording.events_now()

    assert ["sanitized", "sanitized"] == seen


def test_left_out_fields_are_null(recording: Recording) -> None:
    """A field that an event sanitizer leaves out is null; keys that it makes up are ignored."""
    fields: Any = {"data": 1, "other": 2}
    recording.relay.guardrails.register_mark_sanitize("m", 1, lambda event, _: fields)
    recording.relay.scopes.event("m", data=0, metadata={"a": 1})
    (mark,) = recording.events_now()

    assert (1, None) == (mark.data, mark.metadata)


@pytest.mark.parametrize(
    "bad",
    [failing, lambda event, fields: None, lambda event, fields: 5, lambda event, fields: {"metadata": [1]}],
    ids=["raises", "None", "int", "metadata"],
)
def test_failing_event_sanitizer_clears_all_its_fields(recording: Recording, bad: Any) -> None:
    """An event sanitizer that fails clears data, category profile and metadata, and ends its chain."""
    guardrails = recording.relay.guardrails
    guardrails.register_mark_sanitize("bad", 1, bad)
    guardrails.register_mark_sanitize("next", 2, lambda event, fields: pytest.fail("asked"))
    recording.relay.scopes.event("m", data=0, metadata={"a": 1})
    (mark,) = recording.events_now()

    assert (None, None, None) == (mark.data, mark.metadata, mark.category_profile)
    assert {"bad": 1} == recording.relay.statistics().failed


# Injectors ------------------------------------------------------------------------------------------------------------


def test_injectors_only_add(recording: Recording) -> None:
    """An injector adds keys; what the event or an earlier injector says stays."""
    inject = recording.relay.event_metadata.register_injector
    inject("one", 1, lambda event: {"a": "one", "b": "one", "list": [1, 2], "name": event.name})
    inject("two", 2, lambda event: {"b": "two", "c": True})
    recording.relay.scopes.event("m", metadata={"a": "own"})
    (mark,) = recording.events_now()

    assert {"a": "own", "b": "one", "c": True, "list": [1, 2], "name": "m"} == mark.metadata


def test_injectors_come_before_sanitizers(recording: Recording) -> None:
    """A sanitizer sees what was injected, and may take it away."""
    recording.relay.event_metadata.register_injector("host", 1, lambda event: {"host": "h"})
    recording.relay.guardrails.register_mark_sanitize(
        "m", 1, lambda event, fields: {**fields, "metadata": {"seen": fields["metadata"]}}
    )
    recording.relay.scopes.event("m")

    assert {"seen": {"host": "h"}} == recording.events_now()[0].metadata


@pytest.mark.parametrize(
    "bad",
    [
        failing,
        lambda event: None,
        lambda event: {"a": None},
        lambda event: {"a": {"nested": 1}},
        lambda event: {"a": [1, "x"]},
        lambda event: {1: "x"},
    ],
    ids=["raises", "None", "null", "nested", "mixed", "keys"],
)
def test_injectors_fail_open(recording: Recording, bad: Any) -> None:
    """An injector that fails or returns nested data adds nothing; the event and the other injectors are not hurt."""
    recording.relay.event_metadata.register_injector("bad", 1, bad)
    recording.relay.event_metadata.register_injector("good", 2, lambda event: {"good": 1})
    recording.relay.scopes.event("m", data="data")
    (mark,) = recording.events_now()

    assert ("data", {"good": 1}) == (mark.data, mark.metadata)
    assert {"bad": 1} == recording.relay.statistics().failed


# The snapshot ---------------------------------------------------------------------------------------------------------


def test_what_was_registered_at_emission_counts(recording: Recording) -> None:
    """A sanitizer that is taken back while an event waits is still applied to it: no secret slips through."""
    relay = recording.relay
    with relay.scopes.scope("request") as handle:
        local = relay.scopes.local(handle).chains
        from relay_core.chains import Kind

        local.add(Kind.TOOL_SANITIZE_REQUEST, "local", 1, lambda name, args: "hidden locally")
        call(recording, "secret")
        local.remove(Kind.TOOL_SANITIZE_REQUEST, "local")
    relay.guardrails.register_tool_sanitize_request("global", 1, lambda name, args: "hidden globally")
    call(recording, "secret")
    relay.guardrails.deregister_tool_sanitize_request("global")

    assert [None, "hidden locally", "result", None, "hidden globally", "result"] == data(recording)
