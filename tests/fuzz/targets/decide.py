"""Any event on any record: decided the same whenever it is asked, with codes that are documented.

record, time, limits of the topics, partition, headers, action, places of the event and what is put there
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from runner.actions.decision import Decision, Dropped, Emit, Refused, decode_outcome, encode_outcome
from runner.actions.incoming import HOPS, ORIGIN, PERIOD, TIME, TIMER, Headers, Incoming
from runner.actions.plan import PeriodPlan, SettledPlan, TaskPlan
from runner.actions.registry import decide, is_addressed, plan, refuse, replay, settle
from runner.actions.render import Renderer
from runner.actions.timeout_between import decide_period
from runner.envelope.codec import JsonCodec, Sections
from runner.envelope.event import read_event, require_answerable
from runner.errors import EventError, PoisonError
from runner.tasks.due import DuePage, DueTask
from runner.tasks.feed import encode_entry, read_entry
from runner.tasks.record import Record, TaskKey
from runner.tasks.source import Source
from tests.fuzz.documented import check_poison, check_refusal
from tests.fuzz.draw import Draw
from tests.fuzz.target import Target
from tests.unit.actions.events import (
    HOUR,
    NOW,
    OUTLET,
    POLICY,
    FakeOutlet,
    closed_by,
    envelope,
    incoming,
    message,
    proceed,
    start,
    started,
    stored,
    timeout,
)

JSON: Final = JsonCodec()
ACTIONS: Final = ("StartTask", "ProceedTask", "TimeoutTask", "TimeoutBetween", "TIMEOUT", "nothing")
RICH: Final = {
    "taskId": "task-1",
    "a": {"b": [1, {"c": "x"}], "roles": ["manager"]},
    "user": {"id": "ann", "roles": ["manager"]},
    "from": 1,
    "to": NOW,
}
PLACES: Final[tuple[tuple[str, ...], ...]] = (
    *((name,) for name in ("requestMeta", "sagaMeta", "eventMeta", "payload", "result", "other")),
    *(("requestMeta", name) for name in ("id", "claims", "origin")),
    *(("payload", name) for name in ("taskId", "a", "user", "from", "to", "b")),
    *(
        ("eventMeta", name)
        for name in ("action", "version", "domain", "handler", "deployments", "parameters")
    ),
    *(("eventMeta", name) for name in ("inputElement", "outputElement", "responseStream", "requestTime")),
    *(
        ("eventMeta", "parameters", name)
        for name in (
            *("inputPattern", "outputPattern", "skipPattern", "taskIdPath", "enrichPath"),
            *("fromTimePath", "toTimePath", "timeout", "timeoutOn", "taskRoles", "taskUser"),
            *("taskName", "taskSpec", "taskAction", "ignoreErrors"),
        )
    ),
)
WORDS: Final = (
    *("a", "a.b", "a.b.0", "a.b[1].c", "$", "$.a", "@", "@.payload.a", "-", "a[*]", "$..c", "a[?(@.c)]"),
    *("orders", "trusting", "unchecked", "brief", "orders-out", "nowhere", "user-task", "eu"),
    *("{a: @, taskId: taskId}", "[@, @]", "length(@)", "[uuid(), now()]", "ann", "manager", "10118,10119"),
)
FIELDS: Final = (TIMER, PERIOD, ORIGIN, HOPS, TIME, "traceparent", "tracestate", "other")
TEXTS: Final = (
    *(b"1/0@10;%d;0" % (NOW + HOUR), b"1/3@4", b"3", b"1"),
    b'{"to_ms":1,"cursor":"c","requested":2}',
)
OUTLETS: Final = (
    OUTLET,
    FakeOutlet(responses=1500),
    FakeOutlet(responses=None),
    FakeOutlet(orders_out=1000),
    FakeOutlet(requests=700),
)
PAGES: Final = (
    DuePage((), None),
    DuePage((DueTask(TaskKey("orders", "t"), 1, Source(1, 1, 1), NOW),), "cursor"),
    DuePage((DueTask(TaskKey("orders", "t;\n"), 0, Source(1, 0, 1), 0),), None),
)


def records() -> Sequence[Record | None]:
    """No task; open, closed and begun anew ones, here and on another home."""
    rich = start(
        payload=RICH,
        timeout=HOUR,
        taskRoles="manager",
        taskUser="ann",
        inputPattern="a",
        taskIdPath="$.taskId",
        meta={"outputElement": "a.b", "responseStream": "orders-out"},
    )
    away = incoming(envelope("StartTask", timeout=5), partition=3, offset=4)
    # The same request as the event that is drawn: a repeat of what started or closed it.
    same = incoming(envelope("ProceedTask", meta={"requestTime": 1}), offset=40)
    shared = incoming(envelope("StartTask", meta={"requestTime": 1}), offset=40)
    anew = started(start(payload={"taskId": "task-1", "generation": 2}))
    return (
        None,
        started(),
        started(rich),
        started(away),
        started(shared),
        closed_by(proceed(), started()),
        closed_by(timeout(), started(rich)),
        closed_by(same, started()),
        closed_by(incoming(envelope("TimeoutTask"), partition=3, offset=9), started(away)),
        Record(anew.key, 7, anew.state, anew.start),
    )


RECORDS: Final = records()


def check(data: bytes) -> None:
    """Decide a drawn event on a drawn record, twice and once more from what was kept."""
    draw = Draw(data)
    record, now_ms, outlet = draw.of(RECORDS), draw.of((NOW, NOW + 2 * HOUR)), draw.of(OUTLETS)
    source = Source(1, draw.number(4), 50)
    headers = tuple((draw.of(FIELDS), _text(draw)) for _ in range(draw.number(3)))
    page = draw.of(PAGES)
    value = sent(draw)
    first, again = (taken_in(value, source, headers) for _ in range(2))
    if first is None or again is None:
        return
    renderer = Renderer(POLICY, outlet)
    decision = answered(first, record, page, now_ms, renderer)
    assert as_data(answered(again, record, page, now_ms, renderer)) == as_data(decision)
    if decision is None:
        return
    if isinstance(decision.outcome, Refused):
        check_refusal(EventError(decision.outcome.code, decision.outcome.message))
    for emit in decision.emits:
        check_emit(emit, first, record)
    asked = plan(again, POLICY)
    if isinstance(asked, TaskPlan):
        check_redelivery(asked, decision, record, renderer)
    if decision.record is not None:
        check_record(decision.record)


def sent(draw: Draw) -> bytes:
    """The bytes of an event that is sound but in a few places."""
    action = draw.of(ACTIONS)
    event = envelope(action, payload=copy.deepcopy(RICH), wrong_meta={"requestTime": 1})
    for _ in range(draw.number(6)):
        *way, name = draw.of(PLACES)
        put(event, way, name, draw.of(WORDS) if draw.number(2) else draw.json())
    value = json.dumps(event).encode()
    if draw.number(8) == 7:
        at = draw.number(256) * len(value) // 256
        value = value[:at] + draw.rest() + value[at:]
    return value


def put(event: dict[str, Any], way: Sequence[str], name: str, value: Any) -> None:
    """Put a value in a place, if the way there still is one."""
    node: Any = event
    for step in way:
        node = node.get(step) if isinstance(node, dict) else None
    if isinstance(node, dict):
        node[name] = value


def taken_in(value: bytes, source: Source, headers: Headers) -> Incoming | None:
    """The event as a worker reads it; None where it is poison or for somebody else."""
    try:
        event = read_event(JSON.decode(value), value)
        if not is_addressed(event, POLICY):
            return None
        require_answerable(event)
    except PoisonError as error:
        check_poison(error)
        return None
    return Incoming(event, source, b"key", value, headers, NOW)


def answered(
    one: Incoming, record: Record | None, page: DuePage, now_ms: int, renderer: Renderer
) -> Decision | None:
    """The decision; None where not even a FAIL can be delivered."""
    asked = plan(one, POLICY)
    try:
        match asked:
            case SettledPlan():
                return settle(asked, now_ms, renderer)
            case TaskPlan():
                return decide(asked, record, now_ms, POLICY, renderer)
            case PeriodPlan():
                return period(asked, page, now_ms, renderer)
    except EventError as error:
        check_refusal(error)
        return None


def period(asked: PeriodPlan, page: DuePage, now_ms: int, renderer: Renderer) -> Decision:
    """What becomes of a chunk of TimeoutBetween."""
    try:
        return Decision(Dropped(), decide_period(asked, page, now_ms, POLICY, renderer))
    except EventError as error:
        return refuse(asked.incoming, error, None, now_ms, renderer)


def as_data(decision: Decision | None) -> Any:
    """All that a decision is, to be compared."""
    if decision is None:
        return None
    entry = None if decision.record is None else encode_entry(decision.record)
    return encode_outcome(decision.outcome), decision.emits, entry, decision.status


def check_emit(emit: Emit, one: Incoming, record: Record | None) -> None:
    """A message that is sent can be read as an event, and carries what it was made from unchanged."""
    assert emit.value is not None
    sections = JSON.decode(emit.value)
    event = read_event(sections, emit.value)
    require_answerable(event)
    if emit.stream == POLICY.requests:
        assert emit.partition is not None
        return
    told = message(emit)
    assert told.key == event.request_id
    resumes = told.kind == "resume" and record is not None
    origin = record.starting_event() if resumes and record is not None else one.event
    assert unanswered(sections) == unanswered(origin.sections)


def unanswered(sections: Sections) -> dict[str, bytes]:
    """What nobody may change of an event by answering it."""
    return {name: bytes(raw) for name, raw in sections.items() if name not in {"payload", "result"}}


def check_redelivery(asked: TaskPlan, decision: Decision, record: Record | None, renderer: Renderer) -> None:
    """With what is kept of the decision, and the record as it is by then, the same is sent again."""
    kept = decode_outcome(encode_outcome(decision.outcome))
    after = record if decision.record is None else stored(decision.record)
    replayed = replay(asked, after, kept, renderer)
    assert (replayed.emits, replayed.status) == (decision.emits, decision.status)


def check_record(record: Record) -> None:
    """A record that is written can be read again, from Redis and from the feed."""
    back = stored(record)
    assert back.starting_event().request_id == record.starting_event().request_id
    assert back.started_by == record.started_by
    assert read_entry(encode_entry(record)).record == record


def _text(draw: Draw) -> bytes:
    return draw.some(40) if draw.number(2) else draw.of(TEXTS)


def seeds() -> Iterable[bytes]:
    """Every action on every record, and every place once with every kind of value."""
    head = b"\x00\x00\x00\x00\x00"
    for record in range(len(RECORDS)):
        for action in range(len(ACTIONS)):
            yield bytes([record]) + head + bytes([action, 0])
    for place in range(len(PLACES)):
        for word in range(0, len(WORDS), 5):
            yield bytes([place % 3]) + head + bytes([place % 5, 1, place, 1, (place + word) % len(WORDS)])
        yield bytes([place % 8]) + head + bytes([place % 5, 1, place, 0, 0, place % 25])
    yield b"\x02\x00\x00\x00\x01\x00\x00\x00\x00" + b"\x02\x00"


TARGET: Final = Target(
    "decide",
    "any event on no, an open, a closed, another task; decided again and redelivered",
    check,
    seeds,
    " ".join((*WORDS, "taskId", "roles", "claims", "\\ud800", "NaN")),
)
