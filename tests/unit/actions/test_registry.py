"""From event to Decision: addressing, homes, wrong sections, redelivery."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from runner.actions.decision import (
    ACK,
    Decision,
    Done,
    Dropped,
    Forwarded,
    Outcome,
    Refused,
    decode_outcome,
    encode_outcome,
)
from runner.actions.incoming import HOPS, TIMER, Incoming
from runner.actions.plan import ImmediateAnswer, PeriodPlan, TaskPlan
from runner.actions.registry import TIMEOUT_BETWEEN, VERBS, is_addressed, replay
from runner.actions.render import Renderer
from runner.envelope.event import MetaRules
from runner.errors import NOT_CONVERTIBLE, UNDELIVERABLE, UNKNOWN_ACTION, EventError
from runner.tasks.keys import TaskKey
from runner.tasks.parts import Status
from runner.tasks.record import Record
from tests.unit.actions.events import (
    HOUR,
    NOW,
    OUTLET,
    POLICY,
    FakeOutlet,
    answer,
    closed_by,
    code,
    envelope,
    failure,
    incoming,
    planned,
    proceed,
    reply,
    start,
    started,
    timeout,
)

# Not addressed to this runner: no reply, no effect.


@pytest.mark.parametrize(
    ("meta", "addressed"),
    [
        ({}, True),
        ({"handler": None}, True),
        ({"handler": ""}, True),
        ({"handler": " "}, True),
        ({"handler": "\u00a0"}, True),
        ({"handler": "user-task"}, True),
        ({"handler": "User-Task"}, False),
        ({"handler": "mail"}, False),
        ({"handler": 5}, False),
        ({"handler": {"name": "user-task"}}, False),
        ({"deployments": None}, True),
        ({"deployments": []}, True),
        ({"deployments": ""}, True),
        ({"deployments": " "}, True),
        ({"deployments": " , "}, True),
        ({"deployments": [""]}, True),
        ({"deployments": [" ", ","]}, True),
        ({"deployments": [" eu "]}, True),
        ({"deployments": ["eu"]}, True),
        ({"deployments": ["us", "eu"]}, True),
        ({"deployments": "us, eu"}, True),
        ({"deployments": ["us"]}, False),
        ({"deployments": "us,euro"}, False),
        ({"deployments": {"eu": True}}, False),
        ({"deployments": 5}, False),
        ({"handler": "mail", "deployments": ["eu"]}, False),
        ({"handler": "user-task", "deployments": ["us"]}, False),
    ],
)
def test_an_event_is_for_this_runner_by_handler_and_deployments(
    meta: dict[str, Any], addressed: bool
) -> None:
    one = incoming(envelope("StartTask", wrong_meta=meta))
    assert is_addressed(one.event, POLICY) is addressed


def test_without_a_deployment_of_its_own_a_runner_takes_only_events_that_name_none() -> None:
    policy = replace(POLICY, deployment=None)
    assert is_addressed(start().event, policy)
    assert not is_addressed(start(meta={"deployments": ["eu"]}).event, policy)


@pytest.mark.parametrize("value", [[None], [{}], [["eu"]]])
def test_deployments_of_no_name_are_not_ours(value: Any) -> None:
    one = incoming(envelope("StartTask", wrong_meta={"deployments": value}))
    assert not is_addressed(one.event, replace(POLICY, deployment=None))


# The actions.


def test_these_are_the_actions() -> None:
    assert {*VERBS, TIMEOUT_BETWEEN} == {
        "StartTask",
        "ProceedTask",
        "TimeoutTask",
        "TimeoutBetween",
        "CommentTask",
        "ClaimTask",
        "ReleaseTask",
        "AssignTask",
        "CancelTask",
        "SaveTask",
        "UpdateTask",
        "GetTask",
        "DefineTask",
    }


@pytest.mark.parametrize("action", ["", "starttask", "StartTask ", "DeleteTask", "x" * 9000])
def test_an_unknown_action_is_refused_and_named(action: str) -> None:
    error = failure(answer(incoming(envelope(action))))
    assert error["code"] == UNKNOWN_ACTION
    assert action[:50] in error["message"]
    assert len(error["message"]) < 300


def test_a_plan_says_what_has_to_be_read() -> None:
    assert isinstance(planned(start()), TaskPlan)
    assert isinstance(planned(incoming(envelope("TimeoutBetween"))), PeriodPlan)
    assert isinstance(planned(start(skipPattern="taskId")), ImmediateAnswer)
    assert isinstance(planned(start(meta={"domain": "nope"})), ImmediateAnswer)


# Each section of the wrong type.


NO_OBJECTS: list[Any] = [[], [1], [{}], "text", 5, 0, True, False]
NO_SAGAS: list[Any] = [{}, "text", 5, True, [1], [None], [[]], ["x", {}]]
WRONG_TYPES = [
    *(("payload", value) for value in NO_OBJECTS),
    *(("result", value) for value in NO_OBJECTS),
    *(("sagaMeta", value) for value in NO_SAGAS),
]


@pytest.mark.parametrize("action", [*VERBS, TIMEOUT_BETWEEN])
@pytest.mark.parametrize(("section", "value"), WRONG_TYPES)
def test_a_section_of_the_wrong_type_is_refused_by_name(action: str, section: str, value: Any) -> None:
    sent = envelope(action)
    sent[section] = value
    one = incoming(sent)
    for record in (None, started()):
        decision = answer(one, record)
        error = failure(decision)
        assert error["code"] == NOT_CONVERTIBLE
        assert section in error["message"]
        if section != "result":
            assert reply(decision).value[section] == value


@pytest.mark.parametrize("value", NO_OBJECTS)
def test_parameters_of_the_wrong_type_are_refused(value: Any) -> None:
    one = start(wrong_meta={"parameters": value})
    assert code(answer(one)) == NOT_CONVERTIBLE
    ruled = incoming(
        envelope("StartTask", wrong_meta={"parameters": value}),
        rules=MetaRules(parameter_defaults={"taskRoles": "manager"}),
    )
    assert code(answer(ruled)) == NOT_CONVERTIBLE


@pytest.mark.parametrize(
    ("name", "value"),
    [("requestTime", {}), ("requestTime", True), ("inputElement", []), ("outputElement", {})],
)
def test_a_field_of_event_meta_that_is_no_text_is_refused_by_name(name: str, value: Any) -> None:
    error = failure(answer(proceed(wrong_meta={name: value}), started()))
    assert error["code"] == NOT_CONVERTIBLE
    assert name in error["message"]


@pytest.mark.parametrize("section", ["payload", "result", "sagaMeta", "others"])
@pytest.mark.parametrize("odd", [b"1e400", b"-1e999", b"1" * 400, b"-0", b"1.50", rb'"fine \uD83D"'])
def test_what_a_parser_dislikes_passes_where_nobody_reads_it(section: str, odd: bytes) -> None:
    if section == "sagaMeta" and b"D83D" in odd:
        return  # its ids are read, and with it all of it
    sent = envelope("StartTask")
    sent[section] = [{"n": "ODD"}] if section == "sagaMeta" else {"taskId": "task-1", "n": "ODD"}
    decision = answer(incoming(json.dumps(sent).encode().replace(b'"ODD"', odd)))
    assert decision.status == "ACK"
    value = decision.messages[0].value or b""
    # A section that is written anew has no blanks, and its escapes have small letters.
    expected = b'"n":%s' % odd.lower() if section == "result" else b'"n": %s' % odd
    assert expected in value


def test_what_was_accepted_once_can_be_read_for_ever() -> None:
    """A record that could not be read would refuse every later event on its id."""
    for wrong in ({"sagaMeta": "x"}, {"sagaMeta": [5, {}]}, {"result": 5}):
        assert failure(answer(incoming({**envelope("StartTask"), **wrong})))
    for name in ("requestTime", "responseStream"):
        assert failure(answer(start(wrong_meta={name: {}})))


# While a record exists, open or closed, its home decides.

AT_HOME_3 = started(incoming(envelope("StartTask", timeout=HOUR), partition=3))


@pytest.mark.parametrize("build", [start, proceed, timeout])
@pytest.mark.parametrize("is_closed", [False, True])
def test_an_event_on_another_partition_is_forwarded_whatever_the_state(build: Any, is_closed: bool) -> None:
    record = (
        closed_by(structs.replace(proceed(), source=AT_HOME_3.started_by), AT_HOME_3)
        if is_closed
        else AT_HOME_3
    )
    one: Incoming = build(meta={"requestTime": 5})
    decision = answer(one, record)
    assert decision.outcome == Forwarded(3)
    assert [outgoing.partition for outgoing in decision.messages] == [3]
    at_home = structs.replace(
        one, source=one.source._replace(partition=3), headers=decision.messages[0].headers
    )
    assert answer(at_home, record).status != "FORWARDED"


def test_a_start_task_forwarded_to_the_home_of_a_closed_record_stays_there() -> None:
    closed = closed_by(incoming(envelope("ProceedTask"), partition=3), AT_HOME_3)
    one = start(meta={"requestTime": 5})
    forwarded = answer(one, closed).messages[0]
    assert forwarded.value is not None
    decision = answer(incoming(forwarded.value, partition=3, offset=44, headers=forwarded.headers), closed)
    assert decision.record is not None
    assert decision.record.state.home == 3
    assert reply(decision).result["task"]["partition"] == 3


def test_without_a_record_the_partition_where_it_was_read_decides() -> None:
    assert started(incoming(envelope("StartTask"), partition=8)).state.home == 8


def test_at_most_three_hops() -> None:
    for hops in (0, 1, 2):
        assert (
            answer(structs.replace(proceed(), headers=((HOPS, b"%d" % hops),)), AT_HOME_3).status
            == "FORWARDED"
        )
    for hops in (3, 4, 10**9):
        error = failure(answer(structs.replace(proceed(), headers=((HOPS, b"%d" % hops),)), AT_HOME_3))
        assert error["code"] == UNDELIVERABLE


@pytest.mark.parametrize("hops", [b"", b"x", b"-1", b"\xff", b"1.5", "٣".encode()])
def test_hops_that_no_runner_wrote_count_as_none(hops: bytes) -> None:
    headers = ((HOPS, hops),)
    assert answer(structs.replace(proceed(), headers=headers), AT_HOME_3).status == "FORWARDED"


def test_hops_of_any_length_are_too_many() -> None:
    assert (
        code(answer(structs.replace(proceed(), headers=((HOPS, b"9" * 9000),)), AT_HOME_3)) == UNDELIVERABLE
    )


# Redelivery gives the same answer, byte for byte (design, rule 4).

OUTCOMES: list[Outcome] = [
    Done(NOW, ACK, result={"task": {"partition": 3, "timeout": None}}),
    Done(NOW, ACK, result={"task": {"partition": 3, "timeout": 2**53 - 1}}),
    Done(NOW, written={"life": b"{}", "comment/1": b"\x00", "history/1": None}),
    Done(NOW, resumed=Status.PROCEEDED, has_output=True),
    Done(NOW, None, Status.TIMED_OUT),
    Done(NOW, has_output=True),
    Refused(NOW, 10118, "no task 'ü\n'", ignored=False),
    Refused(NOW, 14, "", ignored=True),
    Done(NOW),
    Forwarded(4),
    Dropped(),
    Dropped("why"),
]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_kept_outcome_is_read_as_it_was_written(outcome: Outcome) -> None:
    assert decode_outcome(encode_outcome(outcome)) == outcome


def decided() -> list[tuple[str, Incoming, Record | None, Decision]]:
    """Every kind of outcome of an event on a task: name, event, record found, decision."""
    record = started(start(timeout=HOUR, taskRoles="manager"))
    boss = {"request": {"claims": {"roles": ["manager"]}}}
    one = proceed(enrichPath="taskId", meta={"outputElement": "out"}, **boss)
    keep = started(start(meta={"outputElement": "got"}))
    closed = closed_by(one, keep)
    timer = incoming(
        json.dumps(
            {
                "requestMeta": {"id": "timer"},
                "eventMeta": {"action": "TimeoutTask", "domain": "orders"},
                "payload": {"taskId": "task-1"},
            }
        ).encode(),
        headers=((TIMER, f"{record.state.source};{record.state.deadline_ms};0".encode()),),
    )
    cases: list[tuple[str, Incoming, Record | None]] = [
        ("acknowledged", start(), None),
        ("duplicate", start(timeout=HOUR, taskRoles="manager"), record),
        ("exists", start(), record),
        ("proceeded", one, keep),
        ("repeated", one, closed),
        ("timed out", timeout(), record),
        ("timed out by its timer", timer, record),
        ("dropped", timer, closed),
        ("not found", proceed(), None),
        ("not allowed", proceed(), record),
        ("ignored", proceed(ignoreErrors="14"), record),
        ("forwarded", proceed(), AT_HOME_3),
        ("new generation", start(meta={"requestTime": 9}), closed),
    ]
    return [(name, event, found, answer(event, found)) for name, event, found in cases]


def test_every_kind_of_outcome_is_redelivered_byte_for_byte() -> None:
    seen = set()
    for name, one, found, decision in decided():
        kept = decode_outcome(encode_outcome(decision.outcome))
        asked = planned(one)
        assert isinstance(asked, TaskPlan)
        again = replay(asked, decision.record or found, kept, Renderer(POLICY, OUTLET))
        assert (again.messages, again.status, again.record) == (decision.messages, decision.status, None), (
            name
        )
        seen.add(type(decision.outcome))
    assert seen == {Done, Refused, Forwarded, Dropped}


def test_redelivery_answers_from_the_outcome_and_not_from_what_later_events_did() -> None:
    """A refused ProceedTask stays refused on the task that a later event opened, and the like."""
    for name, one, found, decision in decided():
        if isinstance(decision.outcome, Done) and (decision.outcome.resumed or decision.outcome.has_output):
            continue  # made from the record, which stays as long as the outcome does
        asked = planned(one)
        assert isinstance(asked, TaskPlan)
        later = closed_by(timeout(request={"id": "later"}), started())
        for record in (None, found, later, AT_HOME_3):
            again = replay(asked, record, decision.outcome, Renderer(POLICY, OUTLET))
            assert again.messages == decision.messages, name


def test_what_can_no_longer_be_delivered_is_said_and_not_replaced_by_another_answer() -> None:
    one = start(meta={"responseStream": "orders-out"})
    outcome = answer(one).outcome
    asked = planned(one)
    assert isinstance(asked, TaskPlan)
    with pytest.raises(EventError) as error:
        replay(asked, None, outcome, Renderer(POLICY, FakeOutlet(orders_out=None)))
    assert error.value.code == UNDELIVERABLE


def test_a_decision_depends_on_nothing_but_record_event_and_time() -> None:
    for name, one, found, decision in decided():
        assert answer(one, found) == decision, name


def test_the_key_of_a_plan_is_domain_and_id() -> None:
    asked = planned(start())
    assert isinstance(asked, TaskPlan)
    assert asked.key == TaskKey("orders", "task-1")
