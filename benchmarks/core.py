"""What it costs to emit: push and pop of a scope, and a mark, with 0, 1 and 10 listeners and three payload sizes."""

from typing import Any

from benchmarks.floor import floor_mark, floor_scope
from benchmarks.payloads import PAYLOADS
from benchmarks.table import print_table
from benchmarks.timing import Candidate, Result, compare
from relay_core import Relay, ScopeType

__all__ = ["run"]

_LISTENERS = (0, 1, 10)
_HEAD = ("candidate", "emit us", "x floor", "1/x peer", "emit CPU us", "total CPU us", "1/x peer")


def run(*, peers: bool, quick: bool) -> None:
    """Print the tables; with `peers`, nemo-relay and the OpenTelemetry SDK stand beside Relay."""
    for size, payload in PAYLOADS.items():
        operations = 500 if quick else 4000
        for title, ours, theirs in (("push + pop", _relay_scope, "scope"), ("mark", _relay_mark, "mark")):
            candidates = [floor_scope(payload) if theirs == "scope" else floor_mark(payload)]
            candidates += [ours(payload, listeners) for listeners in _LISTENERS]
            if peers:
                from benchmarks import peers as others  # installed in an environment of their own

                candidates += others.candidates(theirs, payload)
            _print(f"{title}, payload {size}", compare(candidates, operations=operations))


def _print(title: str, results: dict[str, Result]) -> None:
    """Print what emitting took (wall and CPU of the calling thread) and what all of it took until it was delivered."""
    floor = next(iter(results.values())).median("wall")
    rows: list[tuple[object, ...]] = []
    for name, result in results.items():
        emit, total = result.median("wall"), result.median("total")
        peer = results.get(name.replace("relay", "nemo-relay", 1)) if name.startswith("relay") else None
        ratios = ("", "") if peer is None else (peer.median("wall") / emit, peer.median("total") / total)
        rows.append((name, emit, emit / floor, ratios[0], result.median("caller"), total, ratios[1]))
    print_table(title, _HEAD, rows)


def _relay_scope(payload: Any, listeners: int) -> Candidate:
    relay = Relay()
    push, pop = relay.scopes.push, relay.scopes.pop

    def work(operations: int) -> None:
        for _ in range(operations):
            handle = push("work", ScopeType.Function, input=payload)
            pop(handle, output=payload)

    return _relay(relay, work, listeners)


def _relay_mark(payload: Any, listeners: int) -> Candidate:
    relay = Relay()
    event = relay.scopes.event

    def work(operations: int) -> None:
        for _ in range(operations):
            event("work", data=payload)

    return _relay(relay, work, listeners)


def _relay(relay: Relay, work: Any, listeners: int) -> Candidate:
    def enter() -> None:
        for number in range(listeners):
            relay.subscribers.register(f"listener-{number}", _listen)

    def leave() -> None:
        for number in range(listeners):
            relay.subscribers.deregister(f"listener-{number}")

    name = f"relay, {listeners} listening" if listeners else "relay, nobody listening"
    return Candidate(name, work, flush=relay.subscribers.flush, enter=enter, leave=leave)


def _listen(event: object) -> None:
    """Do as little as a listener can."""
