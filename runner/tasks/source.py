"""Where an event stands in the log: the one name that redelivery keeps and a duplicate changes."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from runner.errors import NOT_CONVERTIBLE, EventError

_WRITTEN: Final = re.compile(r"(-?[0-9]{1,19})/(-?[0-9]{1,19})@(-?[0-9]{1,19})")


class Source(NamedTuple):
    """Partition and offset of one message, and which incarnation of the topic they belong to.

    ``incarnation`` counts the topics of this name that the store has seen (1 for the first): a
    topic deleted and made again starts at offset 0, and must not look like redelivery.
    """

    incarnation: int
    partition: int
    offset: int

    def __str__(self) -> str:
        """``incarnation/partition@offset``, as it is stored and sent in headers."""
        return f"{self.incarnation}/{self.partition}@{self.offset}"


def parse_source(text: str) -> Source:
    """Return the source that ``str`` wrote; EventError 10011 for anything else."""
    match = _WRITTEN.fullmatch(text)
    if match is None:
        raise EventError(NOT_CONVERTIBLE, f"not a source: {text[:100]!r}")
    incarnation, partition, offset = map(int, match.groups())
    return Source(incarnation, partition, offset)
