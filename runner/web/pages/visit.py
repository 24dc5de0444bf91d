"""Visit: one request for a page, who sends it, and in which words it is answered."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Final
from urllib.parse import parse_qsl, quote

from fastapi import Depends, Request
from starlette.datastructures import Headers

from runner.web.callers import Caller
from runner.web.commands import RequestIdentity
from runner.web.pages.addresses import address, lasting
from runner.web.pages.dates import Dates
from runner.web.pages.held import CSRF, MOST_HELD, Held
from runner.web.pages.languages import Words
from runner.web.pages.manner import Manner, manner_of
from runner.web.pages.visitors import PageVisitor, Visitors
from runner.web.parts import Given, WebComponents
from runner.web.problems import Refused

MOST_FIELDS: Final = 20_000
"""Fields of a form that was sent."""
KEY: Final = "key"
"""Field of a form: its Idempotency-Key, so that a second click does nothing twice."""


class SignInNeeded(Exception):
    """Nobody has signed in, or their session has ended."""


class SignedInAnew(Exception):
    """A form was sent from a page of another session than there is now."""


@dataclass(frozen=True)
class Visit:
    """Somebody who looks at a page, or sends a form of it."""

    parts: WebComponents
    visitor: PageVisitor
    manner: Manner
    address: str
    """Of this page; of the first one where a form was sent."""
    query: Sequence[tuple[str, str]]
    now_ms: int

    @property
    def caller(self) -> Caller:
        return self.visitor.caller

    @property
    def words(self) -> Words:
        return self.manner.words

    @property
    def dates(self) -> Dates:
        return self.manner.dates

    @property
    def seal(self) -> str:
        """What a form of this page carries in the field csrf."""
        return f"{self.visitor.csrf} {self.caller.user}"

    @cached_property
    def is_admin(self) -> bool:
        """Whether they are admin of a domain."""
        return bool(self.caller.viewer.admin_of)


async def visit_of(request: Request, parts: Given) -> Visit:
    """Return who looks at a page; SignInNeeded where nobody has, TooMany where they ask too fast."""
    visitor = await _visitors(parts).visitor(request.headers)
    return _visit(request, parts, visitor)


def _visit(request: Request, parts: WebComponents, visitor: PageVisitor | None) -> Visit:
    if visitor is None:
        raise SignInNeeded
    parts.pace.take(visitor.caller)
    query = request.query_params.multi_items()
    own = "/"
    if request.method == "GET":
        own = address(quote(request.url.path, errors="replace"), lasting(query))
    return Visit(parts, visitor, manner_of(request), own, query, parts.now_ms())


@dataclass(frozen=True)
class Sent:
    """A form that somebody has sent."""

    visit: Visit
    pairs: Sequence[tuple[str, str]]
    asked: RequestIdentity
    by_script: bool
    """Whether the script has sent it, which takes JSON."""

    def field(self, name: str) -> str:
        """Return the last value of a field; empty where there is none."""
        return next((value for each, value in reversed(self.pairs) if each == name), "")


async def sent_by(request: Request, parts: Given) -> Sent:
    """Return a form that was sent, and who has; Unauthenticated where a page of another site has sent it.

    SignInNeeded and SignedInAnew where the session of its page has ended: then ``request.state.held`` has it.
    Its page carries the value of the session there is now, so it can be sent with one click. That gives
    nothing away: Origin has said that a page of ours has sent the form, no other site can have us make such
    a page, read it or frame it, and the click is that of a person who has read what is sent, and as whom.
    """
    body = await request.body()
    pairs = _pairs(request.headers, body)
    fields = dict(pairs)
    csrf, _, made_for = fields.get(CSRF, "").partition(" ")
    visitors = _visitors(parts)
    visitors.require_own(request.headers, request.method)
    request.state.held = held = Held(request.url.path, pairs, made_for) if len(pairs) <= MOST_HELD else None
    visitor = await visitors.visitor(request.headers)
    if visitor is None:
        request.state.held = held and held.sealed(f" {made_for}")
        raise SignInNeeded
    visit = _visit(request, parts, visitor)
    if not secrets.compare_digest(csrf.encode("utf-8", "replace"), visitor.csrf.encode()):
        request.state.held = held and held.sealed(visit.seal, visit.caller.user)
        raise SignedInAnew
    asked = RequestIdentity("POST", request.url.path, body, fields.get(KEY) or None)
    return Sent(visit, pairs, asked, request.headers.get("accept", "").startswith("application/json"))


def _pairs(headers: Headers, body: bytes) -> list[tuple[str, str]]:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Refused(415, "a form is sent as application/x-www-form-urlencoded")
    try:
        return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise Refused(413, f"a form has {MOST_FIELDS} fields at most") from error


def _visitors(parts: WebComponents) -> Visitors:
    if parts.visitors is None:
        raise Refused(404, "there are no pages here: nobody can sign in")
    return parts.visitors


Visiting = Annotated[Visit, Depends(visit_of)]
Sending = Annotated[Sent, Depends(sent_by)]
