"""Pages of sign-in: a title, a sentence, and where to go on; they ask neither Redis nor the lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from starlette.responses import HTMLResponse

from runner.web.pages.manner import manner_of
from runner.web.pages.rendering import HEADERS, page

_OWN_FORMS: Final = "form-action 'self'"


@dataclass(frozen=True, slots=True)
class Button:
    """One way on; ``hint`` is what is said of it."""

    text: str
    name: str = ""
    value: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """A form of a page: fields that nobody sees, and buttons."""

    action: str
    hidden: Sequence[tuple[str, str]]
    buttons: Sequence[Button]
    targets: Sequence[str] = ()
    """Origins that it may lead to."""


def sign_in_page(
    request: Request,
    status: int,
    title: str,
    message: str = "",
    *,
    links: Sequence[tuple[str, str]] = (),
    form: Form | None = None,
) -> HTMLResponse:
    """Return a page; ``links`` as address and text."""
    values = {
        "title": title,
        "message": message,
        "links": links,
        "form": form,
        "has_stylesheet": request.app.state.parts.stylesheet is not None,
    }
    answer = page("sign_in.html", manner_of(request), values, status)
    answer.headers.update(headers(() if form is None else form.targets))
    return answer


def headers(targets: Iterable[str] = ()) -> dict[str, str]:
    """Return the headers of a page whose form may lead to these origins.

    Browsers hold the target of a redirection after a form to be one of the form.
    """
    policy = HEADERS["Content-Security-Policy"].replace(_OWN_FORMS, " ".join([_OWN_FORMS, *targets]))
    return {**HEADERS, "Content-Security-Policy": policy}
