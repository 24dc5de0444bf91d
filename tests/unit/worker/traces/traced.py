"""A worker on the bench whose spans are kept in memory."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext

from runner.actions.incoming import Headers
from runner.telemetry.traces.attributes import TracedTopic
from runner.telemetry.traces.spans import Spans
from runner.worker.assignment import Batch
from runner.worker.result import BatchResult
from tests.unit.worker.opened import opened
from tests.unit.worker.rig import Harness, Recorder, Worker

PLACE: Final = TracedTopic("requests", "topic-1", "group")
STEPS: Final = {"decode", "load", "decide", "apply", "commit"}


def parent(trace: int, span: int = 0xABC, *, sampled: bool = True) -> Headers:
    """Give the headers of a message that carries trace context."""
    return (
        ("traceparent", f"00-{trace:032x}-{span:016x}-{int(sampled):02x}".encode()),
        ("tracestate", b"v=1"),
    )


@dataclass
class TracedWatcher(Recorder):
    """Tells a tracer what it is told, as the real observer does."""

    spans: Spans = field(kw_only=True)

    def phase_ended(self, part: str) -> None:
        super().phase_ended(part)
        self.spans.phase_ended(part)

    def processed(self, batch: Batch, done: BatchResult, timers: int, seconds: float) -> None:
        self.spans.processed(done)
        super().processed(batch, done, timers, seconds)


class Traced:
    """One worker and its spans. Every look at the clock is a millisecond after the last."""

    def __init__(self, sample: float = 1.0, processor: SpanProcessor | None = None) -> None:
        self.exporter = InMemorySpanExporter()
        times = itertools.count(1_000_000_000, 1_000_000)
        processor = processor or SimpleSpanProcessor(self.exporter)
        spans = Spans(processor, Resource({}), PLACE, sample, lambda: next(times))
        self.worker = opened(Worker(Harness(), recorder=TracedWatcher(spans=spans)))

    def send(self, value: bytes | None, headers: Headers = (), home: int = 0) -> None:
        """Put a message on a home."""
        self.worker.log.append(value, home, headers=headers)

    def run(self) -> list[ReadableSpan]:
        """Work until there is nothing left; return the spans made meanwhile."""
        self.exporter.clear()
        self.worker.until_idle()
        return list(self.exporter.get_finished_spans())


def named(spans: list[ReadableSpan], name: str) -> list[ReadableSpan]:
    return [span for span in spans if span.name == name]


def requests_in(spans: list[ReadableSpan]) -> list[ReadableSpan]:
    return named(spans, "process requests")


def only(spans: list[ReadableSpan], name: str) -> ReadableSpan:
    (found,) = named(spans, name)
    return found


def trace_id(span: ReadableSpan) -> int:
    return _context(span).trace_id


def span_id(span: ReadableSpan) -> int:
    return _context(span).span_id


def _context(span: ReadableSpan) -> SpanContext:
    found = span.get_span_context()
    assert found is not None
    return found


def parent_id(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def linked(span: ReadableSpan) -> list[int]:
    return [link.context.span_id for link in span.links]


def said(span: ReadableSpan, name: str) -> Any:
    return (span.attributes or {}).get(name)
