"""Tells one demo from all else on the same topics: the ids of its requests end with a mark of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from runner.kafka.topic_message import TopicMessage


@dataclass(frozen=True, slots=True)
class Mark:
    """What the story's ids end with; empty where nobody else uses the topics, and all is the demo's."""

    text: str = ""

    def put_on(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return the event under a marked request id; one that has the mark already is left as it is."""
        request = event["requestMeta"]
        request_id = request["id"].removesuffix(self.text) + self.text
        return event | {"requestMeta": request | {"id": request_id}}

    def is_on(self, seen: TopicMessage) -> bool:
        """Whether a message belongs to this demo: also a timer's, whose key holds the task's id."""
        return self.text in seen.key

    def taken_off(self, seen: TopicMessage) -> TopicMessage:
        """Return the message under the key that the story knows."""
        return replace(seen, key=seen.key.removesuffix(self.text))
