"""Sends spans to a collector: the SDK queues them and sends them in a thread of its own.

The worker never waits for the collector. While it is away or slow, spans are dropped and counted; those
beyond the queue the SDK names in the log itself ("Queue full, dropping Span.").
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from runner import log
from runner.metrics import SpanResult

QUEUE_SPANS: Final = 8192
"""Most spans in the queue; some 35 MB."""
SEND_SPANS: Final = 512
"""Most spans in one request."""
EVERY_SECONDS: Final = 1.0
"""Longest wait of a span while the collector answers."""
LAST_SECONDS: Final = 2.0
"""Time at the end for the spans in the queue; the SDK would wait for half a minute."""

_log: Final = log.get("traces")


@contextmanager
def sending(
    exporter: SpanExporter,
    endpoint: str,
    count: Callable[[SpanResult, int], None],
    queue_spans: int = QUEUE_SPANS,
    every_seconds: float = EVERY_SECONDS,
) -> Iterator[SpanProcessor]:
    """Give the processor of ended spans; at the end its queue is sent within two seconds, or dropped.

    ``endpoint`` is named where it does not answer; ``count`` receives sent and refused spans.
    """
    lines = _LastLines()
    processor = BatchSpanProcessor(
        _CountedExporter(exporter, endpoint, count, lines),
        queue_spans,
        every_seconds * 1000,
        min(SEND_SPANS, queue_spans),
    )
    try:
        yield processor
    finally:
        ending = threading.Thread(target=processor.shutdown, name="traces", daemon=True)
        ending.start()
        ending.join(LAST_SECONDS)
        lines.close()


class _CountedExporter(SpanExporter):
    """Counts the spans of an exporter; logs once when they are refused, and once when they are taken."""

    def __init__(
        self,
        exporter: SpanExporter,
        endpoint: str,
        count: Callable[[SpanResult, int], None],
        lines: _LastLines,
    ) -> None:
        self._exporter = exporter
        self._endpoint = endpoint
        self._count = count
        self._lines = lines
        self._is_away = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans within the exporter's time-out; what it raises is for the SDK to log."""
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            is_sent = result is SpanExportResult.SUCCESS
            self._tell(away=not is_sent)
            self._count("sent" if is_sent else "dropped", len(spans))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def _tell(self, *, away: bool) -> None:
        if away:
            log_it = _log.debug if self._is_away else _log.warning
            log_it("spans_not_sent", endpoint=self._endpoint, reason=self._lines.pop_text())
        elif self._is_away:
            _log.info("spans_sent_again")
        self._is_away = away


class _LastLines(logging.Handler):
    """Keeps the last two log lines of the exporter, for one line of the runner, until it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[str] = deque(maxlen=2)
        self._logger = logging.getLogger("opentelemetry.exporter")
        self._logger.addHandler(self)
        self._logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())

    def pop_text(self) -> str:
        """Return the lines as one text, and drop them."""
        lines = " ".join(self._lines)
        self._lines.clear()
        return lines

    def close(self) -> None:
        """Let the lines go their usual way again."""
        self._logger.removeHandler(self)
        self._logger.propagate = True
        super().close()
