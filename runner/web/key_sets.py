"""Key sets: the public keys of each issuer, asked for when they are needed and kept while they serve.

One question to an issuer is under way at a time, however many callers wait for it. Keys that are a while old
are asked for anew, while callers go on with those that are there: an issuer that is away disturbs nobody for
hours. A token that names an unknown key asks at once, since its issuer may have just begun to use that one;
but not more often than every few seconds, since anybody can name an unknown key.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Mapping
from typing import Any, Final, Protocol

from joserfc.errors import SecurityWarning
from joserfc.jwk import JWKRegistry, Key

from runner import log
from runner.clock import Ticker
from runner.web.discovery import IssuerAway, IssuerConnection, address_in

FRESH_SECONDS: Final = 300.0
"""Age at which keys are asked for anew, and up to which a key that was withdrawn counts."""
KEPT_SECONDS: Final = 6 * 3600.0
"""Age beyond which keys no longer count, for want of an answer."""
AGAIN_SECONDS: Final = 5.0
"""Least time between two questions to one issuer."""

_MOST_KEYS: Final = 32
_SYMMETRIC: Final = "oct"

_log: Final = log.get("issuers")


class KeysUnavailable(Exception):
    """An issuer does not give its keys; the text says why, for the log."""


class KeySource(Protocol):
    """Where the keys of an issuer come from."""

    async def fetch(self) -> tuple[Key, ...]:
        """Return the keys; KeysUnavailable after some seconds at most."""


class KeySet:
    """The keys of one issuer. For one event loop; nothing in it blocks."""

    def __init__(self, name: str, source: KeySource, ticker: Ticker) -> None:
        """``name`` is the issuer's in the log."""
        self._name = name
        self._source = source
        self._ticker = ticker
        self._keys: tuple[Key, ...] | None = None
        self._confirmed = self._asked = float("-inf")
        self._trouble: str | None = None
        self._question: asyncio.Task[None] | None = None

    def known(self) -> tuple[Key, ...] | None:
        """Return the keys while they count, the same object while they are the same; None otherwise.

        Asks for them anew where they are no longer fresh, without waiting for the answer.
        """
        age = self._ticker() - self._confirmed
        if self._keys is None or age > KEPT_SECONDS:
            return None
        if age > FRESH_SECONDS:
            self._ask()
        return self._keys

    async def having(self, key_id: str | None) -> tuple[Key, ...]:
        """Return the keys, with this one among them if the issuer has it; None: any.

        KeysUnavailable where the issuer does not answer and no key will do.
        """
        keys = self.known()
        if keys is None or not _has(keys, key_id):
            question = self._ask()
            if question is not None:
                # Others may wait for the same answer: it goes on when this one is gone.
                await asyncio.shield(question)
            keys = self.known()
        if keys is None or (self._trouble is not None and not _has(keys, key_id)):
            raise KeysUnavailable(self._trouble)
        return keys

    def _ask(self) -> asyncio.Task[None] | None:
        """Return the question that is under way, or a new one; None if the last is not long enough ago."""
        if self._question is not None and not self._question.done():
            return self._question
        if self._ticker() - self._asked < AGAIN_SECONDS:
            return None
        self._asked = self._ticker()
        self._question = asyncio.get_running_loop().create_task(self._fetch())
        return self._question

    async def _fetch(self) -> None:
        try:
            keys = await self._source.fetch()
        except KeysUnavailable as error:
            if self._trouble is None:
                _log.warning("issuer_away", issuer=self._name, reason=str(error))
            self._trouble = str(error)
            return
        if self._keys is None or [key.as_dict() for key in keys] != [key.as_dict() for key in self._keys]:
            _log.info("issuer_keys", issuer=self._name, keys=[key.kid for key in keys])
            self._keys = keys
        self._confirmed, self._trouble = self._ticker(), None


class HttpKeySource:
    """The keys of an issuer over HTTP: at an address, or where its discovery document says."""

    def __init__(self, issuer: IssuerConnection, jwks_url: str | None) -> None:
        """``jwks_url`` None: found by discovery, anew each time."""
        self._issuer = issuer
        self._jwks_url = jwks_url

    async def fetch(self) -> tuple[Key, ...]:
        """Return the keys; KeysUnavailable where they cannot be had, or the answer is no set of keys."""
        try:
            return read_keys(await self._issuer.got(self._jwks_url or await self._found()))
        except IssuerAway as error:
            raise KeysUnavailable(str(error)) from error

    async def _found(self) -> str:
        """Return where the discovery document says the keys are."""
        address = address_in(await self._issuer.discovered(), "jwks_uri")
        if address is None:
            raise KeysUnavailable("its discovery document names no address of keys that is safe (jwks_uri)")
        return address


def read_keys(answer: Mapping[str, Any]) -> tuple[Key, ...]:
    """Return the keys of a JWK Set (RFC 7517) that can have signed; KeysUnavailable where there is none.

    Those that the library does not know or that are too weak are passed over, and so are secrets: what
    anybody can ask for proves nothing.
    """
    listed = answer.get("keys")
    found = [_read_key(each) for each in listed[:_MOST_KEYS]] if isinstance(listed, list) else []
    keys = tuple(key for key in found if key is not None)
    if not keys:
        raise KeysUnavailable("there is no key for signatures among its keys")
    return keys


def _read_key(data: Any) -> Key | None:
    if not isinstance(data, dict) or data.get("kty") == _SYMMETRIC or data.get("use", "sig") != "sig":
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SecurityWarning)
            return JWKRegistry.import_key(data)
    except Exception as error:  # noqa: BLE001 - whatever the library makes of odd data, the other keys count
        _log.info("issuer_key_unusable", key=str(data.get("kid"))[:100], reason=type(error).__name__)
        return None


def _has(keys: tuple[Key, ...], key_id: str | None) -> bool:
    return key_id is None or any(key.kid == key_id for key in keys)
