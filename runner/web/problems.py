"""Problems: every error of the HTTP API, as RFC 9457 has it (``application/problem+json``).

``detail`` is written for a person who can act on it; ``code`` is the runner's own number where the worker has
refused something (docs/protocol.md, "Errors"). Nothing of a stack trace leaves the process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from runner.envelope.plain import encode
from runner.errors import HTTP_OF_CODE, OTHER_VERSION, UNDELIVERABLE, EventError

MEDIA_TYPE: Final = "application/problem+json"

RETRY_SECONDS: Final = 2
"""What Retry-After says where somebody does not answer at the moment."""

_STATUS_OF_CODE: Final[Mapping[int, int]] = {**HTTP_OF_CODE, OTHER_VERSION: 412}

_TOO_LARGE: Final = re.compile(r"\bhas \d+ bytes; .* takes \d+")
"""What 13020 says where something is too large; else it cannot be delivered for another reason."""


class Violation(BaseModel):
    """One thing that is wrong with what was sent."""

    pointer: str = Field(description="JSON pointer to the value; empty: the whole.")
    rule: str = Field(description="The rule that it breaks, as `required` or `type`.")
    message: str = Field(description="What is wrong, for a person.")


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="Always `about:blank`: `status` and `code` say what it is.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What went wrong and what can be done about it, for a person.")
    code: int | None = Field(default=None, description="The runner's own number, as replies have it.")
    violations: list[Violation] | None = Field(default=None, description="What is wrong, thing by thing.")
    id: str | None = Field(default=None, description="Of an error nobody foresaw: what the log has it under.")


class Refused(Exception):
    """A request is answered with a problem."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: int | None = None,
        violations: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.code = code
        self.violations = tuple(violations)
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """Return the problem as plain data."""
        return problem(self.status, self.detail, code=self.code, violations=list(self.violations) or None)

    def response(self) -> Response:
        return respond(self.body(), self.headers)


def problem(status: int, detail: str, **more: Any) -> dict[str, Any]:
    """Return a problem as plain data; members that are None are left out."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **{name: value for name, value in more.items() if value is not None},
    }


def respond(body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """Return the response of a problem."""
    return Response(encode(dict(body)), body["status"], headers, MEDIA_TYPE)


def unavailable(what: str, seconds: int = RETRY_SECONDS) -> Refused:
    """Return 503: somebody does not answer at the moment, and nothing was done."""
    return Refused(503, what, headers={"Retry-After": str(seconds)})


def no_task(domain: str, key: str) -> Refused:
    """Return 404: there is no such task, or none that the caller sees."""
    return Refused(
        404, f"there is no task {key[:200]!r} in domain {domain[:100]!r} that you may see", code=10118
    )


def status_of(code: int, message: str) -> int:
    """Return the HTTP status of a code of the protocol, with the text that came with it."""
    if code == UNDELIVERABLE:
        return 413 if _TOO_LARGE.search(message) else 502
    return _STATUS_OF_CODE.get(code, 400)


def refused_event(error: EventError) -> Refused:
    """Return the problem of an event that would be refused by the worker as well."""
    return Refused(
        status_of(error.code, error.message), error.message, code=error.code, violations=error.violations
    )


def refused_reply(error: Mapping[str, Any]) -> Refused:
    """Return the problem of a FAIL: ``result.error`` of a reply."""
    code, message = int(error.get("code", 0)), str(error.get("message", ""))
    return Refused(status_of(code, message), message, code=code, violations=error.get("violations") or ())


def statuses_of_codes() -> Iterator[tuple[int, str]]:
    """Give every code of the protocol that has a status of its own, with that, for the docs."""
    for code in sorted(_STATUS_OF_CODE):
        yield code, "413 or 502" if code == UNDELIVERABLE else str(_STATUS_OF_CODE[code])
