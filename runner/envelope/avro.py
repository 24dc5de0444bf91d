"""Avro values: single-object encoding, and the wire format of Confluent's serializers.

  c3 01, fingerprint of the schema (8 bytes, little-endian), body     AvroCodec
  00, id of the schema in a registry (4 bytes, big-endian), body      ConfluentCodec

The body is the record of ``avro_schema``. It becomes the JSON of the envelope, and everything that
holds for JSON values (depth, sections, identity) holds for that: nothing behind a codec knows of Avro.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from io import BytesIO
from typing import Any, Final, Protocol

import msgspec
from fastavro import schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError

from runner.envelope.avro_schema import OTHERS, SECTIONS
from runner.envelope.codec import Sections, too_deep
from runner.envelope.plain import BYTE_ORDER_MARK, encode, one_value
from runner.envelope.writer_schema import WriterSchema, own_fingerprint, own_schema
from runner.errors import UNDELIVERABLE, EventError, PoisonError

MARKER: Final = b"\xc3\x01"
MAGIC: Final = b"\x00"

_FINGERPRINT_AT: Final = len(MARKER)
_BODY_AT: Final = _FINGERPRINT_AT + 8
_REGISTERED_BODY_AT: Final = 5

# What the library raises for bytes that are not what the schema says. Nothing else can be wrong: it
# reads from memory, and the work it may do was bounded with the schema.
_GARBAGE: Final = (
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    ArithmeticError,
    AttributeError,
    struct.error,
)


class Schemas(Protocol):
    """A registry of schemas."""

    def writer(self, schema_id: int) -> WriterSchema:
        """Return the schema of an id.

        Raises PoisonError UNKNOWN_SCHEMA or SCHEMA_MISMATCH, and TransientError where there is no answer.
        """

    def own_id(self, subject: str) -> int:
        """Return the id of our own schema under a subject; TransientError or FatalError without one."""


class AvroCodec:
    """Single-object encoding. The schema is named by its fingerprint; ours is the only one known."""

    def __init__(self) -> None:
        self._own = own_schema()
        self._fingerprint = own_fingerprint()

    def prepare(self) -> None:
        """Return at once: nothing is needed."""

    def to_json(self, value: bytes) -> bytes:
        """Return the envelope as JSON.

        Raises PoisonError: NOT_AVRO, UNKNOWN_SCHEMA, NOT_UTF8, NOT_JSON, TOO_DEEP or NOT_AN_ENVELOPE.
        """
        if not value.startswith(MARKER) or len(value) < _BODY_AT:
            raise PoisonError(
                "NOT_AVRO", f"the value begins with {_start(value)}, not with c301 and a schema"
            )
        fingerprint = value[_FINGERPRINT_AT:_BODY_AT]
        if fingerprint != self._fingerprint:
            raise PoisonError(
                "UNKNOWN_SCHEMA", f"no schema with fingerprint {fingerprint.hex()} is known here"
            )
        return _read(value, _BODY_AT, self._own, self._own)

    def encode(self, sections: Sections) -> bytes:
        return MARKER + self._fingerprint + _written(sections, self._own)


class ConfluentCodec:
    """Confluent wire format: the schema is named by its id in a registry."""

    def __init__(self, schemas: Schemas, subject: str) -> None:
        """``subject``: under which the registry keeps our schema for the topic."""
        self._own = own_schema()
        self._schemas = schemas
        self._subject = subject
        self._prefix = b""

    def prepare(self) -> None:
        """Ask the registry for the id of our schema, so that no later call has to.

        Raises TransientError where the registry does not answer, FatalError where it refuses.
        """
        self._prefix = MAGIC + self._schemas.own_id(self._subject).to_bytes(4, "big")

    def to_json(self, value: bytes) -> bytes:
        """Return the envelope as JSON; asks the registry for a schema that was not seen before.

        Raises PoisonError: NOT_AVRO, UNKNOWN_SCHEMA, SCHEMA_MISMATCH, NOT_UTF8, NOT_JSON, TOO_DEEP or
        NOT_AN_ENVELOPE; and TransientError where the registry does not answer.
        """
        if not value.startswith(MAGIC) or len(value) < _REGISTERED_BODY_AT:
            raise PoisonError(
                "NOT_AVRO", f"the value begins with {_start(value)}, not with 00 and a schema id"
            )
        return _read(value, _REGISTERED_BODY_AT, self._writer(value[:_REGISTERED_BODY_AT]), self._own)

    def encode(self, sections: Sections) -> bytes:
        """Return the bytes of an envelope with these sections; as ``prepare`` if that was not called."""
        if not self._prefix:
            self.prepare()
        return self._prefix + _written(sections, self._own)

    def _writer(self, prefix: bytes) -> WriterSchema:
        """Return the schema of a value; the registry is not asked about our own."""
        if prefix == self._prefix:
            return self._own
        return self._schemas.writer(int.from_bytes(prefix[len(MAGIC) :], "big"))


def _read(value: bytes, start: int, writer: WriterSchema, own: WriterSchema) -> bytes:
    """Return the record as the JSON of an envelope; PoisonError as the codecs say."""
    source = BytesIO(value) if writer.is_ours else _Whole(value)
    source.seek(start)
    reader = None if writer.is_ours else own.parsed
    try:
        record: Any = schemaless_reader(source, writer.parsed, reader)
    except UnicodeDecodeError as error:
        raise PoisonError("NOT_UTF8", f"a text is not UTF-8: {error.reason}") from None
    except SchemaResolutionError as error:
        raise PoisonError("SCHEMA_MISMATCH", f"its schema does not lead to ours: {_short(error)}") from None
    except _GARBAGE as error:
        raise PoisonError("NOT_AVRO", f"the bytes are not what its schema says: {_short(error)}") from None
    left = len(value) - source.tell()
    if left:
        raise PoisonError("NOT_AVRO", f"{left} bytes are left over behind the record")
    return _envelope(record)


def _written(sections: Sections, own: WriterSchema) -> bytes:
    """Return the record of these sections; EventError 13020 for a name that Avro cannot carry."""
    record: dict[str, Any] = {OTHERS: {}}
    for name, value in sections.items():
        text = (bytes(value) if isinstance(value, msgspec.Raw) else encode(value)).decode()
        (record if name in SECTIONS else record[OTHERS])[name] = text
    target = BytesIO()
    try:
        schemaless_writer(target, own.parsed, record)
    except UnicodeEncodeError:
        raise EventError(
            UNDELIVERABLE, "the name of a section holds half of a character pair, which Avro cannot carry"
        ) from None
    return target.getvalue()


class _Whole(BytesIO):
    """Bytes that raise EOFError instead of being read beyond their end.

    The library looks at what it gets where it reads a value, but not where it passes over one that our
    schema does not have: an array of floats could go on for as long as its first bytes say.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        """Return so many bytes; EOFError where there are fewer."""
        data = super().read(size)
        if size is None or len(data) != size:
            raise EOFError(f"{size} bytes were to follow")
        return data


def _envelope(record: Mapping[str, Any]) -> bytes:
    """Return the JSON of a record. Every text must be one value by itself: none can bring another section."""
    others = record[OTHERS]
    for name in SECTIONS:
        if name in others:
            raise PoisonError("NOT_AN_ENVELOPE", f"{name} stands among the others, where no section belongs")
    texts = {name: record[name] for name in SECTIONS if record[name] is not None} | others
    return encode({name: _value(name, text) for name, text in texts.items()})


def _value(name: str, text: Any) -> msgspec.Raw:
    if type(text) is not str:
        # The schema gives the text or bytes another meaning: decimal, uuid.
        raise PoisonError("SCHEMA_MISMATCH", f"{name[:100]!r} is a {type(text).__name__} and no text")
    try:
        return one_value(text.encode().removeprefix(BYTE_ORDER_MARK))
    except RecursionError:
        raise too_deep() from None
    except ValueError as error:
        raise PoisonError("NOT_JSON", f"{name[:100]!r} is not one JSON value: {error}") from None


def _start(value: bytes) -> str:
    return value[:2].hex() or "nothing"


def _short(error: Exception) -> str:
    return f"{str(error)[:200] or 'it ends too early'} ({type(error).__name__})"
