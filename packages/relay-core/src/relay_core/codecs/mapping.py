"""Requests that are one JSON object: which of its keys is which field of the view, and how edits get back.

A provider's codec is a table of these plus the few conversions it needs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from relay_core.codecs.annotated import AnnotatedLLMRequest
from relay_core.codecs.request import LLMRequest
from relay_core.json_values import detached, is_array, is_object, same_json

__all__ = ["Field", "RequestMapping", "hide_each", "only"]

_ABSENT: Final[Any] = object()


def _as_is(value: Any) -> Any:
    return value


def only(kind: type) -> Callable[[Any], Any]:
    """Return a `Field.show` that shows values of this type as they are and no others."""
    return lambda value: value if isinstance(value, kind) else None


def hide_each(show: Callable[[Any], Any], hide: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """Return a `Field.hide` for lists, item by item; what was not edited stays exactly what it was."""

    def hide_items(items: Any, original: Any) -> Any:
        if not is_array(items):
            return items
        before = [(show(raw), raw) for raw in original] if is_array(original) else []
        return [next((raw for shown, raw in before if same_json(shown, item)), None) or hide(item) for item in items]

    return hide_items


def _replaced(value: Any, _original: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the view and the key it has in the request."""

    attribute: str
    key: str
    show: Callable[[Any], Any] = _as_is
    """From the request's value, None where there is none, to the view's; None if it cannot be shown."""
    hide: Callable[[Any, Any], Any] = _replaced
    """From the view's value and the request's original value to the request's new value."""


@dataclass(frozen=True, slots=True)
class RequestMapping:
    """Decodes and merges one provider's requests. Total: what does not fit the table stays where it is."""

    api: str
    """The name in ``api_specific["api"]``."""
    fields: tuple[Field, ...]
    """Every field of the view but the messages and the parameters."""
    params: Mapping[str, tuple[str, ...]]
    """Parameter name in the view: its keys in the request; the first one that is there counts, else the first."""
    messages: Field = Field("messages", "messages", only(list))
    """Where the conversation is."""

    def view(self, content: object) -> AnnotatedLLMRequest:
        """Return the view of a request's content; an empty one if that is not an object."""
        if not is_object(content):
            return AnnotatedLLMRequest([], api_specific={"api": self.api})
        body: dict[str, Any] = detached(content)
        messages = self.messages.show(body.get(self.messages.key))
        keys = {name: self._key(name, body) for name in self.params}
        shown = {self.messages.key, *chain(*self.params.values()), *(field.key for field in self.fields)}
        view = AnnotatedLLMRequest(
            messages if is_array(messages) else [],
            params={name: body[key] for name, key in keys.items() if key in body} or None,
            api_specific={"api": self.api},
            extra={key: value for key, value in body.items() if key not in shown},
        )
        for field in self.fields:
            setattr(view, field.attribute, field.show(body.get(field.key)))
        return view

    def merge(self, annotated: AnnotatedLLMRequest, original: LLMRequest) -> LLMRequest:
        """Return `original` with what differs between its view and `annotated`; itself if nothing does."""
        content = original.content
        before = self.view(content)
        edits = {**self._fields(annotated, before, content), **self._params(annotated, before, content)}
        edits |= _changed(annotated.extra, before.extra) if annotated.extra is not None else {}
        edits |= _changed({k: v for k, v in (annotated.api_specific or {}).items() if k != "api"}, None)
        if not edits:
            return original
        kept = content if is_object(content) else {}
        merged = {key: edits.get(key, value) for key, value in kept.items()} | edits
        return LLMRequest(original.headers, {key: value for key, value in merged.items() if value is not _ABSENT})

    def _fields(self, new: AnnotatedLLMRequest, old: AnnotatedLLMRequest, content: object) -> dict[str, Any]:
        body: Mapping[str, Any] = content if is_object(content) else {}
        edits: dict[str, Any] = {}
        if not same_json(new.messages, old.messages):
            edits[self.messages.key] = self.messages.hide(new.messages, body.get(self.messages.key))
        for field in self.fields:
            value = getattr(new, field.attribute)
            if not same_json(value, getattr(old, field.attribute)):
                edits[field.key] = _ABSENT if value is None else field.hide(value, body.get(field.key))
        return edits

    def _params(self, new: AnnotatedLLMRequest, old: AnnotatedLLMRequest, content: object) -> dict[str, Any]:
        body: Mapping[str, Any] = content if is_object(content) else {}
        edits: dict[str, Any] = {}
        for name, value in _changed(new.params, old.params).items():
            keys = self.params.get(name, (name,))
            edits |= {key: _ABSENT for key in keys if key in body}  # its other names would contradict the new value
            edits[self._key(name, body) if name in self.params else name] = value
        return edits

    def _key(self, name: str, body: Mapping[str, Any]) -> str:
        keys = self.params[name]
        return next((key for key in keys if key in body), keys[0])


def _changed(new: Mapping[str, Any] | None, old: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the keys whose value differs, with the new value, or with `_ABSENT` where the key is gone."""
    new, old = new or {}, old or {}
    names = [*old, *(name for name in new if name not in old)]
    edits = {name: new.get(name, _ABSENT) for name in names}
    return {name: value for name, value in edits.items() if not same_json(value, old.get(name, _ABSENT))}
