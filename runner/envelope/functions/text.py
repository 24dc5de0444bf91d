"""Functions on text: literal, never regular expressions, and always UTF-8 where bytes are meant."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from typing import Any, Final
from unicodedata import normalize
from urllib.parse import quote, unquote_plus

from runner.envelope.functions.formats import printed
from runner.envelope.functions.signature import Evaluation, Misuse
from runner.envelope.units import characters
from runner.envelope.values import Json

_NO_WORD: Final = re.compile(r"[^a-z0-9]+")
_HALF_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_CHARACTERS_A_UNIT: Final = 4
"""Of what is escaped character by character."""


def replace(evaluation: Evaluation, text: str, search: str, replacement: str) -> Json:
    """Return the text with every occurrence replaced."""
    if not search:
        raise Misuse("search is empty")
    longer = text.count(search) * (len(replacement) - len(search))
    evaluation.spend(characters(len(text) + max(0, longer)))
    return text.replace(search, replacement)


def split(evaluation: Evaluation, text: str, delimiter: str) -> Json:
    """Return the pieces of the text between the delimiters."""
    if not delimiter:
        raise Misuse("delimiter is empty")
    evaluation.spend(text.count(delimiter))
    pieces: list[Any] = text.split(delimiter)
    return pieces


def slug(evaluation: Evaluation, text: str, transliterate: bool) -> Json:  # noqa: FBT001 - as it is called
    """Return the text in lower case, ASCII letters and digits only, with hyphens between.

    Accents are dropped; other scripts are dropped too unless they are transliterated.
    """
    evaluation.spend(len(text))
    plain = _transliterated(text) if transliterate else normalize("NFKD", text)
    ascii_only = plain.encode("ascii", "ignore").decode()
    return _NO_WORD.sub("-", ascii_only.lower()).strip("-")


def encode_url(evaluation: Evaluation, text: str) -> Json:
    """Return the text, percent-encoded."""
    evaluation.spend(len(text) // _CHARACTERS_A_UNIT)
    return quote(_sound(text), safe="")


def decode_url(evaluation: Evaluation, text: str) -> Json:
    """Return the text that was percent-encoded; + is a space, as in forms."""
    evaluation.spend(len(text) // _CHARACTERS_A_UNIT)
    if _HALF_ESCAPE.search(text):
        raise Misuse("text holds a % without two hexadecimal digits")
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        raise Misuse("text is not UTF-8 when decoded") from None


def btoa(evaluation: Evaluation, value: Json) -> Json:
    """Return the text in base64, or that of the value as JSON text."""
    evaluation.measure(value)
    text = _sound(value) if isinstance(value, str) else printed(value)
    return b64encode(text.encode()).decode()


def atob(text: str) -> Json:
    """Return the text that was written in base64; the padding may be missing."""
    # Checked here: how strict the decoder is depends on the version of Python.
    if not _BASE64.fullmatch(text) or len(text.rstrip("=")) % 4 == 1:
        raise Misuse("text is not base64")
    try:
        return b64decode(text + "=" * (-len(text) % 4)).decode()
    except UnicodeDecodeError:
        raise Misuse("text is not UTF-8 when decoded") from None


def _sound(text: str) -> str:
    """Return a text that can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Misuse("text holds half of a character pair") from None
    return text


def _transliterated(text: str) -> str:
    # Imported here: it reads its tables when it is first used, and few patterns do.
    from anyascii import anyascii  # noqa: PLC0415

    return str(anyascii(text))
