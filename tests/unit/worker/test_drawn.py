"""What patterns draw (``now``, ``uuid``, ``rand``) is the same however often an event is read, and where."""

from __future__ import annotations

import json
from typing import Any, Final

from runner.actions.plan import PeriodPlan, TaskPlan
from runner.kafka.message import Message
from runner.worker.decoder import decode_message
from runner.worker.result import BatchResult
from tests.unit.worker.rig import NOW, Harness, batch, event, sent, statuses

DRAW: Final = "[uuid(), rand(`0`, `1000000000`), now(), guid()]"
STAMPED: Final = f"set_element(@, 'stamp', {DRAW})"


def start(**parameters: Any) -> bytes:
    return event("StartTask", inputPattern=STAMPED, **parameters)


def proceed(request_id: str = "req-2") -> bytes:
    return event(
        "ProceedTask",
        request_id=request_id,
        inputPattern=f"{{taskId: taskId, entered: {{mine: {DRAW}}}}}",
        enrichPath="entered",
        outputPattern=f"{{stored: stamp, shown: {DRAW}}}",
        skipPattern=f"length({DRAW}) == `0`",
    )


def again(harness: Harness, *messages: Message) -> BatchResult:
    """The same messages, delivered to a fresh process, later."""
    harness.ticker.advance(60)
    return harness.another().run(batch(messages), {})


def drawn_by(done: BatchResult) -> dict[str, Any]:
    """What the answers to a start and a command tell of it, by the pattern that drew it."""
    resumed, answered = (sent(outgoing).value["payload"] for outgoing in done.outgoing[-2:])
    return {"input": resumed["mine"], "start": answered["stored"], "output": answered["shown"]}


def test_every_pattern_of_every_event_draws_its_own() -> None:
    harness = Harness()
    drawn = drawn_by(harness.run(harness.message(start()), harness.message(proceed())))
    assert [len(each) for each in drawn.values()] == [4, 4, 4]
    assert {each[2] for each in drawn.values()} == {NOW}
    others = [entry for each in drawn.values() for entry in (each[0], each[1], each[3])]
    assert len(set(others)) == len(others)


def test_redelivered_events_draw_the_same_again() -> None:
    harness = Harness()
    messages = [harness.message(start()), harness.message(proceed())]
    first = harness.run(*messages)
    second = again(harness, *messages)
    assert second.redelivered == 2
    assert second.outgoing == first.outgoing


def test_an_event_whose_record_is_stored_draws_the_same_when_only_it_comes_again() -> None:
    harness = Harness()
    one, two = harness.message(start()), harness.message(proceed())
    first = harness.run(one, two)
    assert again(harness, two).outgoing == first.outgoing[1:]


def test_an_event_that_is_decided_again_after_a_conflict_draws_the_same() -> None:
    quiet, troubled = Harness(), Harness()
    expected = quiet.run(quiet.message(start()), quiet.message(proceed()))
    messages = [troubled.message(start()), troubled.message(proceed())]
    other: list[BatchResult] = []
    troubled.faults.before("store.apply", lambda: other.append(again(troubled, *messages)))
    done = troubled.run(*messages)
    assert done.conflicts == 1
    assert drawn_by(done) == drawn_by(other[0]) == drawn_by(expected)


def test_a_forwarded_event_draws_at_home_what_it_drew_where_it_was_read_first() -> None:
    harness = Harness()
    harness.handle(start(), home=2)
    harness.ticker.advance(5)
    message = harness.message(proceed(), home=1)
    planned = decode_message(message, harness.terms).plan
    done = harness.run(message)
    assert statuses(done.outgoing) == []
    harness.ticker.advance(5)
    drawn = drawn_by(harness.run(*harness.returned(done.outgoing)))
    assert isinstance(planned, TaskPlan)
    assert drawn["input"] == planned.task_input.data["entered"]["mine"]
    assert drawn["input"][2] == drawn["output"][2] == NOW + 5000


def test_the_same_request_sent_again_is_another_event_and_draws_something_else() -> None:
    harness = Harness()
    first = harness.run(harness.message(start()), harness.message(proceed()))
    repeat = harness.handle(proceed())
    shown = sent(repeat.outgoing[-1]).value["payload"]
    assert statuses(repeat.outgoing) == ["SUCCESS"]
    assert shown["stored"] == drawn_by(first)["start"]
    assert shown["shown"][0] != drawn_by(first)["output"][0]


def test_the_rest_of_a_period_has_the_limits_that_its_first_event_drew() -> None:
    harness = Harness()
    for n in range(5):
        harness.handle(event("StartTask", f"task-{n}", f"req-{n}", timeoutOn=NOW - n))
    value = event(
        "TimeoutBetween",
        None,
        inputPattern="{from: sum([now(), `-10`]), to: now()}",
        fromTimePath="from",
        toTimePath="to",
    )
    message = harness.message(value)
    first = decode_message(message, harness.terms).plan
    done = harness.run(message)
    [rest] = [outgoing for outgoing in done.outgoing if "runner-period" in dict(outgoing.headers)]
    harness.ticker.advance(60)
    [returned] = harness.returned([rest])
    continued = decode_message(returned, harness.terms).plan
    assert isinstance(first, PeriodPlan)
    assert isinstance(continued, PeriodPlan)
    assert (first.from_ms, first.to_ms) == (NOW - 10, NOW)
    assert (continued.from_ms, continued.to_ms) == (NOW - 10, NOW)
    assert continued.requested == 3


def test_a_message_without_a_timestamp_has_no_now_and_says_so() -> None:
    harness = Harness()
    message = Message(0, 0, b"key", start())
    [outgoing] = harness.run(message).outgoing
    assert sent(outgoing).code == 10011
    assert "no time is known" in json.loads(outgoing.value or b"")["result"]["error"]["message"]
