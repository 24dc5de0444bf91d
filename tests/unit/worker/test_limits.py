"""Limits of one event: at the limit it passes, beyond it is a FAIL; and what was decided stands.

A worker may come back with other limits than those under which the events it reads again were decided.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest
from msgspec import structs

from runner.actions.incoming import Headers
from runner.errors import NOT_CONVERTIBLE
from runner.limits import WIDEST, EventLimits
from runner.worker.result import BatchResult
from runner.worker.task_processor import TaskProcessor
from tests.unit.worker.rig import DEAD_LETTERS, POLICY, Harness, batch, event, sent, statuses

SMALL: Final = EventLimits(
    event_bytes=2048,
    headers=16,
    header_bytes=1024,
    id_bytes=64,
    pattern_characters=64,
    pattern_values=1000,
    data_bytes=1024,
)


def start(request_id: str = "start", task_id: str = "task-1", **parameters: Any) -> bytes:
    return event("StartTask", task_id, request_id, **parameters)


def padded(size: int) -> bytes:
    """A StartTask of so many bytes."""
    value = event("StartTask", payload={"pad": ""})
    return value.replace(b'"pad": ""', b'"pad": "%s"' % (b"x" * (size - len(value))))


def with_headers(count: int, size: int) -> Headers:
    """So many headers, of so many bytes in all."""
    last = size - 2 * (count - 1) - 1
    return (*((("h", b"v"),) * (count - 1)), ("h", b"v" * last))


def long_pattern(characters: int) -> str:
    return "@".ljust(characters - 1) + " "


def of_values(count: int) -> tuple[str, dict[str, Any]]:
    """A pattern that visits and builds so many values, and its payload."""
    # A call, its argument, and the entries of that.
    return "length(rows)", {"rows": [0] * (count - 2)}


def of_bytes(size: int) -> tuple[str, dict[str, Any]]:
    """A pattern that gives so many bytes of JSON, and its payload."""
    return "[text]", {"text": "x" * (size - len('[""]'))}


def patterned(pattern: str, payload: dict[str, Any]) -> bytes:
    return event("StartTask", None, inputPattern=pattern, payload={**payload, "id": "t"}, taskIdPath="$.id")


ASKED: Final[dict[str, Callable[[int], tuple[bytes, Headers]]]] = {
    "event_bytes": lambda size: (padded(size), ()),
    "headers": lambda count: (start(), with_headers(count, 256)),
    "header_bytes": lambda size: (start(), with_headers(3, size)),
    "request id": lambda size: (start("ü" * (size // 2) + "x" * (size % 2)), ()),
    "task id": lambda size: (start(task_id="x" * size), ()),
    "pattern_characters": lambda count: (start(inputPattern=long_pattern(count)), ()),
    "pattern_values": lambda count: (patterned(*of_values(count)), ()),
    "data_bytes": lambda size: (patterned(*of_bytes(size)), ()),
}
"""A StartTask that has so much of something."""

EVERY: Final = sorted(ASKED)
REFUSED: Final = [what for what in EVERY if what != "event_bytes"]


def limit_of(what: str) -> str:
    return what.replace("request id", "id_bytes").replace("task id", "id_bytes")


def small(what: str) -> int:
    limit: int = getattr(SMALL, limit_of(what))
    return limit


def one_limit(what: str) -> EventLimits:
    """The widest limits but for one, which is small."""
    return replace(WIDEST, **{limit_of(what): small(what)})


def middle_within(limits: EventLimits, **settings: Any) -> Harness:
    made = Harness(max_event_bytes=limits.event_bytes, policy=POLICY.within(limits), **settings)
    assert made.terms.policy.limits == limits
    return made


def within(harness: Harness, limits: EventLimits) -> TaskProcessor:
    """A worker with other limits over the same store."""
    terms = replace(harness.terms, policy=harness.terms.policy.within(limits))
    return TaskProcessor(terms, harness.store, harness.topics, DEAD_LETTERS, harness.changelog)


def handled(harness: Harness, value: bytes, headers: Headers) -> BatchResult:
    return harness.run(harness.message(value, headers=headers))


@pytest.mark.parametrize("what", EVERY)
def test_at_the_limit_an_event_passes(what: str) -> None:
    limits = one_limit(what)
    done = handled(middle_within(limits), *ASKED[what](small(what)))
    assert statuses(done.outgoing) == ["ACK"]


@pytest.mark.parametrize("what", REFUSED)
def test_one_more_is_refused_and_the_next_event_is_handled(what: str) -> None:
    limits = one_limit(what)
    harness = middle_within(limits)
    refused, taken = (sent(e) for e in handled_with_next(harness, *ASKED[what](small(what) + 1)).outgoing)
    assert (refused.status, refused.code) == ("FAIL", NOT_CONVERTIBLE)
    assert str(small(what)) in refused.value["result"]["error"]["message"]
    assert taken.status == "ACK"


def handled_with_next(harness: Harness, value: bytes, headers: Headers) -> BatchResult:
    after = harness.message(start("next", "next"))
    return harness.run(
        structs.replace(harness.message(value, headers=headers), offset=0), structs.replace(after, offset=1)
    )


def test_an_event_of_one_byte_more_is_a_dead_letter() -> None:
    limits = one_limit("event_bytes")
    done = handled(middle_within(limits), *ASKED["event_bytes"](limits.event_bytes + 1))
    assert [outgoing.stream for outgoing in done.outgoing] == [DEAD_LETTERS]
    assert done.dead_letter_reasons == {"TOO_LARGE": 1}


@pytest.mark.parametrize("with_changelog", [False, True])
@pytest.mark.parametrize("what", EVERY)
def test_what_was_decided_stands_although_the_limit_was_lowered_since(
    what: str, with_changelog: bool
) -> None:
    """The worker died between apply and commit, and its successor has lower limits."""
    harness = middle_within(WIDEST, with_changelog=with_changelog)
    value, headers = ASKED[what](small(what) + 1)
    message = harness.message(value, headers=headers)
    first = harness.run(message)
    assert statuses(first.outgoing) == ["ACK"]
    again = within(harness, one_limit(what)).run(batch([message]), {})
    assert again.outgoing == first.outgoing
    assert again.positions == first.positions
    assert not again.paused


def test_a_task_is_resumed_although_the_limits_were_lowered_between_apply_and_redelivery() -> None:
    """Rendering runs the patterns of the event again: within the limits it was decided under, or wider."""
    harness = middle_within(WIDEST)
    opened = harness.message(start(task_id="t" * 100))
    harness.run(opened)
    pattern = "{task: taskId, decision: {rows: [rows, rows]}}"
    payload = {"taskId": "t" * 100, "rows": [0] * 2000}
    parameters: dict[str, Any] = {
        "inputPattern": pattern,
        "outputPattern": "{twice: [@, @]}",
        "taskIdPath": "task",
    }
    closing = harness.message(
        event("ProceedTask", None, "p", payload=payload, enrichPath="decision", **parameters)
    )
    first = harness.run(closing)
    assert statuses(first.outgoing) == ["PROCEEDED", "SUCCESS"]
    again = within(harness, SMALL).run(batch([closing]), {})
    assert again.outgoing == first.outgoing
    assert not again.paused


def test_what_a_limit_refused_is_decided_anew_where_the_limit_was_raised_before_it_was_committed() -> None:
    harness = middle_within(SMALL)
    value, headers = ASKED["headers"](SMALL.headers + 1)
    message = harness.message(value, headers=headers)
    assert statuses(harness.run(message).outgoing) == ["FAIL"]
    assert statuses(within(harness, WIDEST).run(batch([message]), {}).outgoing) == ["ACK"]


def test_a_new_event_beyond_a_lowered_limit_is_refused_among_those_that_come_again() -> None:
    harness = middle_within(WIDEST)
    messages = [
        harness.message(start(f"r{n}", f"{n}-" + "x" * 100, inputPattern=long_pattern(100))) for n in range(4)
    ]
    first = harness.run(*messages[:3])
    again = within(harness, SMALL).run(batch(messages), {})
    assert statuses(again.outgoing) == ["ACK", "ACK", "ACK", "FAIL"]
    assert again.outgoing[:3] == first.outgoing


def test_a_task_with_a_longer_id_than_is_allowed_now_can_still_be_ended() -> None:
    harness = middle_within(WIDEST)
    harness.handle(start(task_id="x" * 100))
    ended = harness.message(event("ProceedTask", "x" * 100, "p"))
    assert statuses(within(harness, SMALL).run(batch([ended]), {}).outgoing) == ["PROCEEDED", "SUCCESS"]


@pytest.mark.parametrize("name", ["x", "traceparent", "runner-origin", "event-kind"])
def test_a_hundred_thousand_headers_are_a_fail_that_has_none_of_them(name: str) -> None:
    refused, taken = handled_with_next(Harness(), start(), ((name, b"0" * 8),) * 100_000).outgoing
    assert (sent(refused).code, sent(taken).status) == (NOT_CONVERTIBLE, "ACK")
    assert [header for header, _ in refused.headers] == ["event-kind", "event-status"]


def test_an_event_at_the_limit_of_headers_is_still_taken_when_it_was_sent_on() -> None:
    harness = middle_within(SMALL)
    harness.handle(start(), home=2)
    headers = with_headers(SMALL.headers, SMALL.header_bytes)
    forwarded = harness.run(harness.message(event("ProceedTask", request_id="p"), 1, headers))
    assert statuses(harness.run(*harness.returned(forwarded.outgoing)).outgoing) == ["PROCEEDED", "SUCCESS"]


def test_a_pass_over_tasks_with_the_longest_ids_there_can_be_is_not_refused_on_its_way() -> None:
    """Its place is kept in a header, with the id escaped twice."""
    harness = middle_within(replace(WIDEST, headers=16, header_bytes=1024))
    for number in range(10):
        harness.handle(start(f"s{number}", f"{number}" + "\0" * 8191, timeout=0))
    pages = [harness.message(event("TimeoutBetween", None, "pass"), headers=with_headers(16, 1024))]
    ended: list[str] = []
    while pages:
        done = harness.run(*pages)
        ended += statuses(done.outgoing)
        pages = harness.returned(done.outgoing)
    assert ended.count("TIMEOUT") == 10
    assert [s for s in ended if s != "TIMEOUT"] == ["SUCCESS"]


def test_a_flood_of_events_beyond_a_limit_asks_the_store_once_a_batch() -> None:
    harness = middle_within(SMALL)
    flood = [harness.message(padded(SMALL.event_bytes + 1)) for _ in range(50)]
    done = harness.run(*flood)
    assert done.dead_letter_reasons == {"TOO_LARGE": 50}
    assert harness.store.asked.count("load") == 2


def test_events_within_the_limits_do_not_ask_the_store_about_limits() -> None:
    harness = middle_within(SMALL)
    harness.run(harness.message(start()))
    assert harness.store.asked.count("load") == 1


def test_a_record_does_not_grow_with_the_events_that_name_it() -> None:
    """There is no history in it: what is refused or repeated leaves nothing behind."""
    harness = Harness()
    harness.handle(start())
    before = harness.record()
    for number in range(100):
        harness.handle(start(f"other-{number}"))
        harness.handle(start())
        harness.handle(event("ProceedTask", request_id=f"p{number}", meta={"version": 7}))
    assert harness.record() == before
