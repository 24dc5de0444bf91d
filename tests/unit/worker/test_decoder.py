"""What cannot be answered is poison, what is for others is left alone; rules are for events of others."""

from __future__ import annotations

import json

import pytest

from runner.actions.incoming import Headers
from runner.actions.plan import ImmediateAnswer, TaskPlan
from runner.envelope.event import MetaRules
from runner.errors import INPUT_MISSING, NOT_CONVERTIBLE, UNKNOWN_ACTION
from runner.kafka.message import Message
from runner.worker.batch_state import BatchState
from runner.worker.decoder import decode_message
from runner.worker.in_flight import InFlight
from runner.worker.processing_settings import ProcessingSettings
from runner.worker.result import BatchResult
from tests.unit.worker.rig import Harness, batch, event


def terms(rules: MetaRules | None = None, max_event_bytes: int = 1_000_000) -> ProcessingSettings:
    return Harness(rules=rules or MetaRules(), max_event_bytes=max_event_bytes).terms


def taken(value: bytes | None, headers: Headers = (), terms: ProcessingSettings = terms()) -> InFlight:  # noqa: B008 - never changed
    return decode_message(Message(0, 5, b"key", value, headers), terms)


POISON = {
    "a tombstone": (None, "TOMBSTONE"),
    "not UTF-8": (b'{"requestMeta":{"id":"\xff"}}', "NOT_UTF8"),
    "nothing": (b"", "NOT_JSON"),
    "not JSON": (b"hello", "NOT_JSON"),
    "NaN": (b"NaN", "NOT_JSON"),
    "half an envelope": (b'{"requestMeta":{"id":"1"', "NOT_JSON"),
    "half of a pair of characters": (rb'{"requestMeta":{"id":"\udc00!!!!!!"}}', "NOT_AN_ENVELOPE"),
    "an array with a comma too many": (b"[1,]", "NOT_JSON"),
    "an array": (b"[]", "NOT_AN_ENVELOPE"),
    "a number": (b"1e30", "NOT_AN_ENVELOPE"),
    "null": (b"null", "NOT_AN_ENVELOPE"),
    "10,000 deep": (b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "TOO_DEEP"),
    "too large": (b'{"a":"' + b"x" * 2000 + b'"}', "TOO_LARGE"),
    "no sections": (b"{}", "NOT_AN_ENVELOPE"),
    "no requestMeta": (b'{"eventMeta":{"action":"StartTask"}}', "NOT_AN_ENVELOPE"),
    "no request id": (b'{"eventMeta":{"action":"StartTask"},"requestMeta":{}}', "NOT_AN_ENVELOPE"),
    "an empty request id": (
        b'{"eventMeta":{"action":"StartTask"},"requestMeta":{"id":""}}',
        "NOT_AN_ENVELOPE",
    ),
    "a request id that is a list": (
        b'{"eventMeta":{"action":"StartTask"},"requestMeta":{"id":[1]}}',
        "NOT_AN_ENVELOPE",
    ),
    "requestMeta of the wrong type": (b'{"eventMeta":{"action":"x"},"requestMeta":"id"}', "NOT_AN_ENVELOPE"),
}


@pytest.mark.parametrize("name", POISON)
def test_what_cannot_be_answered_is_poison_with_a_reason(name: str) -> None:
    value, reason = POISON[name]
    limit = 1000 if reason == "TOO_LARGE" else 1_000_000
    item = taken(value, terms=terms(max_event_bytes=limit))
    assert item.plan is None
    assert item.poison is not None
    assert item.poison.reason == reason
    assert str(item.poison)


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        (b"", UNKNOWN_ACTION),
        (b',"eventMeta":null', UNKNOWN_ACTION),
        (b',"eventMeta":{}', UNKNOWN_ACTION),
        (b',"eventMeta":{"action":7}', UNKNOWN_ACTION),
        (b',"eventMeta":{"action":["StartTask"]}', UNKNOWN_ACTION),
        (b',"eventMeta":[]', NOT_CONVERTIBLE),
        (b',"eventMeta":"StartTask"', NOT_CONVERTIBLE),
        (rb',"eventMeta":{"action":"StartTask","note":"\ud83d"}', NOT_CONVERTIBLE),
        (b',"eventMeta":{"action":"StartTask","parameters":[]}', NOT_CONVERTIBLE),
        (b',"eventMeta":{"action":"StartTask"},"sagaMeta":{}', NOT_CONVERTIBLE),
        (rb',"eventMeta":{"action":"StartTask"},"sagaMeta":[{"stepId":"\ud83d"}]', NOT_CONVERTIBLE),
        (b',"eventMeta":{"action":"StartTask"},"payload":[]', NOT_CONVERTIBLE),
        (b',"eventMeta":{"action":"StartTask"},"payload":{},"result":"x"', NOT_CONVERTIBLE),
        (
            rb',"eventMeta":{"action":"StartTask","domain":"orders"},"payload":{"taskId":"\ud83d"}',
            NOT_CONVERTIBLE,
        ),
        (b',"eventMeta":{"action":"StartTask"}', INPUT_MISSING),
    ],
)
@pytest.mark.parametrize("request_id", [b'"1"', b"1.0", rb'"1","name":"\ud83d"'])
def test_what_can_be_answered_is_never_poison(rest: bytes, code: int, request_id: bytes) -> None:
    item = taken(b'{"requestMeta":{"id":%s}%s}' % (request_id, rest))
    assert item.poison is None
    assert isinstance(item.plan, ImmediateAnswer)
    assert item.plan.error is not None
    assert item.plan.error.code == code
    assert item.plan.incoming.event.request_id == "1"


def test_what_cannot_be_read_of_an_event_for_others_is_none_of_our_business() -> None:
    item = taken(rb'{"requestMeta":{"id":"1"},"eventMeta":{"handler":"others","note":"\ud83d"}}')
    assert (item.plan, item.poison) == (None, None)


def test_a_message_whose_headers_cannot_be_read_is_poison() -> None:
    item = decode_message(Message(0, 5, b"key", event("StartTask"), unreadable="a header name"), terms())
    assert item.poison is not None
    assert item.poison.reason == "BAD_HEADERS"


def test_the_largest_event_is_one_of_exactly_the_limit() -> None:
    value = event("StartTask")
    assert taken(value, terms=terms(max_event_bytes=len(value))).poison is None
    assert taken(value, terms=terms(max_event_bytes=len(value) - 1)).poison is not None


@pytest.mark.parametrize(
    "meta", [{"handler": "others"}, {"deployments": ["us"]}, {"deployments": "us, asia"}, {"handler": 7}]
)
def test_an_event_for_others_is_left_alone(meta: dict[str, object]) -> None:
    item = taken(event("StartTask", meta=meta))
    assert item.plan is None
    assert item.poison is None


def test_an_event_for_others_is_no_poison_however_odd_it_is() -> None:
    item = taken(b'{"eventMeta":{"handler":"others"},"requestMeta":7}')
    assert item.poison is None


@pytest.mark.parametrize("meta", [{"handler": "user-task"}, {"handler": ""}, {"deployments": "us, eu"}, {}])
def test_an_event_for_us_is_planned(meta: dict[str, object]) -> None:
    item = taken(event("StartTask", meta=meta))
    assert isinstance(item.plan, TaskPlan)
    assert str(item.source) == "1/0@5"


def test_an_event_that_can_be_answered_but_is_wrong_is_settled_not_poison() -> None:
    item = taken(event("StartTask", meta={"domain": "unheard-of"}))
    assert isinstance(item.plan, ImmediateAnswer)
    assert item.poison is None


def test_a_default_fills_what_a_bare_event_leaves_out() -> None:
    rules = MetaRules(defaults={"action": "StartTask", "domain": "orders"})
    value = json.dumps({"requestMeta": {"id": "1"}, "payload": {"taskId": "t"}}).encode()
    assert isinstance(taken(value, terms=terms(rules)).plan, TaskPlan)
    assert isinstance(taken(value).plan, ImmediateAnswer)


def test_an_override_replaces_what_the_event_says() -> None:
    rules = MetaRules(overrides={"handler": "others"})
    assert taken(event("StartTask", meta={"handler": "user-task"}), terms=terms(rules)).plan is None


TIMER = (("runner-timer", b"1/0@0;1;0"),)


def test_rules_are_not_for_our_own_timers() -> None:
    value = event("TimeoutTask", "task-7")
    rules = MetaRules(overrides={"handler": "others", "domain": "brief"}, defaults={"version": 9})
    plan = taken(value, TIMER, terms(rules)).plan
    assert isinstance(plan, TaskPlan)
    assert (plan.key.domain, plan.key.id) == ("orders", "task-7")


@pytest.mark.parametrize("action", ["StartTask", "ProceedTask", "TimeoutBetween"])
def test_the_token_of_a_timer_does_not_get_other_events_round_the_rules(action: str) -> None:
    rules = MetaRules(overrides={"domain": "brief"}, parameter_overrides={"taskRoles": "manager"})
    plan = taken(event(action), TIMER, terms(rules)).plan
    assert plan is not None
    assert plan.incoming.event.text("domain") == "brief"
    assert plan.incoming.event.parameter("taskRoles") == "manager"


def test_an_override_may_turn_an_event_into_no_timer() -> None:
    rules = MetaRules(overrides={"action": "TimeoutTask"})
    plan = taken(event("StartTask"), TIMER, terms(rules)).plan
    assert plan is not None
    assert not plan.incoming.is_timer


# -- the limit of poison messages ------------------------------------------------------------------


def counted(
    kinds: str, limit: int, runs: dict[int, int] | None = None, home: int = 0
) -> tuple[list[int], int, bool]:
    """Give the offsets that are processed, the run at the end, and whether the home is blocked.

    ``kinds`` is a batch of one home: ``p`` poison, ``g`` good, ``o`` for others.
    """
    values = {"p": b"poison", "g": event("StartTask"), "o": event("StartTask", meta={"handler": "others"})}
    messages = [Message(home, offset, None, values[kind]) for offset, kind in enumerate(kinds)]
    batch_state = BatchState(batch(messages), runs or {}, limit)
    items = [decode_message(message, terms()) for message in messages]
    batch_state.count_poison(items)
    left = [message.offset for message in messages if not batch_state.is_deferred(message)]
    result = BatchResult(positions={home: left[-1] + 1})
    batch_state.complete(result)
    return left, result.poison_runs[home], home in result.paused


def test_a_home_is_cut_exactly_behind_the_message_that_reaches_the_limit() -> None:
    assert counted("ppgppppg", 3) == ([0, 1, 2, 3, 4, 5], 3, True)


def test_a_good_message_ends_the_run() -> None:
    assert counted("ppgppgp", 3) == ([0, 1, 2, 3, 4, 5, 6], 1, False)


def test_a_run_goes_on_from_the_batch_before() -> None:
    assert counted("ppp", 3, {0: 2}) == ([0], 3, True)
    assert counted("gpp", 3, {0: 2}) == ([0, 1, 2], 2, False)


def test_the_runs_of_other_homes_do_not_count() -> None:
    assert counted("pp", 3, {1: 2}) == ([0, 1], 2, False)


def test_a_limit_of_one_stops_at_the_first() -> None:
    assert counted("gpp", 1) == ([0, 1], 1, True)


def test_a_limit_of_zero_never_stops() -> None:
    assert counted("p" * 50, 0) == (list(range(50)), 50, False)


def test_messages_for_others_end_a_run_too() -> None:
    assert counted("popo", 2) == ([0, 1, 2, 3], 0, False)
