"""Execution intercepts around a call: the lowest priority outermost, each with a `next` that runs the rest."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from relay_core.chains import Entry
from relay_core.control.pacing import Pace, drive
from relay_core.errors import ContinuationError

__all__ = ["Continuation", "Layer", "around"]

Step = Callable[[Any], Awaitable[Any]]


class Layer:
    """What differs between tools, LLM calls and streams."""

    __slots__ = ()

    def context(self, argument: Any) -> Any:
        """Return what an intercept gets as its first argument."""
        raise NotImplementedError

    def passed_on(self, argument: Any, context: Any, original: Any) -> Any:
        """Return what `next(argument)` means, for an intercept that was given `context` made from `original`."""
        raise NotImplementedError

    def outcome(self, answer: Any) -> Any:
        """Return what an intercept's answer means to the next one outward."""
        raise NotImplementedError

    async def call(self, argument: Any) -> Any:
        """Make the call itself."""
        raise NotImplementedError


class Continuation:
    """The `next` of one intercept in one call: may be called several times and concurrently, until it is closed."""

    __slots__ = ("_name", "_pace", "_step", "active")

    def __init__(self, name: str, pace: Pace, step: Step) -> None:
        """Run `step` on behalf of the intercept `name`."""
        self._name = name
        self._pace = pace
        self._step = step
        self.active = True

    def __call__(self, argument: Any) -> Any:
        """Run the rest of the chain with `argument`: to be awaited, but not in a call without a loop.

        Raises:
            ContinuationError: The intercept has returned.
        """
        self._check()
        running = self._run(argument)
        return running if self._pace.waits else drive(running)

    async def _run(self, argument: Any) -> Any:
        self._check()
        return await self._step(argument)

    def _check(self) -> None:
        if not self.active:
            raise ContinuationError(self._name)


async def around(
    layer: Layer, pace: Pace, chain: Sequence[Entry], argument: Any, kept: list[Continuation] | None = None
) -> Any:
    """Run the intercepts of `chain`, the first one outermost, around the call.

    Args:
        layer: What kind of call this is.
        pace: How to wait.
        chain: The intercepts.
        argument: What the outermost one starts with.
        kept: Takes the continuations, which then live until whoever owns this list closes them; None closes each
            when its intercept returns.
    """
    if not chain:
        return await layer.call(argument)
    entry, rest = chain[0], chain[1:]
    context = layer.context(argument)

    async def step(passed: Any) -> Any:
        return await around(layer, pace, rest, layer.passed_on(passed, context, argument), kept)

    continuation = Continuation(entry.name, pace, step)
    if kept is not None:
        kept.append(continuation)
    try:
        answer = await pace.settle(entry.function(context, continuation), entry.name)
    finally:
        continuation.active = kept is not None
    return layer.outcome(answer)
