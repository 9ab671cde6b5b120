"""How fast events reach the disk as JSONL: Relay's whole path against a loop that does nothing but encode and write."""

import os
import tempfile
import time
from pathlib import Path

import orjson
from uuid_utils import uuid7

from benchmarks.payloads import PAYLOADS
from benchmarks.table import print_table
from relay_core import Relay, ScopeType
from relay_core.jsonl import JsonlSink

__all__ = ["run"]


def run(*, peers: bool, quick: bool) -> None:
    """Print events per second for both, the share that Relay reaches, and what it lost: nothing, or it says so."""
    scopes = 20_000 if quick else 500_000
    payload = PAYLOADS["100 B"]
    rows: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        floor = _floor(Path(folder, "floor.jsonl"), 2 * scopes, payload)
        relay = Relay()
        relay.registry.register(JsonlSink(Path(folder, "relay.jsonl")), name="jsonl")
        rate = _relay(relay, scopes, payload)
        statistics = relay.statistics()
        with Path(folder, "relay.jsonl").open("rb") as file:
            written = sum(1 for _ in file)
        rows.append(("floor: dict + orjson + buffered write", 2 * scopes, floor, 1.0, 0))
        rows.append(("relay + JsonlSink", written, rate, rate / floor, sum(statistics.dropped.values())))
        relay.shutdown()
    print_table("JSONL to disk", ("candidate", "lines", "events/s", "of floor", "dropped"), rows)


def _floor(path: Path, events: int, payload: object) -> float:
    began = time.perf_counter()
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
    return events / (time.perf_counter() - began)


def _relay(relay: Relay, scopes: int, payload: object) -> float:
    push, pop = relay.scopes.push, relay.scopes.pop
    began = time.perf_counter()
    for number in range(scopes):
        handle = push("work", ScopeType.Function, input=payload)
        pop(handle, output=payload)
        if number % 10_000 == 9_999:  # an emitter that outruns any disk would measure the drops
            relay.subscribers.flush()
    relay.subscribers.flush()
    return 2 * scopes / (time.perf_counter() - began)
