"""Addresses: what is taken is taken by every client that reads it, and all else is refused in words."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from runner.cli.wiring.store import connect_redis
from runner.config import Config, ConfigError, load, registry_settings
from runner.config.clients import client_properties
from runner.kafka.schema_registry import connect

HOSTS = {
    "good": ["h", "h.example", "h.example.", "h_1", "10.0.0.1", "hö.example", "H"],
    "bad": ["a..b", ".a", "a b", "h;i", "h\t", "x" * 64, "a." * 130 + "b", "h%41", "*", "ö..b", "h\u200b:"],
}
PORTS = {"good": ["1", "65535"], "bad": ["0", "99999", "-1", "x", "6 ", "٦", "1_0", "+1", "1.0"]}
URLS = {
    "good": ["{0}://u:p%40%2F%23@h:1", "{0}://:ü@h", "{0}://[::1]:1", "{0}://h_1"],
    "bad": [
        *(
            " {0}://h",
            "{0}://h ",
            "{0}://h\n",
            "{0}:/h",
            "{0}://",
            "{0}:h",
            "h:1",
            "mailto:h",
            "\ufeff{0}://h",
        ),
        *(
            "{0}://u:p%ff@h",
            "{0}://u:a/b@h",
            "{0}://u:a#b@h",
            "{0}://u:a?b@h",
            "{0}://u:a[b@h",
            "{0}://[::1:1",
        ),
    ],
}


def loaded(tmp_path: Path, **sections: Any) -> Config:
    file = tmp_path / "runner.yaml"
    file.write_text(json.dumps(sections))
    return load(file, {})


def refused(tmp_path: Path, **sections: Any) -> str:
    with pytest.raises(ConfigError) as raised:
        loaded(tmp_path, **sections)
    [problem] = raised.value.problems
    assert str(problem).count("\n") == 0
    assert problem.remedy
    return problem.key


def looked_up(host: str) -> None:
    """A name that nobody has is an error of the network, not of the text."""
    with suppress(OSError):
        socket.getaddrinfo(host, 1)


def urls(kind: str, scheme: str) -> list[str]:
    made = [text.format(scheme) for text in URLS[kind]]
    made += [f"{scheme}://{host}:1" for host in HOSTS[kind]] + [
        f"{scheme}://h:{port}" for port in PORTS[kind]
    ]
    return made if kind == "good" else [*made, f"{scheme.upper()}://h", f"{scheme.title()}://h"]


@pytest.mark.parametrize("url", [*urls("good", "redis"), "unix:///tmp/redis.sock", "unix://:p@/tmp/a%20b"])
def test_a_redis_url_that_is_taken_is_taken_by_the_client(tmp_path: Path, url: str) -> None:
    connect_redis(loaded(tmp_path, redis={"url": url})).close()


@pytest.mark.parametrize("url", [*urls("bad", "redis"), "unix://", "unix://h/tmp/a", "redis:///0"])
def test_a_redis_url_that_somebody_would_read_otherwise_is_refused(tmp_path: Path, url: str) -> None:
    assert refused(tmp_path, redis={"url": url}) == "redis.url"


@pytest.mark.parametrize("node", ["h:1", "[::1]:1", "::1:1", *(f"{host}:1" for host in HOSTS["good"])])
def test_a_node_that_is_taken_can_be_looked_up(tmp_path: Path, node: str) -> None:
    config = loaded(tmp_path, redis={"topology": "cluster", "nodes": [node]})
    connect_redis(config).close()
    looked_up(node.rpartition(":")[0].strip("[]"))


@pytest.mark.parametrize(
    "node", ["h", ":1", *(f"{host}:1" for host in HOSTS["bad"]), *(f"h:{port}" for port in PORTS["bad"])]
)
def test_a_node_that_is_no_address_is_refused(tmp_path: Path, node: str) -> None:
    assert refused(tmp_path, redis={"topology": "cluster", "nodes": [node]}).startswith("redis.nodes")


@pytest.mark.parametrize(
    "brokers", ["h:1", " h:1 , i:2", "h:1,", "h", "SASL_SSL://h:1", "[::1]:1", "h_1:1,10.0.0.1:65535"]
)
def test_brokers_that_are_taken_are_taken_by_the_client(tmp_path: Path, brokers: str) -> None:
    config = loaded(tmp_path, kafka={"brokers": brokers})
    Consumer({**client_properties(config), "group.id": "g", "log_level": 0}).close()


@pytest.mark.parametrize(
    "brokers",
    [
        *(":1", ",", "http://h:1", "h:1;i:1", "h:1 i:1", "ssl://", "h:1:1"),
        *(f"h:1,{host}:1" for host in HOSTS["bad"] if "\t" not in host),
        *(f"h:{port}" for port in PORTS["bad"] if not port.endswith(" ")),
    ],
)
def test_brokers_that_are_none_are_refused(tmp_path: Path, brokers: str) -> None:
    assert refused(tmp_path, kafka={"brokers": brokers}) == "kafka.brokers"


@pytest.mark.parametrize("url", [*urls("good", "http"), *urls("good", "https")])
def test_urls_of_registry_and_collector_that_are_taken_are_taken_by_their_clients(
    tmp_path: Path, url: str
) -> None:
    config = loaded(tmp_path, schemaRegistry={"url": f"{url}, {url}"}, traces={"endpoint": url})
    connect(registry_settings(config)).close()
    OTLPSpanExporter(config.traces.endpoint).shutdown()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("url", urls("bad", "http"))
def test_urls_that_somebody_would_read_otherwise_are_refused(tmp_path: Path, url: str) -> None:
    assert refused(tmp_path, traces={"endpoint": url}) == "traces.endpoint"
    if url == url.strip():  # the client takes blanks round each of several
        assert refused(tmp_path, schemaRegistry={"url": f"http://h,{url}"}) == "schemaRegistry.url"


@pytest.mark.parametrize("host", [*HOSTS["good"], "::1", "0.0.0.0", "::"])  # noqa: S104 - only looked up
def test_a_host_to_listen_on_can_be_looked_up(tmp_path: Path, host: str) -> None:
    looked_up(loaded(tmp_path, http={"host": host}).http.host)


@pytest.mark.parametrize("host", [*HOSTS["bad"], "", "h:1", "[::1]"])
def test_a_host_to_listen_on_that_is_none_is_refused(tmp_path: Path, host: str) -> None:
    assert refused(tmp_path, http={"host": host}) == "http.host"


@pytest.mark.parametrize("name", ["a\n", "a b", "..", ".", "ä", "", "a" * 250])
def test_a_topic_name_that_the_broker_would_refuse_is_refused(tmp_path: Path, name: str) -> None:
    assert refused(tmp_path, topics={"requests": name}) == "topics.requests"
    assert refused(tmp_path, responses={"streams": [name]}) == "responses.streams[0]"


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "a\udcff"])
def test_text_that_has_no_bytes_or_would_end_early_is_refused_wherever_it_stands(
    tmp_path: Path, text: str
) -> None:
    assert refused(tmp_path, kafka={"group": text}) == "kafka.group"
    assert refused(tmp_path, redis={"tls": {"enabled": True, "caFile": text}}) == "redis.tls.caFile"
    assert refused(tmp_path, kafka={"properties": {"client.id": text}}) == "kafka.properties.client.id"
    assert refused(tmp_path, caller={"roles": ["a", text]}) == "caller.roles"
    with pytest.raises(ConfigError, match=r"environment RUNNER_HANDLER: handler holds a sign"):
        load(None, {"RUNNER_HANDLER": text})
