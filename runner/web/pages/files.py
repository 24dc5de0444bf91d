"""Files and choices: style and script for browsers, and which language somebody reads."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response
from starlette.responses import RedirectResponse

from runner.web.pages import assets, languages
from runner.web.pages.addresses import own_path
from runner.web.pages.rendering import HEADERS
from runner.web.pages.routing import PageRoute
from runner.web.pages.visit import Sending
from runner.web.parts import Given
from runner.web.problems import Refused

OWN_STYLE: Final = "own.css"
_FOREVER: Final = "public, max-age=31536000, immutable"
_YEAR_SECONDS: Final = 31_536_000

router: Final = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get(assets.FOLDER + OWN_STYLE)
async def show_own_style(parts: Given) -> Response:
    """The style of whoever runs this, over ours."""
    if parts.stylesheet is None:
        raise Refused(404, "there is nothing under this path")
    return Response(
        parts.stylesheet, media_type=assets.kind(OWN_STYLE), headers={"Cache-Control": "no-cache"}
    )


@router.get(assets.FOLDER + "{name}")
async def show_file(name: str, v: Annotated[str, Query(max_length=100)] = "") -> Response:
    """A file of ours; under the address of its content it may be kept for ever."""
    found = assets.content(name)
    if found is None:
        raise Refused(404, "there is nothing under this path")
    kept = _FOREVER if v == assets.version(found) else "no-cache"
    return Response(found, media_type=assets.kind(name), headers={"Cache-Control": kept})


@router.post("/language")
async def choose_language(sent: Sending) -> Response:
    """Keep which language somebody reads, in a cookie."""
    wanted = sent.field("language")
    answer = RedirectResponse(own_path(sent.field("back")), 303, dict(HEADERS))
    if wanted in languages.LANGUAGES:
        answer.set_cookie(languages.COOKIE, wanted, max_age=_YEAR_SECONDS, samesite="lax")
    return answer
