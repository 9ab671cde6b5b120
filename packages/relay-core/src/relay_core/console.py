"""A sink that prints a line for each event, indented like the tree: to see at once what an agent does."""

import sys
from collections import OrderedDict
from typing import Final, TextIO

import orjson

from relay_core.events import MarkEvent, ScopeEvent
from relay_core.hookspecs import hookimpl

__all__ = ["ConsoleSink"]

PAYLOAD_LENGTH: Final = 200
"""How many characters of a payload a line shows."""
OPEN_SCOPES: Final = 10_000
"""How many open scopes are remembered, for the indentation of what is in them; beyond that the oldest are forgotten."""


class ConsoleSink:
    """A plugin that prints every event, as one line of text.

        relay_core.plugins.register(ConsoleSink(), name="console")

    The lines of a batch are written at once. The stream is not flushed for each line and not closed.

        12:34:56.123456 > agent weather
        12:34:56.130102   > tool get_weather
        12:34:56.131001     * Retry
        12:34:56.190514   < tool get_weather: ok, 60.4 ms
        12:34:56.201733 < agent weather: ok, 78.3 ms
    """

    def __init__(self, stream: TextIO | None = None, *, payloads: bool = False) -> None:
        """Print to `stream`.

        Args:
            stream: By default what `sys.stderr` is at the time.
            payloads: Whether the lines show inputs, outputs and the data of marks.
        """
        self._stream = stream
        self._payloads = payloads
        # Depth and start of each open scope.
        self._open: OrderedDict[str, tuple[int, int]] = OrderedDict()

    @hookimpl
    def relay_dispatch(self, events: tuple[ScopeEvent | MarkEvent, ...]) -> None:
        """Print a batch. On the delivery thread.

        Raises:
            OSError: The stream cannot be written.
            ValueError: The stream is closed.
        """
        text = "".join(f"{event.timestamp[11:-1]} {self._line(event)}\n" for event in events)
        stream = self._stream or sys.stderr
        if stream is not None:  # there is none under pythonw
            stream.write(text)

    def _line(self, event: ScopeEvent | MarkEvent) -> str:
        depth = self._open.get(event.parent_uuid or "", (-1, 0))[0] + 1
        payload = self._payload(event)
        if isinstance(event, MarkEvent):
            return f"{'  ' * depth}* {event.name}{payload}"
        title = f"{event.category} {event.name}"
        if event.scope_category == "start":
            self._remember(event, depth)
            return f"{'  ' * depth}> {title}{payload}"
        _, started = self._open.pop(event.uuid, (0, None))
        return f"{'  ' * depth}< {title}: {self._ending(event, started)}{payload}"

    def _remember(self, event: ScopeEvent, depth: int) -> None:
        self._open[event.uuid] = (depth, event.timestamp_us)
        if len(self._open) > OPEN_SCOPES:
            self._open.popitem(last=False)

    def _ending(self, event: ScopeEvent, started: int | None) -> str:
        metadata = event.metadata or {}
        ending = str(metadata.get("relay.outcome", "ended"))
        if "exception.type" in metadata:
            ending += f" {metadata['exception.type']}: {metadata.get('otel.status_description')}"
        return ending if started is None else f"{ending}, {(event.timestamp_us - started) / 1000:.1f} ms"

    def _payload(self, event: ScopeEvent | MarkEvent) -> str:
        data = event.data if self._payloads else None
        if data is None:
            return ""
        text = orjson.dumps(data).decode()
        return f" {text}" if len(text) <= PAYLOAD_LENGTH else f" {text[:PAYLOAD_LENGTH]}..."
