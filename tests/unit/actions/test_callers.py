"""Who may proceed (docs/protocol.md, "Who the caller is")."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runner.actions.decision import Decision
from runner.errors import FORBIDDEN
from tests.unit.actions.events import POLICY, answer, code, failure, proceed, start, started


def attempt(
    request: dict[str, Any],
    *,
    task: dict[str, Any],
    domain: str = "orders",
    user: Any = None,
    policy: Any = POLICY,
) -> Decision:
    """A ProceedTask of a caller on a task; ``user`` is what the payload claims."""
    record = started(start(meta={"domain": domain}, **task), policy=policy)
    payload = {"taskId": "task-1"} if user is None else {"taskId": "task-1", "user": user}
    one = proceed(meta={"domain": domain}, request=request, payload=payload)
    return answer(one, record, policy=policy)


def may(request: dict[str, Any], **how: Any) -> bool:
    decision = attempt(request, **how)
    if decision.status == "PROCEEDED":
        return True
    assert code(decision) == FORBIDDEN
    return False


ANN = {"taskUser": "ann"}
BOSSES = {"taskRoles": "manager, director"}
BOTH = {**ANN, **BOSSES}


# If the task has a user or roles: the user matches, or any role matches, else 14/403.


@pytest.mark.parametrize("task", [{}, {"taskRoles": ""}, {"taskUser": "", "taskRoles": []}])
def test_a_task_without_user_and_roles_is_open_to_anyone(task: dict[str, Any]) -> None:
    assert may({}, task=task)


@pytest.mark.parametrize(
    ("claims", "task", "allowed"),
    [
        ({"sub": "ann"}, ANN, True),
        ({"sub": "bob"}, ANN, False),
        ({"sub": "Ann"}, ANN, False),
        ({"sub": "ann", "roles": []}, ANN, True),
        ({"roles": ["ann"]}, ANN, False),
        ({"roles": ["director"]}, BOSSES, True),
        ({"roles": ["clerk", " manager "]}, BOSSES, True),
        ({"roles": "clerk, manager"}, BOSSES, True),
        ({"roles": ["clerk"]}, BOSSES, False),
        ({"roles": ["manager, director"]}, BOSSES, False),
        ({"roles": ["Manager"]}, BOSSES, False),
        ({"roles": []}, BOSSES, False),
        ({"sub": "manager"}, BOSSES, False),
        ({"roles": [" ", "", "\u00a0", ","]}, {"taskRoles": "a b"}, False),
        ({"sub": "ann", "roles": ["clerk"]}, BOTH, True),
        ({"sub": "bob", "roles": ["director"]}, BOTH, True),
        ({"sub": "bob", "roles": ["clerk"]}, BOTH, False),
        ({}, BOTH, False),
    ],
)
def test_the_user_matches_or_any_role_matches(
    claims: dict[str, Any], task: dict[str, Any], allowed: bool
) -> None:
    assert may({"claims": claims}, task=task) is allowed


@pytest.mark.parametrize(
    "claims",
    [
        None,
        "manager",
        7,
        ["manager"],
        {"roles": {"manager": True}},
        {"roles": 7},
        {"roles": True},
        {"roles": [None, 1, ["manager"], {"manager": 1}, ""]},
        {"sub": {"ann": 1}},
        {"sub": True},
        {"sub": ""},
        {"sub": ["ann"]},
    ],
)
def test_claims_of_any_other_shape_are_no_claims(claims: Any) -> None:
    assert not may({"claims": claims}, task=BOTH)


@pytest.mark.parametrize("claimed", [True, ["ann"], {"a": 1}])
def test_a_user_id_of_another_kind_is_not_its_text(claimed: Any) -> None:
    assert not may({"claims": {"sub": claimed}}, task={"taskUser": str(claimed)})


def test_a_user_id_that_is_a_number_is_its_text() -> None:
    assert may({"claims": {"sub": 7}}, task={"taskUser": "7"})
    assert may({"claims": {"sub": "7"}}, task={"taskUser": 7})


def test_the_refusal_names_caller_and_what_the_task_waits_for() -> None:
    error = failure(attempt({"claims": {"sub": "bob", "roles": ["clerk"]}}, task=BOTH))
    assert (error["code"], error["http"]) == (FORBIDDEN, 403)
    for said in ("bob", "clerk", "ann", "manager", "director"):
        assert said in error["message"]
    assert "role" not in failure(attempt({"claims": {"sub": "bob"}}, task=ANN))["message"].split(";")[1]
    assert "user" not in failure(attempt({"claims": {"sub": "bob"}}, task=BOSSES))["message"].split(";")[1]


def test_the_refusal_stays_short_whatever_is_claimed() -> None:
    crowd = [f"role-{number}" for number in range(50_000)]
    request = {"claims": {"sub": "x" * 50_000, "roles": crowd}}
    error = failure(attempt(request, task={"taskRoles": [f"boss-{number}" for number in range(5_000)]}))
    assert len(error["message"]) < 1000


# The caller's id and roles come from requestMeta only.


@pytest.mark.parametrize(
    "forged",
    [
        {"id": "ann", "roles": ["manager"]},
        {"id": "ann"},
        {"roles": "manager"},
        {"claims": {"sub": "ann", "roles": ["manager"]}},
    ],
)
@pytest.mark.parametrize("claims", [None, {}, {"sub": "bob", "roles": ["clerk"]}])
def test_a_forged_payload_user_is_nobody(forged: dict[str, Any], claims: Any) -> None:
    assert not may({"claims": claims}, task=BOTH, user=forged)


def test_the_user_is_claims_sub_and_then_origin_id() -> None:
    assert may({"origin": {"id": "ann", "system": "web"}}, task=ANN)
    assert may({"claims": {"sub": None}, "origin": {"id": "ann"}}, task=ANN)
    assert not may({"claims": {"sub": "bob"}, "origin": {"id": "ann"}}, task=ANN)
    assert not may({"origin": {"roles": ["manager"]}}, task=BOSSES)


def test_where_user_and_roles_stand_is_a_setting_in_jmespath() -> None:
    policy = replace(
        POLICY,
        caller_user=("requestMeta.token.name", "requestMeta.claims.sub"),
        caller_roles=("requestMeta.claims.groups[?active].name", "requestMeta.claims.roles"),
    )
    groups = [{"name": "manager", "active": True}, {"name": "director", "active": False}]
    assert may({"token": {"name": "ann"}}, task=ANN, policy=policy)
    assert may({"claims": {"groups": groups}}, task={"taskRoles": "manager"}, policy=policy)
    assert not may({"claims": {"groups": groups}}, task={"taskRoles": "director"}, policy=policy)
    assert may({"claims": {"roles": ["director"]}}, task={"taskRoles": "director"}, policy=policy)


def test_no_setting_reaches_beyond_request_meta() -> None:
    policy = replace(
        POLICY, caller_user=("payload.user.id",), caller_roles=("payload.user.roles", "@.payload")
    )
    assert not may({}, task=BOTH, user={"id": "ann", "roles": ["manager"]}, policy=policy)


@pytest.mark.parametrize(
    "failing",
    [
        "join(',', requestMeta.claims.groups)",
        "split(requestMeta.claims.scope, ' ')",
        "keys(requestMeta.claims.realm)",
        "length(requestMeta.claims.realm)",
        "[requestMeta.claims.sub, to_upper(requestMeta.claims.team)]",
        "uuid()",
    ],
)
def test_a_setting_that_fails_says_nothing_of_who_the_caller_is(failing: str) -> None:
    policy = replace(
        POLICY,
        caller_user=(failing, *POLICY.caller_user),
        caller_roles=(failing, *POLICY.caller_roles),
    )
    assert may({"claims": {"sub": "ann"}}, task=ANN, policy=policy)
    assert may({"claims": {"roles": ["manager"]}}, task=BOSSES, policy=policy)
    assert not may({"claims": {"sub": "bob", "roles": ["clerk"]}}, task=BOTH, policy=policy)
    only = replace(POLICY, caller_user=(failing,), caller_roles=(failing,))
    assert not may({"claims": {"sub": "ann", "roles": ["manager"]}}, task=BOTH, policy=only)
    trusted = {"domain": "trusting", "user": {"id": "ann"}, "policy": only}
    assert may({}, task=ANN, **trusted)


def test_a_setting_says_what_it_can_of_those_who_have_the_claim() -> None:
    policy = replace(POLICY, caller_roles=("split(requestMeta.claims.scope, ' ')",))
    assert may({"claims": {"scope": "clerk manager"}}, task=BOSSES, policy=policy)
    assert not may({"claims": {"scope": 5}}, task=BOSSES, policy=policy)


# A domain may set trustPayload to read payload.user where requestMeta names neither user nor roles.


@pytest.mark.parametrize(
    ("request_meta", "user", "allowed"),
    [
        ({}, {"id": "ann"}, True),
        ({}, {"roles": ["director"]}, True),
        ({}, {"roles": "clerk, director"}, True),
        ({}, {"id": "bob", "roles": ["clerk"]}, False),
        ({}, "ann", False),
        ({}, ["manager"], False),
        ({}, {}, False),
        ({"claims": {"roles": None}}, {"roles": ["director"]}, True),
        # an empty list is not absent
        ({"claims": {"roles": []}}, {"roles": ["director"]}, False),
        ({"claims": {"roles": ["clerk"]}}, {"roles": ["director"]}, False),
        ({"claims": {"roles": 7}}, {"roles": ["director"]}, False),
        ({"claims": {"sub": "bob"}}, {"id": "ann"}, False),
        ({"claims": {"sub": ""}}, {"id": "ann"}, False),
        ({"origin": {"id": "bob"}}, {"id": "ann"}, False),
        # as a whole, and only where neither is named
        ({"claims": {"sub": "bob"}}, {"roles": ["director"]}, False),
        ({"claims": {"sub": "bob"}}, {"id": "bob", "roles": ["director"]}, False),
        ({"origin": {"id": "bob"}}, {"roles": ["director"]}, False),
        ({"claims": {"roles": ["clerk"]}}, {"id": "ann"}, False),
        ({"claims": {"roles": []}}, {"id": "ann"}, False),
        ({"claims": {"sub": None, "roles": None}}, {"id": "bob", "roles": ["director"]}, True),
    ],
)
def test_trust_payload_reads_payload_user_only_where_request_meta_names_nobody(
    request_meta: dict[str, Any], user: Any, allowed: bool
) -> None:
    assert may(request_meta, task=BOTH, domain="trusting", user=user) is allowed


def test_trust_payload_holds_for_its_domain_alone() -> None:
    user = {"id": "ann", "roles": ["manager"]}
    assert may({}, task=BOTH, domain="trusting", user=user)
    assert not may({}, task=BOTH, domain="orders", user=user)
    assert not may({}, task=BOTH, domain="brief", user=user)


# The check can be turned off per domain.


def test_the_check_can_be_turned_off_per_domain() -> None:
    assert may({}, task=BOTH, domain="unchecked")
    assert may({"claims": {"roles": ["clerk"]}}, task=BOTH, domain="unchecked")
    assert not may({}, task=BOTH, domain="orders")
