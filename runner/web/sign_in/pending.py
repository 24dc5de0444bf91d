"""Pending sign-ins: what is remembered of somebody who has been sent to their issuer and is not back yet.

It stands in a cookie of the browser that was sent, and nowhere else: a visitor who has not signed in writes
nothing to Redis, where the tasks are. The cookie is neither signed nor encrypted, since neither would tell
anything: whoever could put a cookie into somebody's browser could as well put one that we have made for
themselves, and the browser's owner may know what is in it. What counts is that the state the issuer sends
back is the one of this browser, and that cookies with the prefix ``__Host-`` come from this host alone.
"""

from __future__ import annotations

import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import msgspec

from runner.web.pages.addresses import own_path

PENDING_SECONDS: Final = 600
"""How long somebody may take to sign in."""
NAME_LENGTH: Final = 12
"""Characters of the state by which its cookie is found: several tabs may sign in at the same time."""

_RANDOM_BYTES: Final = 32
_STATE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
"""What random bytes are as text; it is a part of the name of a cookie, in which other signs may not be."""


class Pending(msgspec.Struct, frozen=True):
    """Somebody who has been sent to their issuer."""

    issuer: str
    """Its name in ``web.issuers``."""
    state: str
    nonce: str
    verifier: str
    """PKCE: whoever has the code but not this gets nothing for it."""
    next: str
    """Path that is gone to afterwards."""
    began_at: float
    """In seconds of the epoch."""

    @property
    def name(self) -> str:
        """By what its cookie is found when the issuer sends the state back."""
        return self.state[:NAME_LENGTH]

    def text(self) -> str:
        """Return it as the value of a cookie."""
        return urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")


_pending: Final = msgspec.json.Decoder(Pending)


def begin(issuer: str, following: str, now_seconds: float) -> Pending:
    """Return a new one; ``following`` is whatever a browser has said it wants to see afterwards."""
    state, nonce, verifier = (secrets.token_urlsafe(_RANDOM_BYTES) for _ in range(3))
    return Pending(issuer, state, nonce, verifier, own_path(following), now_seconds)


def read(text: str | None, state: str, now_seconds: float) -> Pending | None:
    """Return what a cookie holds; None unless it was begun for this state, and not long ago."""
    if _STATE.fullmatch(state) is None:
        return None
    try:
        value = (text or "").encode("ascii")
        found = _pending.decode(urlsafe_b64decode(value + b"=" * (-len(value) % 4)))
    except (ValueError, RecursionError):
        return None
    is_ours = secrets.compare_digest(found.state.encode(), state.encode())
    return found if is_ours and 0 <= now_seconds - found.began_at <= PENDING_SECONDS else None
