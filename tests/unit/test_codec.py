"""JSON bytes to sections and back: what is no envelope is poison, what is one survives to the byte."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.envelope.codec import MAX_DEPTH, JsonCodec
from runner.envelope.plain import decode, encode
from runner.errors import PoisonError

CODEC = JsonCodec()

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
jsons: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
)


def reason(value: bytes) -> str:
    with pytest.raises(PoisonError) as poison:
        CODEC.decode(CODEC.to_json(value))
    assert str(poison.value).strip()
    assert len(str(poison.value)) < 300
    return poison.value.reason


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"", "NOT_JSON"),
        (b" ", "NOT_JSON"),
        (b"{", "NOT_JSON"),
        (b"hello", "NOT_JSON"),
        (b'{"a":1,}', "NOT_JSON"),
        (b"{'a':1}", "NOT_JSON"),
        (b'{"a":1}{"a":2}', "NOT_JSON"),
        (b'{"a":NaN}', "NOT_JSON"),
        (b'{"a":Infinity}', "NOT_JSON"),
        (b'{"a":01}', "NOT_JSON"),
        (b'{"a":"\\ud800",}', "NOT_JSON"),
        (b'{"a":"\\ud800", "\\ud8"}', "NOT_JSON"),
        (b"[1,]", "NOT_JSON"),
        (b"[1", "NOT_JSON"),
        (b"5 apples", "NOT_JSON"),
        (b'"text', "NOT_JSON"),
        (b'{"a":"\\x41"}', "NOT_JSON"),
        (b'{"a":"tab\there"}', "NOT_JSON"),
        (b'{"a":nul}', "NOT_JSON"),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", "NOT_JSON"),
        (b"\x00\x00\x00\x00\x01avro", "NOT_JSON"),
        (b'{"a":"\xff"}', "NOT_UTF8"),
        (b'{"a":"\xed\xa0\x80"}', "NOT_UTF8"),
        (b"\xff\xfe{\x00}\x00", "NOT_UTF8"),
        (b"[]", "NOT_AN_ENVELOPE"),
        (b'[{"requestMeta":{}}]', "NOT_AN_ENVELOPE"),
        (b"5", "NOT_AN_ENVELOPE"),
        (b'"text"', "NOT_AN_ENVELOPE"),
        (b'"\\ud800"', "NOT_AN_ENVELOPE"),
        (rb'{"requestMeta":{"id":"r","note":"\ud8"}}', "NOT_JSON"),
        (rb'{"x":"\ud83"},"payload":{}}', "NOT_JSON"),
        (b"null", "NOT_AN_ENVELOPE"),
        (b"true", "NOT_AN_ENVELOPE"),
    ],
)
def test_what_is_no_envelope_is_poison_with_a_reason(value: bytes, why: str) -> None:
    assert reason(value) == why


def nested(levels: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    """An envelope of so many levels in all."""
    return b'{"payload":' + opening * (levels - 1) + b"1" + closing * (levels - 1) + b"}"


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, MAX_DEPTH + 2, 990, 1001, 10_000, 500_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_what_is_nested_too_deeply_is_poison(levels: int, opening: bytes, closing: bytes) -> None:
    assert reason(nested(levels, opening, closing)) == "TOO_DEEP"


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_the_depth_that_is_allowed_does_not_depend_on_the_calls_around(
    opening: bytes, closing: bytes
) -> None:
    def called_from(depth: int) -> bytes:
        if depth:
            return called_from(depth - 1)
        return bytes(CODEC.decode(nested(MAX_DEPTH, opening, closing))["payload"])

    assert called_from(0) == called_from(500)
    with pytest.raises(PoisonError):
        CODEC.decode(nested(MAX_DEPTH + 1, opening, closing))


@pytest.mark.parametrize("overlap", [b"[]", b'[[],[],{"a":[]}]', b'"[[[["'])
def test_what_stands_beside_the_deepest_place_does_not_count(overlap: bytes) -> None:
    for levels, allowed in ((MAX_DEPTH, True), (MAX_DEPTH + 1, False)):
        value = b'{"first":%s,%s,"last":%s}' % (overlap, nested(levels)[1:-1], overlap)
        if allowed:
            assert set(CODEC.decode(value)) == {"first", "payload", "last"}
        else:
            assert reason(value) == "TOO_DEEP"


@pytest.mark.parametrize(
    "payload",
    [
        {"text": "[" * 5000},
        {"text": '\\"[{' * 500, "more": ["\\"] * 500},
        [[] for _ in range(5000)],
        [{"a": [{"]": "["}]}] * 500,
    ],
)
def test_many_brackets_are_not_depth(payload: Any) -> None:
    assert json.loads(bytes(CODEC.decode(json.dumps({"payload": payload}).encode())["payload"])) == payload


def test_sections_stay_the_bytes_they_were() -> None:
    payload = (
        b'{ "b": 1.50, "a":[ ], "dup":1, "dup":2, "\\u00e9":"\\/", "big":123456789012345678901234567890 }'
    )
    sections = CODEC.decode(b' {"payload" : %s , "result":null}\n' % payload)
    assert bytes(sections["payload"]) == payload
    assert CODEC.encode(sections) == b'{"payload":%s,"result":null}' % payload


HALVES = rb'{"\ud83d":["\uD83D \ud83d\ude00","\\ud83d",-0, 1e400],"a":"\udE00\ud83d"}'


def test_halves_of_character_pairs_stay_the_bytes_they_were() -> None:
    value = b'{ "payload" :%s, "\\ud83d" : [ 1.50 ], "\\u00e9":"\xc2\x80" }' % HALVES
    sections = CODEC.decode(value)
    assert bytes(sections["payload"]) == HALVES
    assert list(sections) == ["payload", "\ud83d", "é"]
    assert json.loads(CODEC.encode(sections)) == json.loads(value)
    assert HALVES in CODEC.encode({**sections, "result": {"text": "\ude00"}})


def test_a_byte_order_mark_before_the_value_is_skipped() -> None:
    assert CODEC.decode(CODEC.to_json(b'\xef\xbb\xbf {"a":1}')) == {"a": msgspec.Raw(b"1")}


def test_a_section_may_be_replaced_by_plain_values() -> None:
    sections = {
        **CODEC.decode(b'{"payload":{"a": 1},"result":null}'),
        "result": {"status": "ACK", "n": [1, None]},
    }
    assert CODEC.encode(sections) == b'{"payload":{"a": 1},"result":{"status":"ACK","n":[1,null]}}'


def test_numbers_out_of_range_are_left_to_whoever_reads_them() -> None:
    sections = CODEC.decode(b'{"payload":{"n":1e400}}')
    assert CODEC.encode(sections) == b'{"payload":{"n":1e400}}'


@given(st.dictionaries(texts, jsons, max_size=5), st.sampled_from([None, 2]), st.booleans())
def test_unknown_fields_survive_a_round_trip_at_every_level(
    envelope: dict[str, Any], indent: int | None, ascii_only: bool
) -> None:
    value = json.dumps(envelope, indent=indent, ensure_ascii=ascii_only).encode()
    sections = CODEC.decode(value)
    assert all(isinstance(section, msgspec.Raw) for section in sections.values())
    assert json.loads(CODEC.encode(sections)) == envelope
    assert all(bytes(section) in value for section in sections.values())


@given(st.text(max_size=40).map(json.dumps) | st.text('\\ud83e0 -"', max_size=30).map('"{}"'.format))
def test_every_text_that_is_json_passes_as_it_was(text: str) -> None:
    """A random text of escapes, halves of character pairs among them, is JSON for both or for neither."""
    value = f'{{"a":[{text}],"b":{text}}}'.encode()
    try:
        read = json.loads(value)
    except ValueError:
        assert reason(value) == "NOT_JSON"
        return
    sections = CODEC.decode(value)
    assert CODEC.encode(sections) == value
    assert decode(sections["a"]) == read["a"]
    assert json.loads(encode(decode(value))) == read


@given(st.binary(max_size=40) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_arbitrary_bytes_are_sections_or_poison(value: bytes) -> None:
    try:
        sections = CODEC.decode(value)
    except PoisonError:
        return
    assert json.loads(CODEC.encode(sections)) == json.loads(value)
