"""Arbitrary JSON in any section: always answered or dropped, never anything but an EventError."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, currently_in_test_context, event, example, given, settings
from hypothesis import strategies as st

from runner.actions.decision import Decision, Dropped, decode_outcome, encode_outcome
from runner.actions.incoming import HOPS, ORIGIN, PERIOD, TIMER, Headers, Incoming
from runner.actions.plan import ImmediateAnswer, PeriodPlan, TaskPlan
from runner.actions.registry import answer_without_record, decide, is_addressed, plan, refuse, replay
from runner.actions.render import Renderer
from runner.actions.timeout_between import decide_period
from runner.envelope.codec import MAX_DEPTH, JsonCodec
from runner.envelope.event import MetaRules, read_event, require_answerable
from runner.errors import EventError, PoisonError
from runner.tasks.due import DuePage, DueTask
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record
from runner.tasks.source import Source
from tests.unit.actions.events import (
    HOUR,
    NOW,
    OUTLET,
    POLICY,
    FakeOutlet,
    closed_by,
    message,
    proceed,
    start,
    started,
    stored,
    timeout,
)

ACTIONS = ("StartTask", "ProceedTask", "TimeoutTask", "TimeoutBetween")
RECORDS: list[Record | None] = [
    None,
    started(),
    started(start(timeout=HOUR, taskRoles="manager", taskUser="ann", meta={"outputElement": "a.b"})),
    closed_by(proceed(), started()),
    closed_by(timeout(), started()),
]
PAGES = [
    DuePage((), None),
    DuePage((DueTask(TaskKey("orders", "t"), 1, Source(1, 1, 1), NOW),), "cursor"),
    DuePage((DueTask(TaskKey("orders", "t;\n"), 0, Source(1, 0, 1), 0),), None),
]

names = st.sampled_from(["a", "b", "taskId", "user", "id", "roles", "0", ""]) | st.text(max_size=3)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | texts
jsons = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)
)
paths = st.sampled_from(
    ["a", "a.b", "$", "@", "$.a", "@.payload.a", "-", "a.0", "a[*]", "$..a", "..", "a[", "['a']"]
)
patterns = st.sampled_from(
    ["@", "a", "a.b", "{a: @, taskId: taskId}", "[@, @]", "*", "a[?b]", "length(@)", "&a"]
)


def some(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def few(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """At most two of the fields: with more, nearly every event would have something against it."""
    fills = [st.tuples(st.just(name), values) for name, values in fields.items()]
    return st.lists(st.one_of(fills), max_size=2).map(dict)


parameters = few(
    {
        **dict.fromkeys(("taskIdPath", "enrichPath", "fromTimePath", "toTimePath"), paths),
        **dict.fromkeys(("inputPattern", "outputPattern", "skipPattern"), patterns),
        "timeout": st.sampled_from([0, "60000", 1e12]),
        "timeoutOn": st.sampled_from([NOW, "1"]),
        "taskRoles": st.sampled_from(["manager", ["manager", "director"]]),
        "taskUser": st.just("ann"),
        "ignoreErrors": st.sampled_from(["10118,10011", [14, "10009"], "13020"]),
    }
)
metas = st.builds(
    lambda action, domain, given, fields: {"action": action, "domain": domain, "parameters": given, **fields},
    st.sampled_from(ACTIONS),
    st.sampled_from(["orders", "trusting", "unchecked"]),
    parameters,
    few(
        {
            "inputElement": paths,
            "outputElement": paths,
            "responseStream": st.sampled_from(["orders-out", "nowhere", "evil"]),
            "requestTime": st.just(1),
        }
    ),
)
sound = st.fixed_dictionaries(
    {
        "requestMeta": st.builds(
            lambda rest: {"id": "req-1", **rest}, some({"claims": jsons, "origin": jsons})
        ),
        "eventMeta": metas,
        "payload": st.builds(
            lambda rest: {"taskId": "task-1", "a": {"b": 1}, **rest},
            few({"a": jsons, "b": jsons, "user": jsons}),
        ),
    },
    optional={
        "sagaMeta": st.lists(some({"sagaId": texts, "stepId": texts}), max_size=2),
        "result": st.dictionaries(names, jsons, max_size=2),
        "other": jsons,
    },
)
PLACES: list[tuple[str, ...]] = [
    *((name,) for name in ("requestMeta", "sagaMeta", "payload", "result", "other")),
    *(("requestMeta", name) for name in ("id", "claims", "origin")),
    *(("payload", name) for name in ("taskId", "a", "user")),
    *(
        ("eventMeta", name)
        for name in ("action", "version", "domain", "handler", "deployments", "parameters")
    ),
    *(("eventMeta", name) for name in ("inputElement", "outputElement", "responseStream", "requestTime")),
    *(("eventMeta", "parameters", name) for name in ("inputPattern", "outputPattern", "skipPattern")),
    *(
        ("eventMeta", "parameters", name)
        for name in ("taskIdPath", "enrichPath", "toTimePath", "fromTimePath")
    ),
    *(
        ("eventMeta", "parameters", name)
        for name in ("timeout", "timeoutOn", "taskRoles", "taskUser", "taskName")
    ),
    *(("eventMeta", "parameters", name) for name in ("taskSpec", "taskAction", "ignoreErrors")),
]
wrongs = st.lists(st.tuples(st.sampled_from(PLACES), jsons), max_size=2)


def spoilt(sent: dict[str, Any], wrong: list[tuple[tuple[str, ...], Any]]) -> dict[str, Any]:
    """A sound event with arbitrary JSON put in some places of it."""
    for (*way, name), value in wrong:
        node: Any = sent
        for step in way:
            node = node.get(step) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node[name] = value
    return sent


events = st.builds(spoilt, sound, wrongs)
headers = st.lists(
    st.tuples(
        st.sampled_from([TIMER, PERIOD, ORIGIN, HOPS, "traceparent", "other"]),
        st.binary(max_size=6)
        | st.sampled_from([b"1/0@10;1;0", b"1/3@4", b"3", b'{"to_ms":1,"cursor":"c","requested":2}']),
    ),
    max_size=3,
).map(tuple)
rules = st.sampled_from(
    [
        MetaRules(),
        MetaRules(defaults={"domain": "orders"}, parameter_defaults={"taskRoles": "manager"}),
        MetaRules(overrides={"inputElement": "a"}, parameter_overrides={"taskIdPath": "$.taskId"}),
    ]
)
outlets = st.sampled_from(
    [OUTLET, FakeOutlet(responses=1200), FakeOutlet(responses=None), FakeOutlet(orders_out=900)]
)


def taken_in(sent: Any, mark: Headers, rule: MetaRules) -> Incoming | None:
    """The event as the worker reads it; None where it is poison or not for this runner."""
    value = json.dumps(sent).encode()
    try:
        read = read_event(JsonCodec().decode(value), value, rule)
        if not is_addressed(read, POLICY):
            return None
        require_answerable(read)
    except PoisonError:
        return None
    return Incoming(read, Source(1, 0, 5), None, value, mark)


def note(said: str) -> None:
    """Shown by --hypothesis-show-statistics: what the search reached."""
    if currently_in_test_context():
        event(said)


def check(one: Incoming, record: Record | None, page: DuePage, topics: FakeOutlet) -> None:
    renderer = Renderer(POLICY, topics)
    asked = plan(one, POLICY)
    note(f"{type(asked).__name__} {one.event.action if one.event.action in ACTIONS else '?'}")
    match asked:
        case ImmediateAnswer():
            check_decision(one, lambda: answer_without_record(asked, NOW, renderer))
        case TaskPlan():
            decision = check_decision(one, lambda: decide(asked, record, NOW, POLICY, renderer))
            if decision is not None:
                check_redelivery(asked, decision, record, renderer)
        case PeriodPlan():
            check_decision(one, lambda: told(asked, page, renderer))


def told(asked: PeriodPlan, page: DuePage, renderer: Renderer) -> Decision:
    try:
        return Decision(Dropped(), decide_period(asked, page, NOW, POLICY, renderer))
    except EventError as error:
        return refuse(asked.incoming, error, None, NOW, renderer)


def check_decision(one: Incoming, decided: Callable[[], Decision]) -> Decision | None:
    """Every event has messages or is dropped; what cannot be delivered at all raises EventError."""
    try:
        decision = decided()
    except EventError:
        note("not even a FAIL can be delivered")
        return None
    note(decision.status)
    assert decision.messages or isinstance(decision.outcome, Dropped)
    if not decision.messages:
        assert one.is_timer
    for outgoing in decision.messages:
        if outgoing.stream != POLICY.requests:
            assert message(outgoing).status
    return decision


def check_redelivery(asked: TaskPlan, decision: Decision, record: Record | None, renderer: Renderer) -> None:
    kept = decode_outcome(encode_outcome(decision.outcome))
    after = record if decision.record is None else stored(decision.record)
    assert replay(asked, after, kept, renderer).messages == decision.messages


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(events, headers, rules, st.sampled_from(RECORDS), st.sampled_from(PAGES), outlets)
def test_arbitrary_json_in_any_section_is_answered_or_dropped(
    sent: Any, mark: Headers, rule: MetaRules, record: Record | None, page: DuePage, topics: FakeOutlet
) -> None:
    one = taken_in(sent, mark, rule)
    if one is not None:
        check(one, record, page, topics)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


@given(events, st.integers(1, MAX_DEPTH - 2), st.sampled_from(RECORDS))
@example(
    {"requestMeta": {"id": "r"}, "eventMeta": {"action": "StartTask", "domain": "orders"}},
    MAX_DEPTH - 2,
    None,
)
def test_the_deepest_payload_there_can_be_is_answered(sent: Any, levels: int, record: Record | None) -> None:
    deepest = {"taskId": "task-1", "a": nested(levels)}
    one = taken_in({**sent, "payload": deepest}, (), MetaRules())
    if one is not None:
        check(one, record, PAGES[0], OUTLET)


@pytest.mark.parametrize("levels", [1, 100, 280, 290, 300, 310, 400, 499, 500, 501, 1000])
def test_the_deepest_output_a_pattern_can_build_is_written_or_refused(levels: int) -> None:
    pattern = "[" * levels + "@" + "]" * levels
    way = ".".join("a" * 90)
    one = start(
        payload={"taskId": "task-1", "d": nested(MAX_DEPTH - 10)}, inputPattern=pattern, taskIdPath="$.taskId"
    )
    check(one, None, PAGES[0], OUTLET)
    end = proceed(
        outputPattern=pattern, meta={"inputElement": way, "outputElement": way}, taskIdPath="$.taskId"
    )
    deep = {"taskId": "task-1", "a": nested(MAX_DEPTH - 2)}
    whole = started(start(payload={"taskId": "task-1", "d": nested(MAX_DEPTH - 10)}))
    check(end, whole, PAGES[0], OUTLET)
    check(proceed(payload=deep, outputPattern=pattern, meta={"outputElement": way}), whole, PAGES[0], OUTLET)


@given(jsons, jsons)
def test_an_envelope_of_any_shape_is_read_or_poison(meta: Any, request: Any) -> None:
    one = taken_in({"requestMeta": request, "eventMeta": meta}, (), MetaRules())
    if one is not None:
        check(one, None, PAGES[0], OUTLET)
