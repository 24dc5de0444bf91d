"""Sends spans to a collector from a separate thread; the loop never waits for it.

The queue is bounded: while the collector is away or slow, further spans are dropped and counted.
OpenTelemetry's own processor counts nothing, and waits for half a minute at the end.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from runner import log
from runner.metrics import SpanResult

QUEUE_SPANS: Final = 8192
"""Most spans in the queue; some 35 MB."""
SEND_SPANS: Final = 512
"""Most spans in one request."""
EVERY_SECONDS: Final = 1.0
"""Longest wait of a span while the collector answers."""
LAST_SECONDS: Final = 2.0
"""Time at the end for the spans in the queue."""

_log: Final = log.get("traces")


class Sender(SpanProcessor):
    """Queues ended spans from any thread; never raises, and waits only in ``shutdown``."""

    def __init__(
        self,
        exporter: SpanExporter,
        endpoint: str,
        count: Callable[[SpanResult, int], None],
        queue_spans: int = QUEUE_SPANS,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        """``endpoint`` is named where it does not answer; ``count`` receives sent and dropped spans."""
        self._exporter = exporter
        self._endpoint = endpoint
        self._count = count
        self._queue_spans = queue_spans
        self._every_seconds = every_seconds
        self._waiting: deque[ReadableSpan] = deque()
        self._wake = threading.Event()
        self._stopping = False
        self._is_away = False
        self._words = _LastWords()
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span, or drop it where the queue is full."""
        if self._stopping or len(self._waiting) >= self._queue_spans:
            self._count("dropped", 1)
            return
        self._waiting.append(span)
        if len(self._waiting) >= SEND_SPANS:
            self._wake.set()

    def shutdown(self) -> None:
        """Send the queue within two seconds, and drop the rest."""
        self._stopping = True
        self._wake.set()
        self._thread.join(LAST_SECONDS)
        # Ends the exporter's own wait between two attempts, and so the thread.
        self._exporter.shutdown()
        self._thread.join(LAST_SECONDS)
        self._words.close()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(self._every_seconds)
            self._wake.clear()
            self._send_all()
        self._send_all()

    def _send_all(self) -> None:
        while self._waiting:
            spans = [self._waiting.popleft() for _ in range(min(len(self._waiting), SEND_SPANS))]
            is_sent = self._is_sent(spans)
            self._count("sent" if is_sent else "dropped", len(spans))
            self._tell(away=not is_sent)

    def _is_sent(self, spans: list[ReadableSpan]) -> bool:
        try:
            return self._exporter.export(spans) is SpanExportResult.SUCCESS
        except Exception as error:  # noqa: BLE001 - whatever the exporter meets, the next spans are tried
            self._words.lines.append(str(error))
            return False

    def _tell(self, *, away: bool) -> None:
        """Log once that the collector does not take spans, and once that it does again."""
        if away:
            log_it = _log.debug if self._is_away else _log.warning
            log_it("spans_not_sent", endpoint=self._endpoint, reason=self._words.pop_text())
        elif self._is_away:
            _log.info("spans_sent_again")
        self._is_away = away


class _LastWords(logging.Handler):
    """Keeps the last two log lines of OpenTelemetry, for one line of the runner."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[str] = deque(maxlen=2)
        self._logger = logging.getLogger("opentelemetry")
        self._logger.addHandler(self)
        self._logger.propagate = False

    def emit(self, record: Any) -> None:
        """Keep the line."""
        self.lines.append(record.getMessage())

    def pop_text(self) -> str:
        """Return the lines as one text, and drop them."""
        lines = " ".join(self.lines)
        self.lines.clear()
        return lines

    def close(self) -> None:
        """Let OpenTelemetry's lines go their usual way again."""
        self._logger.removeHandler(self)
        self._logger.propagate = True
        super().close()
