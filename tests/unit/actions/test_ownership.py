"""ClaimTask, ReleaseTask, AssignTask: whose a task is, and who may finish it then."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pytest

from runner.actions.decision import Decision
from runner.actions.incoming import Incoming
from runner.errors import (
    FORBIDDEN,
    NOBODY_TO_RETURN_TO,
    NOT_CONVERTIBLE,
    OTHER_VERSION,
    OWNED_BY_ANOTHER,
    PARAMETER_MISSING,
    TASK_PROCEEDED,
)
from runner.tasks.record import Record
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

ADMIN: Final = "root"


def person(name: str) -> dict[str, Any]:
    """Ann, Bob and Maria are managers, Eve is a clerk, root is the admin."""
    roles = {ADMIN: ["admin"], "eve": ["clerk"]}.get(name, ["manager"])
    return {"claims": {"sub": name, "roles": roles}}


def verb(action: str, by: str, number: int = 1, **values: Any) -> Incoming:
    request = {"id": f"{action}-{number}", **person(by)}
    return incoming(envelope(action, request=request, **values), offset=200 + number)


def claim(by: str, number: int = 1, **values: Any) -> Incoming:
    return verb("ClaimTask", by, number, **values)


def release(by: str, number: int = 1, **values: Any) -> Incoming:
    return verb("ReleaseTask", by, number, **values)


def assign(by: str = ADMIN, number: int = 1, **values: Any) -> Incoming:
    return verb("AssignTask", by, number, **values)


def finish(by: str, **values: Any) -> Incoming:
    return proceed(request={"id": f"finish-{by}", **person(by)}, **values)


def task(**parameters: Any) -> Record:
    return started(start(timeout=HOUR, **parameters))


def told(decision: Decision) -> dict[str, Any]:
    """What the reply says of the task."""
    assert decision.status == "SUCCESS", reply(decision).result
    found: dict[str, Any] = reply(decision).result["task"]
    return found


def history(record: Record, number: int) -> dict[str, Any]:
    entry: dict[str, Any] = msgspec.json.decode(record.parts[f"history/{number}"])
    return entry


@pytest.mark.parametrize(
    ("parameters", "status", "owner"),
    [
        ({"taskUser": "ann"}, "ASSIGNED", "ann"),
        ({"taskRoles": "manager"}, "UNASSIGNED", None),
        ({"taskUser": "ann", "taskRoles": "manager"}, "ASSIGNED", "ann"),
        ({}, "UNASSIGNED", None),
    ],
)
def test_a_task_begins_with_its_user_as_owner(
    parameters: dict[str, Any], status: str, owner: str | None
) -> None:
    by_root = verb("CommentTask", ADMIN, text="seen")
    said = told(answer(by_root, task(**parameters)))
    assert (said["status"], said["owner"]) == (status, owner)


def test_of_two_who_claim_at_the_same_moment_one_wins_and_may_claim_again() -> None:
    opened = task(taskRoles="manager")
    first = answer(claim("ann"), opened)
    assert (told(first)["status"], told(first)["owner"], told(first)["roles"]) == (
        "ASSIGNED",
        "ann",
        ["manager"],
    )
    claimed = first.record
    assert claimed is not None
    refused = answer(claim("bob"), claimed)
    assert code(refused) == OWNED_BY_ANOTHER
    assert "ann" in reply(refused).result["error"]["message"]
    repeated = answer(claim("ann", 2), claimed)
    assert (told(repeated)["owner"], repeated.record) == ("ann", None), "no event, no history entry"
    assert history(claimed, 1) == {
        "revision": 2,
        "at": NOW,
        "event": "assigned",
        "source": "1/0@201",
        "actor": "ann",
        "from": {"user": None, "roles": ["manager"]},
        "to": {"user": "ann", "roles": ["manager"]},
    }


def test_a_claim_by_the_preferred_user_makes_them_firm() -> None:
    preferred = task(taskUser="ann", taskRoles="manager")
    assert answer(finish("bob"), preferred).status == "PROCEEDED", "until somebody has claimed it"
    firm = closed_by(claim("ann"), preferred)
    assert code(answer(finish("bob"), firm)) == OWNED_BY_ANOTHER
    assert firm.life is not None
    assert firm.life.epoch == 0, "the owner has not become another person"
    taken = closed_by(claim("bob"), preferred)
    assert taken.life is not None
    assert (taken.ownership.owner, taken.life.epoch) == ("bob", 1)


def test_only_the_eligible_claim() -> None:
    assert code(answer(claim("eve"), task(taskRoles="manager"))) == FORBIDDEN
    assert code(answer(claim("bob"), task(taskUser="ann"))) == FORBIDDEN
    assert answer(claim("eve"), task()).status == "SUCCESS"
    nobody = incoming(envelope("ClaimTask", request={"claims": {"roles": ["manager"]}}))
    assert code(answer(nobody, task(taskRoles="manager"))) == FORBIDDEN


def test_a_release_returns_a_task_to_its_roles() -> None:
    claimed = closed_by(claim("ann"), task(taskRoles="manager"))
    assert code(answer(release("bob"), claimed)) == FORBIDDEN
    assert code(answer(release("eve"), claimed)) == FORBIDDEN
    for who in ("ann", ADMIN):
        released = answer(release(who), claimed)
        assert (told(released)["status"], told(released)["owner"]) == ("UNASSIGNED", None)
        assert told(released)["roles"] == ["manager"]
        assert released.record is not None
        assert history(released.record, 2)["event"] == "released"
        assert history(released.record, 2)["actor"] == who
        assert answer(claim("bob", 7), released.record).status == "SUCCESS"


def test_a_release_of_an_open_task_opens_it_again_and_of_one_users_task_is_refused() -> None:
    opened = closed_by(release("eve"), closed_by(claim("eve"), task()))
    assert answer(finish("bob"), opened).status == "PROCEEDED"
    for alone in (task(taskUser="ann"), closed_by(claim("ann"), task(taskUser="ann"))):
        refused = answer(release("ann"), alone)
        assert code(refused) == NOBODY_TO_RETURN_TO
    unowned = answer(release(ADMIN), task(taskRoles="manager"))
    assert (unowned.status, unowned.record) == ("SUCCESS", None)
    both = closed_by(release("ann"), task(taskUser="ann", taskRoles="manager"))
    assert (both.ownership.user, both.ownership.roles) == (None, ("manager",)), "the preference is gone"


def test_an_admin_assigns_and_what_is_left_out_stays() -> None:
    opened = task(taskRoles="manager")
    assert code(answer(assign("ann", user="bob"), opened)) == FORBIDDEN
    given = answer(assign(user="eve"), opened)
    assert (told(given)["owner"], told(given)["user"], told(given)["roles"]) == ("eve", "eve", ["manager"])
    assert given.record is not None
    assert code(answer(finish("bob"), given.record)) == OWNED_BY_ANOTHER
    assert answer(finish("eve"), given.record).status == "PROCEEDED", "who has it may finish it"
    moved = answer(assign(number=2, roles="clerk, manager", override=True), given.record)
    assert (told(moved)["owner"], told(moved)["roles"]) == ("eve", ["clerk", "manager"])
    cleared = answer(assign(number=3, user=None, override=True), given.record)
    assert (told(cleared)["owner"], told(cleared)["status"]) == (None, "UNASSIGNED")


def test_an_assignment_needs_override_where_somebody_has_the_task_firmly() -> None:
    claimed = closed_by(claim("ann"), task(taskRoles="manager"))
    refused = answer(assign(user="bob"), claimed)
    assert code(refused) == OWNED_BY_ANOTHER
    assert "override" in reply(refused).result["error"]["message"]
    given = closed_by(assign(user="bob", override=True), claimed)
    assert given.life is not None
    assert (given.ownership.owner, given.life.epoch) == ("bob", 2)
    assert closed_by(assign(user="bob"), task(taskUser="ann")).ownership.owner == "bob"


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({}, PARAMETER_MISSING),
        ({"user": None}, PARAMETER_MISSING),
        ({"user": " "}, PARAMETER_MISSING),
        ({"user": None, "roles": []}, PARAMETER_MISSING),
        ({"roles": ","}, PARAMETER_MISSING),
        ({"roles": ""}, PARAMETER_MISSING),
        ({"user": {}}, NOT_CONVERTIBLE),
        ({"roles": [1]}, NOT_CONVERTIBLE),
    ],
)
def test_an_assignment_to_nobody_is_refused(values: dict[str, Any], wanted: int) -> None:
    request = {"id": "assign", **person(ADMIN)}
    sent = envelope("AssignTask", request=request, wrong_meta={"parameters": values})
    assert code(answer(incoming(sent, offset=201), task(taskUser="ann"))) == wanted


def test_another_version_than_the_sender_has_seen_is_refused() -> None:
    opened = task(taskRoles="manager")
    seen = f"1;{opened.state.source}"
    claimed = closed_by(claim("ann", ifVersion=seen), opened)
    assert code(answer(release("ann", ifVersion=seen), claimed)) == OTHER_VERSION
    assert code(answer(finish("ann", ifVersion=seen), claimed)) == OTHER_VERSION
    now = f"2;{opened.state.source}"
    assert answer(finish("ann", ifVersion=now), claimed).status == "PROCEEDED"
    plain = proceed(payload={"taskId": "task-1", "ifVersion": "a field of the saga"})
    assert answer(plain, task()).status == "PROCEEDED", "a plain saga's payload changes nothing"
    assert code(answer(claim("bob", 3, ifVersion=seen), claimed)) == OWNED_BY_ANOTHER, "that comes first"


def test_a_repeat_comes_before_state_rights_and_version() -> None:
    opened = task(taskRoles="manager")
    one = claim("ann", ifVersion=f"1;{opened.state.source}")
    given = closed_by(assign(user="bob", override=True), closed_by(one, opened))
    repeated = answer(again(one), given)
    assert (told(repeated)["owner"], repeated.record) == ("bob", None), "the task as it is now"
    ended = closed_by(finish("bob"), given)
    assert answer(again(one), ended).status == "SUCCESS"
    assert code(answer(claim("ann", 9), ended)) == TASK_PROCEEDED


def test_a_domain_may_let_whoever_is_eligible_complete() -> None:
    shared = {"domain": "shared"}
    opened = started(start(meta=shared, taskRoles="manager"))
    claimed = closed_by(claim("ann", meta=shared), opened)
    assert answer(finish("bob", meta=shared), claimed).status == "PROCEEDED"
    assert code(answer(finish("eve", meta=shared), claimed)) == FORBIDDEN


def test_without_an_admin_role_nobody_is_admin() -> None:
    brief = {"domain": "brief"}
    opened = started(start(meta=brief, taskRoles="manager"))
    refused = answer(assign(meta=brief, user="bob"), opened)
    assert code(refused) == FORBIDDEN
    assert "adminRole" in reply(refused).result["error"]["message"]
