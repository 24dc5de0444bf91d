"""The schema registry: asked once, believed for as long as it is true, and never waited for too long."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryError

from runner.clock import ManualTicker
from runner.embedded.subprocesses import HOST, free_port
from runner.envelope import avro_schema
from runner.envelope.avro import ConfluentCodec
from runner.envelope.codec import JsonCodec
from runner.errors import FatalError, PoisonError, SchemasUnavailable
from runner.kafka import schema_registry
from runner.kafka.schema_registry import (
    MAX_KEPT,
    PATIENCE_SECONDS,
    UNKNOWN_SECONDS,
    Client,
    SchemaRegistry,
    connect,
)

SUBJECT: Final = "requests-value"
JSON: Final = JsonCodec()
AWAY: Final = ConnectionRefusedError("connection refused")
UNTRUSTED: Final = ConnectionError("certificate verify failed")
UNTRUSTED.__cause__ = ssl.SSLCertVerificationError("certificate verify failed")


class ScriptedClient:
    """Answers as it is told, and counts what it is asked."""

    def __init__(self, ticker: ManualTicker | None = None, takes_seconds: float = 0.0) -> None:
        self._ticker = ticker
        self._takes_seconds = takes_seconds
        self.schemas: dict[int, Any] = {}
        self.error: Exception | None = None
        self.asked: list[int | str] = []
        self.closed = False

    def get_schema(self, schema_id: int) -> Any:
        self._called(schema_id)
        if schema_id not in self.schemas:
            raise SchemaRegistryError(404, 40403, "Schema not found")
        return self.schemas[schema_id]

    def register_schema(self, subject_name: str, schema: Any) -> int:
        assert json.loads(schema.schema_str) == avro_schema.SCHEMA
        self._called(subject_name)
        return 5

    def lookup_schema(self, subject_name: str, schema: Any) -> Any:
        assert json.loads(schema.schema_str) == avro_schema.SCHEMA
        self._called(subject_name)
        raise SchemaRegistryError(404, 40403, "Schema not found")

    def close(self) -> None:
        self.closed = True

    def _called(self, what: int | str) -> None:
        self.asked.append(what)
        if self._ticker is not None:
            self._ticker.advance(self._takes_seconds)
        if self.error is not None:
            raise self.error


def ours() -> Schema:
    return Schema(avro_schema.text(), "AVRO")


def registry(client: Client, ticker: ManualTicker | None = None, *, register: bool = True) -> SchemaRegistry:
    return SchemaRegistry(client, ticker or ManualTicker(), register=register)


def reason(ask: Callable[[], object]) -> str:
    with pytest.raises(PoisonError) as poison:
        ask()
    return poison.value.reason


@pytest.fixture
def mock() -> Iterator[Client]:
    """The client's own registry in memory."""
    client = connect({"url": "mock://here"})
    yield client
    client.close()


def test_a_registry_gives_our_schema_an_id_and_reads_with_it(mock: Client) -> None:
    schemas = registry(mock)
    codec = ConfluentCodec(schemas, SUBJECT)
    codec.prepare()
    value = codec.encode({"requestMeta": {"id": "r"}, "more": [1]})

    assert value[:5] == b"\x00" + mock.register_schema(SUBJECT, ours()).to_bytes(4, "big")
    other = ConfluentCodec(schemas, "other")
    assert json.loads(other.to_json(value)) == {"requestMeta": {"id": "r"}, "more": [1]}


def test_without_registering_our_schema_must_be_there(mock: Client) -> None:
    schemas = registry(mock, register=False)
    with pytest.raises(FatalError, match=r"envelope\.avsc there, or set schemaRegistry\.register"):
        schemas.own_id(SUBJECT)
    number = mock.register_schema(SUBJECT, ours())
    assert schemas.own_id(SUBJECT) == number


def test_an_unknown_id_is_poison_for_a_while_and_then_asked_for_again() -> None:
    ticker, client = ManualTicker(), ScriptedClient()
    schemas = registry(client, ticker)
    for _ in range(3):
        assert reason(lambda: schemas.writer(9)) == "UNKNOWN_SCHEMA"
    assert client.asked == [9]
    client.schemas[9] = ours()
    ticker.advance(UNKNOWN_SECONDS)
    assert schemas.writer(9).is_ours


def test_a_schema_is_asked_for_once() -> None:
    client = ScriptedClient()
    client.schemas[9] = ours()
    schemas = registry(client)
    assert schemas.writer(9) is schemas.writer(9)
    assert client.asked == [9]


@pytest.mark.parametrize(
    "schema",
    [
        Schema('{"type": "object"}', "JSON"),
        Schema("syntax = 'proto3';", "PROTOBUF"),
        Schema("{", "AVRO"),
        Schema(None, "AVRO"),
        Schema(avro_schema.text(), "AVRO", [SchemaReference("a", "b", 1)]),
        Schema('{"type": "array", "items": "null"}', "AVRO"),
    ],
)
def test_a_schema_that_cannot_be_read_with_is_poison_for_good(schema: Schema) -> None:
    ticker, client = ManualTicker(), ScriptedClient()
    client.schemas[9] = schema
    schemas = registry(client, ticker)
    for _ in range(2):
        assert reason(lambda: schemas.writer(9)) == "SCHEMA_MISMATCH"
        ticker.advance(1000)
    assert client.asked == [9]


@pytest.mark.parametrize(
    "error",
    [
        AWAY,
        TimeoutError("slow"),
        SchemaRegistryError(500, 50001, "store"),
        SchemaRegistryError(503, -1, "no leader"),
        SchemaRegistryError(401, 40101, "who?"),
        SchemaRegistryError(403, 40301, "no"),
        SchemaRegistryError(429, 42901, "slowly"),
        SchemaRegistryError(404, -1, "<html>no such page at this proxy</html>"),
        KeyError("schema"),
        ValueError("no JSON"),
    ],
    ids=repr,
)
def test_what_is_no_answer_is_waited_for_and_never_poison(error: Exception) -> None:
    client = ScriptedClient()
    schemas = registry(client)
    client.error = error
    for ask in (lambda: schemas.writer(9), schemas.ping, schemas.ping):
        with pytest.raises(SchemasUnavailable, match="no schema 9"):
            ask()
    client.error = None
    client.schemas[9] = ours()
    schemas.ping()
    assert schemas.writer(9).is_ours
    assert client.asked == [9] * 4
    schemas.ping()
    assert len(client.asked) == 4


def test_a_slow_registry_is_given_up_in_time_and_the_next_try_gets_further() -> None:
    ticker = ManualTicker()
    client = ScriptedClient(ticker, takes_seconds=1.5)
    schemas = registry(client, ticker)
    tries = 0
    while True:
        tries += 1
        began = ticker()
        try:
            for number in range(100):
                assert reason(lambda number=number: schemas.writer(number)) == "UNKNOWN_SCHEMA"  # type: ignore[misc]
            break
        except SchemasUnavailable:
            assert PATIENCE_SECONDS < ticker() - began <= PATIENCE_SECONDS + 1.5
        assert tries < 40
    assert tries > 5


def test_what_is_remembered_is_bounded() -> None:
    client = ScriptedClient()
    schemas = registry(client)
    for number in range(MAX_KEPT + 10):
        reason(lambda number=number: schemas.writer(number))  # type: ignore[misc]
    assert len(schemas._kept) == MAX_KEPT


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (AWAY, SchemasUnavailable, "connection refused"),
        (SchemaRegistryError(500, 50001, "store"), SchemasUnavailable, "store"),
        (SchemaRegistryError(401, 40101, "who?"), FatalError, r"schemaRegistry\.properties"),
        (
            SchemaRegistryError(409, 409, "incompatible"),
            FatalError,
            r"compatible with schemas/envelope\.avsc",
        ),
        (SchemaRegistryError(404, -1, "no page"), FatalError, r"check schemaRegistry\.url"),
        (UNTRUSTED, FatalError, r"certificate is refused.*schemaRegistry\.properties"),
    ],
    ids=repr,
)
def test_our_schema_is_refused_or_waited_for(error: Exception, kind: type[Exception], words: str) -> None:
    client = ScriptedClient()
    client.error = error
    with pytest.raises(kind, match=words):
        registry(client).own_id(SUBJECT)


def test_our_own_schema_needs_no_answer_once_its_id_is_known() -> None:
    client = ScriptedClient()
    codec = ConfluentCodec(registry(client), SUBJECT)
    codec.prepare()
    client.error = AWAY
    assert JSON.decode(codec.to_json(codec.encode({"a": 1})))
    assert client.asked == [SUBJECT]


def test_closing_closes_the_client() -> None:
    client = ScriptedClient()
    registry(client).close()
    assert client.closed


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "mock://a", "strange": "1"},
        {"url": "http://a", "ssl.ca.location": "/nowhere"},
        {"url": "ftp://a"},
    ],
)
def test_settings_that_the_client_refuses_are_said(settings: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, OSError)):
        schema_registry.connect(settings)


def test_a_registry_that_is_not_there_is_noticed_at_once() -> None:
    schemas = registry(connect({"url": f"http://{HOST}:{free_port()}", "timeout": 1.0, "max.retries": 0}))
    with pytest.raises(SchemasUnavailable, match="no schema 3"):
        schemas.writer(3)
    with pytest.raises(SchemasUnavailable):
        schemas.own_id(SUBJECT)
    schemas.close()
