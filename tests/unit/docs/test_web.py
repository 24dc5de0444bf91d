"""docs/web.md: its tables are those of the code, its examples work as it says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from runner.cli.wiring.web import read_stylesheet
from runner.cli.wiring.web_callers import check_web_settings, domain_rules, trusted_issuer
from runner.config import Config, load
from runner.notify.notice import read_notice
from runner.notify.texts import Texts, TextSettings
from runner.web.app import build_app
from runner.web.callers import Caller, Unauthenticated
from runner.web.pages.own_pages import OwnPages
from tests.unit.docs.pages import ROOT, blocks, rows, text_of
from tests.unit.web.desk import Inquirer
from tests.unit.web.pages.reader import Page, Reader

PAGE: Final = ROOT / "docs" / "web.md"
STATIC: Final = ROOT / "runner" / "web" / "pages" / "static"
DARK: Final = re.compile(r"@media \(prefers-color-scheme: dark\) \{\s*:root \{(.*?)\}\s*\}", re.DOTALL)
ROOT_RULE: Final = re.compile(r":root \{(.*?)\}", re.DOTALL)
VARIABLE: Final = re.compile(r"--([a-z-]+): (.*?);")


def block(*words: str) -> str:
    [found] = [each.text for each in blocks(PAGE) if each.words == [*words]]
    return found


def section(title: str) -> str:
    return text_of(PAGE).partition(f"\n## {title}\n")[2].partition("\n## ")[0]


# -- colours ---------------------------------------------------------------------------------------


def test_the_variables_are_those_of_the_style_light_and_dark() -> None:
    style = "".join((STATIC / name).read_text("utf-8") for name in ("inbox.css", "layout.css"))
    dark = dict(VARIABLE.findall("".join(DARK.findall(style))))
    light = dict(VARIABLE.findall("".join(ROOT_RULE.findall(DARK.sub("", style)))))
    table = {cells[0].strip("`-"): cells[1:3] for cells in rows(PAGE, r"`--[a-z-]+`")}
    assert table == {
        name: [f"`{value}`", f"`{dark[name]}`" if name in dark else ""] for name, value in light.items()
    }
    assert dark.keys() <= light.keys()
    assert {name for name in light if f"var(--{name})" not in style} == set()


def test_the_style_of_the_page_sets_variables_that_there_are(tmp_path: Path) -> None:
    (tmp_path / "own.css").write_text(block("css"))
    config = load(None, {"RUNNER_WEB__STYLESHEET": str(tmp_path / "own.css")})
    desk = Inquirer()
    object.__setattr__(desk.parts, "stylesheet", read_stylesheet(config))
    desk.app = build_app(desk.parts)
    sent = Reader(desk).get("/static/own.css").response.text
    known = {cells[0].strip("`-") for cells in rows(PAGE, r"`--[a-z-]+`")}
    assert {name for name, _ in VARIABLE.findall(sent)} == {"accent", "accent-deep", "accent-ink", "radius"}
    assert {name for name, _ in VARIABLE.findall(sent)} <= known


# -- a page of one's own ---------------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path: Path) -> Inquirer:
    """A desk with the definition, the task and the template of the page."""
    made = Inquirer()
    definition = json.loads(block("json", "definition"))
    assert made.ask("root", "PUT", "/definitions/orders/check-invoice", json=definition).status_code == 200
    data = json.loads(block("json", "data"))
    body = {"domain": "orders", "taskId": "t-1", "roles": ["manager"], "spec": "check-invoice", "data": data}
    assert made.post("sam", "/tasks", body).status_code == 201
    (tmp_path / "check-invoice.html").write_text(block("html"))
    object.__setattr__(made.parts, "own_pages", OwnPages(tmp_path))
    assert made.post("ann", "/tasks/orders/t-1/claim").status_code == 200
    return made


def shown(ann: Reader) -> Page:
    return ann.get("/inbox/mine/orders/t-1")


def test_the_page_of_ones_own_is_shown_and_answered(desk: Inquirer) -> None:
    ann = Reader(desk)
    page = shown(ann)
    assert page.sees("Miller & Sons wants 307.8 € for:", "40 of Paper, A4, 3.2 € each", "We pay, in euros")
    assert page.sees("Pay on", "Remark for the supplier", "approve", "reject")
    proposed = page.root.one("input", name="data/approvedAmount")
    assert proposed.attributes["value"] == "307.8"
    page = ann.press(page.form("/answers"), "approve", {"data/approvedAmount": "-1"})
    assert page.sees("There is a problem", "must be at least 0")
    [link] = page.root.all("a", href=f"#{proposed.attributes['id']}")
    assert "Approved amount" in link.text
    answers = {"data/approvedAmount": "128", "data/payOn": "2026-12-01"}
    assert ann.press(page.form("/answers"), "approve", answers).status == 303
    [ended] = desk.exchange.resumed
    assert json.loads(ended.value or b"")["payload"] is not None
    assert desk.get("ann", "/tasks/orders/t-1").json()["outcome"] == "approve"


def test_a_template_that_is_changed_counts_at_once(desk: Inquirer, tmp_path: Path) -> None:
    assert shown(Reader(desk)).sees("We pay, in euros")
    (tmp_path / "check-invoice.html").write_text("<p>Another one</p>")
    assert shown(Reader(desk)).sees("Another one")


# -- tenants ---------------------------------------------------------------------------------------


def config_of(word: str, tmp_path: Path) -> Config:
    (tmp_path / "web.yaml").write_text(block("yaml", word))
    config = load(tmp_path / "web.yaml", {})
    check_web_settings(config)
    return config


def caller(config: Config, issuer: str, **claims: Any) -> Caller:
    reading = trusted_issuer(issuer, config).reading
    return reading.caller({"sub": "ann", **claims}, 0.0, domain_rules(config))


def test_an_issuer_each(tmp_path: Path) -> None:
    config = config_of("tenants-by-issuer", tmp_path)
    staff, partner = caller(config, "staff"), caller(config, "partners")
    assert (staff.user, staff.tenant, sorted(staff.domains)) == ("ann", "staff", ["bills", "orders"])
    assert (partner.user, partner.tenant, sorted(partner.domains)) == ("partner:ann", "partners", ["orders"])
    assert [each.title for each in config.web.sign_in.values()] == ["Staff", "Partners"]


def test_a_claim_names_the_tenant(tmp_path: Path) -> None:
    config = config_of("tenants-by-claim", tmp_path)
    found = caller(config, "customers", organization="acme")
    assert (found.tenant, sorted(found.domains)) == ("acme", ["acme-bills", "acme-orders"])
    for claims in ({}, {"organization": ["acme"]}, {"organization": "nobody"}):
        with pytest.raises(Unauthenticated) as refused:
            caller(config, "customers", **claims)
        assert refused.value.status == 403


# -- links in mails --------------------------------------------------------------------------------


@pytest.mark.parametrize("task_id", ["order-4711", "r-1:approve"])
def test_the_link_in_mails_leads_to_the_task(task_id: str) -> None:
    page = ROOT / "docs" / "notifications.md"
    found = re.search(r"^ +link: (\S+)$", text_of(page), re.MULTILINE)
    [event] = [json.loads(each.text) for each in blocks(page) if each.words == ["json"]]
    assert found is not None
    event["data"]["task"]["id"] = event["subject"] = task_id
    notice = read_notice(json.dumps(event).encode(), 100_000)
    letter = Texts(TextSettings(link=found[1]), (), ()).letter(notice, "en", None, for_chat=False)
    link = re.search(r"https://tasks\.example\.org(/\S+)", letter.text)
    assert link is not None, letter.text
    desk = Inquirer()
    desk.start(task_id, taskRoles="manager")
    assert Reader(desk).get(link[1]).location == f"/inbox/available/orders/{task_id}"


# -- settings and troubles -------------------------------------------------------------------------


def test_the_file_of_the_steps_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "inbox-client").write_text("secret\n")
    text = block("yaml", "keycloak").replace("/run/secrets", str(tmp_path))
    (tmp_path / "web.yaml").write_text(text)
    check_web_settings(load(tmp_path / "web.yaml", {}))
    assert yaml.safe_load(text)["web"]["publicUrl"] == "https://tasks.example.com"


def test_the_settings_are_those_of_the_code_with_their_defaults(tmp_path: Path) -> None:
    config = config_of("tenants-by-claim", tmp_path)
    web, sign_in = config.describe()["web"], config.describe()["web"]["signIn"]["customers"]
    usual = load(None, {}).describe()["web"]
    tables = section("Settings").split("| setting of `web.signIn.<issuer>` |")
    for table, known in zip(tables, (web, sign_in), strict=True):
        for names, default in re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (.*?) \|", table, re.MULTILINE):
            for name in re.findall(r"\w+", names):
                assert name in known, name
                if known is web and default:
                    assert default == str(usual[name]).replace("None", "null"), name
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", tables[1], re.MULTILINE))))
    assert named == {*sign_in}


def test_what_people_see_is_what_the_code_says() -> None:
    """Keycloak's own sentence aside, every text in quotation marks is one of ours."""
    source = "".join(file.read_text("utf-8") for file in sorted((ROOT / "runner").rglob("*.py")))
    templates = "".join(file.read_text("utf-8") for file in sorted((ROOT / "runner").rglob("*.html")))
    said = " ".join((re.sub(r'"\s*\n\s*f?"', "", source) + templates).split())
    quoted = re.findall(r'"([^"]+)"', section("When something is wrong"))
    assert len(quoted) > 10
    ours = [text for text in quoted if not text.startswith("Invalid parameter")]
    unknown = {text for text in ours if text.replace("answers 401", "answers {status}") not in said}
    assert unknown == set()
