"""Messages: keys, headers, streams, partitions and sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from runner.actions.decision import Decision, Done, Refused
from runner.actions.incoming import HOPS, ORIGIN, TIMER, Incoming, size_of
from runner.actions.plan import TaskPlan
from runner.actions.policy import Policy
from runner.actions.registry import decide, plan, replay
from runner.actions.render import OVERHEAD_BYTES, Renderer
from runner.errors import (
    DOMAIN_UNKNOWN,
    NOT_CONVERTIBLE,
    TASK_NOT_FOUND,
    UNDELIVERABLE,
    EventError,
)
from runner.limits import USUAL, WIDEST
from runner.tasks.keys import TaskKey
from runner.tasks.parts import Status
from tests.unit.actions.events import (
    NOW,
    OUTLET,
    POLICY,
    FakeOutlet,
    answer,
    closed_by,
    code,
    envelope,
    failure,
    incoming,
    message,
    proceed,
    reply,
    resumed,
    start,
    started,
    timeout,
)

LARGE: dict[str, Any] = {"taskId": "task-1", "fill": "x" * 3000}


def every_reply() -> list[tuple[str, Decision]]:
    """One decision for each way to be answered."""
    record = started()
    closed = closed_by(proceed(), record)
    return [
        ("ACK", answer(start())),
        ("ACK", answer(start(), record)),
        ("SUCCESS", answer(proceed(), record)),
        ("SUCCESS", answer(proceed(), closed)),
        ("SUCCESS", answer(timeout(), record)),
        ("SUCCESS", answer(proceed(skipPattern="taskId"))),
        ("SUCCESS", answer(proceed(ignoreErrors="10118"))),
        ("FAIL", answer(proceed())),
        ("FAIL", answer(proceed(meta={"domain": "nope"}))),
    ]


# Keys and headers.


def test_a_refusal_that_comes_again_under_other_limits_has_the_same_trace() -> None:
    """What the headers take is counted alike, whatever the limit is by then."""
    policy = POLICY.within(replace(USUAL, header_bytes=40))
    one = incoming(envelope("ProceedTask"), headers=(("traceparent", b"x" * 29),))
    asked = plan(one, policy)
    assert isinstance(asked, TaskPlan)
    decision = decide(asked, None, NOW, policy, Renderer(policy, OUTLET))
    assert decision.status == "FAIL"
    again = replay(asked, None, decision.outcome, Renderer(POLICY.within(WIDEST), OUTLET))
    assert again.messages == decision.messages
    assert message(again.messages[0]).headers["traceparent"] == "x" * 29


def test_every_reply_says_so_in_its_headers_with_the_status_of_its_result() -> None:
    for status, decision in every_reply():
        said = reply(decision)
        assert (said.kind, said.status) == ("reply", status)
        assert said.stream == "responses"


def test_a_reply_has_the_key_of_its_request() -> None:
    for _, decision in every_reply():
        said = reply(decision)
        assert said.key == said.value["requestMeta"]["id"]


def test_the_key_of_a_numeric_request_id_is_its_text() -> None:
    assert reply(answer(start(request={"id": 12}))).key == "12"


def test_replies_and_resumed_events_name_task_and_domain_where_the_task_is_known() -> None:
    for _, decision in every_reply()[:5]:
        for outgoing in decision.messages:
            headers = message(outgoing).headers
            assert (headers["task-id"], headers["task-domain"]) == ("task-1", "orders")
    assert reply(answer(proceed())).headers["task-id"] == "task-1"
    assert "task-id" not in reply(answer(proceed(meta={"domain": "nope"}))).headers


def test_only_the_documented_headers_are_added() -> None:
    headers = (("traceparent", b"00-1"), ("tracestate", b"\xffa"), ("x-other", b"1"), ("event-kind", b"fake"))
    decision = answer(structs.replace(proceed(), headers=headers), started())
    names = {"event-kind", "event-status", "task-id", "task-domain"}
    assert {name for name, _ in decision.messages[0].headers} == names
    assert {name for name, _ in decision.messages[1].headers} == names | {"traceparent", "tracestate"}
    assert dict(decision.messages[1].headers)["tracestate"] == b"\xffa"
    assert dict(decision.messages[1].headers)["event-kind"] == b"reply"


@pytest.mark.parametrize("build", [start, proceed, timeout])
def test_the_trace_goes_with_every_reply(build: Any) -> None:
    trace = (("traceparent", b"00-1"), ("tracestate", b"a=1"))
    said = reply(answer(structs.replace(build(meta={"domain": "nope"}), headers=trace)))
    assert (said.headers["traceparent"], said.headers["tracestate"]) == ("00-1", "a=1")


def test_request_and_saga_are_never_changed() -> None:
    request = b'{ "id" : "req-1", "claims":{}, "startDT":1.50 }'
    saga = b'[ {"sagaId":"p","stepId":2.0,"endDT":null} ]'
    value = (
        b'{"requestMeta":%s,"sagaMeta":%s,"eventMeta":{"action":"StartTask","domain":"orders"},"payload":{}}'
    )
    decision = answer(incoming(value % (request, saga)))
    ended = answer(proceed(), decision.record)
    for outgoing in (decision.messages[0], ended.messages[0]):
        assert outgoing.value is not None
        assert request in outgoing.value
        assert saga in outgoing.value


# Streams.


@pytest.mark.parametrize("stream", [None, "", "responses", "orders-out"])
def test_response_stream_may_name_an_allowed_topic(stream: str | None) -> None:
    said = reply(answer(start(meta={"responseStream": stream})))
    assert said.stream == (stream or "responses")
    assert said.status == "ACK"


@pytest.mark.parametrize("build", [start, proceed, timeout])
@pytest.mark.parametrize("stream", ["evil", "requests", "dead-letters", "Responses"])
def test_a_stream_that_is_not_allowed_is_refused_on_responses(build: Any, stream: str) -> None:
    one = build(meta={"responseStream": stream})
    for record in (None, started()):
        decision = answer(one, record)
        error = failure(decision)
        assert (error["code"], error["http"]) == (UNDELIVERABLE, 413)
        assert stream in error["message"]
        assert reply(decision).stream == "responses"
        assert reply(decision).payload == {"taskId": "task-1"}


@pytest.mark.parametrize("stream", [True, {"topic": "x"}, ["orders-out"]])
def test_a_stream_that_is_no_text_is_refused_on_responses(stream: Any) -> None:
    decision = answer(start(wrong_meta={"responseStream": stream}))
    assert code(decision) == NOT_CONVERTIBLE
    assert reply(decision).stream == "responses"


def test_a_stream_that_does_not_exist_is_refused_on_responses() -> None:
    decision = answer(proceed(meta={"responseStream": "nowhere"}), started())
    assert code(decision) == UNDELIVERABLE
    assert reply(decision).stream == "responses"


def test_another_error_of_an_event_for_a_stream_that_does_not_exist_is_told_on_responses() -> None:
    decision = answer(proceed(meta={"responseStream": "nowhere"}))
    assert code(decision) == TASK_NOT_FOUND
    assert reply(decision).stream == "responses"


def test_the_configured_responses_topic_is_used() -> None:
    policy = replace(POLICY, responses="orders-out", allowed_streams=frozenset())
    assert reply(answer(start(), policy=policy)).stream == "orders-out"


# Partitions.


def test_the_partition_is_that_of_the_key_unless_the_outlet_says_otherwise() -> None:
    assert reply(answer(start())).partition is None
    topics = FakeOutlet(partitions={"responses": 5, "orders-out": 6})
    record = started(start(meta={"responseStream": "orders-out"}))
    decision = answer(proceed(), record, topics=topics)
    assert (resumed(decision).partition, reply(decision).partition) == (6, 5)


# Sizes.


def message_size(decision: Decision) -> int:
    outgoing = decision.messages[-1]
    assert outgoing.key is not None
    assert outgoing.value is not None
    headers = size_of(outgoing.headers)
    return len(outgoing.key) + len(outgoing.value) + headers + OVERHEAD_BYTES


def test_a_response_may_be_as_large_as_its_topic_takes_and_not_a_byte_larger() -> None:
    one, record = proceed(payload=LARGE), started()
    size = message_size(answer(one, record))
    assert answer(one, record, topics=FakeOutlet(responses=size)).record is not None
    refused = answer(one, record, topics=FakeOutlet(responses=size - 1))
    error = failure(refused)
    assert error["code"] == UNDELIVERABLE
    assert str(size - 1) in error["message"]
    assert message_size(refused) < size


def test_a_fail_that_is_too_large_is_sent_without_the_payload_and_says_so() -> None:
    decision = answer(proceed(payload=LARGE), topics=FakeOutlet(responses=3000))
    error = failure(decision)
    assert error["code"] == TASK_NOT_FOUND
    assert "payload" in error["message"]
    assert reply(decision).payload is None
    assert reply(decision).value["requestMeta"] == {"id": "req-2"}


def test_a_fail_goes_to_the_stream_of_its_event_with_or_without_the_payload() -> None:
    one = proceed(payload=LARGE, meta={"responseStream": "orders-out"})
    for limit, payload in ((1_000_000, LARGE), (3000, None)):
        decision = answer(one, topics=FakeOutlet(orders_out=limit))
        assert code(decision) == TASK_NOT_FOUND
        assert reply(decision).stream == "orders-out"
        assert reply(decision).payload == payload
    too_large = answer(one, started(), topics=FakeOutlet(orders_out=3000))
    assert code(too_large) == UNDELIVERABLE
    assert reply(too_large).stream == "orders-out"


def test_where_not_even_a_fail_can_be_delivered_the_error_is_left_to_the_caller() -> None:
    huge = {"fill": "x" * 3000}
    with pytest.raises(EventError) as error:
        answer(start(request=huge), topics=FakeOutlet(responses=3000))
    assert error.value.code == UNDELIVERABLE
    with pytest.raises(EventError):
        answer(start(), topics=FakeOutlet(responses=None))
    with pytest.raises(EventError):
        answer(start(skipPattern="taskId", request=huge), topics=FakeOutlet(responses=3000))


def test_a_skipped_event_too_large_for_its_reply_is_refused() -> None:
    decision = answer(start(payload=LARGE, skipPattern="fill"), topics=FakeOutlet(responses=3000))
    assert code(decision) == UNDELIVERABLE


# Forwarding.


def test_an_event_is_forwarded_unchanged_to_the_home_of_its_task() -> None:
    record = started(incoming(envelope("StartTask"), partition=3, offset=1))
    headers = (("traceparent", b"00-1"), ("x-any", b"\xff"))
    one = structs.replace(proceed(), headers=headers)
    decision = answer(one, record)
    assert (decision.status, decision.record) == ("FORWARDED", None)
    (outgoing,) = decision.messages
    assert (outgoing.stream, outgoing.partition) == (POLICY.requests, 3)
    assert (outgoing.key, outgoing.value) == (one.key, one.value)
    assert outgoing.headers == (*headers, (ORIGIN, b"1/0@20"), (HOPS, b"1"))


def test_the_first_source_stays_the_origin_and_hops_are_counted() -> None:
    record = started(incoming(envelope("StartTask"), partition=3))
    one = structs.replace(proceed(), headers=((ORIGIN, b"1/8@5"), (HOPS, b"1"), ("x-any", b"1")))
    (outgoing,) = answer(one, record).messages
    assert outgoing.headers == (("x-any", b"1"), (ORIGIN, b"1/8@5"), (HOPS, b"2"))


def test_an_event_that_its_headers_make_too_large_for_requests_is_refused() -> None:
    record = started(incoming(envelope("StartTask"), partition=3))
    one = proceed(payload=LARGE)
    (outgoing,) = answer(one, record).messages
    headers = size_of(outgoing.headers)
    size = len(one.key or b"") + len(one.value) + headers + OVERHEAD_BYTES
    assert answer(one, record, topics=FakeOutlet(requests=size)).messages == (outgoing,)
    error = failure(answer(one, record, topics=FakeOutlet(requests=size - 1)))
    assert error["code"] == UNDELIVERABLE
    assert "requests" in error["message"]


@pytest.mark.parametrize("key", [None, b"", b"\xff"])
def test_a_key_of_any_kind_is_forwarded(key: bytes | None) -> None:
    record = started(incoming(envelope("StartTask"), partition=3))
    (outgoing,) = answer(structs.replace(proceed(), key=key), record).messages
    assert outgoing.key == key


# What was made from a record cannot be made without it.


@pytest.mark.parametrize(
    "outcome", [Done(NOW, resumed=Status.PROCEEDED, has_output=True), Done(NOW, has_output=True)]
)
def test_an_answer_whose_record_is_gone_is_not_made_up(outcome: Done) -> None:
    with pytest.raises(EventError) as error:
        Renderer(POLICY, OUTLET).messages(outcome, proceed(), TaskKey("orders", "task-1"), None)
    assert error.value.code == TASK_NOT_FOUND


def test_the_http_status_fits_the_code() -> None:
    renderer = Renderer(Policy(), OUTLET)
    for error_code, http in ((DOMAIN_UNKNOWN, 400), (TASK_NOT_FOUND, 404), (10119, 409), (14, 403)):
        outcome = Refused(NOW, error_code, "why", ignored=False)
        (outgoing,) = renderer.messages(outcome, proceed(), None, None)
        assert message(outgoing).result["error"] == {"code": error_code, "message": "why", "http": http}


def test_a_timer_gets_no_reply_of_any_kind() -> None:
    one: Incoming = structs.replace(timeout(payload={}), headers=((TIMER, b"1/0@1;1;0"),))
    assert answer_settled(one).messages == ()


def answer_settled(one: Incoming) -> Decision:
    decision = answer(one)
    assert decision.status == "DROPPED"
    return decision
