"""Rendering: the replies, resumed events and forwarded events of an outcome.

Messages depend on event, record and outcome alone, so that a redelivered event sends the same messages
again. Sizes are checked here, before any record is stored: EventError 13020.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from msgspec import UNSET

from runner.actions.decision import (
    ACK,
    FAIL,
    SUCCESS,
    TIMEOUT,
    Done,
    Dropped,
    Forwarded,
    Outcome,
    OutgoingMessage,
    Refused,
)
from runner.actions.incoming import HOPS, ORIGIN, TIME, Headers, Incoming, size_of
from runner.actions.inputs import enrichment_of, input_of, stream_of
from runner.actions.policy import Policy, TopicCatalog
from runner.envelope.cloud_events import source_of, time_of
from runner.envelope.codec import Sections
from runner.envelope.event import Event
from runner.envelope.paths import write_output
from runner.envelope.patterns import Scope, search
from runner.envelope.plain import decode, encode, split
from runner.errors import TASK_CANCELLED, TASK_NOT_FOUND, UNDELIVERABLE, EventError
from runner.limits import USUAL
from runner.tasks.keys import TaskKey
from runner.tasks.parts import Status
from runner.tasks.record import Record

OVERHEAD_BYTES: Final = 512
"""Bytes that Kafka adds to key, value and headers of one message, at most."""

_DECISION_BYTES: Final = 128
"""Bytes of ``result.task`` of a resumed event beside task id and domain, at most, where the runner ended the
task; the ACK names the domain as well.
"""

_WRITTEN_BYTES: Final = 8
"""Bytes that each sign of a path or an id may take in JSON, at most: quotes, braces, escapes."""

_DECIDED_BYTES: Final = 2048
"""Reserved for who ends a task that has a draft, and for its outcome."""

CLOUD_EVENT: Final = (("content-type", b"application/cloudevents+json"),)
"""The header of every notification."""

EVENT_TYPE: Final = "saga.task."
"""What the type of a notification begins with; the name of the change follows."""

_RESPONSE_TOO_LARGE: Final = "the response has {size} bytes; topic {stream!r} takes {limit}"
_FORWARD_TOO_LARGE: Final = "passed on, the event has {size} bytes; {stream!r} takes {limit}"


class Renderer:
    """Renderer of outcomes under one policy; stateless."""

    def __init__(self, policy: Policy, topics: TopicCatalog) -> None:
        self._policy = policy
        self._topics = topics
        self._spare_bytes = 2 * max(len(policy.proceeded_status.encode()), len(TIMEOUT)) + len("resume")

    @property
    def topics(self) -> TopicCatalog:
        return self._topics

    def status(self, outcome: Outcome) -> str:
        """Return the status word of an outcome, for headers, metrics and logs."""
        if isinstance(outcome, Done):
            ended = outcome.resumed
            return (outcome.reply or SUCCESS) if ended is None else self._resumed_status(ended)
        match outcome:
            case Refused(ignored=ignored):
                return SUCCESS if ignored else FAIL
            case Forwarded():
                return "FORWARDED"
            case Dropped():
                return "DROPPED"

    def messages(
        self, outcome: Outcome, incoming: Incoming, key: TaskKey | None, record: Record | None
    ) -> tuple[OutgoingMessage, ...]:
        """Return the messages of an outcome, in the order in which they must be sent.

        ``record`` is the generation of the outcome, before or after its end. Raises
        EventError 10011 (a path or pattern of the event) or 13020 (cannot be delivered).
        """
        match outcome:
            case Done():
                messages = self._done(outcome, incoming, key, record)
                return (*messages, *self._notifications(outcome, incoming, key)) if outcome.told else messages
            case Refused():
                return (self._refusal(outcome, incoming, key),)
            case Forwarded(home=home):
                return (self._forward(home, incoming),)
            case Dropped():
                return ()

    def requested(
        self, incoming: Incoming, now_ms: int, count: int, period: tuple[int | None, int]
    ) -> OutgoingMessage:
        """Return the reply that ends a TimeoutBetween pass; ``period``: (from, to], epoch ms."""
        result = {**_result(SUCCESS, now_ms), "requested": count, "from": period[0], "to": period[1]}
        return self._reply(incoming, SUCCESS, incoming.event.answered(result), None)

    def passed_on(self, incoming: Incoming, headers: Headers, home: int) -> OutgoingMessage:
        """Return the event as read, with other headers, for a home partition.

        EventError 13020 where the message becomes larger than its topic takes.
        """
        message = OutgoingMessage(self._policy.requests, incoming.key, incoming.value, headers, home)
        limit = self._topics.limit_bytes(message.stream)
        if limit is not None:
            require_fits(message, limit, _FORWARD_TOO_LARGE)
        return message

    def _done(
        self, outcome: Done, incoming: Incoming, key: TaskKey | None, record: Record | None
    ) -> tuple[OutgoingMessage, ...]:
        """Return the resumed event where the task ended, and the reply where somebody waits for one."""
        if outcome.resumed is None and not outcome.has_output:
            return () if outcome.reply is None else (self._plain_reply(outcome, incoming, key),)
        if record is None:
            raise EventError(TASK_NOT_FOUND, "the record that this answer was made from is gone")
        started = record.starting_event()
        resumed = () if outcome.resumed is None else (self._resume(outcome, incoming, record, started),)
        if outcome.reply is None:
            return resumed
        if not outcome.has_output:
            return (*resumed, self._plain_reply(outcome, incoming, key))
        return (*resumed, self._output_reply(outcome, incoming, record, started))

    def _notifications(
        self, outcome: Done, incoming: Incoming, key: TaskKey | None
    ) -> Iterator[OutgoingMessage]:
        """Yield what people have to hear, as CloudEvents 1.0; what the topic does not take is left out.

        A notification must neither refuse a change nor hold it up.
        """
        stream = self._policy.notifications
        limit = None if stream is None else self._topics.limit_bytes(stream)
        if stream is None or key is None or limit is None:
            return
        source, time = source_of(key.domain), time_of(outcome.now_ms)
        for number, told in enumerate(outcome.told):
            event = {
                "specversion": "1.0",
                "id": f"{incoming.source}-{number}",
                "source": source,
                "type": f"{EVENT_TYPE}{told.event}",
                "subject": key.id,
                "time": time,
                "datacontenttype": "application/json",
                "data": told.data,
            }
            message = OutgoingMessage(stream, key.id.encode(), encode(event), CLOUD_EVENT)
            if _fits(message, limit):
                yield message

    def _plain_reply(self, outcome: Done, incoming: Incoming, key: TaskKey | None) -> OutgoingMessage:
        """Return the reply that leaves the payload as it is."""
        status = outcome.reply or SUCCESS
        result = _result(status, outcome.now_ms)
        if outcome.result:
            result |= _named(outcome, key)
        sections = incoming.event.answered(result)
        spare_bytes = self._end_bytes(key) if status == ACK and key is not None else 0
        return self._reply(incoming, status, sections, key, spare_bytes)

    def _end_bytes(self, key: TaskKey) -> int:
        """Return by how many bytes the resumed event may be larger than the ACK, where a timer ends the task.

        An accepted task must be able to end: a timer gets no FAIL. Both go to the same topic. The status
        words are longer, and a task that people have worked on says so. What a StartTask wants written into
        its payload besides is measured by itself (``require_end_fits``).
        """
        return self._spare_bytes + _DECISION_BYTES + _WRITTEN_BYTES * (len(key.id) + len(key.domain))

    def _resume(self, outcome: Done, incoming: Incoming, record: Record, started: Event) -> OutgoingMessage:
        result = _result(self.status(outcome), outcome.now_ms)
        is_cancelled = outcome.resumed is Status.CANCELLED
        if is_cancelled:
            result["error"] = _cancellation(record, started)
        if outcome.answers is not None:
            enrichment = decode(outcome.answers)
        elif is_cancelled or "enrichPath" not in incoming.event.parameters or incoming.is_timer:
            enrichment = None
        else:
            enrichment = enrichment_of(incoming, input_of(incoming, self._policy.limits).data)
        return self._resumed(result, record, started, enrichment, is_decision_told=not record.is_plain)

    def _resumed(
        self,
        result: dict[str, Any],
        record: Record,
        started: Event,
        enrichment: Any,
        *,
        is_decision_told: bool,
        spare_bytes: int = 0,
    ) -> OutgoingMessage:
        """Return the event that resumes a saga, with answers at the outputElement of its start."""
        payload: Any = UNSET if enrichment is None else _enriched(started, enrichment)
        if is_decision_told:
            result["task"] = decision_of(record)
            path = started.parameter("decisionElement")
            if path is not None:
                base = (started.payload or {}) if payload is UNSET else payload
                payload = write_output(
                    base, result["task"], input_element=started.text("inputElement"), output_element=path
                )
        sections = started.answered(result) if payload is UNSET else started.answered(result, payload)
        headers = _headers("resume", result["status"], record.key, _trace_of(record))
        return self._response(started, sections, headers, self.stream_of(started), spare_bytes)

    def require_end_fits(self, record: Record, now_ms: int, answers: Any) -> None:
        """EventError 13020 or 10011 where an open task could not be resumed with these answers, decided."""
        result, started = _result(self._policy.proceeded_status, now_ms), record.starting_event()
        self._resumed(result, record, started, answers, is_decision_told=True, spare_bytes=_DECIDED_BYTES)

    def _output_reply(
        self, outcome: Done, incoming: Incoming, record: Record, started: Event
    ) -> OutgoingMessage:
        event = incoming.event
        pattern = event.parameter("outputPattern")
        data = record.data(started)
        output = data if pattern is None else self._output(pattern, data, incoming)
        payload = write_output(
            event.payload or {},
            output,
            input_element=event.text("inputElement"),
            output_element=event.text("outputElement"),
        )
        result = _result(SUCCESS, outcome.now_ms)
        if outcome.result:
            result |= _named(outcome, record.key)
        sections = event.answered(result, payload)
        return self._reply(incoming, SUCCESS, sections, record.key)

    def _output(self, pattern: str, data: Any, incoming: Incoming) -> Any:
        return search(pattern, data, Scope(incoming, "outputPattern"), self._policy.limits)

    def _refusal(self, outcome: Refused, incoming: Incoming, key: TaskKey | None) -> OutgoingMessage:
        """Reply FAIL, without payload where it is too large, on ``responses`` where the stream is no good."""
        if outcome.ignored:
            return self._plain_reply(Done(outcome.now_ms), incoming, key)
        error = EventError(outcome.code, outcome.message)
        details = {"code": outcome.code, "message": outcome.message, "http": error.http}
        if outcome.violations:
            details["violations"] = outcome.violations
        result = {**_result(FAIL, outcome.now_ms), "error": details}
        event, headers = incoming.event, _headers("reply", FAIL, key, self._trace_for_refusal(incoming))
        try:
            return self._shortened(event, result, headers, self.stream_of(event))
        except EventError:
            return self._shortened(event, result, headers, self._policy.responses)

    def _trace_for_refusal(self, incoming: Incoming) -> Headers:
        """Return the trace, unless that is what makes the headers too large: a FAIL must be small.

        Whatever the limits are: the same event may come again under others.
        """
        trace = incoming.trace
        return trace if len(trace) <= USUAL.headers and size_of(trace) <= USUAL.header_bytes else ()

    def _shortened(
        self, event: Event, result: dict[str, Any], headers: Headers, stream: str
    ) -> OutgoingMessage:
        try:
            return self._response(event, event.answered(result), headers, stream)
        except EventError:
            message = f"{result['error']['message']} (the payload is left out)"
            error = {name: value for name, value in result["error"].items() if name != "violations"}
            shorter = {**result, "error": {**error, "message": message}}
            return self._response(event, event.answered(shorter, None), headers, stream)

    def _forward(self, home: int, incoming: Incoming) -> OutgoingMessage:
        others = tuple(header for header in incoming.headers if header[0] not in (ORIGIN, TIME, HOPS))
        hops = (HOPS, str(incoming.hops + 1).encode())
        return self.passed_on(incoming, (*others, *incoming.forwarding_headers, hops), home)

    def _reply(
        self, incoming: Incoming, status: str, sections: Sections, key: TaskKey | None, spare_bytes: int = 0
    ) -> OutgoingMessage:
        event, headers = incoming.event, _headers("reply", status, key, incoming.trace)
        return self._response(event, sections, headers, self.stream_of(event), spare_bytes)

    def _response(
        self, event: Event, sections: Sections, headers: Headers, stream: str, spare_bytes: int = 0
    ) -> OutgoingMessage:
        limit = self._topics.limit_bytes(stream)
        if limit is None:
            raise EventError(UNDELIVERABLE, f"there is no topic {stream!r} to answer on")
        value = self._topics.encode(stream, sections)
        partition = self._topics.partition(stream, event.request_id)
        message = OutgoingMessage(stream, event.request_id.encode(), value, headers, partition)
        require_fits(message, limit, _RESPONSE_TOO_LARGE, spare_bytes)
        return message

    def stream_of(self, event: Event) -> str:
        """Return the topic that answers this event; EventError 13020 if it is not allowed."""
        return stream_of(event, self._policy)

    def _resumed_status(self, status: Status) -> str:
        if status is Status.PROCEEDED:
            return self._policy.proceeded_status
        return TIMEOUT if status is Status.TIMED_OUT else status.value


def _fits(message: OutgoingMessage, limit_bytes: int) -> bool:
    try:
        require_fits(message, limit_bytes, _RESPONSE_TOO_LARGE)
    except EventError:
        return False
    return True


def require_fits(
    message: OutgoingMessage,
    limit_bytes: int | None,
    too_large: str,
    spare_bytes: int = 0,
    headers_bytes: int | None = None,
) -> None:
    """EventError 13020 with the text ``too_large`` unless a topic of this limit takes the message.

    The one check of sizes, made before a decision is stored. ``spare_bytes`` are reserved for what follows;
    ``headers_bytes``: the size of the headers; None: it is counted. A topic that is not there (None) takes
    nothing.
    """
    size = len(message.key or b"") + len(message.value or b"") + OVERHEAD_BYTES + spare_bytes
    size += size_of(message.headers) if headers_bytes is None else headers_bytes
    if limit_bytes is None or size > limit_bytes:
        text = too_large.format(size=size, stream=message.stream, limit=limit_bytes)
        raise EventError(UNDELIVERABLE, text)


def _cancellation(record: Record, started: Event) -> dict[str, Any]:
    """Return ``result.error`` of a cancelled task: a branch for the condition step of its saga."""
    closing = record.state.closing
    error = {"code": TASK_CANCELLED, "message": "" if closing is None else closing.reason}
    name = started.parameters.get("onCancel")
    return {**error, "name": name} if isinstance(name, str) else error


def _result(status: str, now_ms: int) -> dict[str, Any]:
    return {"receiveTime": now_ms, "endTime": now_ms, "status": status}


def _headers(kind: str, status: str, key: TaskKey | None, trace: Headers) -> Headers:
    common = _common_headers(kind, status)
    if key is None:
        return common + trace
    return (*common, ("task-id", key.id.encode()), ("task-domain", key.domain.encode()), *trace)


@lru_cache(maxsize=32)
def _common_headers(kind: str, status: str) -> Headers:
    return (("event-kind", kind.encode()), ("event-status", status.encode()))


def _trace_of(record: Record) -> Headers:
    return tuple((name, text.encode("latin-1")) for name, text in record.start.headers)


def decision_of(record: Record) -> dict[str, Any]:
    """Return how a task was decided, as the next step of its saga is told: ``result.task``."""
    key, closing = record.key, record.state.closing
    decision: dict[str, Any] = {"id": key.id, "domain": key.domain, "outcome": None, "by": None}
    if closing is None:
        return decision
    decision |= {"outcome": closing.outcome, "by": closing.by}
    if closing.on_behalf_of is not None:
        decision["for"] = closing.on_behalf_of
    return {**decision, "at": closing.at_ms}


def _named(outcome: Done, key: TaskKey | None) -> dict[str, Any]:
    """Return what an outcome says beside its status, the task with id and domain."""
    result = outcome.result or {}
    if "task" not in result or key is None:
        return result
    besides = {} if outcome.whole is None else split(outcome.whole)
    return {**result, "task": {"id": key.id, "domain": key.domain, **result["task"], **besides}}


def _enriched(started: Event, value: Any) -> dict[str, Any]:
    """Return the payload of the starting event with a value merged at its outputElement."""
    return write_output(
        started.payload or {},
        value,
        input_element=started.text("inputElement"),
        output_element=started.text("outputElement"),
    )
