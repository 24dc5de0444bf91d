"""A batch of payloads: events at the homes of their tasks, dead letters byte for byte, and no more."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.actions.incoming import Headers
from runner.envelope.avro import AvroCodec
from runner.envelope.codec import JsonCodec
from runner.envelope.event import MetaRules
from runner.errors import StoreUnavailable
from runner.kafka.message import Message
from runner.kafka.topics import KafkaTopicCatalog
from runner.worker.input_topics.normalise import InputTopic
from runner.worker.input_topics.processor import InputProcessor
from runner.worker.result import BatchResult
from runner.worker.task_processor import TaskProcessor
from tests.unit.worker.input_topics.bench import (
    TOPIC,
    TOPIC_ID,
    input_process,
    input_topic,
    message,
    value_of,
)
from tests.unit.worker.near_envelopes import ANY_JSON, EXTREMES, HEADERS, KEYS, VALUES
from tests.unit.worker.rig import DEAD_LETTERS, NOW, Harness, batch, event, sent, statuses, topics


def with_task(task_id: str = "task-1", home: int = 3, **parameters: Any) -> Harness:
    harness = Harness()
    harness.handle(event("StartTask", task_id, f"req-{task_id}", **parameters), home)
    return harness


def run(harness: Harness, *messages: Message, topic: InputTopic | None = None) -> BatchResult:
    return input_process(harness, topic).run(batch(messages), {})


def followed(harness: Harness, done: BatchResult) -> list[str]:
    """The statuses of all that comes of the events."""
    found = []
    for outgoing in done.outgoing:
        came = harness.handle(outgoing.value, outgoing.partition or 0, outgoing.headers)
        found += statuses(came.outgoing)
    return found


def test_an_event_goes_to_the_home_of_its_task_with_the_senders_key() -> None:
    harness = with_task()
    done = run(harness, message({"taskId": "task-1"}, key=b"desk-5"))
    (outgoing,) = done.outgoing
    assert (outgoing.stream, outgoing.key, outgoing.partition) == ("requests", b"desk-5", 3)
    assert done.positions == {2: 8}
    assert done.counts == {("desk", "EVENT"): 1}
    assert followed(harness, done) == ["PROCEEDED", "SUCCESS"]


def test_where_no_home_is_known_the_key_decides_and_the_runner_finds_the_way() -> None:
    harness = with_task()
    done = run(harness, message({"taskId": "nobody"}), message({"taskId": "nobody"}, offset=8, key=None))
    assert [outgoing.partition for outgoing in done.outgoing] == [None, None]
    assert [outgoing.key for outgoing in done.outgoing] == [b"key", b"answers:topic-9:2@8"]


def test_homes_are_looked_up_once_for_a_batch() -> None:
    harness = with_task()
    harness.store.asked.clear()
    run(harness, *(message({"taskId": f"task-{n % 3}"}, offset=n) for n in range(9)))
    assert harness.store.asked == ["load"]
    harness.store.asked.clear()
    run(harness, message({}), message(b"x", offset=8), topic=input_topic("TimeoutBetween"))
    assert harness.store.asked == []


def test_the_order_of_a_task_is_the_order_of_its_messages() -> None:
    harness = with_task(taskRoles="manager")
    topic = input_topic(roles_header="roles", meta={"parameters": {"enrichPath": "by"}})
    messages = [
        message({"taskId": "task-1", "by": {"n": 1}}, offset=1),
        message({"taskId": "task-1", "by": {"n": 2}}, offset=2, headers=(("roles", b"manager"),)),
        message({"taskId": "task-1", "by": {"n": 3}}, offset=3, headers=(("roles", b"manager"),)),
    ]
    done = run(harness, *messages, topic=topic)
    assert followed(harness, done) == ["FAIL", "PROCEEDED", "SUCCESS", "FAIL"]


def test_a_payload_that_claims_to_be_somebody_is_nobody_even_where_payloads_are_trusted() -> None:
    harness = with_task(taskRoles="manager")
    done = run(harness, message({"taskId": "task-1", "user": {"id": "eve", "roles": ["manager"]}}))
    came = harness.handle(done.outgoing[0].value, 3)
    assert sent(came.outgoing[0]).code == 14


def test_an_event_is_written_as_requests_is_read() -> None:
    harness, codec = with_task(), AvroCodec()
    catalog = KafkaTopicCatalog(topics(), {"requests": codec}, JsonCodec())
    terms = replace(harness.terms, codec=codec)
    made = InputProcessor(input_topic(), TOPIC_ID, terms, harness.store, catalog, DEAD_LETTERS)
    (outgoing,) = made.run(batch([message({"taskId": "task-1"})]), {}).outgoing
    assert outgoing.partition == 3
    with pytest.raises(ValueError, match=r"utf-8|Expecting"):
        json.loads(outgoing.value or b"")
    came = TaskProcessor(terms, harness.store, catalog, DEAD_LETTERS).run(
        batch([harness.message(outgoing.value, 3, outgoing.headers)]), {}
    )
    assert statuses(came.outgoing) == ["PROCEEDED", "SUCCESS"]


def test_metadata_rules_hold_for_the_way_home_as_they_will_for_the_event() -> None:
    harness = with_task()
    rules = MetaRules(defaults={"domain": "orders"}, parameter_overrides={"taskIdPath": "process.id"})
    ruled = Harness(rules=rules)
    ruled.store = harness.store
    done = run(ruled, message({"process": {"id": "task-1"}}), topic=input_topic(meta={"domain": None}))
    assert done.outgoing[0].partition == 3


def test_poison_is_buried_byte_for_byte_in_its_place_and_says_where_it_stood() -> None:
    harness = with_task()
    headers = (("a", b"\xff"), ("user", b"x"))
    done = run(harness, message(b"no json", headers=headers), message({"taskId": "task-1"}, offset=8))
    letter, outgoing = done.outgoing
    assert (letter.stream, letter.key, letter.value) == (DEAD_LETTERS, b"key", b"no json")
    assert letter.headers[:2] == headers
    said = {name: text.decode() for name, text in letter.headers[2:]}
    assert said.pop("dead-letter-message").startswith("the value is not JSON")
    assert said == {
        "dead-letter-topic": TOPIC,
        "dead-letter-partition": "2",
        "dead-letter-offset": "7",
        "dead-letter-reason": "NOT_JSON",
    }
    assert outgoing.stream == "requests"
    assert done.positions == {2: 9}
    assert done.dead_letter_reasons == {"NOT_JSON": 1}


@pytest.mark.parametrize("spare", [-1, 0])
def test_a_payload_must_fit_as_an_event(spare: int) -> None:
    probe = run(Harness(), message({"taskId": ""}))
    room = 2048 - len(probe.outgoing[0].value or b"") + spare
    done = run(Harness(max_event_bytes=2048), message({"taskId": "x" * (room + 1)}))
    assert done.dead_letter_reasons == ({"TOO_LARGE": 1} if spare == 0 else {})


def test_what_is_too_large_is_not_even_looked_at() -> None:
    done = run(Harness(max_event_bytes=2048), message(b"x" * 2049), message(b"x" * 2048, offset=8))
    assert done.dead_letter_reasons == {"TOO_LARGE": 1, "NOT_JSON": 1}


def test_what_requests_does_not_take_is_buried_and_not_sent_for_ever() -> None:
    done = run(Harness(cluster=topics(requests=3000)), message({"taskId": "x" * 2500}))
    assert done.dead_letter_reasons == {"TOO_LARGE": 1}


def test_a_payload_as_deep_as_an_event_may_be_is_too_deep_inside_of_one() -> None:
    deep, less_deep = (b'{"a":' * levels + b"1" + b"}" * levels for levels in (200, 199))
    assert run(Harness(), message(deep)).dead_letter_reasons == {"TOO_DEEP": 1}
    assert run(Harness(), message(less_deep)).dead_letter_reasons == {}


def test_a_dead_letter_that_nobody_takes_stops_its_partition_and_no_other() -> None:
    harness = Harness(cluster=topics(dead_letters=None))
    done = run(
        harness,
        message({"taskId": "a"}, partition=1, offset=4),
        message(b"x", partition=1, offset=5),
        message({"taskId": "b"}, partition=1, offset=6),
        message({"taskId": "c"}, partition=2, offset=9),
    )
    assert [value_of(outgoing)["payload"]["taskId"] for outgoing in done.outgoing] == ["a", "c"]
    assert done.positions == {1: 5, 2: 10}
    assert list(done.paused) == [1]
    assert done.poisoned == set()
    assert done.dead_letter_reasons == {}


def test_poison_without_end_stops_its_partition_for_good() -> None:
    harness = Harness(poison_limit=3)
    messages = [message(b"x", offset=n) for n in range(5)]
    done = input_process(harness).run(batch(messages), {2: 1})
    assert len(done.outgoing) == 2
    assert (done.positions, done.poisoned, done.deferred) == ({2: 2}, {2}, [])
    assert done.poison_runs == {2: 3}


def test_a_command_for_somebody_else_is_passed_over_and_counted() -> None:
    topic = input_topic("TIMEOUT", meta={"domain": None})
    harness = with_task(timeoutOn=NOW - 5)
    done = run(
        harness, message({"action": "PING"}), message({"action": "TIMEOUT", "to": NOW}, offset=8), topic=topic
    )
    assert done.counts == {("desk", "IGNORED"): 1, ("desk", "EVENT"): 1}
    assert done.positions == {2: 9}
    assert followed(harness, done) == ["SUCCESS"]


def test_an_outage_of_redis_is_told_and_nothing_is_sent_on_a_guess() -> None:
    harness = with_task()
    harness.faults.once("store.load", StoreUnavailable("no answer"))
    with pytest.raises(StoreUnavailable):
        run(harness, message({"taskId": "task-1"}))


# Whatever arrives.

_FIELDS = st.fixed_dictionaries({"taskId": ANY_JSON, "id": ANY_JSON, "domain": ANY_JSON, "runner": ANY_JSON})
_PAYLOADS = VALUES | st.builds(
    lambda fields, action: json.dumps({**fields, "action": action}).encode("utf-8", "surrogatepass"),
    _FIELDS,
    st.sampled_from(["TIMEOUT", "PING"]),
)
_TOPICS = st.sampled_from(
    [
        input_topic(
            request_id_path="id", user_header="traceparent", meta={"parameters": {"enrichPath": "a"}}
        ),
        input_topic("TimeoutTask", request_id_header="tracestate", roles_header="traceparent"),
        input_topic("TimeoutBetween", meta={"parameters": {"fromTimePath": "id"}}),
        input_topic("TIMEOUT"),
    ]
)


def check(value: bytes | None, headers: Headers, key: bytes | None, topic: InputTopic) -> None:
    """It is an event that the worker answers, a dead letter byte for byte, or for somebody else."""
    harness = with_task("open")
    given = message(value, headers=headers, key=key)
    good = message({"taskId": "open"}, offset=8, key=key)
    done = run(harness, given, good, topic=topic)
    assert run(harness, given, good, topic=topic).outgoing == done.outgoing
    assert (done.positions, done.deferred, done.paused) == ({2: 9}, [], {})
    first = list(done.outgoing)
    if not topic.is_command:
        assert first.pop().stream == "requests"
    assert len(first) <= 1
    for outgoing in first:
        if outgoing.stream == DEAD_LETTERS:
            assert (outgoing.key, outgoing.value) == (key, value)
            assert outgoing.headers[: len(headers)] == headers
            continue
        came = harness.handle(outgoing.value, outgoing.partition or 0, outgoing.headers)
        assert came.dead_letter_reasons == {}
        answers = [each for each in came.outgoing if each.stream in {"responses", "orders-out"}]
        assert answers or came.counts == {("other", "IGNORED"): 1}
    assert first or topic.is_command


@given(_PAYLOADS, HEADERS, KEYS, _TOPICS)
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_every_payload_is_an_event_that_is_answered_or_a_dead_letter(
    value: bytes | None, headers: Headers, key: bytes | None, topic: InputTopic
) -> None:
    check(value, headers, key, topic)


@pytest.mark.parametrize("number", range(len(EXTREMES)))
def test_every_extreme_is_an_event_or_a_dead_letter(number: int) -> None:
    for topic in (input_topic(request_id_path="id"), input_topic("TIMEOUT")):
        check(EXTREMES[number], (), b"key", topic)
