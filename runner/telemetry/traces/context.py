"""W3C trace context: of the headers of a message, or of the source of an event without them."""

from __future__ import annotations

import hashlib
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from runner.actions.incoming import TRACE_HEADERS, Headers
from runner.tasks.source import Source

_PROPAGATOR: Final = TraceContextTextMapPropagator()
_RANDOM_BITS: Final = 64
"""The lower half of a trace id, which is what samplers compare with their ratio."""


def context_of(headers: Headers) -> SpanContext:
    """Return the trace context in headers: the first of each name; an invalid one where there is none."""
    carrier: dict[str, str] = {}
    for name, value in headers:
        if name in TRACE_HEADERS:
            carrier.setdefault(name, value.decode("latin-1"))
    return get_current_span(_PROPAGATOR.extract(carrier, Context())).get_span_context()


def below(context: SpanContext) -> Context:
    """Return the context of a span whose parent is ``context``; a new trace where that is invalid."""
    return set_span_in_context(NonRecordingSpan(context), Context()) if context.is_valid else Context()


def trace_of(topic_id: str, source: Source) -> int:
    """Return the trace id of an event without context: the same when it is redelivered."""
    digest = hashlib.blake2b(f"{topic_id} {source}".encode(), digest_size=16).digest()
    return int.from_bytes(digest, "big") or 1


def is_sampled(trace_id: int, ratio: float) -> bool:
    """Whether a trace is recorded, as OpenTelemetry's samplers choose by ratio."""
    return trace_id % (1 << _RANDOM_BITS) < round(ratio * (1 << _RANDOM_BITS))


class Ids(IdGenerator):
    """Generates random ids, except for a trace whose id is set before its first span."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()
        self.next_trace: int | None = None
        """Id of the next new trace; None: random."""

    def generate_span_id(self) -> int:
        """Return a random id."""
        return self._random.generate_span_id()

    def generate_trace_id(self) -> int:
        """Return the id that was set, once; otherwise a random one."""
        named, self.next_trace = self.next_trace, None
        return self._random.generate_trace_id() if named is None else named
