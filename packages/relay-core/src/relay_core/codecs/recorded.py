"""Annotations of events: dicts, as they are on the wire, that can be read like the views they were made from."""

from typing import Any, ClassVar

from relay_core.codecs.annotated import AnnotatedLLMRequest, AnnotatedLLMResponse

__all__ = ["RecordedLLMRequest", "RecordedLLMResponse"]


class _Recorded(dict[str, Any]):
    """What an event holds of a view."""

    __slots__ = ()

    _kind: ClassVar[type[AnnotatedLLMRequest | AnnotatedLLMResponse]]

    def __getattr__(self, name: str) -> Any:
        """Return the field or the method of the view.

        Raises:
            AttributeError: The view has none of that name, or what is recorded is no such view.
        """
        if not name.startswith("_"):
            try:
                return getattr(self._kind.from_dict(self), name)
            except (TypeError, ValueError):
                pass  # made by something else, with other types
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)


class RecordedLLMRequest(_Recorded):
    """A dict with the keys of the wire, and with the fields and methods of `AnnotatedLLMRequest`."""

    __slots__ = ()

    _kind = AnnotatedLLMRequest


class RecordedLLMResponse(_Recorded):
    """A dict with the keys of the wire, and with the fields and methods of `AnnotatedLLMResponse`."""

    __slots__ = ()

    _kind = AnnotatedLLMResponse
