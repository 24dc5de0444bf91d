"""Versions: ``revision;open or closed;source``, compared before a store changes a record.

The revision alone is not enough. After a record is removed, the next record of the task counts from 1
again, perhaps on another home, whose fence says nothing about the first home: a zombie could mistake one
record for the other. The source of the StartTask is different in every generation.
"""

from __future__ import annotations

from runner.errors import StoreUnreadable
from runner.tasks.record import Record

ABSENT = ""
"""Version where there is no record."""


OPEN = "open"
CLOSED = "closed"


def version_of(record: Record | None) -> str:
    """Return the version of a record, as stored in the task hash."""
    if record is None:
        return ABSENT
    return f"{record.revision};{OPEN if record.is_open else CLOSED};{record.state.source}"


def is_open(version: str) -> bool:
    """Whether a version belongs to an open record."""
    return version.split(";", 2)[1:2] == [OPEN]


def revision_of(version: str) -> int:
    """Return the revision in a version. Raises StoreUnreadable for a text that is no version."""
    try:
        return int(version.partition(";")[0])
    except ValueError:
        raise StoreUnreadable(
            f"Redis holds {version[:100]!r} where the version of a record belongs; restore Redis"
        ) from None
