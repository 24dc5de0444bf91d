"""UpdateTask, and the same values at StartTask: deadline, dates, priority and notes."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pytest

from runner.actions.decision import Dropped
from runner.actions.details import MAX_NOTES_CHARACTERS
from runner.actions.incoming import Incoming
from runner.actions.timer_token import TimerToken, timer_message
from runner.errors import (
    FORBIDDEN,
    NOT_CONVERTIBLE,
    OTHER_VERSION,
    PARAMETER_MISSING,
    TASK_CANCELLED,
    TASK_NOT_FOUND,
    TASK_PROCEEDED,
    TASK_TIMED_OUT,
)
from runner.tasks.record import Record
from tests.unit.actions.events import (
    HOUR,
    NOW,
    OUTLET,
    POLICY,
    again,
    answer,
    cancelled,
    closed_by,
    code,
    envelope,
    incoming,
    reply,
    start,
    started,
    timeout,
)
from tests.unit.actions.people import (
    ADMIN,
    NOBODY,
    after,
    begun,
    claim,
    finish,
    get,
    part,
    told,
    update,
    verb,
    written,
    wrong,
)

VALUES: Final[dict[str, Any]] = {
    "timeoutOn": NOW + 9,
    "dueOn": NOW + 5,
    "followUpOn": NOW + 2,
    "priority": 80,
    "notes": "ask Tom",
}


def seen(record: Record) -> dict[str, Any]:
    """Deadline, dates, priority and notes of a task as an admin is shown them."""
    task = told(answer(get(ADMIN, 99), record))
    return {name: task[name] for name in ("timeout", "dueOn", "followUpOn", "priority", "notes")}


def owned(**parameters: Any) -> Record:
    """Give a task that ann has claimed."""
    return after(begun(timeout=HOUR, **parameters), claim("ann", 50))


def timer(record: Record, at_ms: int) -> Incoming:
    """What the runner sends when a deadline of a task has come."""
    outgoing = timer_message(record.key, 0, TimerToken(record.started_by, at_ms), POLICY, OUTLET)
    assert outgoing.value is not None
    return incoming(outgoing.value, offset=500, headers=outgoing.headers)


def test_each_value_is_changed_and_told() -> None:
    decision = answer(update("ann", **VALUES), owned())
    said = reply(decision)
    assert (said.status, said.payload) == ("SUCCESS", {"taskId": "task-1"})
    task = said.result["task"]
    assert (task["timeout"], task["dueOn"], task["followUpOn"]) == (NOW + 9, NOW + 5, NOW + 2)
    assert (task["priority"], task["version"], task["owner"]) == (80, "3;1/0@10", "ann")
    assert written(decision) == {"life", "notes", "history/2"}
    assert decision.record is not None
    assert seen(decision.record)["notes"] == "ask Tom"
    entry = part(decision.record, "history/2")
    assert (entry["event"], entry["actor"], entry["at"]) == ("updated", "ann", NOW)
    assert entry["data"]["priority"] == 80
    assert entry["data"]["timeout"] == NOW + 9


@pytest.mark.parametrize("name", ["timeoutOn", "dueOn", "followUpOn", "priority", "notes"])
def test_a_value_that_is_left_out_stays(name: str) -> None:
    record = after(owned(), update("ann", 1, **VALUES))
    before = seen(record)
    changed = seen(after(record, update("ann", 2, **{name: 1})))
    key = "timeout" if name == "timeoutOn" else name
    assert changed == {**before, key: "1" if name == "notes" else 1}


@pytest.mark.parametrize("name", ["timeout", "timeoutOn", "dueOn", "followUpOn", "priority", "notes"])
def test_null_clears(name: str) -> None:
    record = after(owned(), update("ann", 1, **VALUES))
    before = seen(record)
    cleared = seen(after(record, update("ann", 2, **{name: None})))
    key = "timeout" if name == "timeoutOn" else name
    assert cleared == {**before, key: 50 if name == "priority" else None}


@pytest.mark.parametrize("name", ["timeout", "timeoutOn", "dueOn", "followUpOn", "priority", "notes"])
@pytest.mark.parametrize("blank", ["", " ", "\u00a0"])
def test_a_blank_is_refused(name: str, blank: str) -> None:
    assert code(answer(wrong("UpdateTask", "ann", 1, **{name: blank}), owned())) == PARAMETER_MISSING


def test_an_update_of_nothing_is_refused() -> None:
    assert code(answer(update("ann"), owned())) == PARAMETER_MISSING
    assert code(answer(update("ann", dueOnPath="nowhere"), owned())) == PARAMETER_MISSING


@pytest.mark.parametrize(
    "values",
    [
        {"priority": -1},
        {"priority": 101},
        {"priority": 1.5},
        {"priority": "high"},
        {"priority": "1e999"},
        {"dueOn": -1},
        {"dueOn": "tomorrow"},
        {"followUpOn": 2**53},
        {"timeout": "soon"},
        {"timeoutOn": True},
        {"notes": "x" * (MAX_NOTES_CHARACTERS + 1)},
        {"notes": ["a"]},
        {"notes": {"a": 1}},
    ],
)
def test_what_is_out_of_range_is_refused_and_nothing_changed(values: dict[str, Any]) -> None:
    refused = answer(wrong("UpdateTask", "ann", **values), owned())
    assert code(refused) == NOT_CONVERTIBLE
    assert next(iter(values)) in reply(refused).result["error"]["message"]


@pytest.mark.parametrize(("priority", "kept"), [(0, 0), (100, 100), ("7", 7), (" 7 ", 7), (7.0, 7)])
def test_a_priority_is_a_whole_number_of_nought_to_a_hundred(priority: Any, kept: int) -> None:
    assert seen(after(owned(), update("ann", priority=priority)))["priority"] == kept


@pytest.mark.parametrize(
    ("parameters", "fields", "wanted"),
    [
        ({"priority": 1, "priorityPath": "p"}, {"priority": 2, "p": 3}, 1),
        ({"priorityPath": "p"}, {"priority": 2, "p": 3}, 3),
        ({}, {"priority": 2, "p": 3}, 2),
    ],
)
def test_a_value_is_a_parameter_or_at_a_path_or_a_field(
    parameters: dict[str, Any], fields: dict[str, Any], wanted: int
) -> None:
    sent = verb("UpdateTask", "ann", payload={"taskId": "task-1", **fields}, **parameters)
    assert seen(after(owned(), sent))["priority"] == wanted


def test_null_at_a_path_or_in_a_field_counts_as_null() -> None:
    record = after(owned(), update("ann", 1, **VALUES))
    by_field = verb("UpdateTask", "ann", 2, payload={"taskId": "task-1", "dueOn": None})
    by_path = verb("UpdateTask", "ann", 2, payload={"taskId": "task-1", "d": None}, dueOnPath="d")
    assert seen(after(record, by_field))["dueOn"] is None
    assert seen(after(record, by_path))["dueOn"] is None


# The deadline.


def test_a_deadline_counts_from_now_or_is_a_moment_which_wins() -> None:
    later = answer(update("ann", timeout=1000), owned(), now_ms=NOW + 5)
    assert told(later)["timeout"] == NOW + 1005
    both = answer(update("ann", timeout=1000, timeoutOn=NOW + 7), owned(), now_ms=NOW + 5)
    assert told(both)["timeout"] == NOW + 7


@pytest.mark.parametrize("past", [{"timeout": 0}, {"timeout": -5}, {"timeoutOn": 1}])
def test_a_deadline_in_the_past_is_due_at_once(past: dict[str, Any]) -> None:
    changed = after(owned(), update("ann", **past))
    assert changed.deadline_ms is not None
    assert changed.deadline_ms <= NOW
    assert answer(timer(changed, changed.deadline_ms), changed).status == "TIMEOUT"


@pytest.mark.parametrize("values", [{"timeout": 2 * HOUR}, {"timeout": 5}, {"timeout": None}])
def test_a_new_deadline_replaces_the_old_one_which_does_nothing(values: dict[str, Any]) -> None:
    before = owned()
    assert before.deadline_ms == NOW + HOUR
    record = after(before, update("ann", **values))
    stale = answer(timer(record, NOW + HOUR), record)
    assert isinstance(stale.outcome, Dropped)
    assert (stale.messages, stale.record) == ((), None)
    if record.deadline_ms is not None:
        assert answer(timer(record, record.deadline_ms), record).status == "TIMEOUT"


def test_a_task_without_a_deadline_gets_one() -> None:
    record = after(begun(taskUser="ann"), update("ann", timeout=10))
    assert answer(timer(record, NOW + 10), record).status == "TIMEOUT"


def test_what_a_start_says_is_not_written_again() -> None:
    before = owned()
    record = after(before, update("ann", **VALUES))
    assert (record.start, record.state) == (before.start, before.state)


# Who and when.


def test_its_owner_or_an_admin_may_and_nobody_else() -> None:
    record = owned()
    assert told(answer(update(ADMIN, priority=1), record))["priority"] == 1
    for who in ("bob", "eve", NOBODY):
        assert code(answer(update(who, priority=1), record)) == FORBIDDEN
    assert code(answer(update("bob", priority=1), begun())) == FORBIDDEN, "a task without owner"
    preferred = begun(taskUser="ann")
    assert told(answer(update("ann", priority=1), preferred))["priority"] == 1


@pytest.mark.parametrize(
    ("end", "wanted"),
    [(finish("ann"), TASK_PROCEEDED), (timeout(), TASK_TIMED_OUT), (cancelled(), TASK_CANCELLED)],
)
def test_what_is_over_stays_as_it_is(end: Any, wanted: int) -> None:
    assert code(answer(update("ann", priority=1), closed_by(end, owned()))) == wanted


def test_an_update_names_a_task_that_is_there() -> None:
    assert code(answer(update("ann", priority=1), None)) == TASK_NOT_FOUND
    unnamed = verb("UpdateTask", "ann", payload={}, priority=1)
    assert code(answer(unnamed, owned())) == PARAMETER_MISSING


def test_another_version_than_the_sender_has_seen_is_refused_before_the_values() -> None:
    record = owned()
    assert code(answer(update("ann", ifVersion="1;1/0@10"), record)) == OTHER_VERSION
    assert answer(update("ann", ifVersion="2;1/0@10", priority=1), record).status == "SUCCESS"


def test_a_repeat_is_told_the_task_as_it_is_now_and_changes_nothing() -> None:
    one = update("ann", 1, timeout=1000, priority=1)
    record = after(owned(), one, update("ann", 2, priority=2))
    repeated = answer(again(one), record, now_ms=NOW + 500)
    assert repeated.record is None
    assert (told(repeated)["priority"], told(repeated)["timeout"]) == (2, NOW + 1000)


def test_a_new_round_begins_with_what_its_start_says() -> None:
    ended = after(owned(), update("ann", 1, **VALUES), finish("ann", number=2))
    renewed = after(ended, start(taskRoles="manager", meta={"requestTime": 9}))
    assert seen(renewed) == {
        "timeout": None,
        "dueOn": None,
        "followUpOn": None,
        "priority": 50,
        "notes": None,
    }


# The same at StartTask.


def test_a_start_takes_dates_priority_and_notes() -> None:
    record = begun(dueOn=NOW + 1, followUpOn=str(NOW + 2), priority="3", notes="call first")
    assert seen(record) == {
        "timeout": None,
        "dueOn": NOW + 1,
        "followUpOn": NOW + 2,
        "priority": 3,
        "notes": "call first",
    }
    assert record.life is None, "nobody has done anything yet"


@pytest.mark.parametrize("absent", [None, "", " "])
def test_null_and_blanks_count_as_absent_at_a_start(absent: Any) -> None:
    values = dict.fromkeys(("dueOn", "followUpOn", "priority", "notes"), absent)
    assert seen(begun(**values))["priority"] == 50
    assert set(seen(begun(**values)).values()) == {None, 50}


def test_a_start_takes_values_at_paths_and_no_bare_field() -> None:
    payload = {"taskId": "task-1", "priority": 9, "dueOn": 5, "notes": "n", "p": 7, "n": "from the payload"}
    assert seen(begun(payload=payload)) == seen(begun())
    by_path = seen(begun(payload=payload, priorityPath="p", notesPath="n", dueOnPath="nowhere"))
    assert (by_path["priority"], by_path["notes"], by_path["dueOn"]) == (7, "from the payload", None)
    assert seen(begun(payload=payload, priority=1, priorityPath="p"))["priority"] == 1


@pytest.mark.parametrize(
    "values", [{"priority": 101}, {"dueOn": "soon"}, {"followUpOn": -1}, {"notes": "x" * 4001}]
)
def test_a_start_with_a_value_out_of_range_is_refused(values: dict[str, Any]) -> None:
    sent = incoming(envelope("StartTask", wrong_meta={"parameters": values}), offset=10)
    assert code(answer(sent)) == NOT_CONVERTIBLE


def test_a_plain_task_stores_none_of_it() -> None:
    stored = msgspec.json.decode(msgspec.json.encode(started().start))
    assert not {"details", "notes", "spec_version"} & stored.keys()
