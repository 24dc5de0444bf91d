"""SaveTask: whose answers are kept, what of them, and how they end in the saga."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from runner.actions.decision import Done
from runner.actions.drafts import SHOWN_BYTES
from runner.actions.policy import DomainPolicy
from runner.errors import (
    FORBIDDEN,
    NOT_CONVERTIBLE,
    OTHER_VERSION,
    OWNED_BY_ANOTHER,
    PARAMETER_MISSING,
    TASK_CANCELLED,
    TASK_NOT_FOUND,
    TASK_PROCEEDED,
    TASK_TIMED_OUT,
    UNDELIVERABLE,
)
from tests.unit.actions.events import (
    NOW,
    POLICY,
    FakeOutlet,
    again,
    answer,
    cancelled,
    closed_by,
    code,
    incoming,
    reply,
    resumed,
    start,
    started,
    timeout,
)
from tests.unit.actions.people import (
    ADMIN,
    NOBODY,
    PURCHASE,
    after,
    begun,
    claim,
    defined,
    draft,
    finish,
    part,
    save,
    told,
    update,
    verb,
    violations,
    written,
    wrong,
)


def test_a_draft_is_kept_and_the_task_told_with_the_payload_as_it_came() -> None:
    decision = answer(save("ann", {"decision": "yes"}), begun())
    said = reply(decision)
    assert (said.status, said.payload) == ("SUCCESS", {"taskId": "task-1"})
    task = said.result["task"]
    assert (task["status"], task["owner"], task["version"]) == ("UNASSIGNED", None, "2;1/0@10")
    assert "draft" not in task
    assert decision.record is not None
    assert part(decision.record, "draft") == {
        "revision": 2,
        "source": "1/0@201",
        "data": {"decision": "yes"},
    }
    assert written(decision) == {"life", "draft", "history/1"}, "nothing else is written, or read"


def test_the_history_says_who_saved_what() -> None:
    record = after(begun(), save("ann", {"decision": "yes"}))
    entry = {"revision": 2, "at": NOW, "event": "saved", "source": "1/0@201", "actor": "ann"}
    assert part(record, "history/1") == {**entry, "data": {"data": {"decision": "yes"}}}
    large = after(begun(), save("ann", {"note": "x" * SHOWN_BYTES}))
    assert part(large, "history/1")["data"] == {"bytes": SHOWN_BYTES + len('{"note":""}')}


def test_a_draft_is_merged_deep_into_the_one_before() -> None:
    record = after(
        begun(),
        save("ann", {"address": {"city": "Bonn", "zip": "1"}, "items": ["a", "b"], "note": "x"}),
        save("bob", {"address": {"zip": "2"}, "items": ["c"], "note": None, "amount": 3}, 2),
    )
    assert draft(record) == {
        "address": {"city": "Bonn", "zip": "2"},
        "items": ["c"],
        "note": None,
        "amount": 3,
    }
    assert part(record, "history/2")["data"]["data"]["items"] == ["c"], "the entry has what was sent"


def test_numbers_of_a_draft_keep_their_digits() -> None:
    one = save("ann", {"n": 0})
    event = incoming(one.value.replace(b'"n": 0', b'"n": 12.50'), offset=201)
    record = after(begun(), event)
    assert b'{"n":12.50}' in record.parts["draft"]


@pytest.mark.parametrize(
    ("parameters", "fields", "wanted"),
    [
        ({"data": {"a": 1}, "dataPath": "form"}, {"data": {"a": 2}, "form": {"a": 3}}, {"a": 1}),
        ({"dataPath": "form"}, {"data": {"a": 2}, "form": {"a": 3}}, {"a": 3}),
        ({}, {"data": {"a": 2}, "form": {"a": 3}}, {"a": 2}),
    ],
)
def test_the_data_is_a_parameter_or_at_a_path_or_a_field(
    parameters: dict[str, Any], fields: dict[str, Any], wanted: dict[str, Any]
) -> None:
    record = after(begun(), verb("SaveTask", "ann", payload={"taskId": "task-1", **fields}, **parameters))
    assert draft(record) == wanted


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({}, PARAMETER_MISSING),
        ({"data": None}, PARAMETER_MISSING),
        ({"data": "text"}, NOT_CONVERTIBLE),
        ({"data": [1]}, NOT_CONVERTIBLE),
        ({"data": {"a": 1}, "ignoreClaim": "yes"}, NOT_CONVERTIBLE),
    ],
)
def test_what_is_no_answers_is_refused(values: dict[str, Any], wanted: int) -> None:
    assert code(answer(wrong("SaveTask", "ann", **values), begun())) == wanted


def test_a_draft_names_its_task() -> None:
    assert code(answer(save("ann", {"a": 1}), None)) == TASK_NOT_FOUND
    unnamed = verb("SaveTask", "ann", payload={"about": "x"}, data={"a": 1})
    assert code(answer(unnamed, begun())) == PARAMETER_MISSING


# Who may.


def test_without_a_firm_owner_whoever_is_eligible_saves() -> None:
    preferred = begun(taskUser="ann")
    assert draft(after(preferred, save("bob", {"a": 1}))) == {"a": 1}, "ann is preferred, and no more"
    assert code(answer(save("eve", {"a": 1}), preferred)) == FORBIDDEN
    assert code(answer(save("bob", {"a": 1}), begun(taskRoles=None, taskUser="ann"))) == FORBIDDEN


def test_with_a_firm_owner_only_they_save() -> None:
    record = after(begun(), claim("ann"))
    assert draft(after(record, save("ann", {"a": 1}))) == {"a": 1}
    refused = answer(save("bob", {"a": 1}), record)
    assert code(refused) == OWNED_BY_ANOTHER
    assert "ann" in reply(refused).result["error"]["message"]
    assert code(answer(save(ADMIN, {"a": 1}), record)) == OWNED_BY_ANOTHER
    assert code(answer(save("eve", {"a": 1}), record)) == FORBIDDEN


@pytest.mark.parametrize("who", ["bob", ADMIN])
@pytest.mark.parametrize("word", [True, "true"])
def test_who_ignores_the_claim_saves_beside_the_owner_if_eligible_or_admin(who: str, word: Any) -> None:
    record = after(begun(), claim("ann"), save("ann", {"a": 1}, 2))
    saved = answer(save(who, {"b": 2}, 3, ignoreClaim=word), record)
    assert (told(saved)["owner"], told(saved)["status"]) == ("ann", "ASSIGNED")
    assert saved.record is not None
    assert draft(saved.record) == {"a": 1, "b": 2}
    assert part(saved.record, "history/3")["actor"] == who
    assert code(answer(save("eve", {"b": 2}, 3, ignoreClaim=word), record)) == FORBIDDEN


@pytest.mark.parametrize("word", [False, "false", None, ""])
def test_a_claim_that_is_not_ignored_counts(word: Any) -> None:
    record = after(begun(), claim("ann"))
    assert code(answer(save("bob", {"b": 2}, ignoreClaim=word), record)) == OWNED_BY_ANOTHER


def test_ignoring_the_claim_counts_only_against_a_firm_owner() -> None:
    assert code(answer(save(ADMIN, {"a": 1}, ignoreClaim=True), begun())) == FORBIDDEN
    assert code(answer(save(ADMIN, {"a": 1}, ignoreClaim=True), begun(taskUser="ann"))) == FORBIDDEN


def test_without_a_user_id_one_saves_where_anyone_may() -> None:
    record = after(begun(taskRoles=None), save(NOBODY, {"a": 1}))
    assert draft(record) == {"a": 1}
    assert "actor" not in part(record, "history/1")
    assert code(answer(save(NOBODY, {"a": 1}), begun())) == FORBIDDEN


def test_unchecked_roles_turn_off_eligibility_only() -> None:
    unchecked = replace(POLICY, domains={"orders": DomainPolicy(check_roles=False)})
    record = after(begun(), save("eve", {"a": 1}), claim("ann", 2), policy=unchecked)
    assert code(answer(save("eve", {"a": 2}, 3), record, policy=unchecked)) == OWNED_BY_ANOTHER


# When.


@pytest.mark.parametrize(
    ("end", "wanted"),
    [(finish("ann"), TASK_PROCEEDED), (timeout(), TASK_TIMED_OUT), (cancelled(), TASK_CANCELLED)],
)
def test_what_is_over_takes_no_draft(end: Any, wanted: int) -> None:
    assert code(answer(save("ann", {"a": 1}), closed_by(end, begun()))) == wanted


def test_another_version_than_the_sender_has_seen_is_refused() -> None:
    record = after(begun(), save("ann", {"a": 1}))
    present = told(answer(again(save("ann", {"a": 1})), record))["version"]
    assert code(answer(save("ann", {"a": 2}, 2, ifVersion="1;1/0@10"), record)) == OTHER_VERSION
    assert answer(save("ann", {"a": 2}, 2, ifVersion=present), record).status == "SUCCESS"


def test_another_firm_owner_is_told_before_the_version_and_the_values() -> None:
    record = after(begun(), claim("ann"))
    both = answer(wrong("SaveTask", "bob", data="text", ifVersion="1;9/9@9"), record)
    assert code(both) == OWNED_BY_ANOTHER
    assert code(answer(wrong("SaveTask", "ann", data="text", ifVersion="1;9/9@9"), record)) == OTHER_VERSION


def test_a_repeat_comes_before_state_rights_and_version_and_changes_nothing() -> None:
    one = save("ann", {"a": 1}, ifVersion="1;1/0@10")
    record = after(begun(), one)
    later = after(record, save("ann", {"a": 2}, 2), claim("bob", 3))
    for found in (record, later, closed_by(finish("bob", number=4), later)):
        repeated = answer(again(one), found)
        assert (repeated.status, repeated.record) == ("SUCCESS", None)
        assert told(repeated)["version"] == f"{found.revision};{found.state.source}", "the task as it is now"


def test_a_refusal_is_not_remembered() -> None:
    claimed = after(begun(), claim("ann"))
    one = save("bob", {"a": 1})
    assert code(answer(one, claimed)) == OWNED_BY_ANOTHER
    released = after(claimed, verb("ReleaseTask", "ann", 2))
    assert draft(after(released, again(one))) == {"a": 1}


def test_a_new_round_takes_the_draft_away() -> None:
    ended = after(begun(), save("ann", {"a": 1}), finish("ann", number=2))
    decision = answer(start(taskRoles="manager", meta={"requestTime": 9}), ended)
    assert isinstance(decision.outcome, Done)
    assert decision.outcome.written == {"life": None, "history/1": None, "draft": None}
    assert decision.record is not None
    assert resumed(answer(finish("ann", number=3), decision.record)).payload == {"taskId": "task-1"}


# The end.


def test_draft_and_answers_are_merged_and_the_answers_win() -> None:
    record = after(begun(), save("ann", {"a": {"x": 1, "y": 1}, "list": [1, 2], "note": "n"}))
    end = answer(finish("bob", {"a": {"y": 2}, "list": [3]}, 2), record)
    assert resumed(end).payload == {
        "taskId": "task-1",
        "a": {"x": 1, "y": 2},
        "list": [3],
        "note": "n",
    }


def test_the_draft_counts_without_an_enrich_path_and_where_nothing_is_at_it() -> None:
    record = after(begun(), save("ann", {"a": 1}))
    assert resumed(answer(finish("ann", number=2), record)).payload == {"taskId": "task-1", "a": 1}
    lost = verb("ProceedTask", "ann", 2, enrichPath="nowhere")
    assert resumed(answer(lost, record)).payload == {"taskId": "task-1", "a": 1}


def test_answers_are_merged_at_the_output_element_of_the_start() -> None:
    record = after(
        started(start(taskRoles="manager", meta={"outputElement": "approval.form"})), save("ann", {"a": 1})
    )
    payload = resumed(answer(finish("ann", {"b": 2}, 2), record)).payload
    assert payload == {"taskId": "task-1", "approval": {"form": {"a": 1, "b": 2}}}


@pytest.mark.parametrize("end", [timeout(), cancelled()])
def test_a_draft_is_no_answer_where_nobody_finished_the_task(end: Any) -> None:
    record = after(begun(), save("ann", {"a": 1}))
    assert resumed(answer(end, record)).payload == {"taskId": "task-1"}


def test_a_draft_with_which_the_task_could_not_end_is_refused() -> None:
    small = FakeOutlet(orders_out=6_000)
    record = started(start(taskRoles="manager", meta={"responseStream": "orders-out"}))
    refused = answer(save("ann", {"a": "x" * 5_000}), record, topics=small)
    assert code(refused) == UNDELIVERABLE
    kept = answer(save("ann", {"a": "x" * 1_000}), record, topics=small)
    assert kept.record is not None
    end = answer(finish("ann", number=2), kept.record, topics=small)
    assert end.status == "PROCEEDED"
    again_refused = answer(save("ann", {"b": "x" * 3_000}, 3), kept.record, topics=small)
    assert code(again_refused) == UNDELIVERABLE, "what was saved before counts"


def test_a_verb_beside_the_draft_neither_reads_nor_writes_it() -> None:
    record = after(begun(), claim("ann"), save("ann", {"a": 1}, 2))
    unread = structs.replace(record, parts={})
    decision = answer(update("ann", 3, priority=1), unread)
    assert written(decision) == {"life", "history/3"}


# With a definition.


def test_names_and_types_of_a_draft_are_checked_and_what_is_missing_is_not() -> None:
    others = defined(PURCHASE)
    record = begun(taskSpec="purchase", others=others)
    saved = after(record, save("ann", {"decision": "yes", "note": None}), others=others)
    assert draft(saved) == {"decision": "yes", "note": None}, "null is a value"
    refused = answer(save("ann", {"amount": "many", "colour": "red"}, 2), saved, others=others)
    assert [pointer for pointer, _ in violations(refused)] == ["/amount", "/colour"]


def test_a_draft_is_checked_for_no_more_than_names_and_types() -> None:
    others = defined(PURCHASE)
    record = begun(taskSpec="purchase", others=others)
    begun_to_type = {"decision": "perhaps", "amount": -1}
    assert draft(after(record, save("ann", begun_to_type), others=others)) == begun_to_type
