"""What the Kafka and Redis clients are told, and what nobody may tell them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer

from runner.config import (
    Config,
    ConfigError,
    check_properties,
    consumer_properties,
    load,
    producer_properties,
    redis_arguments,
    redis_url,
)
from runner.config.clients import check_tls_files, redis_nodes, sentinel_arguments
from runner.config.fixed import REFUSED

AT_LEAST_ONCE = {"RUNNER_DELIVERY": "at_least_once"}
FIXED_CONSUMER = {
    "group.id": "saga-task-runner",
    "isolation.level": "read_committed",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "partition.assignment.strategy": "range",
    "session.timeout.ms": 10_000,
    "fetch.min.bytes": 1,
}


def kafka(tmp_path: Path, content: str) -> Config:
    file = tmp_path / "runner.yaml"
    file.write_text(f"kafka: {content}")
    return load(file, {})


def chosen(properties: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    return {name: properties[name] for name in names}


def test_the_consumer_has_what_exactly_once_needs() -> None:
    assert chosen(consumer_properties(Config()), FIXED_CONSUMER) == FIXED_CONSUMER


def test_sticky_partitions_are_asked_for_by_the_strategy() -> None:
    properties = consumer_properties(load(None, {"RUNNER_KAFKA__ASSIGNMENT": "cooperative-sticky"}))

    assert properties["partition.assignment.strategy"] == "cooperative-sticky"
    assert properties["session.timeout.ms"] == 10_000


def test_in_the_consumer_protocol_the_times_are_left_to_the_broker() -> None:
    config = load(None, {"RUNNER_KAFKA__ASSIGNMENT": "consumer", "RUNNER_WORKER__SESSIONTIMEOUTMS": "6000"})

    properties = consumer_properties(config)

    check_properties(config)
    assert properties["group.protocol"] == "consumer"
    assert not {"session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"} & set(
        properties
    )
    assert properties["isolation.level"] == "read_committed"


def test_the_producer_has_what_exactly_once_needs() -> None:
    fixed = {
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",
        "transaction.timeout.ms": 10_000,
    }

    properties = producer_properties(Config())

    assert chosen(properties, fixed) == fixed
    assert not {name for name in properties if name.startswith("compression")}


def test_at_least_once_needs_no_transactions_of_the_broker() -> None:
    properties = producer_properties(load(None, AT_LEAST_ONCE))

    assert properties["enable.idempotence"] is False
    assert properties["acks"] == "all"
    assert not {name for name in properties if name.startswith("transaction")}


def test_the_transactional_id_is_left_to_the_worker() -> None:
    assert "transactional.id" not in producer_properties(Config())


def test_the_brokers_and_the_session_time_come_from_their_settings() -> None:
    env = {"RUNNER_KAFKA__BROKERS": "a:1", "RUNNER_WORKER__SESSIONTIMEOUTMS": "6000"}

    properties = consumer_properties(load(None, env))

    assert properties["bootstrap.servers"] == "a:1"
    assert properties["session.timeout.ms"] == 6000
    assert properties["heartbeat.interval.ms"] == 2000
    assert producer_properties(load(None, env))["bootstrap.servers"] == "a:1"


def test_properties_pass_through_and_those_of_one_client_win(tmp_path: Path) -> None:
    config = kafka(
        tmp_path,
        "{properties: {socket.keepalive.enable: true, client.id: both, linger.ms: 0.5}, "
        "consumer: {client.id: reader, fetch.wait.max.ms: 7}, producer: {compression.type: lz4}}",
    )

    consumer, producer = consumer_properties(config), producer_properties(config)

    assert (consumer["client.id"], producer["client.id"]) == ("reader", "both")
    assert (consumer["socket.keepalive.enable"], producer["linger.ms"]) == ("true", "0.5")
    assert (consumer["fetch.wait.max.ms"], producer["compression.type"]) == ("7", "lz4")
    assert "compression.type" not in consumer


@pytest.mark.parametrize("section", ["properties", "consumer", "producer", "secretFiles"])
@pytest.mark.parametrize("name", [*sorted(REFUSED), "test.mock.num.brokers"])
def test_what_is_fixed_for_correctness_is_refused_with_its_reason(
    name: str, section: str, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("x")

    with pytest.raises(ConfigError) as refused:
        kafka(tmp_path, f"{{{section}: {{{name}: '{tmp_path / 'secret'}'}}}}")

    problem = refused.value.problems[0]
    assert problem.key == f"kafka.{section}.{name}"
    assert problem.what
    assert problem.remedy


@pytest.mark.parametrize(
    "name",
    [
        "isolation.level",
        "enable.idempotence",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "auto.offset.reset",
        "transactional.id",
        "group.id",
        "bootstrap.servers",
        "metadata.broker.list",
        "partitioner",
        "acks",
        "request.required.acks",
        "transaction.timeout.ms",
        "group.instance.id",
        "group.protocol",
        "partition.assignment.strategy",
        "session.timeout.ms",
    ],
)
def test_the_list_of_what_is_fixed_is_complete(name: str) -> None:
    assert name in REFUSED


def test_every_fixed_property_of_the_clients_is_refused_to_the_operator() -> None:
    free = {
        *("client.id", "fetch.min.bytes", "fetch.wait.max.ms", "fetch.queue.backoff.ms"),
        *("queued.min.messages", "heartbeat.interval.ms", "linger.ms", "message.max.bytes", "max.in.flight"),
        *("retry.backoff.ms", "retry.backoff.max.ms", "topic.metadata.refresh.interval.ms"),
    }
    told = {*consumer_properties(Config()), *producer_properties(Config())}
    told |= set(producer_properties(load(None, AT_LEAST_ONCE)))

    assert told - free <= set(REFUSED)


@pytest.mark.parametrize("value", ["5", "1"])
def test_few_requests_in_flight_may_be_chosen(value: str, tmp_path: Path) -> None:
    config = kafka(tmp_path, f"{{producer: {{max.in.flight: {value}}}}}")

    assert producer_properties(config)["max.in.flight"] == value


@pytest.mark.parametrize("env", [{}, AT_LEAST_ONCE])
def test_librdkafka_takes_what_it_is_told(env: dict[str, str]) -> None:
    check_properties(load(None, env))


def test_a_property_that_librdkafka_does_not_know_is_a_problem_of_the_configuration(tmp_path: Path) -> None:
    config = kafka(tmp_path, "{consumer: {fetch.wait.max: 1}, producer: {retries: 0}}")

    with pytest.raises(ConfigError) as refused:
        check_properties(config)

    assert [(problem.where, problem.key) for problem in refused.value.problems] == [
        (str(tmp_path / "runner.yaml"), "kafka.consumer"),
        (str(tmp_path / "runner.yaml"), "kafka.producer"),
    ]
    assert 'No such configuration property: "fetch.wait.max"' in str(refused.value)
    assert "retries" in str(refused.value)


def test_a_callback_cannot_be_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="error_cb"):
        check_properties(kafka(tmp_path, "{properties: {error_cb: print}}"))


def test_redis_is_told_nothing_that_is_not_set() -> None:
    config = load(None, {"RUNNER_REDIS__USERNAME": "someone"})

    assert redis_arguments(Config()) == sentinel_arguments(Config()) == {}
    assert redis_url(Config()) == "redis://127.0.0.1:6379/0"
    assert redis_arguments(config) == {"username": "someone"}


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"RUNNER_REDIS__URL": "rediss://r:1/2"}, "rediss://r:1/2"),
        ({"RUNNER_REDIS__URL": "redis://r:1/2", "RUNNER_REDIS__TLS__ENABLED": "true"}, "rediss://r:1/2"),
    ],
)
def test_tls_to_one_server_is_said_by_the_url_alone(settings: dict[str, str], url: str) -> None:
    config = load(None, {**settings, "RUNNER_REDIS__TLS__CAFILE": "ca.pem"})

    assert redis_url(config) == url
    assert redis_arguments(config) == {"ssl_ca_certs": "ca.pem", "ssl_check_hostname": True}


def test_sentinels_are_told_their_own_password_and_the_same_tls() -> None:
    config = load(
        None,
        {
            "RUNNER_REDIS__TOPOLOGY": "sentinel",
            "RUNNER_REDIS__NODES": '["one:26379", "[::1]:26380"]',
            "RUNNER_REDIS__PASSWORD": "of the data",
            "RUNNER_REDIS__SENTINEL__MASTER": "tasks",
            "RUNNER_REDIS__SENTINEL__PASSWORD": "of the sentinels",
            "RUNNER_REDIS__TLS__ENABLED": "true",
            "RUNNER_REDIS__TLS__CHECKHOSTNAME": "false",
        },
    )

    assert redis_nodes(config) == [("one", 26379), ("::1", 26380)]
    tls = {"ssl": True, "ssl_check_hostname": False}
    assert redis_arguments(config) == {"password": "of the data"} | tls
    assert sentinel_arguments(config) == {"password": "of the sentinels"} | tls
    assert config.describe()["redis"]["sentinel"]["password"] == "******"


def test_files_for_tls_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "junk.pem").write_text("no certificate")
    config = load(
        None,
        {
            "RUNNER_REDIS__URL": "rediss://r:1/0",
            "RUNNER_REDIS__TLS__CAFILE": str(tmp_path / "nowhere.pem"),
            "RUNNER_REDIS__TLS__CERTFILE": str(tmp_path / "junk.pem"),
            "RUNNER_REDIS__TLS__KEYFILE": str(tmp_path / "junk.pem"),
        },
    )

    with pytest.raises(ConfigError) as refused:
        check_tls_files(config)

    said = [(problem.key, problem.what) for problem in refused.value.problems]
    assert [key for key, _ in said] == ["redis.tls.caFile", "redis.tls.certFile"]
    assert "nowhere.pem" in said[0][1]
    assert "No such file" in said[0][1]
    assert "junk.pem" in said[1][1]


def test_the_fixed_names_exist() -> None:
    """A misspelt name in the list of refusals would refuse nothing: librdkafka must know each."""
    for name in REFUSED:
        assert _known(name), name


def _known(name: str) -> bool:
    for client in (Consumer, Producer):
        try:
            client({"group.id": "g", "log_level": 2, name: "\u2603"})
        except Exception as error:  # noqa: BLE001 - whatever it says of the value, it knows the name
            if "No such configuration property" in str(error):
                return False
    return True
