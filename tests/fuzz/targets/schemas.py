"""Any text as a writer's schema, and any bytes as a message written with it.

schema, a byte 0, message
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from io import BytesIO
from typing import Any, Final

import fastavro

from runner.envelope.avro import ConfluentCodec
from runner.envelope.avro_schema import SCHEMA
from runner.envelope.codec import JsonCodec
from runner.envelope.writer_schema import WriterSchema, accept
from runner.errors import PoisonError
from tests.fuzz.documented import check_poison
from tests.fuzz.target import MAX_BYTES, Target
from tests.fuzz.targets.decode import OTHERS
from tests.unit.test_writer_schema import REFUSED

JSON: Final = JsonCodec()
_PREFIX: Final = b"\x00\x00\x00\x00\x02"


class OneSchema:
    """A registry that knows one schema, and not ours."""

    def __init__(self, schema: WriterSchema) -> None:
        self._schema = schema

    def writer(self, schema_id: int) -> WriterSchema:
        assert schema_id == 2
        return self._schema

    def own_id(self, subject: str) -> int:
        raise AssertionError(f"nobody asked for {subject}")


def check(data: bytes) -> None:
    """Accept the schema and read the message, or say why not."""
    text, _, body = data.partition(b"\x00")
    try:
        schema = accept(text.decode("utf-8", "replace"))
        JSON.decode(ConfluentCodec(OneSchema(schema), "requests-value").to_json(_PREFIX + body))
    except PoisonError as error:
        check_poison(error)


def seeds() -> Iterable[bytes]:
    """Ours, those of others, and those that are refused; each with a message where there can be one."""
    for schema, record in WRITTEN:
        text = json.dumps(schema).encode()
        yield text + b"\x00" + b"\x02\x04{}\x00" * 3
        yield text + b"\x00" + written(schema, record)
    for name in ("boolean", "int", "long", "float", "double", "bytes", "string", "null"):
        yield json.dumps([name, {"type": "map", "values": name}]).encode() + b"\x00\x02\x02\x02a\x00"
    yield from (text.encode() for text in REFUSED.values() if len(text) < MAX_BYTES)


SECTIONS: Final = {"requestMeta": '{"id":"r"}', "eventMeta": '{"action":"x"}', "payload": "{}"}
LOGICAL: Final = [
    *("null", {"type": "long", "logicalType": "timestamp-millis"}, {"type": "int", "logicalType": "date"}),
    {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2},
    {"type": "string", "logicalType": "uuid"},
]
WRITTEN: Final[tuple[tuple[dict[str, Any], dict[str, Any]], ...]] = (
    (SCHEMA, {**SECTIONS, "others": {"o": "1"}}),
    (OTHERS[2], {}),
    (
        OTHERS[3],
        {**SECTIONS, "requestMeta": b"{}", "more": [None, 1, "x"], "others": {"o": b"1"}, "kind": "B"},
    ),
    (OTHERS[4], {"result": b"{}", "others": {"o": "1", "p": 1.5}}),
    ({"type": "record", "name": "E", "fields": [{"name": "payload", "type": LOGICAL}]}, {"payload": None}),
)


def written(schema: dict[str, Any], record: dict[str, Any]) -> bytes:
    """A message that was written with a schema."""
    target = BytesIO()
    fastavro.schemaless_writer(target, schema, record)
    return target.getvalue()


WORDS: Final = """
    {"type": "record" "name": "fields":[ "array" "items": "map" "values": "enum" "symbols": "fixed" "size":
    "namespace": "aliases": "default": "null" "string" "bytes" "long" "double" "error" "others" "payload"
    "logicalType": "decimal" "precision": "scale": "uuid" "timestamp-micros" "time-millis"
"""
TARGET: Final = Target(
    "schemas",
    "any text as a writer's schema of Avro, any bytes written with it",
    check,
    seeds,
    WORDS,
)
