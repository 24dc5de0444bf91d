"""Waiting for replies: as many as events were sent, and not for ever."""

from __future__ import annotations

import msgspec
import pytest

from runner.actions.policy import Policy
from runner.cli.send_report import SendReport
from runner.clock import ManualTicker
from runner.envelope.event import NO_RULES
from runner.errors import FatalError
from runner.exchange.event_lines import EventLine, read_lines
from runner.exchange.exchange import Replies, reply_topics
from runner.kafka.topic_message import TopicMessage
from tests.unit.cli.builders import Script, seen


def lines(*request_ids: str, **meta: str) -> list[EventLine]:
    events = [
        {"requestMeta": {"id": id_}, "eventMeta": {"action": "StartTask", **meta}} for id_ in request_ids
    ]
    read, _ = read_lines([msgspec.json.encode(event) for event in events], NO_RULES, 1000)
    return read


def told(
    sent: list[EventLine], *steps: TopicMessage | None, seconds: float = 5, as_json: bool = False
) -> None:
    """What ``send --wait`` tells of these replies."""
    ticker = ManualTicker()
    replies = Replies(sent, Policy(), Script(steps, ticker), ticker)
    SendReport(len(sent), as_json=as_json).await_replies(replies, seconds)


def test_every_reply_is_shown_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    told(
        lines("a", "b"),
        seen(key="somebody-else"),
        seen(key="b"),
        seen(key="a", kind="resume", status="TIMEOUT"),
        None,
        seen(key="a", status="SUCCESS"),
    )

    titles, *rows = capsys.readouterr().out.splitlines()
    assert titles.split() == ["time", "partition", "key", "kind", "status", "task", "id"]
    assert [row.split()[2:] for row in rows] == [
        ["b", "reply", "ACK", "t-1"],
        ["a", "reply", "SUCCESS", "t-1"],
    ]


def test_an_event_sent_twice_has_two_replies(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FatalError, match=r"1 replies did not come within 5 s \(for a\)"):
        told(lines("a", "a"), seen(key="a"))
    capsys.readouterr()

    told(lines("a", "a"), seen(key="a"), seen(key="a"))
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_what_is_missing_is_named() -> None:
    ids = [f"r-{number}" for number in range(7)]

    with pytest.raises(
        FatalError, match=r"7 replies did not come within 2 s \(for r-0, r-1, r-2, r-3, r-4, …\)"
    ):
        told(lines(*ids), seconds=2)


def test_a_fail_is_shown_with_its_code_and_its_reason_and_is_a_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = {"code": 10118, "message": "there is no task t-1\x1b[31m"}
    refusal = seen(key="a", status="FAIL", event={"result": {"error": said}})

    with pytest.raises(FatalError, match="1 of the replies say FAIL"):
        told(lines("a", "b"), refusal, seen(key="b"))

    _, row, reason, _ = capsys.readouterr().out.splitlines()
    assert "FAIL 10118" in row
    assert reason == r"  there is no task t-1\x1b[31m"


def test_a_fail_without_a_reason_has_no_line_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FatalError):
        told(lines("a"), seen(key="a", status="FAIL", event={"result": {"error": {"code": 14}}}))

    assert len(capsys.readouterr().out.splitlines()) == 2


def test_programs_get_a_line_for_every_reply(capsys: pytest.CaptureFixture[str]) -> None:
    told(lines("a", "b"), seen(key="b"), seen(key="a"), as_json=True)

    given = [msgspec.json.decode(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["type"], each["key"], each["status"]) for each in given] == [
        ("reply", "b", "ACK"),
        ("reply", "a", "ACK"),
    ]


def test_nobody_waits_for_an_event_that_is_for_another(capsys: pytest.CaptureFixture[str]) -> None:
    told(lines("a", handler="another"))

    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no reply will come" in captured.err


def test_replies_may_come_on_the_streams_that_events_name() -> None:
    policy = Policy(allowed_streams=frozenset({"mine"}))

    assert reply_topics(lines("a"), policy) == {"responses"}
    assert reply_topics(lines("a", responseStream="mine"), policy) == {"responses", "mine"}
    assert reply_topics(lines("a", responseStream="forbidden"), policy) == {"responses"}
