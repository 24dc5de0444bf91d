"""Claims become a caller as the configuration says; nothing in a token widens what it says."""

from __future__ import annotations

from typing import Any, Final

import pytest

from runner.projection.sight import Viewer
from runner.web.callers import Caller, Unauthenticated
from runner.web.claims import LONGEST_NAME, ClaimRules
from tests.unit.web.tokens import NOW, RULES, claims, reading

TENANTS: Final = {
    "acme": frozenset({"orders"}),
    "bolt": frozenset({"bills", "others"}),
    "far": frozenset({"z"}),
}
NARROWED: Final = reading(tenant_claim="org", tenants=TENANTS)


def caller(how: ClaimRules | None = None, **changed: Any) -> Caller:
    return (how or reading()).caller(claims(**changed), NOW + 300.0, RULES)


def refusal(how: ClaimRules | None = None, **changed: Any) -> tuple[int, str]:
    with pytest.raises(Unauthenticated) as refused:
        caller(how, **changed)
    return refused.value.status, refused.value.detail.removeprefix("the token is not accepted: ")


def test_the_usual_claims_are_a_caller() -> None:
    assert caller() == Caller(
        user="ann",
        name="ann",
        roles=frozenset({"clerk"}),
        domains=frozenset({"orders", "bills"}),
        tenant="staff",
        issuer="staff",
        viewer=Viewer(
            "ann", frozenset({"clerk"}), frozenset({"orders", "bills"}), frozenset(), frozenset({"bills"})
        ),
        expires_at=NOW + 300.0,
    )


def test_where_the_claims_stand_is_said_in_the_configuration() -> None:
    how = reading(user="preferred_username", roles="resource_access.tasks.roles[]", user_prefix="staff:")
    found = caller(
        how, preferred_username="bob", resource_access={"tasks": {"roles": ["a", "b"]}}, name="Bob B."
    )
    assert (found.user, found.name, {*found.roles}) == ("staff:bob", "Bob B.", {"a", "b"})
    assert found.viewer.user == "staff:bob"


@pytest.mark.parametrize(
    ("roles", "read"),
    [
        (["a", "b", "a"], {"a", "b"}),
        ([" a ", ""], {"a"}),
        (["a,b"], {"a,b"}),
        ("a, b,,", {"a", "b"}),
        ("", set()),
        ([], set()),
        (None, set()),
    ],
)
def test_roles_are_a_list_or_comma_separated(roles: Any, read: set[str]) -> None:
    assert caller(roles=roles).roles == read


@pytest.mark.parametrize(
    "roles",
    [1, True, {"a": 1}, ["a", 1], [["a"]], ["a", None], ["a\0"], ["x" * (LONGEST_NAME + 1)], [{"name": "a"}]],
)
def test_roles_that_are_something_else_are_refused_as_a_whole(roles: Any) -> None:
    assert refusal(roles=roles) == (401, "its roles are no list of names")


@pytest.mark.parametrize(
    "sub", [None, "", "  ", 42, ["ann"], {"a": 1}, True, "a\nb", "a\0", "x" * 257, "\u202eann"]
)
def test_a_user_is_a_name_and_nothing_else_is_taken_for_one(sub: Any) -> None:
    assert refusal(sub=sub, preferred_username="ann", email="ann@example.com") == (401, "it names no user")


def test_an_expression_that_fails_finds_nobody() -> None:
    assert refusal(reading(user="length(exp)")) == (401, "it names no user")


def test_only_the_admin_role_of_a_domain_makes_an_admin_of_it() -> None:
    assert caller(roles=["boss"]).viewer.admin_of == {"orders"}
    assert caller(roles=["None", "null", ""]).viewer.admin_of == frozenset()
    assert caller(reading(domains=frozenset({"bills"})), roles=["boss"]).viewer.admin_of == frozenset()


def test_a_user_of_one_issuer_is_never_one_of_another() -> None:
    plain = reading(other_prefixes=frozenset({"p:"}))
    assert caller(plain, sub="ann").user == "ann"
    assert caller(plain, sub="p").user == "p"
    assert refusal(plain, sub="p:ann") == (
        403,
        "the user id of this token begins like those of another issuer",
    )
    assert caller(reading(user_prefix="p:"), sub="ann").user == "p:ann"


@pytest.mark.parametrize(("org", "domains"), [("acme", {"orders"}), ("bolt", {"bills"})])
def test_a_tenant_narrows_and_never_widens(org: str, domains: set[str]) -> None:
    found = caller(NARROWED, org=org, domains=["others"])
    assert (found.tenant, {*found.domains}, {*found.viewer.domains}) == (org, domains, domains)


@pytest.mark.parametrize(
    "org", [None, "", "nobody", "far", ["acme"], ["acme", "bolt"], {"acme": 1}, 1, True, "ACME"]
)
def test_a_token_without_a_tenant_that_counts_reaches_nothing(org: Any) -> None:
    assert refusal(NARROWED, org=org) == (403, "this token names no tenant that its issuer may speak for")


def test_a_tenant_of_an_issuer_without_tenants_is_its_own() -> None:
    assert caller(reading(tenant="acme"), tenant="bolt", org="bolt").tenant == "acme"
