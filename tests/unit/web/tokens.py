"""Keys, tokens and issuers for the tests: made once, since an RSA key takes a while."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, Final

from joserfc.jwk import Key
from starlette.datastructures import Headers

from runner.clock import ManualTicker
from runner.web.bearer_tokens import Expected
from runner.web.callers import DomainRules
from runner.web.claims import ClaimRules
from runner.web.key_sets import KeySet, KeysUnavailable
from runner.web.token_callers import MOST_REMEMBERED, TokenCallers, TrustedIssuer
from tests.servers.token_issuer import AUDIENCE, ec_key, rsa_key, signed

NOW: Final = 1_800_000_000
"""Seconds of the epoch at which these tests happen."""
ISSUER: Final = "https://login.example.com/staff"
RSA: Final = rsa_key("rsa")
EC: Final = ec_key("ec")
STRANGER: Final = rsa_key("rsa")
"""Another key that calls itself like the first."""
EXPECTED: Final = Expected(ISSUER, AUDIENCE, ("RS256", "ES256"))
RULES: Final = DomainRules({"orders": "boss", "bills": None}, frozenset({"bills"}))


def claims(**changed: Any) -> dict[str, Any]:
    """Return the claims of an ordinary token, some of them changed; None: left out."""
    usual: dict[str, Any] = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "roles": ["clerk"]}
    usual |= {"iat": NOW - 10, "exp": NOW + 300}
    return {name: value for name, value in {**usual, **changed}.items() if value is not None}


def token(
    key: Key = RSA, header: Mapping[str, Any] | None = None, *, typ: str | None = "JWT", **changed: Any
) -> str:
    """Return a token, ordinary but for what is changed."""
    usual = {"alg": "ES256" if key is EC else "RS256", "kid": key.kid}
    return signed(claims(**changed), key, usual if header is None else header, typ=typ)


def part(value: Any) -> str:
    """Return a part of a token, as it stands between two dots."""
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(text).decode().rstrip("=")


def bearer(text: str) -> Headers:
    return Headers({"authorization": f"Bearer {text}"})


class Source:
    """Where keys come from, as the test says; ``times`` they were asked for."""

    def __init__(self, *keys: Key) -> None:
        self.keys = keys
        self.times = 0
        self.trouble: str | None = None

    async def fetch(self) -> tuple[Key, ...]:
        self.times += 1
        if self.trouble is not None:
            raise KeysUnavailable(self.trouble)
        return self.keys


def reading(**changed: Any) -> ClaimRules:
    usual: dict[str, Any] = {
        "name": "staff",
        "domains": frozenset({"orders", "bills"}),
        "user": "sub",
        "roles": "roles",
        "user_prefix": "",
        "other_prefixes": frozenset(),
        "tenant": "staff",
        "tenant_claim": None,
        "tenants": {},
    }
    return ClaimRules(**{**usual, **changed})


class Place:
    """Callers of one issuer or several, with clocks that the test moves."""

    def __init__(
        self, *issuers: tuple[Expected, ClaimRules, Source], most_remembered: int = MOST_REMEMBERED
    ) -> None:
        self.ticker = ManualTicker(1000.0)
        self.now = float(NOW)
        self.source = issuers[0][2] if issuers else Source(RSA, EC)
        listed = issuers or ((EXPECTED, reading(), self.source),)
        self.callers = TokenCallers(
            [TrustedIssuer(e, r, KeySet(r.name, source, self.ticker)) for e, r, source in listed],
            RULES,
            lambda: self.now,
            most_remembered,
        )

    def pass_by(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self.ticker.advance(seconds)
        self.now += seconds
