"""The proof of membership on a real broker, for every way of sharing partitions: current, or nobody's."""

import contextlib
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any, Final

import pytest
from confluent_kafka import Consumer, Producer

from runner.config import consumer_properties, load, producer_properties
from runner.errors import LogUnavailable
from runner.kafka.group_metadata import is_member
from runner.kafka.kafka_log import KafkaLog
from runner.kafka.message import Message
from tests.servers.fixtures import skip_unless_shared_by
from tests.servers.kafka_server import KafkaServer
from tests.waiting import WAIT_SECONDS, until

RANGE: Final = "range"
CONSUMER: Final = "consumer"
WATCHED_SECONDS: Final = 0.5
"""How long it is asked again and again whether something does not happen."""
ASSIGNMENTS: Final = (RANGE, "cooperative-sticky", CONSUMER)
SESSION_MS: Final = 1000
"""Also how long a member may go without a poll; in the consumer protocol the broker has its own."""


Logs = Callable[..., "Member"]


class Member:
    """One consumer in a group: its log, and what it was told."""

    def __init__(self, log: Callable[["Member"], KafkaLog]) -> None:
        self.owned: set[int] = set()
        self.kept: set[int] = set()
        """What was never taken away since it was given."""
        self.told: list[str] = []
        self.given: list[Message] = []
        self.log = log(self)
        self.log.start()

    def assigned(self, partitions: Collection[int]) -> None:
        self.told.append("assigned")
        self.owned.update(partitions)
        if len(self.told) == 1:
            self.kept.update(partitions)

    def revoked(self, partitions: Collection[int]) -> None:
        self.told.append("revoked")
        self.owned.difference_update(partitions)
        self.kept.difference_update(partitions)

    def poll(self) -> None:
        self.given += self.log.poll(100, 0.05)

    def poll_until(self, fact: Callable[[], object], others: Collection["Member"] = ()) -> None:
        """Poll, and have the others poll, until something is so."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not fact():
            assert time.monotonic() < deadline, (self.told, self.owned)
            for each in (self, *others):
                each.poll()

    def is_refused(self, group_metadata: Any) -> bool:
        """Whether an offset cannot be committed under a membership."""
        try:
            self.commit(group_metadata)
        except LogUnavailable:
            return True
        return False

    def commit(self, group_metadata: Any) -> None:
        """Commit an offset under a membership; LogUnavailable where it is refused."""
        self.log.writer.begin()
        try:
            self.log.writer.send_offsets({0: 0}, group_metadata)
            self.log.writer.commit()
        except LogUnavailable:
            self.log.writer.abort()
            raise


@pytest.fixture(params=ASSIGNMENTS)
def assignment(request: pytest.FixtureRequest, kafka: KafkaServer) -> str:
    """Every way of sharing partitions in turn."""
    skip_unless_shared_by(kafka, request.param)
    return str(request.param)


@pytest.fixture
def member(assignment: str, kafka: KafkaServer, topic_names: Callable[[str], str]) -> Iterator[Logs]:
    """Make members of one group on one topic: ``member(partitions=2)``."""
    topic, group = topic_names("requests"), topic_names("group")
    with contextlib.ExitStack() as running:

        def join(partitions: int = 0) -> Member:
            if partitions:
                kafka.create_topics({topic: partitions})
                _send_one_to_each(kafka, topic, partitions)
            config = load(
                None,
                {
                    "RUNNER_KAFKA__BROKERS": kafka.bootstrap,
                    "RUNNER_KAFKA__GROUP": group,
                    "RUNNER_KAFKA__ASSIGNMENT": assignment,
                    "RUNNER_WORKER__SESSIONTIMEOUTMS": str(SESSION_MS),
                },
            )
            consumer = consumer_properties(config) | {"max.poll.interval.ms": SESSION_MS}
            producer = producer_properties(config) | {"transactional.id": f"{group}-{time.monotonic_ns()}"}
            made = Member(lambda listener: KafkaLog(topic, consumer, producer, listener, "topic-id"))
            running.callback(made.log.close)
            return made

        yield join


def test_who_stops_to_poll_cannot_commit_until_it_was_told_what_it_lost(member: Logs) -> None:
    one = member(partitions=1)
    one.poll_until(lambda: one.owned)
    one.commit(one.log.group_metadata())
    until(lambda: one.is_refused(one.log.group_metadata()), "the group gives it up")
    watched_until = time.monotonic() + WATCHED_SECONDS
    while time.monotonic() < watched_until:
        assert one.is_refused(one.log.group_metadata()), "joined again before it was told"
    assert one.told == ["assigned"], "told outside of a poll"
    one.poll_until(lambda: one.told == ["assigned", "revoked", "assigned"])
    one.commit(one.log.group_metadata())


def test_a_membership_is_renewed_when_another_joins_although_nothing_moves(
    member: Logs, assignment: str
) -> None:
    one = member(partitions=1)
    one.poll_until(lambda: one.owned)
    before = one.log.group_metadata()
    two = member()
    one.poll_until(lambda: one.log.group_metadata() not in {None, before}, [two])
    one.poll_until(lambda: len(one.owned) + len(two.owned) == 1, [two])
    owner, other = (one, two) if one.owned else (two, one)
    owner.poll_until(owner.log.group_metadata, [other])
    owner.commit(owner.log.group_metadata())
    # Some brokers take the epoch under which a partition was given as long as it is not taken away.
    assert owner.is_refused(before) or assignment == CONSUMER


def test_only_what_moves_is_taken_away_and_nothing_is_given_before_it_is_read_from(
    member: Logs, assignment: str
) -> None:
    one = member(partitions=2)
    one.poll_until(lambda: len(one.owned) == 2)
    for _ in range(10):
        one.poll()
    assert one.given == []
    one.log.read_from({0: 0, 1: 0})
    one.poll_until(lambda: len(one.given) == 2)
    two = member()
    one.poll_until(lambda: len(one.owned) == 1 and len(two.owned) == 1, [two])
    assert one.owned | two.owned == {0, 1}
    # All was given back and some of it given again, or only one was given back.
    assert one.kept == (set() if assignment == RANGE else one.owned)
    two.log.read_from(dict.fromkeys(two.owned, 0))
    two.log.close()
    one.poll_until(lambda: len(one.owned) == 2)


def test_a_consumer_that_never_joined_is_nobody(kafka: KafkaServer) -> None:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "nobody"})
    try:
        assert not is_member(consumer.consumer_group_metadata())
    finally:
        consumer.close()


def _send_one_to_each(kafka: KafkaServer, topic: str, partitions: int) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for partition in range(partitions):
        producer.produce(topic, b"{}", partition=partition)
    assert producer.flush(WAIT_SECONDS) == 0
