"""Routing of pages: whatever goes wrong is told on a page, or to the script as a problem."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import RedirectResponse

from runner import log
from runner.errors import TransientError
from runner.projection.conditions import UnknownAttribute
from runner.projection.cursors import InvalidCursor
from runner.projection.lists import NotFilled
from runner.web.callers import Unauthenticated
from runner.web.limits import TooMany
from runner.web.pages.manner import manner_of
from runner.web.pages.rendering import HEADERS, page
from runner.web.pages.visit import SignedInAnew, SignInNeeded
from runner.web.problems import Refused, problem, respond

SIGN_IN: Final = "/sign-in"

_SOON: Final = {"Retry-After": "2"}
_log: Final = log.get("web")


class PageRoute(APIRoute):
    """A route whose answers are pages. A blank parameter, as forms send them, counts as none."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            said = [(name, value) for name, value in request.query_params.multi_items() if value.strip()]
            request.scope["query_string"] = urlencode(said, errors="replace").encode()
            request = Request(request.scope, request.receive)
            try:
                return await handle(request)
            except Exception as error:  # noqa: BLE001 - what nobody foresaw is logged, and told with an id
                return _answer(request, error)

        return handled


def _answer(request: Request, error: Exception) -> Response:
    """Return what is answered instead of a page."""
    if isinstance(error, SignInNeeded) and request.method == "GET" and not _is_of_script(request):
        return _to_sign_in(request)
    known = None
    told: tuple[int, str, Mapping[str, str]]
    match error:
        case SignInNeeded() | SignedInAnew():
            told = (401, "the session of this page has ended; sign in again", {})
        case Refused() | Unauthenticated():
            told = (error.status, error.detail, error.headers)
        case TooMany():
            told = (429, str(error), {"Retry-After": str(error.seconds)})
        case RequestValidationError() | InvalidCursor() | UnknownAttribute():
            told = (400, "this address is not understood", {})
        case NotFilled():
            told = (503, "the lists are being filled; ask again", _SOON)
        case TransientError():
            _log.warning("unavailable", label=error.label, reason=str(error))
            told = (503, "something that is needed does not answer at the moment; ask again", _SOON)
        case _:
            known = secrets.token_hex(8)
            _log.error("page_failed", id=known, path=request.url.path, exc_info=error)
            told = (500, "something went wrong that nobody foresaw", {})
    return _refusal(request, *told, known=known, code=getattr(error, "code", None))


def _to_sign_in(request: Request) -> Response:
    address = f"{SIGN_IN}?{urlencode({'next': _address(request)})}"
    return RedirectResponse(address, 303, dict(HEADERS))


def _address(request: Request) -> str:
    return quote(request.url.path, errors="replace") + (f"?{request.url.query}" if request.url.query else "")


def _refusal(
    request: Request,
    status: int,
    detail: str,
    headers: Mapping[str, str],
    known: str | None,
    code: int | None,
) -> Response:
    if _is_of_script(request):
        return respond(problem(status, detail, id=known), headers)
    held = getattr(request.state, "held", None)
    values = {
        "status": status,
        "detail": detail,
        "code": code,
        "id": known,
        "held": held,
        "address": _address(request),
    }
    answer = page("refusal.html", manner_of(request), values, status)
    # A challenge would have browsers ask for a password.
    answer.headers.update({name: value for name, value in headers.items() if name != "WWW-Authenticate"})
    return answer


def _is_of_script(request: Request) -> bool:
    return "x-unattended" in request.headers or request.headers.get("accept", "").startswith(
        "application/json"
    )
