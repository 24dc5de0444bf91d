"""From the configuration to the codec of every topic."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runner.cli.app import run
from runner.cli.wiring.store import describe_unreachable
from runner.clock import ManualTicker
from runner.config import Config, ConfigError, load
from runner.embedded.subprocesses import HOST, free_port
from runner.envelope.avro import AvroCodec, ConfluentCodec
from runner.envelope.codec import JsonCodec
from runner.envelope.event import NO_RULES
from runner.errors import SchemasUnavailable
from runner.exchange.event_lines import read_lines
from runner.kafka.codecs import Codecs, build_codecs
from runner.kafka.schema_registry import SchemaRegistry
from runner.kafka.topic_message import TopicMessage, described
from tests.unit.kafka.test_schema_registry import AWAY, ScriptedClient

EVENT = {"requestMeta": {"id": "r"}, "eventMeta": {"action": "StartTask"}, "payload": {"a": 1}}


def configured(**settings: str) -> Config:
    names = {f"RUNNER_{name.upper()}": value for name, value in settings.items()}
    return load(None, {"RUNNER_RESPONSES__STREAMS": '["orders-out"]', **names})


def test_every_topic_has_the_codec_that_is_configured() -> None:
    codecs = build_codecs(
        configured(
            encoding__default="avro",
            encoding__topics='{"requests": "confluent-avro", "orders-out": "json"}',
            schemaregistry__url=f"http://{HOST}:{free_port()}",
        )
    )
    kinds = [type(codecs.of(topic)) for topic in ("requests", "responses", "orders-out", "dead-letters")]
    assert kinds == [ConfluentCodec, AvroCodec, JsonCodec, JsonCodec]
    codecs.close()


def test_json_alone_needs_nothing_of_avro() -> None:
    code = "import sys; from runner.kafka.codecs import build_codecs; from runner.config import load"
    unwanted = (
        "[name for name in sys.modules if name.split('.')[0] in {'fastavro', 'httpx2', 'httpx', 'authlib'}]"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; build_codecs(load(None, {{}})); print({unwanted})"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_a_client_that_is_not_installed_is_named_with_the_command_that_installs_it(tmp_path: Path) -> None:
    file = tmp_path / "runner.yaml"
    file.write_text("{encoding: {default: confluent-avro}, schemaRegistry: {url: 'http://a'}}")
    # What the import finds where the extra is not installed.
    code = "import sys; sys.modules['authlib'] = None; from runner.cli import app; "
    code += f"sys.exit(app.run(['config', 'check', '-c', {str(file)!r}]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert f"{file}: encoding has confluent-avro, whose client is not installed" in done.stderr
    assert "pip install 'saga-task-runner[registry]'" in done.stderr


@pytest.mark.parametrize(
    "properties",
    ['{"strange": "1"}', '{"ssl.ca.location": "/nowhere"}', '{"basic.auth.user.info": "nocolon"}'],
)
def test_properties_that_the_client_refuses_are_a_problem_of_the_configuration(
    properties: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "runner.yaml"
    settings = {"url": "http://a", "properties": json.loads(properties)}
    file.write_text(json.dumps({"encoding": {"default": "confluent-avro"}, "schemaRegistry": settings}))
    assert run(["config", "check", "-c", str(file)]) == 3
    assert "schemaRegistry.properties are refused by the registry's client" in capsys.readouterr().err
    with pytest.raises(ConfigError):
        build_codecs(load(file, {}))


def registered(client: ScriptedClient) -> Codecs:
    registry = SchemaRegistry(client, ManualTicker(), register=True)
    return Codecs({"requests": ConfluentCodec(registry, "requests-value")}, JsonCodec(), registry)


def test_a_worker_learns_all_it_needs_at_its_start_however_often_it_has_to_ask() -> None:
    client = ScriptedClient()
    codecs = registered(client)
    client.error = AWAY
    with pytest.raises(SchemasUnavailable) as away:
        codecs.prepare()
    assert describe_unreachable(away.value, Config()).endswith(
        "check schemaRegistry.url, or start the registry"
    )
    client.error = None
    codecs.prepare()
    client.error = AWAY
    assert codecs.of("requests").encode(EVENT).startswith(b"\x00\x00\x00\x00\x05")
    codecs.ping()
    with pytest.raises(SchemasUnavailable):
        codecs.of("requests").to_json(b"\x00\x00\x00\x00\x09")
    with pytest.raises(SchemasUnavailable):
        codecs.ping()
    codecs.close()
    assert client.closed


def test_a_line_is_sent_in_the_encoding_of_requests_and_seen_in_that_of_its_topic() -> None:
    codec = AvroCodec()
    [line], bad = read_lines([json.dumps(EVENT).encode()], NO_RULES, 1000, codec)
    assert not bad
    assert json.loads(codec.to_json(line.value)) == EVENT
    seen = TopicMessage("requests", 0, 0, None, "r", {}, line.value, codec=codec)
    assert seen.event() == EVENT
    assert described(seen)["event"] == EVENT
    odd = TopicMessage("requests", 0, 0, None, "r", {}, b'{"a":1}', codec=codec)
    assert odd.event() is None
    assert described(odd)["value"] == '{"a":1}'


def test_the_size_of_a_line_is_that_of_what_is_sent() -> None:
    codec = AvroCodec()
    size = len(codec.encode(EVENT))
    line = json.dumps(EVENT, separators=(",", ":")).encode()
    assert not read_lines([line], NO_RULES, size, codec)[1]
    assert f"it has {size} bytes" in read_lines([line], NO_RULES, size - 1, codec)[1][0].reason
