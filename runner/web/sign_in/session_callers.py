"""Callers who bring the cookie of a session: they stay who they are, and their roles are kept new.

Roles that are a few minutes old are asked for anew with the refresh token, by one process at a time: the
others wait for what it finds. An issuer that refuses ends the session. One that does not answer is asked
again every few seconds, and the roles of before count a while longer.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import msgspec
from anyio import to_thread
from starlette.datastructures import Headers

from runner import log
from runner.web.callers import Authenticator, Caller, DomainRules, NamedCallers, Unauthenticated
from runner.web.claims import ClaimRules
from runner.web.discovery import IssuerAway
from runner.web.key_sets import KeysUnavailable
from runner.web.sign_in import cookies
from runner.web.sign_in.identity import Identities
from runner.web.sign_in.origin import OwnOrigin
from runner.web.sign_in.provider import GrantRefused, Provider, Tokens
from runner.web.sign_in.sessions import AWAY_SECONDS, Session, Sessions, Ticket, read_ticket

COOKIE: Final = "session"
CSRF_HEADER: Final = "x-csrf"
UNATTENDED_HEADER: Final = "x-unattended"
"""What a page sends with requests that nobody has caused: they do not keep a session from being idle."""
OUTDATED_SECONDS: Final = 900.0
"""How long roles count that should have been renewed, while the issuer does not answer."""

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="runner"'}
_LOOK_SECONDS: Final = 0.05
_WAIT_SECONDS: Final = 6.0
"""How long the renewal of another request is waited for: somewhat longer than an issuer may take."""
_AGAIN_SECONDS: Final = 5
_EVENTS: Final = "text/event-stream"

_log: Final = log.get("sign_in")

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Times:
    """How long sessions and roles count, and the time."""

    now: Callable[[], float]
    """Seconds of the epoch."""
    session_seconds: float
    roles_every_seconds: float


@dataclass(frozen=True, slots=True)
class SignInIssuer:
    """One issuer that people sign in with."""

    provider: Provider
    identities: Identities
    reading: ClaimRules


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody with a session, in front of a page."""

    caller: Caller
    csrf: str
    """What the forms of a page carry in a field, and what its script sends in X-CSRF."""
    ticket: Ticket
    session: Session


class SessionCallers:
    """Says who sends a request, from the cookie of a session. For one event loop."""

    def __init__(
        self,
        sessions: Sessions,
        people: Mapping[str, SignInIssuer] | NamedCallers,
        rules: DomainRules,
        own: OwnOrigin,
        times: Times,
    ) -> None:
        """``people``: the issuers by name, or users who say themselves who they are."""
        self._sessions = sessions
        self._people = people
        self._rules = rules
        self._own = own
        self._times = times
        self._renewals = set[asyncio.Task[Session]]()

    def has_cookie(self, headers: Headers) -> bool:
        """Whether a browser sends a session, good or not."""
        return cookies.read(headers, self._own.cookie_name(COOKIE, headers)) is not None

    async def of(self, headers: Headers, method: str = "POST") -> Caller:
        """Return the caller of the API; Unauthenticated otherwise, StoreUnavailable where Redis is away.

        Other sites cannot ask in the name of somebody: what changes something needs X-CSRF and our Origin.
        """
        self.require_own(headers, method)
        visitor = await self.visitor(headers)
        if visitor is None:
            raise ended()
        if method not in _SAFE_METHODS:
            require_csrf(visitor, headers.get(CSRF_HEADER))
        return visitor.caller

    async def visitor(self, headers: Headers) -> Visitor | None:
        """Return who looks at a page; None where nobody has signed in, or the session has ended.

        Unauthenticated with 503 where the roles are too old and the issuer does not answer.
        """
        ticket = read_ticket(cookies.read(headers, self._own.cookie_name(COOKIE, headers)))
        if ticket is None:
            return None
        used = not (UNATTENDED_HEADER in headers or headers.get("accept") == _EVENTS)
        session = await in_thread(lambda: self._sessions.read(ticket, self._times.now(), used=used))
        if session is None:
            return None
        try:
            session = await self._fresh(ticket, session)
            return Visitor(self._caller(session, ticket), session.csrf, ticket, session)
        except _Ended:
            return None

    async def form_sender(self, headers: Headers, csrf: str | None) -> Visitor | None:
        """Return who has sent a form of a page; Unauthenticated where it was another site's form."""
        self.require_own(headers, "POST")
        visitor = await self.visitor(headers)
        if visitor is not None:
            # Forms of the inbox have the user behind it, for whom the page was made.
            require_csrf(visitor, (csrf or "").partition(" ")[0])
        return visitor

    def require_own(self, headers: Headers, method: str) -> None:
        """Unauthenticated where a page of another site has caused a request."""
        is_own = self._own.asked(headers) if method in _SAFE_METHODS else self._own.sent(headers)
        if not is_own:
            raise Unauthenticated(403, "a session counts for requests from the pages of this runner alone")

    def _caller(self, session: Session, ticket: Ticket) -> Caller:
        """Return whom a session stands for as the configuration of now has it; _Ended where it has nobody."""
        if isinstance(self._people, NamedCallers):
            caller = self._people.named(session.claims["sub"])
        else:
            issuer = self._people.get(session.issuer)
            caller = None if issuer is None else self._claimed(issuer, session)
        if caller is None:
            raise _Ended
        return replace(caller, expires_at=self._counts_until(session), session=ticket.digest)

    def _counts_until(self, session: Session) -> float:
        """Return when a stream that this session has opened must be opened anew: then roles are renewed."""
        if session.refresh_token is None:
            return session.ends_at
        now = self._times.now()
        due = session.renewed_at + self._times.roles_every_seconds
        return min(session.ends_at, due if due > now else now + AWAY_SECONDS)

    def _claimed(self, issuer: SignInIssuer, session: Session) -> Caller | None:
        try:
            return issuer.reading.caller(session.claims, session.ends_at, self._rules)
        except Unauthenticated:
            return None

    # -- new roles ---------------------------------------------------------------------------------

    async def _fresh(self, ticket: Ticket, session: Session) -> Session:
        """Return the session with roles that are new enough; _Ended where the issuer has ended it."""
        if session.refresh_token is None or isinstance(self._people, NamedCallers):
            return session
        if self._times.now() - session.renewed_at < self._times.roles_every_seconds:
            return session
        issuer = self._people.get(session.issuer)
        if issuer is None:
            raise _Ended
        found, state = await in_thread(lambda: self._sessions.begin_renewal(ticket))
        if found is None:
            raise _Ended
        if found.renewed_at != session.renewed_at:
            if state == "mine":
                await in_thread(lambda: self._sessions.leave_renewal(ticket))
            return found
        match state:
            case "mine":
                # Goes on when the browser is gone: a refresh token may be good for one use alone.
                task = asyncio.get_running_loop().create_task(self._renewed(issuer, ticket, session))
                self._renewals.add(task)
                task.add_done_callback(self._renewals.discard)
                return await asyncio.shield(task)
            case "busy":
                return await self._renewed_elsewhere(ticket, session)
            case "away":
                return self._outdated(session)

    async def _renewed(self, issuer: SignInIssuer, ticket: Ticket, session: Session) -> Session:
        try:
            tokens = await issuer.provider.renew(session.refresh_token or "")
            renewed = await self._with_claims(issuer, session, tokens)
        except (GrantRefused, Unauthenticated) as error:
            reason = "the issuer refuses" if isinstance(error, GrantRefused) else str(error)
            _log.info("session_ended", issuer=session.issuer, reason=reason)
            await in_thread(lambda: self._sessions.end(ticket, session))
            raise _Ended from error
        except (IssuerAway, KeysUnavailable) as error:
            _log.warning("roles_not_renewed", issuer=session.issuer, reason=str(error))
            await in_thread(lambda: self._sessions.fail_renewal(ticket))
            return self._outdated(session)
        if not await in_thread(lambda: self._sessions.write(ticket, renewed)):
            raise _Ended
        return renewed

    async def _with_claims(self, issuer: SignInIssuer, session: Session, tokens: Tokens) -> Session:
        """Return the session with what the issuer says now; Unauthenticated where that is somebody else."""
        claims = (await vouched_for(issuer, tokens, self._times.now())).claims
        before = issuer.reading.caller(session.claims, session.ends_at, self._rules)
        after = issuer.reading.caller(claims, session.ends_at, self._rules)
        if (before.user, before.tenant) != (after.user, after.tenant):
            raise Unauthenticated(403, "the issuer speaks of somebody else than before")
        return msgspec.structs.replace(
            session,
            claims=claims,
            renewed_at=self._times.now(),
            refresh_token=tokens.refresh,
            id_token=tokens.identity or session.id_token,
        )

    async def _renewed_elsewhere(self, ticket: Ticket, session: Session) -> Session:
        """Wait for what another request finds out."""
        for _ in range(int(_WAIT_SECONDS / _LOOK_SECONDS)):
            await asyncio.sleep(_LOOK_SECONDS)
            found, state = await in_thread(lambda: self._sessions.renewal(ticket))
            if found is None:
                raise _Ended
            if found.renewed_at != session.renewed_at:
                return found
            if state != "busy":
                break
        return self._outdated(session)

    def _outdated(self, session: Session) -> Session:
        """Return the session with the roles of before, if they are not too old."""
        due = session.renewed_at + self._times.roles_every_seconds
        if self._times.now() - due > OUTDATED_SECONDS:
            detail = "who signed you in does not answer, and your roles are too old to count; ask again"
            raise Unauthenticated(503, detail, {"Retry-After": str(_AGAIN_SECONDS)})
        return session


class EitherCallers:
    """Says who sends a request: from its token where it brings one, else from its session."""

    def __init__(self, tokens: Authenticator, sessions: SessionCallers) -> None:
        self._tokens = tokens
        self._sessions = sessions

    async def of(self, headers: Headers, method: str = "POST") -> Caller:
        """Return the caller; Unauthenticated otherwise."""
        if "authorization" not in headers and self._sessions.has_cookie(headers):
            return await self._sessions.of(headers, method)
        return await self._tokens.of(headers, method)


@dataclass(frozen=True, slots=True)
class Vouched:
    """What an issuer says of somebody."""

    claims: dict[str, Any]
    """What user id, roles and tenant are read from."""
    expires_at: float
    identity: dict[str, Any] | None
    """The claims of the ID token; None where none came."""


class _Ended(Exception):
    """The session counts no longer."""


def ended() -> Unauthenticated:
    """Return 401: there is no session, or none any more."""
    return Unauthenticated(401, "the session has ended; sign in again", _CHALLENGE)


def require_csrf(visitor: Visitor, given: str | None) -> None:
    """Unauthenticated unless a page of the session has sent this."""
    if not secrets.compare_digest((given or "").encode("utf-8", "replace"), visitor.csrf.encode()):
        detail = "this does not come from a page of your session; load the page again"
        raise Unauthenticated(403, detail)


async def vouched_for(
    issuer: SignInIssuer, tokens: Tokens, now_seconds: float, nonce: str | None = None
) -> Vouched:
    """Return what tokens say; Unauthenticated where they do not say who somebody is.

    ``nonce``: that of the sign-in; None: a refresh, where an ID token need not come.
    """
    identity: dict[str, Any] | None = None
    if tokens.identity is not None:
        identity = await issuer.identities.identity(
            tokens.identity, now_seconds, nonce=nonce, access_token=tokens.access
        )
    if issuer.provider.client.claims_from == "access_token":
        verified = await issuer.identities.access(tokens.access, now_seconds)
        return Vouched(dict(verified.claims), verified.expires_at, identity)
    if identity is None:
        raise Unauthenticated(403, "the issuer gives no ID token, from which claims are to be read")
    return Vouched(identity, float(identity["exp"]), identity)


async def in_thread(ask: Callable[[], Answer]) -> Answer:
    """Return what is asked of Redis, which blocks."""
    return await to_thread.run_sync(ask)
