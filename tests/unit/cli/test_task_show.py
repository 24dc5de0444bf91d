"""What ``task show`` says of a record."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from msgspec import Raw, structs
from rich.console import Console

from runner.cli.responses_table import ResponsesTable
from runner.cli.task.changes import change_of
from runner.cli.task.list_command import State, _owned
from runner.cli.task.listed import Listed
from runner.cli.task.show_command import LONGEST_PAYLOAD, described, record_lines, state_text
from runner.envelope.plain import Written, encode
from runner.store.listing import Row, TaskFilter, _matches
from runner.tasks.keys import TaskKey
from runner.tasks.parts import (
    Comment,
    Ending,
    HistoryEntry,
    Hook,
    HookDone,
    Life,
    Notes,
    SavedDraft,
    Status,
    TaskDetails,
    encode_part,
)
from runner.tasks.record import Record
from tests.unit.actions.schemas import complaints
from tests.unit.cli.builders import EVENT, record, seen

KEY = TaskKey("orders", "t-1")
NOW_MS = 1_795_315_000_000


def entry_of(event: str, data: Any, moved: Any = (None, None), actor: str = "timer") -> HistoryEntry:
    return HistoryEntry(2, NOW_MS, event, "1/0@6", actor, Raw(encode(data)), *moved)


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

    assert (lines["task"], lines["domain"], lines["state"]) == ("t-1", "orders", "ASSIGNED")
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


def hooked(*hooks: Hook, life: Life | None = None, **state: Any) -> Record:
    """A task with hooks, started at NOW_MS."""
    task = record(KEY, created_ms=NOW_MS, **state)
    return structs.replace(task, start=structs.replace(task.start, hooks=hooks), life=life)


HOUR = 3_600_000
DAILY = Hook("arrival", HOUR, "remind", repeat_every=24 * HOUR, times=3)
LEVELS = (
    Hook("arrival", 2 * HOUR, "reassign", roles=("lead",)),
    Hook("assignment", 3 * HOUR, "release"),
    Hook("arrival", 4 * HOUR, "reassign", user="ceo", roles=("board",)),
)


def to_come(shown: Record, now_ms: int = NOW_MS) -> list[str]:
    lines = [str(value) for label, value in record_lines(shown, now_ms) if label == "to come"]
    return [line.partition("), ")[2] for line in lines]


def test_hooks_to_come_are_shown_with_their_moments_the_next_one_first() -> None:
    ends = (Hook("arrival", 5 * HOUR, "timeout"), Hook("arrival", 6 * HOUR, "cancel"))
    once = Hook("assignment", HOUR // 2, "remind")
    assert to_come(hooked(*ends, *LEVELS, DAILY, once, user="ann", roles=("clerk",))) == [
        "in 30 min: remind",
        "in 1 h: remind, 1 of 3, every 1 d",
        "in 2 h: reassign to (lead)",
        "in 3 h: release",
        "in 4 h: reassign to ceo (board)",
        "in 5 h: time out",
        "in 6 h: cancel",
    ]
    assert to_come(hooked(*LEVELS, DAILY))[-1].endswith("reassign to ceo (board)")
    assert to_come(record(KEY)) == []


def test_what_was_done_of_hooks_and_what_is_late_is_shown() -> None:
    done = (HookDone(0, 2, NOW_MS + 30 * HOUR), HookDone(1, 1, NOW_MS + 2 * HOUR))
    life = Life(3, 1, "1/0@7", history=2, hooks=done, level=1, number=2)
    shown = hooked(DAILY, LEVELS[0], LEVELS[2], life=life, roles=("lead",))
    lines = {label: str(value) for label, value in record_lines(shown, NOW_MS + 31 * HOUR)}
    assert (lines["state"], lines["level"]) == ("UNASSIGNED", "1")
    assert to_come(shown, NOW_MS + 31 * HOUR) == [
        "1 d 3 h ago, overdue: reassign to ceo (board)",
        "in 23 h: remind, 3 of 3, every 1 d",
    ]
    closing = Ending("1/0@9", "x", NOW_MS, NOW_MS, by="timer", reason="hook 2 after 7200000 ms")
    ended = structs.replace(
        shown, state=structs.replace(shown.state, status=Status.CANCELLED, closing=closing)
    )
    assert to_come(ended) == []
    assert told(ended)["reason"] == "hook 2, after 2 h"
    assert told(ended)["state"] == "CANCELLED"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (entry_of("reminded", {"count": 3}), "reminder 3"),
        (entry_of("reminded", {"count": 6, "missed": 5}), "reminder 6, 5 missed before it"),
        (
            entry_of("escalated", {"level": 2}, ({"user": "ann", "roles": ["clerk"]}, {"roles": ["lead"]})),
            "level 2, from ann (clerk) to (lead)",
        ),
        (entry_of("cancelled", {"reason": "hook 1 after 90000 ms"}), "hook 1, after 1 min 30 s"),
        (entry_of("cancelled", {"reason": "hook 1 after 90000 ms"}, actor="ann"), "hook 1 after 90000 ms"),
        (entry_of("cancelled", {"reason": "nobody came"}), "nobody came"),
    ],
)
def test_what_hooks_have_done_is_told_in_words(entry: HistoryEntry, words: str) -> None:
    assert change_of(entry) == words


def test_a_list_says_who_has_an_open_task_and_how_high_it_has_climbed() -> None:
    life = Life(3, 1, "1/0@7", history=2, level=2)
    assert Listed.of_record(Row(hooked(life=life, roles=("lead",)), "c")).level == 2
    assert Listed.of_record(Row(record(KEY), "c")).level == 0
    assert str(state_text(record(KEY))) == "UNASSIGNED"
    assert str(state_text(record(KEY, user="ann"))) == "ASSIGNED"


@pytest.mark.parametrize(
    ("states", "owned"),
    [
        ((), {True, False}),
        ((State.ASSIGNED,), {True}),
        ((State.UNASSIGNED, State.PROCEEDED), {False}),
        ((State.OPEN, State.ASSIGNED), {True, False}),
        ((State.ASSIGNED, State.UNASSIGNED), {True, False}),
    ],
)
def test_open_tasks_may_be_listed_by_whether_somebody_has_them(
    states: tuple[State, ...], owned: set[bool]
) -> None:
    assert _owned(states) == owned
    wanted = TaskFilter((), 1, owned=_owned(states))
    assert _matches(record(KEY, user="ann"), wanted) is (True in owned)
    assert _matches(record(KEY), wanted) is (False in owned)
    closing = Ending("1/0@9", "x", NOW_MS, NOW_MS)
    assert _matches(record(KEY, status=Status.PROCEEDED, closing=closing), wanted)


@pytest.mark.parametrize(
    ("task", "shown"),
    [
        ({"status": "ASSIGNED", "level": 0}, "t-1 (ASSIGNED)"),
        ({"status": "UNASSIGNED", "level": 2}, "t-1 (UNASSIGNED, level 2)"),
        ({"id": "t-1", "outcome": "accept"}, "t-1"),
        (["odd"], "t-1"),
        (None, "t-1"),
    ],
)
def test_a_response_says_how_its_task_is(task: Any, shown: str) -> None:
    out = io.StringIO()
    event = {**EVENT, "result": {"status": "SUCCESS", "task": task}}
    ResponsesTable(Console(file=out, width=200)).row(seen(status="SUCCESS", event=event))
    assert out.getvalue().splitlines()[-1].partition("SUCCESS")[2].strip() == shown


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
