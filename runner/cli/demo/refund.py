"""The third act: a task nobody looks at is reminded of, goes a level up, is claimed there, and cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from runner.cli.demo import story
from runner.cli.demo.actors import SagaEngine, Send, acts, proceeds
from runner.cli.demo.checks import NOTIFICATION, Answer, Check, SeenResponses, answer_of
from runner.cli.times import read_moment
from runner.errors import TASK_CANCELLED
from runner.kafka.topic_message import REPLY, RESUME, TopicMessage

_SAGA: Final = story.REFUNDING.id
WAITING: Final = Answer(REPLY, _SAGA, story.REFUND, "ACK")
REMINDED: Final = Answer(NOTIFICATION, _SAGA, story.REFUND, "reminded")
ESCALATED: Final = Answer(NOTIFICATION, _SAGA, story.REFUND, "escalated")
CLAIMED: Final = Answer(REPLY, story.LEAD_CLAIMS, "", "SUCCESS")
WITHDRAWN: Final = Answer(REPLY, story.ADMIN_CANCELS, "", "SUCCESS")
CANCELLED: Final = Answer(RESUME, _SAGA, story.REFUND, "CANCELLED")
FILING: Final = Answer(REPLY, _SAGA, story.FILE, "ACK")
FILED: Final = Answer(REPLY, story.CLERK_FILES, "", "SUCCESS")
ENDED: Final = Answer(RESUME, _SAGA, story.FILE, "PROCEEDED")


class Refund:
    """The refund: one saga of two steps, two people of support, and an admin."""

    title = story.REFUND_TITLE
    ended = story.REFUND_ENDED
    expected: tuple[Answer, ...] = (
        *(WAITING, REMINDED, ESCALATED, CLAIMED, WITHDRAWN, CANCELLED),
        *(FILING, FILED, ENDED),
    )

    def __init__(self, send: Send, admin_role: str) -> None:
        self._send = send
        self._admin = story.Person("olga", admin_role)
        self.engine = SagaEngine(story.REFUNDING, send)
        self._task_id = ""

    def begin(self) -> None:
        """Start the saga."""
        self.engine.start()

    def see(self, response: TopicMessage) -> Iterator[str]:
        """Take a response or a notification, act on it, and give what is to be told of that."""
        if self.engine.see(response) == story.FILE:
            yield story.BRANCHES
        answer = answer_of(response)
        if answer == WAITING:
            self._task_id = response.task_id
        elif answer == REMINDED:
            yield story.REMINDED
        elif answer == ESCALATED:
            self._send(acts(story.LEAD, story.LEAD_CLAIMS, "ClaimTask", self._task_id))
            yield story.GOES_UP
        elif answer == CLAIMED:
            cancel = acts(self._admin, story.ADMIN_CANCELS, "CancelTask", self._task_id, reason=story.REASON)
            self._send(cancel)
            yield story.ADMIN_ACTS
        elif answer == FILING:
            self._send(proceeds(story.SUPPORTER, story.CLERK_FILES, response.task_id, story.NOTE))
            yield story.SUPPORTER_ACTS

    def checks(self, seen: SeenResponses) -> list[Check]:
        """Return what must be true of the responses and notifications."""
        lead = story.LEAD
        return [
            seen.exactly_one("the task of a refund is acknowledged", WAITING),
            seen.exactly_one(
                f"{story.SUPPORTER.role} is reminded of it, not before its time", REMINDED, _is_reminder
            ),
            seen.exactly_one(f"it goes up to {lead.role}, not before its time", ESCALATED, _is_level_one),
            seen.exactly_one(f"{lead.name} claims it there, on level 1", CLAIMED, _is_of_lead),
            seen.exactly_one("an admin cancels it", WITHDRAWN),
            seen.exactly_one("CANCELLED comes, with the reason and its name", CANCELLED, _says_why),
            seen.exactly_one("the condition step branches: the refund is to be filed", FILING),
            seen.exactly_one("it is filed", FILED),
            seen.exactly_one("PROCEEDED comes, and the saga ends", ENDED, _is_filed),
        ]


def _is_reminder(told: TopicMessage) -> bool:
    data = told.section("data")
    return (
        data.get("recipients") == {"user": None, "roles": [story.SUPPORTER.role]}
        and data.get("count") == 1
        and _ms_since_start(told) >= story.REMIND_MS
    )


def _is_level_one(told: TopicMessage) -> bool:
    data = told.section("data")
    task = data.get("task")
    return (
        isinstance(task, dict)
        and data.get("recipients") == {"user": None, "roles": [story.LEAD.role]}
        and (data.get("actor"), task.get("level")) == ("timer", 1)
        and _ms_since_start(told) >= story.ESCALATE_MS
    )


def _ms_since_start(told: TopicMessage) -> int:
    """Return how long the task had been there, by the clock of Redis; 0 where it does not say."""
    task, time = told.section("data").get("task"), (told.event() or {}).get("time")
    started_ms = task.get("createdOn") if isinstance(task, dict) else None
    if not isinstance(started_ms, int) or not isinstance(time, str):
        return 0
    return read_moment(time, 0) - started_ms


def _is_of_lead(claimed: TopicMessage) -> bool:
    task = claimed.section("result").get("task")
    wanted = (story.LEAD.name, [story.LEAD.role], 1, "ASSIGNED")
    return isinstance(task, dict) and wanted == (
        task.get("owner"),
        task.get("roles"),
        task.get("level"),
        task.get("status"),
    )


def _says_why(cancelled: TopicMessage) -> bool:
    error = cancelled.section("result").get("error")
    return error == {"code": TASK_CANCELLED, "message": story.REASON, "name": story.WITHDRAWN}


def _is_filed(ended: TopicMessage) -> bool:
    return ended.section("payload") == {"refund": story.REFUNDED, "note": story.NOTE}
