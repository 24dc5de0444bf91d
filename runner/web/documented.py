"""What the OpenAPI document says of routes beside their models: problems, and what a problem looks like."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from runner.web.problems import MEDIA_TYPE
from runner.web.shapes import PROBLEM_REF

PREFIX: Final = "/api/v1"

_ALWAYS: Final = (400, 401, 403, 413, 429, 431, 500, 503)
"""What any request to the API may be answered with."""

READING: Final = (*_ALWAYS, 404)
LISTING: Final = _ALWAYS
CHANGING: Final = (*_ALWAYS, 404, 409, 412, 415, 422, 502, 504)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the responses of a route that are problems."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": PROBLEM_REF}},
        }
        for status in sorted(set(statuses))
    }
