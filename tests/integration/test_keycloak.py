"""Keycloak as `runner web` meets it: what tokens say, how people sign in, and who hears of a logout."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError
from joserfc.jwk import KeySet, KeySetSerialization

from tests.servers.keycloak import tokens
from tests.servers.keycloak.admin import LiveRealm
from tests.servers.keycloak.browser import Browser, NotSignedIn
from tests.servers.keycloak.logout_listener import LogoutListener, running_listener
from tests.servers.keycloak.realm import AUDIENCE, PEOPLE, PROGRAM_CLIENT, WEB_CLIENT, password_of
from tests.servers.keycloak.tokens import CodeFlow
from tests.servers.keycloak_server import KeycloakServer

pytestmark = pytest.mark.thorough("Keycloak is got and started for it")

CALLBACK: Final = "http://127.0.0.1:8090/callback"
LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
def saga(keycloak: KeycloakServer) -> LiveRealm:
    return keycloak.admin.realm("saga")


@pytest.fixture
def browser(keycloak: KeycloakServer) -> Iterator[Browser]:
    with Browser(keycloak.url) as opened:
        yield opened


@pytest.fixture
def listener() -> Iterator[LogoutListener]:
    with running_listener() as listening:
        yield listening


def test_an_issuer_says_where_everything_is(saga: LiveRealm) -> None:
    said = tokens.discovered(saga.issuer)
    assert said["issuer"] == saga.issuer
    assert "S256" in said["code_challenge_methods_supported"]
    assert said["backchannel_logout_supported"] is True
    endpoints = [value for name, value in said.items() if name.endswith(("_endpoint", "jwks_uri"))]
    assert all(endpoint.startswith(saga.issuer) for endpoint in endpoints)


def test_a_key_set_has_a_key_for_signatures(saga: LiveRealm) -> None:
    [signing] = [key for key in tokens.keys(saga.issuer)["keys"] if key["use"] == "sig"]
    assert (signing["kty"], signing["alg"]) == ("RSA", "RS256")
    assert not {"d", "p", "q"} & signing.keys()


@pytest.mark.parametrize("person", PEOPLE)
def test_a_token_says_who_for_whom_which_roles_and_how_long(saga: LiveRealm, person: str) -> None:
    before = int(time.time())
    claims = _claims(saga, tokens.direct(saga.issuer, person)["access_token"])
    assert claims["iss"] == saga.issuer
    assert claims["aud"] == AUDIENCE
    assert claims["azp"] == PROGRAM_CLIENT
    assert claims["sub"] == saga.user_id(person)
    assert claims["preferred_username"] == person
    assert claims["roles"] == [PEOPLE[person]]
    assert claims["exp"] - claims["iat"] == 300
    assert before <= claims["iat"] <= int(time.time())


def test_two_realms_are_two_issuers_with_keys_of_their_own(
    saga: LiveRealm, make_realm: Callable[..., LiveRealm]
) -> None:
    other = make_realm(token_seconds=5)
    token = tokens.direct(other.issuer, "clara")
    claims = _claims(other, token["access_token"])
    assert claims["exp"] - claims["iat"] == 5
    assert claims["iss"] != saga.issuer
    with pytest.raises(InvalidKeyIdError):
        _claims(saga, token["access_token"])


def test_somebody_signs_in_with_the_form(saga: LiveRealm, browser: Browser) -> None:
    flow = CodeFlow(saga.issuer, CALLBACK)
    callback = browser.sign_in(flow.url(), "max", password_of("max"))
    assert callback.startswith(f"{CALLBACK}?")
    got = flow.tokens(callback)
    identity = _claims(saga, got["id_token"])
    assert (identity["aud"], identity["nonce"]) == (WEB_CLIENT, flow.nonce)
    access = _claims(saga, got["access_token"])
    assert (access["aud"], access["roles"]) == (AUDIENCE, ["manager"])
    assert access["sub"] == identity["sub"] == saga.user_id("max")


def test_who_has_signed_in_is_not_asked_again(saga: LiveRealm, browser: Browser) -> None:
    assert browser.visit(CodeFlow(saga.issuer, CALLBACK).url()) is None
    browser.sign_in(CodeFlow(saga.issuer, CALLBACK).url(), "ada", password_of("ada"))
    again = CodeFlow(saga.issuer, CALLBACK)
    callback = browser.visit(again.url())
    assert callback is not None
    assert _claims(saga, again.tokens(callback)["access_token"])["roles"] == ["admin"]


def test_a_wrong_password_lets_nobody_in(saga: LiveRealm, browser: Browser) -> None:
    with pytest.raises(NotSignedIn, match="max is not let in"):
        browser.sign_in(CodeFlow(saga.issuer, CALLBACK).url(), "max", password_of("ada"))


def test_a_code_is_worth_nothing_without_its_verifier(saga: LiveRealm, browser: Browser) -> None:
    flow = CodeFlow(saga.issuer, CALLBACK)
    callback = browser.sign_in(flow.url(), "max", password_of("max"))
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        flow.tokens(callback, CodeFlow(saga.issuer, CALLBACK).verifier)


def test_a_flow_without_pkce_is_refused(saga: LiveRealm, browser: Browser) -> None:
    plain = CodeFlow(saga.issuer, CALLBACK).url(code_challenge="", code_challenge_method="")
    refused = browser.visit(plain)
    assert refused is not None
    assert parse_qs(urlsplit(refused).query)["error"] == ["invalid_request"]


def test_people_are_sent_to_the_given_addresses_only(
    make_realm: Callable[..., LiveRealm], browser: Browser
) -> None:
    realm = make_realm(redirect_uris=("https://tasks.example.com/callback",))
    with pytest.raises(NotSignedIn, match="redirect_uri"):
        browser.sign_in(CodeFlow(realm.issuer, CALLBACK).url(), "max", password_of("max"))
    given = CodeFlow(realm.issuer, "https://tasks.example.com/callback")
    assert browser.sign_in(given.url(), "max", password_of("max")).startswith(given.redirect_uri)


def test_a_refresh_shows_the_roles_of_now(make_realm: Callable[..., LiveRealm], browser: Browser) -> None:
    realm = make_realm()
    got = _signed_in(realm, browser, "clara")
    assert _claims(realm, got["access_token"])["roles"] == ["clerk"]
    realm.add_role("clara", "manager")
    got = tokens.refreshed(realm.issuer, got["refresh_token"])
    assert sorted(_claims(realm, got["access_token"])["roles"]) == ["clerk", "manager"]
    realm.remove_role("clara", "clerk")
    got = tokens.refreshed(realm.issuer, got["refresh_token"])
    assert _claims(realm, got["access_token"])["roles"] == ["manager"]


def test_a_logout_by_an_administrator_is_told_and_ends_the_session(
    make_realm: Callable[..., LiveRealm], browser: Browser, listener: LogoutListener
) -> None:
    realm = make_realm(back_channel_logout=listener.url)
    got = _signed_in(realm, browser, "clara")
    realm.log_out("clara")
    _check_logout(realm, listener.first_token(), got)
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        tokens.refreshed(realm.issuer, got["refresh_token"])


def test_a_logout_in_the_browser_is_told_and_leads_back(
    make_realm: Callable[..., LiveRealm], browser: Browser, listener: LogoutListener
) -> None:
    realm = make_realm(back_channel_logout=listener.url)
    got = _signed_in(realm, browser, "clara")
    query = {"id_token_hint": got["id_token"], "post_logout_redirect_uri": CALLBACK}
    end = tokens.discovered(realm.issuer)["end_session_endpoint"]
    assert browser.visit(f"{end}?{urlencode(query)}") == CALLBACK
    _check_logout(realm, listener.first_token(), got)
    assert browser.visit(CodeFlow(realm.issuer, CALLBACK).url()) is None


@pytest.mark.parametrize(("require", "outcome"), [("0", "1 skipped"), ("1", "1 error")])
def test_a_missing_keycloak_is_named(tmp_path: Path, require: str, outcome: str) -> None:
    closing = _run_where_nothing_is(tmp_path, require)
    assert outcome in closing
    assert "lane keycloak is missing: java is not on PATH" in closing
    assert ("RUNNER_REQUIRE_KEYCLOAK=1" in closing) is (require == "1")


def _signed_in(realm: LiveRealm, browser: Browser, person: str) -> dict[str, Any]:
    flow = CodeFlow(realm.issuer, CALLBACK)
    return flow.tokens(browser.sign_in(flow.url(), person, password_of(person)))


def _claims(realm: LiveRealm, token: str) -> dict[str, Any]:
    """Return what a token says, whose signature is one of the realm."""
    keys = KeySet.import_key_set(cast(KeySetSerialization, tokens.keys(realm.issuer)))
    return jwt.decode(token, keys, algorithms=["RS256"]).claims


def _check_logout(realm: LiveRealm, token: str, ended: dict[str, Any]) -> None:
    session = _claims(realm, ended["id_token"])
    told = _claims(realm, token)
    assert told["events"] == {LOGOUT_EVENT: {}}
    assert {name: told[name] for name in ("iss", "aud", "sub", "sid")} == {
        "iss": realm.issuer,
        "aud": WEB_CLIENT,
        "sub": session["sub"],
        "sid": session["sid"],
    }
    assert "nonce" not in told


def _run_where_nothing_is(folder: Path, require: str) -> str:
    """Run one test that needs Keycloak where neither it nor Java is to be found."""
    test = f"{__file__}::{test_an_issuer_says_where_everything_is.__name__}"
    environment = {**os.environ, "PATH": str(Path(sys.executable).parent), "XDG_CACHE_HOME": str(folder)}
    environment |= {"JAVA_HOME": str(folder), "RUNNER_REQUIRE_KEYCLOAK": require}
    command = [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", test]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
    return done.stdout
