"""The proxy of docs/web.md, a real nginx with TLS, before `runner web`: pages, forms, events."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest
import trustme

from runner.embedded.subprocesses import HOST, free_port
from tests.e2e.site import Site, session_ms
from tests.e2e.web import API, Office, Web, create_topics, office, web_settings
from tests.servers.kafka_server import KafkaServer
from tests.servers.lanes import LaneMissing, skip_or_fail
from tests.servers.login_issuer import AUDIENCE, CLIENT, SECRET, Login, LoginIssuer, running_login_issuer
from tests.servers.nginx_server import REQUIRE_NGINX, running_nginx
from tests.servers.redis_server import RedisServer
from tests.unit.docs.pages import ROOT, blocks
from tests.waiting import WAIT_SECONDS, until

PAGE: Final = ROOT / "docs" / "web.md"


@dataclass(frozen=True)
class Place:
    """What browsers reach at ``url``, and who signs people in."""

    url: str
    desk: Office
    issuer: LoginIssuer
    trusted: ssl.SSLContext

    def browser(self) -> httpx.Client:
        """Somebody's browser: it believes the authority of the certificate, and follows nothing by itself."""
        return httpx.Client(base_url=self.url, verify=self.trusted, timeout=WAIT_SECONDS)

    def signed_in(self, login: Login) -> httpx.Client:
        browser = self.browser()
        sent = browser.get("/sign-in", params={"next": "/inbox/available"})
        back = browser.get(self.issuer.log_in(sent.headers["location"], login))
        assert (back.status_code, back.headers["location"]) == (303, "/inbox/available"), back.text
        return browser


@pytest.fixture
def place(kafka: KafkaServer, valkey: RedisServer, tmp_path: Path) -> Iterator[Place]:
    port = free_port()
    url = f"https://{HOST}:{port}"
    authority = trustme.CA()
    made = authority.issue_cert(HOST)
    made.private_key_pem.write_to_path(tmp_path / "tasks.key")
    made.cert_chain_pems[0].write_to_path(tmp_path / "tasks.pem")
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    site = Site(kafka, valkey.url, tmp_path, session_ms(kafka), settings=web_settings())
    create_topics(site)
    with ExitStack() as running:
        issuer = running.enter_context(running_login_issuer())
        desk = running.enter_context(office(site))
        desk.open()
        web = desk.open(**of_people(url, issuer))
        try:
            running.enter_context(running_nginx(tmp_path, server_of(port, web, tmp_path), port))
        except LaneMissing as missing:
            skip_or_fail(missing, REQUIRE_NGINX)
        yield Place(url, desk, issuer, trusted)


def of_people(url: str, issuer: LoginIssuer) -> dict[str, str]:
    """The settings of a process to which people come by the proxy."""
    named = {"issuer": issuer.url, "audience": AUDIENCE, "domains": ["default"]}
    return {
        "RUNNER_WEB__AUTH": "oidc",
        "RUNNER_WEB__USERS": "{}",
        "RUNNER_WEB__PUBLICURL": url,
        "RUNNER_WEB__ISSUERS": json.dumps({"staff": named}),
        "RUNNER_WEB__SIGNIN": json.dumps({"staff": {"clientId": CLIENT, "clientSecret": SECRET}}),
    }


def server_of(port: int, web: Web, folder: Path) -> str:
    """The block of the page, with the addresses and files of the test."""
    [block] = [block for block in blocks(PAGE) if block.words == ["nginx"]]
    text = block.text
    for example, own in {
        "listen 443 ssl;": f"listen {HOST}:{port} ssl;",
        "server_name tasks.example.com;": f"server_name {HOST};",
        "/etc/ssl/tasks.example.com.pem": str(folder / "tasks.pem"),
        "/etc/ssl/tasks.example.com.key": str(folder / "tasks.key"),
        "http://runner-web:8090": web.url,
    }.items():
        assert example in text
        text = text.replace(example, own)
    return text


def test_people_work_through_it(place: Place) -> None:
    login = Login("ann", ["manager"])
    by_token = place.desk.webs[0]
    with closing(place.signed_in(login)) as ann:
        # The prefix by which browsers tie a cookie to this host: sent back over TLS alone.
        assert [each.name for each in ann.cookies.jar] == ["__Host-runner-session"]
        assert "Available" in ann.get("/inbox/available").text
        assert ann.get("/metrics").status_code == 404
        headers = {"Accept": "text/event-stream"}
        with ann.stream("GET", f"{API}/events", headers=headers) as events:
            assert events.status_code == 200
            lines = events.iter_lines()
            assert next(lines).startswith("retry:")
            path = place.desk.started(by_token, name="Check the purchase")
            told = next(line for line in lines if line.startswith("data:"))
            assert path.rpartition("/")[2] in told
        claimed(ann, place, path)
        token = {"logout_token": place.issuer.logout_token(sub="ann", sid=login.sid)}
        with place.browser() as issuer:
            back = issuer.post("/sign-in/back-channel-logout", data=token)
        assert back.status_code == 200
        assert ann.get(f"{API}/me").status_code == 401


def claimed(ann: httpx.Client, place: Place, path: str) -> None:
    """Claim a task with the form of its page, as a browser without a script sends it."""
    _, _, domain, key = path.split("/")
    page = until(lambda: _form_page(ann, domain, key), f"a form to claim {path}")
    fields = {name: _value(page, name) for name in ("csrf", "key", "version")}
    address = f"/tasks/{domain}/{key}/claim"
    refused = ann.post(address, data=fields, headers={"Origin": place.url.replace("https:", "http:")})
    assert refused.status_code == 403
    answer = ann.post(address, data=fields, headers={"Origin": place.url})
    assert answer.status_code == 303, answer.text
    assert ann.get(f"{API}{path}").json()["owner"] == "ann"


def _form_page(ann: httpx.Client, domain: str, key: str) -> str | None:
    page = ann.get(f"/inbox/available/{domain}/{key}").text
    return page if "/claim" in page else None


def _value(page: str, name: str) -> str:
    return page.partition(f'name="{name}" value="')[2].partition('"')[0]
