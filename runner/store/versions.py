"""What a store compares of a record before it changes it: ``revision;source``.

The revision alone would not do. A record that was removed may be followed by one that counts from 1
again, on another home, whose floor says nothing about the first: a worker that slept through all of
it would take the one for the other. The source of its StartTask tells every generation apart.
"""

from __future__ import annotations

from runner.errors import StoreUnreadable
from runner.tasks.record import Record

ABSENT = ""
"""Version of a record that is not there."""


def version_of(record: Record | None) -> str:
    """Return the version of a record, as the task hash holds it."""
    return ABSENT if record is None else f"{record.revision};{record.state.source}"


def is_open(version: str) -> bool:
    """Whether this is the version of an open record: every second revision is."""
    return revision_of(version) % 2 == 1


def revision_of(version: str) -> int:
    """Return the revision of a version. Raises StoreUnreadable for text that is none."""
    try:
        return int(version.partition(";")[0])
    except ValueError:
        raise StoreUnreadable(
            f"Redis holds {version[:100]!r} where the version of a record belongs; restore Redis"
        ) from None
