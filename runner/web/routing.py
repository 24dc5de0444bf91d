"""Routing: bodies of JSON as they were written, and what a request says besides its body."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine
from typing import Annotated, Any, Final

from fastapi import Header, HTTPException, Path, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from runner.envelope.plain import decode_whole, encode
from runner.projection.filters import ATTRIBUTE
from runner.web.commands import RequestIdentity
from runner.web.problems import Refused

JSON: Final = "application/json"

Domain = Annotated[
    str, Path(description="Name of the domain.", max_length=200, pattern=r"^[^/{}\s\x00-\x1f\x7f]+$")
]
Key = Annotated[
    str,
    Path(description="Key of the task, as lists give it.", max_length=8192, pattern=r"^[A-Za-z0-9._:~-]+$"),
]
Spec = Annotated[
    str,
    Path(
        description="Name of the definition: the taskSpec of tasks.",
        max_length=200,
        pattern=r"^[A-Za-z0-9._]+(?:-+[A-Za-z0-9._]+)*$",
    ),
]
IfMatch = Annotated[
    str | None, Header(description="ETag of the version that is meant; another one is 412.", max_length=1000)
]
IfNoneMatch = Annotated[
    str | None, Header(description="ETag that is known; the same version again is 304.", max_length=8000)
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        description="The same request with the same key is carried out once, however often it is sent.",
        min_length=1,
        max_length=255,
    ),
]


class ExactRequest(Request):
    """A request whose JSON keeps the digits of its numbers."""

    async def json(self) -> Any:
        """Return the body as plain values; HTTPException 400 where it is no JSON in UTF-8."""
        try:
            return decode_whole(await self.body())
        except (ValueError, RecursionError) as error:
            raise HTTPException(400, f"the body is no JSON: {error}"[:300]) from error


class ExactRoute(APIRoute):
    """A route that reads bodies exactly, takes JSON only, and no parameter that it does not know."""

    free = ""
    """What the names of other parameters begin with; empty: there are none."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        known = _query_of(self.dependant)

        async def handled(request: Request) -> Response:
            for name in request.query_params:
                if name not in known and not (self.free and name.startswith(self.free)):
                    raise _unknown(name, known)
            exact = ExactRequest(request.scope, request.receive)
            if self.body_field is not None and await exact.body():
                _require_json(request)
            return await handle(exact)

        return handled


class ListRoute(ExactRoute):
    """A route of lists, which are filtered by attributes as well."""

    free = ATTRIBUTE


def _query_of(dependant: Dependant) -> set[str]:
    """Return the names of the parameters of a query, those of dependencies too."""
    own = {each.alias for each in dependant.query_params}
    return own.union(*map(_query_of, dependant.dependencies))


def _unknown(name: str, known: Collection[str]) -> Refused:
    there_are = f"there are {', '.join(sorted(known))}" if known else "it takes none"
    return Refused(400, f"{name[:100]!r} is no parameter of this query; {there_are}")


def _require_json(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON:
        raise Refused(415, f"the body must be JSON; send Content-Type: {JSON}")


async def asked_by(request: Request, idempotency_key: IdempotencyKey = None) -> RequestIdentity:
    """Return what a request asks, as far as it tells it from others."""
    return RequestIdentity(request.method, request.url.path, await request.body(), idempotency_key)


def as_json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return an answer of plain JSON values."""
    return Response(encode(value), status, headers, JSON)
