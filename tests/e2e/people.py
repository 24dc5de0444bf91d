"""The people of the load: who they are, what they do to a task between its start and its end, and its forms.

Knows the protocol and nothing of the program.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

SITE_DOMAIN: Final = json.dumps({"default": {"adminRole": "admin"}})
"""The domain of the load, as the configuration has it."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, as the gateway states them."""

    name: str
    roles: tuple[str, ...]


ANN: Final = Person("ann", ("manager",))
BOB: Final = Person("bob", ("manager",))
CID: Final = Person("cid", ("manager", "clerk"))
DIRECTOR: Final = Person("user-7", ("director",))
ADMIN: Final = Person("root", ("admin",))
STRANGER: Final = Person("eve", ("visitor",))
MANAGERS: Final = (ANN, BOB, CID)
EVERYBODY: Final = {each.name: each for each in (*MANAGERS, DIRECTOR, ADMIN, STRANGER)}

FORMS: Final = 3
"""Definitions of a load."""

VERSIONS_BETWEEN: Final = 25
"""Tasks between two DefineTasks, about."""

FAR_MS: Final = 600_000
"""A deadline that no test waits for: it has to be moved."""

NO_COMMENT: Final = 199
"""The number of a comment that no task has."""

MISFITS: Final = ({"stray": 1}, {"amount": "much"})
"""Answers that no version of a form takes: FAIL 10134."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody does to a task."""

    action: str
    person: Person
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def event(self, task_id: str, request_id: str) -> dict[str, Any]:
        """Return the event that says so."""
        return verb_event(self.action, self.person, request_id, self.parameters, {"taskId": task_id})


def verb_event(
    action: str, person: Person, request_id: str, parameters: Mapping[str, Any], payload: dict[str, Any]
) -> dict[str, Any]:
    """Return the event of a verb."""
    return {
        "requestMeta": {"id": request_id, "claims": {"sub": person.name, "roles": list(person.roles)}},
        "sagaMeta": [{"sagaId": "desk", "stepId": "work"}],
        "eventMeta": {
            "requestTime": int(time.time() * 1000),
            "action": action,
            "domain": "default",
            "parameters": dict(parameters),
        },
        "payload": payload,
    }


def proceeding_event(
    task_id: str, request_id: str, person: Person = DIRECTOR, answers: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the command with which somebody finishes a task."""
    decision = answers or {"by": request_id, "approved": True}
    return {
        "requestMeta": {"id": request_id, "claims": {"sub": person.name, "roles": list(person.roles)}},
        "sagaMeta": [{"sagaId": "desk", "stepId": "done"}],
        "eventMeta": {
            "requestTime": int(time.time() * 1000),
            "action": "ProceedTask",
            "domain": "default",
            "inputElement": "form",
            "outputElement": "task",
            "parameters": {"enrichPath": "decision"},
        },
        "payload": {"form": {"taskId": task_id, "decision": decision}},
    }


class People:
    """Decides by the seed what people do."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def start_parameters(self) -> dict[str, Any]:
        """Return what the StartTask of a task that people work on has besides its deadline."""
        parameters: dict[str, Any] = {"taskRoles": "manager, director", "onCancel": "withdrawn"}
        if self._chance(0.3):
            parameters["taskUser"] = ANN.name
        if self._chance(0.5):
            parameters["decisionElement"] = "decided"
        if self._chance(0.3):
            parameters |= {"priority": self._random.randrange(101), "notes": "as it was started"}
        return parameters

    def day(self, *, has_form: bool) -> list[Deed]:
        """Return what people do to a task, in this order or about it."""
        random = self._random
        one, other = random.sample(MANAGERS, 2)
        deck = [
            *(Deed("ClaimTask", each) for each in (one, other, random.choice(MANAGERS))),
            Deed("ClaimTask", STRANGER),
            Deed("CommentTask", STRANGER, {"text": "let me in"}),
            *(Deed("ReleaseTask", each) for each in (one, ADMIN)),
            self._assignment(),
            *(self._saving(each, has_form=has_form) for each in (one, one, other)),
            *(Deed("CommentTask", each, {"text": self._word()}) for each in (one, other, ADMIN)),
            *(self._updating(each) for each in (one, ADMIN)),
            Deed("GetTask", random.choice((one, other, ADMIN))),
        ]
        if self._chance(0.3):
            deck.append(Deed("CancelTask", random.choice((one, ADMIN)), {"reason": self._word()}))
        return random.sample(deck, random.randint(5, 10))

    def after_comment(self, number: int, author: str) -> Deed | None:
        """Return what comes of a comment: it is edited or deleted, mostly by its author."""
        if self._chance(0.5):
            return None
        person = EVERYBODY[author] if self._chance(0.7) else BOB
        change: dict[str, Any] = {"delete": True} if self._chance(0.4) else {"text": self._word()}
        wanted = number if self._chance(0.9) else NO_COMMENT
        return Deed("CommentTask", person, {"commentId": wanted, **change})

    def after_version(self, version: str) -> Deed | None:
        """Return what an admin does who has seen this version of a task; another may be there by then."""
        if self._chance(0.9):
            return None
        return Deed("UpdateTask", ADMIN, {"priority": self._random.randrange(101), "ifVersion": version})

    def moved_near(self) -> Deed:
        """Return a deadline that is moved to where it is waited for."""
        return Deed("UpdateTask", ADMIN, {"timeout": self._random.randint(200, 1500)})

    def answers(self, request_id: str, *, has_form: bool) -> dict[str, Any]:
        """Return the answers with which somebody finishes a task; some do not fit its form."""
        given: dict[str, Any] = {"by": request_id, "approved": True}
        if self._chance(0.5):
            given |= {"detail": {"a": self._random.randrange(9)}, "tags": [self._word()]}
        return given | (self._random.choice(MISFITS) if has_form and self._chance(0.15) else {})

    def outcome(self) -> str:
        """Return a named answer that every version of a form has."""
        return self._random.choice(("approve", "reject"))

    def _assignment(self) -> Deed:
        random = self._random
        named: dict[str, Any] = random.choice(
            ({"user": BOB.name}, {"user": CID.name}, {"user": None}, {"roles": ["manager"]})
        )
        return Deed("AssignTask", ADMIN, {**named, "override": self._chance(0.6)})

    def _saving(self, person: Person, *, has_form: bool) -> Deed:
        random = self._random
        data: dict[str, Any] = random.choice(
            (
                {"detail": {"a": random.randrange(99)}},
                {"detail": {"b": random.randrange(99)}, "amount": random.randrange(99)},
                {"tags": [self._word(), self._word()], "remark": None},
                {"remark": self._word(), "detail": {"a": 0, "b": random.randrange(99)}},
            )
        )
        if has_form and self._chance(0.1):
            data = random.choice(MISFITS)
        return Deed("SaveTask", person, {"data": data, "ignoreClaim": self._chance(0.2)})

    def _updating(self, person: Person) -> Deed:
        random = self._random
        span = random.randint(300, 2500)
        named: dict[str, Any] = random.choice(
            (
                {"timeout": span},
                {"timeoutOn": int(time.time() * 1000) + span},
                {"priority": random.randrange(101), "dueOn": random.randrange(10**12)},
                {"notes": self._word()},
            )
        )
        return Deed("UpdateTask", person, named)

    def _word(self) -> str:
        return f"wörd-{self._random.randrange(10**6)}"

    def _chance(self, share: float) -> bool:
        return self._random.random() < share


@dataclass(slots=True)
class Forms:
    """The definitions of a load: what was sent of each, and which version was seen."""

    random: Random
    name: str
    seen: dict[str, int] = field(default_factory=dict)
    """The newest version that a reply has told, by name of the definition."""
    _changes: dict[str, int] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Return the names of all definitions."""
        return [f"{self.name}-form-{number}" for number in range(FORMS)]

    def defining(self, spec: str, request_id: str) -> dict[str, Any]:
        """Return a DefineTask: changed since the last, or the same again."""
        number = self._changes.get(spec, -1)
        if number < 0 or self.random.random() < 0.6:
            self._changes[spec] = number = number + 1
        parameters = {"taskSpec": spec, **_definition(number)}
        return verb_event("DefineTask", ADMIN, request_id, parameters, {})

    def start_parameters(self) -> dict[str, Any]:
        """Return which definition a task has; now and then an early version of it."""
        spec = self.random.choice(self.names())
        if self.random.random() < 0.2 and self.seen.get(spec, -1) >= 0:
            return {"taskSpec": spec, "taskSpecVersion": self.random.randint(0, self.seen[spec])}
        return {"taskSpec": spec}


def _definition(number: int) -> dict[str, Any]:
    """Return the definition after so many changes: another field, or another description alone."""
    number_or_null = {"type": ["integer", "null"]}
    properties: dict[str, Any] = {
        "by": {"type": "string", "title": "Who has decided"},
        "approved": {"type": "boolean"},
        "amount": {"type": "integer", "minimum": 0},
        "detail": {"type": "object", "properties": {"a": number_or_null, "b": number_or_null}},
        "tags": {"type": "array", "items": {"type": "string"}},
        "remark": {"type": ["string", "null"]},
        **{f"more-{each}": {"type": "string"} for each in range(number // 2)},
    }
    schema = {"type": "object", "properties": properties, "required": ["approved"]}
    described = {"description": f"after {number} changes", "outcomes": ["approve", "reject"]}
    return {"schema": schema, "uiOrder": ["approved", "remark"], **described}
