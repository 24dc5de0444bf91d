"""Roles of a session: asked for anew every few minutes, by one request of many, and what ends it."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
import redis

from runner.web.sign_in.session_callers import OUTDATED_SECONDS
from runner.web.sign_in.sessions import AWAY_SECONDS, read_ticket
from tests.integration.sign_in_place import (
    ME,
    ORIGIN,
    ROLES_EVERY,
    SignInPlace,
    ann,
    keys_of,
    sign_in_place,
)
from tests.servers.login_issuer import LoginIssuer
from tests.servers.redis_server import RedisServer


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
