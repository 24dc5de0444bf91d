"""What the worker knows of topics: which partition a response goes to, limits, and a topic made again."""

from __future__ import annotations

from typing import Any, cast

import pytest
from confluent_kafka.admin import AdminClient
from structlog.testing import capture_logs

from runner.envelope.codec import JsonCodec, Sections
from runner.errors import FatalError
from runner.kafka.preflight import require_topics
from runner.kafka.topics import Cluster, KafkaTopicCatalog, Topic, TopicWatch


def cluster(requests: str | None = "id-1", partitions: int = 12, limit_bytes: int = 1000) -> Cluster:
    topics = {"responses": Topic("id-r", 12, limit_bytes), "odd": Topic("id-o", 7, 50)}
    if requests is not None:
        topics["requests"] = Topic(requests, partitions, limit_bytes)
    return Cluster("cluster", topics)


class Shouting:
    """A codec that can be told from the default."""

    def prepare(self) -> None:
        raise NotImplementedError

    def to_json(self, value: bytes) -> bytes:
        raise NotImplementedError

    def encode(self, sections: Sections) -> bytes:
        return JsonCodec().encode(sections).upper()


def catalog(*, by_suffix: bool = True) -> KafkaTopicCatalog:
    return KafkaTopicCatalog(cluster(), {"odd": Shouting()}, JsonCodec(), by_suffix=by_suffix)


@pytest.mark.parametrize(
    ("request_id", "partition"),
    [
        ("req-0", 0),
        ("req-7", 7),
        ("req-12", 0),
        ("req-0025", 1),
        ("25", 1),
        ("a1b2c3", 3),
        ("-5", 5),
        ("1234567890123456789", 1234567890123456789 % 12),
        ("x" + "9" * 40, int("9" * 40) % 12),
        ("x" + "7" * 4300, int("7" * 4300) % 12),
        ("no digits", None),
        ("digits 12 inside", None),
        ("12\n", None),
        ("", None),
        ("req-٣", None),
        ("req-²", None),
    ],
)
def test_the_digits_at_the_end_of_the_request_id_choose_the_partition(
    request_id: str, partition: int | None
) -> None:
    assert catalog().partition("responses", request_id) == partition


def test_any_number_of_digits_is_read_in_one_pass() -> None:
    digits = "1234567890" * 100_000
    expected = sum(int(d) * pow(10, n, 12) for n, d in enumerate(reversed(digits))) % 12
    assert catalog().partition("responses", digits) == expected
    assert catalog().partition("responses", digits + "x") is None


def test_every_stream_follows_the_suffix_where_it_is_set() -> None:
    assert catalog().partition("odd", "req-8") == 1
    assert catalog(by_suffix=False).partition("responses", "req-7") is None
    assert catalog().partition("gone", "req-7") is None


def test_the_partition_is_always_one_of_the_topic() -> None:
    odd = catalog()
    assert {odd.partition("odd", f"r{n}") for n in range(100)} == set(range(7))
    for length in range(1, 60):
        number = "8675309" * 9
        assert odd.partition("odd", f"r{number[:length]}") == int(number[:length]) % 7


def test_limits_are_those_of_the_last_answer() -> None:
    known = catalog()
    assert known.limit_bytes("responses") == 1000
    assert known.limit_bytes("nowhere") is None
    known.cluster = cluster(limit_bytes=7)
    assert known.limit_bytes("responses") == 7


def test_each_topic_has_its_encoding() -> None:
    assert catalog().encode("responses", {"a": 1}) == b'{"a":1}'
    assert catalog().encode("odd", {"a": 1}) == b'{"A":1}'


def watch(known: KafkaTopicCatalog, *dispensable: str) -> TopicWatch:
    names = ["requests", "responses"]
    return TopicWatch(cast(AdminClient, None), known, "requests", names, dispensable=dispensable)


@pytest.mark.parametrize(
    ("operations", "hidden", "limit_bytes"),
    [
        (frozenset({"DESCRIBE"}), False, None),
        (frozenset({"WRITE"}), False, 70),
        (frozenset(), False, 70),
        (frozenset({"WRITE"}), True, None),
    ],
)
def test_a_topic_nobody_waits_for_takes_nothing_while_it_may_not_be_written(
    operations: frozenset[str], limit_bytes: int | None, *, hidden: bool
) -> None:
    known, heard = catalog(), Topic("id-h", 3, 70, operations)
    watching = watch(known, "heard")
    topics = {**cluster(limit_bytes=7).topics, **({} if hidden else {"heard": heard})}
    watching._compare(Cluster("cluster", topics, frozenset({"heard"} if hidden else ())))
    assert known.limit_bytes("heard") == limit_bytes
    assert known.limit_bytes("responses") == 7, "of all others the answer is taken over"
    watching._compare(Cluster("cluster", topics, frozenset({"heard", "responses"})))
    assert known.limit_bytes("responses") == 7, "one that is needed may exist although it is hidden"


def test_a_topic_that_stays_is_no_reason_to_exit_and_the_answer_is_taken_over() -> None:
    known = catalog()
    watching = watch(known)
    fresh = cluster(limit_bytes=7)
    watching._compare(fresh)
    assert watching.failed is None
    assert known.cluster is fresh


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (cluster("id-2"), "made again"),
        (cluster(None), "deleted"),
        (cluster("id-1", 11), "only 11 partitions"),
    ],
)
def test_requests_made_again_deleted_or_smaller_is_a_reason_to_exit(now: Cluster, reason: str) -> None:
    known = catalog()
    before = known.cluster
    watching = watch(known)
    watching._compare(now)
    assert known.cluster is before, "nothing of another topic is used"
    assert watching.failed is not None
    assert "'requests'" in watching.failed
    assert reason in watching.failed
    assert "restart" in watching.failed


def test_partitions_that_were_added_are_homes_once_the_broker_has_told_of_them() -> None:
    watching = watch(catalog())
    assert watching.has_home(11)
    assert not watching._soon.is_set()
    assert not watching.has_home(12)
    assert watching._soon.is_set(), "asked anew"
    watching._compare(cluster("id-1", 24))
    assert watching.failed is None
    assert watching.has_home(23)
    assert not watching.has_home(24)


def test_partitions_of_a_topic_made_again_are_no_homes() -> None:
    watching = watch(catalog())
    watching._compare(cluster("id-2", 24))
    assert not watching.has_home(12)


def test_a_responses_topic_that_is_gone_is_no_reason_to_exit() -> None:
    watching = watch(catalog())
    gone: Any = Cluster("cluster", {"requests": Topic("id-1", 12, 1000)})
    watching._compare(gone)
    assert watching.failed is None


def test_missing_topics_are_named_with_the_way_out() -> None:
    with pytest.raises(FatalError, match=r"no topic lost, gone; run `runner topics create`"):
        require_topics(cluster(), ["requests", "lost", "gone"], exactly_once=True)
    require_topics(cluster(), ["requests", "responses"], exactly_once=True)


def test_the_embedded_broker_is_refused_for_exactly_once() -> None:
    mock = Cluster("mockClusterabc", cluster().topics)
    with pytest.raises(FatalError, match="runner dev"):
        require_topics(mock, ["requests"], exactly_once=True)
    require_topics(mock, ["requests"], exactly_once=False)


def test_what_was_hidden_from_the_start_is_not_said_to_have_gone() -> None:
    hidden = frozenset({"heard"})
    known = catalog()
    known.cluster = Cluster("cluster", known.cluster.topics, hidden)
    watching = watch(known, "heard")
    with capture_logs() as logs:
        watching._compare(Cluster("cluster", known.cluster.topics, hidden))
        assert not logs
        watching._compare(Cluster("cluster", known.cluster.topics, hidden | {"responses"}))
    assert [(each["event"], each["topics"]) for each in logs] == [("topics_forbidden", ["responses"])]
