"""Cookies: what a browser keeps for us, written and read; what it sends may be anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from starlette.datastructures import Headers

MOST_COOKIES: Final = 300
"""Cookies that are looked at; browsers keep fewer for one site."""


def read(headers: Headers, name: str) -> str | None:
    """Return the value of a cookie; None where there is none, or two of a name: one of them is not ours."""
    found = [value for given, value in _pairs(headers) if given == name]
    return found[0] if len(found) == 1 else None


def names(headers: Headers, beginning: str) -> list[str]:
    """Return the names of the cookies that begin like this."""
    return sorted({name for name, _ in _pairs(headers) if name.startswith(beginning)})


def written(name: str, value: str, seconds: int | None, *, secure: bool) -> str:
    """Return the header Set-Cookie; ``seconds`` None: until the browser ends, 0: no longer.

    Lax: the issuer's page leads back here, and links in mails lead here, from other sites.
    """
    parts = [f"{name}={value}", "Path=/", "HttpOnly", "SameSite=Lax"]
    if secure:
        parts.append("Secure")
    if seconds is not None:
        parts.append(f"Max-Age={seconds}")
    return "; ".join(parts)


def _pairs(headers: Headers) -> Iterator[tuple[str, str]]:
    text = ";".join(headers.getlist("cookie"))
    for pair in text.split(";", MOST_COOKIES)[:MOST_COOKIES]:
        name, _, value = pair.strip(" \t").partition("=")
        yield name, value
