"""Whether a model is asked for a stream, which no argument of its start hook tells."""

import sys
from typing import Final

__all__ = ["is_stream_call"]

_CALLERS: Final = frozenset({"stream", "astream", "ensure_started"})
"""The methods of LangChain's models that start a run to stream it."""

_OTHERS: Final = frozenset({"generate", "agenerate"})
"""Those that start a run to get the answer whole, called by the others or not."""

_DEPTH: Final = 6
"""How many frames above the handler's hook they are at the most: the callback manager lies between."""


def is_stream_call() -> bool:
    """Tell whether one of LangChain's streaming methods is reporting the start of a model's run.

    Read from the calling frames: the attribute ``streaming`` has to be known when the scope starts. Where it cannot be
    told, as for `invoke` under a streaming handler, the end event still has the number of chunks.
    """
    frame = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]
    for _ in range(_DEPTH):
        code = frame.f_code
        name = code.co_name
        if name in _CALLERS:
            return "langchain_core" in code.co_filename
        if frame.f_back is None or (name in _OTHERS and "langchain_core" in code.co_filename):
            return False
        frame = frame.f_back
    return False
