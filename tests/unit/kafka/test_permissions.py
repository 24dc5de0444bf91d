"""What is missing is named, topic by topic; what the broker does not tell is not missing."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from runner.errors import FatalError
from runner.kafka.errors import failed_delivery, failed_fetch, failed_transaction, refusal
from runner.kafka.preflight import READ, require_permissions, require_topics
from runner.kafka.topics import WRITE, Cluster, Topic

WANTED = {"requests": (READ, WRITE), "responses": (WRITE,), "absent": (WRITE,)}


def cluster(requests: set[str], responses: set[str], forbidden: frozenset[str] = frozenset()) -> Cluster:
    topics = {
        "requests": Topic("id-1", 2, 1000, frozenset(requests)),
        "responses": Topic("id-2", 2, 1000, frozenset(responses)),
    }
    seen = {name: topic for name, topic in topics.items() if name not in forbidden}
    return Cluster("cluster", seen, forbidden)


def test_nothing_is_missing_where_all_is_allowed_or_nothing_is_told() -> None:
    require_permissions(cluster({READ, WRITE, "DESCRIBE"}, {WRITE}), WANTED)
    require_permissions(cluster(set(), set()), WANTED)


def test_every_topic_is_named_with_what_is_missing_on_it() -> None:
    with pytest.raises(FatalError, match="Write on topic requests; Write on topic responses; allow it"):
        require_permissions(cluster({READ}, {"DESCRIBE"}), WANTED)


def test_a_topic_that_may_not_be_seen_is_no_missing_topic_but_a_missing_permission() -> None:
    hidden = cluster({READ, WRITE}, {WRITE}, frozenset({"requests"}))
    require_topics(hidden, ["requests", "responses"], exactly_once=True)
    with pytest.raises(FatalError, match="Read and Write on topic requests"):
        require_permissions(hidden, WANTED)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (KafkaError.GROUP_AUTHORIZATION_FAILED, "allow Read on it"),
        (KafkaError.INCONSISTENT_GROUP_PROTOCOL, "the same kafka.assignment"),
        (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "begin with 'mine-'"),
        (KafkaError.UNSUPPORTED_VERSION, "set range or cooperative-sticky"),
    ],
)
def test_a_refusal_at_the_start_says_what_to_do(code: int, said: str) -> None:
    assert said in str(refusal(KafkaError(code), "mine"))


def test_what_passes_is_no_refusal() -> None:
    assert refusal(KafkaError(KafkaError.REQUEST_TIMED_OUT), "mine") is None


def test_a_failure_in_flight_names_the_topic_and_the_permission() -> None:
    forbidden, other = (
        KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED),
        KafkaError(KafkaError.REQUEST_TIMED_OUT),
    )
    assert "Write on topic b;" in failed_delivery("b", forbidden)
    assert "Write on topic a or b;" in failed_transaction({"b", "a"}, forbidden)
    assert "Read on topic a;" in failed_fetch("a", forbidden)
    for said in (failed_delivery("b", other), failed_transaction({"b"}, other), failed_fetch("a", other)):
        assert "permission" not in said
