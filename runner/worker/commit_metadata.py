"""What is committed with every offset: which topic of this name it speaks of, and as what that counts.

Kafka keeps offsets by the topic's name alone. A store that has lost everything has lost its count of
the topics of this name as well: the group's offsets still know it.
"""

from __future__ import annotations

import re
from typing import Final

_BEHIND_ID: Final = ";"
"""No sign of the base64 that topic ids are written in."""

_WRITTEN: Final = re.compile(r"[0-9]{1,19}")


def commit_metadata(topic_id: str, incarnation: int) -> str:
    """Return the note: the id of the topic and, if it counts (not 0), its incarnation."""
    return f"{topic_id}{_BEHIND_ID}{incarnation}" if incarnation else topic_id


def topic_of(note: str) -> str:
    """Return the id of the topic that an offset was committed for."""
    return note.partition(_BEHIND_ID)[0]


def incarnation_of(note: str, topic_id: str) -> int:
    """Return the incarnation that was noted with an offset of this topic; 0: none was."""
    noted_id, _, incarnation = note.partition(_BEHIND_ID)
    return int(incarnation) if noted_id == topic_id and _WRITTEN.fullmatch(incarnation) else 0
