"""Wire bytes to sections and back; one codec per encoding, chosen per topic.

An envelope is held as its top-level *sections*, each still JSON text (``msgspec.Raw``): what the
runner does not read is passed on byte for byte, so unknown fields survive at every level and a
600-byte event costs about a microsecond. Other encodings (``avro``: the sections are JSON text inside)
become JSON first, so that what is refused, compared and stored does not depend on the encoding.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from runner.envelope.plain import BYTE_ORDER_MARK, encode, split
from runner.errors import PoisonError

Sections: TypeAlias = dict[str, Any]
"""Top-level fields of an envelope: ``msgspec.Raw`` as read, or plain JSON values where replaced."""

MAX_DEPTH: Final = 200
"""Levels of arrays and objects in an envelope. Fixed, and far below what the interpreter's stack allows:
an event must come to the same when it is redelivered, however deep the calls were at either time."""

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"{[]}"))
_STEP_OF: Final = tuple(1 if code in b"{[" else -1 for code in range(256))


class Codec(Protocol):
    """Turns the value of a message into the JSON of an envelope, and sections into a value."""

    def prepare(self) -> None:
        """Get all that ``encode`` needs; TransientError or FatalError where that fails."""

    def to_json(self, value: bytes) -> bytes:
        """Return the value as JSON, to be decoded by ``JsonCodec``.

        Raises PoisonError for bytes that are nothing of the kind, and TransientError where somebody
        has to be asked what they mean and does not answer.
        """

    def encode(self, sections: Sections) -> bytes:
        """Return the bytes of an envelope with these sections."""


class JsonCodec:
    """JSON, UTF-8: the default encoding of every topic."""

    def prepare(self) -> None:
        """Return at once: nothing is needed."""

    def to_json(self, value: bytes) -> bytes:
        """Return the value, without the byte order mark that may stand before it."""
        return value.removeprefix(BYTE_ORDER_MARK)

    def decode(self, value: bytes) -> Sections:
        """Return the top-level fields as raw JSON; the syntax of all of it has been checked.

        ``value`` is what ``to_json`` returned.
        Raises PoisonError: NOT_UTF8, NOT_JSON, TOO_DEEP or NOT_AN_ENVELOPE.
        """
        try:
            # The parser skips over strings of raw sections without looking at their encoding.
            value.decode()
            sections = split(value)
        except UnicodeDecodeError as error:
            raise PoisonError("NOT_UTF8", f"the value is not UTF-8: {error.reason}") from None
        except RecursionError:
            raise too_deep() from None
        except msgspec.ValidationError:
            raise PoisonError(
                "NOT_AN_ENVELOPE", "the value is JSON but not an object with sections"
            ) from None
        except ValueError as error:
            raise PoisonError("NOT_JSON", f"the value is not JSON: {error}") from None
        if _is_too_deep(value):
            raise too_deep()
        return sections

    def encode(self, sections: Sections) -> bytes:
        """Return compact JSON; raw sections are spliced in unchanged."""
        return encode(sections)


def _is_too_deep(value: bytes) -> bool:
    """Whether JSON has more than MAX_DEPTH levels; few brackets answer that without a closer look."""
    if value.count(b"{") + value.count(b"[") <= MAX_DEPTH:
        return False
    brackets = _STRING.sub(b"", value).translate(None, _NOT_BRACKETS)
    return max(accumulate(map(_STEP_OF.__getitem__, brackets))) > MAX_DEPTH


def too_deep() -> PoisonError:
    """Return the error for what has more than MAX_DEPTH levels."""
    return PoisonError("TOO_DEEP", f"the value is nested deeper than {MAX_DEPTH} levels")
