"""Single values that JSON does not know, as JSON: text, numbers, times, bytes, exceptions. Nothing is walked here.

A method of the value's own class is never called where the base class's method does: `str.__str__(value)`.
"""

import binascii
import uuid
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, Final

import orjson

__all__ = [
    "MAX_INTEGER",
    "MIN_INTEGER",
    "bytes_record",
    "bytes_size",
    "duration",
    "exception_record",
    "integer",
    "kind_of",
    "numbered",
    "range_length",
    "readable",
    "type_name",
    "uuid_text",
]

MIN_INTEGER: Final = -(1 << 63)
MAX_INTEGER: Final = (1 << 64) - 1
_DECIMAL_BITS = 2048
"""Up to here an integer is written in decimal: the interpreter's own limit of digits is never below this."""
_BYTE_FORMATS = frozenset("Bbc")

kind_of: Callable[[object], type[Any]] = type
"""The exact type of a value, without what a checker thinks that it now knows of it."""

numbered: Callable[[Any], Iterable[tuple[Any, Any]]] = enumerate
"""A list's items with their indexes, as `dict.items` gives a dict's with their keys."""

_qualified_name: Callable[[type], object] = vars(type)["__qualname__"].__get__
_defining_module: Callable[[type], object] = vars(type)["__module__"].__get__
_uuid_number: Callable[[uuid.UUID], object] = vars(uuid.UUID)["int"].__get__


def readable(text: str) -> str:
    """Return `text` as UTF-8 can hold it: halves of a surrogate pair are joined, lone ones become U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def type_name(kind: type) -> str:
    """Return `package.Class`, or `Class` alone for a builtin. A metaclass has no say in it."""
    try:
        name, module = _qualified_name(kind), _defining_module(kind)
    except Exception:  # the class was tampered with
        return "object"
    name = readable(name)[:200] if type(name) is str else "object"
    return name if type(module) is not str or module == "builtins" else f"{readable(module)[:200]}.{name}"


def integer(value: int) -> int | str:
    """Return an `int`, as a string where it has more than 64 bits; hexadecimal where decimal would be slow."""
    number = int.__int__(value)
    if MIN_INTEGER <= number <= MAX_INTEGER:
        return number
    return str(number) if number.bit_length() <= _DECIMAL_BITS else hex(number)


def duration(value: timedelta) -> str:
    """Return a duration in ISO 8601, such as `P1DT2H3.5S`."""
    total = timedelta.__abs__(value)
    rest, micros = total.seconds, total.microseconds
    hours, minutes, seconds = rest // 3600, rest % 3600 // 60, rest % 60
    fraction = f"{micros / 1_000_000:.6f}"[1:].rstrip("0") if micros else ""
    clock = f"{f'{hours}H' if hours else ''}{f'{minutes}M' if minutes else ''}"
    clock += f"{seconds}{fraction}S" if seconds or micros else ""
    days = f"{total.days}D" if total.days else ""
    sign = "-" if timedelta.__lt__(value, timedelta()) else ""
    return f"{sign}P{days}{f'T{clock}' if clock else ''}" if days or clock else "PT0S"


def uuid_text(value: uuid.UUID) -> str:
    """Return a UUID in its usual form, whatever a subclass prints.

    Raises:
        ValueError: It holds no number of 128 bits: a copy that was not finished.
    """
    number = _uuid_number(value)
    if type(number) is not int or number >> 128:
        raise ValueError
    plain = value if type(value) is uuid.UUID else uuid.UUID(int=number)
    return orjson.dumps(plain)[1:-1].decode()  # a third of the time that `str` takes


def bytes_size(base: type[Any], value: Any) -> int:
    """Return how many bytes there are in a value of `base`: bytes, bytearray or memoryview.

    Raises:
        ValueError: The memoryview was released.
    """
    size: int = value.nbytes if base is memoryview else base.__len__(value)
    return size


def bytes_record(base: type[Any], value: Any, room: int) -> dict[str, object]:
    """Return what is recorded of a bytes-like object.

    The bytes are copied out in one step. A view of a bytearray would make it raise where its owner changes its size.

    Args:
        base: The type that it is of: bytes, bytearray or memoryview.
        value: The bytes.
        room: How many of them may be kept.

    Raises:
        ValueError: The memoryview was released.
    """
    size, window = bytes_size(base, value), slice(0, max(room, 0))
    if base is not memoryview:
        kept = bytes(base.__getitem__(value, window))
    elif value.c_contiguous and value.format in _BYTE_FORMATS and value.ndim == 1:
        kept = value[window].tobytes()
    else:
        kept = value.tobytes()[window]
    record: dict[str, object] = {"$type": "bytes", "size": size}
    record["base64"] = binascii.b2a_base64(kept, newline=False).decode("ascii")
    if size > len(kept):
        record["$truncated"] = {"bytes": size - len(kept)}
    return record


def exception_record(error: BaseException) -> dict[str, object]:
    """Return an exception's type and message. Runs its `__str__`, which may raise."""
    return {"$type": type_name(type(error)), "message": readable(str.__str__(str(error)))}


def range_length(numbers: range) -> int:
    """Return how many numbers there are, even where `len` overflows."""
    return (numbers[-1] - numbers[0]) // numbers.step + 1 if numbers else 0
