"""The second act: a form is defined, claimed, saved as a draft, answered wrongly and answered well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from runner.cli.demo import story
from runner.cli.demo.actors import SagaEngine, Send, acts, proceeds
from runner.cli.demo.checks import Answer, Check, SeenResponses
from runner.errors import ANSWERS_REFUSED
from runner.kafka.topic_message import REPLY, RESUME, TopicMessage

DEFINED: Final = Answer(REPLY, story.DEFINES, "", "SUCCESS")
WAITING: Final = Answer(REPLY, story.OPENING.id, story.CHECK, "ACK")
CLAIMED: Final = Answer(REPLY, story.CLAIMS, "", "SUCCESS")
SAVED: Final = Answer(REPLY, story.SAVES, "", "SUCCESS")
REFUSED: Final = Answer(REPLY, story.ERRS, "", "FAIL")
ACCEPTED: Final = Answer(REPLY, story.ANSWERS, "", "SUCCESS")
RESUMED: Final = Answer(RESUME, story.OPENING.id, story.CHECK, "PROCEEDED")


class Account:
    """The account: one saga of one step, an admin, and somebody of compliance."""

    title = story.OPENED_TITLE
    ended = story.OPENED
    expected: tuple[Answer, ...] = (DEFINED, WAITING, CLAIMED, SAVED, REFUSED, ACCEPTED, RESUMED)

    def __init__(self, send: Send, admin_role: str) -> None:
        self._send = send
        self._admin = story.Person("olga", admin_role)
        self.engine = SagaEngine(story.OPENING, send)
        self._task_id = ""

    def begin(self) -> None:
        """Define the form."""
        self._send(acts(self._admin, story.DEFINES, "DefineTask", **story.FORM))

    def see(self, response: TopicMessage) -> Iterator[str]:
        """Take a response, act on it, and give what is to be told of that."""
        self.engine.see(response)
        if response.kind != REPLY:
            return
        kim = story.OFFICER
        match response.key:
            case story.DEFINES:
                yield story.FORM_DEFINED
                self.engine.start()
            case story.OPENING.id:
                self._task_id = response.task_id
                self._send(acts(kim, story.CLAIMS, "ClaimTask", self._task_id))
                yield story.OFFICER_CLAIMS
            case story.CLAIMS:
                self._send(acts(kim, story.SAVES, "SaveTask", self._task_id, data=story.DRAFT))
                yield story.OFFICER_SAVES
            case story.SAVES:
                self._send(self._answers(story.ERRS, story.WRONG))
                yield story.OFFICER_ERRS
            case story.ERRS:
                self._send(self._answers(story.ANSWERS, story.RIGHT))
                yield story.OFFICER_ANSWERS

    def _answers(self, request_id: str, answers: dict[str, Any]) -> dict[str, Any]:
        return proceeds(story.OFFICER, request_id, self._task_id, answers, outcome=story.OUTCOME)

    def checks(self, seen: SeenResponses) -> list[Check]:
        """Return what must be true of the responses."""
        defined = next(iter(seen.of(DEFINED)), None)
        version = None if defined is None else _version(defined)

        def is_pinned(claimed: TopicMessage) -> bool:
            task = claimed.section("result").get("task")
            return isinstance(task, dict) and version is not None and task.get("specVersion") == version

        name = story.OFFICER.name
        return [
            seen.exactly_one(
                "the form is defined, and has a version", DEFINED, lambda _: isinstance(version, int)
            ),
            seen.exactly_one("the task of the form is acknowledged", WAITING),
            seen.exactly_one(f"{name} claims it; it is pinned to that version", CLAIMED, is_pinned),
            seen.exactly_one("the draft is saved", SAVED),
            seen.exactly_one(
                f"wrong answers are refused with FAIL {ANSWERS_REFUSED}, which names each",
                REFUSED,
                _names_each,
            ),
            seen.exactly_one("right ones are accepted with SUCCESS", ACCEPTED),
            seen.exactly_one(
                "PROCEEDED comes, with draft, answers and who decided in the stored event",
                RESUMED,
                _is_decided,
            ),
        ]


def _version(defined: TopicMessage) -> Any:
    definition = defined.section("result").get("definition")
    return definition.get("version") if isinstance(definition, dict) else None


def _names_each(refused: TopicMessage) -> bool:
    error = refused.error()
    pointers = {each["pointer"] for each in error.get("violations", ())}
    return error.get("code") == ANSWERS_REFUSED and pointers == {f"/{field}" for field in story.WRONG}


def _is_decided(resumed: TopicMessage) -> bool:
    payload, task = resumed.section("payload"), resumed.section("result").get("task")
    if not isinstance(task, dict):
        return False
    wanted = {"account": story.ACCOUNT, "answers": {**story.DRAFT, **story.RIGHT}, "decided": task}
    return payload == wanted and (task.get("by"), task.get("outcome")) == (story.OFFICER.name, story.OUTCOME)
