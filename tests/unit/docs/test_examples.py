"""Every example runs, and comes to what stands below it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from runner.actions.decision import OutgoingMessage
from runner.actions.policy import Policy
from tests.unit.docs.pages import (
    PAGES,
    PROTOCOL,
    README,
    blocks,
)
from tests.unit.docs.stories import (
    CHANGELOG,
    Runner,
    shown,
    stories,
    story,
    told,
)


def test_there_is_an_example_of_every_action_and_status() -> None:
    examples = "".join(block.text for name in stories() for block in story(name))
    actions = ("StartTask", "ProceedTask", "TimeoutTask", "TimeoutBetween")
    for word in (
        *actions,
        "ClaimTask",
        "SaveTask",
        "UpdateTask",
        "CancelTask",
        "CommentTask",
        "GetTask",
        "DefineTask",
    ):
        assert f'"action": "{word}"' in examples
    for word in ("ACK", "PROCEEDED", "TIMEOUT", "SUCCESS", "FAIL"):
        assert f'"status": "{word}"' in examples


@pytest.mark.parametrize("name", stories())
def test_every_example_request_leads_to_exactly_the_documented_messages(name: str) -> None:
    played = list(told(story(name)))
    assert played
    for block, outgoing in played:
        assert block is not None, f"not documented: {shown(outgoing) if outgoing else None}"
        assert outgoing is not None, f"{block.place} is not sent"
        line, value = shown(outgoing)
        assert " ".join(block.before.split()) == line, block.place
        assert json.loads(block.text) == value, block.place


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_json_block_parses(page: Path) -> None:
    for block in blocks(page):
        if block.words[:1] == ["json"]:
            json.loads(block.text)
            part = block.words == CHANGELOG or block.words[1:2] in (["in"], ["out"])
            assert page != PROTOCOL or part, f"{block.place}: no part of a story"


def events_by_hand() -> list[str]:
    """The events that the README has people send."""
    commands = [block.text for block in blocks(README) if block.words == ["sh"]]
    return re.findall(r"""^echo '(\{.*\})' \| """, "".join(commands), re.MULTILINE)


def test_the_events_by_hand_lead_to_the_responses_that_are_printed_below_them() -> None:
    runner = Runner(Policy())
    sent: list[OutgoingMessage] = []
    for event in events_by_hand():
        key = json.loads(event)["requestMeta"]["id"].encode()
        sent += runner.receive(event.encode(), 3, key)
    assert len(sent) > len(events_by_hand())
    expected = [_row(outgoing) for outgoing in sent if outgoing.stream == "responses"]
    printed = "".join(block.text for block in blocks(README) if block.words == ["text"])
    seen = re.findall(
        r"^[\d:.]+ +\d+ +(\S+) +(reply|resume) +([A-Z]+(?: \d+)?) +(\S+)$", printed, re.MULTILINE
    )
    assert sorted(seen) == sorted(expected)


def _row(outgoing: OutgoingMessage) -> tuple[str, str, str, str]:
    headers = {name: value.decode() for name, value in outgoing.headers}
    error = json.loads(outgoing.value or b"")["result"].get("error")
    status = headers["event-status"] + (f" {error['code']}" if error else "")
    return (outgoing.key or b"").decode(), headers["event-kind"], status, headers["task-id"]
