"""Notifications of a test: topics of its own, and processes of ``runner notify``."""

import json
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Consumer, Producer, TopicPartition

from tests.e2e.outlets import PostOffice, Webhook
from tests.e2e.terminal import Finished, Running, Terminal
from tests.servers.kafka_server import KafkaServer
from tests.waiting import WAIT_SECONDS, until

PARTITIONS: Final = 3
PEOPLE: Final[Mapping[str, Any]] = {
    "users": {
        "ann": {"mail": "ann@example.org", "language": "de"},
        "bob": {"mail": "bob@example.org"},
        "cat": {"mail": "cat@example.org"},
    },
    "roles": {"manager": ["ann", "bob"], "clerk": ["cat"]},
}
ROUTES: Final = [{"to": ["recipients"]}, {"to": ["hook"], "event": ["created", "escalated", "assigned"]}]


class NotifySite:
    """Topics, people and settings of one test; ``start`` runs a process of ``runner notify``."""

    def __init__(
        self, kafka: KafkaServer, folder: Path, session_ms: int, outlets: tuple[PostOffice, Webhook]
    ) -> None:
        name = uuid.uuid4().hex[:10]
        post, hook = outlets
        self.topic, self.dead, self.group = f"notifications-{name}", f"dead-{name}", f"group-{name}-notify"
        self.people = folder / "people.json"
        self.people.write_text(json.dumps(PEOPLE))
        self._kafka = kafka
        kafka.create_topics({self.topic: PARTITIONS})
        kafka.create_topics({self.dead: 1, f"requests-{name}": 1}, {"max.message.bytes": "4000000"})
        environment = {
            "RUNNER_KAFKA__BROKERS": kafka.bootstrap,
            "RUNNER_KAFKA__GROUP": f"group-{name}",
            "RUNNER_TOPICS__NOTIFICATIONS": self.topic,
            "RUNNER_TOPICS__REQUESTS": f"requests-{name}",
            "RUNNER_TOPICS__DEADLETTERS": self.dead,
            "RUNNER_WORKER__SESSIONTIMEOUTMS": str(session_ms),
            "RUNNER_HTTP__PORT": "0",
            "RUNNER_LOG__FORMAT": "json",
            "RUNNER_NOTIFY__ROUTES": json.dumps(ROUTES),
            "RUNNER_NOTIFY__CHANNELS__MAIL": post.address,
            "RUNNER_NOTIFY__CHANNELS__HOOK": hook.address,
            "RUNNER_NOTIFY__DIRECTORY__FILE": str(self.people),
            "RUNNER_NOTIFY__RETRY__FIRSTMS": "100",
            "RUNNER_NOTIFY__RETRY__LONGESTMS": "400",
        }
        self._terminal = Terminal(folder, environment)

    def start(self, **settings: str) -> AbstractContextManager[Running]:
        return self._terminal.start("notify", **settings)

    def run(self, *arguments: str, **settings: str) -> Finished:
        """Run another command to its end."""
        return self._terminal.run(*arguments, **settings)

    def send(self, *values: bytes | dict[str, Any] | None, key: str = "t-1") -> None:
        """Write messages, and wait until they are acknowledged."""
        producer = Producer({"bootstrap.servers": self._kafka.bootstrap, "log_level": 0, "linger.ms": 0})
        for value in values:
            raw = json.dumps(value).encode() if isinstance(value, dict) else value
            task = value["subject"] if isinstance(value, dict) and "subject" in value else key
            producer.produce(self.topic, raw, task.encode(), headers=HEADERS)
        assert producer.flush(WAIT_SECONDS) == 0

    def dead_letters(self) -> list[tuple[dict[str, str], bytes | None]]:
        """Return headers and value of every dead letter so far; notes of replays are left out."""
        properties = {"group.id": "looking", "auto.offset.reset": "earliest", "enable.partition.eof": True}
        consumer = Consumer({"bootstrap.servers": self._kafka.bootstrap, **properties, "log_level": 0})
        found: list[tuple[dict[str, str], bytes | None]] = []
        with closing(consumer):
            consumer.assign([TopicPartition(self.dead, 0, 0)])
            while True:
                message = consumer.poll(WAIT_SECONDS)
                assert message is not None
                error = message.error()
                if error is not None:
                    assert error.name() == "_PARTITION_EOF"
                    return [each for each in found if "dead-letter-reason" in each[0]]
                pairs: Any = message.headers() or ()
                value: Any = message.value()
                found.append(({name: text.decode() for name, text in pairs}, value))

    def wait_for_dead(self, count: int) -> list[dict[str, str]]:
        """Return the headers of the dead letters once there are so many."""
        return until(
            lambda: found if len(found := [each for each, _ in self.dead_letters()]) >= count else None,
            lambda: f"{count} dead letters among {self.dead_letters()}",
        )

    def left(self) -> int:
        """Return how many messages are not committed."""
        properties = {"group.id": self.group, "log_level": 0}
        consumer = Consumer({"bootstrap.servers": self._kafka.bootstrap, **properties})
        with closing(consumer):
            places = [TopicPartition(self.topic, number) for number in range(PARTITIONS)]
            left = 0
            for place in consumer.committed(places, WAIT_SECONDS):
                low, high = consumer.get_watermark_offsets(place, WAIT_SECONDS)
                left += high - (place.offset if place.offset >= 0 else low)
            return left

    def wait_until_done(self) -> None:
        """Return once everything is committed."""
        until(lambda: self.left() == 0, lambda: f"everything committed, but {self.left()} are left")


HEADERS: Final[Any] = [("content-type", b"application/cloudevents+json")]


def notice(number: int, event: str = "created", task: str = "t-1", **data: Any) -> dict[str, Any]:
    """A notification as a worker writes it; for the role manager if nobody else is named."""
    name = data.pop("name", f"Task {number}")
    fields = {"id": task, "domain": "orders", "name": name, "roles": ["manager"]}
    return {
        "specversion": "1.0",
        "id": f"1/0@{number}-0",
        "source": "/tasks/orders",
        "type": f"saga.task.{event}",
        "subject": task,
        "time": "2026-11-22T08:30:00Z",
        "datacontenttype": "application/json",
        "data": {
            "task": fields,
            "actor": "timer",
            "recipients": {"user": None, "roles": ["manager"]},
            **data,
        },
    }


def wait_for(count: int, what: Callable[[], int]) -> None:
    """Return once there are so many of something."""
    until(lambda: what() >= count, lambda: f"{count}, but there are {what()}")
