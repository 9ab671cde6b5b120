"""What happens to an event before anyone sees it: metadata injectors add, sanitizers change what is recorded.

Runs on the delivery thread, one event at a time. Injectors come first, add keys only, and fail open. Sanitizers fail
closed: what one of them governs is cleared when it fails, and its chain stops. The application is not touched.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypedDict, TypeVar

from relay_core.callables import discard, is_awaitable
from relay_core.chains import Entry, Kind, Snapshot, merged
from relay_core.events import Event, ScopeEvent
from relay_core.json_values import is_array, is_mapping, is_object

__all__ = ["EventSanitizeFields", "Failed", "apply"]

E = TypeVar("E", bound=Event)

Failed = Callable[[str, BaseException], None]
"""Told the name and the error of an injector or sanitizer that failed; counts and logs it."""


class EventSanitizeFields(TypedDict):
    """What an event sanitizer gets and returns; a key that it leaves out is null from then on."""

    data: Any
    category_profile: dict[str, Any] | None
    metadata: dict[str, Any] | None


_PAYLOAD_KINDS: Final = {
    ("tool", "start"): Kind.TOOL_SANITIZE_REQUEST,
    ("tool", "end"): Kind.TOOL_SANITIZE_RESPONSE,
    ("llm", "start"): Kind.LLM_SANITIZE_REQUEST,
    ("llm", "end"): Kind.LLM_SANITIZE_RESPONSE,
}
_ANNOTATIONS: Final = ("annotated_request", "annotated_response")
_EVENT_KINDS: Final = {"start": Kind.SCOPE_SANITIZE_START, "end": Kind.SCOPE_SANITIZE_END}


def apply(event: Event, places: Sequence[Snapshot], failed: Failed) -> Event:
    """Return the event as it is to be recorded. Never raises.

    Args:
        event: The event as it was emitted.
        places: The snapshots taken at emission: the runtime's, then those of the scopes that contain the event.
        failed: Told what an injector or a sanitizer raised.
    """
    event = _with_injected(event, merged(Kind.EVENT_METADATA, places), failed)
    if not isinstance(event, ScopeEvent):
        return _with_fields(event, merged(Kind.MARK_SANITIZE, places), failed)
    phase = event.scope_category
    payload_kind = _PAYLOAD_KINDS.get((event.category or "", phase))
    if payload_kind is not None:
        event = _with_payload(event, payload_kind, merged(payload_kind, places), failed)
    return _with_fields(event, merged(_EVENT_KINDS[phase], places), failed)


def _with_injected(event: E, injectors: Sequence[Entry], failed: Failed) -> E:
    """Add what the injectors say under keys that are not there yet; leave out an injector that fails."""
    if not injectors:
        return event
    added: dict[str, Any] = {}
    for entry in injectors:
        try:
            attributes = _flat(_plain_result(entry.function(event)))
        except BaseException as error:
            failed(entry.name, error)
        else:
            added = {**attributes, **added}
    try:
        return event.replace(metadata={**added, **(event.metadata or {})}) if added else event
    except BaseException as error:
        failed(injectors[-1].name, error)
        return event


def _with_fields(event: E, sanitizers: Sequence[Entry], failed: Failed) -> E:
    """Let event sanitizers change data, category_profile and metadata; clear all three when one fails."""
    for entry in sanitizers:
        fields = EventSanitizeFields(data=event.data, category_profile=event.category_profile, metadata=event.metadata)
        try:
            result = _plain_result(entry.function(event, fields))
            if not is_mapping(result):
                raise TypeError(f"an event sanitizer must return its fields, not {type(result).__name__}")
            event = event.replace(**{name: result.get(name) for name in fields})
        except BaseException as error:
            failed(entry.name, error)
            return event.replace(data=None, category_profile=None, metadata=None)
    return event


def _with_payload(event: ScopeEvent, kind: Kind, sanitizers: Sequence[Entry], failed: Failed) -> ScopeEvent:
    """Let payload sanitizers change what a tool or an LLM was sent or answered; clear it when one fails."""
    step = _STEPS[kind]
    for entry in sanitizers:
        try:
            event = step(event, entry.function)
        except BaseException as error:
            failed(entry.name, error)
            return _without_payload(event)
    return event


def _tool(event: ScopeEvent, function: Callable[..., Any]) -> ScopeEvent:
    data = event.data
    return event if data is None else event.replace(data=_plain_result(function(event.name, data)))


def _llm_request(event: ScopeEvent, function: Callable[..., Any]) -> ScopeEvent:
    from relay_core.llm_sanitizers import sanitized_request  # not imported where no LLM sanitizer ever runs

    return sanitized_request(event, lambda request, context: _plain_result(function(request, context)))


def _llm_response(event: ScopeEvent, function: Callable[..., Any]) -> ScopeEvent:
    from relay_core.llm_sanitizers import sanitized_response

    return sanitized_response(event, lambda response, context: _plain_result(function(response, context)))


_STEPS: Final[dict[Kind, Callable[[ScopeEvent, Callable[..., Any]], ScopeEvent]]] = {
    Kind.TOOL_SANITIZE_REQUEST: _tool,
    Kind.TOOL_SANITIZE_RESPONSE: _tool,
    Kind.LLM_SANITIZE_REQUEST: _llm_request,
    Kind.LLM_SANITIZE_RESPONSE: _llm_response,
}


def _without_payload(event: ScopeEvent) -> ScopeEvent:
    """Clear what payload sanitizers govern: the data, and the annotations that repeat it."""
    profile = event.category_profile
    if profile is not None:
        profile = {key: value for key, value in profile.items() if key not in _ANNOTATIONS}
    return event.replace(data=None, category_profile=profile)


def _plain_result(result: Any) -> Any:
    """Refuse an awaitable: there is no loop on the delivery thread."""
    if is_awaitable(result):
        discard(result)
        raise TypeError("sanitizers and injectors are sync functions; this one returned an awaitable")
    return result


_FLAT: Final[set[type[object]]] = {str, bool, int, float}


def _flat(attributes: Any) -> dict[str, Any]:
    """Check an injector's result: str keys; a str, bool, int or float, or a list of one of these."""
    if not is_object(attributes):
        raise TypeError(f"an injector must return a dict, not {type(attributes).__name__}")
    for key, value in attributes.items():
        items: list[object] = value if is_array(value) else [value]
        kinds: set[type[object]] = {type(item) for item in items}
        if type(key) is not str or len(kinds) > 1 or not kinds <= _FLAT:
            raise TypeError(f"attribute {key!r} must be a str, bool, int or float, or a list of one of these")
    return attributes
