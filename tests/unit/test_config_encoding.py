"""The settings of encodings and of the schema registry: contradictions, secrets, what the client is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.config import ConfigError, load, registry_settings
from runner.envelope.avro import AvroCodec
from runner.envelope.codec import JsonCodec
from runner.kafka.codecs import build_codecs

SECRET = "hunter2"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "runner.yaml"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            "encoding: {default: confluent-avro}",
            (
                "encoding.default is confluent-avro, but there is no registry; "
                "set schemaRegistry.url, or use avro, which needs none"
            ),
        ),
        (
            "encoding: {topics: {responses: confluent-avro}}",
            (
                "encoding.topics.responses is confluent-avro, but there is no registry; "
                "set schemaRegistry.url, or use avro, which needs none"
            ),
        ),
        (
            "encoding: {topics: {dead-letters: avro}}",
            (
                "encoding.topics.dead-letters keeps the bytes of its messages as they came; "
                "name topics.requests, topics.responses, topics.replies or one of responses.streams, "
                "or remove it"
            ),
        ),
        (
            "encoding: {topics: {request: avro}}",
            (
                "encoding.topics.request is no topic whose encoding can be chosen; "
                "name topics.requests, topics.responses, topics.replies or one of responses.streams, "
                "or remove it"
            ),
        ),
        (
            "encoding: {default: xml}",
            (
                'encoding.default must be json or avro or confluent-avro, not "xml"; '
                'correct it, or remove it for the default "json"'
            ),
        ),
        (
            "schemaRegistry: {url: 'registry:8081'}",
            "schemaRegistry.url is no address of a schema registry; write it like http://registry:8081",
        ),
        (
            "schemaRegistry: {url: 'http://a:1, ftp://b'}",
            "schemaRegistry.url is no address of a schema registry; write it like http://registry:8081",
        ),
        (
            "schemaRegistry: {properties: {max.retries: 9}}",
            (
                "schemaRegistry.properties.max.retries is fixed: the worker asks again by itself, "
                "and must not wait here; set schemaRegistry.timeoutMs"
            ),
        ),
        (
            "schemaRegistry: {secretFiles: {url: /a}}",
            "schemaRegistry.secretFiles.url has a setting of its own; set schemaRegistry.url",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_place_and_way_out(file: Path, content: str, problem: str) -> None:
    file.write_text(content)
    with pytest.raises(ConfigError) as refused:
        load(file, {})
    assert [str(found).removeprefix(f"{file}: ") for found in refused.value.problems] == [problem]


def test_every_topic_has_the_default_unless_it_is_named(file: Path) -> None:
    file.write_text(
        """
        responses: {streams: [orders-out]}
        encoding: {default: avro, topics: {orders-out: json}}
        """
    )
    encoding = load(file, {}).encoding
    assert [encoding.of(topic) for topic in ("requests", "responses", "orders-out")] == [
        "avro",
        "avro",
        "json",
    ]


def test_the_environment_names_properties_with_dots() -> None:
    config = load(
        None,
        {
            "RUNNER_SCHEMAREGISTRY__URL": "http://a:1,https://b",
            "RUNNER_SCHEMAREGISTRY__REGISTER": "false",
            "RUNNER_SCHEMAREGISTRY__TIMEOUTMS": "1500",
            "RUNNER_SCHEMAREGISTRY__PROPERTIES__SSL_CA_LOCATION": "/ca.pem",
            "RUNNER_ENCODING__TOPICS": '{"requests": "confluent-avro"}',
        },
    )
    assert config.encoding.of("requests") == "confluent-avro"
    assert not config.schema_registry.register_schema
    assert registry_settings(config) == {
        "url": "http://a:1,https://b",
        "timeout": 1.5,
        "max.retries": 0,
        "ssl.ca.location": "/ca.pem",
    }


def test_secrets_come_from_files_and_are_never_shown(file: Path, tmp_path: Path) -> None:
    (tmp_path / "user").write_text(f"runner:{SECRET}\n")
    (tmp_path / "url").write_text(f"https://me:{SECRET}@registry\n")
    file.write_text(
        f"""
        schemaRegistry:
          urlFile: {tmp_path / "url"}
          secretFiles: {{basic.auth.user.info: {tmp_path / "user"}}}
          properties: {{bearer.auth.token: {SECRET}, ssl.key.password: {SECRET}, proxy: "http://me:{SECRET}@p"}}
        """
    )
    config = load(file, {})
    settings = registry_settings(config)
    assert settings["basic.auth.user.info"] == f"runner:{SECRET}"
    assert settings["url"] == f"https://me:{SECRET}@registry"
    assert SECRET not in repr(config.describe())
    assert SECRET not in repr(config.schema_registry.url)


def test_replies_are_json_unless_their_topic_is_named() -> None:
    default = load(None, {"RUNNER_ENCODING__DEFAULT": "avro"})
    assert isinstance(build_codecs(default).of("responses"), AvroCodec)
    assert isinstance(build_codecs(default).of("replies"), JsonCodec)
    named = load(None, {"RUNNER_ENCODING__TOPICS": '{"replies": "avro"}'})
    assert isinstance(build_codecs(named).of("replies"), AvroCodec)
    assert isinstance(build_codecs(named).of("responses"), JsonCodec)
