"""What ``task show`` says of a record."""

from __future__ import annotations

import json
from typing import Any

from msgspec import Raw, structs

from runner.cli.task.show_command import LONGEST_PAYLOAD, described, record_lines
from runner.envelope.plain import Written, encode
from runner.tasks.keys import TaskKey
from runner.tasks.parts import (
    Comment,
    Ending,
    HistoryEntry,
    Life,
    Notes,
    SavedDraft,
    Status,
    TaskDetails,
    encode_part,
)
from runner.tasks.record import Record
from tests.unit.actions.schemas import complaints
from tests.unit.cli.builders import EVENT, record

KEY = TaskKey("orders", "t-1")
NOW_MS = 1_795_315_000_000


def told(shown: Record) -> dict[str, str]:
    return {label: str(value) for label, value in record_lines(shown, NOW_MS)}


def test_an_open_task_says_who_it_waits_for_and_how_long() -> None:
    lines = told(
        record(
            KEY,
            home=7,
            created_ms=NOW_MS - 60_000,
            deadline_ms=NOW_MS + 90_000,
            user="ann",
            roles=("manager", "director"),
        )
    )

    assert (lines["task"], lines["domain"], lines["state"]) == ("t-1", "orders", "OPEN")
    assert lines["home"] == "partition 7"
    assert lines["started"].endswith(", 1 min ago, by 1/0@5")
    assert lines["deadline"].endswith(", in 1 min 30 s")
    assert (lines["user"], lines["roles"]) == ("ann", "manager, director")
    assert (lines["request"], lines["saga"]) == ("r-1", "s-1, step approve")
    assert lines["payload"] == '{"amount":12} (13 bytes)'
    assert "ended" not in lines


def test_a_task_without_user_and_roles_is_open_to_anyone_and_without_deadline_for_ever() -> None:
    lines = told(record(KEY))

    assert (lines["user"], lines["roles"], lines["deadline"]) == ("anyone", "anyone", "never")
    assert told(record(KEY, user="ann"))["roles"] == "-"


def test_a_deadline_that_has_passed_is_overdue() -> None:
    assert told(record(KEY, deadline_ms=NOW_MS - 3000))["deadline"].endswith(", 3 s ago, overdue")
    assert "beyond the calendar" in told(record(KEY, deadline_ms=2**53 - 1))["deadline"]


def test_a_finished_task_says_when_by_what_and_how_long_it_is_kept() -> None:
    closing = Ending("1/0@9", "x", NOW_MS - 1000, NOW_MS + 3000)
    lines = told(record(KEY, status=Status.TIMED_OUT, closing=closing, deadline_ms=NOW_MS - 2000))

    assert lines["state"] == "TIMED_OUT"
    assert "overdue" not in lines["deadline"]
    assert lines["ended"].endswith(", 1 s ago, by 1/0@9")
    assert lines["kept until"]


def test_a_long_payload_is_cut_and_an_odd_event_is_shown_all_the_same() -> None:
    long: dict[str, Any] = {**EVENT, "payload": {"text": "x" * 1000}}
    payload = told(record(KEY, long))["payload"]
    assert payload.endswith("… (1011 bytes)")
    assert len(payload) <= LONGEST_PAYLOAD + len(" (1011 bytes)")

    odd = told(record(KEY, {**EVENT, "sagaMeta": {"not": "a list"}}))
    assert odd["payload"] == "sagaMeta must be an array of objects"


def test_a_payload_is_shown_as_it_was_sent() -> None:
    event = {**EVENT, "payload": {"amount": Written("12.50"), "note": "half \ud83d"}}

    lines = told(record(KEY, event=event))

    assert lines["payload"].startswith(r'{"amount":12.50,"note":"half \ud83d"}')


def test_what_people_order_their_work_by_is_shown_where_it_is_not_as_usual() -> None:
    plain = told(record(KEY))
    assert not {"due", "follow-up", "priority", "notes", "draft"} & plain.keys()

    details = TaskDetails(due_on=NOW_MS + 60_000, follow_up_on=NOW_MS - 1000, priority=80)
    start = structs.replace(
        record(KEY).start, details=details, notes="call\nfirst", spec="kyc", spec_version=3
    )
    lines = told(structs.replace(record(KEY), start=start))

    assert lines["due"].endswith(", in 1 min")
    assert lines["follow-up"].endswith(", 1 s ago")
    assert lines["priority"] == "80"
    assert lines["notes"] == r"call\nfirst"
    assert lines["spec"] == "kyc, version 3"
    assert (
        told(structs.replace(record(KEY), start=structs.replace(start, spec_version=None)))["spec"] == "kyc"
    )


def test_a_draft_and_notes_are_shown_as_verbs_have_left_them() -> None:
    life = Life(3, 1, "1/0@7", history=2, has_draft=True, has_notes=True)
    parts = {
        "draft": encode_part(SavedDraft(2, "1/0@6", Raw(b'{"name":"Ada"}'))),
        "notes": encode_part(Notes(3, "1/0@7", "later")),
    }
    start = structs.replace(record(KEY).start, notes="call first")
    lines = told(structs.replace(record(KEY), start=start, revision=3, life=life, parts=parts))
    assert lines["draft"] == '{"name":"Ada"} (14 bytes)'
    assert lines["notes"] == "later"


def test_an_end_says_what_was_decided_by_whom_and_for_whom() -> None:
    closing = Ending("1/0@9", "x", NOW_MS, NOW_MS, by="bob", outcome="accept", on_behalf_of="ann")
    lines = told(record(KEY, status=Status.PROCEEDED, closing=closing))
    assert (lines["outcome"], lines["by"]) == ("accept", "bob, on behalf of ann")

    closing = Ending("1/0@9", "x", NOW_MS, NOW_MS, by="bob", reason="too late")
    lines = told(record(KEY, status=Status.CANCELLED, closing=closing))
    assert (lines["by"], lines["reason"]) == ("bob", "too late")


def commented() -> Record:
    """A task with a comment, and another that was deleted."""
    life = Life(4, 1, "1/0@8", (), history=3, comments=2, deleted_comments=1)
    parts = {
        "comment/1": Comment(2, 1, "1/0@6", "ann", NOW_MS, "please\nhurry"),
        "comment/2": Comment(4, 2, "1/0@8", "bob", NOW_MS),
        "history/1": HistoryEntry(2, NOW_MS, "commented", "1/0@6", "ann", Raw(b'{"id":1}')),
    }
    encoded = {name: encode_part(part) for name, part in parts.items()}
    return structs.replace(record(KEY), revision=4, life=life, parts=encoded)


def test_comments_are_shown_with_author_and_time() -> None:
    lines = told(commented())
    assert lines["comment 1"].startswith("ann, ")
    assert lines["comment 1"].endswith(r": please\nhurry")
    assert lines["comment 2"].endswith(": deleted")
    assert "comment 3" not in lines


def test_programs_get_every_part_as_the_schema_has_it() -> None:
    shown = json.loads(encode(described(commented())))
    assert shown["life"]["comments"] == 2
    assert shown["comment/1"]["text"] == "please\nhurry"
    assert shown["history/1"]["event"] == "commented"
    assert not complaints("record", shown)
    assert "life" not in json.loads(encode(described(record(KEY))))
