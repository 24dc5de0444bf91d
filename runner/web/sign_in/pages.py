"""Pages of sign-in: a title, a sentence, and where to go on; made without anything that could fail."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from starlette.responses import HTMLResponse

TARGET: Final = "form-action"


@dataclass(frozen=True, slots=True)
class Form:
    """A form of a page: fields that nobody sees, and buttons as name, value and text."""

    action: str
    hidden: Sequence[tuple[str, str]] = ()
    buttons: Sequence[tuple[str, str, str]] = ()


def page(
    status: int,
    title: str,
    message: str = "",
    *,
    links: Sequence[tuple[str, str]] = (),
    form: Form | None = None,
    targets: Iterable[str] = (),
) -> HTMLResponse:
    """Return a page; ``links`` as address and text, ``targets``: origins that its form may lead to."""
    text = _template().render(title=title, message=message, links=links, form=form)
    return HTMLResponse(text, status, headers(targets))


def headers(targets: Iterable[str] = ()) -> dict[str, str]:
    """Return the headers of a page.

    Browsers hold the target of a redirection after a form to be one of the form. With another policy
    of referrers than same-origin, forms would come with the Origin null, and be refused.
    """
    where = " ".join(["'self'", *targets])
    policy = f"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; {TARGET} {where}"
    return {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


@cache
def _template() -> Template:
    loader = PackageLoader("runner.web.sign_in")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template("page.html")
