"""Whom the HTTP API believes, by the configuration, and with what it does not start."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from starlette.datastructures import Headers

from runner.cli.wiring.web_callers import OF_NEW_TASKS, build_authenticator, check_web_settings
from runner.config import Config, ConfigError, load
from runner.web.callers import Unauthenticated
from tests.servers.token_issuer import TokenIssuer, running_issuer

SCHEMAS: Final = Path(__file__).parents[3] / "schemas" / "event-meta"
ISSUER: Final = {"issuer": "https://login.example.com", "audience": "tasks", "domains": ["default"]}
WEB: Final = {"web": {"issuers": {"staff": ISSUER}}}


def loaded(tmp_path: Path, settings: dict[str, Any]) -> Config:
    file = tmp_path / "runner.yaml"
    file.write_text(yaml.safe_dump(settings, sort_keys=False))
    return load(file, {})


def problems(tmp_path: Path, settings: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        check_web_settings(loaded(tmp_path, WEB | settings))
    return [f"{each.key} {each.what}; {each.remedy}" for each in refused.value.problems]


def test_a_configuration_with_an_issuer_will_do(tmp_path: Path) -> None:
    check_web_settings(loaded(tmp_path, WEB))
    check_web_settings(loaded(tmp_path, {"web": {"auth": "none", "users": {"ann": []}}}))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    assert problems(tmp_path, {"web": {}, "topics": {"tasks": None, "replies": None}}) == [
        "web.issuers is empty; name who says who callers are; docs/api.md shows how",
        "topics.replies is null, but answers to commands come from there; name a topic",
        "topics.tasks is null, but lists are made of it; name a topic",
    ]


@pytest.mark.parametrize(
    ("meta", "key"),
    [
        ({"domain": {"override": "default"}}, "meta.domain.override"),
        ({"handler": {"override": "x"}}, "meta.handler.override"),
        ({"action": {"override": "ProceedTask"}}, "meta.action.override"),
        ({"responseStream": {"override": "responses"}}, "meta.responseStream.override"),
        ({"requestTime": {"override": 1}}, "meta.requestTime.override"),
        ({"inputElement": {"override": "x"}}, "meta.inputElement.override"),
        ({"inputElement": {"default": "x"}}, "meta.inputElement.default"),
        ({"outputElement": {"default": "x"}}, "meta.outputElement.default"),
        ({"version": {"default": 1}}, "meta.version.default"),
        ({"deployments": {"default": "x"}}, "meta.deployments.default"),
        ({"parameters": {"taskRoles": {"override": "clerk"}}}, "meta.parameters.taskRoles.override"),
        ({"parameters": {"any": {"override": None}}}, "meta.parameters.any.override"),
        ({"parameters": {"taskId": {"default": "x"}}}, "meta.parameters.taskId.default"),
        ({"parameters": {"override": {"default": True}}}, "meta.parameters.override.default"),
        ({"parameters": {"timeout": {"default": 1000}}}, "meta.parameters.timeout.default"),
        ({"parameters": {"outcome": {"default": "approve"}}}, "meta.parameters.outcome.default"),
    ],
)
def test_no_rule_makes_another_command_of_what_a_caller_asked_for(
    tmp_path: Path, meta: dict[str, Any], key: str
) -> None:
    [problem] = problems(tmp_path, {"meta": meta})
    what = "would change what is asked for over HTTP, whatever a caller says"
    assert problem == f"{key} {what}; remove it, and set it in the events of your sagas instead"


@pytest.mark.parametrize(
    "meta",
    [
        {"domain": {"default": "default"}, "handler": {"default": "user-task"}},
        {"costCentre": {"override": "7"}, "note": {"default": "x"}},
        {"parameters": {"taskRoles": {"default": "clerk"}, "taskName": {"default": "Look"}}},
    ],
)
def test_a_rule_that_changes_nothing_of_a_command_will_do(tmp_path: Path, meta: dict[str, Any]) -> None:
    check_web_settings(loaded(tmp_path, WEB | {"meta": meta}))


def test_a_default_is_for_new_tasks_alone() -> None:
    read = {}
    for file in SCHEMAS.glob("*.schema.json"):
        parameters = json.loads(file.read_text())["properties"]["parameters"]["properties"]
        read[file.name.partition(".")[0]] = set(parameters)
    others = set[str]().union(*(names for action, names in read.items() if action != "StartTask"))
    assert read["StartTask"] - others == OF_NEW_TASKS


@pytest.mark.parametrize(
    ("caller", "said"),
    [
        ({"user": ["requestMeta.origin.id"]}, "caller.user does not give requestMeta.claims.sub"),
        ({"user": ["requestMeta.channel", "requestMeta.claims.sub"]}, "caller.user does not give"),
        ({"user": ["requestMeta.claims.email"]}, "caller.user does not give requestMeta.claims.sub"),
        ({"roles": ["requestMeta.claims.groups"]}, "caller.roles does not give requestMeta.claims.roles"),
        ({"roles": ["['boss']", "requestMeta.claims.roles"]}, "caller.roles does not give"),
        ({"user": ["nosuch(@)"]}, "caller.user does not give requestMeta.claims.sub"),
    ],
)
def test_the_worker_has_to_find_the_caller_where_the_api_puts_it(
    tmp_path: Path, caller: dict[str, Any], said: str
) -> None:
    [problem] = problems(tmp_path, {"caller": caller})
    assert problem.startswith(said)


def test_more_places_of_a_caller_will_do_where_the_api_writes_nothing(tmp_path: Path) -> None:
    caller = {
        "user": ["requestMeta.claims.email", "requestMeta.claims.sub"],
        "roles": ["requestMeta.claims.roles"],
    }
    check_web_settings(loaded(tmp_path, WEB | {"caller": caller}))


def asked(config: Config, text: str) -> Any:
    return asyncio.run(build_authenticator(config).of(Headers({"authorization": f"Bearer {text}"})))


def trusting(issuer: TokenIssuer, **more: Any) -> dict[str, Any]:
    return {"issuer": issuer.url, "audience": "tasks", "domains": ["orders", "bills"], **more}


DOMAINS: Final = {"orders": {"adminRole": "boss"}, "bills": {"starterSees": True}, "others": {}}


def test_every_setting_of_an_issuer_counts(tmp_path: Path) -> None:
    with running_issuer() as issuer:
        more = {
            "userPrefix": "s:",
            "userClaim": "email",
            "rolesClaim": "realm.roles",
            "tenantClaim": "org",
            "jwksUrl": f"{issuer.url}/keys",
        }
        web = {"issuers": {"staff": trusting(issuer, **more)}, "tenants": {"acme": ["orders", "others"]}}
        config = loaded(tmp_path, {"domains": DOMAINS, "web": web})
        token = issuer.token(email="ann@example.com", realm={"roles": ["boss"]}, org="acme", name="Ann")
        caller = asked(config, token)
        assert (caller.user, caller.name, caller.tenant) == ("s:ann@example.com", "Ann", "acme")
        assert (caller.domains, caller.viewer.admin_of) == (frozenset({"orders"}), frozenset({"orders"}))
        assert issuer.asked == ["/keys"], "no discovery where the address is given"
        with pytest.raises(Unauthenticated, match="no tenant"):
            asked(config, issuer.token(email="ann@example.com", org="bolt"))


def test_by_default_the_keys_are_found_by_discovery(tmp_path: Path) -> None:
    with running_issuer() as issuer:
        config = loaded(tmp_path, {"domains": DOMAINS, "web": {"issuers": {"staff": trusting(issuer)}}})
        caller = asked(config, issuer.token())
        assert (caller.user, caller.tenant, caller.issuer) == ("ann", "staff", "staff")
        assert caller.viewer.starter_in == {"bills"}
        assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


def test_a_user_with_the_prefix_of_another_issuer_is_theirs(tmp_path: Path) -> None:
    with running_issuer() as staff, running_issuer() as partners:
        issuers = {
            "staff": trusting(staff),
            "partners": trusting(partners, userPrefix="p:", domains=["bills"]),
        }
        config = loaded(tmp_path, {"domains": DOMAINS, "web": {"issuers": issuers}})
        assert asked(config, partners.token()).user == "p:ann"
        with pytest.raises(Unauthenticated, match="another issuer"):
            asked(config, staff.token(sub="p:ann"))


def test_users_without_tokens_reach_every_domain(tmp_path: Path) -> None:
    web = {"auth": "none", "users": {"ann": ["boss"]}}
    caller = asked(loaded(tmp_path, {"domains": DOMAINS, "web": web}), "ann")
    assert (caller.domains, caller.viewer.admin_of) == (frozenset(DOMAINS), frozenset({"orders"}))
