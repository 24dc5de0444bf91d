"""TimeoutTask: sent by anyone, and by the runner to itself."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from runner.actions.decision import Dropped, OutgoingMessage
from runner.actions.incoming import HOPS, ORIGIN, TIMER, Incoming
from runner.actions.plan import TaskPlan
from runner.actions.registry import is_addressed
from runner.actions.timer_token import TimerToken, parse_token, timer_message
from runner.envelope.event import NO_RULES, MetaRules
from runner.errors import NOT_CONVERTIBLE, TASK_NOT_FOUND, TASK_PROCEEDED, TASK_TIMED_OUT, EventError
from runner.tasks.due import DueTask, parse_member
from runner.tasks.keys import TaskKey
from runner.tasks.parts import Status
from runner.tasks.record import Record
from runner.tasks.source import Source, parse_source
from tests.unit.actions.events import (
    HOUR,
    NOW,
    OUTLET,
    POLICY,
    FakeOutlet,
    again,
    answer,
    closed_by,
    code,
    envelope,
    incoming,
    planned,
    proceed,
    reply,
    resumed,
    start,
    started,
    timeout,
)

NASTY_IDS = [
    "a b",
    "{task}",
    "a:b:c",
    "line\nbreak\r\n",
    "semi;colon;1",
    "1/2@3;4;5",
    "tab\tnull\x00",
    "ünïcode ✓",
    '"quoted"',
    "x" * 4096,
]


def started_with_deadline(**parts: Any) -> Record:
    return started(start(timeout=HOUR, **parts))


def sent_by_timer(record: Record, **token: Any) -> OutgoingMessage:
    """What the timer of a record sends; ``token`` differs from the record."""
    assert record.state.deadline_ms is not None
    right = TimerToken(record.started_by, record.state.deadline_ms, record.state.epoch)
    return timer_message(record.key, record.state.home, replace(right, **token), POLICY, OUTLET)


def changed(record: Record, **fields: Any) -> Record:
    return structs.replace(record, state=structs.replace(record.state, **fields))


def received(
    outgoing: OutgoingMessage, *, rules: MetaRules = NO_RULES, partition: int | None = None
) -> Incoming:
    assert outgoing.value is not None
    assert outgoing.partition is not None
    home = outgoing.partition if partition is None else partition
    return incoming(outgoing.value, partition=home, offset=70, headers=outgoing.headers, rules=rules)


# As ProceedTask with status TIMEOUT and no role check.


def test_the_resumed_event_has_status_timeout_and_no_error() -> None:
    record = started(start(payload={"taskId": "task-1", "order": 5}))
    decision = answer(timeout(), record)
    assert decision.status == "TIMEOUT"
    resumption = resumed(decision)
    assert resumption.status == "TIMEOUT"
    assert resumption.result == {"receiveTime": NOW, "endTime": NOW, "status": "TIMEOUT"}
    assert resumption.payload == {"taskId": "task-1", "order": 5}
    assert resumption.key == "req-1"
    assert decision.record is not None
    assert decision.record.state.status is Status.TIMED_OUT


def test_the_name_of_timeout_does_not_follow_the_setting_for_proceeded() -> None:
    policy = replace(POLICY, proceeded_status="SUCCESS")
    assert resumed(answer(timeout(), started(), policy=policy)).status == "TIMEOUT"


def test_an_event_from_outside_is_answered_with_the_stored_data() -> None:
    record = started(start(payload={"taskId": "task-1", "order": {"amount": 5}}))
    one = timeout(outputPattern="order", meta={"outputElement": "task"})
    said = reply(answer(one, record))
    assert (said.status, said.key) == ("SUCCESS", "req-2")
    assert said.payload == {"taskId": "task-1", "task": {"amount": 5}}


def test_there_is_no_role_check() -> None:
    record = started(start(taskRoles="manager", taskUser="ann"))
    assert answer(timeout(), record).status == "TIMEOUT"


def test_enrich_path_works_as_in_proceed_task() -> None:
    record = started(start(meta={"outputElement": "why"}))
    one = timeout(payload={"taskId": "task-1", "note": "holiday"}, enrichPath="note")
    assert resumed(answer(one, record)).payload == {"taskId": "task-1", "why": "holiday"}


def test_it_needs_no_deadline_to_have_passed() -> None:
    assert answer(timeout(), started()).status == "TIMEOUT"
    assert answer(timeout(), started_with_deadline()).status == "TIMEOUT"


def test_missing_proceeded_and_timed_out_tasks_are_refused() -> None:
    record = started()
    assert code(answer(timeout())) == TASK_NOT_FOUND
    assert code(answer(timeout(), closed_by(proceed(), record))) == TASK_PROCEEDED
    other = timeout(request={"id": "req-9"})
    assert code(answer(other, closed_by(timeout(), record))) == TASK_TIMED_OUT


def test_a_repeat_of_the_closing_command_gets_the_same_success_and_no_second_resume() -> None:
    first = answer(timeout(), started())
    repeat = answer(again(timeout()), first.record)
    assert repeat.messages == (first.messages[1],)


# The runner sends it to itself when a deadline passes.


@pytest.mark.parametrize("task_id", NASTY_IDS)
def test_the_timer_finds_its_task_whatever_its_id(task_id: str) -> None:
    record = started_with_deadline(payload={"taskId": task_id})
    assert record.key == TaskKey("orders", task_id)
    one = received(sent_by_timer(record))
    asked = planned(one)
    assert isinstance(asked, TaskPlan)
    assert asked.key == record.key
    decision = answer(one, record)
    assert decision.status == "TIMEOUT"
    assert dict(decision.messages[0].headers)["task-id"] == task_id.encode()


def test_the_timer_sends_to_the_home_partition_of_requests_and_to_this_runner() -> None:
    record = started(incoming(envelope("StartTask", timeout=1), partition=9))
    outgoing = sent_by_timer(record)
    assert (outgoing.stream, outgoing.partition) == (POLICY.requests, 9)
    assert is_addressed(received(outgoing).event, POLICY)
    assert not is_addressed(received(outgoing).event, replace(POLICY, handler="other"))


def test_a_timer_that_matches_resumes_and_is_not_answered() -> None:
    decision = answer(received(sent_by_timer(started_with_deadline())), started_with_deadline())
    assert [dict(outgoing.headers)["event-kind"] for outgoing in decision.messages] == [b"resume"]
    assert resumed(decision).status == "TIMEOUT"
    assert decision.record is not None
    assert decision.record.state.status is Status.TIMED_OUT


def test_a_timer_that_no_longer_matches_does_nothing_and_is_never_answered() -> None:
    record = started_with_deadline()
    again_started = structs.replace(start(timeout=HOUR, meta={"requestTime": 2}), source=Source(1, 0, 50))
    loop = answer(again_started, closed_by(proceed(), record)).record
    assert loop is not None
    outgoing = sent_by_timer(record)
    outdated: dict[str, Record | None] = {
        "no record": None,
        "the next generation": loop,
        "proceeded": closed_by(proceed(), record),
        "timed out": closed_by(timeout(), record),
        "timed out by the timer": closed_by(received(outgoing), record),
        "another deadline": changed(record, deadline_ms=NOW + 2 * HOUR),
        "no deadline": changed(record, deadline_ms=None),
        "another generation": changed(record, source="2/0@10"),
        "another owner": changed(record, epoch=1),
    }
    for why, found in outdated.items():
        decision = answer(received(outgoing), found)
        assert (decision.outcome, decision.messages, decision.record) == (Dropped(), (), None), why
        assert decision.status == "DROPPED"
    assert answer(received(sent_by_timer(loop)), loop).status == "TIMEOUT"


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b";",
        b"1/0@10",
        b"1/0@10;x;0",
        b"x;1;0",
        b"1/0@10;1",
        b"1/0@10;1;0;0",
        b"\xff",
        b"1" * 5000 + b";1;0",
    ],
)
def test_a_token_that_no_runner_wrote_is_dropped(token: bytes) -> None:
    one = structs.replace(received(sent_by_timer(started_with_deadline())), headers=((TIMER, token),))
    decision = answer(one, started_with_deadline())
    assert (decision.record, decision.messages, decision.status) == (None, (), "DROPPED")


def test_a_token_is_read_as_it_was_written() -> None:
    token = TimerToken(Source(3, 2, 1), NOW, 4)
    assert str(token) == f"3/2@1;{NOW};4"
    assert parse_token(str(token)) == token


def test_a_timer_whose_domain_is_gone_is_dropped_with_the_reason() -> None:
    one = received(sent_by_timer(started_with_deadline()))
    policy = replace(POLICY, domains={"other": POLICY.domains["orders"]})
    decision = answer(one, policy=policy)
    assert decision.messages == ()
    assert isinstance(decision.outcome, Dropped)
    assert "orders" in decision.outcome.reason


def test_a_timer_that_cannot_resume_its_task_is_dropped_with_the_reason_and_the_task_stays_open() -> None:
    record = started_with_deadline(meta={"responseStream": "orders-out"})
    decision = answer(received(sent_by_timer(record)), record, topics=FakeOutlet(orders_out=None))
    assert (decision.messages, decision.record) == ((), None)
    assert isinstance(decision.outcome, Dropped)
    assert "orders-out" in decision.outcome.reason


@pytest.mark.parametrize("payload", [None, {}, {"taskId": None}, {"taskId": ""}, {"taskId": {}}, 5])
def test_a_timer_that_names_no_task_is_dropped(payload: Any) -> None:
    sent = envelope("TimeoutTask", payload=payload)
    decision = answer(incoming(sent, headers=((TIMER, b"1/0@10;1;0"),)))
    assert isinstance(decision.outcome, Dropped)
    assert decision.outcome.reason
    assert decision.messages == ()


@pytest.mark.parametrize(
    "rules",
    [
        MetaRules(overrides={"domain": "brief"}),
        MetaRules(overrides={"inputElement": "process.data", "version": 3}),
        MetaRules(overrides={"responseStream": "evil"}),
        MetaRules(parameter_overrides={"taskIdPath": "$.order.id"}),
        MetaRules(parameter_overrides={"inputPattern": "order"}),
        MetaRules(parameter_overrides={"enrichPath": "@.requestMeta"}),
        MetaRules(parameter_defaults={"skipPattern": "`true`"}),
    ],
)
def test_metadata_rules_do_not_lead_a_timer_astray(rules: MetaRules) -> None:
    record = started_with_deadline()
    decision = answer(received(sent_by_timer(record), rules=rules), record)
    assert resumed(decision).payload == {"taskId": "task-1"}
    assert resumed(decision).status == "TIMEOUT"
    assert len(decision.messages) == 1


def test_a_timer_header_on_another_action_means_nothing() -> None:
    headers = ((TIMER, b"1/0@10;1;0"),)
    one = incoming(envelope("StartTask", taskRoles="clerk"), headers=headers)
    assert answer(one).status == "ACK"
    decision = answer(incoming(envelope("ProceedTask", payload={"taskId": "no"}), headers=headers))
    assert code(decision) == TASK_NOT_FOUND
    overridden = answer(
        incoming(
            envelope("StartTask"),
            headers=headers,
            rules=MetaRules(parameter_overrides={"taskRoles": "manager"}),
        )
    )
    assert overridden.record is not None
    assert overridden.record.state.roles == ("manager",)


def test_a_timer_on_a_partition_that_is_not_the_home_is_forwarded_with_its_token() -> None:
    record = started_with_deadline()
    outgoing = sent_by_timer(record)
    decision = answer(received(outgoing, partition=4), record)
    assert decision.status == "FORWARDED"
    forwarded = decision.messages[0]
    assert (forwarded.partition, forwarded.value) == (0, outgoing.value)
    assert dict(forwarded.headers) == {TIMER: dict(outgoing.headers)[TIMER], ORIGIN: b"1/4@70", HOPS: b"1"}
    assert answer(received(forwarded), record).status == "TIMEOUT"


def test_a_timer_that_was_forwarded_too_often_is_dropped() -> None:
    record = started_with_deadline()
    one = received(sent_by_timer(record), partition=4)
    decision = answer(structs.replace(one, headers=(*one.headers, (HOPS, b"3"))), record)
    assert (decision.messages, decision.status) == ((), "DROPPED")


def test_the_envelope_of_a_timer_is_like_any_other() -> None:
    outgoing = sent_by_timer(started_with_deadline(payload={"taskId": "a\nb"}))
    assert outgoing.value is not None
    assert json.loads(outgoing.value) == {
        "requestMeta": {"id": "timer:orders:a\nb"},
        "eventMeta": {"handler": "user-task", "action": "TimeoutTask", "domain": "orders"},
        "payload": {"taskId": "a\nb"},
    }
    assert outgoing.key == b"timer:orders:a\nb"


# What the deadline index holds.


@pytest.mark.parametrize("task_id", NASTY_IDS)
def test_an_entry_of_the_deadline_index_is_read_as_it_was_written(task_id: str) -> None:
    task = DueTask(TaskKey("orders", task_id), 3, Source(1, 3, 99), NOW, 2)
    assert parse_member(task.member, "orders", 3, NOW) == task


@pytest.mark.parametrize(
    "text", ["1/0@1;1_000;0", "1/0@1; 5;0", "1/0@1;\u0665;0", "1/0@1;5", "1/0@1_0;5;0", "1/0@1;5;0;"]
)
def test_text_that_is_no_token_of_a_timer_is_none(text: str) -> None:
    assert parse_token("1/0@1;5;0") == TimerToken(Source(1, 0, 1), 5, 0)
    assert parse_token(text) is None


@pytest.mark.parametrize(
    "text",
    ["", "1/2", "1@2", "a/b@c", "1/2@", "/2@3", "1/2@3@4", "1/2@1_0", "1/2@ 3", "1/٢@3", "1/2@+3", "1/2@3\n"],
)
def test_text_that_is_no_source_is_refused(text: str) -> None:
    with pytest.raises(EventError) as refusal:
        parse_source(text)
    assert refusal.value.code == NOT_CONVERTIBLE
