"""Headers of the runner, written by somebody else: they are answered or mean nothing, and work ends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.actions.decision import OutgoingMessage
from runner.kafka.message import Message
from runner.tasks.parts import Status
from tests.unit.worker.rig import NOW, Harness, event, sent, statuses

DUE = 10
HUGE = "9" * 4200


def with_due_tasks() -> Harness:
    """Ten tasks that are due, on two homes; a TimeoutBetween takes them three at a time."""
    harness = Harness()
    for n in range(DUE):
        harness.handle(event("StartTask", f"task-{n}", f"req-{n}", timeoutOn=NOW - n), home=n % 2)
    return harness


def passed(harness: Harness, first: Message) -> tuple[list[OutgoingMessage], int]:
    """Follow a TimeoutBetween through its continuations; give all messages, and how many events it took."""
    messages: list[OutgoingMessage] = []
    waiting, events = [first], 0
    while waiting:
        events += 1
        assert events < 50, "work without end"
        done = harness.run(waiting.pop())
        messages += done.outgoing
        continued = [outgoing for outgoing in done.outgoing if "runner-period" in dict(outgoing.headers)]
        waiting += harness.returned(continued)
    return messages, events


def period(to_ms: Any = NOW, cursor: Any = "", requested: Any = 0) -> bytes:
    return json.dumps({"to_ms": to_ms, "cursor": cursor, "requested": requested}).encode()


def cursor(shard: Any = 0, domain: Any = "orders", home: Any = 0, score_ms: Any = 0, member: Any = "") -> str:
    return json.dumps([shard, domain, home, score_ms, member])


FORGED = {
    "nothing": b"",
    "not UTF-8": b"\xff",
    "not JSON": b"hello",
    "another shape": b"[1,2,3]",
    "too deep to skip": b'{"x":' + b"[" * 50_000,
    "an endless end": b'{"to_ms":' + HUGE.encode() + b',"cursor":"","requested":0}',
    "a negative end": period(to_ms=-1),
    "an end beyond all numbers": period(to_ms=2**53),
    "a count beyond all numbers": b'{"to_ms":1,"cursor":"","requested":' + HUGE.encode() + b"}",
    "a negative count": period(requested=-5),
    "an empty cursor": period(cursor=""),
    "a cursor of another shape": period(cursor="{}"),
    "a cursor too deep to skip": period(cursor="[" * 50_000),
    "a shard below all": period(cursor=cursor(shard=-1)),
    "a home below all": period(cursor=cursor(home=-1)),
    "a moment below all": period(cursor=cursor(score_ms=-1)),
    "a moment beyond all": period(cursor=f'[0,"orders",0,{HUGE},""]'),
    "a shard that is text": period(cursor=cursor(shard="0")),
    "too short a cursor": period(cursor='[0,"orders"]'),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_period_no_runner_wrote_is_a_pass_from_the_beginning(name: str) -> None:
    harness = with_due_tasks()
    first = harness.message(
        event("TimeoutBetween", None, "sweep"), headers=(("runner-period", FORGED[name]),)
    )
    messages, events = passed(harness, first)
    assert statuses(messages) == ["SUCCESS"]
    timers = [outgoing for outgoing in messages if "runner-timer" in dict(outgoing.headers)]
    assert len(timers) == len({outgoing.key for outgoing in timers}) == DUE
    assert events == 4


SOUND = {
    "a shard beyond all": period(cursor=cursor(shard=99)),
    "a domain before all": period(cursor=cursor(domain="")),
    "a domain behind all": period(cursor=cursor(domain="zzz")),
    "a home beyond all": period(cursor=cursor(home=99)),
    "a member nobody has": period(cursor=cursor(score_ms=NOW - 3, member="\x00" * 5000)),
    "the end of time": period(to_ms=2**53 - 1, cursor=cursor(score_ms=2**53 - 1)),
    "the beginning of time": period(to_ms=0, cursor=cursor()),
}


@pytest.mark.parametrize("name", SOUND)
def test_a_period_a_runner_might_have_written_ends_with_one_reply(name: str) -> None:
    harness = with_due_tasks()
    first = harness.message(event("TimeoutBetween", None, "sweep"), headers=(("runner-period", SOUND[name]),))
    messages, _ = passed(harness, first)
    assert statuses(messages) == ["SUCCESS"]
    assert sum("runner-timer" in dict(outgoing.headers) for outgoing in messages) <= DUE


def test_a_period_on_another_action_means_nothing() -> None:
    harness = Harness()
    done = harness.handle(event("StartTask"), headers=(("runner-period", period()),))
    assert statuses(done.outgoing) == ["ACK"]


MARKS = [
    b"",
    b"\xff",
    b";;",
    b"1/0@0",
    b"1/0@0;;",
    f"1/0@0;{NOW + 60_000};1".encode(),
    f"1/0@1;{NOW + 60_000};0".encode(),
    f"1/0@0;{NOW};0".encode(),
    f"1/0@{HUGE};{HUGE};{HUGE}".encode(),
    f"1/0@0;-{HUGE};-{HUGE}".encode(),
    f"1/0@0;{'9' * 5000};0".encode(),
]


@pytest.mark.parametrize("mark", MARKS)
def test_a_timer_that_matches_no_task_does_nothing_and_says_nothing(mark: bytes) -> None:
    harness = Harness()
    harness.handle(event("StartTask", timeout=60_000))
    done = harness.handle(event("TimeoutTask"), headers=(("runner-timer", mark),))
    assert done.outgoing == []
    assert done.timed_out == []
    assert done.positions == {0: 2}
    assert done.counts == {("TimeoutTask", "DROPPED"): 1}
    record = harness.record()
    assert record is not None
    assert record.state.status is Status.OPEN


@pytest.mark.parametrize("hops", [b"3", b"99", HUGE.encode()])
def test_an_event_that_says_it_was_forwarded_often_enough_is_refused(hops: bytes) -> None:
    harness = Harness()
    harness.handle(event("StartTask"), home=2)
    done = harness.handle(event("ProceedTask"), home=1, headers=(("runner-hops", hops),))
    assert [sent(outgoing).code for outgoing in done.outgoing] == [13020]


@pytest.mark.parametrize("hops", [b"", b"-1", b"x", b"\xff", "²".encode(), "٣".encode(), b"1e9"])
def test_hops_no_runner_wrote_count_as_none(hops: bytes) -> None:
    harness = Harness()
    harness.handle(event("StartTask"), home=2)
    [outgoing] = harness.handle(event("ProceedTask"), home=1, headers=(("runner-hops", hops),)).outgoing
    assert (outgoing.stream, outgoing.partition) == ("requests", 2)
    assert dict(outgoing.headers)["runner-hops"] == b"1"


@pytest.mark.parametrize("origin", [b"", b"x", b"\xff", b"1/-5@3", f"1/{HUGE}@1".encode(), b"1/99@1"])
def test_an_origin_no_runner_wrote_is_answered(origin: bytes) -> None:
    harness = Harness()
    done = harness.handle(event("StartTask", None), headers=(("runner-origin", origin),))
    assert statuses(done.outgoing) == ["ACK"]
    assert len(harness.store.records()) == 1
