"""Lines of a file: which are events, and what is said of those that are none."""

from __future__ import annotations

from runner.envelope.event import NO_RULES, MetaRules
from runner.exchange.event_lines import LONGEST_LIST, BadLine, describe_bad, read_lines

EVENT = b'{"requestMeta": {"id": "r-1"}, "eventMeta": {"action": "StartTask"}, "payload": {}}'


def test_an_event_keeps_its_bytes_and_knows_its_line() -> None:
    events, bad = read_lines([b"", b"  " + EVENT + b"\r", b""], NO_RULES, 1000)

    assert bad == []
    [line] = events
    assert (line.number, line.value, line.event.request_id) == (2, EVENT, "r-1")


def test_every_line_that_is_no_event_is_named_with_its_reason() -> None:
    lines = [
        EVENT,
        b"x",
        b"[]",
        b"[1,]",
        b'{"eventMeta": {"action": "StartTask"}}',
        b'{"a": "\xff"}',
        b"[" * 10_000,
        EVENT + b" " * 10 + EVENT,
    ]

    events, bad = read_lines(lines, NO_RULES, 1000)

    assert [line.number for line in events] == [1]
    assert [line.number for line in bad] == [2, 3, 4, 5, 6, 7, 8]
    reasons = {line.number: line.reason for line in bad}
    assert reasons[3] == "the value is JSON but not an object with sections"
    assert reasons[4].startswith("the value is not JSON: JSON is malformed: trailing comma")
    assert reasons[5] == "requestMeta is missing: nobody can be answered"
    assert "UTF-8" in reasons[6]


def test_a_byte_order_mark_is_skipped() -> None:
    mark = b"\xef\xbb\xbf"

    events, bad = read_lines([mark + EVENT, EVENT, b" " + mark + EVENT, mark], NO_RULES, 1000)

    assert bad == []
    assert [(line.number, line.value) for line in events] == [(1, EVENT), (2, EVENT), (3, EVENT)]


def test_a_line_larger_than_an_event_may_be_is_refused() -> None:
    _, bad = read_lines([EVENT], NO_RULES, len(EVENT) - 1)

    assert bad == [BadLine(1, f"it has {len(EVENT)} bytes; limits.eventBytes is {len(EVENT) - 1}")]


def test_what_the_runner_would_answer_with_fail_is_an_event() -> None:
    odd = b'{"requestMeta": {"id": 7}, "eventMeta": {"action": "Nonsense"}, "payload": [1]}'
    bare = b'{"requestMeta": {"id": 8.0}}'
    half = rb'{"requestMeta": {"id": "9"}, "eventMeta": {"action": "\ud83d"}}'

    events, bad = read_lines([odd, bare, half], NO_RULES, 1000)

    assert bad == []
    assert [line.event.request_id for line in events] == ["7", "8", "9"]
    assert [line.event.action for line in events] == ["Nonsense", "", ""]


def test_an_event_may_leave_its_action_to_the_metadata_of_the_topic() -> None:
    bare = b'{"requestMeta": {"id": "r-1"}, "payload": {}}'

    events, bad = read_lines([bare], MetaRules(defaults={"action": "StartTask"}), 1000)

    assert bad == []
    assert events[0].event.action == "StartTask"
    assert events[0].value == bare


def test_a_long_list_of_bad_lines_is_cut() -> None:
    told = describe_bad([BadLine(number, "no") for number in range(1, LONGEST_LIST + 3)]).splitlines()

    assert len(told) == LONGEST_LIST + 1
    assert told[0] == "line 1: no"
    assert told[-1] == "and 2 more"
