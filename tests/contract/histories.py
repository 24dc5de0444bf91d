"""Histories of tasks, as a worker writes them to the changelog: random events, real decisions.

A line has partition and offset as in Kafka. ``compacted`` leaves out what Kafka might.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from random import Random
from typing import Any, Final, NamedTuple

from runner.actions.policy import DomainPolicy, Policy
from tests.unit.worker.rig import TASKS, Harness, Worker

POLICY: Final = Policy(
    domains={
        "orders": DomainPolicy(retention_ms=60_000, admin_role="admin"),
        "brief": DomainPolicy(retention_ms=0, admin_role="admin"),
    }
)
PEOPLE: Final = {"ann": ["manager"], "bob": ["manager", "clerk"], "eve": ["clerk"], "root": ["admin"]}
TASK_IDS: Final = ("t-1", "t-2", "req/3 é", "t-4:step.5", "~")
ATTRIBUTES: Final = {"amount": "amount", "city": "customer.city", "urgent": "urgent", "gone": "no.where"}
SHARDS: Final = 4
ACTIONS: Final = {
    "StartTask": 8,
    "ProceedTask": 2,
    "ClaimTask": 5,
    "ReleaseTask": 3,
    "AssignTask": 2,
    "CommentTask": 5,
    "SaveTask": 3,
    "UpdateTask": 3,
    "CancelTask": 1,
    "TimeoutTask": 1,
    "DefineTask": 1,
}
"""What is sent, and how often."""


class Line(NamedTuple):
    """One message of the changelog."""

    partition: int
    offset: int
    time_ms: int
    key: bytes
    value: bytes | None


def history(random: Random, events: int, ids: Sequence[str] = TASK_IDS) -> list[Line]:
    """Return what a worker tells the changelog of so many random events, in its order."""
    worker = Worker(Harness(policy=POLICY, with_changelog=True, shards=SHARDS))
    homes = [random.randrange(2) for _ in ids]
    lines: list[Line] = []
    seen = 0
    for number in range(events):
        place = random.randrange(len(ids))
        worker.log.append(_event(random, number, ids[place]), homes[place])
        if random.random() < 0.15:
            worker.ticker.advance(random.choice((0.1, 5, 70)))
        if random.random() < 0.5:
            worker.until_idle()
        seen = _collect(worker, seen, lines)
    worker.until_idle()
    _collect(worker, seen, lines)
    return lines


def compacted(lines: Sequence[Line], keeps: Callable[[], bool]) -> list[Line]:
    """Return what may be left once Kafka has compacted: the last message of each key, any of the others."""
    last = {(line.partition, line.key): line.offset for line in lines}
    return [line for line in lines if last[line.partition, line.key] == line.offset or keeps()]


def without_tombstones(lines: Sequence[Line], gone: Collection[int]) -> list[Line]:
    """Return what may be left later: tombstones go as well, once nothing of their keys is before them."""
    keys = [(line.partition, line.key) for line in lines]
    return [
        line
        for number, line in enumerate(lines)
        if not (line.value is None and number in gone and keys.count(keys[number]) == 1)
    ]


def _collect(worker: Worker, seen: int, lines: list[Line]) -> int:
    """Add the lines that were written since; return how many messages there are now."""
    ends = {line.partition: line.offset + 1 for line in lines}
    for outgoing in worker.log.sent[seen:]:
        if outgoing.stream == TASKS:
            partition = outgoing.partition or 0
            # Marks of transactions take offsets, too.
            offset = ends.get(partition, 0) + (1 if len(lines) % 3 == 0 else 0)
            ends[partition] = offset + 1
            assert outgoing.key is not None
            lines.append(Line(partition, offset, worker.harness.now_ms(), outgoing.key, outgoing.value))
    return len(worker.log.sent)


def _event(random: Random, number: int, task_id: str) -> bytes:
    action = random.choices(list(ACTIONS), list(ACTIONS.values()))[0]
    user = random.choice(list(PEOPLE))
    parameters = _parameters(random, action)
    return json.dumps(
        {
            "requestMeta": {"id": f"r-{number}", "claims": {"sub": user, "roles": PEOPLE[user]}},
            "sagaMeta": [{"sagaId": "purchase", "stepId": "approve"}],
            "eventMeta": {
                "action": action,
                # A task stays in its domain, so that what it is has one home.
                "domain": "brief" if task_id == "t-2" else "orders",
                "requestTime": number,
                "parameters": parameters,
            },
            "payload": {"taskId": task_id, **_payload(random, action)},
        }
    ).encode()


def _parameters(random: Random, action: str) -> dict[str, Any]:
    users, roles = random.choice(["ann", "bob", None]), random.choice([["clerk"], ["manager"]])
    choices: dict[str, list[dict[str, Any]]] = {
        "StartTask": [_start(random)],
        "AssignTask": [{"override": True, "user": users, "roles": roles}],
        "CommentTask": [
            {"text": "so it is"},
            {"text": "or not"},
            {"commentId": 1, "text": "new"},
            {"commentId": 1, "delete": True},
        ],
        "UpdateTask": [
            {"dueOn": 1_900_000_000_000},
            {"priority": 90},
            {"priority": None, "dueOn": None},
            {"notes": "look"},
            {"timeout": 90_000},
        ],
        "CancelTask": [{"reason": "no more"}],
        "DefineTask": [
            {"taskSpec": "purchase", "schema": {"type": "object", "title": each}} for each in "ab"
        ],
    }
    return random.choice(choices.get(action, [{}]))


def _start(random: Random) -> dict[str, Any]:
    parameters: dict[str, Any] = {"taskName": random.choice(["Prüfe Straße", "Approve", ""])}
    if random.random() < 0.3:
        parameters["priority"] = 6
    if random.random() < 0.8:
        parameters["taskRoles"] = random.choice(["manager", "manager, clerk"])
    if random.random() < 0.3:
        parameters["taskUser"] = random.choice(list(PEOPLE))
    if random.random() < 0.5:
        parameters |= {"priority": random.randrange(101), "dueOn": 1_800_000_100_000, "taskAction": "approve"}
    if random.random() < 0.5:
        parameters |= {"timeout": random.choice((20_000, 900_000)), "inputPattern": "@"}
    return parameters


def _payload(random: Random, action: str) -> dict[str, Any]:
    if action == "SaveTask":
        return {"data": {"a": random.random()}}
    amount = random.choice([12.50, -3, 0, "much", True, None])
    return {
        "amount": amount,
        "customer": {"city": random.choice(["Köln", "Ulm"])},
        "urgent": random.random() < 0.5,
    }
