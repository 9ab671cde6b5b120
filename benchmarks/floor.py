"""The floor: the least that any pure-Python emitter does. A dict, a native encoder, a queue."""

import queue
import time
from typing import Any

import orjson
from uuid_utils import uuid7

from benchmarks.timing import Candidate

__all__ = ["floor_mark", "floor_scope"]


def _event(kind: str, payload: Any) -> bytes:
    return orjson.dumps(
        {
            "kind": kind,
            "atof_version": "0.1",
            "uuid": "01a1fd13-0411-71a0-8650-6ebc2539a71a",
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
    )


def floor_scope(payload: Any) -> Candidate:
    """Two dicts, encoded and queued; one id."""
    events: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def run(operations: int) -> None:
        for _ in range(operations):
            uuid7()
            events.put(_event("scope", payload))
            events.put(_event("scope", payload))

    return Candidate("floor: dict + orjson + queue", run, flush=lambda: _drain(events))


def floor_mark(payload: Any) -> Candidate:
    """One dict, encoded and queued; one id."""
    events: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def run(operations: int) -> None:
        for _ in range(operations):
            uuid7()
            events.put(_event("mark", payload))

    return Candidate("floor: dict + orjson + queue", run, flush=lambda: _drain(events))


def _drain(events: "queue.SimpleQueue[bytes]") -> None:
    while not events.empty():
        events.get()
