"""Acceptance cases of the life of a human task: those that are rules, without a broker or a store.

Each test has the number of its case in the contract. The same by the worker, the store and real servers is
shown elsewhere.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest
from msgspec import structs

from runner.actions.decision import Dropped, Forwarded
from runner.actions.definitions import first_home
from runner.actions.incoming import Incoming
from runner.actions.plan import TaskPlan
from runner.errors import (
    COMMENT_UNKNOWN,
    FORBIDDEN,
    NOBODY_TO_RETURN_TO,
    NOT_CONVERTIBLE,
    OWNED_BY_ANOTHER,
    PARAMETER_MISSING,
    TASK_PROCEEDED,
    RecordAwaited,
)
from runner.tasks.keys import definition_key
from runner.tasks.record import Record
from tests.unit.actions.events import (
    HOUR,
    NOW,
    POLICY,
    again,
    answer,
    code,
    envelope,
    incoming,
    planned,
    reply,
    resumed,
    start,
    started,
)
from tests.unit.actions.people import (
    ADMIN,
    PURCHASE,
    VOTE,
    after,
    begun,
    claim,
    define,
    defined,
    draft,
    finish,
    get,
    save,
    told,
    update,
    verb,
    violations,
    written,
)
from tests.unit.actions.test_update_task import timer

KEY: Final = definition_key("orders", "purchase")
YES: Final = {"decision": "yes", "amount": 3}


def version_of(decision: Any) -> int:
    return int(reply(decision).result["definition"]["version"])


def history(record: Record) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = told(answer(get(ADMIN, 99), record))["history"]
    return entries


def events(record: Record) -> list[str]:
    return [entry["event"] for entry in history(record)]


# 1


def test_case_01_the_same_definition_twice_is_version_nought_both_times() -> None:
    first = answer(define(1, **PURCHASE))
    assert version_of(first) == 0
    assert version_of(answer(define(2, **PURCHASE), first.record)) == 0


def test_case_01_a_field_added_is_version_one() -> None:
    schema = PURCHASE["schema"]
    more = {**schema, "properties": {**schema["properties"], "colour": {"type": "string"}}}
    record = after(None, define(1, **PURCHASE))
    assert version_of(answer(define(2, **{**PURCHASE, "schema": more}), record)) == 1


def test_case_01_only_a_description_changed_is_version_one() -> None:
    record = after(None, define(1, **PURCHASE, description="a"))
    assert version_of(answer(define(2, **PURCHASE, description="b"), record)) == 1


def test_case_01_two_first_definitions_on_two_partitions_are_versions_in_the_order_of_their_home() -> None:
    wide = replace(POLICY, partitions=3)
    home = first_home(KEY, 3)
    one, other = define(1, **PURCHASE), define(2, **PURCHASE, description="another")
    read_at = [(home + 1) % 3, (home + 2) % 3]
    for event, partition in zip((one, other), read_at, strict=True):
        forwarded = answer(incoming(event.value, partition=partition), policy=wide)
        assert forwarded.outcome == Forwarded(home)
    for order in ((one, other), (other, one)):
        record: Record | None = None
        for number, event in enumerate(order):
            arrived = incoming(event.value, partition=home, offset=number)
            decision = answer(arrived, record, policy=wide)
            assert version_of(decision) == number
            record = decision.record


# 2


@pytest.mark.parametrize(
    ("parameters", "status", "owner", "roles"),
    [
        ({"taskUser": "ann"}, "ASSIGNED", "ann", []),
        ({"taskRoles": "manager"}, "UNASSIGNED", None, ["manager"]),
        ({"taskUser": "ann", "taskRoles": "manager, clerk"}, "ASSIGNED", "ann", ["manager", "clerk"]),
        ({"taskUserPath": "who"}, "ASSIGNED", "ann", []),
        ({"taskRolesPath": "whose"}, "UNASSIGNED", None, ["manager"]),
        ({"taskUserPath": "who", "taskRolesPath": "whose"}, "ASSIGNED", "ann", ["manager"]),
    ],
)
def test_case_02_a_task_is_for_a_user_for_roles_or_both_also_from_a_path(
    parameters: dict[str, Any], status: str, owner: str | None, roles: list[str]
) -> None:
    payload = {"taskId": "task-1", "who": "ann", "whose": ["manager"], "taskUser": "eve", "taskRoles": "x"}
    task = told(answer(get("ann"), started(start(payload=payload, **parameters))))
    assert (task["status"], task["owner"], task["user"], task["roles"]) == (status, owner, owner, roles)


@pytest.mark.parametrize("blank", [" ", "\u00a0"])
def test_case_02_a_blank_user_is_refused(blank: str) -> None:
    parameter = envelope("StartTask", wrong_meta={"parameters": {"taskUser": blank}})
    assert code(answer(incoming(parameter))) == NOT_CONVERTIBLE
    assert code(answer(start(payload={"who": blank}, taskUserPath="who"))) == NOT_CONVERTIBLE
    assert code(answer(start(payload={"who": ["", " "]}, taskRolesPath="who"))) == NOT_CONVERTIBLE


# 3


def test_case_03_of_two_who_claim_one_wins_and_the_other_is_told_whose_it_is() -> None:
    opened = begun()
    for first, second in (("ann", "bob"), ("bob", "ann")):
        record = after(opened, claim(first))
        refused = answer(claim(second), record)
        assert code(refused) == OWNED_BY_ANOTHER
        assert first in reply(refused).result["error"]["message"]


def test_case_03_the_winner_claims_again_and_leaves_no_entry() -> None:
    record = after(begun(), claim("ann"))
    decision = answer(claim("ann", 2), record)
    assert (told(decision)["owner"], decision.record) == ("ann", None)
    assert events(record) == ["created", "assigned"]


# 4


def test_case_04_a_claim_keeps_the_roles_and_a_release_returns_to_them() -> None:
    record = after(begun(), claim("ann"))
    assert told(answer(get("bob"), record))["roles"] == ["manager"]
    released = after(record, verb("ReleaseTask", "ann"))
    task = told(answer(get("bob"), released))
    assert (task["status"], task["owner"], task["roles"]) == ("UNASSIGNED", None, ["manager"])
    assert after(released, claim("bob", 2)).ownership.owner == "bob"


@pytest.mark.parametrize("stranger", ["bob", "eve"])
def test_case_04_a_release_by_a_stranger_is_refused(stranger: str) -> None:
    assert code(answer(verb("ReleaseTask", stranger), after(begun(), claim("ann")))) == FORBIDDEN


def test_case_04_null_to_the_only_user_is_refused() -> None:
    record = begun(taskRoles=None, taskUser="ann")
    assert code(answer(verb("AssignTask", ADMIN, user=None), record)) == PARAMETER_MISSING
    assert code(answer(verb("ReleaseTask", "ann"), record)) == NOBODY_TO_RETURN_TO


# 5


def test_case_05_a_draft_by_the_owner_is_visible_with_its_history() -> None:
    record = after(begun(taskUser="ann"), save("ann", {"a": 1}))
    assert told(answer(get("ann"), record))["draft"] == {"a": 1}
    created, saved = history(record)
    assert (created["event"], saved["event"]) == ("created", "saved")
    assert (saved["actor"], saved["data"]) == ("ann", {"data": {"a": 1}})


def test_case_05_a_draft_by_another_is_refused_and_changes_nothing() -> None:
    record = after(begun(), claim("ann"), save("ann", {"a": 1}, 2))
    refused = answer(save("bob", {"a": 2}, 3), record)
    assert (code(refused), refused.record) == (OWNED_BY_ANOTHER, None)
    assert draft(record) == {"a": 1}


def test_case_05_a_draft_that_ignores_the_claim_is_stored_and_the_owner_stays() -> None:
    record = after(begun(), claim("ann"), save("bob", {"a": 2}, 2, ignoreClaim=True))
    assert draft(record) == {"a": 2}
    assert (record.ownership.owner, record.ownership.is_firm) == ("ann", True)


# 6


def test_case_06_required_fields_are_met_by_an_earlier_draft() -> None:
    others = defined(PURCHASE)
    record = after(
        begun(taskSpec="purchase", others=others), save("ann", {"decision": "no", "amount": 3}), others=others
    )
    end = answer(finish("ann", {"decision": "yes"}, 2), record, others=others)
    assert resumed(end).payload == {"taskId": "task-1", "decision": "yes", "amount": 3}


@pytest.mark.parametrize(
    ("answers", "wanted"),
    [
        ({**YES, "colour": "red"}, {"/colour"}),
        ({**YES, "amount": "3"}, {"/amount"}),
        ({"decision": "yes"}, {"/amount"}),
        ({"amount": 3}, {"/decision"}),
        ({**YES, "decision": " "}, {"/decision"}),
        ({"amount": "x", "colour": 1}, {"/amount", "/colour", "/decision"}),
        ({**YES, "address": {"city": 1, "street": "s"}}, {"/address/city", "/address/street"}),
        ({**YES, "items": ["a", 1]}, {"/items/1"}),
    ],
)
def test_case_06_unknown_wrong_missing_and_blank_are_each_named_and_nothing_changes(
    answers: dict[str, Any], wanted: set[str]
) -> None:
    others = defined(PURCHASE)
    record = after(
        begun(taskSpec="purchase", others=others), claim("ann"), save("ann", {"note": "n"}, 2), others=others
    )
    refused = answer(finish("ann", answers, 3), record, others=others)
    assert {pointer for pointer, _ in violations(refused)} == wanted
    assert refused.record is None
    assert written(answer(get("ann", 4), record)) == set()
    assert (draft(record), record.ownership.owner) == ({"note": "n"}, "ann")
    assert events(record) == ["created", "assigned", "saved"]


def test_case_06_an_unknown_outcome_is_a_violation() -> None:
    others = defined(VOTE)
    record = begun(taskSpec="vote", others=others)
    refused = answer(finish("ann", YES, outcome="perhaps"), record, others=others)
    assert [rule for _, rule in violations(refused)] == ["outcome"]


# 7


def test_case_07_another_than_the_firm_owner_does_not_proceed() -> None:
    record = after(begun(), claim("ann"))
    assert code(answer(finish("bob", YES), record)) == OWNED_BY_ANOTHER
    assert code(answer(finish("eve", YES), record)) == FORBIDDEN


def test_case_07_a_redelivered_proceed_is_answered_the_same() -> None:
    record = after(begun(), claim("ann"))
    one = finish("ann", YES, 2)
    first = answer(one, record)
    assert first.record is not None
    repeated = answer(again(one), first.record)
    assert reply(repeated).value == reply(first).value
    assert (repeated.record, len(repeated.messages)) == (None, 1)


def test_case_07_a_different_proceed_on_a_done_task_is_refused_and_the_first_answer_kept() -> None:
    record = after(begun(), finish("ann", YES))
    refused = answer(finish("bob", {"decision": "no"}, 2), record)
    assert (code(refused), refused.record) == (TASK_PROCEEDED, None)
    assert record.state.closing is not None
    assert record.state.closing.by == "ann"


# 8


def test_case_08_a_cancelled_saga_is_resumed_with_the_name_its_start_gave() -> None:
    record = begun(onCancel="withdrawn")
    end = answer(verb("CancelTask", ADMIN, reason="no longer needed"), record)
    assert resumed(end).status == "CANCELLED"
    error = {"code": 10136, "message": "no longer needed", "name": "withdrawn"}
    assert resumed(end).result["error"] == error


def test_case_08_a_done_task_is_not_cancelled() -> None:
    record = after(begun(), finish("ann"))
    refused = answer(verb("CancelTask", ADMIN, 2, reason="too late"), record)
    assert (code(refused), refused.record) == (TASK_PROCEEDED, None)


# 13


def comment(number: int, by: str = "ann", **values: Any) -> Incoming:
    return verb("CommentTask", by, number, **values)


def test_case_13_comments_are_added_edited_and_deleted_and_ids_never_used_again() -> None:
    record = after(
        begun(),
        comment(1, text="first"),
        comment(2, commentId=1, text="first, corrected"),
        comment(3, commentId=1, delete=True),
    )
    added = answer(comment(4, text="second"), record)
    assert reply(added).result["comment"] == {"id": 2}
    assert told(added)["comments"] == 1


def test_case_13_a_deleted_comment_is_neither_edited_nor_deleted() -> None:
    record = after(begun(), comment(1, text="first"), comment(2, commentId=1, delete=True))
    assert code(answer(comment(3, commentId=1, text="back"), record)) == COMMENT_UNKNOWN
    assert code(answer(comment(3, commentId=1, delete=True), record)) == COMMENT_UNKNOWN


@pytest.mark.parametrize("by", ["bob", ADMIN])
def test_case_13_an_edit_by_another_is_refused_before_anything_is_written(by: str) -> None:
    record = after(begun(), comment(1, text="first"))
    refused = answer(comment(2, by, commentId=1, text="mine"), record)
    assert (code(refused), refused.record) == (FORBIDDEN, None)


# 14, as far as it is a rule


def test_case_14_a_deadline_that_was_moved_does_nothing_where_it_was() -> None:
    for values in ({"timeout": 2 * HOUR}, {"timeout": 60_000}):
        record = after(begun(taskUser="ann", timeout=HOUR), update("ann", **values))
        stale = answer(timer(record, NOW + HOUR), record)
        assert isinstance(stale.outcome, Dropped)
        assert (stale.messages, stale.record) == ((), None)
        assert answer(timer(record, NOW + values["timeout"]), record).status == "TIMEOUT"


# 16


def test_case_16_a_comment_repeated_after_forty_saved_drafts_is_no_second_one() -> None:
    one = comment(1, text="once")
    drafts = [save("ann", {"n": number}, number) for number in range(2, 42)]
    record = after(begun(), one, *drafts)
    repeated = answer(again(one), record)
    assert (repeated.status, repeated.record) == ("SUCCESS", None)
    assert told(repeated)["comments"] == 1


# 18


def test_case_18_a_task_keeps_its_version_when_its_definition_is_changed() -> None:
    first = defined(PURCHASE)
    record = begun(taskSpec="purchase", others=first)
    other_schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    both = defined(PURCHASE, {**PURCHASE, "schema": other_schema})
    assert begun(taskSpec="purchase", others=both).start.spec_version == 1
    assert answer(finish("ann", YES), record, others=both).status == "PROCEEDED"
    assert {pointer for pointer, _ in violations(answer(finish("ann", {"x": 1}), record, others=both))} == {
        "/amount",
        "/decision",
        "/x",
    }


def test_case_18_while_its_record_is_lost_the_home_waits_and_nobody_is_told() -> None:
    record = begun(taskSpec="purchase", others=defined(PURCHASE))
    with pytest.raises(RecordAwaited, match="purchase"):
        answer(finish("ann", YES), record, others={KEY: None})


# 22, as far as it is a rule


def _long() -> Record:
    """Give a task with two hundred comments and as many kept entries, without the parts themselves."""
    record = begun(taskUser="ann", taskRoles="manager")
    for number in range(1, 201):
        record = after(record, comment(number, text="x" * 100))
    return after(record, save("ann", {"a": 1}, 300), update("ann", 301, priority=1))


VERBS_OF_PEOPLE: Final = (
    claim("ann", 401),
    save("ann", {"a": 2}, 402),
    update("ann", 403, priority=2),
    verb("AssignTask", ADMIN, 404, user="bob"),
    comment(405, commentId=7, text="x"),
)


def test_case_22_a_verb_and_the_end_write_no_more_of_a_long_history_than_of_a_short_one() -> None:
    long, short = _long(), after(begun(taskUser="ann"), *(comment(n, text="x") for n in range(1, 9)))
    for one in VERBS_OF_PEOPLE:
        parts = {name for name in written(answer(one, long)) if not name.startswith("history/")}
        assert parts == {name for name in written(answer(one, short)) if not name.startswith("history/")}
        assert len(written(answer(one, long))) <= len(written(answer(one, short))) + 1, "one entry goes"
    assert written(answer(finish("ann", number=500), long)) == set()


def test_case_22_a_verb_and_the_end_ask_for_no_more_of_a_long_history_than_of_a_short_one() -> None:
    long = _long()
    unread = structs.replace(long, parts={})
    wanted = {
        "ClaimTask": (),
        "SaveTask": ("draft",),
        "UpdateTask": (),
        "AssignTask": (),
        "CommentTask": ("comment/7",),
        "ProceedTask": ("draft",),
    }
    for one in (*VERBS_OF_PEOPLE, finish("ann", number=500)):
        assert _asked(one, unread) == wanted[one.event.action], one.event.action


def _asked(one: Incoming, record: Record) -> tuple[str, ...]:
    asked = planned(one)
    assert isinstance(asked, TaskPlan)
    return tuple(name for reading in asked.verb.asks(asked, record) for name in reading.parts)
