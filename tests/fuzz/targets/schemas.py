"""Any text as a writer's schema, and any bytes as a message written with it.

how the schema is given; the schema, as text and a byte 0 or as choices; then the message
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
from tests.fuzz.draw import Draw
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
    text, body = given(Draw(data))
    try:
        schema = accept(text)
        JSON.decode(ConfluentCodec(OneSchema(schema), "requests-value").to_json(_PREFIX + body))
    except PoisonError as error:
        check_poison(error)


def given(draw: Draw) -> tuple[str, bytes]:
    """The schema as text, and the message."""
    if draw.number(2):
        return json.dumps(envelope(draw)), draw.rest()
    text, _, body = draw.rest().partition(b"\x00")
    return text.decode("utf-8", "replace"), body


def envelope(draw: Draw) -> dict[str, Any]:
    """A record with sections of any type."""
    fields = [
        {"name": draw.of(FIELDS), "type": drawn_type(draw, LEVELS), **draw.of(EXTRAS)}
        for _ in range(draw.number(6))
    ]
    return {"type": "record", "name": draw.of(("Envelope", "saga.task.Envelope", "E")), "fields": fields}


def drawn_type(draw: Draw, levels: int) -> Any:
    """Any type, also a name that nothing has, or one that two have."""
    kind = draw.number(7 if levels else 3)
    if kind < 3:
        return draw.of((PRIMITIVES, LOGICAL, NAMED)[kind])
    match kind:
        case 3:
            return {"type": "array", "items": drawn_type(draw, levels - 1)}
        case 4:
            return {"type": "map", "values": drawn_type(draw, levels - 1)}
        case 5:
            return [drawn_type(draw, levels - 1) for _ in range(draw.number(4))]
        case _:
            types = [drawn_type(draw, levels - 1) for _ in range(draw.number(4))]
            fields = [{"name": f"f{number}", "type": kind} for number, kind in enumerate(types)]
            return {"type": "record", "name": draw.of(("R", "S", "E")), "fields": fields}


LEVELS: Final = 4
FIELDS: Final = ("payload", "eventMeta", "requestMeta", "others", "result", "more")
EXTRAS: Final[tuple[dict[str, Any], ...]] = ({}, {"default": None}, {"aliases": ["payload"]}, {"doc": "x"})
PRIMITIVES: Final[tuple[Any, ...]] = (
    *("null", "boolean", "int", "long", "float", "double", "bytes", "string"),
    {"type": "string"},
)
LOGICAL: Final[tuple[Any, ...]] = (
    {"type": "string", "logicalType": "uuid"},
    {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2},
    {"type": "int", "logicalType": "date"},
    {"type": "int", "logicalType": "time-millis"},
    {"type": "long", "logicalType": "time-micros"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "local-timestamp-micros"},
)
NAMED: Final[tuple[Any, ...]] = (
    {"type": "enum", "name": "N", "symbols": ["A", "B"], "default": "A"},
    {"type": "fixed", "name": "F", "size": 2},
    {"type": "fixed", "name": "D", "size": 3, "logicalType": "decimal", "precision": 5, "scale": 1},
    {"type": "fixed", "name": "P", "size": 12, "logicalType": "duration"},
    *("R", "S", "N", "F", "Envelope"),
)
SECTIONS: Final = {"requestMeta": '{"id":"r"}', "eventMeta": '{"action":"x"}', "payload": "{}"}
WRITTEN: Final[tuple[tuple[dict[str, Any], dict[str, Any]], ...]] = (
    (SCHEMA, {**SECTIONS, "others": {"o": "1"}}),
    (OTHERS[2], {}),
    (
        OTHERS[3],
        {**SECTIONS, "requestMeta": b"{}", "more": [None, 1, "x"], "others": {"o": b"1"}, "kind": "B"},
    ),
    (OTHERS[4], {"result": b"{}", "others": {"o": "1", "p": 1.5}}),
)


def seeds() -> Iterable[bytes]:
    """Ours, those of others, those that are refused, and a section of every type; with a message each."""
    for schema, record in WRITTEN:
        text = json.dumps(schema).encode()
        yield b"\x00" + text + b"\x00" + b"\x02\x04{}\x00" * 3
        yield b"\x00" + text + b"\x00" + written(schema, record)
    yield from (b"\x00" + text.encode() for text in REFUSED.values() if len(text) < MAX_BYTES)
    for field in range(len(FIELDS)):
        for number in range(len(PRIMITIVES)):
            yield bytes([1, 1, field, 0, number, 0, 0]) + b"\x04{}\x00\x00\x00\x00\x00\x00"
            yield bytes([1, 1, field, 3 + number % 2, 0, number, 0, 0]) + b"\x02\x02\x30\x00\x00"
            yield bytes([1, 1, field, 5, 2, 0, 0, 0, number, 0, 0]) + b"\x02\x04{}\x00\x00\x00\x00\x00\x00"
        for number in range(len(LOGICAL)):
            yield bytes([1, 1, field, 1, number, 0, 0]) + b"\x04{}\x00"
        for number in range(len(NAMED)):
            yield bytes([1, 1, field, 2, number, 0, 0]) + b"{}" * 6
    yield bytes([1, 1, 5, 6, 2, 0, 2, 2, 4, 0, 0]) + b"\x02"


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
