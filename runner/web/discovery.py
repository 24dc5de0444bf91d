"""Discovery: what an issuer says of itself, and how it is asked for that and for tokens.

Only addresses that are trusted are gone to: redirections are not followed, and what a document names must be
https, or never leave the machine.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec

from runner.config.web_values import is_loopback, is_web_address

ANSWER_SECONDS: Final = 5.0
"""How long an issuer may take to answer."""

_DOCUMENT: Final = "/.well-known/openid-configuration"
_LARGEST_ANSWER_BYTES: Final = 262_144

_object: Final = msgspec.json.Decoder(dict[str, Any])


class IssuerAway(Exception):
    """An issuer does not answer, or not with what can be used; the text says why, for the log."""


class IssuerConnection:
    """Asks one issuer over HTTP. Every method raises IssuerAway after some seconds at most."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        # Reads the certificates of authorities (SSL_CERT_FILE): too slow to be done between two requests.
        self._tls: ssl.SSLContext | bool = httpx.create_ssl_context()

    async def discovered(self) -> dict[str, Any]:
        """Return the discovery document, which is about this issuer."""
        url = self._issuer.rstrip("/") + _DOCUMENT
        document = await self.got(url)
        if document.get("issuer") != self._issuer:
            raise IssuerAway(f"{url} is about another issuer: {str(document.get('issuer'))[:200]!r}")
        return document

    async def got(self, url: str) -> dict[str, Any]:
        """Return a document that is a JSON object."""
        status, found = await self._asked("GET", url)
        if status != httpx.codes.OK:
            raise IssuerAway(f"{url} answers {status}")
        if found is None:
            raise IssuerAway(f"{url} answers no JSON object")
        return found

    async def posted(
        self, url: str, form: str, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, Any] | None]:
        """Send a form; return the status and the JSON object of the answer, None where it is none."""
        return await self._asked("POST", url, content=form, headers=headers)

    async def _asked(self, method: str, url: str, **sent: Any) -> tuple[int, dict[str, Any] | None]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                status, body = await self._exchanged(method, url, **sent)
        except TimeoutError as error:
            raise IssuerAway(f"no answer within {ANSWER_SECONDS:.0f} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise IssuerAway(f"{type(error).__name__}: {error}") from error
        try:
            return status, _object.decode(body)
        except (ValueError, RecursionError):
            return status, None

    async def _exchanged(self, method: str, url: str, **sent: Any) -> tuple[int, bytes]:
        is_near = is_loopback(urlsplit(url).hostname or "")
        sent["headers"] = {"Accept": "application/json", **sent.get("headers", {})}
        client = httpx.AsyncClient(verify=self._tls, trust_env=not is_near, timeout=ANSWER_SECONDS)
        async with client, client.stream(method, url, **sent) as answer:
            body = b""
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > _LARGEST_ANSWER_BYTES:
                    raise IssuerAway(f"{url} answers more than {_LARGEST_ANSWER_BYTES} bytes")
            return answer.status_code, body


def address_in(document: Mapping[str, Any], name: str) -> str | None:
    """Return an address that a discovery document names; None where it names none that is safe."""
    address = document.get(name)
    return address if isinstance(address, str) and is_web_address(address) else None
