"""WebComponents: what the routes work with, made by ``cli/wiring``, and how a route gets at it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

from anyio import to_thread
from fastapi import Depends, Request

from runner.actions.policy import Policy
from runner.errors import StoreUnavailable
from runner.kafka.topic_message import TopicMessage
from runner.metrics import WebMetrics
from runner.projection.database import DatabaseUnavailable
from runner.projection.filters import Filters, Order
from runner.projection.folding import FoldSettings
from runner.projection.sight import Sight, Viewer
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record
from runner.web.callers import Authenticator, Caller
from runner.web.commands import Commands
from runner.web.event_response import EventStreams
from runner.web.limits import Pace
from runner.web.pages.own_pages import OwnPages
from runner.web.pages.visitors import Visitors
from runner.web.problems import Refused, unavailable
from runner.web.records import Records
from runner.web.sign_in.parts import SignInParts

Trouble = Callable[[], str | None]
"""Says why something is not ready; None: it is."""


class Exchanged(Protocol):
    """Where commands go."""

    @property
    def waiting(self) -> int: ...

    def homes(self) -> int: ...

    async def ask(self, request_id: str, value: bytes, home: int, seconds: float) -> TopicMessage: ...


class Row(Protocol):
    """A task, as lists have it."""

    @property
    def sight(self) -> Sight: ...

    @property
    def home(self) -> int: ...

    @property
    def is_open(self) -> bool: ...


class TaskLists(Protocol):
    """The lists; every method may block, and is for any thread."""

    def page(
        self, viewer: Viewer, filters: Filters, order: Order, cursor: str | None, limit: int, now_ms: int
    ) -> Any: ...

    def counts(self, viewer: Viewer, filters: Filters, group_by: str, now_ms: int) -> list[Any]: ...

    def definitions(self, viewer: Viewer) -> list[Any]: ...

    def row(self, key: TaskKey) -> Row | None: ...

    def has(self, key: TaskKey, version: str) -> bool: ...


@dataclass(slots=True)
class Readiness:
    """Whether this process can answer: ``checks`` by what they are about."""

    checks: Mapping[str, Trouble] = field(default_factory=dict)
    has_started: bool = True
    """Until then nothing but health is answered."""

    def reasons(self) -> list[str]:
        """Return why it is not ready; none where it is."""
        if not self.has_started:
            return ["it is starting"]
        asked = ((what, check()) for what, check in self.checks.items())
        return [f"{what}: {why}" for what, why in asked if why is not None]


@dataclass(frozen=True, slots=True)
class WebComponents:
    """What the routes work with."""

    policy: Policy
    authenticator: Authenticator
    pace: Pace
    commands: Commands
    exchange: Exchanged
    records: Records
    lists: TaskLists
    streams: EventStreams
    rows: FoldSettings
    """What rows are made with, the same as those of lists."""
    command_seconds: float
    body_bytes: int
    now_ms: Callable[[], int]
    visitors: Visitors | None = None
    """Who looks at pages; None: there are none."""
    own_pages: OwnPages = field(default_factory=lambda: OwnPages(None))
    stylesheet: bytes | None = None
    """Style of whoever runs this, over ours."""
    metrics: WebMetrics = field(default_factory=WebMetrics)
    readiness: Readiness = field(default_factory=Readiness)
    sign_in: SignInParts | None = None
    """None: nobody signs in with a browser."""


def parts_of(request: Request) -> WebComponents:
    """Return the parts; Refused with 503 while the process is starting."""
    parts: WebComponents = request.app.state.parts
    if not parts.readiness.has_started:
        raise unavailable("this process is starting; ask again")
    return parts


Given = Annotated[WebComponents, Depends(parts_of)]


async def called_by(request: Request, parts: Given) -> Caller:
    """Return who sends a request; Unauthenticated where nobody knows, TooMany where they ask too fast."""
    caller = await parts.authenticator.of(request.headers, request.method)
    parts.pace.take(caller)
    return caller


CalledBy = Annotated[Caller, Depends(called_by)]


async def records_of(parts: WebComponents, keys: Sequence[TaskKey]) -> list[Record | None]:
    """Return start, state and life of each task; Refused with 503 where Redis does not answer."""
    return await to_thread.run_sync(_answered, lambda: parts.records.of(keys))


async def whole_record(parts: WebComponents, key: TaskKey) -> Record | None:
    """Return all of a task; Refused with 503 where Redis does not answer."""
    return await to_thread.run_sync(_answered, lambda: parts.records.whole(key))


async def record_with(parts: WebComponents, key: TaskKey, names: Sequence[str]) -> Record | None:
    """Return a record with these parts; Refused with 503 where Redis does not answer."""
    return await to_thread.run_sync(_answered, lambda: parts.records.with_parts(key, names))


async def row_of(parts: WebComponents, key: TaskKey) -> Row | None:
    """Return a task as lists have it; None where they do not."""
    row: Row | None = await from_lists(lambda: parts.lists.row(key))
    return row


def _answered(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except StoreUnavailable as error:
        raise store_away(error) from error


def _listed(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except DatabaseUnavailable as error:
        raise unavailable("the lists do not answer at the moment; ask again") from error


async def from_lists(read: Callable[[], Any]) -> Any:
    """Return what is read from lists; Refused with 503 where the database does not answer."""
    return await to_thread.run_sync(_listed, read)


def store_away(error: StoreUnavailable) -> Refused:
    """Return 503; the log knows the address, which is nobody's business."""
    del error
    return unavailable("Redis does not answer at the moment; ask again")
