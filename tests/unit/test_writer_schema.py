"""A schema of others may cost no more than its bytes: what would fill time, memory or stack is refused."""

from __future__ import annotations

import json
import random
import time
import tracemalloc
from contextlib import suppress
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.envelope.avro import AvroCodec, ConfluentCodec
from runner.envelope.avro_schema import SCHEMA
from runner.envelope.codec import Codec, JsonCodec
from runner.envelope.writer_schema import MAX_CHARACTERS, WriterSchema, accept, own_fingerprint, own_schema
from runner.errors import PoisonError

JSON: Final = JsonCodec()
HEAVY_BYTES: Final = 1_000_000


def record(name: str, *types: Any) -> dict[str, Any]:
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": f"f{n}", "type": t} for n, t in enumerate(types)],
    }


def doubling(levels: int) -> dict[str, Any]:
    """Records that each hold the one before twice: 2 to the power of ``levels`` fields without a byte."""
    inner: Any = record("R0", "null")
    for level in range(1, levels):
        inner = record(f"R{level}", inner, f"R{level - 1}")
    return record("Envelope", inner)


def deep(levels: int) -> Any:
    inner: Any = "string"
    for _ in range(levels):
        inner = {"type": "array", "items": inner}
    return record("Envelope", inner)


REFUSED: Final = {
    "no JSON": "{",
    "JSON that is nothing": "3",
    "an unknown type": '"strange"',
    "a record without fields": '{"type": "record", "name": "Envelope"}',
    "a record without a name": '{"type": "record", "fields": []}',
    "a name that is none": '{"type": "record", "name": 3, "fields": []}',
    "an array of nulls": json.dumps(record("Envelope", {"type": "array", "items": "null"})),
    "an array of empty records": json.dumps(record("Envelope", {"type": "array", "items": record("E")})),
    "an array of nothing": json.dumps(
        record("Envelope", {"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}})
    ),
    "an array of something negative": json.dumps(
        record("Envelope", {"type": "array", "items": {"type": "fixed", "name": "F", "size": -9}})
    ),
    "items that cost more than their bytes": json.dumps(
        record("Envelope", {"type": "array", "items": record("E", "int", *["null"] * 100)})
    ),
    "a record in itself": json.dumps(record("Envelope", ["null", "Envelope"])),
    "a record in itself by a map": json.dumps(record("Envelope", {"type": "map", "values": "Envelope"})),
    "doubling": json.dumps(doubling(40)),
    "depth": json.dumps(deep(500)),
    "more depth": '{"type":"array","items":' * 5000 + '"int"' + "}" * 5000,
    "length": json.dumps(record("Envelope", *["string"] * (MAX_CHARACTERS // 20))),
    "a field of an unknown type": json.dumps(record("Envelope", "strange")),
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_a_schema_that_is_none_or_too_much_is_refused_at_once(text: str) -> None:
    began = time.thread_time()
    with pytest.raises(PoisonError) as poison:
        accept(text)
    assert poison.value.reason == "SCHEMA_MISMATCH"
    assert 0 < len(str(poison.value)) < 400
    assert time.thread_time() - began < 1


ACCEPTED: Final[tuple[Any, ...]] = (
    SCHEMA,
    record("Envelope"),
    record("Envelope", "null", ["null", "string", "long"], {"type": "enum", "name": "E", "symbols": ["A"]}),
    record("Envelope", record("Inner", "double", {"type": "map", "values": "bytes"}), "Inner"),
    record("Envelope", {"type": "array", "items": {"type": "array", "items": record("E", "int", "string")}}),
    record(
        "Envelope",
        {"type": "string", "logicalType": "uuid"},
        {"type": "long", "logicalType": "timestamp-millis"},
    ),
    {
        "type": "record",
        "name": "a.b.Envelope",
        "fields": [
            {"name": "f", "type": {"type": "fixed", "name": "F", "size": 4}},
            {"name": "g", "type": "a.b.F"},
        ],
    },
)


@pytest.mark.parametrize("schema", ACCEPTED, ids=range(len(ACCEPTED)))
def test_what_people_write_is_accepted(schema: Any) -> None:
    assert accept(json.dumps(schema)).is_ours == (schema is SCHEMA)


def test_only_what_reads_the_same_bytes_counts_as_ours() -> None:
    for change in ({"doc": "other"}, {"aliases": ["Event"]}):
        assert accept(json.dumps({**SCHEMA, **change})).is_ours
    turned = {**SCHEMA, "fields": SCHEMA["fields"][::-1]}
    assert not accept(json.dumps(turned)).is_ours


# -- hostile bytes -----------------------------------------------------------------------------------


class OneSchema:
    """A registry with one schema under every id."""

    def __init__(self, schema: WriterSchema) -> None:
        self._schema = schema

    def writer(self, schema_id: int) -> WriterSchema:
        del schema_id
        return self._schema

    def own_id(self, subject: str) -> int:
        raise NotImplementedError


def zigzag(number: int) -> bytes:
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


HUGE: Final = 2**62
BODIES: Final = {
    "a text of four exabytes": b"\x02" + zigzag(HUGE) + b"x",
    "a text of minus one byte": b"\x02" + zigzag(-1) + b"x" * 100,
    "a text of the smallest number": b"\x02" + zigzag(-(2**63)) + b"x",
    "a branch that is none": b"\x04",
    "a branch before the first": b"\x01" * 6,
    "a branch far away": zigzag(HUGE),
    "a map of four exa-entries": b"\x00" * 5 + zigzag(HUGE),
    "a map of minus four exa-entries": b"\x00" * 5 + zigzag(-HUGE) + zigzag(5),
    "a map of empty blocks": b"\x00" * 5 + (zigzag(-1) + zigzag(0) + b"\x00\x00") * 1000,
    "a number without end": b"\xff" * 1000,
    "nothing but zeros": b"\x00" * 1000,
    "a heavy map": b"\x00" * 5 + zigzag(200_000) + b"\x00\x00" * 200_000,
}
OUR_PREFIX: Final = b"\xc3\x01" + own_fingerprint()


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_hostile_bytes_cost_an_error_and_no_more(body: bytes) -> None:
    for codec, prefix in (
        (AvroCodec(), OUR_PREFIX),
        (ConfluentCodec(OneSchema(own_schema()), "s"), b"\x00" * 5),
        (ConfluentCodec(OneSchema(WriterSchema(own_schema().parsed, is_ours=False)), "s"), b"\x00" * 5),
    ):
        assert_is_poison_soon(codec, prefix + body)


def assert_is_poison_soon(codec: Codec, value: bytes) -> None:
    # Of the processor, and without the tracing, which takes several times as much: others may be busy.
    began = time.thread_time()
    with pytest.raises(PoisonError):
        JSON.decode(codec.to_json(value))
    seconds = time.thread_time() - began
    tracemalloc.start()
    try:
        with pytest.raises(PoisonError):
            JSON.decode(codec.to_json(value))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seconds < 5
    assert peak < 100 * len(value) + 1_000_000


@pytest.mark.parametrize("schema", ACCEPTED[1:], ids=range(len(ACCEPTED) - 1))
def test_the_heaviest_message_of_an_accepted_schema_is_bounded(schema: Any) -> None:
    codec = ConfluentCodec(OneSchema(accept(json.dumps(schema))), "s")
    for filling in (b"\x00", b"\x02", b"\x01", b"\x7f", b"\xff", b"\x02\x00", b"\xfe\xff\xff\xff\x0f"):
        began = time.thread_time()
        with pytest.raises(PoisonError):
            JSON.decode(codec.to_json(b"\x00" * 5 + filling * (HEAVY_BYTES // len(filling))))
        assert time.thread_time() - began < 5


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}, b"\x02\x01"),
        ({"type": "string", "logicalType": "uuid"}, b"\x48" + b"8c884321-f740-7e13-15c8-f5628c884321"),
    ],
    ids=["decimal", "uuid"],
)
def test_a_section_that_is_no_text_is_poison(kind: Any, body: bytes) -> None:
    schema = {"type": "record", "name": "Envelope", "fields": [{"name": "payload", "type": kind}]}
    codec = ConfluentCodec(OneSchema(accept(json.dumps(schema))), "s")
    with pytest.raises(PoisonError, match="payload") as poison:
        codec.to_json(b"\x00" * 5 + body)
    assert poison.value.reason == "SCHEMA_MISMATCH"


UNREAD: Final = (
    "boolean",
    "float",
    "double",
    {"type": "fixed", "name": "F", "size": 4},
    record("E", "float"),
)


@pytest.mark.parametrize("kind", UNREAD, ids=str)
@pytest.mark.parametrize("container", ["array", "map"])
def test_what_is_not_read_cannot_be_longer_than_the_message(kind: Any, container: str) -> None:
    listed = {"type": container, "items" if container == "array" else "values": kind}
    codec = ConfluentCodec(OneSchema(accept(json.dumps(record("Envelope", listed)))), "s")
    items = (b"" if container == "array" else b"\x02a") + b"\x00" * 8
    for count in (HUGE, 2**30, 2**24):
        for filling in (b"", items, items * 20):
            assert_is_poison_soon(codec, b"\x00" * 5 + zigzag(count) + filling)
            assert_is_poison_soon(codec, b"\x00" * 5 + zigzag(-count) + zigzag(5) + filling)


def test_what_is_not_read_and_whole_is_passed_over() -> None:
    listed = {"type": "array", "items": "float"}
    schema = {
        "type": "record",
        "name": "Envelope",
        "fields": [{"name": "more", "type": listed}, {"name": "payload", "type": "string"}],
    }
    codec = ConfluentCodec(OneSchema(accept(json.dumps(schema))), "s")
    value = b"\x00" * 5 + zigzag(2) + b"\x00" * 8 + b"\x00" + zigzag(2) + b"{}"
    assert codec.to_json(value) == b'{"payload":{}}'


@settings(max_examples=300)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_an_envelope_or_poison(body: bytes, is_ours: bool) -> None:
    codec = ConfluentCodec(OneSchema(WriterSchema(own_schema().parsed, is_ours)), "s")
    with suppress(PoisonError):
        assert isinstance(JSON.decode(codec.to_json(b"\x00" * 5 + body)), dict)


def test_a_message_with_changed_bytes_is_an_envelope_or_poison() -> None:
    chance = random.Random(7)
    codec = AvroCodec()
    whole = codec.encode({"requestMeta": {"id": "r"}, "payload": {"a": [1, 2]}, "x": 1})
    for _ in range(20_000):
        value = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            value[chance.randrange(10, len(value))] = chance.randrange(256)
        with suppress(PoisonError):
            assert isinstance(JSON.decode(codec.to_json(bytes(value))), dict)
