"""Why Kafka cannot be reached: the complaint, and what there is to do about it."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from runner.kafka.connectivity import LastError, first_answer, unreachable

AWAY = KafkaException(KafkaError(KafkaError._TRANSPORT))


class Client:
    """A client that complains of one thing, when it is polled."""

    def __init__(self, complaints: LastError, code: int) -> None:
        self._complaints = complaints
        self._code = code

    def poll(self, timeout: float) -> None:
        assert timeout == 0
        self._complaints(KafkaError(self._code, "what is wrong"))


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("sasl_ssl://k:1/bootstrap: SASL authentication error: invalid credentials", "sasl.username"),
        (
            "ssl://k:1/bootstrap: Connect to k:1 failed: Connection refused",
            "check kafka.brokers, or start it",
        ),
        ("ssl://k:1/bootstrap: Disconnected: SSL connection closed by peer", "security.protocol"),
        ("sasl_ssl://k:1/bootstrap: Connect to k:1 failed: Connection refused", "check kafka.brokers, or"),
        ("Failed to get metadata: Local: Broker transport failure", "and security.protocol"),
        ("nothing known", "check kafka.brokers, or start it"),
    ],
)
def test_every_reason_has_a_remedy(reason: str, remedy: str) -> None:
    said = str(unreachable("k:1", reason, {}))
    assert said.startswith(f"Kafka at k:1 does not answer ({reason}); ")
    assert remedy in said.rpartition("; ")[2]


def test_a_certificate_that_cannot_be_looked_at_keeps_the_clients_words() -> None:
    said = str(unreachable("127.0.0.1:1", "certificate verify failed", {"ssl.ca.location": "/nowhere"}))
    assert "certificate verify failed" in said
    assert "check ssl.ca.location" in said


@pytest.mark.parametrize("code", [KafkaError._AUTHENTICATION, KafkaError._SSL])
def test_a_broker_that_refuses_is_asked_once(code: int) -> None:
    complaints, asked = LastError(), []

    def ask(seconds: float) -> None:
        asked.append(seconds)
        raise AWAY

    with pytest.raises(KafkaException):
        first_answer(ask, Client(complaints, code), complaints, seconds=60)
    assert len(asked) == 1
    assert complaints.last == "what is wrong"


def test_a_broker_that_is_away_is_asked_until_it_answers_or_the_time_is_over() -> None:
    complaints, asked = LastError(), []

    def ask(seconds: float) -> str:
        asked.append(seconds)
        if len(asked) < 3:
            raise AWAY
        return "here"

    client = Client(complaints, KafkaError._TRANSPORT)
    assert first_answer(ask, client, complaints, seconds=60) == "here"
    asked.clear()
    with pytest.raises(KafkaException):
        first_answer(ask, client, complaints, seconds=0)
    assert asked == [0]


def test_that_all_brokers_are_down_is_no_reason() -> None:
    complaints = LastError()
    complaints(KafkaError(KafkaError._RESOLVE, "no such host"))
    complaints(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
    assert complaints.last == "no such host"
