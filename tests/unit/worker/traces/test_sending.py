"""Spans on their way to a collector: bounded, counted, and nobody waits for them."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest
import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import SpanContext, TraceFlags

from runner import log
from runner.embedded.subprocesses import HOST, free_port
from runner.metrics import SpanResult
from runner.telemetry.traces.sending import LAST_SECONDS, sending
from tests.waiting import WAIT_SECONDS

ROOM = 20
ENDPOINT = "http://collector:4318/v1/traces"


class ScriptedExporter(SpanExporter):
    """A collector that answers when it is told to, and as it is told to."""

    def __init__(self) -> None:
        self.answers = True
        self.raises = False
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.asked = threading.Event()
        self.sent: list[str] = []
        self.is_shut = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.asked.set()
        self.may_answer.wait(WAIT_SECONDS)
        if self.raises:
            raise RuntimeError("cannot encode")
        if not self.answers:
            logging.getLogger("opentelemetry.exporter").error("Failed to export: %s", "refused")
            return SpanExportResult.FAILURE
        self.sent += [span.name for span in spans]
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self.is_shut = True


class Bench:
    """Sends as soon as the queue is full, and every few milliseconds."""

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        self.exporter = ScriptedExporter()
        self.counts: Counter[SpanResult] = Counter()
        self._counted = threading.Condition()
        self._ids = RandomIdGenerator()
        self._open = ExitStack()
        self._processor = self._open.enter_context(
            sending(exporter or self.exporter, ENDPOINT, self._count, ROOM, every_seconds=0.005)
        )

    def end(self, *names: str) -> None:
        for name in names:
            trace_id, span_id = self._ids.generate_trace_id(), self._ids.generate_span_id()
            context = SpanContext(
                trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)
            )
            self._processor.on_end(ReadableSpan(name, context))

    def close(self) -> None:
        self._open.close()

    def until(self, **counts: int) -> None:
        """Wait until so many were counted."""
        with self._counted:
            expected = {name: count for name, count in counts.items() if count}
            assert self._counted.wait_for(lambda: dict(self.counts) == expected, WAIT_SECONDS), self.counts

    def _count(self, result: SpanResult, spans: int) -> None:
        with self._counted:
            self.counts[result] += spans
            self._counted.notify_all()


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a worker would write to standard error."""
    root = logging.getLogger()
    handlers, level, stream = list(root.handlers), root.level, io.StringIO()
    log.configure("json", "info", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def test_spans_are_sent_in_their_order_and_counted(bench: Bench) -> None:
    bench.end("a", "b", "c")
    bench.until(sent=3)
    assert bench.exporter.sent == ["a", "b", "c"]


def test_while_the_collector_is_slow_what_waits_is_bounded_and_the_log_says_what_is_dropped(
    bench: Bench, written: io.StringIO
) -> None:
    bench.exporter.may_answer.clear()
    bench.end("first")
    assert bench.exporter.asked.wait(WAIT_SECONDS)
    bench.end(*map(str, range(3 * ROOM)))
    bench.exporter.may_answer.set()
    bench.until(sent=1 + ROOM)
    assert bench.exporter.sent == ["first", *map(str, range(2 * ROOM, 3 * ROOM))], "the latest are kept"
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert {(line["level"], line["event"]) for line in lines} == {("warning", "Queue full, dropping Span.")}


def test_what_the_collector_refuses_is_dropped_and_told_once_until_it_takes_spans_again(
    bench: Bench, written: io.StringIO
) -> None:
    bench.exporter.answers = False
    bench.end("a", "b")
    bench.until(dropped=2)
    bench.end("c")
    bench.until(dropped=3)
    bench.exporter.answers = True
    bench.end("d")
    bench.until(dropped=3, sent=1)
    bench.close()
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [(line["level"], line["event"]) for line in lines] == [
        ("warning", "spans_not_sent"),
        ("info", "spans_sent_again"),
    ]
    assert (lines[0]["endpoint"], lines[0]["reason"]) == (ENDPOINT, "Failed to export: refused")


def test_an_exporter_that_raises_loses_its_spans_and_nothing_else(bench: Bench) -> None:
    bench.exporter.raises = True
    bench.end("a")
    bench.until(dropped=1)
    bench.exporter.raises = False
    bench.end("b")
    bench.until(dropped=1, sent=1)


def test_what_waits_at_the_end_is_sent_and_what_comes_later_is_dropped(bench: Bench) -> None:
    bench.end(*"abc")
    bench.close()
    assert bench.exporter.sent == ["a", "b", "c"]
    assert bench.exporter.is_shut
    bench.end("late")
    assert bench.counts == {"sent": 3}


def test_the_end_waits_two_seconds_for_a_collector_that_hangs(bench: Bench) -> None:
    bench.exporter.may_answer.clear()
    bench.end("a")
    assert bench.exporter.asked.wait(WAIT_SECONDS)
    began = time.monotonic()
    bench.close()
    assert LAST_SECONDS <= time.monotonic() - began < 2 * LAST_SECONDS
    assert not bench.exporter.sent
    bench.exporter.may_answer.set()


def test_a_dead_endpoint_costs_its_spans_and_no_more() -> None:
    bench = Bench(OTLPSpanExporter(f"http://{HOST}:{free_port()}/v1/traces", timeout=0.2))
    bench.end("a", "b")
    bench.until(dropped=2)
    bench.close()
    assert bench.counts == {"dropped": 2}
