"""A desk: the API with a worker and a store in this process, and people who send it requests.

The worker is the real batch processor over the memory store, asked at once for each command. Lists are made
of the same records by what the projection folds with; which filters they hold is tested with a database.
"""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from starlette.datastructures import Headers

from runner.actions.policy import DomainPolicy, Policy
from runner.envelope.codec import JsonCodec, Sections
from runner.envelope.event import NO_RULES, MetaRules
from runner.errors import StoreUnavailable
from runner.kafka.message import Message
from runner.kafka.topic_message import TopicMessage
from runner.projection.filters import Filters, Order
from runner.projection.folding import FoldSettings, folded_record
from runner.projection.sight import Sight, Viewer, sees
from runner.store.calls import Ownership
from runner.tasks.keys import TaskKey
from runner.testing.memory_store import MemoryStore
from runner.web.app import build_app
from runner.web.callers import Caller, DomainRules, NamedCallers, Unauthenticated
from runner.web.changes import Hub
from runner.web.commands import Commands
from runner.web.event_response import EventStreams
from runner.web.limits import Pace
from runner.web.parts import Readiness, WebComponents
from runner.web.problems import Refused
from runner.web.records import Records
from runner.web.seats import Seats
from runner.worker.assignment import Batch
from runner.worker.processing_settings import ProcessingSettings
from runner.worker.task_processor import TaskProcessor
from tests.unit.web.worlds import Replica, World

NOW: Final = 1_795_000_000_000
HOMES: Final = 4
REPLIES: Final = "replies"
LIMITS: Final = {
    "requests": 1_000_000,
    "responses": 1_000_000,
    "replies": 1_000_000,
    "dead-letters": 2_000_000,
}
DOMAINS: Final = {
    "orders": DomainPolicy(admin_role="admin", start_roles=frozenset({"starter"})),
    "care": DomainPolicy(admin_role="admin", timeout_roles=frozenset({"nurse"})),
    "closed": DomainPolicy(),
}
POLICY: Final = Policy(DOMAINS, partitions=HOMES, allowed_streams=frozenset({REPLIES, "elsewhere"}))
PEOPLE: Final = {
    "ann": frozenset({"manager"}),
    "bob": frozenset({"manager"}),
    "eve": frozenset({"visitor"}),
    "nia": frozenset({"nurse"}),
    "root": frozenset({"admin"}),
    "sam": frozenset({"starter"}),
}


class TopicCatalog:
    """Topics with limits; JSON on all of them."""

    def encode(self, stream: str, sections: Sections) -> bytes:
        assert stream in LIMITS
        return JsonCodec().encode(sections)

    def limit_bytes(self, stream: str) -> int | None:
        return LIMITS.get(stream)

    def partition(self, stream: str, request_id: str) -> int | None:  # noqa: ARG002 - as the worker has it
        return None


class Worker:
    """The batch processor over a memory store; what it sends to requests comes back to it at once."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.store = MemoryStore(lambda: NOW)
        self.store.open(Ownership("cluster", "requests", "topic-1", "group", HOMES))
        self._policy = policy
        self._offsets = dict.fromkeys(range(HOMES), 100)
        self._process = TaskProcessor(
            ProcessingSettings(policy, JsonCodec(), NO_RULES, 1, 0),
            self.store,
            TopicCatalog(),
            "dead-letters",
        )

    def receive(self, value: bytes, partition: int, key: bytes = b"k") -> list[TopicMessage]:
        """Return what is sent to other topics on account of one message."""
        waiting = deque([(value, partition, key)])
        sent: list[TopicMessage] = []
        while waiting:
            value, partition, key = waiting.popleft()
            offset = self._offsets[partition]
            self._offsets[partition] += 1
            message = Message(partition, offset, key, value, (), timestamp_ms=NOW)
            for each in self._process.run(Batch((message,), {partition: offset}), {}).outgoing:
                if each.stream == "requests":
                    waiting.append((each.value or b"", each.partition or 0, each.key or b""))
                else:
                    headers = {name: text.decode() for name, text in each.headers}
                    said = (each.key or b"").decode()
                    sent.append(TopicMessage(each.stream, 0, offset, NOW, said, headers, each.value))
        return sent


@dataclass
class Exchange:
    """Where commands go: to the worker, at once."""

    worker: Worker
    sent: list[tuple[str, bytes, int]] = field(default_factory=list)
    trouble: Refused | None = None
    """What becomes of every command, where something is wrong."""
    resumed: list[TopicMessage] = field(default_factory=list)
    waiting: int = 0

    def homes(self) -> int:
        return HOMES

    async def ask(self, request_id: str, value: bytes, home: int, seconds: float) -> TopicMessage:  # noqa: ARG002 - the worker answers at once
        self.sent.append((request_id, value, home))
        if self.trouble is not None:
            raise self.trouble
        messages = self.worker.receive(value, home, request_id.encode())
        self.resumed += [each for each in messages if each.kind == "resume"]
        [reply] = [each for each in messages if each.kind == "reply"]
        assert (reply.topic, reply.key) == (REPLIES, request_id)
        return reply


class Store:
    """The worker's store, as the API reads it; it may be away, or lack a task."""

    def __init__(self, worker: Worker) -> None:
        self._store = worker.store
        self.is_away = False
        self.lost: set[TaskKey] = set()

    def key_space(self) -> None:
        self._answer()

    def close(self) -> None: ...

    def records_of(self, keys: Any) -> list[Any]:
        self._answer()
        return [None if key in self.lost else self._store.record(key) for key in keys]

    def whole_records(self, keys: Any) -> list[Any]:
        return self.records_of(keys)

    def records_with(self, parts: Any) -> list[Any]:
        return self.records_of(list(parts))

    def _answer(self) -> None:
        if self.is_away:
            raise StoreUnavailable("redis://:secret@10.0.0.7 does not answer")


@dataclass(frozen=True)
class Row:
    """A task in a list."""

    json: str
    sight: Sight
    version: str
    home: int
    is_open: bool


@dataclass(frozen=True)
class Page:
    """A page of a list."""

    rows: list[str]
    next_cursor: str | None


class Lists:
    """Lists that are made of the records that were noted, as they were then."""

    def __init__(self, worker: Worker, rows: FoldSettings) -> None:
        self._worker = worker
        self._settings = rows
        self._rows: dict[TaskKey, Row] = {}
        self.asked: list[tuple[Filters, Order, str | None, int]] = []

    def note(self, key: TaskKey) -> None:
        """Take a task up as it is now."""
        record = self._worker.store.record(key)
        assert record is not None
        folded = folded_record(record, self._settings)
        sight = folded.sight
        assert sight is not None
        row = json.dumps(folded.row, default=list)
        self._rows[key] = Row(row, sight, folded.version, record.state.home, record.is_open)

    def row(self, key: TaskKey) -> Row | None:
        return self._rows.get(key)

    def has(self, key: TaskKey, version: str) -> bool:
        row = self._rows.get(key)
        return row is not None and row.version == version

    def page(
        self, viewer: Viewer, filters: Filters, order: Order, cursor: str | None, limit: int, now_ms: int
    ) -> Page:
        assert now_ms == NOW
        self.asked.append((filters, order, cursor, limit))
        rows = [each.json for each in self._rows.values() if sees(viewer, each.sight)]
        return Page(rows[:limit], "more" if len(rows) > limit else None)

    def counts(self, viewer: Viewer, filters: Filters, group_by: str, now_ms: int) -> list[tuple[Any, int]]:
        del group_by
        rows = self.page(viewer, filters, Order(), None, 200, now_ms).rows
        return [("ALL", len(rows)), (None, 0)]

    def definitions(self, viewer: Viewer) -> list[dict[str, Any]]:
        return [
            {
                "domain": each,
                "taskSpec": "kyc",
                "version": 0,
                "definedOn": NOW,
                "by": None,
                "description": None,
            }
            for each in sorted(viewer.domains)
        ]


class Tenants:
    """Callers who name themselves, each of one tenant: ``ann@orders`` reaches domain orders alone."""

    def __init__(self, rules: DomainRules) -> None:
        self._rules = rules
        self._all = NamedCallers(PEOPLE, rules)

    async def of(self, headers: Headers, method: str = "POST") -> Caller:
        name, at, domain = headers.get("authorization", "").removeprefix("Bearer ").partition("@")
        if not at:
            return await self._all.of(headers, method)
        roles = PEOPLE[name]
        viewer = self._rules.viewer(name, roles, [domain])
        return Caller(name, name, roles, viewer.domains, tenant=domain, issuer="", viewer=viewer)


@dataclass(frozen=True)
class Visitor:
    """Somebody in front of a page."""

    caller: Caller
    csrf: str = "csrf-of-the-desk"


class Visitors:
    """People who look at pages: whoever the authenticator knows; forms of other origins are refused."""

    def __init__(self, authenticator: Tenants) -> None:
        self._authenticator = authenticator

    async def visitor(self, headers: Headers) -> Visitor | None:
        if "authorization" not in headers:
            return None
        return Visitor(await self._authenticator.of(headers))

    def require_own(self, headers: Headers, method: str) -> None:
        if method == "POST" and headers.get("origin", "http://desk") != "http://desk":
            raise Unauthenticated(403, "a session counts for requests from the pages of this runner alone")


class Inquirer:
    """The API and all behind it."""

    def __init__(
        self,
        policy: Policy = POLICY,
        rules: MetaRules = NO_RULES,
        per_second: int = 100_000,
        body_bytes: int = 65_536,
    ) -> None:
        self.worker = Worker(policy)
        self.exchange = Exchange(self.worker)
        self.store = Store(self.worker)
        self.settings = FoldSettings(policy, {"amount": "amount"})
        self.lists = Lists(self.worker, self.settings)
        self.readiness = Readiness()
        admins = {name: each.admin_role for name, each in policy.domains.items()}
        authenticator = Tenants(DomainRules(admins))
        self.parts = WebComponents(
            policy=policy,
            authenticator=authenticator,
            visitors=Visitors(authenticator),
            pace=Pace(per_second, lambda: 0.0),
            commands=Commands(policy, rules, REPLIES),
            exchange=self.exchange,
            records=Records(lambda: self.store),
            lists=self.lists,
            # Without room for any: a client here reads every answer to its end.
            streams=EventStreams(Hub(Replica(World())), Seats(0, 1)),
            rows=self.settings,
            command_seconds=15,
            body_bytes=body_bytes,
            now_ms=lambda: NOW,
            readiness=self.readiness,
        )
        self.app = build_app(self.parts)

    def client(self, who: str | None = "ann", **headers: str) -> httpx.AsyncClient:
        """Return somebody at the API; None: nobody says who."""
        named = {} if who is None else {"Authorization": f"Bearer {who}"}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(
            transport=transport, base_url="http://desk/api/v1", headers={**named, **headers}
        )

    def ask(self, who: str | None, method: str, path: str, **request: Any) -> httpx.Response:
        """Return the answer to one request; ``key`` is its Idempotency-Key."""
        headers = dict(request.pop("headers", {}))
        if "key" in request:
            headers["Idempotency-Key"] = request.pop("key")

        async def asked() -> httpx.Response:
            async with self.client(who) as client:
                return await client.request(method, path, headers=headers, **request)

        return asyncio.run(asked())

    def get(self, who: str | None, path: str, **request: Any) -> httpx.Response:
        return self.ask(who, "GET", path, **request)

    def post(self, who: str | None, path: str, body: Any = None, **request: Any) -> httpx.Response:
        return self.ask(who, "POST", path, **({} if body is None else {"json": body}), **request)

    def start(self, task_id: str, domain: str = "orders", home: int = 1, **parameters: Any) -> TaskKey:
        """Start a task as a saga does, and return its key; the lists have it."""
        event = {
            "requestMeta": {"id": f"saga-{task_id}", "claims": {"sub": "saga", "roles": ["starter"]}},
            "sagaMeta": [{"sagaId": "s", "stepId": "1"}],
            "eventMeta": {
                "requestTime": 1,
                "action": "StartTask",
                "domain": domain,
                "inputElement": "data",
                "parameters": {"taskIdPath": "$.id", **parameters},
            },
            "payload": {"id": task_id, "data": {"amount": 12.50}},
        }
        [reply] = self.worker.receive(json.dumps(event).encode(), home)
        assert reply.status == "ACK", reply
        key = TaskKey(domain, task_id)
        self.lists.note(key)
        return key


def problem_of(response: httpx.Response) -> tuple[int, int | None]:
    """Return status and code of a problem, after a look at its form."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    body: Mapping[str, Any] = response.json()
    assert body["status"] == response.status_code
    assert body["type"] == "about:blank"
    assert body["title"]
    assert body["detail"]
    return response.status_code, body.get("code")
