"""What the callback handler adds to real work: nothing, a handler that does nothing, and Relay with a JSONL file.

The file is emptied after each round: beyond some hundred megabytes that wait for the disk, the system makes whoever
writes pay for that, tenfold, and it would be the disk that is measured.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler

from benchmarks.table import print_table
from benchmarks.timing import Candidate, Result, compare
from benchmarks.workloads import WORKLOADS, Work, Workload
from relay_core import Relay
from relay_core.jsonl import JsonlSink
from relay_langchain import RelayCallbackHandler

__all__ = ["run"]

_HEAD = ("candidate", "wall us", "CPU us", "added CPU us", "allowed")


class _Idle(BaseCallbackHandler):
    """Costs what LangChain takes to call a handler."""

    run_inline = True

    def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    on_chain_end = on_chain_error = on_chat_model_start = on_llm_end = on_llm_error = on_chain_start
    on_llm_new_token = on_tool_start = on_tool_end = on_tool_error = on_chain_start


def run(*, peers: bool, quick: bool) -> None:
    """Print one table for each kind of work."""
    with tempfile.TemporaryDirectory() as folder:
        relay = Relay()
        relay.ensure_ready()
        path = Path(folder, "relay.jsonl")
        relay.registry.register(JsonlSink(path), name="bench-jsonl")
        handler = RelayCallbackHandler(runtime=relay)
        others = _peers() if peers else {}
        for workload in WORKLOADS:
            work = workload.make()
            candidates = [
                Candidate("without callbacks", _repeat(work, [])),
                Candidate("a handler that does nothing", _repeat(work, [_Idle()])),
                Candidate(
                    "relay + JSONL",
                    _repeat(work, [handler]),
                    flush=relay.subscribers.flush,
                    leave=lambda: os.truncate(path, 0),
                ),
                *(Candidate(other, _repeat(work, [theirs])) for other, theirs in others.items()),
            ]
            rounds = 3 if quick else 15
            _print(workload, compare(candidates, operations=workload.operations, rounds=rounds))
        print(f"\nopen runs at the end: {handler.open_runs}; {relay.statistics()}")
        relay.shutdown()


def _peers() -> dict[str, Any]:
    try:
        from nemo_relay.integrations.langchain import NemoRelayCallbackHandler
    except ImportError:
        return {}
    return {"nemo-relay, nobody listening": NemoRelayCallbackHandler()}


def _repeat(work: Work, callbacks: list[Any]) -> Any:
    def run(operations: int) -> None:
        for _ in range(operations):
            work(callbacks)

    return run


def _print(workload: Workload, results: dict[str, Result]) -> None:
    base = next(iter(results.values())).median("total")
    rows: list[tuple[object, ...]] = []
    for name, result in results.items():
        wall, total = result.median("wall") / workload.units, result.median("total") / workload.units
        promised = name.startswith("relay") and workload.allowed_us is not None
        added = total - base / workload.units
        rows.append((name, wall, total, added, workload.allowed_us if promised else ""))
    print_table(workload.name, _HEAD, rows)
