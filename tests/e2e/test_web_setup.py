"""docs/web.md sets up what it says: its commands make a realm of a real Keycloak, its file is what runs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from playwright.sync_api import Browser, BrowserContext, Page, expect

from runner.config import Config
from runner.embedded.subprocesses import HOST, free_port
from tests.e2e.pseudo_terminal import pseudo_terminal
from tests.e2e.requester import Requester
from tests.e2e.site import Site, session_ms
from tests.e2e.web import create_topics, web_settings
from tests.e2e.workers import Fleet, Worker
from tests.servers.kafka_server import KafkaServer
from tests.servers.keycloak import admin, distribution
from tests.servers.keycloak_server import KeycloakServer
from tests.servers.postgres_server import PostgresServer
from tests.servers.redis_server import RedisServer
from tests.unit.docs.pages import ROOT, Block, blocks
from tests.waiting import until

pytestmark = pytest.mark.thorough("Keycloak is got and started for it; what is printed is typed off")

PAGE: Final = ROOT / "docs" / "web.md"
PATIENCE_MS: Final = 30_000
PASSWORD: Final = "password-of-ann"
TYPED: Final = {"config credentials": admin.PASSWORD, "set-password": PASSWORD}
"""What a command asks for."""
TASK: Final = {
    "requestMeta": {"id": "r-1"},
    "eventMeta": {
        "action": "StartTask",
        "domain": "default",
        "parameters": {"taskRoles": "manager", "taskName": "Check the purchase"},
    },
    "payload": {"taskId": "t-1", "amount": 12},
}


def printed(language: str) -> list[Block]:
    return [block for block in blocks(PAGE) if block.words == [language, "keycloak"]]


@dataclass(frozen=True)
class Setup:
    """What the page has set up: `runner web` at ``url``, with people of a realm of ``keycloak``."""

    url: str
    web: Worker
    site: Site
    keycloak: KeycloakServer


@pytest.fixture(scope="module")
def setup(
    keycloak: KeycloakServer,
    kafka: KafkaServer,
    valkey: RedisServer,
    postgres: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Setup]:
    """Do what the page says, with other hosts than its examples; the servers are those of the tests."""
    folder, port = tmp_path_factory.mktemp("setup"), free_port()
    url = f"http://{HOST}:{port}"
    own = {
        "https://login.example.com": keycloak.url,
        "https://tasks.example.com": url,
        "/run/secrets": str(folder / "secrets"),
    }
    for block in printed("sh"):
        typed_off(block, own, folder)
    [block] = printed("yaml")
    text = replaced(block.text, own)
    (folder / "web.yaml").write_text(text)
    # The environment wins over the file: what is said there for a worker is the same.
    domains = {"RUNNER_DOMAINS": json.dumps(yaml.safe_load(text)["domains"])}
    site = Site(kafka, valkey.url, folder, session_ms(kafka), settings=web_settings(**domains))
    create_topics(site)
    settings = {
        "RUNNER_CONFIG": str(folder / "web.yaml"),
        "RUNNER_PROJECTION__URL": postgres.new_database(),
        "RUNNER_WEB__HOST": HOST,
        "RUNNER_WEB__PORT": str(port),
        "RUNNER_WEB__ROLESEVERYSECONDS": "5",
    }
    with Fleet(site) as fleet:
        fleet.start().wait_for("homes", open=list(range(site.partitions)))
        web = Worker(site, "web", settings, command="web")
        try:
            web.wait_for("answering")
            yield Setup(url, web, site, keycloak)
        finally:
            web.close()


def typed_off(block: Block, own: dict[str, str], folder: Path) -> None:
    """Run a block of the page with Keycloak's own program, and type what it asks for."""
    programs = distribution.fetch() / "bin"
    # Its file of logins is below the home that Java takes somebody to have; the rest has Java begin sooner.
    options = f"-Duser.home={folder} -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
    around = {"PATH": f"{programs}:{os.environ['PATH']}", "KC_OPTS": options}
    script = ["bash", "-euo", "pipefail", "-c", replaced(block.text, own)]
    with pseudo_terminal(script, folder, {**os.environ, **around}) as terminal:
        for command, answer in TYPED.items():
            if f"kcadm.sh {command}" in block.text:
                terminal.wait_for("assword:")
                terminal.type(f"{answer}\n")
        assert terminal.ended() == 0, f"{block.place}: {terminal.drawn}"


def replaced(text: str, own: dict[str, str]) -> str:
    for example, name in own.items():
        text = text.replace(example, name)
    return text


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context(locale="en-GB") as made:
        made.set_default_timeout(PATIENCE_MS)
        yield made


def signed_in(context: BrowserContext, setup: Setup) -> Page:
    """Sign in as ann, from the first page of the inbox on."""
    page = context.new_page()
    page.goto(setup.url)
    assert page.url.startswith(f"{setup.keycloak.url}/realms/acme/")
    page.locator("#username").fill("ann")
    page.locator("#password").fill(PASSWORD)
    page.locator("#kc-login").click()
    expect(page).to_have_url(f"{setup.url}/inbox/mine", timeout=PATIENCE_MS)
    return page


def me(page: Page, setup: Setup) -> dict[str, Any] | int:
    answer = page.request.get(f"{setup.url}/api/v1/me")
    return dict(answer.json()) if answer.ok else answer.status


def test_ann_signs_in_and_works(context: BrowserContext, setup: Setup) -> None:
    page = signed_in(context, setup)
    found = me(page, setup)
    assert isinstance(found, dict)
    assert (found["user"], found["name"], found["issuer"]) == ("ann", "Ann Archer", "staff")
    # The page says that Keycloak has roles of its own.
    assert {"clerk", "manager", "default-roles-acme"} <= {*found["roles"]}
    assert "admin" not in found["roles"]
    Requester(setup.site).put(TASK, key=b"r-1")
    page.goto(f"{setup.url}/inbox/available")
    page.locator(".row-item").filter(has_text="Check the purchase").get_by_role("link").click()
    page.locator("#pane").get_by_role("button", name="Claim", exact=True).click()
    expect(page.locator("#notice")).to_contain_text("The task is yours.", timeout=PATIENCE_MS)
    page.locator("#pane").get_by_role("button", name="Finish", exact=True).click()
    expect(page.locator("#notice")).to_contain_text("The task is finished.", timeout=PATIENCE_MS)
    assert Requester(setup.site).resume_of("r-1").status == "PROCEEDED"


def test_a_login_lasts_as_long_as_a_session(setup: Setup) -> None:
    realm, web = setup.keycloak.admin.ask("GET", "/acme").json(), Config().web
    assert realm["ssoSessionIdleTimeout"] == web.session_idle_seconds
    assert realm["ssoSessionMaxLifespan"] == web.session_seconds


def test_signing_out_ends_the_login_at_keycloak(context: BrowserContext, setup: Setup) -> None:
    page = signed_in(context, setup)
    page.goto(f"{setup.url}/sign-out")
    page.get_by_role("button").click()
    expect(page).to_have_url(f"{setup.url}/sign-out")
    assert me(page, setup) == 401
    page.goto(setup.url)
    expect(page.locator("#kc-login")).to_be_visible()


def test_a_login_that_keycloak_ends_is_ended_here(context: BrowserContext, setup: Setup) -> None:
    page = signed_in(context, setup)
    assert isinstance(me(page, setup), dict)
    setup.keycloak.admin.realm("acme").log_out("ann")
    setup.web.wait_for("logged_out_by_issuer", issuer="staff", sessions=1)
    until(lambda: me(page, setup) == 401, "the end of the session")
