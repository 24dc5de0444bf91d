"""Indexing: what the tables that lists search hold of one task, and the forms in which they hold it.

Attributes of any kind stand in one column, in a form that orders as they do: numbers, then texts.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import msgspec

from runner.projection.sight import Sight, shows_to
from runner.projection.tables import attribute_column
from runner.projection.words import words_of

ADMINS: Final = "!"
"""Principal of the admins of a domain, for whom every task of it has a row."""
OPEN_STATUSES: Final = frozenset({"UNASSIGNED", "ASSIGNED"})
STATUSES: Final = OPEN_STATUSES | {"DONE", "TIMED_OUT", "CANCELLED"}

ATTRIBUTE_CHARACTERS: Final = 140
"""How much of an attribute is compared; what is longer is equal to whatever begins alike."""

_MOST: Final = 2**63 - 1
_NUMBER: Final = "0"
_TEXT: Final = "1"


@dataclass(frozen=True, slots=True)
class NarrowRows:
    """The rows of one task; each is a mapping of the table's columns."""

    grants: list[dict[str, Any]]
    """One for each principal."""
    text: dict[str, Any]
    words: list[dict[str, Any]]


def narrow_rows(no: int, row: Mapping[str, Any], sight: Sight, attributes: Sequence[str] = ()) -> NarrowRows:
    """Return what the tables for lists hold of a task whose number is ``no``; equal for equal arguments.

    ``row`` is what lists show; ``attributes`` are the names that ``tables_of`` got, in that order.
    """
    words = words_of(f"{row['name'] or ''} {row['id']}")
    return NarrowRows(
        grant_rows(no, row, sight, attributes),
        {"no": no, "text": "".join(f" {word}" for word in words)},
        [{"domain": row["domain"], "word": word, "no": no} for word in words],
    )


def grant_rows(
    no: int, row: Mapping[str, Any], sight: Sight, attributes: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return those rows that say who sees a task."""
    values: Mapping[str, Any] = row.get("attributes") or {}
    shared = {
        "is_open": int(row["status"] in OPEN_STATUSES),
        "created": _integer(row["createdOn"]),
        "tie": tie(row["domain"], row["id"]),
        "no": no,
        "domain": row["domain"],
        "status": row["status"],
        "owner": row["owner"],
        "spec": row["spec"],
        "action": row["action"],
        "priority": row["priority"],
        "due": _integer(row["dueOn"]),
        "deadline": _integer(row["timeout"]),
        "finished": _integer(row["finishedOn"]),
        "roles": msgspec.json.encode(row["roles"]).decode(),
        **{attribute_column(place): sortable(values.get(name)) for place, name in enumerate(attributes)},
    }
    return [{"principal": each, **shared} for each in sorted(grants_of(sight))]


def grants_of(sight: Sight) -> frozenset[str]:
    """Return the principals of a task as ``grants`` has them."""
    return frozenset(grant(sight.domain, principal) for principal in (ADMINS, *shows_to(sight)))


def grant(domain: str, principal: str) -> str:
    """Return a principal of a domain as ``grants`` has it."""
    return f"{domain} {principal}"


def tie(domain: str, task_id: str) -> int:
    """Return the number that orders tasks whose values are equal: 63 bits of a hash of the key."""
    return int.from_bytes(blake2b(f"{domain} {task_id}".encode(), digest_size=8).digest()) >> 1


def sortable(value: Any) -> str | None:
    """Return the value of an attribute as one text whose order is: numbers, then texts; None: there is none.

    Lists and objects are none; true and false are texts. Numbers compare as doubles.
    """
    match value:
        case bool():
            return sortable_text("true" if value else "false")
        case int() | float():
            return sortable_number(value)
        case str():
            return sortable_text(value)
        case _:
            return None


def sortable_text(text: str) -> str:
    """Return a text as an attribute."""
    return _TEXT + text[:ATTRIBUTE_CHARACTERS]


def sortable_number(number: float) -> str:
    """Return a number as an attribute: the bits of its double, turned so that they order as numbers do."""
    try:
        double = float(number) + 0.0  # one zero, not two
    except OverflowError:
        double = math.inf if number > 0 else -math.inf
    bits = int.from_bytes(struct.pack(">d", double))
    turned = bits ^ (2**64 - 1) if bits >> 63 else bits | 2**63
    return f"{_NUMBER}{turned:016x}"


def _integer(value: int | None) -> int | None:
    """Return a moment within what a column holds."""
    return None if value is None else max(-_MOST, min(value, _MOST))
