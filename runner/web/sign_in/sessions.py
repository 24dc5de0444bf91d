"""Sessions: who has signed in, in Redis, for all processes of the web; each call is for any thread.

    <prefix>:web:{d}:session    the session, encrypted; EXPIRE: idle time, and no longer than in total
    <prefix>:web:{d}:renewal    busy or away: somebody asks the issuer for new roles, or has just failed
    <prefix>:web:{e}:sessions   set of the d that one login at an issuer, or one person there, has
    <prefix>:web:{f}:jti        a logout token that has been used

``d`` is the SHA-256 of the id in the cookie. The key of the encryption is the other half of the cookie, and
nowhere else: who reads Redis, its file or a backup finds no id that a browser could send, and no token. The
part in braces is the Cluster hash tag, so a session and its renewal lie in one slot; no command has keys of
two slots.
"""

from __future__ import annotations

import re
import secrets
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Literal

import msgspec
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwe import JWERegistry
from joserfc.jwk import OctKey

from runner.store.connection.command import Command, Connection
from runner.store.connection.refusals import unavailable
from runner.web.bearer_tokens import LARGEST_TOKEN
from runner.web.pool import Pool

BUSY_SECONDS: Final = 30
"""How long one process may ask an issuer for new roles; longer than all of its answers may take."""
AWAY_SECONDS: Final = 10
"""How long nobody asks an issuer again for one session after it has not answered."""
LOGOUT_SECONDS: Final = 600
"""How long a used logout token is remembered; an older one is refused by its time."""

Renewal = Literal["mine", "busy", "away"]

_BYTES: Final = 32
# 32 bytes in base64url: of the last sign two bits are left, and more texts than one would be the same key.
_TEXT: Final = r"([\w-]{42}[AEIMQUYcgkosw048])"
_COOKIE: Final = re.compile(rf"{_TEXT}\.{_TEXT}", re.ASCII)
_HEADER: Final = {"alg": "dir", "enc": "A256GCM"}


class Session(msgspec.Struct, frozen=True):
    """Somebody who has signed in; moments in seconds of the epoch."""

    issuer: str
    """Its name in ``web.issuers``; empty where people say themselves who they are."""
    claims: dict[str, Any]
    """What the issuer says of them, as of ``renewed_at``."""
    csrf: str
    """What pages of the session send back, and others do not know."""
    ends_at: float
    renewed_at: float
    logins: tuple[str, ...] = ()
    """What it can be found by when the issuer ends it: see ``login_of``."""
    refresh_token: str | None = None
    id_token: str | None = None
    """Tells the issuer at sign-out whose login ends."""


class _Registry(JWERegistry):
    """The library's table of algorithms, cut down to those that sessions are sealed with."""

    # Two tokens, and the claims of a third.
    max_ciphertext_length = 6 * LARGEST_TOKEN


_REGISTRY: Final = _Registry(algorithms=[*_HEADER.values()])

_session: Final = msgspec.json.Decoder(Session)


@dataclass(frozen=True, slots=True)
class Ticket:
    """What the cookie of a session holds: its id, and the key of what Redis has under it."""

    id: str
    key: str

    @property
    def digest(self) -> str:
        """What the session is called in Redis; nobody gets from it to the id."""
        return sha256(self.id.encode()).hexdigest()

    @property
    def text(self) -> str:
        return f"{self.id}.{self.key}"


def new_ticket() -> Ticket:
    """Return one that nobody has guessed."""
    return Ticket(secrets.token_urlsafe(_BYTES), secrets.token_urlsafe(_BYTES))


def read_ticket(cookie: str | None) -> Ticket | None:
    """Return what a cookie holds; None where it is none of ours."""
    found = _COOKIE.fullmatch(cookie or "")
    return None if found is None else Ticket(found[1], found[2])


def login_of(issuer: str, kind: Literal["sid", "sub"], value: str) -> str:
    """Return by what sessions of one login (sid) or one person (sub) at an issuer are found."""
    return sha256(msgspec.json.encode([issuer, kind, value])).hexdigest()


class Sessions:
    """Reads and writes sessions. Every method may block, and raises StoreUnavailable."""

    def __init__(self, connect: Callable[[], Connection], prefix: str, idle_seconds: int) -> None:
        self._connections = Pool(connect)
        self._prefix = prefix
        self._idle_seconds = idle_seconds

    def create(self, session: Session, now_seconds: float) -> Ticket | None:
        """Keep a new session; None where its login has ended meanwhile."""
        ticket = new_ticket()
        total = max(1, int(session.ends_at - now_seconds))
        for login in session.logins:
            key = self._key(login, "sessions")
            self._run((key, "SADD", ticket.digest), (key, "EXPIRE", total))
        session_key, idle = self._key(ticket.digest, "session"), min(total, self._idle_seconds)
        self._run((session_key, "SET", _sealed(session, ticket), "EX", idle))
        # A logout between these commands has taken the session from its list without finding it.
        for login in session.logins:
            if self._run((self._key(login, "sessions"), "SISMEMBER", ticket.digest)) != [1]:
                self.end(ticket, session)
                return None
        return ticket

    def read(self, ticket: Ticket, now_seconds: float, *, used: bool) -> Session | None:
        """Return a session; None where it has ended. ``used``: somebody is there, it is not idle."""
        key = self._key(ticket.digest, "session")
        options = ("EX", self._idle_seconds) if used else ()
        [value] = self._run((key, "GETEX", *options))
        session = None if value is None else _opened(value, ticket)
        if session is None:
            return None
        if session.ends_at <= now_seconds:
            self.end(ticket, session)
            return None
        if used and session.ends_at - now_seconds < self._idle_seconds:
            self._run((key, "EXPIREAT", int(session.ends_at) + 1))
        return session

    def write(self, ticket: Ticket, session: Session) -> bool:
        """Replace a session and end its renewal; False, and nothing is written, where it has ended."""
        key = self._key(ticket.digest, "session")
        written, _ = self._run(
            (key, "SET", _sealed(session, ticket), "XX", "KEEPTTL"),
            (self._key(ticket.digest, "renewal"), "DEL"),
        )
        return written is not None

    def end(self, ticket: Ticket, session: Session | None) -> None:
        """Remove a session; nothing if it has ended."""
        self._run((self._key(ticket.digest, "session"), "DEL"))
        for login in () if session is None else session.logins:
            self._run((self._key(login, "sessions"), "SREM", ticket.digest))

    def end_login(self, login: str) -> int:
        """Remove every session of a login; return how many there were."""
        key = self._key(login, "sessions")
        [digests] = self._run((key, "SMEMBERS"))
        ended = 0
        for digest in sorted(each.decode() for each in digests):
            # Taken from the list first: a sign-in that is about to write its session looks there afterwards.
            self._run((key, "SREM", digest))
            ended += self._run((self._key(digest, "session"), "DEL"))[0]
        return ended

    def begin_renewal(self, ticket: Ticket) -> tuple[Session | None, Renewal]:
        """Say that this process asks for new roles; ``mine`` where no other does, or has just failed.

        With it comes the session as it is now: another process may have renewed it since it was read, and
        its refresh token of before may be used up.
        """
        key = self._key(ticket.digest, "renewal")
        taken, there, value = self._run(
            (key, "SET", "busy", "NX", "EX", BUSY_SECONDS),
            (key, "GET"),
            (self._key(ticket.digest, "session"), "GET"),
        )
        session = None if value is None else _opened(value, ticket)
        return session, "mine" if taken is not None else _state(there)

    def leave_renewal(self, ticket: Ticket) -> None:
        """Say that this process does not ask after all."""
        self._run((self._key(ticket.digest, "renewal"), "DEL"))

    def renewal(self, ticket: Ticket) -> tuple[Session | None, Renewal | None]:
        """Return a session, and whether it is being renewed; None: by nobody."""
        value, state = self._run(
            (self._key(ticket.digest, "session"), "GET"), (self._key(ticket.digest, "renewal"), "GET")
        )
        session = None if value is None else _opened(value, ticket)
        return session, None if state is None else _state(state)

    def fail_renewal(self, ticket: Ticket) -> None:
        """Say that the issuer did not answer."""
        self._run((self._key(ticket.digest, "renewal"), "SET", "away", "EX", AWAY_SECONDS))

    def there_are(self, digests: Iterable[str]) -> set[str]:
        """Return those of the sessions, by digest, that have not ended."""
        asked = list(digests)
        found = self._run(*((self._key(digest, "session"), "EXISTS") for digest in asked))
        return {digest for digest, there in zip(asked, found, strict=True) if there}

    def is_used(self, token_id: str) -> bool:
        """Whether a logout token has been used."""
        return self._run((self._token_key(token_id), "EXISTS")) == [1]

    def use(self, token_id: str) -> None:
        """Remember that a logout token has been used."""
        self._run((self._token_key(token_id), "SET", "1", "EX", LOGOUT_SECONDS))

    def close(self) -> None:
        self._connections.close()

    def _token_key(self, token_id: str) -> str:
        return self._key(sha256(token_id.encode("utf-8", "replace")).hexdigest(), "jti")

    def _key(self, digest: str, kind: str) -> str:
        return f"{self._prefix}:web:{{{digest}}}:{kind}"

    def _run(self, *commands: tuple[Any, ...]) -> list[Any]:
        """Send commands, each as its key, its name and the rest."""
        if not commands:
            return []
        with self._connections.lent() as connection:
            answers = connection.run(Command((name, key, *rest), key) for key, name, *rest in commands)
        for answer in answers:
            if isinstance(answer, Exception):
                raise unavailable(answer) from answer
        return answers


def _state(value: bytes | None) -> Renewal:
    return "away" if value == b"away" else "busy"


def _sealed(session: Session, ticket: Ticket) -> str:
    return jwe.encrypt_compact(_HEADER, msgspec.json.encode(session), _key_of(ticket), registry=_REGISTRY)


def _opened(value: bytes, ticket: Ticket) -> Session | None:
    try:
        plain = jwe.decrypt_compact(value, _key_of(ticket), registry=_REGISTRY).plaintext
        return _session.decode(plain or b"")
    except (JoseError, ValueError):
        # The key is another one, or a runner of another version has written it.
        return None


def _key_of(ticket: Ticket) -> OctKey:
    return OctKey.import_key(urlsafe_b64decode(f"{ticket.key}="))
