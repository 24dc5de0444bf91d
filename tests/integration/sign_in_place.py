"""A place where people sign in: replicas of the API on one Redis, an issuer, browsers, and a clock."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import redis

from runner.clock import ManualTicker
from runner.store.connection.command import Connection
from runner.store.connection.single import connect
from runner.web.app import build_app
from runner.web.bearer_tokens import Expected
from runner.web.callers import DomainRules, NamedCallers
from runner.web.claims import ClaimRules
from runner.web.discovery import IssuerConnection
from runner.web.key_sets import HttpKeySource, KeySet
from runner.web.server import finish_background
from runner.web.sign_in.identity import Identities
from runner.web.sign_in.origin import OwnOrigin
from runner.web.sign_in.parts import SignInParts
from runner.web.sign_in.provider import Client, Provider
from runner.web.sign_in.session_callers import EitherCallers, SessionCallers, SignInIssuer, Times
from runner.web.sign_in.session_watch import SessionWatch
from runner.web.sign_in.sessions import Sessions
from runner.web.sign_in.signing_in import SigningIn
from runner.web.token_callers import TokenCallers, TrustedIssuer
from tests.servers.login_issuer import AUDIENCE, CLIENT, SECRET, Login, LoginIssuer
from tests.servers.token_issuer import rsa_key
from tests.unit.web.desk import Inquirer

ORIGIN: Final = "http://127.0.0.1:8090"
DOMAINS: Final = frozenset({"orders", "care"})
RULES: Final = DomainRules({"orders": "admin", "care": "admin", "closed": None})
ROLES_EVERY: Final = 300
SESSION: Final = 7200
IDLE: Final = 1800
ME: Final = "/api/v1/me"
BACK_CHANNEL: Final = "/sign-in/back-channel-logout"
_BACKGROUND_SECONDS: Final = 30.0
STRANGER: Final = rsa_key("first")
"""A key that is not the one of ``issuer``."""


@dataclass
class Clock:
    """Seconds of the epoch: those of now and what the test has let pass."""

    ticker: ManualTicker = field(default_factory=ManualTicker)
    began_at: float = field(default_factory=time.time)

    def __call__(self) -> float:
        return self.began_at + self.ticker()


class SignInPlace:
    """Replicas behind one address; ``redis_url`` may name any Redis."""

    def __init__(
        self,
        redis_url: str,
        issuers: Mapping[str, LoginIssuer],
        public_url: str | None = None,
        prefix: str | None = None,
        **client: Any,
    ) -> None:
        self.clock = Clock()
        self.issuers = issuers
        self.prefix = prefix or f"sign-in-{uuid.uuid4().hex[:10]}"
        self.redis_url = redis_url
        self.own = OwnOrigin(public_url)
        self._client = client
        self._sessions: list[Sessions] = []
        self.callers: list[SessionCallers] = []
        self._loop = asyncio.Runner()
        for issuer in issuers.values():
            issuer.now = self.clock
        self.replicas = [self._replica(), self._replica()]

    def close(self) -> None:
        self._loop.run(finish_background(_BACKGROUND_SECONDS))
        self._loop.close()
        for sessions in self._sessions:
            sessions.close()

    def run(self, work: Any) -> Any:
        return self._loop.run(work)

    def pass_by(self, seconds: float) -> None:
        self.clock.ticker.advance(seconds)

    def connect(self) -> Connection:
        return connect(self.redis_url, 2.0)

    def browser(self, replica: int = 0, origin: str | None = None) -> SignInBrowser:
        return SignInBrowser(self, replica, origin or self.own.public_url or ORIGIN)

    def signed_in(self, login: Login, issuer: str = "staff") -> SignInBrowser:
        """Return the browser of somebody who has signed in."""
        browser = self.browser()
        assert browser.sign_in(login, issuer).status_code == 303
        return browser

    def sessions(self) -> Sessions:
        found = Sessions(self.connect, self.prefix, IDLE)
        self._sessions.append(found)
        return found

    def _replica(self) -> Any:
        desk, sessions = Inquirer(), self.sessions()
        people: Mapping[str, SignInIssuer] | NamedCallers
        tokens: TokenCallers | NamedCallers
        if self.issuers:
            people = {name: self._issuer(name) for name in self.issuers}
            trusted = [self._trusted(name) for name in self.issuers]
            tokens = TokenCallers(trusted, RULES, self.clock)
        else:
            people = tokens = NamedCallers({"ann": frozenset({"clerk"}), "Zoë": frozenset({"admin"})}, RULES)
        times = Times(self.clock, SESSION, ROLES_EVERY)
        callers = SessionCallers(sessions, people, RULES, self.own, times)
        self.callers.append(callers)
        sign_in = SignInParts(
            SigningIn(sessions, people, RULES, times),
            callers,
            self.own,
            SessionWatch(sessions, look_seconds=0.05),
            tuple(issuer.url for issuer in self.issuers.values()),
            {} if self.issuers else {"ann": ["clerk"], "Zoë": ["admin"]},
        )
        either = EitherCallers(tokens, callers)
        return build_app(replace(desk.parts, authenticator=either, visitors=callers, sign_in=sign_in))

    def _trusted(self, name: str) -> TrustedIssuer:
        url = self.issuers[name].url
        reading = ClaimRules(
            name=name,
            domains=DOMAINS,
            user="sub",
            roles="roles",
            user_prefix="",
            other_prefixes=frozenset(),
            tenant=name,
            tenant_claim=None,
            tenants={},
        )
        keys = KeySet(name, HttpKeySource(IssuerConnection(url), None), self.clock.ticker)
        return TrustedIssuer(Expected(url, AUDIENCE, ("RS256",)), reading, keys)

    def _issuer(self, name: str) -> SignInIssuer:
        trusted = self._trusted(name)
        url = self.issuers[name].url
        client = replace(Client(CLIENT, ("openid", "profile"), name.title(), SECRET), **self._client)
        provider = Provider(client, url, IssuerConnection(url), self.clock.ticker)
        return SignInIssuer(provider, Identities(trusted, client.id), trusted.reading)


class SignInBrowser:
    """A browser with its cookies; it follows no redirections by itself."""

    def __init__(self, place: SignInPlace, replica: int, origin: str) -> None:
        self._place = place
        self.origin = origin
        self.cookies = httpx.Cookies()
        self.at(replica)

    def at(self, replica: int) -> SignInBrowser:
        """Ask this replica from now on."""
        self._transport = httpx.ASGITransport(self._place.replicas[replica], raise_app_exceptions=False)
        return self

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            client = httpx.AsyncClient(
                transport=self._transport, base_url=self.origin, cookies=self.cookies, timeout=60
            )
            async with client:
                answer = await client.request(method, path, **request)
                self.cookies = client.cookies
                return answer

        answer: httpx.Response = self._place.run(asked())
        return answer

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, **form: str) -> httpx.Response:
        """Send a form of a page of ours."""
        return self.ask("POST", path, data=form, headers={"Origin": self.origin})

    def sent_to(self, issuer: str = "staff", following: str = "/tasks?x=1") -> str:
        """Return where the browser is sent to sign in."""
        answer = self.ask("GET", "/sign-in", params={"issuer": issuer, "next": following})
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])

    def called_back(self, login: Login, issuer: str = "staff", following: str = "/tasks?x=1") -> str:
        """Return the path that the issuer sends the browser back to."""
        back = urlsplit(self._place.issuers[issuer].log_in(self.sent_to(issuer, following), login))
        assert f"{back.scheme}://{back.netloc}" == self.origin
        return f"{back.path}?{back.query}"

    def sign_in(self, login: Login, issuer: str = "staff") -> httpx.Response:
        return self.get(self.called_back(login, issuer))

    def me(self) -> dict[str, Any] | int:
        """Return what the API says of who asks; the status where it says nothing."""
        answer = self.get(ME)
        return dict(answer.json()) if answer.status_code == 200 else answer.status_code

    def roles(self) -> list[str] | int:
        me = self.me()
        return me if isinstance(me, int) else list(me["roles"])

    def csrf(self) -> str:
        """Return what the forms of the session's pages carry."""
        page = self.get("/sign-out").text
        _, _, rest = page.partition('name="csrf" value="')
        return rest.partition('"')[0]

    @property
    def session(self) -> str | None:
        """The value of the session's cookie."""
        found = [each.value for each in self.cookies.jar if each.name.endswith("-session")]
        return found[0] if found else None


@contextmanager
def sign_in_place(redis_url: str, issuers: Mapping[str, LoginIssuer], **more: Any) -> Iterator[SignInPlace]:
    """Give a place for the length of a block."""
    place = SignInPlace(redis_url, issuers, **more)
    try:
        yield place
    finally:
        place.close()


def ann(**fields: Any) -> Login:
    """Return a login of ann, who is a clerk."""
    return Login("ann", ["clerk"], **fields)


def keys_of(place: SignInPlace) -> list[bytes]:
    """Return what is kept in Redis for the sessions of a place."""
    with redis.Redis.from_url(place.redis_url) as client:
        return sorted(client.keys(f"{place.prefix}:*"))


def logout(place: SignInPlace, token: str, replica: int = 1) -> int:
    """Have an issuer say that a login has ended; return the status of the answer."""
    answer = place.browser(replica).ask("POST", BACK_CHANNEL, data={"logout_token": token})
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code
