"""Settings about people: who may say who callers are, and where lists are kept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from runner.config import Config, ConfigError, load
from runner.config.schema import json_schema
from runner.config.schema_tree import schema_tree
from runner.config.web_values import is_loopback

ROOT: Final = Path(__file__).parents[2]
SECRET: Final = "hunter2"
STAFF: Final = {"issuer": "https://login.example.com/staff", "audience": "tasks", "domains": ["default"]}
PARTNERS: Final = STAFF | {"issuer": "https://partners.example.com"}


def loaded(tmp_path: Path, settings: dict[str, Any]) -> Config:
    file = tmp_path / "runner.yaml"
    file.write_text(yaml.safe_dump(settings, sort_keys=False))
    return load(file, {})


def problems(tmp_path: Path, settings: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, settings)
    return [f"{each.key} {each.what}; {each.remedy}" for each in refused.value.problems]


def test_an_issuer_needs_a_name_an_audience_and_domains_and_no_more(tmp_path: Path) -> None:
    [issuer] = loaded(tmp_path, {"web": {"issuers": {"staff": STAFF}}}).web.issuers.values()
    assert (issuer.algorithms, issuer.user_claim, issuer.roles_claim) == (("RS256", "ES256"), "sub", "roles")
    assert (issuer.tenant, issuer.tenant_claim, issuer.user_prefix) == (None, None, "")
    assert problems(tmp_path, {"web": {"issuers": {"staff": {}}}}) == [
        f"web.issuers.staff.{name} is missing; set it" for name in ("issuer", "audience", "domains")
    ]


def test_the_example_in_the_file_names_every_setting_and_can_be_used(tmp_path: Path) -> None:
    text = (ROOT / "config" / "runner.yaml").read_text(encoding="utf-8")
    block = re.search(r"^  #   issuers:\n(?:  #.*\n)+", text, re.MULTILINE)
    assert block is not None
    example = yaml.safe_load(re.sub("^  #", "", block[0], flags=re.MULTILINE))
    [settings] = example["issuers"].values()
    described = json_schema()["$defs"]["Issuer"]["properties"]
    assert set(settings) == set(described)
    told = " ".join(block[0].replace("#", "").split())
    assert [each["description"] for each in described.values() if each["description"] not in told] == []
    assert loaded(tmp_path, {"web": example | {"tenants": {"acme": ["default"]}}}).web.issuers


def test_a_setting_of_an_issuer_may_come_from_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "runner.yaml"
    file.write_text(yaml.safe_dump({"web": {"issuers": {"staff": STAFF}}}))
    env = {"RUNNER_WEB__ISSUERS__STAFF__JWKSURL": "http://127.0.0.1:1/keys", "RUNNER_WEB__PORT": "0"}
    web = load(file, env).web
    assert (web.issuers["staff"].jwks_url, web.port) == ("http://127.0.0.1:1/keys", 0)


@pytest.mark.parametrize(
    ("issuer", "said"),
    [
        ({"issuer": "http://login.example.com"}, "web.issuers.staff.issuer is no address of an issuer"),
        ({"issuer": "https://a:b@login.example.com"}, "web.issuers.staff.issuer is no address"),
        ({"issuer": "https://login.example.com?x=1"}, "web.issuers.staff.issuer is no address"),
        ({"issuer": "staff"}, "web.issuers.staff.issuer is no address of an issuer"),
        ({"jwksUrl": "http://10.0.0.1/keys"}, "web.issuers.staff.jwksUrl is no address of keys"),
        ({"jwksUrl": "file:///keys.json"}, "web.issuers.staff.jwksUrl is no address of keys"),
        ({"algorithms": ["none"]}, "web.issuers.staff.algorithms[0] must be RS256 or"),
        ({"algorithms": ["HS256"]}, "web.issuers.staff.algorithms[0] must be RS256 or"),
        ({"algorithms": []}, "web.issuers.staff.algorithms must not be empty"),
        ({"domains": []}, "web.issuers.staff.domains must not be empty"),
        ({"audience": " "}, "web.issuers.staff.audience is blank"),
        ({"userClaim": "a..b"}, "web.issuers.staff.userClaim is no JMESPath expression"),
        (
            {"domains": ["default", "nowhere"]},
            "web.issuers.staff.domains names nowhere, not one of domains; use default",
        ),
        (
            {"tenantClaim": "org"},
            "web.issuers.staff.tenantClaim is set, but there are no tenants to choose from; set web.tenants",
        ),
    ],
)
def test_an_issuer_that_cannot_be_trusted_is_refused(
    tmp_path: Path, issuer: dict[str, Any], said: str
) -> None:
    [problem] = problems(tmp_path, {"web": {"issuers": {"staff": STAFF | issuer}}})
    assert problem.startswith(said)


def test_a_caller_belongs_to_one_tenant(tmp_path: Path) -> None:
    both = {
        "issuers": {"staff": STAFF | {"tenant": "a", "tenantClaim": "org"}},
        "tenants": {"a": ["default"]},
    }
    assert problems(tmp_path, {"web": both}) == [
        "web.issuers.staff.tenant is set, and tenantClaim as well; keep one of them"
    ]


def test_the_domains_of_a_tenant_exist(tmp_path: Path) -> None:
    assert problems(tmp_path, {"web": {"tenants": {"acme": ["default", "other"]}}}) == [
        "web.tenants.acme names other, not one of domains; use default"
    ]


def test_two_issuers_that_share_a_domain_and_a_prefix_are_refused(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, {"web": {"issuers": {"staff": STAFF, "partners": PARTNERS}}})
    assert problem == (
        "web.issuers.partners.userPrefix is '', as is web.issuers.staff.userPrefix, and both reach domain "
        "default: a user of one could act as a user of the other; give each a prefix of its own"
    )


def test_two_issuers_may_share_a_domain_or_a_prefix(tmp_path: Path) -> None:
    prefixed = {"staff": STAFF, "partners": PARTNERS | {"userPrefix": "p:"}}
    apart = {"staff": STAFF, "partners": PARTNERS | {"domains": ["other"]}}
    assert loaded(tmp_path, {"web": {"issuers": prefixed}}).web.issuers
    assert loaded(tmp_path, {"web": {"issuers": apart}, "domains": {"default": {}, "other": {}}}).web.issuers


def test_a_token_has_one_meaning(tmp_path: Path) -> None:
    twice = {"staff": STAFF, "again": STAFF | {"userPrefix": "a:"}}
    [problem] = problems(tmp_path, {"web": {"issuers": twice}})
    assert problem.startswith(
        "web.issuers.again.issuer is https://login.example.com/staff, as is web.issuers."
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_without_tokens_callers_choose_who_they_are_on_loopback(tmp_path: Path, host: str) -> None:
    web = loaded(tmp_path, {"web": {"auth": "none", "host": host, "users": {"ann": ["clerk"]}}}).web
    assert dict(web.users) == {"ann": ("clerk",)}


@pytest.mark.parametrize(
    ("web", "said"),
    [
        (
            {"auth": "none", "users": {"ann": []}, "host": "::"},
            "web.auth is none, while web.host is ::: whoever reaches it could be anybody; ",
        ),
        (
            {"auth": "none", "users": {"ann": []}, "host": "tasks.example.com"},
            "web.auth is none, while web.host is tasks.example.com",
        ),
        ({"auth": "none"}, "web.auth is none, but there are no users to choose from; set web.users"),
        (
            {"auth": "none", "users": {"ann": []}, "issuers": {"staff": STAFF}},
            "web.auth is none, while web.issuers is set: nobody would ask for their tokens",
        ),
        ({"users": {"ann": []}}, "web.users is set, while web.auth is oidc: only tokens say who somebody is"),
    ],
)
def test_users_without_tokens_are_refused_elsewhere(tmp_path: Path, web: dict[str, Any], said: str) -> None:
    [problem] = problems(tmp_path, {"web": web})
    assert problem.startswith(said)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///lists.db",
        "sqlite:////var/lib/runner/lists.db",
        "postgresql://host/lists",
        "postgresql://me:p%40ss@host:5433/lists?sslmode=verify-full",
        "postgresql://[::1]:5432/lists",
    ],
)
def test_lists_are_kept_in_a_file_or_on_a_server(url: str) -> None:
    kept = load(None, {"RUNNER_PROJECTION__URL": url}).projection.url
    assert kept is not None
    assert kept.get_secret_value() == url


@pytest.mark.parametrize(
    "url",
    [
        "lists.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///a?mode=ro",
        "mysql://host/lists",
        "postgresql+psycopg2://host/lists",
        "postgresql://host",
        "postgresql://host/a/b",
        "postgresql:///lists",
        f"postgresql://me:{SECRET}/x@host/lists",
    ],
)
def test_another_database_is_refused_without_showing_its_address(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(None, {"RUNNER_PROJECTION__URL": url})
    assert "projection.url is no address of a database; write it like sqlite:///" in str(refused.value)
    assert SECRET not in str(refused.value)


def test_the_password_of_the_database_comes_from_a_file_and_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"postgresql://me:{SECRET}@host/lists?sslpassword={SECRET}\n")
    config = load(None, {"RUNNER_PROJECTION__URLFILE": str(tmp_path / "url")})
    assert config.projection.url is not None
    assert SECRET in config.projection.url.get_secret_value()
    assert SECRET not in repr(config) + repr(config.describe())
    assert config.describe()["projection"]["url"] == "postgresql://me:******@host/lists?sslpassword=******"
    with pytest.raises(ConfigError, match=r"projection.urlFile is set, and projection.url too"):
        load(
            None,
            {
                "RUNNER_PROJECTION__URLFILE": str(tmp_path / "url"),
                "RUNNER_PROJECTION__URL": "sqlite:///lists.db",
            },
        )


@pytest.mark.parametrize("name", ["a b", "", "x" * 51, "a=b"])
def test_an_attribute_has_a_name_that_a_query_can_hold(tmp_path: Path, name: str) -> None:
    [problem] = problems(tmp_path, {"projection": {"attributes": {name: "a.b"}}})
    assert "is no name of an attribute" in problem


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *[("127.0.0.1", True), ("::1", True), ("[::1]", True), ("LOCALHOST", True), ("10.0.0.1", False)],
        *[("::", False), ("localhost.example.com", False), ("127.0.0.1.example.com", False)],
    ],
)
def test_loopback_is_known_by_its_address(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_names_of_ones_own_are_known_to_the_schema() -> None:
    node = schema_tree(json_schema()).at(("web", "issuers", "any", "userPrefix"))
    assert node is not None
    assert node.is_text


SIGN_IN: Final = {"issuers": {"staff": STAFF}, "signIn": {"staff": {"clientId": "inbox"}}}


def test_people_sign_in_with_an_issuer_and_a_client(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    of_file = {"clientId": "inbox", "clientSecretFile": str(secret)}
    config = loaded(tmp_path, {"web": SIGN_IN | {"signIn": {"staff": of_file}}})
    settings = config.web.sign_in["staff"]
    assert settings.client_secret is not None
    assert settings.client_secret.get_secret_value() == SECRET
    assert (settings.scopes, settings.claims_from) == (("openid", "profile"), "access_token")
    assert SECRET not in str(config.describe())
    assert loaded(tmp_path, {"web": SIGN_IN}).web.sign_in["staff"].client_secret is None


def test_the_example_of_sign_in_names_every_setting_and_can_be_used(tmp_path: Path) -> None:
    text = (ROOT / "config" / "runner.yaml").read_text(encoding="utf-8")
    block = re.search(r"^  #   signIn:\n(?:  #.*\n)+", text, re.MULTILINE)
    assert block is not None
    example = yaml.safe_load(re.sub("^  #", "", block[0], flags=re.MULTILINE))
    described = json_schema()["$defs"]["SignIn"]["properties"]
    assert set(example["signIn"]["staff"]) == set(described)
    told = " ".join(block[0].replace("#", "").split())
    assert [each["description"] for each in described.values() if each["description"] not in told] == []
    assert loaded(tmp_path, {"web": {"issuers": {"staff": STAFF}} | example}).web.sign_in


@pytest.mark.parametrize(
    ("web", "said"),
    [
        ({"signIn": {"other": {"clientId": "inbox"}}}, "web.signIn.other names no issuer"),
        ({"signIn": {"staff": {}}}, "web.signIn.staff.clientId is missing"),
        ({"signIn": {"staff": {"clientId": "a", "scopes": ["profile"]}}}, "web.signIn.staff.scopes must be"),
        ({"signIn": {"staff": {"clientId": "a", "scopes": ["openid", "a b"]}}}, "web.signIn.staff.scopes"),
        ({"signIn": {"staff": {"clientId": "a", "claimsFrom": "userinfo"}}}, "web.signIn.staff.claimsFrom"),
        ({"host": "0.0.0.0"}, "web.publicUrl is null, while web.host is 0.0.0.0"),  # noqa: S104 - refused
        ({"publicUrl": "http://tasks.example.com"}, "web.publicUrl is no address that browsers"),
        ({"publicUrl": "https://tasks.example.com/inbox"}, "web.publicUrl is no address that browsers"),
        ({"publicUrl": "https://tasks.example.com?"}, "web.publicUrl is no address that browsers"),
        ({"publicUrl": "https://a:b@tasks.example.com"}, "web.publicUrl is no address that browsers"),
        ({"publicUrl": "tasks.example.com"}, "web.publicUrl is no address that browsers"),
        ({"sessionSeconds": 600}, "web.sessionIdleSeconds is more than web.sessionSeconds (600)"),
    ],
)
def test_what_keeps_people_from_signing_in_is_refused(tmp_path: Path, web: dict[str, Any], said: str) -> None:
    [problem] = problems(tmp_path, {"web": SIGN_IN | web})
    assert problem.startswith(said)


def test_the_public_address_is_an_origin(tmp_path: Path) -> None:
    for given, meant in (
        ("https://Tasks.example.com/", "https://tasks.example.com"),
        ("http://127.0.0.1:8090", "http://127.0.0.1:8090"),
    ):
        assert loaded(tmp_path, {"web": SIGN_IN | {"publicUrl": given}}).web.public_url == meant


def test_nobody_is_anybody_at_a_public_address(tmp_path: Path) -> None:
    web = {"auth": "none", "users": {"ann": []}, "publicUrl": "https://tasks.example.com"}
    [problem] = problems(tmp_path, {"web": web})
    assert problem.startswith("web.auth is none, while web.publicUrl is https://tasks.example.com")
