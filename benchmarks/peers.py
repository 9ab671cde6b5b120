"""The peers of the core benchmarks, doing the same work: NVIDIA NeMo Relay and the OpenTelemetry SDK."""

import json
from typing import Any

import nemo_relay
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from benchmarks.timing import Candidate

__all__ = ["candidates"]


def candidates(kind: str, payload: Any) -> list[Candidate]:
    """Return the peers that can do `kind`, ``scope`` or ``mark``."""
    work = _scopes(payload) if kind == "scope" else _marks(payload)
    found = [
        Candidate("nemo-relay, nobody listening", work),
        Candidate(
            "nemo-relay, 1 listening",
            work,
            flush=nemo_relay.subscribers.flush,
            enter=lambda: nemo_relay.subscribers.register("listener", _listen),
            leave=lambda: nemo_relay.subscribers.deregister("listener"),
        ),
    ]
    return [*found, _open_telemetry(payload)] if kind == "scope" else found


def _scopes(payload: Any) -> Any:
    push, pop = nemo_relay.scope.push, nemo_relay.scope.pop

    def work(operations: int) -> None:
        for _ in range(operations):
            handle = push("work", nemo_relay.ScopeType.Function, input=payload)
            pop(handle, output=payload)

    return work


def _marks(payload: Any) -> Any:
    event = nemo_relay.scope.event

    def work(operations: int) -> None:
        for _ in range(operations):
            event("work", data=payload)

    return work


def _listen(event: object) -> None:
    """Do as little as a listener can."""


class _Discard(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def _open_telemetry(payload: Any) -> Candidate:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(_Discard()))
    tracer = provider.get_tracer("benchmarks")

    def work(operations: int) -> None:
        for _ in range(operations):
            with tracer.start_as_current_span("work") as span:
                if payload is not None:
                    span.set_attribute("input.value", json.dumps(payload))
                    span.set_attribute("output.value", json.dumps(payload))

    return Candidate("OpenTelemetry SDK, batch, discarded", work, flush=provider.force_flush)
