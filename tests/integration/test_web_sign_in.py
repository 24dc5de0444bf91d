"""Signing in: with a real Redis, and an issuer that does as a test says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import redis

from tests.integration.sign_in_place import (
    IDLE,
    ME,
    SESSION,
    STRANGER,
    SignInPlace,
    ann,
    keys_of,
    sign_in_place,
)
from tests.servers.login_issuer import CLIENT, Login, LoginIssuer, running_login_issuer
from tests.servers.redis_server import RedisServer

PUBLIC: Final = "https://tasks.example.com"


@pytest.fixture
def secure(valkey: RedisServer, issuer: LoginIssuer) -> Iterator[SignInPlace]:
    with sign_in_place(valkey.url, {"staff": issuer}, public_url=PUBLIC) as found:
        yield found


def test_somebody_signs_in_and_asks_every_replica(place: SignInPlace) -> None:
    browser = place.browser()
    answer = browser.sign_in(ann())
    assert (answer.status_code, answer.headers["location"]) == (303, "/tasks?x=1")
    for replica in (0, 1):
        me = browser.at(replica).me()
        assert isinstance(me, dict)
        assert (me["user"], me["roles"], me["issuer"]) == ("ann", ["clerk"], "staff")
        assert [each["name"] for each in me["domains"]] == ["care", "orders"]


def test_cookies_of_a_public_address_are_tied_to_its_host(secure: SignInPlace) -> None:
    browser = secure.browser()
    answer = browser.sign_in(ann())
    [session] = [
        each for each in answer.headers.get_list("set-cookie") if each.startswith("__Host-runner-session=")
    ]
    value, *flags = session.split("; ")
    assert re.fullmatch(r"__Host-runner-session=[\w-]{43}\.[\w-]{43}", value)
    assert {*flags} == {"Path=/", "HttpOnly", "SameSite=Lax", "Secure"}
    assert browser.roles() == ["clerk"]


def test_a_cookie_on_loopback_is_that_of_a_port(place: SignInPlace) -> None:
    browser = place.signed_in(ann())
    assert [each.name for each in browser.cookies.jar] == ["runner-8090-session"]
    other = place.browser(origin="http://localhost:8091")
    other.cookies.set("runner-8090-session", str(browser.session), domain="localhost")
    assert other.me() == 401


def test_redis_holds_nothing_that_a_thief_could_send(place: SignInPlace) -> None:
    browser = place.signed_in(ann())
    text = str(browser.session)
    with redis.Redis.from_url(place.redis_url) as client:
        dumped = b" ".join(key + bytes(client.dump(key) or b"") for key in keys_of(place))
    for secret in (*text.split("."), "eyJhbGciOiJSUzI1NiIs"):
        assert secret.encode() not in dumped
    assert b"ann" not in dumped


def test_a_visitor_writes_nothing_to_redis(place: SignInPlace) -> None:
    browser = place.browser()
    browser.sent_to()
    browser.get("/sign-in/callback?state=a&code=b")
    browser.get("/sign-out")
    browser.post("/sign-out", csrf="x")
    assert browser.me() == 401
    assert keys_of(place) == []


def test_a_session_has_another_id_than_any_before(place: SignInPlace) -> None:
    browser = place.signed_in(ann())
    before = str(browser.session)
    browser.sign_in(ann())
    assert browser.session not in {None, before}
    thief = place.browser()
    thief.cookies.set("runner-8090-session", before, domain="127.0.0.1")
    assert thief.me() == 401


def test_an_id_that_was_planted_is_never_made_a_session(place: SignInPlace) -> None:
    planted = f"{'a' * 43}.{'b' * 43}"
    browser = place.browser()
    browser.cookies.set("runner-8090-session", planted, domain="127.0.0.1")
    browser.sign_in(ann())
    assert browser.session != planted
    thief = place.browser()
    thief.cookies.set("runner-8090-session", planted, domain="127.0.0.1")
    assert thief.me() == 401


def test_a_callback_counts_once(place: SignInPlace) -> None:
    browser = place.browser()
    cookies = httpx.Cookies()
    back = browser.called_back(ann())
    cookies.update(browser.cookies)
    assert browser.get(back).status_code == 303
    assert browser.get(back).status_code == 400
    assert browser.roles() == ["clerk"]
    # The issuer takes no code twice, also from who still has the cookie.
    again = place.browser()
    again.cookies = cookies
    assert again.get(back).status_code == 400
    assert again.me() == 401


def test_a_callback_counts_in_the_browser_alone_that_was_sent(place: SignInPlace) -> None:
    stolen = place.browser().called_back(ann())
    victim = place.browser()
    assert victim.get(stolen).status_code == 400
    victim.sent_to()
    assert victim.get(stolen).status_code == 400
    assert victim.me() == 401


def test_a_state_of_another_sign_in_does_not_count(place: SignInPlace) -> None:
    browser = place.browser()
    said = dict(parse_qsl(urlsplit(browser.called_back(ann())).query))
    for state in (said["state"][:-1], said["state"][:12], "", said["state"] + "x"):
        answer = browser.ask("GET", "/sign-in/callback", params={**said, "state": state})
        assert answer.status_code == 400, state
    assert browser.me() == 401


def test_a_parameter_that_comes_twice_is_none(place: SignInPlace) -> None:
    browser = place.browser()
    back = browser.called_back(ann())
    assert browser.get(f"{back}&code=other").status_code == 400


def test_a_sign_in_must_not_take_too_long(place: SignInPlace) -> None:
    browser = place.browser()
    back = browser.called_back(ann())
    place.pass_by(601)
    assert browser.get(back).status_code == 400


def test_several_tabs_sign_in_at_the_same_time(place: SignInPlace) -> None:
    browser = place.browser()
    backs = [browser.called_back(ann(), following=f"/{number}") for number in range(3)]
    assert [browser.get(back).headers["location"] for back in backs] == ["/0", "/1", "/2"]


def test_sign_ins_that_are_never_finished_do_not_pile_up(place: SignInPlace) -> None:
    browser = place.browser()
    for _ in range(20):
        browser.sent_to()
    assert len(browser.cookies.jar) <= 6
    assert browser.sign_in(ann()).status_code == 303


@pytest.mark.parametrize(
    "following",
    [
        "//evil.example.com",
        "/\\evil.example.com",
        "https://evil.example.com/",
        "javascript:alert(1)",
        "/\t/evil.example.com",
        "/a\r\nSet-Cookie: a=b",
        "evil",
        "",
        "/" + "a" * 2000,
        "/é",
    ],
)
def test_nobody_is_sent_elsewhere_afterwards(place: SignInPlace, following: str) -> None:
    browser = place.browser()
    answer = browser.get(browser.called_back(ann(), following=following))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize(
    ("login", "status"),
    [
        (ann(identity={"nonce": "other"}), 502),
        (ann(identity={"nonce": None}), 502),
        (ann(identity={"aud": "another client"}), 502),
        (ann(identity={"aud": [CLIENT, "other"]}), 502),
        (ann(identity={"azp": "another client"}), 502),
        (ann(identity={"iss": "https://other.example.com"}), 502),
        (ann(identity={"exp": 1}), 502),
        (ann(identity={"iat": 4_000_000_000}), 502),
        (ann(identity={"at_hash": "AAAA"}), 502),
        (ann(identity={"at_hash": 5}), 502),
        (ann(identity={"sub": None}), 502),
        (ann(identity={"sub": {"a": 1}}), 502),
        (ann(identity={"sid": 5}), 502),
        (ann(identity={"aud": {"a": [1]}}), 502),
        (ann(access={"aud": "another API"}), 502),
        (ann(access={"exp": 1}), 502),
        (ann(access={"roles": {"a": 1}}), 502),
        (ann(access={"sub": "\x00"}), 502),
    ],
)
def test_what_an_issuer_says_is_checked(place: SignInPlace, login: Login, status: int) -> None:
    browser = place.browser()
    assert browser.sign_in(login).status_code == status
    assert browser.session is None
    assert keys_of(place) == []


def test_tokens_that_another_has_signed_are_refused(place: SignInPlace, issuer: LoginIssuer) -> None:
    browser = place.signed_in(ann())
    own, issuer.keys = issuer.keys, [STRANGER]
    try:
        answer = place.browser().sign_in(ann())
    finally:
        issuer.keys = own
    assert answer.status_code == 502
    assert browser.roles() == ["clerk"]


@pytest.mark.parametrize(
    ("error", "status"),
    [("access_denied", 403), ("temporarily_unavailable", 503), ("<script>alert(1)</script>", 400)],
)
def test_an_issuer_that_refuses_is_told_of_in_our_words(place: SignInPlace, error: str, status: int) -> None:
    browser = place.browser()
    state = dict(parse_qsl(urlsplit(browser.sent_to()).query))["state"]
    answer = browser.ask(
        "GET", "/sign-in/callback", params={"state": state, "error": error, "error_description": error}
    )
    assert answer.status_code == status
    assert "<script>" not in answer.text
    assert len(browser.cookies.jar) == 0


def test_an_issuer_that_names_itself_is_held_to_it(place: SignInPlace, issuer: LoginIssuer) -> None:
    issuer.document["authorization_response_iss_parameter_supported"] = True
    browser = place.browser()
    assert browser.get(browser.called_back(ann())).status_code == 400
    assert browser.get(f"{browser.called_back(ann())}&iss=https://other.example.com").status_code == 400
    assert browser.get(f"{browser.called_back(ann())}&iss={issuer.url}").status_code == 303


def test_an_issuer_that_is_away_is_told_of(place: SignInPlace, issuer: LoginIssuer) -> None:
    browser = place.browser()
    back = browser.called_back(ann())
    issuer.stop()
    answer = browser.get(back)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "next=%2Ftasks%3Fx%3D1" in answer.text


def test_among_several_issuers_one_is_chosen(valkey: RedisServer, issuer: LoginIssuer) -> None:
    with (
        running_login_issuer(STRANGER) as other,
        sign_in_place(valkey.url, {"staff": issuer, "partners": other}) as place,
    ):
        browser = place.browser()
        shown = browser.get("/sign-in?next=/a%3Fb")
        assert (shown.status_code, "Staff" in shown.text, "Partners" in shown.text) == (200, True, True)
        assert 'href="/sign-in?issuer=partners&amp;next=%2Fa%3Fb"' in shown.text
        assert browser.sign_in(ann(), "partners").status_code == 303
        me = browser.me()
        assert isinstance(me, dict)
        assert me["issuer"] == "partners"
        assert browser.get("/sign-in?issuer=nobody").status_code == 404


def test_a_session_ends_when_it_is_idle_and_in_any_case(place: SignInPlace) -> None:
    browser = place.signed_in(ann())
    [key] = [each for each in keys_of(place) if each.endswith(b":session")]
    with redis.Redis.from_url(place.redis_url) as client:
        assert IDLE - 60 < int(client.ttl(key)) <= IDLE
        client.expire(key, 100)
        browser.get(ME, **{"X-Unattended": "1"})
        browser.get(ME, Accept="text/event-stream")
        assert int(client.ttl(key)) <= 100
        browser.me()
        assert int(client.ttl(key)) > 100
        place.pass_by(SESSION - 60)
        assert browser.roles() == ["clerk"]
        place.pass_by(60)
        assert browser.me() == 401
        assert client.exists(key) == 0
