"""Which headers of an LLM request may be recorded."""

import re
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["recordable"]

_SECRET: Final = re.compile(
    r"(^|[-_])(authorization|cookie|credentials?|passwd|password|secret|signature|token)($|[-_])|api[-_]?key$",
    re.IGNORECASE,
)
"""By words, so that ``x-ratelimit-tokens`` stays and ``x-amz-security-token`` goes."""


def recordable(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headers without those that carry credentials."""
    return {name: value for name, value in headers.items() if _SECRET.search(str(name)) is None}
