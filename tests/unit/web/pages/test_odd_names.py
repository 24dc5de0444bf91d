"""Domains whose names have signs that mean something in addresses: any link and form leads where it says."""

from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from runner.actions.policy import DomainPolicy
from tests.unit.web.desk import POLICY, Inquirer
from tests.unit.web.pages.reader import Page, Reader

DOMAIN: Final = "a?b#c%41&ü;'\""
SPEC: Final = "kyc"


def odd_desk() -> Inquirer:
    made = Inquirer(replace(POLICY, domains={DOMAIN: DomainPolicy(admin_role="admin")}))
    path = f"/definitions/{quote(DOMAIN, safe='')}/{SPEC}"
    body: dict[str, Any] = {"schema": {"properties": {"sum": {"type": "integer"}}}}
    assert made.ask("root", "PUT", path, json=body).status_code == 200
    made.start("t-1", domain=DOMAIN, taskRoles="manager", taskName="Count", taskSpec=SPEC)
    return made


def links(page: Page) -> set[str]:
    """Return the addresses of links to tasks and definitions."""
    found = {each.attributes.get("href", "") for each in page.root.all("a")}
    return {each for each in found if each.startswith(("/inbox/all/", "/tasks/", "/definitions/"))}


def test_every_link_leads_to_a_page() -> None:
    root = Reader(odd_desk(), "root")
    permanent = f"/tasks/{quote(DOMAIN, safe='')}/t-1"
    task = root.follow(root.get(permanent))
    definitions = root.get("/definitions")
    for page in (task, definitions):
        assert page.status == 200
        assert links(page)
        for href in links(page):
            assert root.get(href).status == 200, href


def test_forms_are_about_their_task() -> None:
    made = odd_desk()
    ann = Reader(made)
    page = ann.follow(ann.get(f"/tasks/{quote(DOMAIN, safe='')}/t-1"))
    page = ann.follow(ann.press(page.form("/claim")))
    assert page.sees("Save")
    page = ann.press(page.form("/answers"), typed={"data/sum": "3", "do": "finish"})
    assert page.status == 303, page.text
    assert len(made.exchange.resumed) == 1
    assert ann.follow(page).status == 200
