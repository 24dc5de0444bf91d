"""What the parts cost without the runner: ceilings that no worker on these clients can pass.

Each consumes the same events and produces as many messages of the same bytes in transactions of the
same size as the worker does:

(a) bare          consume, produce, commit
(b) codec         (a), and every event is decoded and its answers are encoded
(c) store         (b), and each batch is read from Redis in one call and written in another
(d) changelog          (c), and every event is told once more, with some bytes of a record round it
(e) whole         (d), with the headers of every message, and in Redis what the worker leaves there of an
                  event besides the record: an index entry and a kept decision
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from typing import Any, Final, TypeAlias

import msgspec
import redis
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from tests.bench.rig import HOMES, SHARDS, WAIT_SECONDS, Rig

BATCH: Final = 1000
Headers: TypeAlias = list[tuple[str, str | bytes | None]]
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.encode
_READ = (
    "local f = {} for i, k in ipairs(KEYS) do f[i] = redis.call('HMGET', k, 'state', 'start') end return f"
)
_WRITE = (
    "for i, k in ipairs(KEYS) do redis.call('HSET', k, 'state', ARGV[2 * i - 1], 'start', ARGV[2 * i]) end"
)
_KEEP = (
    "local n = #KEYS - 2 for i = 1, n do redis.call('HSET', KEYS[i], 'version', '1;1/1@1') "
    "redis.call('ZADD', KEYS[n + 1], ARGV[2 * i - 1], KEYS[i]) "
    "redis.call('HSET', KEYS[n + 2], ARGV[2 * i - 1], ARGV[2 * i]) end"
)


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Which parts are in the loop."""

    name: str
    codec: bool
    store: bool
    changelog: bool = False
    whole: bool = False


CEILINGS: Final = (
    Ceiling("a bare", codec=False, store=False),
    Ceiling("b codec", codec=True, store=False),
    Ceiling("c store", codec=True, store=True),
)
CEILING_WITH_CHANGELOG: Final = Ceiling("d changelog", codec=True, store=True, changelog=True)
"""On a rig with a changelog."""

CEILING_OF_THE_SAME: Final = Ceiling("e whole", codec=True, store=True, changelog=True, whole=True)
"""The same bytes in and out as the worker has, with nothing decided."""

_RECORD: Final = (
    b'{"format":1,"domain":"default","id":"bench-home-1-1:step-10","revision":1,"state":%s,"start":%s}'
)
ANSWERED: Final = "PROCEEDED"
"""The status that the answers of ceiling (e) have in their headers."""
_ANSWER_HEADERS: Final[Headers] = [
    ("event-kind", b"reply"),
    ("event-status", ANSWERED.encode()),
    ("task-id", b"bench-home-1-100000:step-10"),
    ("task-domain", b"default"),
]
_RECORD_HEADERS: Final[Headers] = [
    ("revision", b"2"),
    ("source", b"1/1@100000"),
    ("home", b"1"),
    ("event", b"1/1@100000"),
]
_OUTCOME: Final = b"\x94\xa6closed\xcf\x00\x00\x01\x8b\xcf\xe5h\x00\xa9PROCEEDED\xc3"
_STATE: Final = b'{"status":"OPEN","home":1,"source":"1/1@100000","created_ms":1700000000000}'


@dataclass(frozen=True, slots=True)
class _Place:
    """What a loop needs of a rig; another process can be given it."""

    brokers: str
    redis_url: str
    name: str
    requests: str
    responses: str
    tasks: str


def measure_ceiling(rig: Rig, events: int, ceiling: Ceiling) -> float:
    """Return events per second of one loop over ``events`` messages that are in the log already."""
    loop = _Loop(_place(rig), ceiling)
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


@contextmanager
def running_ceiling(rig: Rig, ceiling: Ceiling) -> Iterator[None]:
    """Run a loop in a process of its own, as the worker has one, for the length of the block."""
    context = get_context("spawn")
    ready, stopping = context.Event(), context.Event()
    child = context.Process(target=_run, args=(_place(rig), ceiling, ready, stopping))
    child.start()
    try:
        if not ready.wait(WAIT_SECONDS):
            raise RuntimeError(f"the loop of ceiling {ceiling.name} did not begin")
        yield
    finally:
        stopping.set()
        child.join(WAIT_SECONDS)
        child.kill()


def _run(place: _Place, ceiling: Ceiling, ready: Event, stopping: Event) -> None:
    loop = _Loop(place, ceiling)
    ready.set()
    while not stopping.is_set():
        messages = loop.read()
        if messages:
            loop.deliver(messages)
    loop.close()


def _place(rig: Rig) -> _Place:
    topics = (rig.requests, rig.responses, rig.tasks)
    return _Place(rig.kafka.bootstrap, rig.redis.url, rig.name, *topics)


class _Loop:
    def __init__(self, place: _Place, ceiling: Ceiling) -> None:
        self._place = place
        self._ceiling = ceiling
        self._redis = redis.Redis.from_url(place.redis_url)
        name = f"{place.name}-{ceiling.name[0]}"
        broker = {"bootstrap.servers": place.brokers}
        self._consumer = Consumer(
            {**broker, "group.id": name, "enable.auto.commit": False, "isolation.level": "read_committed"}
        )
        self._consumer.assign([TopicPartition(place.requests, p, 0) for p in range(HOMES)])
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
        with_headers = self._ceiling.whole
        answer_headers, record_headers = (_ANSWER_HEADERS, _RECORD_HEADERS) if with_headers else (None, None)
        self._producer.begin_transaction()
        for key, values in outputs:
            for value in values:
                self._producer.produce(self._place.responses, value, key, headers=answer_headers)
        if self._ceiling.changelog:
            for message in messages:
                told = _RECORD % (_STATE, message.value() or b"")
                shard = (message.offset() or 0) % SHARDS
                self._producer.produce(self._place.tasks, told, message.key(), shard, headers=record_headers)
        ends = {message.partition(): (message.offset() or 0) + 1 for message in messages}
        places = [TopicPartition(self._place.requests, p or 0, offset) for p, offset in ends.items()]
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
        if self._ceiling.whole:
            kept: list[bytes | int] = []
            for message in messages:
                # One hash for all homes: each has its own offsets.
                kept += ((message.partition() or 0) * 1_000_000_000 + (message.offset() or 0), _OUTCOME)
            self._redis.eval(_KEEP, len(keys) + 2, *keys, "c:{0}:index", "c:{0}:home", *kept)
