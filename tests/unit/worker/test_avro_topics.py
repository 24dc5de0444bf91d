"""A worker whose topics are Avro: it decides as with JSON, stores JSON, and passes bytes on as they came."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

import msgspec
import pytest

from runner.actions.decision import OutgoingMessage
from runner.clock import ManualTicker
from runner.envelope import avro_schema
from runner.envelope.avro import AvroCodec, ConfluentCodec
from runner.envelope.codec import Codec, JsonCodec
from runner.kafka.schema_registry import SchemaRegistry
from runner.kafka.topics import KafkaTopicCatalog
from runner.worker.components import LoopLimits
from tests.unit.kafka.test_schema_registry import AWAY, ScriptedClient, ours
from tests.unit.worker.input_topics.bench import input_process
from tests.unit.worker.rig import DEAD_LETTERS, MINUTE, Harness, Worker, batch, event, topics

JSON: Final = JsonCodec()
UNSEEN: Final = 77


class Estate:
    """A harness whose requests are confluent-avro and whose responses are avro."""

    def __init__(self, **limits: int | None) -> None:
        self.client = ScriptedClient()
        self.registry = SchemaRegistry(self.client, ManualTicker(), register=True)
        requests, responses = ConfluentCodec(self.registry, "requests-value"), AvroCodec()
        requests.prepare()
        self.codecs: dict[str, Codec] = {"requests": requests, "responses": responses, "orders-out": JSON}
        self.harness = Harness(cluster=topics(**limits))
        self.harness.topics = KafkaTopicCatalog(topics(**limits), self.codecs, JSON)
        self.harness.terms = replace(self.harness.terms, codec=requests)
        self.harness.process = self.harness.another()

    def requests(self, json_value: bytes, schema_id: int | None = None) -> bytes:
        """A value as it stands on requests."""
        value = self.codecs["requests"].encode(JSON.decode(json_value))
        return value if schema_id is None else b"\x00" + schema_id.to_bytes(4, "big") + value[5:]

    def read(self, messages: Iterable[OutgoingMessage]) -> list[dict[str, Any]]:
        """What the readers of each topic see."""
        return [
            msgspec.json.decode(self.codecs[outgoing.stream].to_json(outgoing.value or b""))
            for outgoing in messages
        ]


def statuses(messages: Iterable[OutgoingMessage]) -> list[str]:
    return [
        dict(outgoing.headers)["event-status"].decode()
        for outgoing in messages
        if outgoing.stream == "responses"
    ]


def test_a_task_is_started_and_ended_and_its_record_is_json() -> None:
    estate = Estate()
    start = event("StartTask", payload={"amount": 1}, timeout=MINUTE)
    began = estate.harness.handle(estate.requests(start))
    kept = estate.harness.record()
    assert kept is not None
    assert json.loads(bytes(kept.start.event)) == json.loads(start)

    ended = estate.harness.handle(estate.requests(event("ProceedTask", request_id="req-2")))
    [ack] = estate.read(began.outgoing)
    resumed, done = estate.read(ended.outgoing)
    assert (ack["result"]["status"], resumed["result"]["status"]) == ("ACK", "PROCEEDED")
    assert resumed["payload"] == {"taskId": "task-1", "amount": 1}
    assert done["result"]["status"] == "SUCCESS"


def test_the_same_event_in_another_schema_is_a_duplicate() -> None:
    estate = Estate()
    estate.client.schemas[UNSEEN] = ours()
    start = event("StartTask")
    first = estate.harness.handle(estate.requests(start))
    again = estate.harness.handle(estate.requests(start, UNSEEN), home=0)
    assert statuses(first.outgoing) == statuses(again.outgoing) == ["ACK"]


def test_what_is_for_another_home_keeps_its_bytes() -> None:
    estate = Estate()
    estate.client.schemas[UNSEEN] = ours()
    estate.harness.handle(estate.requests(event("StartTask")), home=1)
    value = estate.requests(event("ProceedTask", request_id="req-2"), UNSEEN)
    [forwarded] = estate.harness.handle(value, home=2).outgoing
    assert (forwarded.stream, forwarded.partition, forwarded.value) == ("requests", 1, value)


def test_the_answer_to_another_stream_has_the_encoding_of_that_stream() -> None:
    estate = Estate()
    [ack] = estate.harness.handle(
        estate.requests(event("StartTask", meta={"responseStream": "orders-out"}))
    ).outgoing
    assert ack.stream == "orders-out"
    assert json.loads(ack.value or b"")["result"]["status"] == "ACK"


def test_timers_and_continuations_are_in_the_encoding_of_requests() -> None:
    estate = Estate()
    for number in range(5):
        task = event("StartTask", f"task-{number}", f"req-{number}", timeout=1)
        estate.harness.handle(estate.requests(task))
    estate.harness.ticker.advance(1)
    passing = estate.harness.handle(estate.requests(event("TimeoutBetween", None, "req-9")))
    sent = [outgoing for outgoing in passing.outgoing if outgoing.stream == "requests"]
    assert len(sent) > 3
    assert all((outgoing.value or b"").startswith(b"\x00\x00\x00\x00\x05") for outgoing in sent)
    ends: list[str] = []
    waiting = estate.harness.returned(passing.outgoing)
    while waiting:
        done = estate.harness.run(waiting.pop(0))
        ends += statuses(done.outgoing)
        waiting += estate.harness.returned(done.outgoing)
    assert sorted(ends) == ["SUCCESS"] + ["TIMEOUT"] * 5


def test_poison_is_buried_byte_for_byte_with_its_reason() -> None:
    estate = Estate()
    start = event("StartTask")
    for value, reason in (
        (start, "NOT_AVRO"),
        (estate.requests(start)[:-1], "NOT_AVRO"),
        (estate.requests(start, UNSEEN), "UNKNOWN_SCHEMA"),
        (estate.requests(b'{"payload":{}}'), "NOT_AN_ENVELOPE"),
    ):
        [letter] = estate.harness.handle(value).outgoing
        assert (letter.stream, letter.value) == (DEAD_LETTERS, value)
        assert dict(letter.headers)["dead-letter-reason"] == reason.encode()
    assert estate.harness.record() is None


def test_sizes_are_those_of_the_bytes_that_are_written() -> None:
    start = event("StartTask", payload={"text": "x" * 700})
    estate = Estate()
    [ack] = estate.harness.handle(estate.requests(start)).outgoing
    size = len(ack.value or b"") + len(ack.key or b"") + sum(len(n) + len(v or b"") for n, v in ack.headers)
    for spare, status in ((-40, "FAIL"), (+800, "ACK")):
        tight = Estate(responses=size + spare)
        [reply] = tight.harness.handle(tight.requests(start)).outgoing
        assert statuses([reply]) == [status]


def test_a_registry_that_goes_away_holds_the_worker_and_nothing_is_lost_or_buried() -> None:
    estate = Estate()
    worker = Worker(estate.harness, limits=LoopLimits(retry_seconds=1.0))
    worker.loop._parts = replace(worker.loop._parts, pings=[worker.store.ping, estate.registry.ping])
    worker.step(3)
    estate.client.error = AWAY
    worker.log.append(estate.requests(event("StartTask")), 0)
    worker.log.append(estate.requests(event("StartTask", "task-2", "req-2"), UNSEEN), 1)
    for _ in range(20):
        worker.step()
        worker.ticker.advance(1)
    assert worker.recorder.events.count("recovered") == 0
    assert worker.log.sent == []
    assert estate.client.asked.count(UNSEEN) > 5

    estate.client.error = None
    estate.client.schemas[UNSEEN] = ours()
    for _ in range(20):
        worker.step()
        worker.ticker.advance(1)
    assert worker.recorder.events.count("recovered") == 1
    assert statuses(worker.log.sent) == ["ACK", "ACK"]


def test_the_schema_has_no_field_that_is_left_out() -> None:
    names = [field["name"] for field in avro_schema.SCHEMA["fields"]]
    assert names == [*avro_schema.SECTIONS, avro_schema.OTHERS]


@pytest.mark.parametrize("times", [1, 3])
def test_a_redelivered_event_is_answered_with_the_same_bytes(times: int) -> None:
    estate = Estate()
    message = estate.harness.message(estate.requests(event("StartTask")))
    answers = [estate.harness.run(message).outgoing for _ in range(times + 1)]
    assert all(messages == answers[0] for messages in answers)


def test_a_payload_of_an_input_becomes_an_event_in_the_encoding_of_requests() -> None:
    estate = Estate()
    estate.client.error = AWAY
    started = estate.harness.handle(estate.requests(event("StartTask")), home=2)
    assert statuses(started.outgoing) == ["ACK"]
    payload = estate.harness.message(b'{"taskId": "task-1"}', home=1)
    [made] = input_process(estate.harness).run(batch([payload]), {}).outgoing
    assert (made.stream, made.partition) == ("requests", 2)
    assert estate.read([made])[0]["payload"] == {"taskId": "task-1"}
