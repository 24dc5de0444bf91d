"""Commit metadata: the id of the topic and its incarnation, committed with every offset.

Kafka keeps offsets by the topic's name alone. A store that has lost everything has lost the incarnation
of the topic as well: it is still in the commit metadata.
"""

from __future__ import annotations

import re
from typing import Final

_BEHIND_ID: Final = ";"
"""Not a character of base64, in which topic ids are written."""

_WRITTEN: Final = re.compile(r"[0-9]{1,19}")


def commit_metadata(topic_id: str, incarnation: int) -> str:
    """Return the commit metadata: the id of the topic and, if it is not 0, its incarnation."""
    return f"{topic_id}{_BEHIND_ID}{incarnation}" if incarnation else topic_id


def topic_of(metadata: str) -> str:
    """Return the id of the topic that an offset was committed for."""
    return metadata.partition(_BEHIND_ID)[0]


def incarnation_of(metadata: str, topic_id: str) -> int:
    """Return the incarnation in the commit metadata of this topic; 0: there is none."""
    committed_id, _, incarnation = metadata.partition(_BEHIND_ID)
    return int(incarnation) if committed_id == topic_id and _WRITTEN.fullmatch(incarnation) else 0
