"""RFC 3339 timestamps in UTC with microseconds, to and from integer microseconds since the epoch."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["MICROSECONDS", "format_millisecond", "format_timestamp", "from_datetime", "parse_timestamp", "to_datetime"]

MICROSECONDS: Final = tuple(f"{number:03}Z".encode() for number in range(1000))
"""How a timestamp ends, by its microseconds within the millisecond."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LEAP_SECOND = re.compile(r"(T\d\d:\d\d):60(?!\d)")

# What was formatted last; tuples, replaced whole, so that threads need no lock.
_last_second: tuple[int, str] = (0, "1970-01-01T00:00:00")
_last_millisecond: tuple[int, bytes] = (0, b"1970-01-01T00:00:00.000")


def format_timestamp(microseconds: int) -> str:
    """Return ``microseconds`` since the epoch as ``2026-03-01T12:34:56.123456Z``."""
    millisecond = microseconds // 1000
    return (format_millisecond(millisecond) + MICROSECONDS[microseconds - millisecond * 1000]).decode()


def format_millisecond(millisecond: int) -> bytes:
    """Return a timestamp as far as ``2026-03-01T12:34:56.123``: what is before one of `MICROSECONDS`.

    Args:
        millisecond: Milliseconds since the epoch.
    """
    global _last_millisecond
    known, text = _last_millisecond
    if known != millisecond:
        second = millisecond // 1000
        text = (f"{_format_second(second)}.{millisecond - second * 1000:03}").encode()
        _last_millisecond = millisecond, text
    return text


def _format_second(second: int) -> str:
    global _last_second
    known, text = _last_second
    if known != second:
        text = to_datetime(second * 1_000_000).strftime("%Y-%m-%dT%H:%M:%S")
        # Years before 1000: strftime("%Y") does not pad on every platform.
        text = text.rjust(19, "0")
        _last_second = second, text
    return text


def parse_timestamp(text: str) -> int:
    """Return an RFC 3339 timestamp as microseconds since the epoch; finer digits are cut.

    A leap second is the first second of the next minute: epochs do not know it.

    Raises:
        ValueError: ``text`` is not RFC 3339, or names no offset from UTC.
    """
    try:
        plain, leap = _LEAP_SECOND.subn(r"\1:59", text.upper())
        parsed = datetime.fromisoformat(plain) + timedelta(seconds=leap)
    except (ValueError, OverflowError):
        raise ValueError(f"timestamp {text!r} is not RFC 3339") from None
    if parsed.tzinfo is None:
        raise ValueError(f"timestamp {text!r} has no offset from UTC: add 'Z'")
    return _microseconds(parsed)


def to_datetime(microseconds: int) -> datetime:
    """Return ``microseconds`` since the epoch as an aware datetime in UTC.

    Raises:
        OverflowError: Before the year 1 or after the year 9999.
    """
    return _EPOCH + timedelta(microseconds=microseconds)


def from_datetime(value: object, argument: str) -> int:
    """Return a timezone-aware datetime as microseconds since the epoch.

    Args:
        value: What the caller passed as a timestamp.
        argument: The argument's name, for the error message.

    Raises:
        TypeError: ``value`` is no ``datetime.datetime``.
        ValueError: ``value`` is naive.
    """
    if not isinstance(value, datetime):
        raise TypeError(f"{argument} must be a datetime.datetime, not {type(value).__name__}")
    if value.utcoffset() is None:
        raise ValueError(f"{argument} must be timezone-aware, for example datetime.now(timezone.utc)")
    return _microseconds(value)


def _microseconds(moment: datetime) -> int:
    try:
        return (moment.astimezone(UTC) - _EPOCH) // _MICROSECOND
    except OverflowError:
        raise ValueError(f"timestamp {moment} does not exist in UTC") from None
