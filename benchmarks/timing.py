"""Times candidates in turn, so that what the machine does meanwhile hits all of them alike."""

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

__all__ = ["Candidate", "Result", "compare"]


def _nothing() -> None:
    """Stand for a step that a candidate does not need."""


@dataclass
class Candidate:
    """One way of doing the same work."""

    name: str
    run: Callable[[int], None]
    """Does the work so many times, in the calling thread."""
    flush: Callable[[], object] = _nothing
    """Waits until everything is delivered; its cost counts as CPU, not as the caller's time."""
    enter: Callable[[], object] = _nothing
    """Called before each round: registers what listens."""
    leave: Callable[[], object] = _nothing
    """Called after each round."""


@dataclass
class Result:
    """What one candidate took, in microseconds per operation."""

    name: str
    caller: list[float] = field(default_factory=list)
    """CPU of the calling thread, by round."""
    total: list[float] = field(default_factory=list)
    """CPU of the whole process until everything was delivered, by round."""
    wall: list[float] = field(default_factory=list)
    """Time in the calling thread, waiting included, by round."""

    def median(self, figure: str) -> float:
        """Return the median of `caller`, `total` or `wall`."""
        return statistics.median(getattr(self, figure))


def compare(candidates: Sequence[Candidate], *, operations: int, rounds: int = 15) -> dict[str, Result]:
    """Run every candidate once per round, in turn, and return the results by name.

    Args:
        candidates: What to compare.
        operations: How often the work is done in one round.
        rounds: How many rounds count; one more goes before as a warm-up.
    """
    results = {candidate.name: Result(candidate.name) for candidate in candidates}
    for number in range(rounds + 1):
        for candidate in candidates:
            measured = _one_round(candidate, operations)
            if number:
                result = results[candidate.name]
                for figure, value in zip((result.caller, result.total, result.wall), measured, strict=True):
                    figure.append(value)
    return results


def _one_round(candidate: Candidate, operations: int) -> tuple[float, float, float]:
    candidate.enter()
    gc.collect()
    total = time.process_time_ns()
    caller = time.thread_time_ns()
    wall = time.perf_counter_ns()
    candidate.run(operations)
    wall = time.perf_counter_ns() - wall
    caller = time.thread_time_ns() - caller
    candidate.flush()
    total = time.process_time_ns() - total
    candidate.leave()
    scale = operations * 1000
    return caller / scale, total / scale, wall / scale
