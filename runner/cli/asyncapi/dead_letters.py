"""The topic of dead letters, and the notes that one was sent back."""

from __future__ import annotations

from typing import Final

from runner.cli.asyncapi.building import NOTHING, Node, TopicDescription, channel, message, operation
from runner.cli.asyncapi.headers import headers
from runner.cli.dlq.letters import REPLAY_OF, REPLAYED
from runner.cli.topics_command import wanted_topics
from runner.config import Config
from runner.worker.dead_letters import HEADERS, REASON

CHANNEL: Final = "deadLetters"
LETTER: Final = "deadLetter"
NOTE: Final = "replayNote"
_KEY: Final[Node] = {"description": "That of the message, byte for byte; a message may have none."}


def dead_letters(config: Config) -> TopicDescription:
    """Return channel, messages and operations of the dead letters."""
    name = config.topics.dead_letters
    letter = message(
        "Dead letter",
        "A message that can never be handled and cannot be answered: its key, value and headers as they "
        "were, and headers that say why.",
        key=_KEY,
        headers=headers(HEADERS, (REPLAYED,)),
        payload={"description": "The bytes of the message, whatever they are; none where it had none."},
        content_type="application/octet-stream",
    )
    note = message(
        "Note of a replay",
        "The dead letter in the header was sent back to its topic (runner dlq replay).",
        key={"description": "That of the dead letter."},
        headers=headers((REPLAY_OF,), without=(REASON,)),
        payload=NOTHING,
    )
    return TopicDescription(
        channels={
            CHANNEL: channel(
                name,
                "Messages that can never be handled.",
                (LETTER, NOTE),
                partitions="By the key of the message; a note is on the partition of its dead letter.",
                settings=wanted_topics(config)[name],
            )
        },
        messages={LETTER: letter, NOTE: note},
        operations={
            "buryDeadLetter": operation(
                "send", CHANNEL, "Puts a message aside; the next one is handled.", (LETTER,)
            ),
            "noteReplay": operation(
                "send", CHANNEL, "The command runner dlq replay notes what it has sent back.", (NOTE,)
            ),
        },
    )
