"""What must be true of everything that was seen on the topics; the demo fails if one is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from runner.cli.demo.story import APPROVE, CLERK, DEADLINE_MS, DECISION, DIRECTOR, ESCALATE, PURCHASE, SAGA_ID
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
    by_answer: dict[Answer, list[TopicMessage]] = {}
    for response in responses:
        by_answer.setdefault(answer_of(response), []).append(response)
    deadline_ms = _deadline_ms(by_answer.get(STARTED, []))

    def has_deadline(started: TopicMessage) -> bool:
        return bool(deadline_ms == started.section("result").get("endTime", 0) + DEADLINE_MS)

    def is_in_time(timed_out: TopicMessage) -> bool:
        result = timed_out.section("result")
        return deadline_ms is not None and "error" not in result and result.get("endTime", 0) >= deadline_ms

    def exactly_one(
        name: str, answer: Answer, is_right: Callable[[TopicMessage], bool] = lambda _: True
    ) -> Check:
        found = by_answer.get(answer, [])
        if len(found) != 1:
            return Check(name, holds=False, seen=f"{len(found)} such responses")
        value = (found[0].value or b"").decode(errors="replace")
        return Check(name, holds=is_right(found[0]), seen=value)

    return [
        exactly_one(
            f"the manager's task is acknowledged, with {DEADLINE_MS} ms to go", STARTED, has_deadline
        ),
        exactly_one("TIMEOUT comes, not before the deadline, and is no failure", TIMED_OUT, is_in_time),
        exactly_one("the condition step escalates: a director's task is acknowledged", ESCALATED),
        exactly_one(
            f"the {CLERK.role}'s ProceedTask is refused with FAIL {FORBIDDEN}", REFUSED, _is_forbidden
        ),
        exactly_one(f"the {DIRECTOR.role}'s is accepted with SUCCESS", ACCEPTED),
        exactly_one("PROCEEDED comes, with the decision in the stored event", RESUMED, _is_decided),
        _no_others([answer_of(response) for response in responses]),
        Check("there are no dead letters", not dead_letters, f"{len(dead_letters)} of them"),
    ]


def check_worker(exit_code: int | None) -> Check:
    """Return the check of how the worker ended, for whoever started it."""
    return Check("the worker ended in good order", exit_code == 0, f"exit code {exit_code}")


def answer_of(response: TopicMessage) -> Answer:
    """Return what a response is; only the saga's own have a step."""
    return Answer(response.kind, response.key, response.step_id, response.status)


def _deadline_ms(started: Sequence[TopicMessage]) -> int | None:
    """Return the manager's deadline, epoch ms, as it was acknowledged; None where it was not."""
    for response in started:
        task = response.section("result").get("task")
        deadline_ms = task.get("timeout") if isinstance(task, dict) else None
        if isinstance(deadline_ms, int):
            return deadline_ms
    return None


def _is_forbidden(refused: TopicMessage) -> bool:
    error = refused.error()
    return (error.get("code"), error.get("http")) == (FORBIDDEN, 403)


def _is_decided(resumed: TopicMessage) -> bool:
    return resumed.section("payload") == {"purchase": PURCHASE, "decision": DECISION}


def _no_others(answers: Sequence[Answer]) -> Check:
    others = [
        f"{answer.kind} {answer.status} for {answer.key}" for answer in answers if answer not in EXPECTED
    ]
    holds = sorted(answers, key=repr) == sorted(EXPECTED, key=repr)
    return Check("there is no other response, and none came twice", holds, ", ".join(others) or "see above")
