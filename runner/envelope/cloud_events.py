"""Attributes of CloudEvents 1.0: moments in RFC 3339, and a domain as part of a URI. No clock is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from urllib.parse import quote

_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


def time_of(epoch_ms: int) -> str:
    """Return a moment to the millisecond, ``2026-11-18T11:06:40.000Z``; OverflowError beyond year 9999."""
    moment = _BEGINNING + timedelta(milliseconds=epoch_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@lru_cache(maxsize=256)
def source_of(domain: str) -> str:
    """Return the source of what happens to tasks of a domain, ``/tasks/orders``: a URI reference."""
    return f"/tasks/{quote(domain, safe='', errors='replace')}"
