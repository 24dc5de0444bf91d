"""Signing in and out: what happens on each of the ways from a browser to its session and back."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from runner import log
from runner.web.bearer_tokens import read
from runner.web.callers import DomainRules, NamedCallers, Unauthenticated, refused
from runner.web.discovery import IssuerAway
from runner.web.key_sets import KeysUnavailable
from runner.web.pages.addresses import own_path
from runner.web.pages.languages import later
from runner.web.sign_in import pending as pendings
from runner.web.sign_in.identity import LOGOUT_TYPES, login_in
from runner.web.sign_in.pending import Pending
from runner.web.sign_in.provider import GrantRefused, Tokens
from runner.web.sign_in.session_callers import SignInIssuer, Times, Visitor, in_thread, vouched_for
from runner.web.sign_in.sessions import Session, Sessions, Ticket, login_of

CALLBACK: Final = "/sign-in/callback"
SIGN_OUT: Final = "/sign-out"

_CSRF_BYTES: Final = 32
_LONGEST_CODE: Final = 4096
_FOR_A_WHILE: Final = frozenset({"temporarily_unavailable", "server_error"})
_DECLINED: Final = "access_denied"

_log: Final = log.get("sign_in")


class SignInFailed(Exception):
    """Somebody could not be signed in; the text is for them, to be looked up."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody who has just signed in, and where they wanted to go."""

    ticket: Ticket
    next: str


class SigningIn:
    """Signs people in and out. For one event loop; StoreUnavailable where Redis does not answer."""

    def __init__(
        self,
        sessions: Sessions,
        people: Mapping[str, SignInIssuer] | NamedCallers,
        rules: DomainRules,
        times: Times,
    ) -> None:
        """``people``: the issuers by name, or users who say themselves who they are."""
        self._sessions = sessions
        self._issuers = {} if isinstance(people, NamedCallers) else dict(people)
        self._users = people if isinstance(people, NamedCallers) else None
        self._rules = rules
        self._times = times

    def now(self) -> float:
        """Return the time, in seconds of the epoch."""
        return self._times.now()

    def choices(self) -> dict[str, str]:
        """Return the issuers that can be chosen: what people read, by name."""
        return {name: each.provider.client.title for name, each in self._issuers.items()}

    async def begin(self, issuer: str, following: str, origin: str) -> tuple[str, Pending]:
        """Return where to send a browser, and what it has to bring back; SignInFailed otherwise."""
        provider = self._issuer(issuer).provider
        pending = pendings.begin(issuer, following, self._times.now())
        try:
            return await provider.sign_in_url(pending, origin + CALLBACK), pending
        except IssuerAway as error:
            raise _away(issuer, error) from error

    async def finish(self, pending: Pending, said: Mapping[str, str], origin: str) -> SignedIn:
        """Return the session of somebody who comes back from the issuer; SignInFailed otherwise."""
        issuer, name = self._issuer(pending.issuer), pending.issuer
        try:
            if not await issuer.provider.is_named(said.get("iss")):
                raise _failed(name, "the callback is another issuer's")
            _require_code(name, said)
            tokens = await issuer.provider.redeem(said["code"], pending.verifier, origin + CALLBACK)
            session = await self._session(issuer, pending, tokens)
        except GrantRefused as error:
            raise _failed(name, "the code is refused") from error
        except (IssuerAway, KeysUnavailable) as error:
            raise _away(name, error) from error
        except Unauthenticated as error:
            raise _not_let_in(name, error) from error
        ticket = await in_thread(lambda: self._sessions.create(session, self._times.now()))
        if ticket is None:
            raise _failed(name, "the login has ended meanwhile")
        _log.info("signed_in", issuer=name)
        return SignedIn(ticket, own_path(pending.next))

    async def sign_in_as(self, user: str) -> Ticket:
        """Return a session of one of web.users; SignInFailed where there is none, or people have issuers."""
        if self._users is None or self._users.named(user) is None:
            raise SignInFailed(404, later("There is nobody of that name here."))
        now = self._times.now()
        session = Session("", {"sub": user}, _new_csrf(), now + self._times.session_seconds, now)
        ticket = await in_thread(lambda: self._sessions.create(session, now))
        if ticket is None:
            raise SignInFailed(503, later("That did not work; try again."))
        return ticket

    async def drop(self, ticket: Ticket) -> None:
        """End the session that a browser had before."""
        now = self._times.now()
        session = await in_thread(lambda: self._sessions.read(ticket, now, used=False))
        await in_thread(lambda: self._sessions.end(ticket, session))

    async def sign_out(self, visitor: Visitor, origin: str) -> str | None:
        """End a session; return where the login at the issuer is ended, None where there is no such place.

        SignInFailed where the session has ended, but the issuer does not answer.
        """
        session = visitor.session
        await in_thread(lambda: self._sessions.end(visitor.ticket, session))
        issuer = self._issuers.get(session.issuer)
        if issuer is None:
            return None
        _log.info("signed_out", issuer=session.issuer)
        try:
            return await issuer.provider.sign_out_url(session.id_token, origin + SIGN_OUT)
        except IssuerAway as error:
            _log.warning("sign_out_incomplete", issuer=session.issuer, reason=str(error))
            message = later(
                "You are signed out here. Whoever signed you in does not answer and still knows you: sign "
                "out there as well."
            )
            raise SignInFailed(503, message) from error

    async def end_logins(self, logout_token: str) -> None:
        """End the sessions that an issuer says have ended; Unauthenticated where it does not say so.

        KeysUnavailable where that cannot be checked now.
        """
        claimed = read(logout_token, LOGOUT_TYPES).issuer
        found = [(name, each) for name, each in self._issuers.items() if each.provider.issuer == claimed]
        if not found:
            raise refused("its issuer is not known here")
        name, issuer = found[0]
        said = await issuer.identities.ended(logout_token, self._times.now())
        token_id = f"{name} {said.token_id}"
        if await in_thread(lambda: self._sessions.is_used(token_id)):
            raise refused("it was used before")
        login = login_of(name, "sid", said.login) if said.login else login_of(name, "sub", said.subject or "")
        ended = await in_thread(lambda: self._sessions.end_login(login))
        # Last: where Redis goes away in between, the issuer sends the same token again.
        await in_thread(lambda: self._sessions.use(token_id))
        _log.info("logged_out_by_issuer", issuer=name, sessions=ended)

    def _issuer(self, name: str) -> SignInIssuer:
        if name not in self._issuers:
            raise SignInFailed(404, later("Nobody signs in that way here."))
        return self._issuers[name]

    async def _session(self, issuer: SignInIssuer, pending: Pending, tokens: Tokens) -> Session:
        """Return a new session; Unauthenticated where the tokens do not say who somebody is."""
        now = self._times.now()
        vouched = await vouched_for(issuer, tokens, now, pending.nonce)
        if vouched.identity is None:
            raise refused("the issuer gives no ID token")
        issuer.reading.caller(vouched.claims, vouched.expires_at, self._rules)
        logins = [login_of(pending.issuer, "sub", vouched.identity["sub"])]
        login = login_in(vouched.identity)
        if login is not None:
            logins.append(login_of(pending.issuer, "sid", login))
        ends_at = now + self._times.session_seconds
        return Session(
            issuer=pending.issuer,
            claims=vouched.claims,
            csrf=_new_csrf(),
            # What cannot be renewed counts as long as the issuer has said, and no longer.
            ends_at=ends_at if tokens.refresh else min(ends_at, vouched.expires_at),
            renewed_at=now,
            logins=tuple(logins),
            refresh_token=tokens.refresh,
            id_token=tokens.identity,
        )


def _new_csrf() -> str:
    return secrets.token_urlsafe(_CSRF_BYTES)


def _require_code(issuer: str, said: Mapping[str, str]) -> None:
    error = said.get("error")
    if error == _DECLINED:
        raise SignInFailed(403, later("You were not signed in: it was declined, or you may not use this."))
    if error in _FOR_A_WHILE:
        raise _away(issuer, IssuerAway(f"it answers {error}"))
    if error is not None:
        raise _failed(issuer, f"it answers {error[:100]!r}")
    if not 0 < len(said.get("code", "")) <= _LONGEST_CODE:
        raise _failed(issuer, "it sends no code")


def _failed(issuer: str, reason: Any) -> SignInFailed:
    _log.warning("sign_in_failed", issuer=issuer, reason=str(reason))
    return SignInFailed(400, later("Signing in did not work. Try again."))


def _not_let_in(issuer: str, error: Unauthenticated) -> SignInFailed:
    _log.warning("sign_in_failed", issuer=issuer, reason=str(error))
    if error.status == 403:
        return SignInFailed(403, later("You are known, but there is nothing here that you may use."))
    return SignInFailed(502, later("Whoever signed you in said something that is not accepted here."))


def _away(issuer: str, error: Exception) -> SignInFailed:
    _log.warning("sign_in_failed", issuer=issuer, reason=str(error))
    return SignInFailed(503, later("Whoever signs you in does not answer at the moment. Try again."))
