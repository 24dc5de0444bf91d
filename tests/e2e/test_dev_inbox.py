"""What a newcomer does first: ``runner dev --open``, a task in the browser, PROCEEDED in the terminal.

With RUNNER_SCREENSHOTS set to a folder, the pictures of the README are made there (``make screenshots``).
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.e2e.terminal import Running, Terminal
from tests.waiting import until

pytestmark = pytest.mark.embedded

SIZE: Final = ViewportSize(width=1280, height=800)


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path, {"RUNNER_WEB__PORT": "0"})


@pytest.fixture
def opened(tmp_path: Path) -> Path:
    """A program that notes which addresses it is to open, as a browser would open them."""
    program = tmp_path / "browser"
    program.write_text(f'#!/bin/sh\necho "$1" >>"{tmp_path / "opened"}"\n')
    program.chmod(0o755)
    return program


@pytest.fixture
def dev(terminal: Terminal, opened: Path) -> Iterator[Running]:
    with terminal.start("dev", "--open", BROWSER=str(opened)) as running:
        running.wait_for("example tasks wait in it")
        yield running


@pytest.fixture
def address(dev: Running, opened: Path) -> str:
    """The one address: it is printed, and opened."""
    [printed] = re.findall(r"The inbox is at (\S+) ", dev.out)
    shown = opened.with_name("opened")
    until(lambda: shown.exists() and shown.read_text() == f"{printed}\n", "the browser to be opened")
    return str(printed)


def test_a_newcomer_finishes_a_task(dev: Running, address: str, browser: Browser) -> None:
    with browser.new_context(viewport=SIZE, locale="en-GB") as context:
        page = context.new_page()
        page.goto(address)
        page.get_by_role("button", name="clara", exact=True).click()
        page.get_by_role("link", name="Check invoice 4711").click()
        page.get_by_label("Approved amount").fill("307.80")
        page.get_by_label("as ordered").check()
        page.get_by_role("button", name="approve").click()
        expect(page.locator("#notice")).to_contain_text("The task is finished.")
        dev.wait_for("resumed: invoice-4711 PROCEEDED (approve) by clara")


def test_the_picture_of_the_readme(address: str, browser: Browser, tmp_path: Path) -> None:
    with browser.new_context(viewport=SIZE, locale="en-GB") as context:
        page = context.new_page()
        page.goto(f"{address}inbox/available")
        page.get_by_role("button", name="clara", exact=True).click()
        page.locator("#all").check()
        page.locator("#bulk").get_by_role("button", name="Claim").click()
        expect(page.locator("#notice")).to_contain_text("7 tasks were changed.")
        page.get_by_role("link", name="My tasks").click()
        expect(page.locator(".row-item")).to_have_count(8)
        page.get_by_role("link", name="Check invoice 4711").click()
        page.get_by_label("Approved amount").fill("307.80")
        page.get_by_label("as ordered").check()
        expect(page.locator("#saved-at")).to_contain_text("Saved at")
        page.get_by_role("heading", name="Your answers").scroll_into_view_if_needed()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            _picture(page, tmp_path, f"inbox-{scheme}.png")


def test_one_is_somebody_else_with_a_click(dev: Running, address: str, browser: Browser) -> None:
    with browser.new_context(viewport=SIZE, locale="en-GB") as context:
        page = context.new_page()
        page.goto(f"{address}inbox/available")
        page.get_by_role("button", name="clara", exact=True).click()
        rows = page.locator(".row-item")
        expect(rows.filter(has_text="Check invoice 4712")).to_have_count(1)
        expect(rows.filter(has_text="Check invoice 4714")).to_have_count(0)
        line = page.get_by_role("form", name="Who you are")
        expect(line.locator("[aria-current]")).to_have_text("clara")

        line.get_by_role("button", name="max").click()
        expect(page).to_have_url(f"{address}inbox/available")
        expect(line.locator("[aria-current]")).to_have_text("max")
        page.get_by_role("link", name="Check invoice 4714").click()
        page.locator("#pane").get_by_role("button", name="Claim", exact=True).click()
        expect(page.locator("#notice")).to_contain_text("The task is yours.")

        line.get_by_role("button", name="ada").click()
        page.get_by_role("link", name="All", exact=False).first.click()
        expect(rows.filter(has_text="Check invoice 4714")).to_contain_text("max")
        # Whoever has no list of all is led to their own.
        line.get_by_role("button", name="clara").click()
        expect(page).to_have_url(f"{address}inbox/mine")
    dev.wait_for("notification: invoice-4714 assigned by max, for max")


def test_examples_that_a_domain_refuses_are_named(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "strict.yaml").write_text("domains: {default: {requireDefinition: true}}")
    with terminal.start("dev", "--config", str(tmp_path / "strict.yaml")) as running:
        running.wait_for("6 example tasks wait in it")
        assert "note: an example is left out: call-1: " in running.err


def test_a_configuration_without_domains_has_no_examples(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "none.yaml").write_text("domains: {}")
    with terminal.start("dev", "--config", str(tmp_path / "none.yaml")) as running:
        running.wait_for("nothing waits in it")


def _picture(page: Page, folder: Path, name: str) -> None:
    page.evaluate("document.activeElement.blur()")
    page.screenshot(path=Path(os.environ.get("RUNNER_SCREENSHOTS", folder)) / name)
