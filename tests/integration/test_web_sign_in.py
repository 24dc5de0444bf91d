"""Signing in, staying signed in, signing out: with a real Redis, and an issuer that does as a test says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import redis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from runner.web.sign_in.session_callers import OUTDATED_SECONDS
from runner.web.sign_in.sessions import AWAY_SECONDS, read_ticket
from tests.integration.sign_in_place import (
    IDLE,
    ME,
    ORIGIN,
    ROLES_EVERY,
    SESSION,
    SignInBrowser,
    SignInPlace,
    sign_in_place,
)
from tests.servers.login_issuer import CLIENT, Login, LoginIssuer, running_login_issuer
from tests.servers.redis_server import RedisServer
from tests.servers.token_issuer import rsa_key

STRANGER: Final = rsa_key("first")
PUBLIC: Final = "https://tasks.example.com"
BACK_CHANNEL: Final = "/sign-in/back-channel-logout"


@pytest.fixture(scope="module")
def issuer() -> Iterator[LoginIssuer]:
    with running_login_issuer(rsa_key("first")) as running:
        yield running


@pytest.fixture(autouse=True)
def _restored(issuer: LoginIssuer) -> Iterator[None]:
    yield
    issuer.answers.clear()
    issuer.document.clear()
    issuer.forms.clear()
    if issuer.is_stopped:
        issuer.start()


@pytest.fixture
def place(valkey: RedisServer, issuer: LoginIssuer) -> Iterator[SignInPlace]:
    with sign_in_place(valkey.url, {"staff": issuer}) as found:
        yield found


@pytest.fixture
def secure(valkey: RedisServer, issuer: LoginIssuer) -> Iterator[SignInPlace]:
    with sign_in_place(valkey.url, {"staff": issuer}, public_url=PUBLIC) as found:
        yield found


def ann(**fields: Any) -> Login:
    return Login("ann", ["clerk"], **fields)


def keys_of(place: SignInPlace) -> list[bytes]:
    with redis.Redis.from_url(place.redis_url) as client:
        return sorted(client.keys(f"{place.prefix}:*"))


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


# -- roles ------------------------------------------------------------------------------------------


def test_roles_are_renewed_every_few_minutes(place: SignInPlace, issuer: LoginIssuer) -> None:
    login = ann()
    browser = place.signed_in(login)
    login.roles = ["clerk", "manager"]
    place.pass_by(ROLES_EVERY - 1)
    assert browser.roles() == ["clerk"]
    place.pass_by(1)
    assert browser.roles() == ["clerk", "manager"]
    assert browser.at(1).roles() == ["clerk", "manager"]
    login.roles = []
    place.pass_by(ROLES_EVERY)
    assert browser.roles() == []
    assert [form["grant_type"] for form in issuer.forms] == ["authorization_code", *["refresh_token"] * 2]


def test_many_requests_renew_once(place: SignInPlace, issuer: LoginIssuer) -> None:
    """A refresh token of this issuer is good for one use: a second would end the session."""
    login = ann()
    browser = place.signed_in(login)
    login.roles = ["manager"]
    place.pass_by(ROLES_EVERY)
    issuer.forms.clear()

    async def asked() -> list[Any]:
        transports = [httpx.ASGITransport(app) for app in place.replicas for _ in range(10)]
        clients = [
            httpx.AsyncClient(transport=each, base_url=ORIGIN, cookies=browser.cookies) for each in transports
        ]
        answers = await asyncio.gather(*(client.get(ME) for client in clients))
        return [answer.json()["roles"] for answer in answers]

    assert place.run(asked()) == [["manager"]] * 20
    assert len(issuer.forms) == 1


def test_who_comes_late_to_a_renewal_does_not_use_its_token_again(
    place: SignInPlace, issuer: LoginIssuer
) -> None:
    """Between the moment a request has read a session and the moment it renews it, another may have."""
    browser = place.signed_in(ann())
    callers = place.callers[0]
    ticket = read_ticket(browser.session)
    assert ticket is not None
    read_before = place.sessions().read(ticket, place.clock(), used=False)
    assert read_before is not None
    place.pass_by(ROLES_EVERY)
    assert browser.roles() == ["clerk"]
    issuer.forms.clear()
    found = place.run(callers._fresh(ticket, read_before))
    assert found.renewed_at > read_before.renewed_at
    assert (issuer.forms, browser.roles()) == ([], ["clerk"])
    place.pass_by(ROLES_EVERY)
    assert browser.roles() == ["clerk"]
    assert len(issuer.forms) == 1


def test_a_login_that_has_ended_ends_the_session(place: SignInPlace) -> None:
    login = ann()
    browser = place.signed_in(login)
    login.has_ended = True
    place.pass_by(ROLES_EVERY)
    assert browser.me() == 401
    assert [each for each in keys_of(place) if each.endswith(b":session")] == []


@pytest.mark.parametrize("access", [{"sub": "bob"}, {"aud": "another API"}, {"roles": 5}, {"sub": None}])
def test_somebody_else_or_nobody_at_a_renewal_ends_the_session(
    place: SignInPlace, access: dict[str, Any]
) -> None:
    login = ann()
    browser = place.signed_in(login)
    login.access = access
    place.pass_by(ROLES_EVERY)
    assert browser.me() == 401


def test_an_issuer_that_is_away_keeps_people_a_while(place: SignInPlace, issuer: LoginIssuer) -> None:
    browser = place.signed_in(ann())
    issuer.stop()
    place.pass_by(ROLES_EVERY)
    for replica in (0, 1):
        assert browser.at(replica).roles() == ["clerk"]
    with redis.Redis.from_url(place.redis_url) as client:
        [key] = [each for each in keys_of(place) if each.endswith(b":renewal")]
        assert (client.get(key), 0 < int(client.ttl(key)) <= AWAY_SECONDS) == (b"away", True)
        place.pass_by(OUTDATED_SECONDS + 1)
        answer = browser.get(ME)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        issuer.start()
        client.delete(key)
        assert browser.roles() == ["clerk"]


def test_a_client_that_is_refused_is_no_reason_to_end_sessions(
    place: SignInPlace, issuer: LoginIssuer
) -> None:
    browser = place.signed_in(ann())
    issuer.answers["/token"] = lambda: (401, b'{"error": "invalid_client"}')
    place.pass_by(ROLES_EVERY)
    assert browser.roles() == ["clerk"]


def test_without_a_refresh_token_a_session_lasts_as_long_as_the_token(place: SignInPlace) -> None:
    browser = place.signed_in(ann(refreshes=False))
    place.pass_by(599)
    assert browser.roles() == ["clerk"]
    place.pass_by(2)
    assert browser.me() == 401


def test_claims_may_come_from_the_id_token(valkey: RedisServer, issuer: LoginIssuer) -> None:
    with sign_in_place(valkey.url, {"staff": issuer}, claims_from="id_token") as place:
        login = ann(access={"aud": "opaque"}, identity={"roles": ["manager"]})
        browser = place.signed_in(login)
        assert browser.roles() == ["manager"]
        login.identity = {"roles": ["boss"]}
        place.pass_by(ROLES_EVERY)
        assert browser.roles() == ["boss"]
        login.identifies_again = False
        place.pass_by(ROLES_EVERY)
        assert browser.me() == 401


# -- signing out ------------------------------------------------------------------------------------


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


def logout(place: SignInPlace, token: str, replica: int = 1) -> int:
    answer = place.browser(replica).ask("POST", BACK_CHANNEL, data={"logout_token": token})
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code


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


# -- the API ----------------------------------------------------------------------------------------


def test_the_api_changes_something_for_pages_of_the_session_alone(place: SignInPlace) -> None:
    browser = place.signed_in(ann())
    csrf = browser.csrf()

    def claim(**headers: str) -> int:
        return browser.ask("POST", "/api/v1/tasks/orders/t1/claim", json={}, headers=headers).status_code

    ours = {"Origin": ORIGIN, "X-CSRF": csrf}
    assert claim(**ours) == 404
    assert claim(**{**ours, "X-CSRF": "wrong"}) == 403
    assert claim(Origin=ORIGIN) == 403
    assert claim(**{"X-CSRF": csrf}) == 403
    assert claim(**{**ours, "Origin": "http://127.0.0.1:8091"}) == 403
    assert claim(**{**ours, "Origin": "http://localhost:8090"}) == 403
    assert claim(**{**ours, "Origin": "null"}) == 403


def test_another_site_reads_nothing(place: SignInPlace) -> None:
    browser = place.signed_in(ann())
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)):
        assert browser.get(ME, **{"Sec-Fetch-Site": site}).status_code == status


def test_a_token_counts_before_a_session(place: SignInPlace, issuer: LoginIssuer) -> None:
    browser = place.signed_in(ann())
    token = issuer.token(sub="bob", iat=int(place.clock()), exp=int(place.clock()) + 60)
    assert browser.get(ME, Authorization=f"Bearer {token}").json()["user"] == "bob"
    assert browser.get(ME, Authorization="Bearer x").status_code == 401


def test_a_csrf_value_is_that_of_one_session(place: SignInPlace) -> None:
    mine, other = place.signed_in(ann()), place.signed_in(ann())
    assert mine.post("/sign-out", csrf=other.csrf()).status_code == 403


def test_pages_and_answers_are_kept_by_nobody_and_framed_by_nobody(place: SignInPlace) -> None:
    browser = place.signed_in(ann())
    for path in ("/sign-in", "/sign-out", "/sign-in/callback"):
        headers = browser.get(path).headers
        assert headers["cache-control"] == "no-store", path
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        # With no-referrer, browsers would send our own forms with Origin: null.
        assert headers["referrer-policy"] == "same-origin"


def test_the_log_has_no_secrets(place: SignInPlace, issuer: LoginIssuer) -> None:
    with capture_logs() as logs:
        login = ann()
        browser = place.browser()
        back = browser.called_back(login)
        browser.get(back)
        browser.get(back)
        place.pass_by(ROLES_EVERY)
        browser.roles()
        issuer.answers["/token"] = lambda: (500, b"code=secret")
        browser.get(browser.called_back(ann()))
        browser.post("/sign-out", csrf=browser.csrf())
    text = str(logs)
    said = {value for form in issuer.forms for value in form.values()}
    said -= {"authorization_code", "refresh_token", f"{ORIGIN}/sign-in/callback"}
    assert len(said) >= 3
    for secret in (*said, *str(browser.session or "-" * 99).split("."), "secret"):
        assert secret not in text
    assert {each["event"] for each in logs} >= {"signed_in", "signed_out", "sign_in_failed"}


# -- Redis ------------------------------------------------------------------------------------------


def test_redis_that_is_away_is_503_and_comes_back(
    start_redis: Callable[..., RedisServer], issuer: LoginIssuer
) -> None:
    server = start_redis(appendonly=True)
    with sign_in_place(server.url, {"staff": issuer}) as place:
        browser = place.signed_in(ann())
        back = browser.called_back(ann())
        token = issuer.logout_token()
        server.stop()
        assert browser.me() == 503
        assert browser.get("/sign-out").status_code == 503
        assert browser.get(back).status_code == 503
        assert logout(place, token) == 503
        assert place.browser().me() == 401
        server.start()
        assert browser.roles() == ["clerk"]
        # The token was not used up by the attempt that failed.
        assert logout(place, token) == 200
        assert browser.me() == 401


def test_redis_that_has_lost_everything_ends_sessions(
    start_redis: Callable[..., RedisServer], issuer: LoginIssuer
) -> None:
    server = start_redis()
    with sign_in_place(server.url, {"staff": issuer}) as place:
        browser = place.signed_in(ann())
        server.restart()
        assert browser.me() == 401
        assert browser.sign_in(ann()).status_code == 303


# -- what browsers may send -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fuzzed(valkey: RedisServer, issuer: LoginIssuer) -> Iterator[tuple[SignInPlace, str]]:
    with sign_in_place(valkey.url, {"staff": issuer}) as found:
        yield found, str(found.signed_in(ann()).session)


NAMES: Final = st.sampled_from(
    ["runner-8090-session", "runner-8090-sign-in-abc", "x", "", "__Host-runner-session"]
)
SIGNS: Final = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=120
)


def test_the_last_sign_of_a_cookie_counts_as_all_others(fuzzed: tuple[SignInPlace, str]) -> None:
    """The text of a key has two bits more than the key."""
    place, good = fuzzed
    browser = place.browser()
    for sign in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
        cookie = f"runner-8090-session={good[:-1]}{sign}"
        answer = browser.ask("GET", ME, headers={"cookie": cookie})
        assert answer.status_code == (200 if good[-1] == sign else 401), sign


@given(
    cookies=st.lists(st.tuples(NAMES, SIGNS), max_size=6),
    state=st.text(max_size=60),
    cut=st.integers(0, 86),
    sign=st.sampled_from("ABCxyz019-_."),
)
@example(cookies=[("runner-8090-session", "a" * 43 + "." + "b" * 43)], state="", cut=0, sign="A")
@example(cookies=[("runner-8090-sign-in-abc", "e30")], state="abc", cut=0, sign="A")
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_cookie_is_anybody_but_the_one_we_made(
    fuzzed: tuple[SignInPlace, str],
    cookies: list[tuple[str, str]],
    state: str,
    cut: int,
    sign: str,
) -> None:
    place, good = fuzzed
    bent = good[:cut] + sign + good[cut + 1 :]
    for header in ("; ".join(f"{name}={value}" for name, value in cookies), f"runner-8090-session={bent}"):
        if f"runner-8090-session={good}" in header:
            continue
        browser = place.browser()
        cookie = header.encode("latin-1")
        for path, params in (
            (ME, {}),
            ("/sign-in/callback", {"state": state, "code": "x"}),
            ("/sign-out", {}),
        ):
            answer = browser.ask("GET", path, params=params, headers={b"cookie": cookie})
            assert answer.status_code in {200, 400, 401}, (path, header)
            assert answer.status_code != 200 or path == "/sign-out"
            assert "signed in as" not in answer.text


@given(body=st.binary(max_size=300))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_form_is_an_error_of_ours(fuzzed: tuple[SignInPlace, str], body: bytes) -> None:
    place, good = fuzzed
    browser = place.browser()
    browser.cookies.set("runner-8090-session", good, domain="127.0.0.1")
    for path in ("/sign-out", "/sign-in/as", BACK_CHANNEL):
        answer = browser.ask("POST", path, content=body, headers={"Origin": ORIGIN})
        assert answer.status_code in {400, 403}, path


# -- without an issuer ------------------------------------------------------------------------------


@pytest.fixture
def open_place(valkey: RedisServer) -> Iterator[SignInPlace]:
    with sign_in_place(valkey.url, {}) as found:
        yield found


def choose(browser: SignInBrowser, user: str, **more: str) -> int:
    return browser.post("/sign-in/as", user=user, **more).status_code


def test_where_no_issuer_is_needed_people_say_who_they_are(open_place: SignInPlace) -> None:
    browser = open_place.browser()
    shown = browser.get("/sign-in?next=/tasks")
    assert "Zoë" in shown.text
    answer = browser.post("/sign-in/as", user="Zoë", next="/tasks")
    assert (answer.status_code, answer.headers["location"]) == (303, "/tasks")
    me = browser.at(1).me()
    assert isinstance(me, dict)
    assert (me["user"], me["roles"]) == ("Zoë", ["admin"])
    before = browser.session
    assert choose(browser, "ann") == 403
    assert choose(browser, "ann", csrf=browser.csrf()) == 303
    assert browser.session != before
    assert browser.roles() == ["clerk"]
    assert choose(browser, "nobody", csrf=browser.csrf()) == 404
    assert browser.post("/sign-out", csrf=browser.csrf()).headers["location"] == "/sign-out"
    assert browser.me() == 401


def test_nobody_becomes_a_user_by_the_page_of_another_site(open_place: SignInPlace) -> None:
    browser = open_place.browser()
    for headers in ({}, {"Origin": "https://evil.example.com"}, {"Origin": "null"}):
        answer = browser.ask("POST", "/sign-in/as", data={"user": "ann"}, headers=headers)
        assert answer.status_code == 403
    assert browser.session is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example.com",
        "evil.example.com:8090",
        "127.0.0.1.evil.example.com",
        "localhost.evil.example.com",
        "127.0.0.1@evil.example.com",
        "10.0.0.1",
        "[::ffff:10.0.0.1]",
        "",
        "[",
    ],
)
def test_who_asks_by_another_name_is_refused_whatever_else_they_send(
    open_place: SignInPlace, host: str
) -> None:
    browser = open_place.browser()
    for path in (ME, "/sign-in", "/health/live"):
        answer = browser.get(path, Host=host, Authorization="Bearer ann")
        assert answer.status_code == 421, path
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("host", ["localhost:8090", "127.0.0.1", "[::1]:8090", "LOCALHOST", "127.1.2.3:1"])
def test_the_names_of_this_machine_are_its_own(open_place: SignInPlace, host: str) -> None:
    answer = open_place.browser().get(ME, Host=host, Authorization="Bearer ann")
    assert answer.status_code == 200


def test_a_user_of_an_issuer_is_not_chosen(place: SignInPlace) -> None:
    assert choose(place.browser(), "ann") == 404
