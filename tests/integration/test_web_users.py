"""Without an issuer, people say who they are: on this machine alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.sign_in_place import (
    ME,
    SignInBrowser,
    SignInPlace,
    sign_in_place,
)
from tests.servers.redis_server import RedisServer


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
    assert choose(browser, "ann") == 303, "a page that was there before may choose as well"
    assert browser.session != before
    assert browser.roles() == ["clerk"]
    assert choose(browser, "nobody") == 404
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
