"""What a domain may ask of those who start tasks and time them out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from runner.actions.incoming import Incoming
from runner.actions.plan import ImmediateAnswer, PeriodPlan
from runner.actions.policy import DomainPolicy, Policy
from runner.errors import FORBIDDEN, PARAMETER_MISSING, TASK_NOT_FOUND
from tests.unit.actions.events import (
    POLICY,
    answer,
    code,
    envelope,
    incoming,
    planned,
    reply,
    start,
    started,
    timeout,
)

SYSTEM: Final = {"claims": {"sub": "engine", "roles": ["system"]}}
ROOT: Final = {"claims": {"sub": "root", "roles": ["admin"]}}
EVE: Final = {"claims": {"sub": "eve", "roles": ["clerk"]}}


def policy(**rules: Any) -> Policy:
    orders = DomainPolicy(admin_role="admin", **rules)
    return replace(POLICY, domains={"orders": orders, "shop": DomainPolicy()})


STRICT: Final = policy(start_roles=frozenset({"system"}), timeout_roles=frozenset({"system", "night"}))


def test_a_domain_says_who_starts_tasks() -> None:
    refused = answer(start(request={"id": "req-1", **EVE}), policy=STRICT)
    assert code(refused) == FORBIDDEN
    assert reply(refused).result["error"]["message"] == (
        "caller eve (roles: clerk) may not start tasks of this domain; it takes one of system"
    )
    for person in (SYSTEM, ROOT):
        assert started(start(request={"id": "req-1", **person}), policy=STRICT).is_open


def test_a_domain_says_who_times_tasks_out() -> None:
    record = started()
    refused = answer(timeout(request=EVE), record, policy=STRICT)
    assert (code(refused), refused.record) == (FORBIDDEN, None)
    for person in (SYSTEM, ROOT):
        assert answer(timeout(request=person), record, policy=STRICT).status == "TIMEOUT"
    assert code(answer(timeout(request=EVE), None, policy=STRICT)) == TASK_NOT_FOUND, "the state comes first"


def between(person: dict[str, Any], **meta: Any) -> Incoming:
    return incoming(envelope("TimeoutBetween", request={"id": "req-7", **person}, meta=meta))


def domains(one: Incoming, asked: Policy) -> tuple[str, ...] | int:
    plan = planned(one, asked)
    if isinstance(plan, ImmediateAnswer):
        assert plan.error is not None
        return plan.error.code
    assert isinstance(plan, PeriodPlan)
    return plan.domains


def test_a_pass_leaves_out_the_domains_whose_role_the_caller_lacks() -> None:
    assert domains(between(SYSTEM, domain=None), STRICT) == ("orders", "shop")
    assert domains(between(ROOT, domain=None), STRICT) == ("orders", "shop")
    assert domains(between(EVE, domain=None), STRICT) == ("shop",)
    assert domains(between(EVE, domain="orders"), STRICT) == FORBIDDEN
    assert domains(between(EVE, domain="shop"), STRICT) == ("shop",)
    closed = replace(STRICT, domains={"orders": STRICT.domains["orders"]})
    assert domains(between(EVE, domain=None), closed) == FORBIDDEN


@pytest.mark.parametrize("named", [{"taskUser": "ann"}, {"taskRoles": "manager"}])
def test_a_domain_may_want_an_owner_from_the_start(named: dict[str, Any]) -> None:
    asked = policy(requires_owner=True)
    refused = answer(start(), policy=asked)
    assert (code(refused), refused.record) == (PARAMETER_MISSING, None)
    assert started(start(**named), policy=asked).is_open
