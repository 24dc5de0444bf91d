"""The spans of a worker: one for each event, with the phases of its batch.

    request ──▶ process requests          one for each event, below the context of its traceparent
                  ├─ decode, load, decide, apply, commit      where the batch has one recorded event
                  ⋯ link ⋯ batch ─ the same steps             where it has several
    start   ──▶ send responses            the resumed event, in the trace of its StartTask,
                                          linked to the request that caused it

Spans are made once a batch is committed, from the times of its phases: an event costs nothing before its
answer is committed, and an aborted batch leaves no spans.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from runner import __version__, log
from runner.actions.decision import OutgoingMessage
from runner.actions.incoming import TRACE_HEADERS, Headers
from runner.tasks.source import Source
from runner.telemetry.traces.attributes import (
    TracedTopic,
    error_of,
    of_batch,
    of_request,
    of_resumed,
    resumed_by,
)
from runner.worker.in_flight import InFlight
from runner.worker.result import BatchResult

_PROPAGATOR: Final = TraceContextTextMapPropagator()
_RANDOM_BITS: Final = 64
"""The lower half of a trace id, which is what samplers compare with their ratio."""
_NOT_STEPS: Final = frozenset({"poll", "timers", "other"})
_log: Final = log.get("traces")


@dataclass(frozen=True, slots=True)
class _Step:
    part: str
    began_ns: int
    ended_ns: int


class Spans:
    """Makes the spans of one loop; for its thread only."""

    def __init__(
        self,
        processor: SpanProcessor,
        resource: Resource,
        topic: TracedTopic,
        sample: float,
        now_ns: Callable[[], int],
    ) -> None:
        """Make spans for ``processor``.

        ``sample`` is the share of requests without trace context that are recorded; ``now_ns`` is the
        time of day, so that spans compare with those of other programs.
        """
        self._ids = _Ids()
        provider = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False, id_generator=self._ids)
        provider.add_span_processor(processor)
        self._tracer = provider.get_tracer("saga-task-runner", __version__)
        self._topic = topic
        self._sample = sample
        self._now_ns = now_ns
        self._last_ns = now_ns()
        self._steps: list[_Step] = []
        self._failed = False

    def phase_ended(self, part: str) -> None:
        """Record the end of a phase; a poll begins a new batch, committed or not."""
        now_ns = self._now_ns()
        if part == "poll":
            self._steps.clear()
        elif part not in _NOT_STEPS:
            self._steps.append(_Step(part, self._last_ns, now_ns))
        self._last_ns = now_ns

    def processed(self, result: BatchResult) -> None:
        """Make the spans of a batch; an error is logged once and not raised."""
        try:
            self._record(result)
        except Exception:  # noqa: BLE001 - a span is never worth a worker, whatever an event held
            if not self._failed:
                _log.exception("spans_failed")
            self._failed = True

    def _record(self, result: BatchResult) -> None:
        finished = [
            item
            for item in result.items
            if item.message.offset < result.positions.get(item.message.partition, 0)
        ]
        if not self._steps or not finished:
            return
        spans = [span for item in finished if (span := self._event(item)) is not None]
        if spans:
            self._batch(spans, len(finished))
        for span in spans:
            span.end(self._steps[-1].ended_ns)

    def _event(self, item: InFlight) -> Span | None:
        """Return the open span of an event, or None; the span of its resumed event is ended here."""
        parent = context_of(item.message.headers)
        resumed = resumed_by(item.decision)
        start = context_of(() if resumed is None else resumed.headers)
        span = self._request(item, parent) if self._is_wanted(item, parent, start) else None
        if resumed is not None:
            self._resumed(resumed, start, parent if span is None else span.get_span_context())
        return span

    def _is_wanted(self, item: InFlight, parent: SpanContext, start: SpanContext) -> bool:
        """Whether an event is recorded: by its own context, or by that of the saga it resumes."""
        for context in (parent, start):
            if context.is_valid:
                return context.trace_flags.sampled
        return _is_sampled(self._trace_of(item), self._sample)

    def _trace_of(self, item: InFlight) -> int:
        source = item.source if item.plan is None else item.plan.incoming.first_source
        return _trace_id(self._topic.topic_id, source)

    def _request(self, item: InFlight, parent: SpanContext) -> Span:
        self._ids.next_trace = None if parent.is_valid else self._trace_of(item)
        span = self._tracer.start_span(
            f"process {self._topic.name}",
            _below(parent),
            SpanKind.CONSUMER,
            of_request(item, self._topic),
            start_time=self._steps[0].began_ns,
        )
        error = error_of(item)
        if error is not None:
            span.set_attribute("error.type", error[0])
            span.set_status(Status(StatusCode.ERROR, error[1]))
        return span

    def _resumed(self, outgoing: OutgoingMessage, start: SpanContext, cause: SpanContext) -> None:
        """Record a resumed event in the trace of its start, or of its cause where the start had none."""
        parent = start if start.is_valid else cause
        if not (parent.is_valid and parent.trace_flags.sampled):
            return
        commit = self._steps[-1]
        span = self._tracer.start_span(
            f"send {outgoing.stream}",
            _below(parent),
            SpanKind.PRODUCER,
            of_resumed(outgoing),
            [Link(cause)] if cause.is_valid else [],
            commit.began_ns,
        )
        span.end(commit.ended_ns)

    def _batch(self, spans: Sequence[Span], events: int) -> None:
        """Record the phases: below the only event, or below a batch span linked with all events."""
        if len(spans) == 1:
            self._record_steps(spans[0].get_span_context())
            return
        batch = self._tracer.start_span(
            "batch",
            _below(context_of(())),
            attributes=of_batch(events, self._topic),
            links=[Link(span.get_span_context()) for span in spans],
            start_time=self._steps[0].began_ns,
        )
        for span in spans:
            span.add_link(batch.get_span_context())
        self._record_steps(batch.get_span_context())
        batch.end(self._steps[-1].ended_ns)

    def _record_steps(self, parent: SpanContext) -> None:
        for step in self._steps:
            span = self._tracer.start_span(step.part, _below(parent), start_time=step.began_ns)
            span.end(step.ended_ns)


def context_of(headers: Headers) -> SpanContext:
    """Return the trace context in headers: the first of each name; an invalid one where there is none."""
    carrier: dict[str, str] = {}
    for name, value in headers:
        if name in TRACE_HEADERS:
            carrier.setdefault(name, value.decode("latin-1"))
    return get_current_span(_PROPAGATOR.extract(carrier, Context())).get_span_context()


def _below(context: SpanContext) -> Context:
    """Return the context of a span whose parent is ``context``; a new trace where that is invalid."""
    return set_span_in_context(NonRecordingSpan(context), Context()) if context.is_valid else Context()


def _trace_id(topic_id: str, source: Source) -> int:
    """Return the trace id of an event without context: the same when it is redelivered."""
    digest = hashlib.blake2b(f"{topic_id} {source}".encode(), digest_size=16).digest()
    return int.from_bytes(digest, "big") or 1


def _is_sampled(trace_id: int, ratio: float) -> bool:
    """Whether a trace is recorded, as OpenTelemetry's samplers choose by ratio."""
    return trace_id % (1 << _RANDOM_BITS) < round(ratio * (1 << _RANDOM_BITS))


class _Ids(IdGenerator):
    """Generates random ids, except for a trace whose id is set before its first span."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()
        self.next_trace: int | None = None
        """Id of the next new trace; None: random."""

    def generate_span_id(self) -> int:
        return self._random.generate_span_id()

    def generate_trace_id(self) -> int:
        """Return the id that was set, once; otherwise a random one."""
        named, self.next_trace = self.next_trace, None
        return self._random.generate_trace_id() if named is None else named
