"""The app: routes, what is done round every request, and every error as a problem."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runner import log
from runner.errors import TransientError
from runner.projection.conditions import UnknownAttribute
from runner.projection.cursors import InvalidCursor
from runner.projection.lists import NotFilled
from runner.web.callers import Unauthenticated
from runner.web.document import document
from runner.web.limits import RequestBounds, TooMany
from runner.web.pages import deeds, files, inbox, overview
from runner.web.pages import definitions as definition_pages
from runner.web.parts import WebComponents
from runner.web.problems import Refused, problem, respond, unavailable
from runner.web.routes import bulk, definitions, events, health, lists, me, sign_in, tasks
from runner.web.routing import as_json
from runner.web.sign_in.origin import LoopbackNames
from runner.web.violations import place_of, violations_of

ROUTERS: Final = (
    tasks.router,
    bulk.router,
    lists.router,
    definitions.router,
    events.router,
    me.router,
    health.router,
)
PAGES: Final = (files.router, inbox.router, deeds.router, definition_pages.router, overview.router)
"""Routes for browsers, where there are any who sign in."""

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every answer, where its route says nothing else."""

_NO_ROUTE: Final = "-"
_UNFORESEEN: Final = "something went wrong that nobody foresaw; whoever reads the log finds it under this id"

_log: Final = log.get("web")


def build_app(parts: WebComponents) -> FastAPI:
    """Return the app that answers with these parts."""
    app = describe()
    app.state.parts = parts
    if parts.sign_in is not None:
        app.include_router(sign_in.router)
    if parts.visitors is not None:
        for router in PAGES:
            app.include_router(router)
    app.add_middleware(RequestBounds, body_bytes=parts.body_bytes)
    if parts.sign_in is not None and parts.sign_in.own.public_url is None:
        app.add_middleware(LoopbackNames)
    # The last that is added is the first that is asked.
    app.add_middleware(Outermost, parts=parts)
    return app


def describe() -> FastAPI:
    """Return the app without parts, which can say what it is and answer nothing."""
    app = FastAPI(
        title="Tasks",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    for router in ROUTERS:
        app.include_router(router)
    for error, answer in _ANSWERS.items():
        app.add_exception_handler(error, answer)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]

    @app.get("/openapi.json", include_in_schema=False)
    async def show_document() -> Response:
        return as_json(document(app), headers={"Cache-Control": "no-cache"})

    return app


class Outermost:
    """Round everything: headers of security, metrics, and an answer to what nobody foresaw.

    It is outside of what the framework does with such an error, which would be shown and raised again.
    """

    def __init__(self, app: ASGIApp, parts: WebComponents) -> None:
        self._app = app
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, seconds, status = monotonic(), 0.0, 0

        async def sent(message: Message) -> None:
            nonlocal seconds, status
            if message["type"] == "http.response.start":
                seconds, status = monotonic() - began, message["status"]
                _add_headers(message)
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except Exception:  # noqa: BLE001 - logged, and answered with an id
            response = _unforeseen(scope)
            if not status:
                await response(scope, receive, sent)
        finally:
            route = getattr(scope.get("route"), "path", _NO_ROUTE)
            self._parts.metrics.count_request(scope["method"], route, status, seconds)


def _add_headers(message: Message) -> None:
    headers = message.setdefault("headers", [])
    known = {name.lower() for name, _ in headers}
    added = ((name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items())
    message["headers"] = [*headers, *(pair for pair in added if pair[0] not in known)]


def _unforeseen(scope: Scope) -> Response:
    known = secrets.token_hex(8)
    _log.exception("request_failed", id=known, method=scope["method"], path=scope["path"])
    return respond(problem(500, _UNFORESEEN, id=known))


async def _refused(_: Request, error: Any) -> Response:
    response: Response = error.response()
    return response


async def _unauthenticated(_: Request, error: Any) -> Response:
    return respond(problem(error.status, error.detail), error.headers)


async def _too_many(_: Request, error: Any) -> Response:
    return respond(problem(429, str(error)), {"Retry-After": str(error.seconds)})


async def _invalid(_: Request, error: Any) -> Response:
    """Answer a request whose path, query, headers or body are not as the document says."""
    found = [(place_of(each["loc"]), each) for each in error.errors()]
    if any(place == "path" for (place, _), _ in found):
        return respond(problem(404, "there is nothing under this path"))
    told = [
        violation
        for (place, rest), each in found
        for violation in violations_of([{**each, "loc": rest}], "" if place == "body" else f"{place}:")
    ]
    first = told[0] if told else {"pointer": "", "message": "the request is not understood"}
    where = first["pointer"] or "the body"
    return respond(problem(400, f"{where}: {first['message']}", violations=told))


async def _http(_: Request, error: Any) -> Response:
    details = {404: "there is nothing under this path", 405: "this path does not take that method"}
    detail = details.get(error.status_code, str(error.detail))
    return respond(problem(error.status_code, detail), error.headers)


async def _away(_: Request, error: Any) -> Response:
    _log.warning("unavailable", label=error.label, reason=str(error))
    return unavailable("something that is needed does not answer at the moment; ask again").response()


async def _filling(_: Request, __: Any) -> Response:
    return unavailable("the lists are being filled; ask again").response()


async def _bad_query(_: Request, error: Any) -> Response:
    return respond(problem(400, str(error)))


_ANSWERS: Final[Mapping[type[Exception], Callable[[Request, Any], Any]]] = {
    Refused: _refused,
    Unauthenticated: _unauthenticated,
    TooMany: _too_many,
    RequestValidationError: _invalid,
    HTTPException: _http,
    TransientError: _away,
    NotFilled: _filling,
    InvalidCursor: _bad_query,
    UnknownAttribute: _bad_query,
}
