"""How events are spelled on the topics of a site: JSON, or Avro as its own readers and writers have it.

Knows ``schemas/envelope.avsc`` and the Avro library, and nothing of the program.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

ENVELOPE: Final = json.loads((Path(__file__).parents[2] / "schemas" / "envelope.avsc").read_text())
SECTIONS: Final = ("requestMeta", "sagaMeta", "eventMeta", "payload", "result")
OTHERS: Final = "others"
SINGLE_OBJECT: Final = b"\xc3\x01" + bytes.fromhex(
    fingerprint(to_parsing_canonical_form(ENVELOPE), "CRC-64-AVRO")
)

Write = Callable[[Any], bytes]
Read = Callable[[bytes], Any]


@dataclass(frozen=True, slots=True)
class Values:
    """How the values of a topic are written and read."""

    write: Write
    read: Read


JSON: Final = Values(lambda event: json.dumps(event).encode(), json.loads)


def single_object() -> Values:
    """Values in single-object encoding, with the schema as its file has it."""
    return _avro(SINGLE_OBJECT, {SINGLE_OBJECT: ENVELOPE}, ENVELOPE)


def registered(schema_id: int, schemas: Mapping[int, Any]) -> Values:
    """Values in Confluent's wire format, written with one schema and read with any of them."""
    prefixes = {b"\x00" + number.to_bytes(4, "big"): schema for number, schema in schemas.items()}
    return _avro(b"\x00" + schema_id.to_bytes(4, "big"), prefixes, schemas[schema_id])


def turned() -> dict[str, Any]:
    """Another schema of the same events: fields in another order, one more, and texts as bytes."""
    fields = [{"name": "sender", "type": {"type": "map", "values": "long"}}]
    fields += [{"name": name, "type": ["bytes", "null"]} for name in reversed(SECTIONS)]
    fields += [{"name": OTHERS, "type": {"type": "map", "values": "string"}}]
    return {**ENVELOPE, "fields": fields}


def _avro(prefix: bytes, schemas: Mapping[bytes, Any], schema: Any) -> Values:
    parsed = {start: fastavro.parse_schema(known) for start, known in schemas.items()}
    kinds = {field["name"]: field["type"] for field in schema["fields"]}

    def write(event: Any) -> bytes:
        texts = {name: json.dumps(value) for name, value in event.items()}
        record: dict[str, Any] = {OTHERS: {n: t for n, t in texts.items() if n not in SECTIONS}}
        for name in SECTIONS:
            text = texts.get(name)
            record[name] = text.encode() if text is not None and "bytes" in kinds[name] else text
        target = BytesIO(prefix)
        target.seek(len(prefix))
        fastavro.schemaless_writer(target, parsed[prefix], {"sender": {"n": 1}, **record})
        return target.getvalue()

    def read(value: bytes) -> Any:
        start = value[: len(prefix)]
        record: Any = fastavro.schemaless_reader(BytesIO(value[len(prefix) :]), parsed[start], None)
        texts = {name: record[name] for name in SECTIONS if record[name] is not None} | record[OTHERS]
        return {name: json.loads(text) for name, text in texts.items()}

    return Values(write, read)
