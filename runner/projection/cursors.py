"""Cursors: where the next page begins, as opaque text. They say where a list goes on, never what is in it."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

import msgspec

from runner.projection.filters import Order

LONGEST: Final = 2000
_MOST: Final = 2**63 - 1
_MOST_PRIORITY: Final = 100


class InvalidCursor(ValueError):
    """A cursor that no page of this list has given."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in an order: the keys of the row before it."""

    value: int | str | None
    """Of the column that is ordered by; None: the row had none, or it is ordered by creation."""
    created: int
    tie: int


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    by: str
    descending: bool
    value: int | str | None
    created: int
    tie: int


def cursor_after(order: Order, place: Place) -> str:
    """Return the cursor of the page after a place."""
    whole = msgspec.json.encode(_Cursor(order.by, order.descending, place.value, place.created, place.tie))
    return urlsafe_b64encode(whole).rstrip(b"=").decode()


def place_of(cursor: str, order: Order) -> Place:
    """Return the place at which a list of this order goes on. InvalidCursor."""
    if len(cursor) > LONGEST:
        raise InvalidCursor("this cursor is longer than any")
    try:
        whole = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        found = msgspec.json.decode(whole, type=_Cursor)
    except ValueError:
        raise InvalidCursor("this is no cursor; take nextCursor of the page before") from None
    if (found.by, found.descending) != (order.by, order.descending):
        raise InvalidCursor("this cursor is of a list in another order; begin without one")
    if cursor_after(order, place := Place(found.value, found.created, found.tie)) != cursor or not _fits(
        place, order
    ):
        raise InvalidCursor("this cursor was changed; take nextCursor of the page before")
    return place


def _fits(place: Place, order: Order) -> bool:
    """Whether a place can be one of an order, and be looked for in a database."""
    match place.value:
        case None:
            is_kind = order.by != "priority"
        case str():
            is_kind = order.attribute is not None
        case _:
            most = _MOST_PRIORITY if order.by == "priority" else _MOST
            is_kind = order.attribute is None and order.by != "created" and abs(place.value) <= most
    return is_kind and abs(place.created) <= _MOST and 0 <= place.tie <= _MOST
