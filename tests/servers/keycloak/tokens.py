"""How a client of OpenID Connect has tokens from Keycloak: every address comes from its discovery."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from tests.servers.keycloak.realm import (
    PROGRAM_CLIENT,
    PROGRAM_SECRET,
    WEB_CLIENT,
    WEB_SECRET,
    password_of,
)
from tests.waiting import WAIT_SECONDS

SCOPE: Final = "openid"


def discovered(issuer: str) -> dict[str, Any]:
    """Return what an issuer says of itself."""
    return _json(httpx.get(f"{issuer}/.well-known/openid-configuration", timeout=WAIT_SECONDS))


def keys(issuer: str) -> dict[str, Any]:
    """Return the key set of an issuer."""
    return _json(httpx.get(discovered(issuer)["jwks_uri"], timeout=WAIT_SECONDS))


def direct(issuer: str, person: str) -> dict[str, Any]:
    """Return tokens for one of PEOPLE, without a browser: what a test of the API sends."""
    given = {"grant_type": "password", "username": person, "password": password_of(person), "scope": SCOPE}
    return _asked(issuer, given, (PROGRAM_CLIENT, PROGRAM_SECRET))


def refreshed(issuer: str, refresh_token: str) -> dict[str, Any]:
    """Return new tokens for a session of the web client."""
    given = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    return _asked(issuer, given, (WEB_CLIENT, WEB_SECRET))


@dataclass(frozen=True, slots=True)
class CodeFlow:
    """One sign-in by authorization code with PKCE, as the web client does it."""

    issuer: str
    redirect_uri: str
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    state: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    def url(self, **more: str) -> str:
        """Return the page where somebody signs in; ``more`` is said besides, or instead."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        query = {
            "client_id": WEB_CLIENT,
            "response_type": "code",
            "scope": SCOPE,
            "redirect_uri": self.redirect_uri,
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return f"{discovered(self.issuer)['authorization_endpoint']}?{urlencode({**query, **more})}"

    def tokens(self, callback: str, verifier: str | None = None) -> dict[str, Any]:
        """Return the tokens for the code with which somebody was sent back to us."""
        said = parse_qs(urlsplit(callback).query)
        assert said["state"] == [self.state], callback
        given = {
            "grant_type": "authorization_code",
            "code": said["code"][0],
            "redirect_uri": self.redirect_uri,
            "code_verifier": verifier or self.verifier,
        }
        return _asked(self.issuer, given, (WEB_CLIENT, WEB_SECRET))


def _asked(issuer: str, given: dict[str, str], client: tuple[str, str]) -> dict[str, Any]:
    url = discovered(issuer)["token_endpoint"]
    return _json(httpx.post(url, data=given, auth=client, timeout=WAIT_SECONDS))


def _json(answer: httpx.Response) -> dict[str, Any]:
    return cast(dict[str, Any], answer.raise_for_status().json())
