"""Wire bytes to sections and back; one codec per encoding, chosen per topic.

An envelope is held as its top-level *sections*, each still JSON text (``msgspec.Raw``): what the
runner does not read is passed on byte for byte, so unknown fields survive at every level and a
600-byte event costs about a microsecond. Other encodings (Avro: the sections are JSON text inside)
fit the same Protocol.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import msgspec

from runner.errors import PoisonError

Sections: TypeAlias = dict[str, Any]
"""Top-level fields of an envelope: ``msgspec.Raw`` as read, or plain JSON values where replaced."""

_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder = msgspec.json.Encoder()


class Codec(Protocol):
    """Turns the value of a message into sections and sections into a value."""

    def decode(self, value: bytes) -> Sections:
        """Return the sections; raises PoisonError for bytes that are no envelope."""
        ...

    def encode(self, sections: Sections) -> bytes:
        """Return the bytes of an envelope with these sections."""
        ...


class JsonCodec:
    """JSON, UTF-8: the default encoding of every topic."""

    def decode(self, value: bytes) -> Sections:
        """Return the top-level fields as raw JSON; the syntax of all of it has been checked.

        Raises PoisonError: NOT_UTF8, NOT_JSON, TOO_DEEP or NOT_AN_ENVELOPE.
        """
        try:
            # The parser skips over strings of raw sections without looking at their encoding.
            value.decode()
            return _decoder.decode(value)
        except UnicodeDecodeError as error:
            raise PoisonError("NOT_UTF8", f"the value is not UTF-8: {error.reason}") from None
        except RecursionError:
            raise PoisonError("TOO_DEEP", "the value is nested too deeply to be read") from None
        except msgspec.ValidationError:
            raise PoisonError(
                "NOT_AN_ENVELOPE", "the value is JSON but not an object with sections"
            ) from None
        except msgspec.DecodeError as error:
            raise PoisonError("NOT_JSON", f"the value is not JSON: {error}") from None

    def encode(self, sections: Sections) -> bytes:
        """Return compact JSON; raw sections are spliced in unchanged."""
        return _encoder.encode(sections)
