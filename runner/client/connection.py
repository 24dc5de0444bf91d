"""What both clients say of themselves, and how long they wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import httpx

Token: TypeAlias = str | Callable[[], str]
"""A bearer token, or what gives the present one before every request."""

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 30.0
"""More than ``web.commandSeconds``: the API itself says when a reply does not come."""
SILENCE_SECONDS: Final = 45.0
"""Of a stream, which sends a heartbeat every 15 seconds."""


def headers_of(token: Token) -> dict[str, str]:
    """Return the headers of every request."""
    return {"Authorization": f"Bearer {token if isinstance(token, str) else token()}"}


def timeouts() -> httpx.Timeout:
    """Return how long an answer is waited for."""
    return httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)


def stream_timeouts() -> httpx.Timeout:
    """Return how long the next line of a stream is waited for."""
    return httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
