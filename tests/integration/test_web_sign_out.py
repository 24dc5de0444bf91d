"""Signing out: by somebody's own wish here and at the issuer, and by the issuer's."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.integration.sign_in_place import (
    ORIGIN,
    STRANGER,
    SignInPlace,
    ann,
    logout,
    sign_in_place,
)
from tests.servers.login_issuer import CLIENT, Login, LoginIssuer, running_login_issuer
from tests.servers.redis_server import RedisServer


def test_somebody_signs_out_here_and_at_the_issuer(place: SignInPlace, issuer: LoginIssuer) -> None:
    browser = place.signed_in(ann())
    other = place.signed_in(ann())
    answer = browser.post("/sign-out", csrf=browser.csrf())
    assert answer.status_code == 303
    url, query = str(answer.headers["location"]), dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    assert url.startswith(f"{issuer.url}/logout?")
    assert query["post_logout_redirect_uri"] == f"{ORIGIN}/sign-out"
    assert query["id_token_hint"].count(".") == 2
    assert browser.session is None
    assert (browser.me(), other.roles()) == (401, ["clerk"])
    assert "You are signed out" in browser.get("/sign-out").text


def test_a_session_is_gone_when_its_browser_has_signed_out(place: SignInPlace) -> None:
    browser = place.signed_in(ann())
    kept = str(browser.session)
    browser.post("/sign-out", csrf=browser.csrf())
    thief = place.browser(1)
    thief.cookies.set("runner-8090-session", kept, domain="127.0.0.1")
    assert thief.me() == 401


def test_signing_out_works_while_the_issuer_is_away(place: SignInPlace, issuer: LoginIssuer) -> None:
    browser, other = place.signed_in(ann()), place.signed_in(ann())
    issuer.stop()
    # This replica knows the addresses of the issuer, the second has never asked it.
    assert browser.post("/sign-out", csrf=browser.csrf()).status_code == 303
    answer = other.at(1).post("/sign-out", csrf=other.csrf())
    assert (answer.status_code, "You are signed out here" in answer.text) == (503, True)
    for each in (browser, other):
        assert (each.session, each.me()) == (None, 401)


def test_only_a_page_of_the_session_signs_out(place: SignInPlace) -> None:
    browser = place.signed_in(ann())
    csrf = browser.csrf()
    assert browser.post("/sign-out", csrf="wrong").status_code == 403
    assert browser.post("/sign-out").status_code == 403
    assert browser.post("/sign-out", csrf="é").status_code == 403
    for origin in ({}, {"Origin": "https://evil.example.com"}, {"Origin": "null"}):
        answer = browser.ask("POST", "/sign-out", data={"csrf": csrf}, headers=origin)
        assert answer.status_code == 403, origin
    assert browser.roles() == ["clerk"]


def test_an_issuer_ends_one_login(place: SignInPlace, issuer: LoginIssuer) -> None:
    login = ann()
    browser, same, other = place.signed_in(login), place.signed_in(login), place.signed_in(ann())
    assert logout(place, issuer.logout_token(sid=login.sid)) == 200
    assert (browser.me(), same.me(), other.roles()) == (401, 401, ["clerk"])


def test_an_issuer_ends_all_logins_of_a_person(place: SignInPlace, issuer: LoginIssuer) -> None:
    browser, other = place.signed_in(ann()), place.signed_in(ann())
    bob = place.signed_in(Login("bob", ["clerk"]))
    assert logout(place, issuer.logout_token()) == 200
    assert (browser.me(), other.me(), bob.roles()) == (401, 401, ["clerk"])


def test_an_issuer_ends_no_login_of_another(valkey: RedisServer, issuer: LoginIssuer) -> None:
    with (
        running_login_issuer(STRANGER) as other,
        sign_in_place(valkey.url, {"staff": issuer, "partners": other}) as place,
    ):
        login = ann()
        browser = place.signed_in(login)
        assert logout(place, other.logout_token(sid=login.sid)) == 200
        assert browser.roles() == ["clerk"]


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://other.example.com"},
        {"aud": "another client"},
        {"aud": None},
        {"events": None},
        {"events": {}},
        {"events": {"http://schemas.openid.net/event/backchannel-logout": 1}},
        {"events": []},
        {"nonce": "x"},
        {"iat": 1},
        {"iat": None},
        {"iat": "now"},
        {"iat": 4_000_000_000},
        {"exp": 1},
        {"jti": None},
        {"jti": 5},
        {"sub": None},
        {"sub": {"a": 1}},
        {"sid": "s" * 1000},
        {"typ": "at+jwt"},
        {"typ": "dpop+jwt"},
    ],
    ids=str,
)
def test_what_is_no_logout_token_ends_nothing(
    place: SignInPlace, issuer: LoginIssuer, changed: dict[str, Any]
) -> None:
    browser = place.signed_in(ann())
    assert logout(place, issuer.logout_token(**changed)) == 400
    assert browser.roles() == ["clerk"]


def test_other_tokens_and_no_tokens_end_nothing(place: SignInPlace, issuer: LoginIssuer) -> None:
    browser = place.signed_in(ann())
    forged = issuer.logout_token(key=STRANGER)
    for token in (forged, issuer.token(), issuer.token(aud=CLIENT), "", "a.b.c", "é" * 5000):
        assert logout(place, token) == 400
    assert browser.roles() == ["clerk"]


def test_a_logout_token_counts_once(place: SignInPlace, issuer: LoginIssuer) -> None:
    login = ann()
    place.signed_in(login)
    token = issuer.logout_token()
    assert logout(place, token, 0) == 200
    again = place.signed_in(ann())
    assert logout(place, token, 1) == 400
    assert again.roles() == ["clerk"]
