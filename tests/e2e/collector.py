"""A collector of spans: takes OTLP over HTTP as any other does, and keeps what it got."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from runner.embedded.subprocesses import HOST
from tests.waiting import until

PATH: Final = "/v1/traces"
PROTOBUF: Final = "application/x-protobuf"


@dataclass(frozen=True, slots=True)
class Span:
    """One span, its ids in hexadecimal. ``links`` are the ids of spans."""

    trace: str
    id: str
    parent: str
    name: str
    attributes: dict[str, Any]
    links: tuple[str, ...]
    began_ns: int
    ended_ns: int
    service: str


class GcPacer:
    """Listens while the block lasts."""

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self._server = ThreadingHTTPServer((HOST, 0), _handler(self._spans))
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def endpoint(self) -> str:
        """The address, as a worker is told it."""
        return f"http://{HOST}:{self._server.server_port}"

    @property
    def spans(self) -> list[Span]:
        """All spans so far."""
        return list(self._spans)

    def wait_for(self, what: str, is_it: Callable[[Span], bool]) -> Span:
        """Return the first span of that kind, got already or to come."""
        return until(
            lambda: next(filter(is_it, self.spans), None),
            lambda: f"{what} among {[(span.name, span.attributes) for span in self.spans]}",
        )

    def below(self, span: Span) -> list[Span]:
        """Return the spans whose parent it is."""
        return [each for each in self.spans if each.parent == span.id]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(spans: list[Span]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path != PATH or self.headers["Content-Type"] != PROTOBUF:
                self.send_error(404)
                return
            spans.extend(_read(ExportTraceServiceRequest.FromString(body)))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", PROTOBUF)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has there
            """Write nothing."""

    return Handler


def _read(request: ExportTraceServiceRequest) -> list[Span]:
    return [
        Span(
            trace=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            name=span.name,
            attributes=_attributes(span.attributes),
            links=tuple(link.span_id.hex() for link in span.links),
            began_ns=span.start_time_unix_nano,
            ended_ns=span.end_time_unix_nano,
            service=_attributes(resource.resource.attributes)["service.name"],
        )
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
