"""When ``tail`` ends, and what it says of a response."""

from __future__ import annotations

import msgspec
import pytest

from runner.cli.tail_command import POLL_SECONDS, follow
from runner.clock import ManualTicker
from runner.kafka.topic_message import described
from tests.unit.cli.builders import EVENT, Script, seen


def test_it_ends_after_so_many() -> None:
    script = Script([seen(offset=0), None, seen(offset=1), seen(offset=2)])

    given = list(follow(script, 2, None, ManualTicker()))

    assert [each.offset for each in given] == [0, 1]


def test_it_ends_once_none_has_come_for_so_long() -> None:
    ticker = ManualTicker()
    script = Script([None, seen(offset=0), None, None], ticker)

    given = list(follow(script, None, 0.8, ticker))

    assert [each.offset for each in given] == [0]
    # What has come begins the time anew.
    assert script.waits == pytest.approx([POLL_SECONDS, 0.3, POLL_SECONDS, 0.3])


def test_a_program_is_told_place_headers_and_event() -> None:
    assert described(seen(offset=4)) == {
        "topic": "responses",
        "partition": 3,
        "offset": 4,
        "timeMs": 1000,
        "key": "r-1",
        "kind": "reply",
        "status": "ACK",
        "taskId": "t-1",
        "taskDomain": "default",
        "event": EVENT,
    }


def test_what_is_no_event_is_told_as_text() -> None:
    for value, text in ((b"\xffx", "\ufffdx"), (b"[1]", "[1]"), (None, ""), (b"[" * 9999, "[" * 9999)):
        told = described(seen(value=value))
        assert told["value"] == text
        assert "event" not in told
        assert msgspec.json.encode(told)
