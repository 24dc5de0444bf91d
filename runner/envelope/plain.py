"""JSON text to plain values and back: a value that no pattern changes is written as it was sent.

The lowest module of the envelope, beside ``merge``; all JSON that may hold a sender's data is read and
written here. Two things are added to the parser:

- Decimals are ``Written``: numbers like any other, which are written as they were sent.
- What JSON allows and the parser refuses (half of a character pair, numbers without bounds) is read a
  second time, slowly; what JSON refuses is refused with the parser's reason.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, Self

import msgspec

from runner.envelope.values import Json

LONGEST_WHOLE: Final = 4300
"""Digits of a whole number that the interpreter turns into text and back."""

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_MINUS_ZERO: Final = re.compile(rb"-[0](?:[\s,\]}]|\Z)")
"""Found by its first sign, which is quicker than by the first two."""

_ESCAPE: Final = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


class Written(float):
    """A number that is written as it was sent. Computed with, it is a float like any other."""

    __slots__ = ("text",)

    text: str

    def __new__(cls, text: str) -> Self:
        """Return the number that a JSON text spells; one beyond the largest float is infinite."""
        number = float.__new__(cls, text)
        number.text = text
        return number


# Patterns tell types apart by their names: this one is a number like the others.
Written.__name__ = "float"


def decode(text: msgspec.Raw | bytes) -> Json:
    """Return the values of a JSON text, to be written again; of two fields of one name the last counts.

    There may be halves of character pairs in them: ``encode`` writes them back. Raises ValueError for
    what is no JSON, RecursionError where it is too deep.
    """
    try:
        value: Json = _decode(text)
    except ValueError as error:
        return _decoded_slowly(text, error)
    # The parser takes it for 0. A regular expression looks into raw JSON without a copy of it.
    return _decoded_slowly(text) if _MINUS_ZERO.search(text) else value


def decode_whole(text: msgspec.Raw | bytes | str) -> Json:
    """Return the values of a JSON text; ValueError where a text in it holds half of a character pair.

    Raises as ``decode``.
    """
    try:
        value: Json = _decode(text)
    except ValueError as error:
        value = _decoded_slowly(text, error)
        if not is_well_formed(value):
            raise ValueError("it holds half of a character pair") from None
    return value


def encode(value: Any) -> bytes:
    """Return compact JSON of plain values and raw JSON among them; ``Written`` as it was sent."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return _encode(_escaped(value))


def split(text: bytes) -> dict[str, msgspec.Raw]:
    """Return the fields of a JSON object, each still the bytes it was; all of the syntax is checked.

    Raises msgspec.ValidationError for JSON that is no object, ValueError for what is no JSON and
    RecursionError where it is too deep.
    """
    try:
        return _fields(text)
    except msgspec.ValidationError:
        # Seen at the first sign: whether the rest is JSON has not been looked at.
        one_value(text)
        raise
    except msgspec.DecodeError:
        masked, mark = _masked(text)
        fields = _fields(masked)
        return {_name(name, mark): _unmasked(raw, mark) for name, raw in fields.items()}


def one_value(text: bytes) -> msgspec.Raw:
    """Return a text that is one JSON value, as it is; ValueError and RecursionError as ``split``."""
    try:
        return _raw(text)
    except msgspec.DecodeError:
        masked, mark = _masked(text)
        return _unmasked(_raw(masked), mark)


def is_well_formed(value: Any) -> bool:
    """Whether all texts in plain values are whole, without half of a character pair."""
    try:
        _encode(value)
    except UnicodeEncodeError:
        return False
    return True


def _decoded_slowly(text: msgspec.Raw | bytes | str, why: ValueError | None = None) -> Json:
    """Return values that JSON allows and the parser refuses; for others ValueError with its reason."""
    try:
        value: Json = _slow_decoder.decode(text if isinstance(text, str) else bytes(text).decode())
    except ValueError as error:
        raise why or error from None
    return value


def _number(text: str) -> int | float:
    """Return a whole number, as ``Written`` where the interpreter's own loses its sign or is too long."""
    return Written(text) if text == "-0" or len(text) > LONGEST_WHOLE else int(text)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


def _masked(text: bytes) -> tuple[bytes, bytes]:
    """Return a text for the parser, the halves of character pairs behind a mark, and the mark."""
    characters = text.decode()
    used = set(characters)
    mark = next((sign for sign in map(chr, range(0x80, 0xD800)) if sign not in used), None)
    if mark is None:
        raise ValueError("it holds every character there is")
    masked = _ESCAPE.sub(lambda match: f"{mark}{match[1]}" if match[1] else match[0], characters)
    return masked.encode(), mark.encode()


def _unmasked(raw: msgspec.Raw, mark: bytes) -> msgspec.Raw:
    return msgspec.Raw(bytes(raw).replace(mark, b"\\u"))


def _name(name: str, mark: bytes) -> str:
    unmasked: str = json.loads(encode(name).replace(mark, b"\\u"))
    return unmasked


def _escaped(value: Any) -> Any:
    """Return values that the encoder takes: what has half of a character pair is JSON already."""
    if isinstance(value, str):
        return value if is_well_formed(value) else msgspec.Raw(json.dumps(value))
    if isinstance(value, list | tuple):
        entries = []
        for entry in value:
            entries.append(_escaped(entry))  # noqa: PERF401 - a comprehension takes a frame more
        return entries
    if not isinstance(value, dict):
        return value
    fields = []
    for name, entry in value.items():
        fields.append(_encode(_escaped(name)) + b":" + _encode(_escaped(entry)))
    return msgspec.Raw(b"{" + b",".join(fields) + b"}")


def _as_sent(value: Any) -> msgspec.Raw:
    if type(value) is Written:
        return msgspec.Raw(value.text)
    raise TypeError(f"{type(value).__name__} is not JSON")


_decode: Final = msgspec.json.Decoder(float_hook=Written).decode
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_raw: Final = msgspec.json.Decoder(msgspec.Raw).decode
_encode: Final = msgspec.json.Encoder(enc_hook=_as_sent).encode
_slow_decoder: Final = json.JSONDecoder(parse_int=_number, parse_float=Written, parse_constant=_no_number)
