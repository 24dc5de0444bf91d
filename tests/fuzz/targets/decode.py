"""Any bytes as a message: read as an event, or refused with a documented reason; nothing is lost of it.

encoding, number of headers, headers, value (the prefix of the encoding may be given)
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from runner.actions.incoming import HOPS, ORIGIN, PERIOD, TIME, TIMER, Headers
from runner.envelope.avro import MAGIC, MARKER, AvroCodec, ConfluentCodec
from runner.envelope.codec import Codec, JsonCodec, Sections
from runner.envelope.event import NO_RULES, Event, MetaRules
from runner.envelope.writer_schema import WriterSchema, accept, own_fingerprint, own_schema
from runner.errors import EventError, PoisonError
from runner.kafka.message import Message
from runner.worker.decoder import decode_message
from runner.worker.processing_settings import ProcessingSettings
from tests.fuzz.documented import check_poison, check_refusal
from tests.fuzz.draw import Draw
from tests.fuzz.target import Target
from tests.unit.actions.events import NOW, POLICY, envelope

JSON: Final = JsonCodec()
OUR_ID: Final = 1
OTHERS: Final[dict[int, Any]] = {
    2: {"type": "record", "name": "Bare", "fields": []},
    3: {
        "type": "record",
        "name": "saga.task.Envelope",
        "fields": [
            {"name": "more", "type": {"type": "array", "items": ["null", "long", "string"]}},
            {"name": "payload", "type": "string"},
            {"name": "eventMeta", "type": ["string", "null"]},
            {"name": "requestMeta", "type": "bytes"},
            {"name": "others", "type": {"type": "map", "values": "bytes"}},
            {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
        ],
    },
    4: {
        "type": "record",
        "name": "Envelope",
        "fields": [
            {"name": "result", "type": ["null", {"type": "fixed", "name": "Two", "size": 2}]},
            {"name": "others", "type": {"type": "map", "values": ["double", "string"]}},
        ],
    },
}


class Registry:
    """Our schema, and some of others."""

    def __init__(self) -> None:
        self._schemas = {OUR_ID: own_schema()} | {n: accept(json.dumps(s)) for n, s in OTHERS.items()}

    def writer(self, schema_id: int) -> WriterSchema:
        if schema_id not in self._schemas:
            raise PoisonError("UNKNOWN_SCHEMA", f"the registry has no schema with id {schema_id}")
        return self._schemas[schema_id]

    def own_id(self, subject: str) -> int:  # noqa: ARG002 - as the registry has it
        return OUR_ID


AVRO: Final = AvroCodec()
CONFLUENT: Final = ConfluentCodec(Registry(), "requests-value")
CODECS: Final[tuple[Codec, ...]] = (JSON, AVRO, CONFLUENT)
RULES: Final = MetaRules(
    {"domain": "orders"}, {"handler": "user-task"}, {"timeout": 5}, {"taskRoles": "manager"}
)
WAYS: Final[tuple[tuple[Codec, bytes, MetaRules], ...]] = (
    (JSON, b"", NO_RULES),
    (AVRO, MARKER + own_fingerprint(), NO_RULES),
    (CONFLUENT, MAGIC + OUR_ID.to_bytes(4, "big"), NO_RULES),
    (AVRO, b"", NO_RULES),
    (CONFLUENT, b"", NO_RULES),
    (JSON, b"", RULES),
    *((CONFLUENT, MAGIC + number.to_bytes(4, "big"), NO_RULES) for number in OTHERS),
)
NAMES: Final = (TIMER, PERIOD, ORIGIN, HOPS, TIME, "traceparent", "tracestate", "other")


def check(data: bytes) -> None:
    """Read a message as a worker does; look at everything in its event; write it in every encoding."""
    draw = Draw(data)
    codec, prefix, rules = draw.of(WAYS)
    headers: Headers = tuple((draw.of(NAMES), draw.some(40)) for _ in range(draw.number(4)))
    value = prefix + draw.rest()
    terms = ProcessingSettings(POLICY, codec, rules, incarnation=1, poison_limit=0)
    item = decode_message(Message(0, 5, b"key", value, headers, timestamp_ms=NOW), terms)
    if item.poison is not None:
        check_poison(item.poison)
        return
    sections = JSON.decode(codec.to_json(value))
    for other in CODECS:
        again = JSON.decode(other.to_json(other.encode(sections)))
        assert texts(again) == texts(sections), type(other).__name__
    if item.plan is not None:
        look_at(item.plan.incoming.event)


def texts(sections: Sections) -> dict[str, bytes]:
    """The sections as they are written."""
    return {name: bytes(value) for name, value in sections.items()}


def look_at(event: Event) -> None:
    """Read all that an action may read of an event."""
    assert event.request_id
    for read in (
        lambda: event.payload,
        lambda: event.result,
        lambda: event.parameters,
        lambda: event.saga_id,
        lambda: event.step_id,
        lambda: event.text("domain"),
        event.whole,
        event.identity,
    ):
        try:
            read()
        except EventError as error:
            check_refusal(error)
    answered = msgspec.json.encode(event.answered({"status": "FAIL"}))
    assert set(JSON.decode(answered)) == set(event.sections) | {"result"}


def seeds() -> Iterable[bytes]:
    """An event in every encoding, and what is nearly one."""
    start = envelope("StartTask", payload={"taskId": "t", "ünknown": [1.5, {}]}, timeout="60000")
    start["other"] = {"deep": [[[None]]]}
    sections = JSON.decode(json.dumps(start).encode())
    text = JSON.encode(sections)
    avro = AVRO.encode(sections)[10:]
    yield b"\x00\x00" + text
    yield b"\x05\x00" + text
    yield b"\x01\x00" + avro
    yield b"\x02\x00" + avro
    yield b"\x03\x00" + AVRO.encode(sections)
    yield b"\x04\x00" + CONFLUENT.encode(sections)
    yield b"\x07\x00" + b"\x00" + b"\x04{}" + b"\x00\x1a" + b'{"action":1}' + b"\x02" * 9
    yield b"\x00\x01\x00\x091/0@1;5;0" + text.replace(b"StartTask", b"TimeoutTask")
    yield b"\x00\x01\x01\x24" + b'{"to_ms":1,"cursor":"","requested":2}'[:36] + text
    for spoilt in (
        b'"\\ud800"',
        b"1" * 400,
        b"[" * 300 + b"]" * 300,
        b"[" * 3000,
        b"1e999",
        b'"\xff"',
        b"NaN",
    ):
        yield b"\x00\x00" + text.replace(b'"60000"', spoilt)
        yield b"\x00\x00" + text.replace(b"[[[null]]]", spoilt)


WORDS: Final = """
    requestMeta eventMeta sagaMeta payload result parameters "id": "action": deployments handler
    StartTask ProceedTask TimeoutTask TimeoutBetween \\ud800
"""
TARGET: Final = Target(
    "decode",
    "any bytes and headers as a message, in every encoding",
    check,
    seeds,
    WORDS,
)
