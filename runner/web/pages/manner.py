"""Manner: in which words a browser is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from runner.web.pages import languages
from runner.web.pages.dates import Dates, zone_of
from runner.web.pages.languages import Words

ZONE_COOKIE: Final = "runner-zone"
"""Name of the browser's time zone, which the script finds out."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a browser wants to be answered."""

    words: Words
    dates: Dates


def manner_of(request: Request) -> Manner:
    """Return the language and the time zone of a browser."""
    cookies = request.cookies
    language = languages.chosen(cookies.get(languages.COOKIE), request.headers.get("accept-language", ""))
    zone = zone_of(cookies.get(ZONE_COOKIE, ""))
    return Manner(Words(language), Dates(language, zone, str(zone)))
