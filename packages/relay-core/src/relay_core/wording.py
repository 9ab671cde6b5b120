"""What texts share: the nearest known name, an exception in one line, and how many of what."""

from collections.abc import Iterable

__all__ = ["counted", "error_text", "hint", "nearest"]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` was probably meant to be, or None if none is near."""
    import difflib  # only wrong names need it

    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)), None)


def hint(name: str, known: Iterable[str]) -> str:
    """Return `nearest` as the end of a sentence, or an empty string."""
    near = nearest(name, known)
    return f"; did you mean {near!r}?" if near else ""


def error_text(error: BaseException) -> str:
    """Return the type and the message of `error`; never raises, whatever the exception's own `__str__` does."""
    kind = type(error).__qualname__
    try:
        message = str(error)
    except Exception:
        return kind
    return f"{kind}: {message}" if message else kind


def counted(number: int, noun: str) -> str:
    """Return the number with its noun, in the plural unless there is one: ``1 error``, ``2,000 errors``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
