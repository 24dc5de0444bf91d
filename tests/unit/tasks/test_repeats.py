"""Repeats: the last 64 events of a task are known again, and of one person's saved drafts the last eight."""

from __future__ import annotations

from typing import Any

import pytest

from runner.actions.incoming import Incoming
from runner.tasks.record import Record
from runner.tasks.repeats import DRAFTS_REMEMBERED, REMEMBERED
from tests.unit.actions.events import again, answer, envelope, incoming, start
from tests.unit.actions.people import NOBODY, after, begun, claim, define, finish, person, save, update, verb


def comment(number: int) -> Incoming:
    return verb("CommentTask", "ann", number, text=f"comment {number}")


def saves(by: str, first: int, count: int) -> list[Incoming]:
    return [save(by, {"n": number}, number, ignoreClaim=True) for number in range(first, first + count)]


def forgotten(record: Record, *events: Incoming) -> list[int]:
    """Which of these events, by their place among them, would be done again."""
    return [number for number, event in enumerate(events) if answer(again(event), record).record is not None]


def test_of_one_persons_saved_drafts_only_the_last_eight_are_known() -> None:
    drafts = saves("ann", 1, 12)
    record = after(begun(), *drafts)
    assert forgotten(record, *drafts) == [0, 1, 2, 3]
    assert record.life is not None
    assert len(record.life.identities) == DRAFTS_REMEMBERED == 8


def test_each_person_has_eight_of_their_own() -> None:
    of_ann, of_bob = saves("ann", 1, 8), saves("bob", 21, 10)
    record = after(begun(), *of_ann, *of_bob)
    assert forgotten(record, *of_ann) == []
    assert forgotten(record, *of_bob) == [0, 1]


def test_a_form_that_saves_by_itself_pushes_out_nothing_that_others_sent() -> None:
    one = comment(500)
    record = after(begun(), one, *saves("ann", 1, 200))
    assert forgotten(record, one) == []


def test_drafts_of_nobody_are_counted_as_one_persons() -> None:
    drafts = [save(NOBODY, {"n": number}, number) for number in range(1, 11)]
    record = after(begun(taskRoles=None), *drafts)
    assert forgotten(record, *drafts) == [0, 1]


def test_the_last_sixty_four_are_known_drafts_included() -> None:
    drafts = saves("ann", 1, 8)
    comments = [comment(number) for number in range(101, 101 + REMEMBERED - 1)]
    record = after(begun(), *drafts, *comments)
    assert forgotten(record, *comments) == [], "the start and 63 verbs are 64"
    assert forgotten(record, *drafts) == list(range(8))


def test_one_event_of_every_verb_is_known_again() -> None:
    events = [
        claim("ann", 1),
        save("ann", {"a": 1}, 2),
        update("ann", 3, priority=1),
        comment(4),
        verb("ReleaseTask", "ann", 5),
        verb("AssignTask", "root", 6, user="ann"),
        finish("ann", number=7),
    ]
    record: Record = begun()
    for number, event in enumerate(events, 1):
        record = after(record, event)
        assert forgotten(record, *events[:number]) == []


def test_action_and_task_are_in_an_identity() -> None:
    def sent(action: str, task_id: str = "task-1") -> Incoming:
        """Two events that differ in this alone: same request, step and time."""
        meta, payload = {"requestTime": 5}, {"taskId": task_id, "data": {"a": 1}, "priority": 1}
        return incoming(envelope(action, request=person("ann"), payload=payload, meta=meta), offset=300)

    record = after(begun(taskUser="ann"), sent("SaveTask"))
    assert forgotten(record, sent("SaveTask"), sent("UpdateTask")) == [1]
    other = after(begun(taskUser="ann", payload={"taskId": "task-2"}), sent("UpdateTask", "task-2"))
    assert record.life is not None
    assert other.life is not None
    same_action = after(begun(taskUser="ann"), sent("UpdateTask"))
    assert same_action.life is not None
    assert other.life.identities != same_action.life.identities


def test_an_identity_has_sixty_four_bits() -> None:
    record = after(begun(), claim("ann"), save("ann", {"a": 1}, 2))
    assert record.life is not None
    by_claim, by_draft = record.life.identities
    assert len(by_claim) == 11, "64 bits in base64"
    assert by_draft.startswith(by_draft[:11])
    assert len(by_draft) == 16, "and a mark of who saved it"


def test_a_new_round_remembers_the_drafts_of_the_one_before_without_their_mark() -> None:
    drafts = saves("ann", 1, 10)
    ended = after(begun(), *drafts, finish("ann", number=50))
    renewed = after(ended, start(taskRoles="manager", meta={"requestTime": 9}))
    assert forgotten(renewed, *drafts) == [0, 1]
    assert {len(each) for each in renewed.state.previous_identities} == {11}
    of_now = saves("ann", 31, 9)
    later = after(renewed, *of_now)
    assert forgotten(later, *drafts) == [0, 1], "the eight of this round are counted by themselves"
    assert forgotten(later, *of_now) == [0]


@pytest.mark.parametrize("count", [1, 70])
def test_a_definition_remembers_what_defined_it(count: int) -> None:
    form: dict[str, Any] = {"taskSpec": "purchase", "schema": {"type": "object"}}
    defines = [define(number, **form, description=str(number)) for number in range(count)]
    record = after(None, *defines)
    assert forgotten(record, *defines) == list(range(max(0, count - REMEMBERED + 1)))
