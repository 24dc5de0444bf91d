"""The schemas of eventMeta and of the record are equal to the code that reads and writes them.

The builders of the action tests check every eventMeta and every record they make against these
schemas as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from msgspec import structs

from runner.actions.decision import Decision, Done
from runner.actions.incoming import Incoming
from runner.actions.plan import ImmediateAnswer, PeriodPlan, TaskPlan
from runner.actions.registry import (
    TIMEOUT_BETWEEN,
    VERBS,
    answer_without_record,
    decide,
    is_addressed,
    plan,
)
from runner.actions.render import Renderer
from runner.actions.timeout_between import decide_period
from runner.envelope.event import Event
from runner.errors import DOMAIN_MISSING, NOT_CONVERTIBLE, PARAMETER_MISSING, UNSUPPORTED_VERSION
from runner.tasks import schema
from runner.tasks.due import DuePage
from runner.tasks.parts import Status
from runner.tasks.record import Record
from tests.unit.actions.events import (
    NOW,
    OUTLET,
    POLICY,
    answer,
    closed_by,
    envelope,
    failure,
    incoming,
    proceed,
    start,
    started,
    timeout,
)
from tests.unit.actions.schemas import FOLDER, complaints, validator

ANN: Final = {"claims": {"sub": "ann", "roles": ["admin"]}}
ACTIONS: Final = (*VERBS, TIMEOUT_BETWEEN)
RENDERER: Final = Renderer(POLICY, OUTLET)
FORM: Final[dict[str, Any]] = {"taskSpec": "approval", "schema": {"type": "object"}, "outcomes": ["approve"]}
DEFINITION: Final = closed_by(incoming(envelope("DefineTask", request=ANN, **FORM)), None)
DEFINITIONS: Final = {DEFINITION.key: DEFINITION}


def meta_schema(action: str) -> dict[str, Any]:
    schema_of_action = validator(f"event-meta/{action}").schema
    assert isinstance(schema_of_action, dict)
    return schema_of_action


def fields(action: str) -> dict[str, Any]:
    properties: dict[str, Any] = meta_schema(action)["properties"]
    return properties


def parameters(action: str) -> dict[str, Any]:
    properties: dict[str, Any] = fields(action)["parameters"]["properties"]
    return properties


# The record.


def test_the_schema_of_the_record_is_that_of_its_structs() -> None:
    assert (FOLDER / "record.schema.json").read_text(encoding="utf-8") == schema.text()


def test_every_field_of_the_record_is_described() -> None:
    parts = schema.json_schema()["$defs"]
    assert {"TaskState", "TaskStart", "Ending"} <= set(parts)
    for part in parts.values():
        for name, field in part.get("properties", {}).items():
            assert field.get("description"), name


def test_the_schema_of_the_record_refuses_what_is_none() -> None:
    state = {"status": "OPEN", "home": 0, "source": "1/0@0", "created_ms": 1}
    begin = {"event": {}, "data": [None], "headers": [["traceparent", "00"]]}
    assert not complaints("record", {"state": state, "start": begin})
    wrong: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"status": "DONE"}, {}),
        ({"home": "0"}, {}),
        ({"deadline_ms": "soon"}, {}),
        ({"roles": "manager"}, {}),
        ({"closing": {}}, {}),
        ({}, {"event": "text"}),
        ({}, {"headers": [["traceparent"]]}),
    ]
    for in_state, in_start in wrong:
        assert complaints("record", {"state": {**state, **in_state}, "start": {**begin, **in_start}})


# The schemas of eventMeta: each field and parameter that an action reads, and no other.


class Watched(dict[str, Any]):
    """An object that knows which of its fields were asked for."""

    def __init__(self, values: dict[str, Any], asked: set[str]) -> None:
        super().__init__(values)
        self.asked = asked

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)

    def __bool__(self) -> bool:
        return True  # an empty one must not be replaced by another


class WatchedRecord(Record, frozen=True, kw_only=True):
    """A record whose starting event is watched."""

    event: Event

    def starting_event(self) -> Event:
        return self.event


class Reading:
    """Which fields of eventMeta and which parameters were read."""

    def __init__(self) -> None:
        self.fields: set[str] = set()
        self.parameters: set[str] = set()

    def watch(self, one: Incoming) -> Incoming:
        meta = Watched(one.event.meta, self.fields)
        dict.__setitem__(meta, "parameters", Watched(one.event.parameters, self.parameters))
        return structs.replace(one, event=Event(one.event.sections, meta, one.value))


def everything_read(action: str) -> Reading:
    """Send events of an action down every way that reads something of them."""
    reading = Reading()
    sent: tuple[dict[str, Any], ...] = (
        {},
        {"timeoutOn": NOW},
        {"meta": {"domain": "nope"}},
        {"text": "a comment"},
        {"reason": "why not"},
        {"user": "bob", "roles": "clerk"},
        {"data": {"approved": True}},
        {"priority": 1},
        {"notes": "in a hurry"},
        {"ifVersionPath": "seen"},
        {"hooksPath": "seen"},
        {"taskUserPath": "seen", "taskRolesPath": "seen"},
        FORM,
        {"payload": FORM},
        {"enrichPath": "taskId", "fromTimePath": "from", "toTimePath": "to"},
    )
    for parts in sent:
        one = reading.watch(incoming(envelope(action, request=ANN, **parts)))
        assert is_addressed(one.event, POLICY)
        _decide_all(one, reading)
    return reading


def _decide_all(one: Incoming, reading: Reading) -> None:
    asked = plan(one, POLICY)
    match asked:
        case ImmediateAnswer():
            assert answer_without_record(asked, NOW, RENDERER).messages
        case PeriodPlan():
            assert decide_period(asked, DuePage((), None), NOW, POLICY, RENDERER)
        case TaskPlan():
            asked = structs.replace(asked, others=DEFINITIONS)
            record = started(start(meta={"outputElement": "out"}))
            for found in (None, record, _pinned(), closed_by(timeout(), record)):
                made = decide(asked, found, NOW, POLICY, RENDERER)
                assert made.messages
                if made.status == "ACK" and made.record is not None:
                    _resume(made, one, reading)


def _pinned() -> Record:
    """Give a task that is pinned to a definition."""
    decision = answer(start(taskSpec="approval"), others=DEFINITIONS)
    assert decision.record is not None
    return decision.record


def _resume(made: Decision, one: Incoming, reading: Reading) -> None:
    """What is read of a StartTask once its saga is resumed counts as read by StartTask."""
    assert made.record is not None
    of = made.record
    record = WatchedRecord(of.key, of.revision, of.state, of.start, event=reading.watch(one).event)
    end = proceed(enrichPath="$")
    for status in (Status.PROCEEDED, Status.CANCELLED):
        assert RENDERER.messages(Done(NOW, None, status), end, record.key, record)


@pytest.mark.parametrize("action", ACTIONS)
def test_each_field_that_an_action_reads_is_in_its_schema_and_the_other_way_round(action: str) -> None:
    assert everything_read(action).fields == set(fields(action))


@pytest.mark.parametrize("action", ACTIONS)
def test_each_parameter_that_an_action_reads_is_in_its_schema_and_the_other_way_round(action: str) -> None:
    assert everything_read(action).parameters == set(parameters(action))


def test_there_is_a_schema_for_each_action_and_no_other() -> None:
    files = {path.name.removesuffix(".schema.json") for path in (FOLDER / "event-meta").iterdir()}
    assert files == set(ACTIONS)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_schema_describes_every_field_and_uses_all_it_defines(action: str) -> None:
    whole = meta_schema(action)
    assert whole["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert action in whole["title"]
    assert whole["description"]
    assert fields(action)["action"] == {"const": action}
    for name, field in {**fields(action), **parameters(action)}.items():
        assert name == "action" or field["description"], name
    text = json.dumps(whole)
    for name, definition in whole["$defs"].items():
        assert definition["description"]
        assert f'"#/$defs/{name}"' in text


def _described() -> Iterator[tuple[str, str, Any]]:
    for action in ACTIONS:
        for name, field in {**fields(action), **parameters(action), **meta_schema(action)["$defs"]}.items():
            yield action, name, field


CHANGED: Final = ("timeout", "timeoutOn", "dueOn", "followUpOn", "priority", "notes")
OWN: Final = {
    "UpdateTask": {*CHANGED, *(f"{name}Path" for name in CHANGED)},
    "DefineTask": {"taskSpec", "taskSpecPath"},
}
"""What means something else there: what is left out stays and null clears; a spec gets its definition."""


def test_what_all_actions_share_reads_the_same_in_every_schema() -> None:
    own = {"action", "domain", "outputElement", "parameters"}
    first: dict[str, Any] = {}
    for action, name, field in _described():
        if name not in own | OWN.get(action, set()):
            assert first.setdefault(name, field) == field, (action, name)
    assert fields("ProceedTask")["outputElement"] == fields("TimeoutTask")["outputElement"]
    of_answers = {name: parameters("ProceedTask")[name] for name in ("outcome", "outcomePath")}
    assert parameters("ProceedTask") == {**parameters("TimeoutTask"), **of_answers}


def test_fields_that_nobody_knows_are_let_through() -> None:
    for action in ACTIONS:
        meta = {"action": action, "domain": "orders", "x": 1, "parameters": {"y": {"z": []}}}
        assert not complaints(f"event-meta/{action}", meta)


# The schema and the code refuse the same values.

VALUES: Final[tuple[Any, ...]] = (
    *(None, "", " ", "a", "5", "60000", "1e3", "-1", "NaN", "1_000", "a,b"),
    *(0, 1, -1, 1.5, 2**53 - 1, 2**53, 1e30, True, False),
    *([], ["a"], ["a", "b"], [1], [None], {}, {"a": 1}),
    *(",", " , ", "\u00a0", [""], [" ", ","], ["", "a"]),
    *("+5", "007", " 7 ", "1.5", "100", "101", ["a", "a"]),
)
LENIENT: Final = frozenset({"handler", "deployments", "ignoreErrors"})
"""Read without refusing: another's handler is not an error, a strange list ignores nothing."""

REFUSALS: Final = frozenset({NOT_CONVERTIBLE, UNSUPPORTED_VERSION, DOMAIN_MISSING})

WITH: Final[dict[str, dict[str, Any]]] = {
    "StartTask": {"taskSpec": "approval"},
    "SaveTask": {"payload": {"taskId": "task-1", "data": {"approved": True}}},
    "UpdateTask": {"payload": {"taskId": "task-1", "priority": 1, "timeout": 1}},
    "DefineTask": {"payload": FORM},
}
"""Values without which an action is refused before it looks at others; as fields, since a parameter hides
its path."""

NEEDED: Final = {("UpdateTask", name) for name in CHANGED} | {("DefineTask", "taskSpec")}
"""Values whose blank is refused with 10009, and by the schema: null clears, or there is no name."""


def _cases() -> list[tuple[str, str, bool]]:
    return [
        *(
            (action, name, False)
            for action in ACTIONS
            for name in sorted({*fields(action)} - LENIENT - {"action"})
        ),
        *((action, name, True) for action in ACTIONS for name in sorted({*parameters(action)} - LENIENT)),
    ]


def _refused(action: str, name: str, meta: dict[str, Any]) -> bool:
    """Whether the code has something against a value of eventMeta."""
    besides = {**_time_path(action), **WITH.get(action, {})}
    one = incoming(envelope(action, wrong_meta=meta, request=ANN, **besides))
    if action != TIMEOUT_BETWEEN:
        decision = answer(one, _before(action, name), others=DEFINITIONS)
        refusals = REFUSALS | ({PARAMETER_MISSING} if (action, name) in NEEDED else frozenset())
        return decision.status == "FAIL" and failure(decision)["code"] in refusals
    asked = plan(one, POLICY)
    return isinstance(asked, ImmediateAnswer) and asked.error is not None and asked.error.code in REFUSALS


def _before(action: str, name: str) -> Record | None:
    """Give the record to which an action comes."""
    if action in {"StartTask", "DefineTask"}:
        return None
    return _pinned() if name.startswith("outcome") else started()


def _time_path(action: str) -> dict[str, Any]:
    """Without a time path TimeoutBetween has no use for an input and does not look at it."""
    return {"toTimePath": "to"} if action == TIMEOUT_BETWEEN else {}


def _is_about_meaning(name: str, value: Any) -> bool:
    """Whether only the code can judge: whether text is JMESPath, a version there, or a domain needed."""
    if name.endswith("Pattern"):
        return isinstance(value, str)
    if name == "taskSpecVersion":
        return not complaints("event-meta/StartTask", _meta_of("StartTask", {name: value}))
    return name == "domain" and (value is None or value in ("", " ", "\u00a0"))


@pytest.mark.parametrize(("action", "name", "is_parameter"), _cases())
def test_schema_and_code_refuse_the_same_values(action: str, name: str, is_parameter: bool) -> None:
    for value in VALUES:
        changed: dict[str, Any] = {"parameters": {name: value}} if is_parameter else {name: value}
        meta = (
            _meta_of(action, changed["parameters"]) if is_parameter else {**_meta_of(action, {}), **changed}
        )
        refused_by_schema = bool(complaints(f"event-meta/{action}", meta))
        if not _is_about_meaning(name, value):
            assert _refused(action, name, changed) is refused_by_schema, value


def _meta_of(action: str, changed: dict[str, Any]) -> dict[str, Any]:
    return {"action": action, "domain": "orders", "parameters": changed}


REMIND: Final[dict[str, Any]] = {"on": "arrival", "after": 1, "do": "remind"}
REASSIGN: Final[dict[str, Any]] = {"on": "assignment", "after": 1, "do": "reassign"}


@pytest.mark.parametrize(
    "hook",
    [
        *({**REMIND, name: value} for name in ("on", "after", "do", "user", "roles") for value in VALUES),
        *(
            {**REASSIGN, name: value}
            for name in ("user", "roles", "repeatEvery", "times")
            for value in VALUES
        ),
        *({**REASSIGN, "user": "bob", "roles": value} for value in VALUES),
        *({**REMIND, "repeatEvery": 60_000, "times": value} for value in (*VALUES, 1000, 1001, 0.5, 1000.5)),
        *({**REMIND, "times": 2, "repeatEvery": value} for value in (*VALUES[:3], [], True, "60000")),
        *({**REMIND, name: value} for name in ("repeatEvery", "times") for value in VALUES[:3]),
        *({**REMIND, "do": do} for do in ("remind", "reassign", "release", "cancel", "timeout", "dance")),
        *({**REMIND, "do": do, "user": "bob"} for do in ("reassign", "release", "cancel", "timeout")),
        *({name: REMIND[name] for name in REMIND if name != missing} for missing in REMIND),
        {**REMIND, "colour": "red"},
        {},
    ],
)
def test_schema_and_code_refuse_the_same_hooks(hook: Any) -> None:
    meta = {"parameters": {"taskRoles": "clerk", "hooks": [hook]}}
    decision = answer(start(wrong_meta=meta))
    assert decision.status in {"ACK", "FAIL"}
    bounded_by_code = _is_text_number(hook.get("times")) and not 1 <= float(hook["times"]) <= 1000
    if not bounded_by_code:
        refused = bool(complaints("event-meta/StartTask", _meta_of("StartTask", meta["parameters"])))
        assert refused is (decision.status == "FAIL"), decision.messages


def _is_text_number(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\s*-?[0-9.e]+\s*", value) is not None


def test_a_missing_action_or_domain_is_refused_by_the_schemas_that_need_one() -> None:
    for action in ACTIONS:
        assert complaints(f"event-meta/{action}", {"domain": "orders"})
        assert complaints(f"event-meta/{action}", {"action": "Other", "domain": "orders"})
        assert bool(complaints(f"event-meta/{action}", {"action": action})) is (action != TIMEOUT_BETWEEN)
