"""An issuer that signs people in: codes with PKCE, refresh tokens, logins that end; all as a test says.

What somebody would do on its pages, the test does by a call: no page is shown.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc.jwk import Key

from tests.servers.token_issuer import AUDIENCE, DISCOVERY, TokenIssuer, signed

CLIENT: Final = "runner"
SECRET: Final = "secret-of-runner"
TOKEN: Final = "/token"
LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"


@dataclass
class Login:
    """Somebody who is logged in at the issuer, and what their next tokens say."""

    sub: str
    roles: list[str]
    sid: str = field(default_factory=lambda: secrets.token_hex(8))
    has_ended: bool = False
    access: dict[str, Any] = field(default_factory=dict)
    """Claims of access tokens that are other than usual; None: left out."""
    identity: dict[str, Any] = field(default_factory=dict)
    """The same of ID tokens."""
    refreshes: bool = True
    """Whether there are refresh tokens."""
    identifies_again: bool = True
    """Whether a refresh gives an ID token."""


@dataclass(frozen=True)
class _Code:
    login: Login
    challenge: str
    redirect_uri: str
    nonce: str


class LoginIssuer(TokenIssuer):
    """An issuer with one client, whose refresh tokens are good for one use each."""

    def __init__(self, key: Key | None = None) -> None:
        super().__init__(key)
        self.now: Callable[[], float] = time.time
        self.document: dict[str, Any] = {}
        """What the discovery document says besides, or instead."""
        self.forms: list[Mapping[str, str]] = []
        """What was posted for tokens."""
        self._codes: dict[str, _Code] = {}
        self._refreshes: dict[str, Login] = {}

    def log_in(self, url: str, login: Login) -> str:
        """Return where a browser is sent back to that was sent to this address, as somebody."""
        asked = dict(parse_qsl(urlsplit(url).query))
        assert url.startswith(f"{self.url}/authorize?")
        assert (asked["client_id"], asked["response_type"]) == (CLIENT, "code")
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_hex(8)
        self._codes[code] = _Code(login, asked["code_challenge"], asked["redirect_uri"], asked["nonce"])
        return f"{asked['redirect_uri']}?{urlencode({'state': asked['state'], 'code': code})}"

    def logout_token(self, key: Key | None = None, typ: str = "logout+jwt", **changed: Any) -> str:
        """Return a logout token, ordinary but for what is changed; None: left out."""
        now = int(self.now())
        usual: dict[str, Any] = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 120}
        usual |= {"jti": secrets.token_hex(8), "events": {LOGOUT_EVENT: {}}, "sub": "ann"}
        claims = {name: value for name, value in {**usual, **changed}.items() if value is not None}
        key = key or self.key
        return signed(claims, key, {"alg": "RS256", "kid": self.key.kid}, typ=typ)

    def claims(self, **changed: Any) -> dict[str, Any]:
        now = int(self.now())
        return super().claims(**{"iat": now, "exp": now + 600, **changed})

    def answer(self, path: str) -> tuple[int, bytes]:
        if path == DISCOVERY and path not in self.answers:
            said = json.loads(super().answer(path)[1])
            said |= {"authorization_endpoint": f"{self.url}/authorize", "token_endpoint": self.url + TOKEN}
            said |= {"end_session_endpoint": f"{self.url}/logout"}
            said |= {"token_endpoint_auth_methods_supported": ["client_secret_basic"]}
            return 200, json.dumps({**said, **self.document}).encode()
        return super().answer(path)

    def receive(self, path: str, form: Mapping[str, str], authorization: str) -> tuple[int, bytes]:
        if path != TOKEN or path in self.answers:
            return super().receive(path, form, authorization)
        self.forms.append(form)
        proof = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if authorization != f"Basic {proof}":
            return 401, b'{"error": "invalid_client"}'
        found = self._redeemed(form) if form["grant_type"] == "authorization_code" else self._renewed(form)
        if found is None:
            return 400, b'{"error": "invalid_grant"}'
        login, nonce = found
        return 200, json.dumps(self._tokens(login, nonce)).encode()

    def _redeemed(self, form: Mapping[str, str]) -> tuple[Login, str | None] | None:
        code = self._codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if code is None or (code.challenge, code.redirect_uri) != (challenge, form["redirect_uri"]):
            return None
        return code.login, code.nonce

    def _renewed(self, form: Mapping[str, str]) -> tuple[Login, str | None] | None:
        login = self._refreshes.pop(form["refresh_token"], None)
        return None if login is None or login.has_ended else (login, None)

    def _tokens(self, login: Login, nonce: str | None) -> dict[str, Any]:
        who: dict[str, Any] = {"sub": login.sub, "roles": login.roles}
        tokens = {"access_token": self.token(**{**who, **login.access}), "token_type": "Bearer"}
        if nonce or login.identifies_again:
            half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
            said = {**who, "aud": CLIENT, "sid": login.sid, "nonce": nonce}
            said["at_hash"] = base64.urlsafe_b64encode(half).rstrip(b"=").decode()
            tokens["id_token"] = self.token(**{**said, **login.identity})
        if login.refreshes:
            tokens["refresh_token"] = secrets.token_hex(16)
            self._refreshes[tokens["refresh_token"]] = login
        return tokens


@contextmanager
def running_login_issuer(key: Key | None = None) -> Iterator[LoginIssuer]:
    """Run an issuer for the length of a block."""
    issuer = LoginIssuer(key)
    issuer.start()
    try:
        yield issuer
    finally:
        issuer.open.set()
        issuer.stop()


__all__ = ["AUDIENCE", "CLIENT", "SECRET", "Login", "LoginIssuer", "running_login_issuer"]
