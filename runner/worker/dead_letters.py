"""Dead letters: messages that can never be handled, byte for byte, with their source and the reason."""

from __future__ import annotations

from runner.actions.decision import OutgoingMessage
from runner.actions.policy import TopicCatalog
from runner.actions.render import require_fits
from runner.errors import EventError
from runner.kafka.message import Message
from runner.worker.batch_state import BatchState

MAX_MESSAGE_CHARACTERS = 500

TOPIC = "dead-letter-topic"
PARTITION = "dead-letter-partition"
OFFSET = "dead-letter-offset"
REASON = "dead-letter-reason"
MESSAGE = "dead-letter-message"
_TOO_LARGE = (
    "topic {stream!r} does not take a dead letter of {size} bytes; create it, or raise its max.message.bytes"
)

HEADERS = (TOPIC, PARTITION, OFFSET, REASON, MESSAGE)
"""Headers added to those of the message, in this order."""


class DeadLetters:
    """Makes the dead letters of one topic of events."""

    def __init__(self, topic: str, source_topic: str, topics: TopicCatalog) -> None:
        """``topic`` takes the dead letters of messages of ``source_topic``."""
        self._topic = topic
        self._source_topic = source_topic
        self._topics = topics

    def message_or_pause(
        self, message: Message, reason: str, text: str, batch_state: BatchState
    ) -> OutgoingMessage | None:
        """Return the dead letter of a message; None, and its home paused, if the topic does not take it."""
        try:
            return self.message(message, reason, text)
        except EventError as error:
            batch_state.pause(message.partition, message.offset, error.message)
            return None

    def message(self, message: Message, reason: str, text: str) -> OutgoingMessage:
        """Return the dead letter of a message: the same key, value and headers, and the five headers above.

        Raises EventError 13020 if the topic does not take one of this size: the home must be paused then.
        """
        headers = (
            *message.headers,
            (TOPIC, self._source_topic.encode()),
            (PARTITION, str(message.partition).encode()),
            (OFFSET, str(message.offset).encode()),
            (REASON, reason.encode()),
            (MESSAGE, text[:MAX_MESSAGE_CHARACTERS].encode("utf-8", "replace")),
        )
        dead_letter = OutgoingMessage(self._topic, message.key, message.value, headers)
        require_fits(dead_letter, self._topics.limit_bytes(self._topic), _TOO_LARGE)
        return dead_letter
