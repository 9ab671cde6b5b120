"""How large one payload may get. Numbers only; `truncation` is what holds to them."""

from typing import NamedTuple

__all__ = ["Oversize", "PayloadLimits"]


class PayloadLimits(NamedTuple):
    """The limits of one recorded payload; what lies beyond is cut, visibly. Immutable."""

    max_bytes: int = 1 << 20
    """Bytes of JSON. Held strictly, down to the four bytes of `null`."""
    max_depth: int = 250
    """Levels of nesting. Below 64 the native pass is not used: it does not count them."""
    max_items: int = 10_000
    """Items of one container, in a payload that is larger than `max_bytes`, and of a mapping that is no dict."""


class Oversize(Exception):  # noqa: N818 - a signal between the walk and the encoder, never an error of anybody
    """The payload cannot fit into `max_bytes`; raised by the walk, which the encoder answers by cutting."""
