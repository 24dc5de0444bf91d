"""Processes of ``runner web``, at a site with a worker, and people who send them requests."""

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tests.e2e.site import SHARDS, Site
from tests.e2e.workers import Fleet, Worker
from tests.waiting import WAIT_SECONDS, until

PEOPLE: Final = {
    "ann": ["manager"],
    "bob": ["manager"],
    "eve": ["visitor"],
    "root": ["admin"],
    "sam": ["starter"],
}
DOMAINS: Final = {
    "default": {"adminRole": "admin", "startRoles": ["starter"]},
    "care": {"adminRole": "admin", "timeoutRoles": ["manager"]},
}
API: Final = "/api/v1"
FENCED: Final = 6
"""Exit code of a worker that a fresh one has to take over from."""


def web_settings(**more: str) -> dict[str, str]:
    """Return the settings of a site with an API, each with topics of its own."""
    own = uuid.uuid4().hex[:10]
    return {
        "RUNNER_TOPICS__TASKS": f"tasks-{own}",
        "RUNNER_TOPICS__REPLIES": f"replies-{own}",
        "RUNNER_DOMAINS": json.dumps(DOMAINS),
        "RUNNER_WORKER__POLLMS": "10",
        **more,
    }


def create_topics(site: Site) -> None:
    """Make the topics of a site, that of replies too."""
    site.create_topics()
    site.kafka.create_topics({site.settings["RUNNER_TOPICS__REPLIES"]: site.partitions})


class Web(Worker):
    """One process of ``runner web``, whose callers name themselves."""

    def __init__(self, site: Site, name: str, settings: Mapping[str, str]) -> None:
        own = {
            "RUNNER_WEB__AUTH": "none",
            "RUNNER_WEB__USERS": json.dumps(PEOPLE),
            "RUNNER_WEB__PORT": "0",
            "RUNNER_WEB__REQUESTSPERSECOND": "100000",
            "RUNNER_PROJECTION__URL": f"sqlite:///{site.folder / f'{site.name}-{name}.db'}",
            "RUNNER_PROJECTION__ATTRIBUTES": json.dumps({"amount": "amount"}),
        }
        super().__init__(site, name, {**own, **settings}, command="web")

    @property
    def url(self) -> str:
        """Where it is, once it has started."""
        return f"http://127.0.0.1:{self.wait_for('started')['port']}"

    def wait_until_ready(self) -> None:
        """Return once it answers everything."""
        self.wait_for("answering")

    def ask(self, who: str, method: str, path: str, **request: Any) -> httpx.Response:
        """Return the answer to one request; ``key`` is its Idempotency-Key."""
        headers = {"Authorization": f"Bearer {who}", **request.pop("headers", {})}
        if "key" in request:
            headers["Idempotency-Key"] = request.pop("key")
        base = "" if path.startswith(("/health", "/metrics", "/openapi")) else API
        url = self.url + base + path
        return httpx.request(method, url, headers=headers, timeout=WAIT_SECONDS, **request)

    def get(self, who: str, path: str, **request: Any) -> httpx.Response:
        return self.ask(who, "GET", path, **request)

    def post(self, who: str, path: str, body: Any = None, **request: Any) -> httpx.Response:
        return self.ask(who, "POST", path, **({} if body is None else {"json": body}), **request)


@dataclass
class Office:
    """A site with a worker and processes of the API."""

    site: Site
    fleet: Fleet
    worker: Worker
    _stack: ExitStack
    webs: list[Web] = field(default_factory=list)

    def open(self, **settings: str) -> Web:
        """Start one more process, and wait until it is ready."""
        name = f"web-{len(self.webs) + 1}"
        web = self._stack.enter_context(Web(self.site, name, settings))
        self.webs.append(web)
        web.wait_until_ready()
        return web

    @property
    def pair(self) -> list[Web]:
        """The first two processes, which nobody ends."""
        return self.webs[:2]

    def started(self, web: Web, **body: Any) -> str:
        """Start a task over HTTP, for managers where nothing else is said, and return its path."""
        answer = web.post("sam", "/tasks", {"domain": "default", "roles": ["manager"], **body})
        assert answer.status_code == 201, answer.text
        return answer.headers["location"].removeprefix(API)

    def listed(self, web: Web, who: str, path: str) -> dict[str, Any]:
        """Return a task as lists have it, once they do."""
        key = path.rsplit("/", 1)[1]

        def found() -> dict[str, Any] | None:
            page = web.get(who, "/tasks", params={"limit": 200}).json()
            return next((each for each in page["tasks"] if each["key"] == key), None)

        return until(found, f"{path} in the lists of {who}")


@contextmanager
def office(site: Site) -> Iterator[Office]:
    """Give a site with a worker, for the length of the block; its topics are there."""
    with Fleet(site, frozenset({FENCED})) as fleet, ExitStack() as stack:
        worker = fleet.start()
        worker.wait_for("homes", open=list(range(site.partitions)))
        yield Office(site, fleet, worker, stack)


__all__ = ["SHARDS", "Office", "Web", "create_topics", "office", "web_settings"]
