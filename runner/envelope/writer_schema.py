"""Writers' schemas: checked before any bytes are read with them.

By Avro's rules any schema may be resolved to ours, also one that fills hours or the stack from a few
bytes: an array of nulls a million million long costs nine bytes, a record in itself nests without end.
Such a schema is refused as a whole. With what is left, the work is bounded by the length of a message.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from fastavro import parse_schema
from fastavro.schema import SchemaParseException, UnknownType, fingerprint, to_parsing_canonical_form

from runner.envelope.avro_schema import SCHEMA
from runner.errors import PoisonError

MAX_CHARACTERS: Final = 100_000
MAX_PARTS: Final = 2000
"""Types in a schema, those of a named one counted wherever it is used."""
MAX_PARTS_A_BYTE: Final = 16
"""Types in an item of an array or map, for every byte that such an item has at least."""

_SIZES: Final = {
    "null": 0,
    "boolean": 1,
    "int": 1,
    "long": 1,
    "float": 4,
    "double": 8,
    "bytes": 1,
    "string": 1,
}
_UNREADABLE: Final = (
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    RecursionError,
    SchemaParseException,
)


@dataclass(frozen=True, slots=True)
class WriterSchema:
    """A schema that messages of a writer are read with."""

    parsed: Any
    """As the library wants it."""
    is_ours: bool
    """Whether nothing needs to be resolved."""


class _Cost(NamedTuple):
    """How many bytes a type takes at least, and how many types reading it goes through."""

    bytes: int
    parts: int


def own_schema() -> WriterSchema:
    """Return the schema of this runner."""
    return WriterSchema(parse_schema(SCHEMA), is_ours=True)


def own_fingerprint() -> bytes:
    """Return the CRC-64-AVRO of our schema's canonical form, little-endian."""
    digits: str = fingerprint(to_parsing_canonical_form(SCHEMA), "CRC-64-AVRO")
    return bytes.fromhex(digits)


def accept(text: str) -> WriterSchema:
    """Return the schema of a text; PoisonError SCHEMA_MISMATCH where no message may be read with it."""
    if len(text) > MAX_CHARACTERS:
        raise PoisonError(
            "SCHEMA_MISMATCH", f"its schema has {len(text)} characters; {MAX_CHARACTERS} are read"
        )
    try:
        schema = json.loads(text)
        _Survey().cost(schema, "")
        parsed = parse_schema(schema)
        canonical = to_parsing_canonical_form(schema)
    except (*_UNREADABLE, UnknownType) as error:
        raise PoisonError("SCHEMA_MISMATCH", f"its schema is not accepted: {_said(error)}") from None
    return WriterSchema(parsed, is_ours=canonical == to_parsing_canonical_form(SCHEMA))


class _Survey:
    """Walks a schema once. Raises ValueError for one that is too much, LookupError for one that is none."""

    def __init__(self) -> None:
        self._named: dict[str, _Cost | None] = {}

    def cost(self, schema: Any, namespace: str) -> _Cost:
        """Return what reading a value of this type costs, without the items of its arrays and maps."""
        if isinstance(schema, list):
            branches = [self.cost(branch, namespace) for branch in schema]
            return self._bounded(_Cost(1, 1 + sum(branch.parts for branch in branches)))
        if isinstance(schema, str):
            return _Cost(_SIZES[schema], 1) if schema in _SIZES else self._known(schema, namespace)
        kind = schema["type"]
        if kind in {"array", "map"}:
            return self._items(schema["items" if kind == "array" else "values"], namespace, kind)
        if kind in {"record", "error", "enum", "fixed"}:
            return self._new(schema, namespace)
        return self.cost(kind, namespace)

    def _items(self, schema: Any, namespace: str, kind: str) -> _Cost:
        item = self.cost(schema, namespace)
        least_bytes = item.bytes + (kind == "map")
        if item.parts > MAX_PARTS_A_BYTE * least_bytes:
            raise ValueError(
                f"the items of {'an' if kind == 'array' else 'a'} {kind} cost more than their bytes"
            )
        return _Cost(1, 1 + item.parts)

    def _new(self, schema: dict[str, Any], namespace: str) -> _Cost:
        name = _full_name(schema["name"], schema.get("namespace", namespace))
        self._named[name] = None
        if schema["type"] in {"enum", "fixed"}:
            cost = _Cost(schema.get("size", 1), 1)
        else:
            inside = name.rpartition(".")[0]
            fields = [self.cost(field["type"], inside) for field in schema["fields"]]
            cost = _Cost(sum(field.bytes for field in fields), 1 + sum(field.parts for field in fields))
        self._named[name] = self._bounded(cost)
        return cost

    def _known(self, name: str, namespace: str) -> _Cost:
        cost = self._named[_full_name(name, namespace)]
        if cost is None:
            raise ValueError(f"{name} contains itself")
        return cost

    def _bounded(self, cost: _Cost) -> _Cost:
        if cost.parts > MAX_PARTS:
            raise ValueError(f"it has more than {MAX_PARTS} types")
        return cost


def _full_name(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _said(error: Exception) -> str:
    kind = type(error).__name__
    return f"{str(error)[:200]} ({kind})"
