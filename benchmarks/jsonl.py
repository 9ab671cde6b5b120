"""How fast events reach the disk as JSONL: Relay's whole path against a loop that does nothing but encode and write."""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import orjson
from uuid_utils import uuid7

from benchmarks.payloads import PAYLOADS
from benchmarks.table import print_table
from relay_core import Relay, ScopeType
from relay_core.jsonl import JsonlSink

__all__ = ["run"]

_HEAD = ("candidate", "lines", "events/s", "of floor", "CPU us/event", "dropped")


def run(*, peers: bool, quick: bool) -> None:
    """Print events per second for both, the share that Relay reaches, and what it lost: nothing, or it says so.

    The candidates take turns, and the medians count: what else the machine does hits both alike. Their files are
    emptied after each turn, see `benchmarks.langchain`.
    """
    rounds, scopes = (1, 20_000) if quick else (5, 100_000)
    payload = PAYLOADS["100 B"]
    with tempfile.TemporaryDirectory() as folder:
        relay = Relay()
        target, path = Path(folder, "relay.jsonl"), Path(folder, "floor.jsonl")
        sink = JsonlSink(target)
        relay.registry.register(sink, name="jsonl")
        floor: list[tuple[float, float]] = []
        ours: list[tuple[float, float]] = []
        for _ in range(rounds):
            floor.append(_timed(lambda: _floor(path, 2 * scopes, payload), 2 * scopes))
            os.truncate(path, 0)
            ours.append(_timed(lambda: _relay(relay, scopes, payload), 2 * scopes))
            os.truncate(target, 0)
        rate, cpu = (median(figures) for figures in zip(*floor, strict=True))
        our_rate, our_cpu = (median(figures) for figures in zip(*ours, strict=True))
        dropped = sum(relay.statistics().dropped.values())
        rows: list[tuple[object, ...]] = [
            ("floor: dict + orjson + buffered write", 2 * scopes * rounds, rate, 1.0, cpu, 0),
            ("relay + JsonlSink", sink.statistics().written, our_rate, our_rate / rate, our_cpu, dropped),
        ]
        relay.shutdown()
    print_table("JSONL to disk", _HEAD, rows)


def _timed(work: Callable[[], None], events: int) -> tuple[float, float]:
    """Return events per second, and the CPU of the whole process in microseconds per event."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return events / (time.perf_counter() - wall), (time.process_time() - cpu) / events * 1e6


def _floor(path: Path, events: int, payload: object) -> None:
    with path.open("wb") as file:
        for _ in range(events):
            event = {
                "kind": "scope",
                "atof_version": "0.1",
                "uuid": str(uuid7()),
                "parent_uuid": None,
                "timestamp": time.time_ns(),
                "name": "work",
                "attributes": [],
                "category": "function",
                "category_profile": None,
                "data": payload,
                "data_schema": None,
                "metadata": None,
            }
            file.write(orjson.dumps(event) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _relay(relay: Relay, scopes: int, payload: object) -> None:
    push, pop = relay.scopes.push, relay.scopes.pop
    for number in range(scopes):
        handle = push("work", ScopeType.Function, input=payload)
        pop(handle, output=payload)
        if number % 10_000 == 9_999:  # an emitter that outruns any disk would measure the drops
            relay.subscribers.flush()
    relay.subscribers.flush()
