"""The checker of people and definitions: it passes what is right, and finds each thing that is wrong."""

import copy
import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from tests.e2e.answers import Answer
from tests.e2e.checker import check
from tests.e2e.people import ADMIN, ANN, BOB, Person, proceeding_event, verb_event
from tests.e2e.sent import Sent

BEGAN_MS: Final = 1_000_000
SOURCE: Final = "1/0@1"
DEFINITION: Final = {"schema": {"type": "object"}, "outcomes": ["approve"]}


class History:
    """A task with a form: claimed, commented on, saved, proceeded; every answer can be changed."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.answers: list[dict[str, Any]] = []
        self.parts: dict[str, dict[str, Any]] = {}
        for number, again in enumerate((False, True, True)):
            self._define(f"d-{number}", {**DEFINITION, "description": str(int(again))}, int(again))
        self._start()
        ann = {"status": "ASSIGNED", "owner": "ann"}
        roles = ["manager"]
        owned = {"from": {"user": None, "roles": roles}, "to": {"user": "ann", "roles": roles}}
        self._verb("c-1", ANN, "ClaimTask", {}, 2, ann, {"event": "assigned", **owned})
        self._verb("c-1", ANN, "ClaimTask", {}, 2, ann)
        comment = {"event": "commented", "data": {"id": 1}}
        self._verb("t-1", BOB, "CommentTask", {"text": "hm"}, 3, {**ann, "comments": 1}, comment)
        self.answers[-1]["result"]["comment"] = {"id": 1}
        saved = {"event": "saved", "data": {"data": {"a": {"x": 1}}}}
        self._verb("f-1", ANN, "SaveTask", {"data": {"a": {"x": 1}}}, 4, {**ann, "comments": 1}, saved)
        self._proceed()
        self.parts |= {
            "comment/1": {"by": "bob", "text": "hm"},
            "draft": {"data": {"a": {"x": 1}}},
        }

    def report(self) -> list[str]:
        """Return what the checker finds."""
        messages = [
            _message({"id": "t", "source": SOURCE, "part": name, "value": value}, "", "", "")
            for name, value in self.parts.items()
        ]
        for number in range(2):
            definition = {**DEFINITION, "description": str(number)}
            for name, value in {
                f"version/{number}": {"definition": definition},
                "life": {"versions": 2},
            }.items():
                messages.append(
                    _message({"id": "f", "source": "1/0@0", "part": name, "value": value}, "", "", "")
                )
        answers = [
            _message(
                each, each["kind"], "" if each["eventMeta"]["action"] == "DefineTask" else "t", each["status"]
            )
            for each in self.answers
        ]
        return check(self.sent, answers, messages).findings

    def one(self, request_id: str, kind: str = "reply") -> dict[str, Any]:
        """Return the first answer to a request."""
        return next(a for a in self.answers if a["requestMeta"]["id"] == request_id and a["kind"] == kind)

    def refuse(self, request_id: str, code: int) -> None:
        """Turn a reply into a refusal."""
        reply = self.one(request_id)
        reply |= {"status": "FAIL"}
        reply["result"] = {**_result("FAIL", 0), "error": {"code": code}}

    def _define(self, request_id: str, values: dict[str, Any], version: int) -> None:
        event = verb_event("DefineTask", ADMIN, request_id, {"taskSpec": "f", **values}, {})
        told = {"definition": {"domain": "default", "taskSpec": "f", "version": version}}
        self._answered(event, "", "reply", "SUCCESS", {**_result("SUCCESS", 1), **told})

    def _start(self) -> None:
        meta = {"channel": "x", "id": "s", "seen": 1}
        parameters = {"timeout": "5000", "taskRoles": "manager", "taskSpec": "f"}
        event = {
            "requestMeta": meta,
            "sagaMeta": [],
            "eventMeta": {"action": "StartTask", "parameters": parameters},
            "payload": {"amount": 1},
        }
        task = {"id": "t", "domain": "default", "partition": 0, "timeout": BEGAN_MS + 5000}
        self._answered(event, "t", "reply", "ACK", {**_result("ACK", 0), "task": task})

    def _verb(
        self,
        request_id: str,
        person: Person,
        action: str,
        values: dict[str, Any],
        revision: int,
        shown: dict[str, Any],
        entry: dict[str, Any] | None = None,
    ) -> None:
        event = verb_event(action, person, request_id, values, {"taskId": "t"})
        result = {**_result("SUCCESS", revision), "task": _task(revision, shown)}
        self._answered(event, "t", "reply", "SUCCESS", result)
        if entry is not None:
            of = {"revision": revision, "at": BEGAN_MS + revision, "actor": person.name}
            self.parts[f"history/{revision - 1}"] = {**of, **entry}

    def _proceed(self) -> None:
        event = proceeding_event("t", "p-1", ANN, {"by": "p-1", "a": {"y": 2}})
        event["eventMeta"]["parameters"]["outcome"] = "approve"
        shown = {"status": "DONE", "owner": "ann", "comments": 1}
        self._answered(event, "t", "reply", "SUCCESS", {**_result("SUCCESS", 5), "task": _task(5, shown)})
        self.answers[-1]["payload"]["form"]["task"] = {"amount": 1}
        started = copy.deepcopy(next(each.event for each in self.sent if each.request_id == "s"))
        started["payload"]["approval"] = {"by": "p-1", "a": {"x": 1, "y": 2}}
        decided = {"task": {"id": "t", "by": "ann", "outcome": "approve"}}
        self._answer(started, "resume", "PROCEEDED", {**_result("PROCEEDED", 5), **decided})

    def _answered(
        self, event: dict[str, Any], task: str, kind: str, status: str, result: dict[str, Any]
    ) -> None:
        self.sent.append(Sent(0, event, task, BEGAN_MS))
        self._answer(event, kind, status, result)

    def _answer(self, event: dict[str, Any], kind: str, status: str, result: dict[str, Any]) -> None:
        self.answers.append({**copy.deepcopy(event), "result": result, "kind": kind, "status": status})


def test_a_history_in_which_every_promise_was_kept_has_no_findings() -> None:
    assert History().report() == []


def _claimed_twice(history: History) -> None:
    """Somebody else claims the task, and is told that it is his, although nobody has released it."""
    reply = history.one("t-1")
    of = next(each for each in history.sent if each.request_id == "t-1")
    for event in (reply, of.event):
        event["eventMeta"]["action"] = "ClaimTask"
    reply["result"]["task"]["owner"] = "bob"


def _idle_claim(history: History) -> None:
    shown = {"status": "ASSIGNED", "owner": "ann", "comments": 1}
    history._verb("c-2", BOB, "ClaimTask", {}, 4, shown)


def _second_comment(history: History) -> None:
    history._verb(
        "t-2", BOB, "CommentTask", {"text": "x"}, 6, {"status": "DONE", "owner": "ann", "comments": 2}
    )
    history.answers[-1]["result"]["comment"] = {"id": 1}


@pytest.mark.parametrize(
    ("break_it", "finding"),
    [
        (_claimed_twice, "t-1 was done as version 3, not refused: {10131}"),
        (_idle_claim, "c-2 was told SUCCESS at version 4, and did nothing"),
        (_second_comment, "t-2 is comment 1, but should be 2"),
        (lambda h: h.one("t-1")["result"]["task"].update(comments=0), "t-1 tells otherwise at version 3"),
        (lambda h: h.one("c-1")["result"]["task"].update(owner="bob"), "c-1 tells otherwise at version 2"),
        (lambda h: h.one("t-1")["result"]["task"].update(version=f"2;{SOURCE}"), "nobody made version 3"),
        (lambda h: h.one("f-1")["result"]["task"].update(version=f"3;{SOURCE}"), "was made by several"),
        (lambda h: h.one("f-1")["result"]["task"].update(specVersion=0), "its pinned version has changed"),
        (lambda h: h.one("f-1")["result"]["task"].update(createdOn=7), "speaks of a round that nobody began"),
        (
            lambda h: [
                a["result"]["task"].update(specVersion=0)
                for a in h.answers
                if "specVersion" in a["result"].get("task", {})
            ],
            "pinned to version 0 of its definition, when 1",
        ),
        (lambda h: h.refuse("t-1", 14), "CommentTask t-1 was refused with"),
        (lambda h: h.refuse("c-1", 10131), "ClaimTask c-1 was refused with"),
        (lambda h: h.refuse("d-1", 14), "DefineTask d-1 was refused"),
        (lambda h: h.one("s", "resume")["payload"].update(approval={"by": "p-1"}), "PROCEEDED with payload"),
        (lambda h: h.one("s", "resume")["result"]["task"].update(by="bob"), "its saga is told"),
        (lambda h: h.one("s", "resume")["result"].pop("task"), "and the task was plain: False"),
        (lambda h: h.parts.pop("history/2"), "history/2 in the changelog is None"),
        (lambda h: h.parts["history/1"].update(actor="bob"), "history/1 in the changelog is"),
        (lambda h: h.parts["comment/1"].update(text="other"), "comment 1 is"),
        (lambda h: h.parts["draft"].update(data={}), "the draft in the changelog is {}"),
        (
            lambda h: h.one("d-2")["result"]["definition"].update(version=2),
            "the same again is version 1 and 2",
        ),
        (
            lambda h: [h.one(f"d-{n}")["result"]["definition"].update(version=3) for n in (1, 2)],
            "its versions are [0, 3]",
        ),
        (
            lambda h: h.one("d-1")["result"]["definition"].update(version=0),
            "was told version 0, which is another",
        ),
    ],
)
def test_the_checker_finds(break_it: Callable[[History], object], finding: str) -> None:
    history = History()
    break_it(history)
    found = history.report()
    assert any(finding in each for each in found), found


def _task(revision: int, shown: dict[str, Any]) -> dict[str, Any]:
    told = {"user": None, "roles": ["manager"], "timeout": BEGAN_MS + 5000, "priority": 50, "dueOn": None}
    pinned = {"specVersion": 1, "createdOn": BEGAN_MS, "version": f"{revision};{SOURCE}", "comments": 0}
    return {**told, **pinned, **shown}


def _result(status: str, after_ms: int) -> dict[str, Any]:
    return {"status": status, "receiveTime": BEGAN_MS + after_ms, "endTime": BEGAN_MS + after_ms}


def _message(event: dict[str, Any], kind: str, task: str, status: str) -> Answer:
    headers = {"event-kind": kind, "event-status": status} | ({"task-id": task} if task else {})
    key = str(event.get("requestMeta", {}).get("id", "")).encode()
    return Answer(0, 0, BEGAN_MS + 10**6, key, json.dumps(event).encode(), headers)
