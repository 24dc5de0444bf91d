"""The first act: a deadline passes, a clerk may not, a director says yes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from runner.cli.demo import story
from runner.cli.demo.actors import SagaEngine, Send, proceeds
from runner.cli.demo.checks import Answer, Check, SeenResponses
from runner.errors import FORBIDDEN
from runner.kafka.topic_message import REPLY, RESUME, TopicMessage

_SAGA: Final = story.BUYING.id
STARTED: Final = Answer(REPLY, _SAGA, story.APPROVE, "ACK")
TIMED_OUT: Final = Answer(RESUME, _SAGA, story.APPROVE, "TIMEOUT")
ESCALATED: Final = Answer(REPLY, _SAGA, story.ESCALATE, "ACK")
REFUSED: Final = Answer(REPLY, story.BY_CLERK, "", "FAIL")
ACCEPTED: Final = Answer(REPLY, story.BY_DIRECTOR, "", "SUCCESS")
RESUMED: Final = Answer(RESUME, _SAGA, story.ESCALATE, "PROCEEDED")


class Purchase:
    """The purchase: one saga of two steps, and two people."""

    title = story.BOUGHT_TITLE
    ended = story.BOUGHT
    expected: tuple[Answer, ...] = (STARTED, TIMED_OUT, ESCALATED, REFUSED, ACCEPTED, RESUMED)

    def __init__(self, send: Send) -> None:
        self._send = send
        self.engine = SagaEngine(story.BUYING, send)
        self._task_id = ""

    def begin(self) -> None:
        """Start the saga."""
        self.engine.start()

    def see(self, response: TopicMessage) -> Iterator[str]:
        """Take a response, act on it, and give what is to be told of that."""
        if self.engine.see(response) == story.ESCALATE:
            yield story.ESCALATED
        if response.kind != REPLY:
            return
        if response.status == "ACK" and response.step_id == story.ESCALATE:
            self._task_id = response.task_id
            self._send(proceeds(story.CLERK, story.BY_CLERK, self._task_id, story.DECISION))
            yield story.CLERK_TRIES
        elif response.key == story.BY_CLERK:
            self._send(proceeds(story.DIRECTOR, story.BY_DIRECTOR, self._task_id, story.DECISION))
            yield story.DIRECTOR_ACTS

    def checks(self, seen: SeenResponses) -> list[Check]:
        """Return what must be true of the responses."""
        started = next(iter(seen.of(STARTED)), None)
        deadline_ms = None if started is None else _deadline_ms(started)

        def has_deadline(response: TopicMessage) -> bool:
            return bool(deadline_ms == response.section("result").get("endTime", 0) + story.DEADLINE_MS)

        def is_in_time(response: TopicMessage) -> bool:
            result = response.section("result")
            return (
                deadline_ms is not None and "error" not in result and result.get("endTime", 0) >= deadline_ms
            )

        to_go = f"with {story.DEADLINE_MS} ms to go"
        return [
            seen.exactly_one(f"the manager's task is acknowledged, {to_go}", STARTED, has_deadline),
            seen.exactly_one(
                "TIMEOUT comes, not before the deadline, and is no failure", TIMED_OUT, is_in_time
            ),
            seen.exactly_one("the condition step escalates: a director's task is acknowledged", ESCALATED),
            seen.exactly_one(
                f"the {story.CLERK.role}'s ProceedTask is refused with FAIL {FORBIDDEN}",
                REFUSED,
                _is_forbidden,
            ),
            seen.exactly_one(f"the {story.DIRECTOR.role}'s is accepted with SUCCESS", ACCEPTED),
            seen.exactly_one("PROCEEDED comes, with the decision in the stored event", RESUMED, _is_decided),
        ]


def _deadline_ms(started: TopicMessage) -> int | None:
    """Return the manager's deadline, epoch ms, as it was acknowledged; None where it was not."""
    task = started.section("result").get("task")
    deadline_ms = task.get("timeout") if isinstance(task, dict) else None
    return deadline_ms if isinstance(deadline_ms, int) else None


def _is_forbidden(refused: TopicMessage) -> bool:
    error = refused.error()
    return (error.get("code"), error.get("http")) == (FORBIDDEN, 403)


def _is_decided(resumed: TopicMessage) -> bool:
    return resumed.section("payload") == {"purchase": story.PURCHASE, "decision": story.DECISION}
