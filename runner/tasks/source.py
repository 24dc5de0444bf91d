"""The source of an event: its place in the log, which redelivery keeps and a duplicate does not share."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from runner.errors import NOT_CONVERTIBLE, EventError

WRITTEN: Final = re.compile(r"(-?[0-9]{1,19})/(-?[0-9]{1,19})@(-?[0-9]{1,19})")
"""A source as text: ``incarnation/partition@offset``."""


class Source(NamedTuple):
    """Partition and offset of one message, and the incarnation of its topic.

    ``incarnation`` counts the topics of this name that the store has seen (1 for the first): a topic that
    was deleted and made again starts at offset 0, which must not be taken for redelivery.
    """

    incarnation: int
    partition: int
    offset: int

    def __str__(self) -> str:
        """Return ``incarnation/partition@offset``, as it is stored and sent in headers."""
        return f"{self.incarnation}/{self.partition}@{self.offset}"


def parse_source(text: str) -> Source:
    """Return the source that ``str`` wrote; EventError 10011 for anything else."""
    match = WRITTEN.fullmatch(text)
    if match is None:
        raise EventError(NOT_CONVERTIBLE, f"not a source: {text[:100]!r}")
    incarnation, partition, offset = map(int, match.groups())
    return Source(incarnation, partition, offset)
