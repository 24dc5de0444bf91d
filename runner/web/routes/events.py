"""Events: what changes among the tasks that the caller may see, as server-sent events."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Response

from runner.projection.sight import Viewer
from runner.web.callers import Caller
from runner.web.documented import LISTING, PREFIX, problems
from runner.web.event_response import MEDIA_TYPE, EventResponse, Listener
from runner.web.parts import CalledBy, Given

router: Final = APIRouter(prefix=PREFIX, tags=["events"])

_STREAM: Final[dict[str, Any]] = {
    "description": "Server-sent events, until the token or the session ends, or the server ends.",
    "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
}

Domains = Annotated[list[str], Query(description="Only of these domains.", max_length=100)]
LastEventId = Annotated[
    str | None, Header(description="Id of the last event that was heard: the stream goes on behind it.")
]


@router.get("/events", response_class=Response, responses={200: _STREAM, **problems(*LISTING)})
async def follow_events(
    parts: Given,
    caller: CalledBy,
    domain: Domains = [],  # noqa: B006 - FastAPI copies it
    last_event_id: LastEventId = None,
) -> EventResponse:
    """What changes among the tasks that I may see, as events `changes` and `reload` (docs/api.md)."""
    now_seconds = parts.now_ms() / 1000
    listener = Listener(
        account=_account(caller),
        viewer=_narrowed(caller.viewer, frozenset(domain)),
        last=last_event_id or None,
        seconds=None if caller.expires_at is None else caller.expires_at - now_seconds,
    )
    if parts.sign_in is not None and caller.session is not None:
        listener = replace(listener, attended=partial(parts.sign_in.watch.ending, caller.session))
    return EventResponse(parts.streams, listener)


def _account(caller: Caller) -> tuple[str, str, str]:
    return caller.issuer, caller.tenant, caller.user


def _narrowed(viewer: Viewer, domains: frozenset[str]) -> Viewer:
    return replace(viewer, domains=viewer.domains & domains) if domains else viewer
