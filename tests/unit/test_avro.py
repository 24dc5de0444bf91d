"""Avro values to JSON and back: the bytes are Avro's, nothing is lost, hostile ones cost an error only."""

from __future__ import annotations

import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import fastavro
import msgspec
import pytest
from fastavro.schema import fingerprint, to_parsing_canonical_form
from hypothesis import given
from hypothesis import strategies as st

from runner.envelope import avro_schema
from runner.envelope.avro import AvroCodec, ConfluentCodec
from runner.envelope.codec import MAX_DEPTH, Codec, JsonCodec
from runner.envelope.writer_schema import WriterSchema, accept, own_schema
from runner.errors import UNDELIVERABLE, EventError, PoisonError
from tests.unit.test_codec import jsons, texts

AVSC: Final = Path(__file__).parents[2] / "schemas" / "envelope.avsc"
JSON: Final = JsonCodec()
OUR_ID: Final = 7
ENVELOPE: Final = {
    "requestMeta": {"id": "r-1"},
    "sagaMeta": [{"sagaId": "s", "stepId": 1}],
    "eventMeta": {"action": "StartTask", "ünknown": [1.5, None]},
    "payload": {"taskId": "t"},
    "result": None,
    "extra": {"deep": {"er": True}},
    "": 3,
}


class FakeRegistry:
    """Schemas by id."""

    def __init__(self, **schemas: Any) -> None:
        self.schemas = {OUR_ID: own_schema()} | {
            int(name.removeprefix("id")): accept(json.dumps(schema)) for name, schema in schemas.items()
        }

    def writer(self, schema_id: int) -> WriterSchema:
        return self.schemas[schema_id]

    def own_id(self, subject: str) -> int:
        assert subject == "requests-value"
        return OUR_ID


CODECS: Final[tuple[Codec, ...]] = (AvroCodec(), ConfluentCodec(FakeRegistry(), "requests-value"))
codecs = pytest.mark.parametrize("codec", CODECS, ids=["avro", "confluent-avro"])


def read(codec: Codec, value: bytes) -> dict[str, Any]:
    """What the worker sees of a value."""
    return {name: msgspec.json.decode(raw) for name, raw in JSON.decode(codec.to_json(value)).items()}


def reason(codec: Codec, value: bytes) -> str:
    with pytest.raises(PoisonError) as poison:
        JSON.decode(codec.to_json(value))
    assert 0 < len(str(poison.value)) < 300
    return poison.value.reason


def written(record: Any, schema: Any = avro_schema.SCHEMA) -> bytes:
    """The body of a record, written by the library under any schema."""
    target = BytesIO()
    fastavro.schemaless_writer(target, fastavro.parse_schema(schema), record)
    return target.getvalue()


def confluent(body: bytes, schema_id: int = OUR_ID) -> bytes:
    return b"\x00" + schema_id.to_bytes(4, "big") + body


# -- what is written ---------------------------------------------------------------------------------


def test_the_schema_in_its_file_is_the_one_of_the_code() -> None:
    assert AVSC.read_text(encoding="utf-8") == avro_schema.text()
    fastavro.parse_schema(json.loads(AVSC.read_text(encoding="utf-8")))


def test_single_object_encoding_is_marker_fingerprint_and_record() -> None:
    value = CODECS[0].encode(dict(ENVELOPE))

    crc = bytes.fromhex(fingerprint(to_parsing_canonical_form(avro_schema.SCHEMA), "CRC-64-AVRO"))
    assert value[:2] == b"\xc3\x01"
    assert value[2:10] == crc
    assert_is_the_envelope(value[10:])


def test_confluents_wire_format_is_zero_id_and_record() -> None:
    value = CODECS[1].encode(dict(ENVELOPE))

    assert value[:5] == b"\x00\x00\x00\x00\x07"
    assert_is_the_envelope(value[5:])


def assert_is_the_envelope(body: bytes) -> None:
    """Read as any Avro library would."""
    schema = fastavro.parse_schema(json.loads(AVSC.read_text(encoding="utf-8")))
    record: Any = fastavro.schemaless_reader(BytesIO(body), schema, None)
    assert {name: json.loads(record[name]) for name in avro_schema.SECTIONS} == {
        name: ENVELOPE[name] for name in avro_schema.SECTIONS
    }
    assert {name: json.loads(text) for name, text in record["others"].items()} == {
        "extra": {"deep": {"er": True}},
        "": 3,
    }


@codecs
def test_an_envelope_survives_with_all_that_nobody_knows(codec: Codec) -> None:
    assert read(codec, codec.encode(dict(ENVELOPE))) == ENVELOPE


@codecs
def test_absent_is_not_null(codec: Codec) -> None:
    assert read(codec, codec.encode({})) == {}
    assert read(codec, codec.encode({"result": None})) == {"result": None}


@codecs
def test_sections_stay_the_bytes_they_were(codec: Codec) -> None:
    payload = (
        b'{ "b": 1.50, "a":[ ], "dup":1, "dup":2, "\\u00e9":"\\/", "big":123456789012345678901234567890 }'
    )
    value = codec.encode(JSON.decode(b'{"payload" : %s , "result":null}' % payload))
    assert codec.to_json(value) == b'{"payload":%s,"result":null}' % payload


@codecs
@given(st.dictionaries(texts | st.sampled_from([*avro_schema.SECTIONS]), jsons, max_size=6))
def test_whatever_json_can_say_comes_back(codec: Codec, envelope: dict[str, Any]) -> None:
    value = codec.encode(JSON.decode(JSON.encode(envelope)))

    assert read(codec, value) == envelope
    assert codec.encode(JSON.decode(codec.to_json(value))) == value


# -- what is poison ----------------------------------------------------------------------------------


def record(**fields: Any) -> dict[str, Any]:
    return {"others": {}, **fields}


@codecs
@pytest.mark.parametrize(
    "value", [b"", b"\x00", b"\xc3", b"\xc3\x01\x02", b"\x00\x00\x00", b'{"a":1}', b"\xff" * 99]
)
def test_what_does_not_begin_as_the_encoding_does_is_poison(codec: Codec, value: bytes) -> None:
    assert reason(codec, value) == "NOT_AVRO"


def test_each_encoding_refuses_the_other() -> None:
    avro, registered = CODECS
    assert reason(avro, registered.encode(dict(ENVELOPE))) == "NOT_AVRO"
    assert reason(registered, avro.encode(dict(ENVELOPE))) == "NOT_AVRO"


def test_a_fingerprint_that_is_not_ours_is_poison_and_named() -> None:
    value = b"\xc3\x01" + b"\xab" * 8 + written(record())
    assert reason(CODECS[0], value) == "UNKNOWN_SCHEMA"
    with pytest.raises(PoisonError, match="abababababababab"):
        CODECS[0].to_json(value)


@codecs
def test_every_truncation_is_poison(codec: Codec) -> None:
    value = codec.encode(dict(ENVELOPE))
    for length in range(len(value)):
        assert reason(codec, value[:length]) == "NOT_AVRO"


@codecs
def test_bytes_behind_the_record_are_poison(codec: Codec) -> None:
    assert reason(codec, codec.encode(dict(ENVELOPE)) + b"\x00") == "NOT_AVRO"


@pytest.mark.parametrize(
    "text",
    ["", " ", "{", "{}{}", '{}, "payload": {}', "1, 2", "nul", "NaN", "01", "'a'", '{"a":1,}', '"tab\there"'],
)
@pytest.mark.parametrize("section", ["requestMeta", "payload", "others"])
def test_a_section_that_is_not_one_json_value_is_poison(section: str, text: str) -> None:
    fields = {"others": {"extra": text}} if section == "others" else {section: text}
    assert reason(CODECS[1], confluent(written(record(**fields)))) == "NOT_JSON"


def test_no_text_can_bring_another_section() -> None:
    smuggled = written(record(requestMeta='{"id":"a"},"eventMeta":{"action":"StartTask"}'))
    assert reason(CODECS[1], confluent(smuggled)) == "NOT_JSON"


@pytest.mark.parametrize("name", [*avro_schema.SECTIONS])
def test_no_section_may_stand_among_the_others(name: str) -> None:
    body = written(record(others={name: "{}"}, **({"payload": "{}"} if name != "payload" else {})))
    assert reason(CODECS[1], confluent(body)) == "NOT_AN_ENVELOPE"


def test_a_text_that_is_no_utf8_is_poison() -> None:
    body = written(record(payload='"x"')).replace(b'"x"', b'"\xff"')
    assert reason(CODECS[1], confluent(body)) == "NOT_UTF8"


def test_depth_is_bounded_as_it_is_in_json() -> None:
    def nested(levels: int) -> bytes:
        return confluent(written(record(payload="[" * levels + "]" * levels)))

    assert read(CODECS[1], nested(MAX_DEPTH - 1))
    for levels in (MAX_DEPTH, 1001, 100_000):
        assert reason(CODECS[1], nested(levels)) == "TOO_DEEP"


# -- schemas of others -------------------------------------------------------------------------------


def fields(**types: Any) -> dict[str, Any]:
    return {
        "type": "record",
        "name": "Envelope",
        "namespace": "saga.task",
        "fields": [{"name": name, "type": kind} for name, kind in types.items()],
    }


@pytest.mark.parametrize(
    ("schema", "given_record", "envelope"),
    [
        (fields(payload="string"), {"payload": '{"a":1}'}, {"payload": {"a": 1}}),
        (fields(payload="bytes"), {"payload": b'{"a":1}'}, {"payload": {"a": 1}}),
        (fields(payload=["string", "null"]), {"payload": None}, {}),
        (
            fields(result=["null", "string"], more={"type": "array", "items": "long"}),
            {"result": "1", "more": [1]},
            {"result": 1},
        ),
        (fields(others={"type": "map", "values": "string"}), {"others": {"x": "[]"}}, {"x": []}),
        (fields(node=fields(a="int") | {"name": "Node"}), {"node": {"a": 3}}, {}),
        (fields(), {}, {}),
        ({**avro_schema.SCHEMA, "doc": "another"}, record(payload="{}"), {"payload": {}}),
    ],
)
def test_another_schema_is_resolved_to_ours(schema: Any, given_record: Any, envelope: Any) -> None:
    codec = ConfluentCodec(FakeRegistry(id9=schema), "requests-value")
    assert read(codec, confluent(written(given_record, schema), 9)) == envelope


@pytest.mark.parametrize(
    ("schema", "given_record"),
    [
        ("string", "{}"),
        (fields(payload="long"), {"payload": 3}),
        (fields(payload=fields(a="int") | {"name": "Payload"}), {"payload": {"a": 1}}),
        (fields(others="string"), {"others": "{}"}),
        (fields(payload="string") | {"name": "Another", "namespace": "else.where"}, {"payload": "{}"}),
    ],
)
def test_a_schema_that_does_not_lead_to_ours_is_poison(schema: Any, given_record: Any) -> None:
    codec = ConfluentCodec(FakeRegistry(id9=schema), "requests-value")
    assert reason(codec, confluent(written(given_record, schema), 9)) == "SCHEMA_MISMATCH"


def test_the_bytes_in_the_documents_are_those_that_are_written() -> None:
    page = (AVSC.parents[1] / "docs" / "protocol.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"^```text\n(c3 01 [0-9a-f \n]+)```$", page, re.MULTILINE)
    [event] = re.findall(r"The event\s+`(\{.+?\})` in `avro`:", page)
    assert bytes.fromhex(shown) == CODECS[0].encode(JSON.decode(JSON.encode(json.loads(event))))


@codecs
def test_what_a_parser_dislikes_and_every_digit_pass_in_a_section(codec: Codec) -> None:
    payload = rb'{"note":"half \uD83D","n":[12.50,-0,1e400]}'
    value = codec.encode({"payload": msgspec.Raw(payload), "x": msgspec.Raw(b'"\\ude00"')})
    sections = JSON.decode(codec.to_json(value))
    assert (bytes(sections["payload"]), bytes(sections["x"])) == (payload, b'"\\ude00"')
    assert codec.encode(sections) == value


def test_a_byte_order_mark_before_a_section_is_skipped() -> None:
    codec = CODECS[0]
    value = codec.encode({"payload": msgspec.Raw(b"\xef\xbb\xbf{}")})
    assert read(codec, value) == {"payload": {}}


def test_a_section_whose_name_no_avro_holds_cannot_be_delivered() -> None:
    with pytest.raises(EventError) as error:
        CODECS[0].encode({"\ud83d": 1})
    assert error.value.code == UNDELIVERABLE
