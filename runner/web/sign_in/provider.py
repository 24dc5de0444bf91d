"""Provider: the issuer as people meet it; what is asked of it, and what it answers (OAuth 2.0, RFC 6749).

How requests are written, PKCE and the client's own proof are Authlib's; which addresses are gone to is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from authlib.common.urls import add_params_to_uri
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from runner.clock import Ticker
from runner.web.bearer_tokens import LARGEST_TOKEN
from runner.web.discovery import IssuerAway, IssuerConnection, address_in
from runner.web.sign_in.pending import Pending

FRESH_SECONDS: Final = 300.0
"""Age at which the addresses of an issuer are asked for anew; older ones serve while it does not answer."""

_BASIC: Final = "client_secret_basic"
_POST: Final = "client_secret_post"
_NO_GRANT: Final = "invalid_grant"
_FORM: Final = "application/x-www-form-urlencoded"


class GrantRefused(Exception):
    """The issuer does not take a code or a refresh token: it is used up, has expired, or was withdrawn."""


@dataclass(frozen=True, slots=True)
class Client:
    """What this runner is to an issuer."""

    id: str
    scopes: tuple[str, ...]
    title: str
    """What people read where they choose among issuers."""
    secret: str | None = field(default=None, repr=False)
    claims_from: Literal["access_token", "id_token"] = "access_token"


@dataclass(frozen=True, slots=True)
class Tokens:
    """What an issuer gives for a code or a refresh token."""

    access: str = field(repr=False)
    identity: str | None = field(default=None, repr=False)
    refresh: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Endpoints:
    """Where an issuer is asked for what."""

    authorization: str
    token: str
    end_session: str | None
    names_itself: bool
    """Whether it says in every callback who it is (RFC 9207)."""
    takes_basic: bool


class Provider:
    """One issuer that people sign in with. For one event loop."""

    def __init__(self, client: Client, issuer: str, connection: IssuerConnection, ticker: Ticker) -> None:
        self.client = client
        self.issuer = issuer
        self._connection = connection
        self._ticker = ticker
        self._found: _Endpoints | None = None
        self._found_at = float("-inf")

    async def sign_in_url(self, pending: Pending, redirect_uri: str) -> str:
        """Return where a browser is sent to sign in."""
        url: str = prepare_grant_uri(
            (await self._endpoints()).authorization,
            client_id=self.client.id,
            response_type="code",
            redirect_uri=redirect_uri,
            scope=list(self.client.scopes),
            state=pending.state,
            nonce=pending.nonce,
            code_challenge=create_s256_code_challenge(pending.verifier),
            code_challenge_method="S256",
        )
        return url

    async def is_named(self, said: str | None) -> bool:
        """Whether a callback may be this issuer's, by what it says of its sender (``iss``)."""
        if said is None:
            return not (await self._endpoints()).names_itself
        return said == self.issuer

    async def redeem(self, code: str, verifier: str, redirect_uri: str) -> Tokens:
        """Return what a code is worth; GrantRefused where it is worth nothing."""
        form = prepare_token_request(
            "authorization_code", redirect_uri=redirect_uri, code=code, code_verifier=verifier
        )
        return await self._tokens(form)

    async def renew(self, refresh_token: str) -> Tokens:
        """Return new tokens; GrantRefused where the login has ended."""
        tokens = await self._tokens(prepare_token_request("refresh_token", refresh_token=refresh_token))
        return tokens if tokens.refresh else Tokens(tokens.access, tokens.identity, refresh_token)

    async def sign_out_url(self, id_token: str | None, back_to: str) -> str | None:
        """Return where a browser is sent to end the login as well; None where the issuer has no such page."""
        address = (await self._endpoints()).end_session
        if address is None:
            return None

        given = {"post_logout_redirect_uri": back_to, "client_id": self.client.id}
        url: str = add_params_to_uri(address, given | ({"id_token_hint": id_token} if id_token else {}))
        return url

    async def _endpoints(self) -> _Endpoints:
        if self._found is None or self._ticker() - self._found_at > FRESH_SECONDS:
            try:
                self._found = _endpoints_in(await self._connection.discovered())
            except IssuerAway:
                if self._found is None:
                    raise
            self._found_at = self._ticker()
        return self._found

    async def _tokens(self, form: str) -> Tokens:
        endpoints = await self._endpoints()
        url, headers, body = self._proof(endpoints).prepare(
            "POST", endpoints.token, {"Content-Type": _FORM}, form
        )
        status, answer = await self._connection.posted(url, body, headers)
        error = None if answer is None else answer.get("error")
        if error == _NO_GRANT:
            raise GrantRefused
        if status != 200 or answer is None or error is not None:
            # Such as a secret that is no longer the client's: for whoever runs this to mend.
            raise IssuerAway(f"{url} answers {status} {str(error or '')[:100]}".strip())
        return _tokens_in(answer)

    def _proof(self, endpoints: _Endpoints) -> ClientAuth:
        if self.client.secret is None:
            return ClientAuth(self.client.id, None, "none")
        return ClientAuth(self.client.id, self.client.secret, _BASIC if endpoints.takes_basic else _POST)


def _endpoints_in(document: Mapping[str, Any]) -> _Endpoints:
    authorization, token = (address_in(document, f"{name}_endpoint") for name in ("authorization", "token"))
    if authorization is None or token is None:
        raise IssuerAway("its discovery document names no authorization_endpoint or no token_endpoint")
    methods = document.get("token_endpoint_auth_methods_supported", [_BASIC])
    return _Endpoints(
        authorization,
        token,
        address_in(document, "end_session_endpoint"),
        document.get("authorization_response_iss_parameter_supported") is True,
        isinstance(methods, list) and (_BASIC in methods or _POST not in methods),
    )


def _tokens_in(answer: Mapping[str, Any]) -> Tokens:
    found = [answer.get(name) for name in ("access_token", "id_token", "refresh_token")]
    access, identity, refresh = (_token(each) for each in found)
    if access is None:
        raise IssuerAway("it answers without an access_token")
    return Tokens(access, identity, refresh)


def _token(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and 0 < len(value) <= LARGEST_TOKEN):
        return value
    raise IssuerAway(f"it answers with a token that is no text, or longer than {LARGEST_TOKEN} characters")
