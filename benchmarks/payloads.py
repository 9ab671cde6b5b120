"""The payloads of the core benchmarks: none, about 100 bytes, about 12 KB of plain JSON types."""

from typing import Any, Final

__all__ = ["PAYLOADS"]

_MESSAGES: Final[list[dict[str, Any]]] = [
    {
        "role": ("system", "user", "assistant", "tool")[index % 4],
        "content": "The quick brown fox jumps over the lazy dog. " * 11,
        "id": f"message-{index}",
        "tool_calls": [],
        "additional_kwargs": {"refusal": None, "index": index},
    }
    for index in range(20)
]

PAYLOADS: Final[dict[str, Any]] = {
    "none": None,
    "100 B": {"request_id": "r" * 60, "attempt": 1, "tags": ["a", "b"]},
    "12 KB": {"messages": _MESSAGES},
}
