"""Answers of Redis as plain values, whichever version of its protocol they came by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runner.errors import StoreUnreadable
from runner.store.versions import revision_of
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record, read_record


def record_of(key: TaskKey, fields: Sequence[bytes | None], names: Sequence[str] = ()) -> Record | None:
    """Return the record of a task hash: its core fields, then the parts of these names."""
    version, state, start, life, *parts = fields
    if version is None:
        return None
    named = {name: part for name, part in zip(names, parts, strict=True) if part is not None}
    return read_record(key, revision_of(text_of(version)), state or b"", start or b"", life, named)


def pairs_of(answer: Any) -> tuple[tuple[str, int], ...]:
    """Return (member, epoch ms) of a WITHSCORES answer, flat (RESP2) or in pairs (RESP3)."""
    if answer and isinstance(answer[0], list):
        return tuple((text_of(member), int(score)) for member, score in answer)
    return tuple((text_of(answer[i]), int(float(answer[i + 1]))) for i in range(0, len(answer), 2))


def text_of(value: bytes) -> str:
    """Return a text of ours; StoreUnreadable for bytes that are none."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise StoreUnreadable(
            f"Redis holds {value[:100]!r} where a version or the entry of an index belongs; "
            "take it out, or restore Redis"
        ) from None


def moment_of(score: Any) -> int | None:
    """Return a score as epoch ms; it arrives as text (RESP2) or as a number (RESP3)."""
    return None if score is None else int(float(score))
