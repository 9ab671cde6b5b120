"""What control costs: a managed call that passes through, beside the bare call and NVIDIA NeMo Relay."""

import asyncio
from typing import Any

from benchmarks.payloads import PAYLOADS
from benchmarks.table import print_table
from benchmarks.timing import Candidate, compare
from relay_core import Relay

__all__ = ["run"]

_ARGUMENTS: dict[str, Any] = PAYLOADS["100 B"]
_HEAD = ("candidate", "caller us", "over the bare call", "total CPU us")


async def _tool(arguments: Any) -> Any:
    return arguments


def run(*, peers: bool, quick: bool) -> None:
    """Print one table: `tools.execute` with nobody listening and with one subscriber."""
    candidates = [Candidate("the bare call", _repeated(_bare)), *_ours()]
    if peers:
        candidates += _theirs()
    results = compare(candidates, operations=100 if quick else 1000)
    bare = results["the bare call"].median("wall")
    print_table(
        "tools.execute, pass-through, 100 B",
        _HEAD,
        [(name, it.median("wall"), it.median("wall") - bare, it.median("total")) for name, it in results.items()],
    )


async def _bare(name: str, arguments: Any, function: Any) -> Any:
    return await function(arguments)


def _ours() -> list[Candidate]:
    silent, listening = Relay(), Relay()
    listening.subscribers.register("listener", lambda event: None)
    return [
        Candidate("relay, nobody listening", _repeated(silent.tools.execute)),
        Candidate("relay, 1 listening", _repeated(listening.tools.execute), flush=listening.subscribers.flush),
    ]


def _theirs() -> list[Candidate]:
    import nemo_relay

    async def _result(arguments: Any) -> Any:
        return nemo_relay.ToolExecutionResult(await _tool(arguments))

    async def execute(name: str, arguments: Any, function: Any) -> Any:
        return await nemo_relay.tools.execute(name, arguments, _result)

    return [
        Candidate("nemo-relay, nobody listening", _repeated(execute)),
        Candidate(
            "nemo-relay, 1 listening",
            _repeated(execute),
            flush=nemo_relay.subscribers.flush,
            enter=lambda: nemo_relay.subscribers.register("listener", lambda event: None),
            leave=lambda: nemo_relay.subscribers.deregister("listener"),
        ),
    ]


def _repeated(execute: Any) -> Any:
    async def calls(operations: int) -> None:
        for _ in range(operations):
            await execute("tool", _ARGUMENTS, _tool)

    return lambda operations: asyncio.run(calls(operations))
