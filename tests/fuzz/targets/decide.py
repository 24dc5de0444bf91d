"""Any event on any record: decided the same whenever it is asked, with codes that are documented.

record, time, limits of the topics, partition, headers, action, places of the event and what is put there
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from msgspec import structs

from runner.actions.decision import (
    Decision,
    Dropped,
    OutgoingMessage,
    Refused,
    decode_outcome,
    encode_outcome,
)
from runner.actions.incoming import Headers, Incoming
from runner.actions.plan import ImmediateAnswer, PeriodPlan, TaskPlan, asked_by
from runner.actions.policy import Policy
from runner.actions.registry import answer_without_record, decide, is_addressed, plan, refuse, replay
from runner.actions.render import Renderer
from runner.actions.timeout_between import decide_period
from runner.changelog.codec import encode_entry, encode_part_entry, restored_record
from runner.envelope.codec import JsonCodec, Sections
from runner.envelope.event import read_event, require_answerable
from runner.errors import EventError, PoisonError, RecordAwaited
from runner.limits import USUAL, WIDEST, EventLimits
from runner.tasks.due import DuePage, DueTask
from runner.tasks.keys import TaskKey, definition_key, is_definition
from runner.tasks.record import Record
from runner.tasks.source import Source
from tests.fuzz.documented import check_poison, check_refusal
from tests.fuzz.draw import Draw
from tests.fuzz.events import ACTIONS, PLACES, RICH, WORDS, sent, sent_headers
from tests.fuzz.target import Target
from tests.unit.actions.events import (
    HOUR,
    NOW,
    OUTLET,
    POLICY,
    FakeOutlet,
    answer,
    cancelled,
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
OUTLETS: Final = (
    OUTLET,
    FakeOutlet(responses=1500),
    FakeOutlet(responses=None),
    FakeOutlet(orders_out=1000),
    FakeOutlet(requests=700),
)
LIMITS: Final = (
    USUAL,
    EventLimits(
        event_bytes=500,
        headers=1,
        header_bytes=40,
        id_bytes=6,
        pattern_characters=12,
        pattern_values=20,
        data_bytes=60,
    ),
)
PAGES: Final = (
    DuePage((), None),
    DuePage((DueTask(TaskKey("orders", "t"), 1, Source(1, 1, 1), NOW),), "cursor"),
    DuePage((DueTask(TaskKey("orders", "t;\n"), 0, Source(1, 0, 1), 0),), None),
)


FORM: Final = definition_key("orders", "form")


def definition() -> Record:
    """What answers a task of a form takes."""
    schema = {"type": "object", "properties": {"n": {"type": "number"}, "b": {"type": "array"}}}
    request = {"claims": {"sub": "root", "roles": ["admin"]}}
    sent = envelope("DefineTask", request=request, taskSpec="form", schema=schema, outcomes=["yes", "no"])
    changed = answer(incoming(sent, offset=5)).record
    assert changed is not None
    return changed


DEFINITION: Final = definition()


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
    by_admin = {"claims": {"sub": "ann", "roles": ["admin", "manager"]}}
    saved = incoming(envelope("SaveTask", request=by_admin, data={"n": 1.50, "b": [None]}), offset=60)
    moved = incoming(envelope("UpdateTask", request=by_admin, timeout=7, notes="x"), offset=61)
    pinned = structs.replace(
        started(rich), start=structs.replace(started(rich).start, spec="form", spec_version=0)
    )
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
        pinned,
        after(saved, pinned),
        after(moved, after(saved, started())),
        closed_by(cancelled(), after(saved, started())),
        closed_by(proceed(request={"claims": {"roles": ["manager"]}}), after(saved, started(rich))),
        DEFINITION,
    )


def after(one: Incoming, record: Record) -> Record:
    """The record after a verb."""
    changed = answer(one, record, others={FORM: DEFINITION}).record
    assert changed is not None
    return changed


RECORDS: Final = records()


@dataclass(frozen=True)
class Case:
    """What an event meets."""

    record: Record | None
    now_ms: int
    topics: FakeOutlet
    page: DuePage
    policy: Policy
    others: Mapping[TaskKey, Record | None]

    @property
    def renderer(self) -> Renderer:
        return Renderer(self.policy, self.topics)


def check(data: bytes) -> None:
    """Decide a drawn event on a drawn record, twice and once more from what was kept."""
    draw = Draw(data)
    record, now_ms, topics = draw.of(RECORDS), draw.of((NOW, NOW + 2 * HOUR)), draw.of(OUTLETS)
    others = {FORM: draw.of((DEFINITION, None))}
    case = Case(record, now_ms, topics, draw.of(PAGES), POLICY.within(draw.of(LIMITS)), others)
    source = Source(1, draw.number(4), 50)
    headers = sent_headers(draw)
    value = sent(draw)
    first, again = (taken_in(value, source, headers) for _ in range(2))
    if first is None or again is None:
        return
    decision = answered(first, case)
    assert as_data(answered(again, case)) == as_data(decision)
    if decision is None:
        return
    if isinstance(decision.outcome, Refused):
        check_refusal(EventError(decision.outcome.code, decision.outcome.message))
    for outgoing in decision.messages:
        check_emit(outgoing, first, record)
    if isinstance(plan(first, case.policy), TaskPlan):
        check_redelivery(again, decision, case)
    if decision.record is not None:
        check_record(decision.record)


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


def answered(one: Incoming, case: Case) -> Decision | None:
    """The decision; None where not even a FAIL can be delivered."""
    asked = plan(one, case.policy)
    try:
        match asked:
            case ImmediateAnswer():
                return answer_without_record(asked, case.now_ms, case.renderer)
            case TaskPlan():
                record = case.record if asked.key == FORM or case.record is not DEFINITION else None
                keys = [each.key for each in asked_by(asked, record) if each.key != asked.key]
                known = structs.replace(asked, others={key: case.others.get(key) for key in keys})
                return decide(known, record, case.now_ms, case.policy, case.renderer)
            case PeriodPlan():
                return period(asked, case)
    except EventError as error:
        check_refusal(error)
        return None
    except RecordAwaited:
        return None


def period(asked: PeriodPlan, case: Case) -> Decision:
    """What becomes of a chunk of TimeoutBetween."""
    try:
        return Decision(Dropped(), decide_period(asked, case.page, case.now_ms, case.policy, case.renderer))
    except EventError as error:
        return refuse(asked.incoming, error, None, case.now_ms, case.renderer)


def as_data(decision: Decision | None) -> Any:
    """All that a decision is, to be compared."""
    if decision is None:
        return None
    entry = None if decision.record is None else encode_entry(decision.record)
    return encode_outcome(decision.outcome), decision.messages, entry, decision.status


def check_emit(outgoing: OutgoingMessage, one: Incoming, record: Record | None) -> None:
    """A message that is sent can be read as an event, and carries what it was made from unchanged."""
    assert outgoing.value is not None
    sections = JSON.decode(outgoing.value)
    event = read_event(sections, outgoing.value)
    require_answerable(event)
    if outgoing.stream == POLICY.requests:
        assert outgoing.partition is not None
        return
    told = message(outgoing)
    assert told.key == event.request_id
    resumes = told.kind == "resume" and record is not None
    origin = record.starting_event() if resumes and record is not None else one.event
    assert unreachable(sections) == unreachable(origin.sections)


def unreachable(sections: Sections) -> dict[str, bytes]:
    """What nobody may change of an event by answering it."""
    return {name: bytes(raw) for name, raw in sections.items() if name not in {"payload", "result"}}


def check_redelivery(again: Incoming, decision: Decision, case: Case) -> None:
    """With what is kept of the decision, and the record as it is by then, the same is sent again.

    Also by a worker whose limits are others by then.
    """
    kept = decode_outcome(encode_outcome(decision.outcome))
    after = case.record if decision.record is None else stored(decision.record)
    wide = case.policy.within(WIDEST)
    asked = plan(again, wide)
    assert isinstance(asked, TaskPlan)
    replayed = replay(asked, after, kept, Renderer(wide, case.topics))
    assert (replayed.messages, replayed.status) == (decision.messages, decision.status)


def check_record(record: Record) -> None:
    """A record that is written can be read again, from Redis and from the changelog."""
    back = stored(record)
    if not is_definition(record.key):
        assert back.starting_event().request_id == record.starting_event().request_id
    assert back.started_by == record.started_by
    parts = {name: encode_part_entry(record, name, part) for name, part in record.all_parts.items()}
    assert restored_record(encode_entry(record), parts) == record


def seeds() -> Iterable[bytes]:
    """Every action on every record, within both limits, and every place once with every kind of value."""
    rest = b"\x00\x00"
    for record in range(len(RECORDS)):
        for action in range(len(ACTIONS)):
            yield bytes([record, 0, 0, 0, 0]) + rest + bytes([action, 0])
            yield bytes([record, 1, 0, 1, 1]) + rest + bytes([action, 0])
    for place in range(len(PLACES)):
        for word in range(0, len(WORDS), 5):
            put_there = bytes([place % 5, 1, place, 1, (place + word) % len(WORDS)])
            yield bytes([place % 3, 0, 0, 0, 0]) + rest + put_there
        yield bytes([place % 8, 0, 0, 0, place % 2]) + rest + bytes([place % 5, 1, place, 0, 0, place % 25])
    trusting = bytes([1, 1, PLACES.index(("eventMeta", "domain")), 1, WORDS.index("trusting")])
    yield b"\x02\x00\x00\x00\x00" + rest + trusting


TARGET: Final = Target(
    "decide",
    "any event on no, an open, a closed, another task; decided again and redelivered",
    check,
    seeds,
    " ".join((*WORDS, "taskId", "roles", "claims", "\\ud800", "NaN")),
)
