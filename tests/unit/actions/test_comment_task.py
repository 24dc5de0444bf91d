"""CommentTask: who may say what, what is kept of it, and what a repeat or a mistake comes to."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pytest
from msgspec import structs

from runner.actions.comment_task import MAX_CHARACTERS, MAX_COMMENTS
from runner.actions.decision import Decision, Done
from runner.actions.incoming import Incoming
from runner.errors import (
    COMMENT_UNKNOWN,
    FORBIDDEN,
    NOT_CONVERTIBLE,
    PARAMETER_MISSING,
    TASK_NOT_FOUND,
)
from runner.tasks.parts import FIRST_KEPT, LAST_KEPT
from runner.tasks.record import Record, opened_at, record_after
from runner.tasks.repeats import REMEMBERED
from tests.unit.actions.events import (
    HOUR,
    NOW,
    again,
    answer,
    closed_by,
    code,
    envelope,
    incoming,
    proceed,
    reply,
    start,
    started,
)

ANN: Final = {"claims": {"sub": "ann", "roles": ["manager"]}}
BOB: Final = {"claims": {"sub": "bob", "roles": ["manager"]}}
DAY: Final = 24 * HOUR


def comment(
    number: int = 1, by: dict[str, Any] = ANN, payload: dict[str, Any] | None = None, **values: Any
) -> Incoming:
    """A CommentTask of its own request, at its own offset."""
    request = {"id": f"comment-{number}", **by}
    sent = envelope("CommentTask", request=request, payload={"taskId": "task-1", **(payload or {})}, **values)
    return incoming(sent, offset=100 + number)


def after(record: Record, *events: Incoming) -> Record:
    """The record after these events, each of which changes it."""
    for event in events:
        record = closed_by(event, record)
    return record


def part(record: Record, name: str) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(record.parts[name])
    return found


def written(decision: Decision) -> set[str]:
    assert isinstance(decision.outcome, Done)
    return set(decision.outcome.written or ())


def test_a_comment_is_kept_with_its_author_and_told_to_the_sender() -> None:
    record = started(start(timeout=HOUR, taskRoles="manager"))
    decision = answer(comment(text="please hurry"), record)
    said = reply(decision)
    assert (said.status, said.payload) == ("SUCCESS", {"taskId": "task-1"})
    assert said.result["comment"] == {"id": 1}
    task = said.result["task"]
    assert (task["id"], task["status"], task["comments"]) == ("task-1", "UNASSIGNED", 1)
    assert (task["version"], task["timeout"]) == (f"2;{record.state.source}", NOW + HOUR)
    changed = decision.record
    assert changed is not None
    assert (changed.state, changed.start) == (record.state, record.start)
    assert part(changed, "comment/1") == {
        "revision": 2,
        "id": 1,
        "source": "1/0@101",
        "by": "ann",
        "at": NOW,
        "text": "please hurry",
    }
    entry = {"revision": 2, "at": NOW, "event": "commented", "source": "1/0@101", "actor": "ann"}
    assert part(changed, "history/1") == {**entry, "data": {"id": 1}}
    assert written(decision) == {"life", "comment/1", "history/1"}


@pytest.mark.parametrize(
    ("parameters", "payload"),
    [
        ({"text": "parameter", "textPath": "note"}, {"text": "field", "note": "path"}),
        ({"textPath": "note"}, {"text": "field", "note": "path"}),
        ({}, {"text": "field", "note": "path"}),
    ],
)
def test_a_value_is_a_parameter_or_at_a_path_or_a_field(
    parameters: dict[str, Any], payload: dict[str, Any]
) -> None:
    changed = after(started(), comment(payload=payload, **parameters))
    wanted = "parameter" if "text" in parameters else "path" if parameters else "field"
    assert part(changed, "comment/1")["text"] == wanted


def test_a_comment_names_its_task_no_id_is_generated_for_it() -> None:
    sent = envelope("CommentTask", request={"id": "comment-1", **ANN}, payload={"about": "x"}, text="hello")
    refused = answer(incoming(sent, offset=101), started())
    assert code(refused) == PARAMETER_MISSING
    assert "taskId" in reply(refused).result["error"]["message"]


def test_its_author_edits_and_deletes_it_and_nobody_else() -> None:
    record = after(started(), comment(1, text="first"), comment(2, by=BOB, text="second"))
    assert code(answer(comment(3, by=BOB, commentId=1, text="mine"), record)) == FORBIDDEN
    edited = after(record, comment(4, commentId=1, text="first, corrected"))
    assert part(edited, "comment/1")["text"] == "first, corrected"
    assert (part(edited, "comment/1")["at"], part(edited, "comment/1")["edited_at"]) == (NOW, NOW)
    deleted = after(edited, comment(5, commentId="1", delete=True))
    assert "text" not in part(deleted, "comment/1")
    assert part(deleted, "history/4")["event"] == "comment_deleted"
    assert "first" not in str(sorted(deleted.parts.items())), "what was deleted is nowhere"
    again_deleted = answer(comment(6, commentId=1, delete=True), deleted)
    assert code(again_deleted) == COMMENT_UNKNOWN
    assert code(answer(comment(7, commentId=1, text="back"), deleted)) == COMMENT_UNKNOWN
    assert code(answer(comment(8, commentId=9, text="which?"), deleted)) == COMMENT_UNKNOWN
    last = answer(comment(9, text="third"), deleted)
    assert reply(last).result["comment"] == {"id": 3}, "an id is not given again"
    assert reply(last).result["task"]["comments"] == 2


@pytest.mark.parametrize("no", [False, "false", " false ", None, ""])
def test_a_comment_is_edited_where_delete_says_no(no: Any) -> None:
    record = after(started(), comment(1, text="first"))
    edited = after(record, comment(2, commentId=1, text="second", delete=no))
    assert part(edited, "comment/1")["text"] == "second"


@pytest.mark.parametrize("yes", [True, "true"])
def test_a_comment_is_deleted_where_delete_says_yes(yes: Any) -> None:
    record = after(started(), comment(1, text="first"))
    assert "text" not in part(after(record, comment(2, commentId=1, delete=yes)), "comment/1")


@pytest.mark.parametrize("neither", ["no", "False", 1, 0, {"a": 1}, []])
def test_nothing_is_deleted_where_delete_is_neither_true_nor_false(neither: Any) -> None:
    record = after(started(), comment(1, text="first"))
    sent = envelope(
        "CommentTask",
        request={"id": "comment-2", **ANN},
        payload={"taskId": "task-1"},
        wrong_meta={"parameters": {"commentId": 1, "text": "x", "delete": neither}},
    )
    assert code(answer(incoming(sent, offset=102), record)) == NOT_CONVERTIBLE


def test_a_plan_names_the_comment_it_needs_and_no_other_part() -> None:
    record = after(started(), comment(1, text="first"))
    unread = structs.replace(record, parts={})
    assert answer(comment(2, text="another"), unread).status == "SUCCESS"
    assert code(answer(comment(3, commentId=1, text="edited"), unread)) == COMMENT_UNKNOWN


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({}, PARAMETER_MISSING),
        ({"text": " "}, PARAMETER_MISSING),
        ({"text": None}, PARAMETER_MISSING),
        ({"delete": True}, PARAMETER_MISSING),
        ({"text": "x" * (MAX_CHARACTERS + 1)}, NOT_CONVERTIBLE),
    ],
)
def test_what_says_nothing_or_too_much_is_refused(values: dict[str, Any], wanted: int) -> None:
    sent = envelope("CommentTask", request=ANN, wrong_meta={"parameters": values})
    assert code(answer(incoming(sent, offset=101), started())) == wanted


def test_who_is_not_eligible_or_named_may_not_comment() -> None:
    record = started(start(taskRoles="manager"))
    clerk = {"claims": {"sub": "eve", "roles": ["clerk"]}}
    refused = answer(comment(by=clerk, text="hello"), record)
    assert code(refused) == FORBIDDEN
    assert "may not comment on this task" in reply(refused).result["error"]["message"]
    assert code(answer(comment(by={"claims": {"roles": ["manager"]}}, text="hello"), record)) == FORBIDDEN
    assert code(answer(comment(text="hello"), None)) == TASK_NOT_FOUND


def test_a_closed_task_takes_comments_until_its_retention_is_over() -> None:
    closed = closed_by(proceed(request={"id": "end"}), started())
    changed = after(closed, comment(text="afterwards"))
    assert (changed.is_open, changed.revision, changed.last_source) == (False, 3, "1/0@101")
    assert changed.state == closed.state
    late = answer(comment(2, text="too late"), changed, now_ms=NOW + 30 * DAY)
    assert code(late) == TASK_NOT_FOUND


def test_a_repeat_is_told_success_and_changes_nothing_in_any_state_and_round() -> None:
    one = comment(1, text="once")
    record = after(started(), one, comment(2, text="twice"))
    for found in (record, closed_by(proceed(request={"id": "end"}), record)):
        repeated = answer(again(one), found)
        assert (repeated.status, repeated.record) == ("SUCCESS", None)
        assert reply(repeated).result["task"]["comments"] == 2
    ended = closed_by(proceed(request={"id": "end"}), record)
    renewed = closed_by(start(meta={"requestTime": 9}), ended)
    repeated = answer(again(one), renewed)
    assert (repeated.status, repeated.record) == ("SUCCESS", None)
    assert "task" not in reply(repeated).result, "the stored task is not the one that was commented on"


def test_the_last_sixty_four_events_are_remembered_over_all_rounds() -> None:
    record = started()
    events = [comment(number, text=str(number)) for number in range(1, REMEMBERED + 2)]
    record = after(record, *events)
    forgotten = [event for event in events if answer(again(event), record).record is not None]
    assert forgotten == events[:2], "the start is one of the 64"


def test_a_new_round_takes_the_parts_of_the_one_before_away() -> None:
    ended = after(started(), comment(1, text="first"), proceed(request={"id": "end"}))
    decision = answer(start(meta={"requestTime": 9}), ended)
    assert isinstance(decision.outcome, Done)
    assert decision.outcome.written == {"life": None, "history/1": None, "comment/1": None}
    assert decision.record is not None
    assert (decision.record.life, decision.record.parts) == (None, {})
    assert decision.record.revision == ended.revision + 1


def test_start_and_state_are_told_as_they_were_written_whatever_verbs_did_since() -> None:
    opened = started(start(timeout=HOUR))
    commented = after(opened, comment(1, text="first"), comment(2, text="second"))
    ended = after(commented, proceed(request={"id": "end"}))
    later = after(ended, comment(3, text="third"))
    for record in (commented, ended, later):
        assert record_after(record, opened.state.source) == opened
        assert opened_at(record) == 1
    closing = ended.state.closing
    assert closing is not None
    for record in (ended, later):
        assert record_after(record, closing.source) == structs.replace(ended, life=None, parts={})
    assert record_after(later, "1/0@101") is None, "what a verb wrote is in its decision alone"


def test_a_long_history_keeps_its_first_and_newest_entries() -> None:
    record = after(started(), comment(1, text="0"))
    for number in range(2, FIRST_KEPT + LAST_KEPT + 6):
        record = after(record, comment(number, commentId=1, text=str(number)))
    numbers = sorted(int(name.partition("/")[2]) for name in record.parts if name.startswith("history"))
    newest = FIRST_KEPT + LAST_KEPT + 5
    assert numbers == [*range(1, FIRST_KEPT + 1), *range(newest - LAST_KEPT + 1, newest + 1)]
    assert {f"history/{number}" for number in numbers} | {"comment/1"} == set(record.part_names)


def test_there_is_an_end_to_the_comments_of_a_round() -> None:
    record = started()
    for number in range(1, MAX_COMMENTS + 1):
        record = after(record, comment(number, text="x"))
    assert code(answer(comment(MAX_COMMENTS + 1, text="x"), record)) == NOT_CONVERTIBLE
