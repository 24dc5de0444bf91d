"""Rendering: pages from templates, in each language, and the headers that go with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import HTMLResponse

from runner.web.pages.manner import Manner
from runner.web.pages.spoken import spoken

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    # With a stricter one forms come with the Origin null, and are refused.
    "Referrer-Policy": "same-origin",
    "Vary": "Cookie, Accept-Language",
}


def page(template: str, manner: Manner, values: Mapping[str, Any], status: int = 200) -> HTMLResponse:
    """Return a page."""
    return HTMLResponse(rendered(template, manner, values), status, dict(HEADERS))


def rendered(template: str, manner: Manner, values: Mapping[str, Any]) -> str:
    """Return the text of a page."""
    made = spoken(manner.words.language)
    return made.get_template(template).render(
        values, words=manner.words, dates=manner.dates, language=manner.words.language
    )
