"""Dead letters: messages that can never be handled, byte for byte, with their source and the reason."""

from __future__ import annotations

from dataclasses import dataclass

from runner.actions.decision import OutgoingMessage
from runner.actions.incoming import size_of
from runner.actions.render import OVERHEAD_BYTES
from runner.errors import UNDELIVERABLE, EventError
from runner.kafka.event_log import Message

MAX_MESSAGE_CHARACTERS = 500

TOPIC = "dead-letter-topic"
PARTITION = "dead-letter-partition"
OFFSET = "dead-letter-offset"
REASON = "dead-letter-reason"
MESSAGE = "dead-letter-message"
HEADERS = (TOPIC, PARTITION, OFFSET, REASON, MESSAGE)
"""Headers added to those of the message, in this order."""


@dataclass(frozen=True, slots=True)
class DeadLetterBox:
    """Makes dead letters for one topic."""

    topic: str
    requests: str
    limit_bytes: int | None
    """Largest message the topic takes; None: there is no such topic."""

    def dead_letter(self, message: Message, reason: str, text: str) -> OutgoingMessage:
        """Return the dead letter of a message: the same key, value and headers, and the five headers above.

        Raises EventError 13020 if the topic does not take one of this size: the home must be paused then.
        """
        headers = (
            *message.headers,
            (TOPIC, self.requests.encode()),
            (PARTITION, str(message.partition).encode()),
            (OFFSET, str(message.offset).encode()),
            (REASON, reason.encode()),
            (MESSAGE, text[:MAX_MESSAGE_CHARACTERS].encode("utf-8", "replace")),
        )
        size = len(message.key or b"") + len(message.value or b"") + OVERHEAD_BYTES + size_of(headers)
        if self.limit_bytes is None or size > self.limit_bytes:
            raise EventError(
                UNDELIVERABLE,
                f"topic {self.topic!r} does not take a dead letter of {size} bytes; "
                "create it, or raise its max.message.bytes",
            )
        return OutgoingMessage(self.topic, message.key, message.value, headers)
