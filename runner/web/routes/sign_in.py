"""Routes of sign-in: what browsers are shown and where they are sent; and what issuers tell directly.

None of it is in the OpenAPI document, which is for programs.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import wraps
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from runner import log
from runner.errors import StoreUnavailable
from runner.web.callers import Unauthenticated
from runner.web.key_sets import KeysUnavailable
from runner.web.pages.addresses import own_path
from runner.web.pages.languages import Words, later
from runner.web.pages.manner import manner_of
from runner.web.pages.routing import SIGN_IN
from runner.web.pages.sign_in_pages import Button, Form, headers, sign_in_page
from runner.web.sign_in import cookies
from runner.web.sign_in import pending as pendings
from runner.web.sign_in.parts import SignInParts
from runner.web.sign_in.pending import PENDING_SECONDS
from runner.web.sign_in.session_callers import COOKIE
from runner.web.sign_in.sessions import Ticket, read_ticket
from runner.web.sign_in.signing_in import CALLBACK, SIGN_OUT, SignInFailed

MOST_PENDING: Final = 5
"""Sign-ins of one browser that are under way; with one more, those before are forgotten."""

_PENDING: Final = "sign-in-"
_MOST_FIELDS: Final = 20
_AGAIN_SECONDS: Final = "5"

_AWAY: Final = later("Something that is needed does not answer at the moment. Try again.")
_UNKNOWN: Final[Mapping[int, str]] = {
    401: later("Your session has ended."),
    403: later("This does not come from a page of your session. Load the page again."),
}
_log: Final = log.get("sign_in")

router: Final = APIRouter(include_in_schema=False)


Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def _shown(handle: Handler) -> Handler:
    """Have everything that goes wrong told on a page."""

    @wraps(handle)
    async def handled(request: Request) -> Response:
        try:
            return await handle(request)
        except SignInFailed as error:
            return _refusal(request, error.status, str(error))
        except Unauthenticated as error:
            return _refusal(request, error.status, _UNKNOWN.get(error.status, _AWAY))
        except StoreUnavailable as error:
            _log.warning("unavailable", label=error.label, reason=str(error))
            return _refusal(request, 503, _AWAY)

    return handled


@router.get(SIGN_IN)
@_shown
async def sign_in(request: Request) -> Response:
    """Send a browser to its issuer, or let somebody choose one."""
    parts, query = _parts(request), request.query_params
    following = own_path(query.get("next", ""))
    choices = parts.signing_in.choices()
    if parts.users:
        return _who_are_you(request, parts, following)
    if not choices:
        raise SignInFailed(404, later("Nobody can sign in here; programs send tokens."))
    name = query.get("issuer") or (next(iter(choices)) if len(choices) == 1 else "")
    if not name:
        links = [(f"{SIGN_IN}?{urlencode({'issuer': n, 'next': following})}", t) for n, t in choices.items()]
        words = _words(request)
        return sign_in_page(request, 200, words("Sign in"), words("Who knows you?"), links=links)
    origin = parts.own.url(request.headers)
    url, pending = await parts.signing_in.begin(name, following, origin)
    response = _redirection(url)
    beginning = parts.own.cookie_name(_PENDING, request.headers)
    others = cookies.names(request.headers, beginning)
    for other in others if len(others) >= MOST_PENDING else ():
        _forget(parts, response, other)
    _keep(parts, response, beginning + pending.name, pending.text(), PENDING_SECONDS)
    return response


@router.get(CALLBACK)
@_shown
async def come_back(request: Request) -> Response:
    """Take a browser back from its issuer; its session is a new one, whatever it had before."""
    parts, said = _parts(request), _single(request.query_params.multi_items())
    state = said.get("state", "")
    name = parts.own.cookie_name(_PENDING, request.headers) + state[: pendings.NAME_LENGTH]
    pending = pendings.read(cookies.read(request.headers, name), state, parts.signing_in.now())
    if pending is None:
        message = later("This sign-in was not begun in this browser, or took too long, or is done already.")
        raise SignInFailed(400, message)
    try:
        signed_in = await parts.signing_in.finish(pending, said, parts.own.url(request.headers))
    except SignInFailed as error:
        response: Response = _refusal(request, error.status, str(error), pending.next)
    else:
        await _drop_session(parts, request)
        response = _redirection(signed_in.next)
        _keep_session(parts, request, response, signed_in.ticket)
    _forget(parts, response, name)
    return response


@router.post(f"{SIGN_IN}/as")
@_shown
async def sign_in_as(request: Request) -> Response:
    """Make somebody one of web.users, where that is all it takes."""
    parts, form = _parts(request), await _form(request)
    # Without the value of a session: a page that was there before somebody was chosen may choose as well.
    parts.callers.require_own(request.headers, "POST")
    ticket = await parts.signing_in.sign_in_as(form.get("user", ""))
    await _drop_session(parts, request)
    response = _redirection(own_path(form.get("next", "")))
    _keep_session(parts, request, response, ticket)
    return response


@router.get(SIGN_OUT)
@_shown
async def ask_to_sign_out(request: Request) -> Response:
    """Ask whether somebody wants to sign out, or say that they are."""
    parts, words = _parts(request), _words(request)
    visitor = await parts.callers.visitor(request.headers)
    if visitor is None:
        links = [(SIGN_IN, words("Sign in again"))]
        return sign_in_page(request, 200, words("You are signed out"), links=links)
    form = Form(SIGN_OUT, [("csrf", visitor.csrf)], [Button(words("Sign out"))], parts.targets)
    message = words("You are signed in as %(name)s.", name=visitor.caller.name)
    links = [("/", words("To my tasks"))]
    return sign_in_page(request, 200, words("Sign out?"), message, form=form, links=links)


@router.post(SIGN_OUT)
@_shown
async def sign_out(request: Request) -> Response:
    """End a session here, and the login at the issuer."""
    parts, form = _parts(request), await _form(request)
    visitor = await parts.callers.form_sender(request.headers, form.get("csrf"))
    if visitor is None:
        response: Response = _redirection(SIGN_OUT)
    else:
        try:
            url = await parts.signing_in.sign_out(visitor, parts.own.url(request.headers))
            response = _redirection(url or SIGN_OUT)
        except SignInFailed as error:
            response = _refusal(request, error.status, str(error))
    _forget(parts, response, parts.own.cookie_name(COOKIE, request.headers))
    return response


@router.post(f"{SIGN_IN}/back-channel-logout")
async def end_logins(request: Request) -> Response:
    """Hear from an issuer whose login has ended."""
    form = await _form(request)
    try:
        await _parts(request).signing_in.end_logins(form.get("logout_token", ""))
    except Unauthenticated as error:
        body = {"error": "invalid_request", "error_description": error.detail}
        return JSONResponse(body, 400)
    except (KeysUnavailable, StoreUnavailable) as error:
        _log.warning("logout_not_done", reason=str(error))
        body = {"error": "temporarily_unavailable"}
        return JSONResponse(body, 503, {"Retry-After": _AGAIN_SECONDS})
    return Response(status_code=200)


def _parts(request: Request) -> SignInParts:
    parts: SignInParts = request.app.state.parts.sign_in
    return parts


def _who_are_you(request: Request, parts: SignInParts, following: str) -> Response:
    words = _words(request)
    buttons = [Button(name, "user", name, ", ".join(roles)) for name, roles in parts.users.items()]
    form = Form(f"{SIGN_IN}/as", [("next", following)], buttons)
    message = words("To try things out, you may be anybody of these.")
    return sign_in_page(request, 200, words("Who are you?"), message, form=form)


def _refusal(request: Request, status: int, message: str, following: str = "/") -> Response:
    """Return a page that says why somebody is not signed in; ``message`` is a text of the sources."""
    words = _words(request)
    links = [(f"{SIGN_IN}?{urlencode({'next': following})}", words("Sign in again"))]
    response = sign_in_page(request, status, words("Sign in"), words(message), links=links)
    if status == 503:
        response.headers["Retry-After"] = _AGAIN_SECONDS
    return response


def _words(request: Request) -> Words:
    return manner_of(request).words


def _redirection(url: str) -> Response:
    # The browser shows what it finds there with GET, whatever it has sent here.
    return Response(status_code=303, headers={**headers(), "Location": url})


async def _drop_session(parts: SignInParts, request: Request) -> None:
    """End the session that a browser has brought: the next one has another id."""
    ticket = read_ticket(cookies.read(request.headers, parts.own.cookie_name(COOKIE, request.headers)))
    if ticket is not None:
        await parts.signing_in.drop(ticket)


def _keep_session(parts: SignInParts, request: Request, response: Response, ticket: Ticket) -> None:
    _keep(parts, response, parts.own.cookie_name(COOKIE, request.headers), ticket.text, None)


def _keep(parts: SignInParts, response: Response, name: str, value: str, seconds: int | None) -> None:
    cookie = cookies.written(name, value, seconds, secure=parts.own.is_secure())
    response.headers.append("Set-Cookie", cookie)


def _forget(parts: SignInParts, response: Response, name: str) -> None:
    _keep(parts, response, name, "", 0)


async def _form(request: Request) -> Mapping[str, str]:
    """Return the fields of a form that each came once; none where it is no form."""
    body = (await request.body()).decode("utf-8", "replace")
    try:
        return _single(parse_qsl(body, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        return {}


def _single(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Return what was given once: of what comes twice, one reader takes the first and another the last."""
    names = [name for name, _ in pairs]
    return {name: value for name, value in pairs if names.count(name) == 1}
