"""What must be true of everything that was seen on the topics; the demo fails if one is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from runner.cli.demo.story import (
    APPROVE,
    CLERK,
    DEADLINE_MS,
    DECISION,
    DIRECTOR,
    ESCALATE,
    PURCHASE,
    SAGA_ID,
)
from runner.errors import FORBIDDEN
from runner.kafka.topic_message import REPLY, RESUME, TopicMessage


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


STARTED: Final = Answer(REPLY, SAGA_ID, APPROVE, "ACK")
TIMED_OUT: Final = Answer(RESUME, SAGA_ID, APPROVE, "TIMEOUT")
ESCALATED: Final = Answer(REPLY, SAGA_ID, ESCALATE, "ACK")
REFUSED: Final = Answer(REPLY, CLERK.request_id, "", "FAIL")
ACCEPTED: Final = Answer(REPLY, DIRECTOR.request_id, "", "SUCCESS")
RESUMED: Final = Answer(RESUME, SAGA_ID, ESCALATE, "PROCEEDED")
EXPECTED: Final = (STARTED, TIMED_OUT, ESCALATED, REFUSED, ACCEPTED, RESUMED)


def check_all(responses: Sequence[TopicMessage], dead_letters: Sequence[TopicMessage]) -> list[Check]:
    """Return every check of what was seen, in the order of the story."""
    answers = _Answers(responses)
    return [
        answers.check(
            f"the manager's task is acknowledged, with {DEADLINE_MS} ms to go", STARTED, _has_deadline
        ),
        answers.check("TIMEOUT comes, not before the deadline, and is no failure", TIMED_OUT, _is_in_time),
        answers.check("the condition step escalates: a director's task is acknowledged", ESCALATED),
        answers.check(
            f"the {CLERK.role}'s ProceedTask is refused with FAIL {FORBIDDEN}", REFUSED, _is_forbidden
        ),
        answers.check(f"the {DIRECTOR.role}'s is accepted with SUCCESS", ACCEPTED),
        answers.check("PROCEEDED comes, with the decision in the stored event", RESUMED, _is_decided),
        _no_others(responses),
        Check("there are no dead letters", not dead_letters, f"{len(dead_letters)} of them"),
    ]


def check_worker(exit_code: int | None) -> Check:
    """Return the check of how the worker ended, for whoever started it."""
    return Check("the worker ended in good order", exit_code == 0, f"exit code {exit_code}")


class _Answers:
    """The responses by what they are; a look at one may ask for the others."""

    def __init__(self, responses: Sequence[TopicMessage]) -> None:
        self._found: dict[Answer, list[TopicMessage]] = {}
        for response in responses:
            self._found.setdefault(answer_of(response), []).append(response)

    def check(
        self, name: str, wanted: Answer, is_right: Callable[[_Answers, TopicMessage], bool] | None = None
    ) -> Check:
        """Exactly one response is the one that is wanted, and it is right."""
        found = self._found.get(wanted, [])
        if len(found) != 1:
            return Check(name, holds=False, seen=f"{len(found)} such responses")
        if is_right is not None and not is_right(self, found[0]):
            return Check(name, holds=False, seen=(found[0].value or b"").decode(errors="replace"))
        return Check(name, holds=True)

    @property
    def deadline_ms(self) -> int | None:
        """The manager's deadline, epoch ms, as it was acknowledged; None where it was not."""
        for found in self._found.get(STARTED, []):
            task = found.section("result").get("task")
            deadline_ms = task.get("timeout") if isinstance(task, dict) else None
            if isinstance(deadline_ms, int):
                return deadline_ms
        return None


def answer_of(response: TopicMessage) -> Answer:
    """Return what a response is; only the saga's own have a step."""
    return Answer(response.kind, response.key, response.step_id, response.status)


def _has_deadline(answers: _Answers, response: TopicMessage) -> bool:
    return bool(answers.deadline_ms == response.section("result").get("endTime", 0) + DEADLINE_MS)


def _is_in_time(answers: _Answers, response: TopicMessage) -> bool:
    result = response.section("result")
    if answers.deadline_ms is None or "error" in result:
        return False
    return bool(result.get("endTime", 0) >= answers.deadline_ms)


def _is_forbidden(_: _Answers, response: TopicMessage) -> bool:
    error = response.error()
    return (error.get("code"), error.get("http")) == (FORBIDDEN, 403)


def _is_decided(_: _Answers, response: TopicMessage) -> bool:
    return response.section("payload") == {"purchase": PURCHASE, "decision": DECISION}


def _no_others(responses: Sequence[TopicMessage]) -> Check:
    found = [answer_of(response) for response in responses]
    others = [f"{answer.kind} {answer.status} for {answer.key}" for answer in found if answer not in EXPECTED]
    holds = sorted(found, key=repr) == sorted(EXPECTED, key=repr)
    return Check("there is no other response, and none came twice", holds, ", ".join(others) or "see above")
