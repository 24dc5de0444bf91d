"""What the parts cost without the runner: ceilings that no worker on these clients can pass.

Each consumes the same events and produces as many messages of the same bytes in transactions of the
same size as the worker does:

(a) bare          consume, produce, commit
(b) codec         (a), and every event is decoded and its answers are encoded
(c) store         (b), and each batch is read from Redis in one call and written in another
(d) feed          (c), and every event is told once more, with some bytes of a record round it
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import redis
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from tests.bench.stage import HOMES, Stage

BATCH: Final = 1000
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.encode
_READ = (
    "local f = {} for i, k in ipairs(KEYS) do f[i] = redis.call('HMGET', k, 'state', 'start') end return f"
)
_WRITE = (
    "for i, k in ipairs(KEYS) do redis.call('HSET', k, 'state', ARGV[2 * i - 1], 'start', ARGV[2 * i]) end"
)


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Which parts are in the loop."""

    name: str
    codec: bool
    store: bool
    feed: bool = False


CEILINGS: Final = (
    Ceiling("a bare", codec=False, store=False),
    Ceiling("b codec", codec=True, store=False),
    Ceiling("c store", codec=True, store=True),
)
CEILING_WITH_FEED: Final = Ceiling("d feed", codec=True, store=True, feed=True)
"""On a stage with a task feed."""

_RECORD: Final = (
    b'{"format":1,"domain":"default","id":"bench-home-1-1:step-10","revision":1,"state":%s,"start":%s}'
)
_STATE: Final = b'{"status":"OPEN","home":1,"source":"1/1@100000","created_ms":1700000000000}'


def measure_ceiling(stage: Stage, events: int, ceiling: Ceiling) -> float:
    """Return events per second of one loop over ``events`` messages that are in the log already."""
    loop = _Loop(stage, ceiling)
    done, began = 0, 0.0
    while done < events:
        messages = loop.read()
        if not messages:
            continue
        began = began or time.perf_counter()
        loop.deliver(messages)
        done += len(messages)
    seconds = time.perf_counter() - began
    loop.close()
    return events / seconds


class _Loop:
    def __init__(self, stage: Stage, ceiling: Ceiling) -> None:
        self._stage = stage
        self._ceiling = ceiling
        self._redis: redis.Redis = stage.redis.client()
        name = f"{stage.name}-{ceiling.name[0]}"
        broker = {"bootstrap.servers": stage.kafka.bootstrap}
        self._consumer = Consumer(
            {**broker, "group.id": name, "enable.auto.commit": False, "isolation.level": "read_committed"}
        )
        self._consumer.assign([TopicPartition(stage.requests, p, 0) for p in range(HOMES)])
        quick = {"linger.ms": 2, "retry.backoff.ms": 5, "retry.backoff.max.ms": 50}
        self._producer = Producer({**broker, **quick, "transactional.id": name})
        self._producer.init_transactions(60)
        self._number = 0

    def read(self) -> list[Message]:
        first = self._consumer.poll(1.0)
        return [] if first is None else [first, *self._consumer.consume(BATCH - 1, 0.0)]

    def deliver(self, messages: list[Message]) -> None:
        outputs = [self._outputs(message) for message in messages]
        if self._ceiling.store:
            self._read_and_write(messages)
        self._producer.begin_transaction()
        for key, values in outputs:
            for value in values:
                self._producer.produce(self._stage.responses, value, key)
        if self._ceiling.feed:
            for message in messages:
                told = _RECORD % (_STATE, message.value() or b"")
                self._producer.produce(self._stage.tasks, told, message.key(), message.partition() or 0)
        ends = {message.partition(): (message.offset() or 0) + 1 for message in messages}
        places = [TopicPartition(self._stage.requests, p or 0, offset) for p, offset in ends.items()]
        self._producer.send_offsets_to_transaction(places, self._consumer.consumer_group_metadata())
        self._producer.commit_transaction()

    def close(self) -> None:
        self._consumer.close()

    def _outputs(self, message: Message) -> tuple[Any, list[bytes]]:
        """One answer to a StartTask and two to a ProceedTask, as the runner gives them."""
        value = message.value() or b""
        count = 1 if b'"StartTask"' in value else 2
        if not self._ceiling.codec:
            return message.key(), [value] * count
        sections: dict[str, Any] = _decode(value)
        sections["result"] = {"receiveTime": 0, "endTime": 0, "status": "SUCCESS"}
        return message.key(), [_encode(sections) for _ in range(count)]

    def _read_and_write(self, messages: list[Message]) -> None:
        keys = [f"c:{{0}}:{self._number + i}" for i in range(len(messages))]
        self._number += len(messages)
        self._redis.eval(_READ, len(keys), *keys)
        arguments: list[bytes] = []
        for message in messages:
            arguments += (b'{"status":"OPEN","home":1,"source":"1/1@100000"}', message.value() or b"")
        self._redis.eval(_WRITE, len(keys), *keys, *arguments)
