"""People who send verbs: ann, bob and maria are managers, eve is a clerk, root is the admin of ``orders``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from runner.actions.decision import Decision, Done
from runner.actions.incoming import Incoming
from runner.actions.policy import Policy
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record
from tests.unit.actions.events import POLICY, answer, envelope, failure, incoming, message, reply, start

ADMIN: Final = "root"
NOBODY: Final[dict[str, Any]] = {"claims": {}}

Definitions = Mapping[TaskKey, Record | None]

PURCHASE: Final[dict[str, Any]] = {
    "taskSpec": "purchase",
    "schema": {
        "type": "object",
        "required": ["decision", "amount"],
        "properties": {
            "decision": {"type": "string", "enum": ["yes", "no"]},
            "amount": {"type": "number", "minimum": 0},
            "note": {"type": "string"},
            "address": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "zip": {"type": "string"}},
            },
            "items": {"type": "array", "items": {"type": "string"}},
        },
    },
}
"""A definition with required fields, a nested object and a list."""

VOTE: Final[dict[str, Any]] = {**PURCHASE, "taskSpec": "vote", "outcomes": ["approve", "reject"]}
"""The same with named outcomes."""


def person(name: str) -> dict[str, Any]:
    """Give the requestMeta with which a gateway names somebody."""
    roles = {ADMIN: ["admin"], "eve": ["clerk"]}.get(name, ["manager"])
    return {"claims": {"sub": name, "roles": roles}}


def verb(action: str, by: str | dict[str, Any], number: int = 1, **values: Any) -> Incoming:
    """Give a verb of its own request, at its own offset."""
    named = person(by) if isinstance(by, str) else by
    sent = envelope(action, request={"id": f"{action}-{number}", **named}, **values)
    return incoming(sent, offset=200 + number)


def save(by: str | dict[str, Any], data: Any, number: int = 1, **values: Any) -> Incoming:
    return verb("SaveTask", by, number, data=data, **values)


def update(by: str | dict[str, Any], number: int = 1, **values: Any) -> Incoming:
    return verb("UpdateTask", by, number, **values)


def get(by: str | dict[str, Any], number: int = 1, **values: Any) -> Incoming:
    return verb("GetTask", by, number, **values)


def define(number: int = 1, by: str | dict[str, Any] = ADMIN, **values: Any) -> Incoming:
    return verb("DefineTask", by, number, **values)


def claim(by: str | dict[str, Any], number: int = 1, **values: Any) -> Incoming:
    return verb("ClaimTask", by, number, **values)


def finish(by: str | dict[str, Any], answers: Any = None, number: int = 1, **values: Any) -> Incoming:
    """Give a ProceedTask with these answers."""
    payload = {"taskId": "task-1", "answers": answers}
    path = {} if answers is None else {"enrichPath": "answers"}
    return verb("ProceedTask", by, number, payload=payload, **path, **values)


def wrong(action: str, by: str, number: int = 1, **values: Any) -> Incoming:
    """Give a verb whose values its schema refuses."""
    request = {"id": f"{action}-{number}", **person(by)}
    return incoming(envelope(action, request=request, wrong_meta={"parameters": values}), offset=200 + number)


def defined(*forms: dict[str, Any], policy: Policy = POLICY) -> Definitions:
    """Give the records that these definitions lead to, one after another."""
    records: dict[TaskKey, Record] = {}
    by_spec: dict[str, Record] = {}
    for number, form in enumerate(forms, 1):
        decision = answer(define(number, **form), by_spec.get(form["taskSpec"]), policy=policy)
        assert decision.record is not None, message(decision.messages[-1]).result
        by_spec[form["taskSpec"]] = records[decision.record.key] = decision.record
    return records


def begun(*, others: Definitions | None = None, **parameters: Any) -> Record:
    """Give the record of a task for managers, unless the parameters of its start say otherwise."""
    return after(None, start(**{"taskRoles": "manager", **parameters}), others=others)


def after(
    record: Record | None, *events: Incoming, others: Definitions | None = None, policy: Policy = POLICY
) -> Record:
    """Give the record after these events, each of which changes it."""
    for event in events:
        decision = answer(event, record, others=others, policy=policy)
        assert decision.record is not None, message(decision.messages[-1]).result
        record = decision.record
    assert record is not None
    return record


def told(decision: Decision) -> dict[str, Any]:
    """What the reply says of the task."""
    assert reply(decision).status == "SUCCESS", reply(decision).result
    found: dict[str, Any] = reply(decision).result["task"]
    return found


def part(record: Record, name: str) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(record.parts[name])
    return found


def written(decision: Decision) -> set[str]:
    assert isinstance(decision.outcome, Done)
    return set(decision.outcome.written or ())


def draft(record: Record) -> Any:
    """What was saved so far."""
    return part(record, "draft")["data"]


def violations(decision: Decision) -> list[tuple[str, str]]:
    """Pointer and rule of each violation of a FAIL 10134."""
    error = failure(decision)
    assert error["code"] == 10134
    for each in error["violations"]:
        assert set(each) == {"pointer", "rule", "message"}
        assert each["message"].strip()
    return sorted((each["pointer"], each["rule"]) for each in error["violations"])
