"""The schema registry: the schema of an id, and the id of the runner's own schema.

The schema of an id never changes, so each is looked up once. Answers are kept, within bounds, also when the
batch that needed them is aborted: so every attempt makes progress, however slow the registry is.
"""

from __future__ import annotations

import logging
import ssl
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from runner.clock import Ticker
from runner.config.secrets import mask_url
from runner.envelope import avro_schema, writer_schema
from runner.envelope.writer_schema import WriterSchema
from runner.errors import FatalError, PoisonError, SchemasUnavailable, chain, clause

T = TypeVar("T")

_CHATTY: Final = ("httpx", "httpx2")

MAX_KEPT: Final = 10_000
"""Most ids that are kept, with their schema or its fault."""

UNKNOWN_SECONDS: Final = 30.0
"""Shortest time an unknown id is kept before the registry is asked again."""

PATIENCE_SECONDS: Final = 10.0
"""Time for look-ups, after which the batch is aborted: a loop that does not poll loses its partitions."""


class Client(Protocol):
    """The part of confluent-kafka's SchemaRegistryClient that is used."""

    def get_schema(self, schema_id: int) -> Any: ...

    def register_schema(self, subject_name: str, schema: Any) -> int:
        """Return the id of a schema, new or known."""

    def lookup_schema(self, subject_name: str, schema: Any) -> Any: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _SchemaRefusal:
    """The fault of the schema of an id, and until when it is kept; None: for good."""

    reason: str
    text: str
    until_seconds: float | None = None


class SchemaRegistry:
    """The Schemas of ``ConfluentCodec``; every call may block for as long as one request."""

    def __init__(self, client: Client, ticker: Ticker, *, register: bool) -> None:
        """``register``: whether the runner's schema may be registered where it is missing."""
        self._client = client
        self._ticker = ticker
        self._register = register
        self._kept: OrderedDict[int, WriterSchema | _SchemaRefusal] = OrderedDict()
        self._spent_seconds = 0.0
        self._unreachable_id: int | None = None

    def writer(self, schema_id: int) -> WriterSchema:
        """Return the schema of an id.

        Raises PoisonError UNKNOWN_SCHEMA or SCHEMA_MISMATCH, and SchemasUnavailable without an
        answer, or where answers take so long that the loop has to poll first.
        """
        known = self._kept.get(schema_id)
        if known is None or self._is_over(known):
            known = self._answer_for(schema_id)
        if isinstance(known, _SchemaRefusal):
            raise PoisonError(known.reason, known.text)
        return known

    def own_id(self, subject: str) -> int:
        ours = _schema(avro_schema.text())
        if self._register:
            return self._answer(lambda: self._client.register_schema(subject, ours), subject)
        registered = self._answer(lambda: self._client.lookup_schema(subject, ours), subject)
        return int(registered.schema_id)

    def ping(self) -> None:
        """Return if the registry answers the last look-up that failed; SchemasUnavailable otherwise."""
        if self._unreachable_id is not None:
            self._answer_for(self._unreachable_id)

    def close(self) -> None:
        self._client.close()

    def _answer_for(self, schema_id: int) -> WriterSchema | _SchemaRefusal:
        began = self._ticker()
        try:
            answer = self._lookup(schema_id)
        except SchemasUnavailable:
            self._unreachable_id = schema_id
            raise
        self._unreachable_id = None
        self._keep(schema_id, answer)
        self._spend(self._ticker() - began)
        return answer

    def _lookup(self, schema_id: int) -> WriterSchema | _SchemaRefusal:
        began = self._ticker()
        try:
            schema = self._client.get_schema(schema_id)
        except Exception as error:
            if not _is_unknown(error):
                raise SchemasUnavailable(
                    f"the schema registry gives no schema {schema_id}: {_reason(error)}"
                ) from error
            # Kept for as long as MAX_KEPT look-ups take, so that a batch of unknown ids comes to an end.
            now = self._ticker()
            end = now + max(UNKNOWN_SECONDS, MAX_KEPT * (now - began))
            return _SchemaRefusal("UNKNOWN_SCHEMA", f"the registry has no schema with id {schema_id}", end)
        try:
            return _writer_schema(schema)
        except PoisonError as error:
            return _SchemaRefusal(error.reason, f"schema {schema_id}: {error}")

    def _keep(self, schema_id: int, answer: WriterSchema | _SchemaRefusal) -> None:
        self._kept[schema_id] = answer
        self._kept.move_to_end(schema_id)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)

    def _spend(self, seconds: float) -> None:
        self._spent_seconds += seconds
        if self._spent_seconds > PATIENCE_SECONDS:
            self._spent_seconds = 0.0
            raise SchemasUnavailable(
                "the schema registry answers slowly; the batch begins again with what it said"
            )

    def _is_over(self, known: WriterSchema | _SchemaRefusal) -> bool:
        return (
            isinstance(known, _SchemaRefusal)
            and known.until_seconds is not None
            and known.until_seconds <= self._ticker()
        )

    def _answer(self, ask: Callable[[], T], subject: str) -> T:
        try:
            return ask()
        except Exception as error:
            status = getattr(error, "http_status_code", 0)
            if any(isinstance(each, ssl.SSLCertVerificationError) for each in chain(error)):
                raise FatalError(
                    f"the schema registry's certificate is refused: {_reason(error)}; "
                    "check ssl.ca.location in schemaRegistry.properties, and the certificate"
                ) from error
            if not 400 <= status < 500 or status in {408, 429}:
                raise SchemasUnavailable(f"the schema registry does not answer: {_reason(error)}") from error
            raise FatalError(self._refusal(subject, status, error)) from error

    def _refusal(self, subject: str, status: int, error: Exception) -> str:
        text = f"the schema registry refuses our schema for subject {subject!r}: {_reason(error)}"
        if status in {401, 403}:
            return f"{text}; check schemaRegistry.properties, or what this user may do"
        if status == 404 and not self._register:
            return f"{text}; register schemas/envelope.avsc there, or set schemaRegistry.register to true"
        if status == 404:
            return f"{text}; check schemaRegistry.url"
        return f"{text}; make what is registered there compatible with schemas/envelope.avsc"


def connect(settings: Mapping[str, Any]) -> Client:
    """Return a client of confluent-kafka; nothing is sent before its first use.

    Raises ImportError where it is not installed, ValueError, TypeError or OSError for settings it refuses.
    """
    from confluent_kafka.schema_registry import SchemaRegistryClient  # noqa: PLC0415 - an extra

    for name in _CHATTY:
        # They log every request with its URL, which may contain a password.
        logging.getLogger(name).setLevel(logging.WARNING)
    client: Client = SchemaRegistryClient.new_client(dict(settings))
    return client


def _schema(text: str) -> Any:
    from confluent_kafka.schema_registry import Schema  # noqa: PLC0415 - an extra

    return Schema(text, "AVRO")


def _writer_schema(schema: Any) -> WriterSchema:
    kind = schema.schema_type or "AVRO"
    if kind != "AVRO":
        raise PoisonError("SCHEMA_MISMATCH", f"it is a schema of {str(kind)[:20]}, not of Avro")
    if schema.references:
        raise PoisonError("SCHEMA_MISMATCH", "it refers to other schemas, which are not read")
    return writer_schema.accept(schema.schema_str or "")


def _is_unknown(error: Exception) -> bool:
    """Whether the registry itself does not know the id: a proxy before it may answer 404 as well."""
    status, code = getattr(error, "http_status_code", None), getattr(error, "error_code", None)
    return status == 404 and isinstance(code, int) and 40400 <= code <= 40499


def _reason(error: Exception) -> str:
    return f"{clause(mask_url(str(error))[:200])} ({type(error).__name__})"
