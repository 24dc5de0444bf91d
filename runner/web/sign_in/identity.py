"""Identity: what an issuer says at sign-in of who somebody is, and at logout of whose login has ended.

OpenID Connect Core 3.1.3.7 and 12.2, Back-Channel Logout 2.6. Signatures and keys are those of bearer tokens;
these tokens are for the client, where those are for the API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from authlib.oidc.core import CodeIDToken
from joserfc.errors import JoseError

from runner.web.bearer_tokens import (
    LEEWAY_SECONDS,
    VerifiedToken,
    moment,
    read,
    require_algorithm,
    signed_claims,
    verify,
)
from runner.web.callers import refused
from runner.web.token_callers import TrustedIssuer

LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_SECONDS: Final = 300
"""Age at which a logout token no longer counts; the longest time in which it may be shown twice."""
LONGEST_ID: Final = 512
"""Characters of a sub, a sid or a jti."""

_ID_TYPES: Final = frozenset({"jwt", "application/jwt"})
LOGOUT_TYPES: Final = _ID_TYPES | {"logout+jwt", "application/logout+jwt"}
_UNREADABLE: Final = "its claims cannot be read"


@dataclass(frozen=True, slots=True)
class EndedLogin:
    """What a logout token says."""

    token_id: str
    subject: str | None
    login: str | None
    """The sid; None: all logins of the subject."""


class Identities:
    """Checks the tokens that one issuer gives to one client. Raises KeysUnavailable where it has no keys."""

    def __init__(self, trusted: TrustedIssuer, client_id: str) -> None:
        self._trusted = trusted
        self._client_id = client_id

    async def identity(
        self, text: str, now_seconds: float, *, nonce: str | None, access_token: str | None
    ) -> dict[str, Any]:
        """Return the claims of an ID token; Unauthenticated unless it is for this client and this sign-in.

        ``nonce`` None: there was none to send, as with a refresh.
        """
        token = read(text, _ID_TYPES)
        claims = await self._signed(text, _ID_TYPES)
        options: Any = {
            "iss": {"essential": True, "value": self._trusted.expected.issuer},
            "aud": {"essential": True, "value": self._client_id},
        }
        given = {"nonce": nonce, "access_token": access_token, "client_id": self._client_id}
        checked = CodeIDToken(claims, {"alg": token.algorithm}, options, given)
        try:
            checked.validate(int(now_seconds), LEEWAY_SECONDS)
        except JoseError as error:
            raise refused(f"the ID token is not right: {type(error).__name__}") from error
        except (AttributeError, TypeError, ValueError) as error:
            raise refused(_UNREADABLE) from error
        if not _is_id(claims["sub"]):
            raise refused(_UNREADABLE)
        return claims

    async def access(self, text: str, now_seconds: float) -> VerifiedToken:
        """Return what an access token says; Unauthenticated unless a program could show it to the API."""
        expected = self._trusted.expected
        token = read(text)
        require_algorithm(token, expected)
        return verify(token, await self._trusted.keys.having(token.key_id), expected, now_seconds)

    async def ended(self, text: str, now_seconds: float) -> EndedLogin:
        """Return what a logout token says; Unauthenticated unless it is one, for this client, and recent."""
        claims = await self._signed(text, LOGOUT_TYPES)
        audience = claims.get("aud")
        if claims.get("iss") != self._trusted.expected.issuer:
            raise refused("it is of another issuer")
        if self._client_id not in (audience if isinstance(audience, list) else [audience]):
            raise refused("it is for another client")
        events = claims.get("events")
        if not isinstance(events, Mapping) or not isinstance(events.get(LOGOUT_EVENT), Mapping):
            raise refused("it is no logout token (events)")
        if "nonce" in claims:
            raise refused("it is an ID token (nonce)")
        _require_recent(claims, now_seconds)
        token_id, subject, login = (_id_of(claims, name) for name in ("jti", "sub", "sid"))
        if token_id is None or (subject is None and login is None):
            raise refused("it does not say whose login has ended (jti, sub, sid)")
        return EndedLogin(token_id, subject, login)

    async def _signed(self, text: str, types: frozenset[str]) -> dict[str, Any]:
        token = read(text, types)
        require_algorithm(token, self._trusted.expected)
        keys = await self._trusted.keys.having(token.key_id)
        return signed_claims(token, keys, self._trusted.expected.algorithms)


def login_in(claims: Mapping[str, Any]) -> str | None:
    """Return the sid of an ID token, if it has one; Unauthenticated where that is no text."""
    return _id_of(claims, "sid")


def _require_recent(claims: Mapping[str, Any], now_seconds: float) -> None:
    issued, ends = (moment(claims, name) for name in ("iat", "exp"))
    if issued is None or not -LEEWAY_SECONDS <= now_seconds - issued <= LOGOUT_SECONDS:
        raise refused("it is not of now (iat)")
    if ends is not None and now_seconds > ends + LEEWAY_SECONDS:
        raise refused("it has expired")


def _id_of(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is None:
        return None
    if not _is_id(value):
        raise refused(f"{name} is no text of {LONGEST_ID} characters at most")
    return str(value)


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_ID
