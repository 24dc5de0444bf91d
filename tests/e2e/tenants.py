"""Two tenants of one process, with an issuer each: both have users, roles and task ids of the same names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tests.e2e.site import Site, session_ms
from tests.e2e.web import API, Web, create_topics, web_settings
from tests.e2e.workers import Fleet
from tests.servers.kafka_server import KafkaServer
from tests.servers.login_issuer import CLIENT, LoginIssuer, running_login_issuer
from tests.servers.login_issuer import SECRET as CLIENT_SECRET
from tests.servers.token_issuer import AUDIENCE
from tests.waiting import WAIT_SECONDS, until

OURS: Final = "acme"
THEIRS: Final = "beta"
SECRET: Final = "confidential"
"""Stands in every text of the tenant that is not to be seen."""
TASK: Final = "t-1"
SPEC: Final = "form"
FORM: Final = {"type": "object", "properties": {"answer": {"type": "string", "title": SECRET}}}
DOMAIN: Final = {"adminRole": "admin", "startRoles": ["admin"], "starterSees": True}
ROLES: Final = ["clerk", "admin"]


@dataclass(frozen=True)
class Tenants:
    """One process of the API, and the issuers of two tenants."""

    web: Web
    issuers: Mapping[str, LoginIssuer]

    def ask(self, tenant: str, method: str, path: str, **request: Any) -> httpx.Response:
        """Send a request as the admin of a tenant, who has every role."""
        token = self.issuers[tenant].token(roles=ROLES)
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.request(method, self.web.url + path, headers=headers, timeout=WAIT_SECONDS, **request)

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.web.url}/openapi.json").json()
        return found

    def seen_by_ours(self) -> list[str]:
        """Return all that the tenant with something to hide sees of its task and its definition."""
        paths = (f"/tasks/{OURS}/{TASK}", f"/tasks/{OURS}/{TASK}/history", f"/definitions/{OURS}/{SPEC}")
        return [self.ask(OURS, "GET", API + path).text for path in paths]


@contextmanager
def two_tenants(kafka: KafkaServer, redis_url: str, folder: Path, **settings: str) -> Iterator[Tenants]:
    """Give both, with a task, a comment and a definition each; only one of them has something to hide."""
    domains = json.dumps({OURS: DOMAIN, THEIRS: DOMAIN})
    site = Site(kafka, redis_url, folder, session_ms(kafka), settings=web_settings(RUNNER_DOMAINS=domains))
    create_topics(site)
    with running_login_issuer() as ours, running_login_issuer() as theirs, Fleet(site) as fleet:
        issuers = {OURS: ours, THEIRS: theirs}
        fleet.one({}).wait_for("homes", open=list(range(site.partitions)))
        with Web(site, "web", {**_settings(issuers), **settings}) as web:
            web.wait_until_ready()
            found = Tenants(web, issuers)
            for tenant, words in ((OURS, SECRET), (THEIRS, "public")):
                _furnish(found, tenant, words)
            yield found


def _settings(issuers: Mapping[str, LoginIssuer]) -> dict[str, str]:
    known = {
        name: {"issuer": each.url, "audience": AUDIENCE, "domains": [name], "jwksUrl": None}
        for name, each in issuers.items()
    }
    clients = {name: {"clientId": CLIENT, "clientSecret": CLIENT_SECRET} for name in issuers}
    return {
        "RUNNER_WEB__AUTH": "oidc",
        "RUNNER_WEB__USERS": "{}",
        "RUNNER_WEB__ISSUERS": json.dumps(known),
        "RUNNER_WEB__SIGNIN": json.dumps(clients),
    }


def _furnish(tenants: Tenants, tenant: str, words: str) -> None:
    task = f"{API}/tasks/{tenant}/{TASK}"
    start = {"domain": tenant, "taskId": TASK, "name": words, "spec": SPEC, "roles": ["clerk"]}
    for method, path, body in (
        ("PUT", f"{API}/definitions/{tenant}/{SPEC}", {"schema": FORM, "description": words}),
        ("POST", f"{API}/tasks", {**start, "data": {"amount": 7, "words": words}, "notes": words}),
        ("POST", f"{task}/claim", {}),
        ("POST", f"{task}/comments", {"text": words}),
    ):
        answer = tenants.ask(tenant, method, path, json=body)
        assert answer.is_success, answer.text
    until(
        lambda: (
            tenants.ask(tenant, "GET", f"{API}/tasks").json()["tasks"][0]["owner"] == "ann"
            and tenants.ask(tenant, "GET", f"{API}/definitions").json()["definitions"]
        ),
        f"the lists of {tenant}",
    )
