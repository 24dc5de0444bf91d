"""Whether the topics that a worker writes to have room for what it reads: asked once, at its start.

A dead letter that no topic takes holds up its partition, so any sender could stop one. An answer that no
topic takes is a FAIL and harms nobody; but a limit that was set, and cannot be had, is a mistake.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from runner.cli.wiring import topics_read
from runner.config import Config
from runner.config.sections import Limits
from runner.errors import FatalError
from runner.kafka.topics import Cluster

DEAD_LETTER_BYTES: Final = 65_536
"""What a dead letter may add to its message, generously."""

ANSWER_BYTES: Final = 32_768
"""What an answer may add to its event, generously: result and headers with the longest id."""


_USUAL_BYTES: Final = Limits().event_bytes
"""Nobody chose it, although it may stand in a file."""


def check_message_sizes(config: Config, cluster: Cluster) -> list[str]:
    """Return what to warn of: too little room to spare, or for events as large as they may be by default.

    FatalError where dead letters could not be written, or answers to the largest events that were set.
    """
    return [*_room_for_dead_letters(config, cluster), *_room_for_answers(config, cluster)]


def _room_for_dead_letters(config: Config, cluster: Cluster) -> Iterator[str]:
    name = config.topics.dead_letters
    room = _limit(cluster, name)
    for read in topics_read(config):
        largest = _limit(cluster, read)
        if room is None or largest is None or room >= largest + DEAD_LETTER_BYTES:
            continue
        said = (
            f"topic {name} (topics.deadLetters) takes messages of {room} bytes, {read} of {largest}: a large "
            "one that cannot be handled could not be kept and would hold up its partition; set "
            f"max.message.bytes of {name} to at least {largest + DEAD_LETTER_BYTES}"
        )
        if room < largest:
            raise FatalError(said)
        yield said


def _room_for_answers(config: Config, cluster: Cluster) -> Iterator[str]:
    largest = config.limits.event_bytes
    for name in (config.topics.responses, *config.responses.streams):
        room = _limit(cluster, name)
        if room is None or room >= largest + ANSWER_BYTES:
            continue
        said = (
            f"limits.eventBytes is {largest}, but topic {name} takes messages of {room} bytes: the largest "
            f"events would be read and could not be answered; set max.message.bytes of {name} to at least "
            f"{largest + ANSWER_BYTES}, or lower limits.eventBytes"
        )
        if largest != _USUAL_BYTES:
            raise FatalError(said)
        yield said


def _limit(cluster: Cluster, name: str) -> int | None:
    """Return the largest message of a topic; None where that is not known, or there is no such topic."""
    topic = cluster.topics.get(name)
    # A broker that tells the one tells the other.
    return None if topic is None or not topic.cleanup_policy else topic.limit_bytes
