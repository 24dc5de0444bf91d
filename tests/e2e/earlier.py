"""A key space as an earlier version left it: recorded once from that version, put on the servers of a test.

The recording holds the bytes: every key of Redis, the messages of ``requests`` and of the changelog at
their offsets, and the group's offsets with what was committed beside them. Names and ids of the servers it
was made on are replaced by those of the site. Record anew, with that version checked out and on PYTHONPATH:

    python tests/e2e/earlier.py KAFKA REDIS_URL tests/e2e/data

What was done there: see ``STORY``. Its last batch was applied in Redis, and its worker killed before
the commit.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import redis
from confluent_kafka import Consumer, Producer, TopicCollection, TopicPartition

from tests.e2e.answers import read_all, wait_until_drained
from tests.e2e.faulty_worker import AFTER_APPLY, FAULT
from tests.e2e.site import Site
from tests.e2e.typed import comment, proceed, start
from tests.e2e.workers import Fleet
from tests.servers.kafka_server import KafkaServer
from tests.waiting import WAIT_SECONDS

DATA: Final = Path(__file__).with_name("data")
PARTITIONS: Final = 3
YEARS_MS: Final = 10 * 365 * 24 * 3600 * 1000
SETTINGS: Final = {
    "RUNNER_DOMAINS": json.dumps({"default": {}, "or:ders": {}}),
    "RUNNER_TASK__RETENTIONSECONDS": str(YEARS_MS // 1000),
}
_OTHER: Final = {"domain": "or:ders", "action": "StartTask", "parameters": {"taskRoles": "clerk"}}

STORY: Final[tuple[tuple[int, dict[str, Any]], ...]] = (
    *((n % PARTITIONS, start(f"open-{n}", timeout=str(YEARS_MS) if n % 2 else None)) for n in range(12)),
    *((n % PARTITIONS, start(f"done-{n}", taskRoles="manager")) for n in range(6)),
    (1, start("größe ∑", taskUser="ann")),
    (2, {**start("other"), "eventMeta": _OTHER}),
    (2, start("large", inputPattern="{a: amount, b: taskId}") | {"more": ["x" * 2000]}),
    *((n % PARTITIONS, comment(f"open-{n}", f"comment-{n}")) for n in (2, 4, 2)),
    *((n % PARTITIONS, proceed(f"done-{n}", f"end-{n}")) for n in range(6)),
    (1, comment("done-1", "afterwards")),
    # A second round of one that was done.
    (0, {**start("done-0"), "requestMeta": {"id": "again-0"}}),
)
"""(partition, event); every third task lives on each partition."""

UNCOMMITTED: Final = (
    (0, start("half-begun")),
    (0, proceed("open-3", "half-ended")),
)
OPEN: Final = {*(f"open-{n}" for n in range(12)), "done-0", "größe ∑", "other", "large", "half-begun"} - {
    "open-3"
}
ELSEWHERE: Final = {"large", "other"}
"""Of the open ones: one whose id is generated, and one of another domain."""

PARTS: Final = 9
"""WebComponents beside start and state: life, comment and history entry of three tasks."""

ENDED: Final = {*(f"done-{n}" for n in range(1, 6)), "open-3"}


def record(site: Site) -> dict[str, Any]:
    """Let the version at hand do the story, and return what it left."""
    with Fleet(site) as fleet:
        worker = fleet.start()
        worker.wait_for("homes", open=list(range(PARTITIONS)))
        for event in STORY:
            _send(site, event)
            # One batch each: no event may wait for what another of its batch does to the same task.
            wait_until_drained(site)
        assert fleet.stop() == [0]
        for event in UNCOMMITTED:
            _send(site, event)
        faulty = fleet.one({FAULT: f"{AFTER_APPLY}/1/kill"}, faulty=True)
        assert faulty.wait() == -9, faulty.last_lines()
    return {
        "ids": _ids(site, is_fed=site.tasks is not None),
        "name": site.name,
        "redis": list(_keys(site)),
        "requests": _messages(site, site.requests),
        "tasks": [] if site.tasks is None else _messages(site, site.tasks),
        "committed": _committed(site),
    }


def put(site: Site, recorded: str, *, changelog: bool = True) -> None:
    """Put a recording where this site is; its topics are there, with as many partitions, and empty."""
    told = recording(site, recorded)
    with redis.Redis.from_url(site.redis_url) as client:
        for name, kind, content in told["redis"]:
            key = name.encode("latin-1")
            if kind == "hash":
                client.hset(key, mapping={f.encode("latin-1"): v.encode("latin-1") for f, v in content})
            else:
                client.zadd(key, {member.encode("latin-1"): score for member, score in content})
    _produce(site, site.requests, told["requests"])
    if told["tasks"] and changelog:
        _produce(site, str(site.tasks), told["tasks"])
    consumer = Consumer({"bootstrap.servers": site.kafka.bootstrap, "group.id": site.group})
    places = [TopicPartition(site.requests, p, offset, note) for p, offset, note in told["committed"]]
    consumer.commit(offsets=places, asynchronous=False)
    consumer.close()


def recording(site: Site, recorded: str) -> dict[str, Any]:
    """Return a recording as it would have been made here."""
    text = (DATA / f"{recorded}.json").read_text()
    told = json.loads(text)
    is_fed = bool(told["tasks"])
    for mine, its in zip([site.name, *_ids(site, is_fed=is_fed)], [told["name"], *told["ids"]], strict=True):
        text = text.replace(its, mine)
    found: dict[str, Any] = json.loads(text)
    return found


def _send(site: Site, event: tuple[int, dict[str, Any]]) -> None:
    producer = Producer({"bootstrap.servers": site.kafka.bootstrap})
    producer.produce(site.requests, json.dumps(event[1]).encode(), partition=event[0])
    assert producer.flush(WAIT_SECONDS) == 0


def _ids(site: Site, *, is_fed: bool) -> list[str]:
    """Return what the servers call cluster and topics."""
    names = [site.requests, *([site.tasks] if is_fed and site.tasks else [])]
    admin = site.admin()
    asked = admin.describe_topics(TopicCollection(names), request_timeout=WAIT_SECONDS)
    cluster = str(admin.list_topics(timeout=WAIT_SECONDS).cluster_id)
    return [cluster, *(str(asked[name].result(WAIT_SECONDS).topic_id) for name in names)]


def _keys(site: Site) -> Iterator[tuple[str, str, list[Any]]]:
    with redis.Redis.from_url(site.redis_url) as client:
        for key in sorted(client.scan_iter(f"{site.prefix}:*", count=1000)):
            kind = client.type(key).decode()
            content: list[Any]
            if kind == "hash":
                content = [[f.decode("latin-1"), v.decode("latin-1")] for f, v in client.hgetall(key).items()]
            else:
                content = [[m.decode("latin-1"), s] for m, s in client.zrange(key, 0, -1, withscores=True)]
            yield key.decode("latin-1"), kind, content


def _messages(site: Site, topic: str) -> list[list[Any]]:
    return [
        [m.partition, m.offset, _text(m.key), _text(m.value), list(m.headers.items())]
        for m in read_all(site, topic)
    ]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _committed(site: Site) -> list[list[Any]]:
    properties = {"group.id": site.group, "isolation.level": "read_uncommitted"}
    consumer = Consumer({"bootstrap.servers": site.kafka.bootstrap, **properties})
    found = consumer.committed([TopicPartition(site.requests, p) for p in range(PARTITIONS)], WAIT_SECONDS)
    consumer.close()
    return [[place.partition, place.offset, place.metadata] for place in found]


def _produce(site: Site, topic: str, messages: list[list[Any]]) -> None:
    """Write messages at the offsets they had; a message for nobody stands for each marker."""
    producer = Producer({"bootstrap.servers": site.kafka.bootstrap, "enable.idempotence": True})
    reached: dict[int, int] = {}
    for partition, offset, key, value, headers in messages:
        for _ in range(reached.get(partition, 0), offset):
            producer.produce(topic, None, b"marker", partition)
        producer.produce(
            topic,
            None if value is None else value.encode(),
            None if key is None else key.encode(),
            partition,
            headers=[(name, text.encode()) for name, text in headers],
        )
        reached[partition] = offset + 1
    assert producer.flush(WAIT_SECONDS) == 0


def main() -> None:
    """Record both: a key space without a changelog, and one with it."""
    bootstrap, redis_url, folder = sys.argv[1:]
    for kind, changelog in (("without", {}), ("with", {"RUNNER_TOPICS__TASKS": "tasks-recording0"})):
        with tempfile.TemporaryDirectory() as logs:
            kafka = KafkaServer(bootstrap, "recording")
            site = Site(kafka, redis_url, Path(logs), 6000, PARTITIONS, settings={**SETTINGS, **changelog})
            site.create_topics()
            found = record(site)
        Path(folder, f"{kind}_changelog_layout3.json").write_text(
            json.dumps(found, indent=0, ensure_ascii=False) + "\n"
        )


if __name__ == "__main__":
    main()
