"""Hooks and notifications: when they are due, what they do, and what does nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

import pytest

from runner.actions.decision import Decision, Done, Dropped
from runner.actions.incoming import TIMER, Incoming
from runner.actions.policy import Policy
from runner.actions.timer_token import HookToken, TimerToken
from runner.tasks.hooks import next_moment
from runner.tasks.parts import Status
from runner.tasks.record import Record
from runner.tasks.timeline import timeline
from tests.unit.actions.events import (
    NOW,
    OUTLET,
    POLICY,
    FakeOutlet,
    answer,
    envelope,
    incoming,
    message,
    proceed,
    start,
    started,
)

SECOND: Final = 1000
MINUTE: Final = 60_000
HOUR: Final = 3_600_000
EVENTS: Final = frozenset(
    {"created", "assigned", "reminded", "escalated", "released", "proceeded", "timed_out"}
)
TELLING: Final = replace(
    POLICY,
    notifications="notifications",
    domains={name: replace(each, notify=EVENTS) for name, each in POLICY.domains.items()},
)
TOPICS: Final = FakeOutlet(notifications=1_000_000)


def hooked(*hooks: dict[str, Any], **parameters: Any) -> Record:
    return started(start(hooks=list(hooks), **parameters))


def hook_event(record: Record, number: int | None = None) -> Incoming:
    """The event that the runner sends for hooks of a task that are due."""
    token = HookToken(record.started_by, _number(record) if number is None else number)
    return _of_runner("HookTask", record, str(token))


def deadline_event(record: Record) -> Incoming:
    token = TimerToken(record.started_by, record.deadline_ms or 0, 0)
    return _of_runner("TimeoutTask", record, str(token))


def _of_runner(action: str, record: Record, token: str) -> Incoming:
    event = {
        "requestMeta": {"id": "timer"},
        "eventMeta": {"handler": "user-task", "action": action, "domain": record.key.domain},
        "payload": {"taskId": record.key.id},
    }
    return incoming(json.dumps(event).encode(), offset=500, headers=((TIMER, token.encode()),))


def _number(record: Record) -> int:
    return 0 if record.life is None else record.life.number


def fire(
    record: Record, *, late_ms: int = 0, policy: Policy = POLICY, topics: FakeOutlet = OUTLET
) -> Decision:
    """Let the next hooks come, so much after their moment."""
    moment = next_moment(record)
    assert moment is not None
    return answer(hook_event(record), record, now_ms=moment + late_ms, policy=policy, topics=topics)


def after(decision: Decision) -> Record:
    assert decision.record is not None
    return decision.record


def assign(record: Record, user: str, at_ms: int = NOW) -> Record:
    request = {"claims": {"sub": "root", "roles": ["admin"]}}
    event = incoming(envelope("AssignTask", request=request, user=user, override=True), offset=50)
    return after(answer(event, record, now_ms=at_ms))


def events(record: Record) -> list[str]:
    return [entry.event for entry in timeline(record)]


REMIND: Final = {"on": "arrival", "after": 0, "do": "remind"}
ESCALATE: Final = [
    {"on": "arrival", "after": HOUR, "do": "reassign", "roles": ["lead"]},
    {"on": "arrival", "after": 2 * HOUR, "do": "reassign", "roles": ["director"]},
    {"on": "arrival", "after": 3 * HOUR, "do": "reassign", "user": "ceo"},
]


class TestCases:
    def test_case_09_a_reminder_at_once_and_a_release_after_a_second(self) -> None:
        release = {"on": "assignment", "after": SECOND, "do": "release"}
        record = hooked(REMIND, release, taskUser="ann", taskRoles="manager")
        assert record.ownership.owner == "ann"
        first = fire(record, policy=TELLING, topics=TOPICS)
        [told] = [json.loads(each.value or b"") for each in first.messages]
        assert (told["type"], told["data"]["recipients"]["user"]) == ("saga.task.reminded", "ann")
        record = after(first)
        assert record.ownership.owner == "ann"
        record = after(fire(record))
        assert record.ownership.owner is None
        assert record.ownership.roles == ("manager",)
        assert events(record) == ["created", "reminded", "escalated"]
        assert next_moment(record) is None

    def test_case_10_a_hook_of_an_owner_does_nothing_to_the_next(self) -> None:
        record = hooked({"on": "assignment", "after": HOUR, "do": "reassign", "user": "cy"}, taskUser="ann")
        armed = hook_event(record)
        record = assign(record, "bob", NOW + HOUR - 1)
        stale = answer(armed, record, now_ms=NOW + HOUR)
        assert isinstance(stale.outcome, Dropped)
        assert stale.record is None
        assert next_moment(record) == NOW + 2 * HOUR - 1, "it counts anew for bob"

    def test_case_10_a_hook_and_the_end_in_one_instant_come_to_what_is_first_in_the_log(self) -> None:
        record = hooked({"on": "arrival", "after": HOUR, "do": "cancel"}, taskRoles="manager")
        armed = hook_event(record)
        done = after(answer(proceed(request={"claims": {"roles": ["manager"]}}), record, now_ms=NOW + HOUR))
        assert isinstance(answer(armed, done, now_ms=NOW + HOUR).outcome, Dropped)
        cancelled = fire(record)
        assert after(cancelled).state.status is Status.CANCELLED
        [resumed] = [message(each) for each in cancelled.messages]
        assert resumed.result["error"]["message"] == "hook 1 after 3600000 ms"
        late = answer(proceed(), after(cancelled), now_ms=NOW + HOUR)
        assert message(late.messages[0]).result["error"]["code"] == 10136

    def test_case_11_an_unclaimed_task_climbs_three_levels_and_stops(self) -> None:
        record = hooked(*ESCALATE, taskRoles="clerk")
        seen = []
        for hours in (1, 2, 3):
            assert next_moment(record) == NOW + hours * HOUR
            record = after(fire(record))
            assert record.life is not None
            seen.append((record.life.level, record.ownership.roles, record.ownership.owner))
        assert seen == [(1, ("lead",), None), (2, ("director",), None), (3, ("director",), "ceo")]
        assert next_moment(record) is None
        assert events(record) == ["created", "escalated", "escalated", "escalated"]

    def test_case_11_after_a_night_each_level_still_has_its_time(self) -> None:
        record = hooked(*ESCALATE, taskRoles="clerk")
        morning = NOW + 12 * HOUR
        record = after(fire(record, late_ms=11 * HOUR))
        assert record.life is not None
        assert record.life.level == 1
        assert next_moment(record) == morning + HOUR
        record = after(fire(record))
        assert next_moment(record) == morning + 2 * HOUR

    def test_case_12_a_reminder_that_repeats_comes_three_times_and_never_after_the_end(self) -> None:
        record = hooked({**REMIND, "after": MINUTE, "repeatEvery": MINUTE, "times": 3})
        counts = []
        for _ in range(3):
            decision = fire(record, late_ms=5, policy=TELLING, topics=TOPICS)
            counts.append(json.loads(decision.messages[0].value or b"")["data"]["count"])
            twice = answer(hook_event(record), after(decision), now_ms=NOW + HOUR)
            assert isinstance(twice.outcome, Dropped), "sent twice by the sweep, done once"
            record = after(decision)
        assert counts == [1, 2, 3]
        assert next_moment(record) is None
        open_one = hooked({**REMIND, "after": MINUTE, "repeatEvery": MINUTE, "times": 3})
        assert next_moment(after(answer(proceed(), open_one))) is None

    def test_case_14_a_deadline_with_hooks_is_found_by_its_deadline(self) -> None:
        record = hooked({**REMIND, "after": 2 * HOUR}, timeout=HOUR)
        ended = answer(deadline_event(record), record, now_ms=NOW + HOUR)
        assert after(ended).state.status is Status.TIMED_OUT
        assert events(after(ended)) == ["created", "timed_out"]

    def test_case_17_a_repeat_of_the_start_makes_no_second_hook_or_notification(self) -> None:
        first = answer(start(hooks=[REMIND]), policy=TELLING, topics=TOPICS)
        again = answer(start(hooks=[REMIND]), after(first), policy=TELLING, topics=TOPICS)
        assert [json.loads(each.value or b"").get("type") for each in first.messages] == [
            None,
            "saga.task.created",
        ]
        assert len(again.messages) == 1


class TestTogether:
    def test_the_deadline_first_does_what_is_due_no_later(self) -> None:
        remind, late = {**REMIND, "after": MINUTE}, {**REMIND, "after": 2 * HOUR}
        record = hooked(remind, late, {**ESCALATE[0], "after": 2 * MINUTE}, timeout=HOUR, taskRoles="clerk")
        ended = answer(deadline_event(record), record, now_ms=NOW + HOUR)
        assert events(after(ended)) == ["created", "reminded", "escalated", "timed_out"]
        resumed = message(ended.messages[0])
        assert resumed.result["status"] == "TIMEOUT"
        assert resumed.result["task"]["by"] is None

    def test_a_cancel_that_is_due_before_the_deadline_ends_the_task_otherwise(self) -> None:
        record = hooked({"on": "arrival", "after": MINUTE, "do": "cancel"}, timeout=HOUR, onCancel="stale")
        ended = answer(deadline_event(record), record, now_ms=NOW + HOUR)
        assert message(ended.messages[0]).result["error"]["name"] == "stale"

    def test_hooks_of_one_moment_come_in_the_order_of_the_list_in_one_event(self) -> None:
        record = hooked(
            {**REMIND, "after": HOUR},
            ESCALATE[0],
            {"on": "arrival", "after": HOUR, "do": "timeout"},
            taskRoles="a",
        )
        done = fire(record)
        assert events(after(done)) == ["created", "reminded", "escalated", "timed_out"]

    def test_what_an_earlier_hook_of_the_moment_calls_off_is_left_out(self) -> None:
        record = hooked(
            {"on": "assignment", "after": HOUR, "do": "release"},
            {"on": "assignment", "after": HOUR, "do": "cancel"},
            taskUser="ann",
            taskRoles="clerk",
        )
        done = after(fire(record))
        assert done.is_open
        assert done.ownership.owner is None

    def test_repeats_missed_meanwhile_are_one_with_their_number(self) -> None:
        record = hooked({**REMIND, "after": MINUTE, "repeatEvery": MINUTE, "times": 10})
        record = after(fire(record, late_ms=5 * MINUTE + 1))
        entry = timeline(record)[-1]
        assert json.loads(bytes(entry.data)) == {"count": 6, "missed": 5}  # type: ignore[arg-type]
        assert next_moment(record) == NOW + 7 * MINUTE + 1

    def test_a_claim_by_another_starts_what_counts_from_an_assignment_anew_and_keeps_the_level(self) -> None:
        record = hooked(
            {**REMIND, "on": "assignment", "after": MINUTE}, ESCALATE[0], taskUser="ann", taskRoles="clerk"
        )
        record = after(fire(record))
        record = after(fire(record))
        record = assign(record, "bob", NOW + 2 * HOUR)
        assert next_moment(record) == NOW + 2 * HOUR + MINUTE
        assert record.life is not None
        assert record.life.level == 1
        record = after(fire(record))
        assert next_moment(record) is None, "a level that was reached is spent"

    def test_nobody_but_the_runner_sends_it(self) -> None:
        event = {
            "requestMeta": {"id": "x"},
            "eventMeta": {"action": "HookTask", "domain": "orders"},
            "payload": {},
        }
        refused = answer(incoming(json.dumps(event).encode()), None)
        assert message(refused.messages[0]).result["error"]["code"] == 10001

    def test_a_task_without_hooks_has_none_to_come(self) -> None:
        record = started()
        assert next_moment(record) is None
        assert isinstance(answer(hook_event(record), record).outcome, Dropped)


@pytest.mark.parametrize(
    ("hook", "code"),
    [
        ({"on": "arrival", "after": 1, "do": "reassign"}, 10009),
        ({"on": "arrival", "do": "remind"}, 10009),
        ({"after": 1, "do": "remind"}, 10009),
        ({"on": "arrival", "after": 1}, 10009),
        ({**REMIND, "repeatEvery": MINUTE}, 10009),
        ({**REMIND, "times": 2}, 10009),
        ({**REMIND, "repeatEvery": MINUTE - 1, "times": 2}, 10011),
        ({**REMIND, "repeatEvery": MINUTE, "times": 1001}, 10011),
        ({**REMIND, "repeatEvery": MINUTE, "times": 0}, 10011),
        ({**REMIND, "after": -1}, 10011),
        ({**REMIND, "on": "noon"}, 10011),
        ({**REMIND, "do": "dance"}, 10011),
        ({**REMIND, "user": "ann"}, 10011),
        ({**REMIND, "colour": "red"}, 10011),
        ({"on": "arrival", "after": 1, "do": "cancel", "times": 2}, 10011),
        ("remind", 10011),
    ],
)
def test_a_hook_that_is_none_is_refused_at_the_start(hook: Any, code: int) -> None:
    refused = answer(start(wrong_meta={"parameters": {"hooks": [hook]}}))
    assert message(refused.messages[0]).result["error"]["code"] == code
    assert refused.record is None


def test_more_than_twenty_are_refused_and_a_release_of_a_task_for_one_user_alone() -> None:
    many = answer(start(wrong_meta={"parameters": {"hooks": [REMIND] * 21}}))
    assert message(many.messages[0]).result["error"]["code"] == 10011
    assert len(hooked(*[REMIND] * 20).start.hooks) == 20
    alone = answer(start(taskUser="ann", hooks=[{"on": "assignment", "after": 1, "do": "release"}]))
    assert message(alone.messages[0]).result["error"]["code"] == 10133


class TestNotifications:
    def test_they_are_cloud_events_with_what_changed_and_whom_it_concerns(self) -> None:
        record = started(start(taskRoles="manager", taskName="Approve"))
        request = {"claims": {"sub": "root", "roles": ["admin"]}}
        event = incoming(envelope("AssignTask", request=request, user="bob"), offset=50)
        decision = answer(event, record, policy=TELLING, topics=TOPICS)
        told = decision.messages[-1]
        assert (told.stream, told.key, dict(told.headers)) == (
            "notifications",
            b"task-1",
            {"content-type": b"application/cloudevents+json"},
        )
        value = json.loads(told.value or b"")
        data = value.pop("data")
        assert value == {
            "specversion": "1.0",
            "id": "1/0@50-0",
            "source": "/tasks/orders",
            "type": "saga.task.assigned",
            "subject": "task-1",
            "time": "2027-01-15T08:00:00.000Z",
            "datacontenttype": "application/json",
        }
        assert (data["actor"], data["recipients"]) == ("root", {"user": "bob", "roles": []})
        assert (data["task"]["status"], data["task"]["name"]) == ("ASSIGNED", "Approve")

    def test_a_reminder_is_for_who_had_the_task_before_another_hook_of_the_moment_moved_it(self) -> None:
        again = {**REMIND, "after": HOUR}
        to_bob = {"on": "arrival", "after": HOUR, "do": "reassign", "user": "bob"}
        record = hooked(again, to_bob, again, taskUser="ann", taskRoles="clerk")
        told = [
            json.loads(each.value or b"") for each in fire(record, policy=TELLING, topics=TOPICS).messages
        ]
        assert [(each["type"], each["data"]["recipients"]["user"]) for each in told] == [
            ("saga.task.reminded", "ann"),
            ("saga.task.escalated", "bob"),
            ("saga.task.reminded", "bob"),
        ]

    @pytest.mark.parametrize("limit", [None, 100])
    def test_what_the_topic_does_not_take_is_left_out_and_changes_nothing(self, limit: int | None) -> None:
        decision = answer(start(taskRoles="manager"), policy=TELLING, topics=FakeOutlet(notifications=limit))
        assert [message(each).status for each in decision.messages] == ["ACK"]
        assert isinstance(decision.outcome, Done)
        assert len(decision.outcome.told) == 1

    def test_a_domain_that_wants_none_gets_none(self) -> None:
        quiet = replace(TELLING, domains=POLICY.domains)
        assert len(answer(start(), policy=quiet, topics=TOPICS).messages) == 1
