"""Whether everybody can use the inbox: axe-core finds nothing on any page, in light, dark and on a phone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, ViewportSize

from tests.e2e.inbox import SETTINGS, Person, define, furnish
from tests.e2e.site import Site, session_ms
from tests.e2e.web import Office, create_topics, office, web_settings
from tests.servers.kafka_server import KafkaServer
from tests.servers.npm_package import fetched
from tests.servers.redis_server import RedisServer

AXE: Final = "axe-core@4.14.1"
INTEGRITY: Final = (
    "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
)
RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DESK: Final = ViewportSize(width=1360, height=860)
PHONE: Final = ViewportSize(width=390, height=844)
WIDE: Final = ViewportSize(width=1920, height=1080)
LOOKS: Final[dict[str, dict[str, Any]]] = {
    "light": {"viewport": DESK, "color_scheme": "light"},
    "dark": {"viewport": WIDE, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "color_scheme": "light"},
    "phone-dark": {"viewport": PHONE, "color_scheme": "dark"},
}
PAGES: Final = {
    "mine": ("carla", "/inbox/mine", ""),
    "task": ("carla", "/inbox/mine/default/invoice-4711", ""),
    "more": ("carla", "/inbox/mine/default/invoice-4711", ".deeds-menu summary"),
    "free": ("carla", "/inbox/mine/default/call-1", ".free summary"),
    "wrong": ("carla", "/inbox/mine/default/account-0", "button.first:visible"),
    "available": ("carla", "/inbox/available/default/account-1", ""),
    "nothing": ("carla", "/inbox/available?text=nothing", ""),
    "all": ("ada", "/inbox/all/default/invoice-4714", ".deeds-menu summary"),
    "filters": ("ada", "/inbox/all?spec=check-invoice&order=due", "#filters summary"),
    "finished": ("ada", "/inbox/finished/default/account-3", ""),
    "done": ("carla", "/inbox/finished/default/invoice-4716", ""),
    "definitions": ("ada", "/definitions/default/open-account", ""),
    "overview": ("ada", "/overview", ""),
    "refusal": ("carla", "/inbox/all", ""),
    "me": ("carla", "/inbox/mine", ".me summary"),
    "who": ("carla", "/sign-in", ""),
    "sign-out": ("carla", "/sign-out", ""),
}


@pytest.fixture(scope="module")
def desk(
    kafka: KafkaServer, valkey: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    """An inbox with tasks of every kind, which nobody changes."""
    folder = tmp_path_factory.mktemp("inbox")
    site = Site(kafka, valkey.url, folder, session_ms(kafka), settings=web_settings())
    create_topics(site)
    with office(site) as opened:
        web = opened.open(**SETTINGS)
        define(web)
        furnish(opened, web)
        yield opened


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return fetched(tmp_path_factory.mktemp("axe"), AXE, INTEGRITY, "axe.min.js").decode()


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing(desk: Office, browser: Browser, axe: str, look: str, tmp_path: Path) -> None:
    people: dict[str, Person] = {}
    found: list[str] = []
    for name, (who, path, pressed) in PAGES.items():
        if who not in people:
            # The script of axe is not ours: the policy of our pages would not let it in.
            context = browser.new_context(
                bypass_csp=True, locale="en-GB", timezone_id="Europe/Berlin", **LOOKS[look]
            )
            people[who] = Person(context, desk.webs[0], who)
        page = people[who].go(path)
        if pressed:
            page.locator(pressed).first.click()
        page.evaluate(axe)
        result = page.evaluate("rules => axe.run({ runOnly: rules, resultTypes: ['violations'] })", RULES)
        found += [f"{name}: {told(each)}" for each in result["violations"]]
        page.screenshot(path=tmp_path / f"{name}-{look}.png")
        width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if width > 0:
            found.append(f"{name}: {width} pixels wider than the window")
    for person in people.values():
        person.context.close()
    assert not found, "\n".join(found)


def test_axe_would_find_something(browser: Browser, axe: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.set_content('<html><body><img src="x"><input></body></html>')
        page.evaluate(axe)
        found = page.evaluate("rules => axe.run({ runOnly: rules })", RULES)["violations"]
        assert {"image-alt", "label", "html-has-lang"} <= {each["id"] for each in found}


def told(violation: dict[str, Any]) -> str:
    """Return a violation in a line."""
    nodes = "; ".join(
        f"{each['html'][:160]} {each['failureSummary'][:200]!r}" for each in violation["nodes"][:3]
    )
    return f"{violation['id']}: {nodes}"
