"""Bearer tokens: signed JWTs, checked against the keys of their issuer (RFC 7515, 7519, 8725, 9068).

What a token says of itself is believed in two places only, before it has been verified: ``iss`` chooses among
the issuers of the configuration, ``kid`` among the keys of that issuer. Keys and addresses of keys that stand
in a token (``jwk``, ``jku``, ``x5c``, ``x5u``) are never looked at.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry, deserialize_compact

from runner.web.callers import refused

LARGEST_TOKEN: Final = 16_384
"""Characters of a token; what identity providers give out has a few thousand."""
LEEWAY_SECONDS: Final = 30
"""By how much the clock of an issuer may differ from ours."""

_FORM: Final = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
"""Kinds of tokens by their header; one that says another, as logout+jwt, is for something else."""
_OTHER_KINDS: Final[Mapping[str, frozenset[str]]] = {
    "typ": frozenset({"ID", "Refresh", "Offline", "Logout"}),
    "token_use": frozenset({"id"}),
}
"""Claims by which some issuers mark tokens that are not for showing to an API."""
_NOT_EXTENDED: Final = ("crit", "b64")
"""Headers that change how a token is read."""
_LAST_MOMENT: Final = 253_402_300_800
"""Year 10000, in seconds of the epoch."""
_UNREADABLE: Final = "it cannot be read"
_UNSIGNED: Final = "it is not signed by its issuer"

_object: Final = msgspec.json.Decoder(dict[str, Any])


class _Registry(JWSRegistry):
    """The library's table of algorithms, cut down to those that an issuer may use."""

    max_header_length = LARGEST_TOKEN
    max_payload_length = LARGEST_TOKEN

    def __init__(self, algorithms: Sequence[str]) -> None:
        # Headers that nobody knows are to be passed over (RFC 7515, 4).
        super().__init__(algorithms=algorithms, strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError
        return self.algorithms[name]


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token of one issuer must have."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """What a token says of itself, by which its issuer and its key are found."""

    text: str
    issuer: str
    algorithm: str
    key_id: str | None


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What the issuer of a token says."""

    claims: Mapping[str, Any]
    expires_at: float
    """In seconds of the epoch."""


def read(text: str, types: Collection[str] = _TYPES) -> UnverifiedToken:
    """Return what a token says of itself; Unauthenticated for what is no token, or none of these types."""
    if len(text) > LARGEST_TOKEN:
        raise refused("it is too long")
    if _FORM.fullmatch(text) is None:
        raise refused("it is no JWT")
    header, payload = (_decoded(part) for part in text.split(".")[:2])
    algorithm, key_id, issuer = header.get("alg"), header.get("kid"), payload.get("iss")
    if not isinstance(algorithm, str) or not isinstance(key_id, str | None) or not isinstance(issuer, str):
        raise refused(_UNREADABLE)
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in types or any(n in header for n in _NOT_EXTENDED):
        raise refused("it is of another kind than the tokens for an API")
    return UnverifiedToken(text, issuer, algorithm, key_id)


def require_algorithm(token: UnverifiedToken, expected: Expected) -> None:
    """Unauthenticated where no key of the issuer needs to be looked at."""
    if token.algorithm not in expected.algorithms:
        raise refused(_UNSIGNED)


def verify(
    token: UnverifiedToken, keys: Iterable[Key], expected: Expected, now_seconds: float
) -> VerifiedToken:
    """Return what the issuer says; Unauthenticated unless it has signed that, for us and for now."""
    return _checked(signed_claims(token, keys, expected.algorithms), expected, now_seconds)


def signed_claims(token: UnverifiedToken, keys: Iterable[Key], algorithms: Sequence[str]) -> dict[str, Any]:
    """Return what was signed with one of the keys, whatever it is; Unauthenticated where it was none."""
    registry = _Registry(algorithms)
    for key in keys:
        if token.key_id is None or key.kid == token.key_id:
            payload = _signed_by(key, token, registry)
            if payload is not None:
                return _parsed(payload)
    raise refused(_UNSIGNED)


def _decoded(part: str) -> dict[str, Any]:
    try:
        text = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError as error:
        raise refused(_UNREADABLE) from error
    return _parsed(text)


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        return _object.decode(text)
    except (ValueError, RecursionError) as error:
        raise refused(_UNREADABLE) from error


def _signed_by(key: Key, token: UnverifiedToken, registry: JWSRegistry) -> bytes | None:
    """Return what was signed with a key; None where it was not this one."""
    try:
        return deserialize_compact(token.text, key, registry=registry).payload
    except (JoseError, ValueError):
        # Another key, or one that is not for this algorithm: the library refuses to try it.
        return None


def _checked(claims: dict[str, Any], expected: Expected, now_seconds: float) -> VerifiedToken:
    if claims.get("iss") != expected.issuer:
        raise refused(_UNSIGNED)
    audience = claims.get("aud")
    if expected.audience not in (audience if isinstance(audience, list) else [audience]):
        raise refused("it is for another audience")
    expires_at = moment(claims, "exp")
    if expires_at is None:
        raise refused("it never ends (exp)")
    if now_seconds >= expires_at + LEEWAY_SECONDS:
        raise refused("it has expired; get a new one")
    for name in ("nbf", "iat"):
        begins_at = moment(claims, name)
        if begins_at is not None and now_seconds < begins_at - LEEWAY_SECONDS:
            raise refused(f"it is not valid yet ({name})")
    if "events" in claims or any(
        isinstance(claims.get(name), str) and claims[name] in kinds for name, kinds in _OTHER_KINDS.items()
    ):
        raise refused("it is of another kind than the tokens for an API")
    return VerifiedToken(claims, expires_at)


def moment(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a claim that is a moment, in seconds of the epoch; None where there is none."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LAST_MOMENT:
        raise refused(f"it has no moment in {name}")
    return float(value)
