"""TimeoutBetween: which period, which tasks are told, one reply at the end."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from runner.actions.decision import Decision, OutgoingMessage
from runner.actions.incoming import HOPS, PERIOD, TIMER, Incoming
from runner.actions.plan import ImmediateAnswer, PeriodPlan
from runner.actions.registry import refuse
from runner.actions.render import Renderer
from runner.actions.timeout_between import decide_period
from runner.actions.timer_token import parse_token
from runner.errors import (
    DOMAIN_UNKNOWN,
    INPUT_MISSING,
    NOT_CONVERTIBLE,
    PERIOD_FAILED,
    UNDELIVERABLE,
    EventError,
)
from runner.tasks.due import DuePage, DueTask
from runner.tasks.keys import TaskKey
from runner.tasks.source import Source
from tests.unit.actions.events import (
    HOUR,
    NOW,
    OUTLET,
    POLICY,
    FakeOutlet,
    answer,
    code,
    envelope,
    incoming,
    message,
    planned,
    started,
)

RENDERER = Renderer(POLICY, OUTLET)
DUE = tuple(
    DueTask(TaskKey(domain, f"task {number}"), number % 3, Source(1, number % 3, number), NOW - number)
    for number, domain in enumerate(("orders", "brief", "orders"))
)


def between(**parts: Any) -> Incoming:
    meta = {"domain": None, **parts.pop("meta", {})}
    return incoming(envelope("TimeoutBetween", meta=meta, **parts), partition=2, offset=40)


def period(one: Incoming) -> PeriodPlan:
    asked = planned(one)
    assert isinstance(asked, PeriodPlan)
    return asked


def refusal(one: Incoming) -> int:
    asked = planned(one)
    assert isinstance(asked, ImmediateAnswer)
    assert asked.error is not None
    return code(answer(one))


def told(one: Incoming, page: DuePage, *, now_ms: int = NOW) -> tuple[OutgoingMessage, ...]:
    return decide_period(period(one), page, now_ms, POLICY, RENDERER)


# 1. Times out every open task whose deadline is in (from, to].

WINDOW = {"payload": {"from": NOW - HOUR, "to": str(NOW)}, "fromTimePath": "from", "toTimePath": "to"}


def test_the_period_is_read_at_its_paths_and_covers_all_domains_unless_one_is_named() -> None:
    asked = period(between(**WINDOW))
    assert (asked.from_ms, asked.to_ms) == (NOW - HOUR, NOW)
    assert asked.domains == tuple(sorted(POLICY.domains))
    assert (asked.cursor, asked.requested) == (None, 0)
    assert period(between(meta={"domain": "brief"}, **WINDOW)).domains == ("brief",)


@pytest.mark.parametrize(
    ("meta", "parameters"),
    [
        ({}, {"toTimePath": "window.to"}),
        ({"inputElement": "window"}, {"toTimePath": "to"}),
        ({"inputElement": "window"}, {"toTimePath": "$.window.to"}),
        ({"inputElement": "window"}, {"toTimePath": "window.to"}),
        ({}, {"inputPattern": "window", "toTimePath": "to"}),
        ({}, {"toTimePath": "@.payload.window.to"}),
    ],
)
def test_a_time_path_is_looked_up_in_the_input_and_then_in_the_payload(
    meta: dict[str, Any], parameters: dict[str, Any]
) -> None:
    asked = period(between(meta=meta, payload={"window": {"to": 5}}, **parameters))
    assert asked.to_ms == 5


@pytest.mark.parametrize("payload", [{}, {"from": None, "to": None}, {"from": "", "to": " "}])
def test_no_value_at_a_time_path_is_now_or_since_the_last_pass(payload: dict[str, Any]) -> None:
    asked = period(between(payload=payload, fromTimePath="from", toTimePath="to"))
    assert (asked.from_ms, asked.to_ms) == (None, None)


def test_without_time_paths_not_even_a_payload_is_needed() -> None:
    asked = period(between(payload=None))
    assert (asked.from_ms, asked.to_ms) == (None, None)


@pytest.mark.parametrize("value", ["soon", "NaN", 1e30, -1, True, {}, [1]])
@pytest.mark.parametrize("name", ["fromTimePath", "toTimePath"])
def test_a_time_that_is_no_number_of_ms_is_not_convertible(name: str, value: Any) -> None:
    one = between(payload={"at": value}, **{name: "at"})
    assert refusal(one) == NOT_CONVERTIBLE


def test_a_period_that_ends_before_it_begins_failed() -> None:
    one = between(payload={"from": 2, "to": 1}, fromTimePath="from", toTimePath="to")
    assert refusal(one) == PERIOD_FAILED
    empty = between(payload={"at": 2}, fromTimePath="at", toTimePath="at")
    assert (period(empty).from_ms, period(empty).to_ms) == (2, 2)


def test_a_period_up_to_now_that_begins_later_failed() -> None:
    one = between(payload={"from": NOW + 1}, fromTimePath="from")
    with pytest.raises(EventError) as failed:
        told(one, DuePage((), None))
    assert failed.value.code == PERIOD_FAILED


# The command TIMEOUT is the same by another name.


def command(**parts: Any) -> Incoming:
    meta = {"domain": None, **parts.pop("meta", {})}
    return incoming(envelope("TIMEOUT", meta=meta, **parts), partition=2, offset=40)


@pytest.mark.parametrize(
    "payload",
    [
        {"fromTime": 3, "toTime": "9"},
        {"from": "3", "to": 9},
        {"fromTime": 3, "from": 1, "toTime": 9, "to": 1},
        {"action": "TIMEOUT", "fromTime": 3, "to": 9},
    ],
)
def test_a_command_has_its_times_where_commands_have_them(payload: dict[str, Any]) -> None:
    asked = period(command(payload=payload))
    assert (asked.from_ms, asked.to_ms) == (3, 9)
    assert asked.domains == tuple(sorted(POLICY.domains))


@pytest.mark.parametrize("payload", [None, {}, {"fromTime": None}])
def test_a_bare_command_takes_all_that_is_due_by_now(payload: Any) -> None:
    asked = period(command(payload=payload, meta={"domain": "brief"}))
    assert (asked.from_ms, asked.to_ms) == (None, None)
    assert asked.domains == ("brief",)


def test_the_parameters_of_a_command_win_over_its_usual_places() -> None:
    payload = {"fromTime": 3, "toTime": 9, "until": 7}
    assert period(command(payload=payload, toTimePath="until")).to_ms == 7


def test_a_mistake_in_a_command_is_refused_as_that_of_a_pass() -> None:
    assert refusal(command(payload={"fromTime": 9, "toTime": 3})) == PERIOD_FAILED
    assert refusal(command(payload={"fromTime": "soon"})) == NOT_CONVERTIBLE
    assert refusal(command(meta={"domain": "nope"})) == DOMAIN_UNKNOWN


def test_a_pass_looks_at_no_place_that_it_does_not_name() -> None:
    asked = period(between(payload={"fromTime": 9, "toTime": 3, "from": 9, "to": 3}))
    assert (asked.from_ms, asked.to_ms) == (None, None)


def test_an_unknown_domain_and_a_missing_input_are_refused() -> None:
    assert refusal(between(meta={"domain": "nope"})) == DOMAIN_UNKNOWN
    assert refusal(between(meta={"inputElement": "nope"}, toTimePath="to")) == INPUT_MISSING
    assert refusal(between(payload=None, toTimePath="to")) == INPUT_MISSING
    assert refusal(between(toTimePath="a[")) == NOT_CONVERTIBLE


def test_every_task_due_is_told_to_time_out_by_its_own_timer_at_its_home() -> None:
    *timers, _ = told(between(), DuePage(DUE, None))
    assert [outgoing.partition for outgoing in timers] == [task.home for task in DUE]
    assert {outgoing.stream for outgoing in timers} == {POLICY.requests}
    for outgoing, task in zip(timers, DUE, strict=True):
        token = parse_token(dict(outgoing.headers)[TIMER].decode())
        assert token is not None
        assert (token.started_by, token.deadline_ms, token.epoch) == (task.started_by, task.deadline_ms, 0)


def test_a_task_that_was_told_times_out_and_one_that_a_person_finished_first_does_not() -> None:
    record = started(incoming(envelope("StartTask", timeout=1)))
    assert record.state.deadline_ms is not None
    due = DueTask(record.key, 0, record.started_by, record.state.deadline_ms)
    outgoing, _ = told(between(), DuePage((due,), None))
    assert outgoing.value is not None
    timer = incoming(outgoing.value, offset=80, headers=outgoing.headers)
    assert answer(timer, record).status == "TIMEOUT"
    finished = answer(incoming(envelope("ProceedTask"), offset=60), record).record
    assert answer(timer, finished).status == "DROPPED"


# 2. One reply at the end, with result.requested; in chunks.


def test_one_reply_at_the_end_says_how_many_were_told() -> None:
    *_, last = told(between(), DuePage(DUE, None))
    said = message(last)
    assert (said.stream, said.key, said.kind, said.status) == ("responses", "req-1", "reply", "SUCCESS")
    assert said.result == {
        "receiveTime": NOW,
        "endTime": NOW,
        "status": "SUCCESS",
        "requested": 3,
        "from": None,
        "to": NOW,
    }
    assert said.payload == {"taskId": "task-1"}
    assert "task-id" not in said.headers


def test_an_empty_period_is_answered_too() -> None:
    (only,) = told(between(), DuePage((), None))
    assert message(only).result["requested"] == 0


def test_a_long_period_goes_in_chunks_with_one_reply_at_the_end() -> None:
    one = structs.replace(between(**WINDOW), headers=(("traceparent", b"00-1"), (HOPS, b"1")))
    requested = 0
    for cursor in ("c1", "c2"):
        *timers, onward = told(one, DuePage(DUE, cursor))
        requested += len(timers)
        assert (onward.stream, onward.partition) == (POLICY.requests, one.source.partition)
        assert (onward.key, onward.value) == (one.key, one.value)
        assert [name for name, _ in onward.headers].count(PERIOD) == 1
        one = structs.replace(one, headers=onward.headers, source=Source(1, 2, one.source.offset + 1))
        asked = period(one)
        assert (asked.cursor, asked.requested) == (cursor, requested)
        assert (asked.from_ms, asked.to_ms) == (NOW - HOUR, NOW)
    *timers, last = told(one, DuePage(DUE[:1], None))
    assert len(timers) == 1
    assert message(last).result["requested"] == requested + 1
    assert dict(last.headers)["traceparent"] == b"00-1"


def test_now_is_the_now_of_the_first_chunk() -> None:
    one = between()
    *_, onward = told(one, DuePage(DUE, "c1"), now_ms=NOW)
    carried_on = structs.replace(one, headers=onward.headers)
    assert period(carried_on).to_ms == NOW
    *_, onward = told(carried_on, DuePage(DUE, "c2"), now_ms=NOW + HOUR)
    assert period(structs.replace(one, headers=onward.headers)).to_ms == NOW


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"{}", b"[1]", b"\xff", b"[" * 5000),
        b'{"to_ms":"x","cursor":"c","requested":1}',
        b'{"to_ms":-1,"cursor":"c","requested":1}',
        b'{"to_ms":1,"cursor":"c","requested":-1}',
        b'{"to_ms":9007199254740992,"cursor":"c","requested":1}',
        b'{"to_ms":1,"cursor":null,"requested":1}',
    ],
)
def test_a_continuation_that_no_runner_wrote_begins_anew(text: bytes) -> None:
    asked = period(structs.replace(between(), headers=((PERIOD, text),)))
    assert (asked.cursor, asked.requested, asked.to_ms) == (None, 0, None)


def _refused(one: Incoming, page: DuePage, topics: FakeOutlet) -> Decision:
    renderer = Renderer(POLICY, topics)
    with pytest.raises(EventError) as error:
        decide_period(period(one), page, NOW, POLICY, renderer)
    return refuse(one, error.value, None, NOW, renderer)


@pytest.mark.parametrize("cursor", [None, "c1"])
def test_a_reply_that_could_not_be_delivered_at_the_end_is_refused_at_the_beginning(
    cursor: str | None,
) -> None:
    large = between(payload={"fill": "x" * 4000})
    decision = _refused(large, DuePage(DUE, cursor), FakeOutlet(responses=3000))
    assert code(decision) == UNDELIVERABLE
    stream = between(meta={"responseStream": "nowhere"})
    assert code(_refused(stream, DuePage(DUE, cursor), OUTLET)) == UNDELIVERABLE


def test_a_continuation_too_large_for_requests_is_refused_and_nothing_is_told() -> None:
    one = between(payload={"fill": "x" * 4000})
    assert code(_refused(one, DuePage(DUE, "c" * 50), FakeOutlet(requests=4000))) == UNDELIVERABLE


def test_skip_pattern_and_ignored_errors_hold_here_too() -> None:
    assert answer(between(skipPattern="taskId")).status == "SUCCESS"
    one = between(meta={"domain": "nope"}, ignoreErrors="10027")
    assert answer(one).status == "SUCCESS"
