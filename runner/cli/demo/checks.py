"""What must be true of everything that was seen on the topics; the demo fails if one is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from string import digits
from typing import Final

from runner.actions.render import EVENT_TYPE
from runner.kafka.topic_message import TopicMessage

NOTIFICATION: Final = "notification"
CONTENT_TYPE: Final = "content-type"
CLOUD_EVENTS: Final = "application/cloudevents+json"


@dataclass(frozen=True, slots=True)
class Check:
    """One sentence, and whether it is true; ``seen`` says what was there instead."""

    name: str
    holds: bool
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a check looks at of one response."""

    kind: str
    key: str
    step: str
    status: str


class SeenResponses:
    """The responses that were seen, by what they are."""

    def __init__(self, responses: Sequence[TopicMessage]) -> None:
        self._by_answer: dict[Answer, list[TopicMessage]] = {}
        for response in responses:
            self._by_answer.setdefault(answer_of(response), []).append(response)

    def of(self, answer: Answer) -> Sequence[TopicMessage]:
        """Return all that are this."""
        return self._by_answer.get(answer, ())

    def exactly_one(
        self, name: str, answer: Answer, is_right: Callable[[TopicMessage], bool] = lambda _: True
    ) -> Check:
        """Return the check that there is one such response, and that it is right."""
        found = self.of(answer)
        if len(found) != 1:
            return Check(name, holds=False, seen=f"{len(found)} such responses")
        value = (found[0].value or b"").decode(errors="replace")
        return Check(name, holds=is_right(found[0]), seen=value)

    def no_others(self, expected: Sequence[Answer]) -> Check:
        """Return the check that there are these and no more."""
        answers = [answer for answer, found in self._by_answer.items() for _ in found]
        others = [
            f"{answer.kind} {answer.status} for {answer.key}" for answer in answers if answer not in expected
        ]
        holds = sorted(answers, key=repr) == sorted(expected, key=repr)
        return Check(
            "there is no other response, and none came twice", holds, ", ".join(others) or "see above"
        )


def check_dead_letters(dead_letters: Sequence[TopicMessage]) -> Check:
    """Return the check that there are none."""
    return Check("there are no dead letters", not dead_letters, f"{len(dead_letters)} of them")


def check_worker(exit_code: int | None) -> Check:
    """Return the check of how the worker ended, for whoever started it."""
    return Check("the worker ended in good order", exit_code == 0, f"exit code {exit_code}")


def heard(message: TopicMessage) -> str:
    """Return what happened, of a notification; empty for any other message."""
    if message.headers.get(CONTENT_TYPE) != CLOUD_EVENTS:
        return ""
    event = (message.event() or {}).get("type")
    return event.removeprefix(EVENT_TYPE) if isinstance(event, str) else ""


def answer_of(response: TopicMessage) -> Answer:
    """Return what a response is; only the saga's own have a step. A notification is of saga and step, too."""
    event = heard(response)
    if event:
        saga, _, step = response.key.rpartition(":")
        return Answer(NOTIFICATION, saga, step.rstrip(digits), event)
    return Answer(response.kind, response.key, response.step_id, response.status)
