"""Callers who bring a token: its issuer is found, its signature checked, its claims are read.

What came of a token is remembered by a digest of it, while the token lasts and the keys of its issuer stay
the same: a program that calls a hundred times a second is checked once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from joserfc.jwk import Key
from starlette.datastructures import Headers

from runner.web.bearer_tokens import (
    LEEWAY_SECONDS,
    Expected,
    UnverifiedToken,
    read,
    require_algorithm,
    verify,
)
from runner.web.callers import Caller, DomainRules, Unauthenticated, bearer_of, refused
from runner.web.claims import ClaimRules
from runner.web.key_sets import AGAIN_SECONDS, KeySet, KeysUnavailable

MOST_REMEMBERED: Final = 10_000
"""Tokens of which is known whom they stand for."""


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """One issuer of the configuration."""

    expected: Expected
    reading: ClaimRules
    keys: KeySet


@dataclass(frozen=True, slots=True)
class _Remembered:
    """What came of a token, and from what."""

    caller: Caller
    until: float
    issuer: TrustedIssuer
    keys: tuple[Key, ...]

    def holds(self, now_seconds: float) -> bool:
        return now_seconds < self.until and self.issuer.keys.known() is self.keys


class TokenCallers:
    """Says who sends a request, from its token. For one event loop."""

    def __init__(
        self,
        issuers: Iterable[TrustedIssuer],
        rules: DomainRules,
        now_seconds: Callable[[], float],
        most_remembered: int = MOST_REMEMBERED,
    ) -> None:
        """``now_seconds``: seconds of the epoch; ``most_remembered``: the tokens used last are."""
        self._issuers = {each.expected.issuer: each for each in issuers}
        self._rules = rules
        self._now_seconds = now_seconds
        self._most_remembered = most_remembered
        self._remembered: OrderedDict[bytes, _Remembered] = OrderedDict()

    async def of(self, headers: Headers, method: str = "POST") -> Caller:  # noqa: ARG002 - as the Protocol has it
        """Return the caller; Unauthenticated otherwise. Waits for keys where there are none that will do."""
        text = bearer_of(headers)
        digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
        remembered = self._remembered.get(digest)
        if remembered is not None and remembered.holds(self._now_seconds()):
            self._remembered.move_to_end(digest)
            return remembered.caller
        self._remembered.pop(digest, None)
        found = await self._checked(read(text))
        self._remembered[digest] = found
        if len(self._remembered) > self._most_remembered:
            self._remembered.popitem(last=False)
        return found.caller

    async def _checked(self, token: UnverifiedToken) -> _Remembered:
        issuer = self._issuers.get(token.issuer)
        if issuer is None:
            raise refused("its issuer is not known here")
        require_algorithm(token, issuer.expected)
        try:
            keys = await issuer.keys.having(token.key_id)
        except KeysUnavailable as error:
            detail = "the issuer of the token does not answer, so it cannot be checked; ask again"
            raise Unauthenticated(503, detail, {"Retry-After": f"{AGAIN_SECONDS:.0f}"}) from error
        verified = verify(token, keys, issuer.expected, self._now_seconds())
        caller = issuer.reading.caller(verified.claims, verified.expires_at, self._rules)
        return _Remembered(caller, verified.expires_at + LEEWAY_SECONDS, issuer, keys)
