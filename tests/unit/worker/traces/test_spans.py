"""Which spans a worker makes of its batches, in which trace, and that nothing depends on them."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

from runner.actions.incoming import Headers
from runner.errors import LogUnavailable
from runner.telemetry.traces.attributes import LONGEST
from runner.telemetry.traces.spans import context_of
from tests.unit.worker.rig import MINUTE, event, sent
from tests.unit.worker.traces.traced import (
    STEPS,
    Traced,
    linked,
    named,
    only,
    parent_id,
    requests_in,
    said,
    span_id,
    trace_id,
)
from tests.unit.worker.traces.traced import parent as context

START: Final = 0xAAAA
END: Final = 0xBBBB


def started(
    traced: Traced, task_id: str = "a", headers: Headers = (), **parameters: Any
) -> list[ReadableSpan]:
    traced.send(event("StartTask", task_id, task_id, **parameters), headers)
    return traced.run()


def test_a_request_has_a_span_below_its_context_and_the_steps_below_that() -> None:
    spans = started(Traced(), headers=context(START))
    (request,) = requests_in(spans)
    assert (trace_id(request), parent_id(request)) == (START, 0xABC)
    assert request.kind is SpanKind.CONSUMER
    assert request.parent is not None
    assert request.parent.trace_state.get("v") == "1"
    steps = [span for span in spans if span is not request]
    assert {span.name for span in steps} == STEPS
    assert {(trace_id(span), parent_id(span)) for span in steps} == {(START, span_id(request))}
    assert min(span.start_time or 0 for span in steps) == request.start_time
    assert only(spans, "commit").end_time == request.end_time


def test_a_span_says_what_came_from_where_and_what_became_of_it() -> None:
    (request,) = requests_in(started(Traced()))
    assert dict(request.attributes or {}) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "requests",
        "messaging.destination.partition.id": "0",
        "messaging.kafka.offset": 0,
        "messaging.kafka.message.key": "key",
        "messaging.consumer.group.name": "group",
        "messaging.message.body.size": len(event("StartTask", "a", "a")),
        "messaging.message.conversation_id": "a",
        "runner.action": "StartTask",
        "runner.status": "ACK",
        "runner.task.id": "a",
        "runner.task.domain": "orders",
        "runner.timer": False,
        "runner.redelivered": False,
    }


def test_several_requests_of_a_batch_share_the_steps_of_a_span_that_is_linked_to_and_fro() -> None:
    traced = Traced()
    for n in range(3):
        traced.send(event("StartTask", f"t{n}", f"r{n}"), context(START + n))
    spans = traced.run()
    requests, batch = requests_in(spans), only(spans, "batch")
    assert {trace_id(request) for request in requests} == {START, START + 1, START + 2}
    assert linked(batch) == [span_id(request) for request in requests]
    assert [linked(request) for request in requests] == [[span_id(batch)]] * 3
    assert {span.name for span in spans if parent_id(span) == span_id(batch)} == STEPS
    assert said(batch, "messaging.batch.message_count") == 3


def test_a_resumed_event_goes_on_in_the_trace_of_its_start_and_names_what_caused_it() -> None:
    traced = Traced()
    started(traced, headers=context(START))
    traced.send(event("ProceedTask", "a", "end"), context(END))
    spans = traced.run()
    (request,), resumed = requests_in(spans), only(spans, "send responses")
    assert (trace_id(resumed), parent_id(resumed)) == (START, 0xABC)
    assert (trace_id(request), linked(resumed)) == (END, [span_id(request)])
    assert resumed.kind is SpanKind.PRODUCER
    assert said(resumed, "runner.status") == "PROCEEDED"
    event_sent = traced.worker.log.sent[-2]
    assert sent(event_sent).kind == "resume"
    assert [header for header in event_sent.headers if header[0].startswith("trace")] == list(context(START))


def test_the_timer_of_a_recorded_start_is_recorded_and_that_of_another_is_not() -> None:
    traced = Traced(sample=0)
    for task_id, sampled in (("seen", True), ("unseen", False)):
        traced.send(event("StartTask", task_id, task_id, timeout=MINUTE), context(START, sampled=sampled))
    traced.run()
    traced.exporter.clear()
    traced.worker.ticker.advance(120)
    traced.worker.step(4)
    spans = list(traced.exporter.get_finished_spans())
    (timer,), resumed = requests_in(spans), only(spans, "send responses")
    assert traced.worker.statuses[-2:] == ["TIMEOUT", "TIMEOUT"]
    assert (trace_id(resumed), linked(resumed)) == (START, [span_id(timer)])
    assert trace_id(timer) != START
    assert (said(timer, "runner.timer"), said(timer, "runner.task.id")) == (True, "seen")


def test_a_start_without_context_is_resumed_in_the_trace_of_what_ends_it() -> None:
    traced = Traced()
    started(traced)
    traced.send(event("ProceedTask", "a", "end"), context(END))
    spans = traced.run()
    resumed = only(spans, "send responses")
    assert (trace_id(resumed), parent_id(resumed)) == (END, span_id(requests_in(spans)[0]))


@pytest.mark.parametrize("headers", [context(START), ()])
def test_a_redelivered_event_is_in_the_same_trace_and_says_so(headers: Headers) -> None:
    untouched, traced = Traced(), Traced()
    (first,) = requests_in(started(untouched, headers=headers))
    traced.worker.faults.once("log.commit", LogUnavailable("no answer"))
    spans = started(traced, headers=headers)
    (again,) = requests_in(spans)
    assert only(spans, "apply").parent == again.get_span_context(), "the first try leaves none"
    assert traced.worker.recorder.events == ["aborted", "recovered"]
    assert trace_id(again) == trace_id(first)
    assert (said(first, "runner.redelivered"), said(again, "runner.redelivered")) == (False, True)


def test_what_is_sent_on_stays_in_its_trace_also_without_context() -> None:
    traced = Traced()
    started(traced)
    traced.send(event("ProceedTask", "a", "end"), home=1)
    sent_on, home = requests_in(traced.run())
    assert [said(span, "runner.status") for span in (sent_on, home)] == ["FORWARDED", "PROCEEDED"]
    assert trace_id(sent_on) == trace_id(home)


def test_traces_without_context_are_told_apart_by_place_and_topic() -> None:
    traced = Traced()
    for n in range(50):
        traced.send(event("StartTask", f"t{n}", f"r{n}"), home=n % 2)
    assert len({trace_id(span) for span in requests_in(traced.run())}) == 50


def test_what_its_sender_does_not_record_is_not_recorded() -> None:
    traced = Traced()
    assert started(traced, headers=context(START, sampled=False)) == []
    traced.send(event("ProceedTask", "a", "end"), context(END, sampled=False))
    assert traced.run() == []


def test_a_recorded_saga_shows_its_end_also_where_the_request_that_caused_it_is_not_recorded() -> None:
    traced = Traced()
    started(traced, headers=context(START))
    traced.send(event("ProceedTask", "a", "end"), context(END, 0xDEF, sampled=False))
    (resumed,) = traced.run()
    assert (resumed.name, trace_id(resumed), linked(resumed)) == ("send responses", START, [0xDEF])


@pytest.mark.parametrize(("sample", "least", "most"), [(0.0, 0, 0), (0.25, 20, 80), (1.0, 200, 200)])
def test_of_requests_without_context_a_share_is_recorded(sample: float, least: int, most: int) -> None:
    traced = Traced(sample)
    for n in range(200):
        traced.send(event("StartTask", f"t{n}", f"r{n}"))
    assert least <= len(requests_in(traced.run())) <= most


def test_a_refusal_and_a_dead_letter_are_errors_and_a_repeat_is_none() -> None:
    traced = Traced()
    traced.send(event("ProceedTask", "nobody"))
    traced.send(b"no envelope")
    traced.send(None)
    refused, dead, empty = requests_in(traced.run())
    assert [said(span, "error.type") for span in (refused, dead, empty)] == ["10118", "NOT_JSON", "TOMBSTONE"]
    assert {span.status.status_code for span in (refused, dead, empty)} == {StatusCode.ERROR}
    assert said(empty, "messaging.kafka.message.tombstone") is True
    (again,) = requests_in(started(traced))
    assert again.status.status_code is StatusCode.UNSET


def test_events_for_others_and_periods_have_spans_as_well() -> None:
    traced = Traced()
    traced.send(event("StartTask", meta={"handler": "somebody else"}))
    traced.send(event("TimeoutBetween", None))
    assert [said(span, "runner.status") for span in requests_in(traced.run())] == ["IGNORED", "SUCCESS"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["traceparent", "tracestate"]),
            st.one_of(st.binary(max_size=80), st.from_regex(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]")),
        ),
        max_size=4,
    ),
    st.binary(max_size=5),
)
def test_whatever_stands_in_the_headers_the_event_is_answered_and_has_its_span(
    headers: list[tuple[str, bytes]], key: bytes
) -> None:
    traced = Traced()
    traced.worker.log.append(event("StartTask", "a", "a"), key=key, headers=tuple(headers))
    spans = traced.run()
    assert traced.worker.statuses == ["ACK"]
    read = context_of(tuple(headers))
    assert bool(requests_in(spans)) is (not read.is_valid or read.trace_flags.sampled)


def test_texts_of_senders_are_cut_since_thousands_of_spans_may_wait() -> None:
    traced = Traced()
    long = "ä" * 2000
    traced.worker.log.append(event("StartTask", long, long, taskName=long), key=long.encode())
    traced.worker.log.append(event(long, long, long, meta={"domain": long}), key=long.encode())
    traced.worker.log.append(event("ProceedTask", f"{long}!", "end"))
    requests = requests_in(traced.run())
    texts = [text for span in requests for text in (span.attributes or {}).values() if isinstance(text, str)]
    assert said(requests[0], "runner.task.id") == "ä" * 255 + "…"
    assert max(map(len, texts)) == LONGEST
    assert all(len(span.status.description or "") <= LONGEST for span in requests)


class Broken(SpanProcessor):
    """Fails at everything."""

    def on_end(self, span: ReadableSpan) -> None:
        raise RuntimeError(span.name)


def test_spans_that_cannot_be_made_disturb_nobody() -> None:
    traced, alone = Traced(processor=Broken()), Traced(sample=0)
    for each in (traced, alone):
        each.send(event("StartTask", "a", "a"))
        each.send(event("ProceedTask", "a", "end"))
        each.run()
    assert traced.worker.log.sent == alone.worker.log.sent
    assert traced.worker.statuses == ["ACK", "PROCEEDED", "SUCCESS"]


def test_what_is_sent_is_the_same_with_traces_and_without() -> None:
    traced, untraced = Traced(), Traced(sample=0)
    for each in (traced, untraced):
        for headers in ((), context(START, sampled=each is traced)):
            each.send(event("StartTask", "a", "a"), headers)
        each.run()
    assert named(list(traced.exporter.get_finished_spans()), "batch")
    assert not untraced.exporter.get_finished_spans()
    assert [outgoing.value for outgoing in traced.worker.log.sent] == [
        outgoing.value for outgoing in untraced.worker.log.sent
    ]
