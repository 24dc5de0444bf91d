"""Requests with a session: what it lets a browser do, and where the sessions themselves are gone."""

from __future__ import annotations

from collections.abc import Callable

from structlog.testing import capture_logs

from tests.integration.sign_in_place import (
    ME,
    ORIGIN,
    ROLES_EVERY,
    SignInPlace,
    ann,
    logout,
    sign_in_place,
)
from tests.servers.login_issuer import LoginIssuer
from tests.servers.redis_server import RedisServer


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
