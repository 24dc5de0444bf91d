"""A reader: somebody who looks at pages of a desk without a script, and sends their forms."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urljoin

import httpx

from tests.unit.web.desk import Inquirer
from tests.unit.web.pages.browser import Element, parse, posts

NOTHING: Final[Mapping[str, str]] = {}


@dataclass
class Page:
    """What a reader sees."""

    response: httpx.Response

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def text(self) -> str:
        """What can be read of it, in one line."""
        return " ".join(" ".join(_texts(self.root)).split())

    @property
    def root(self) -> Element:
        return parse(self.response.text)

    @property
    def location(self) -> str:
        return self.response.headers["location"]

    def rows(self) -> list[str]:
        """The titles of the list."""
        return [each.text.strip() for each in self.root.all("span", **{"class": "row-title"})]

    def form(self, ending: str) -> Element:
        """The form that is sent to an address that ends so, before its query."""
        (found,) = (
            each
            for each in self.root.all("form")
            if each.attributes.get("action", "").partition("?")[0].endswith(ending)
        )
        return found

    def sees(self, *texts: str) -> bool:
        return all(text in self.text for text in texts)


def _texts(element: Element) -> Iterator[str]:
    for child in element.children:
        if isinstance(child, str):
            yield child
        else:
            yield from _texts(child)


class Reader:
    """Somebody at a desk."""

    def __init__(self, desk: Inquirer, who: str | None = "ann", **headers: str) -> None:
        named = {} if who is None else {"Authorization": f"Bearer {who}"}
        self._desk = desk
        self._headers = {**named, **headers}

    def get(self, path: str, **headers: str) -> Page:
        return self._ask("GET", path, headers=headers)

    def send(self, path: str, fields: Any, **headers: str) -> Page:
        """Send pairs as a form does."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._ask("POST", path, content=urlencode(fields), headers={**kind, **headers})

    def press(self, form: Element, button: str = "", typed: Mapping[str, str] = NOTHING) -> Page:
        """Send a form with the button of that text, and these fields typed in."""
        pairs = [(name, value) for name, value in posts(form) if name not in typed]
        pairs += typed.items()
        if button:
            pressed = [
                each.attributes for each in form.all("button") if " ".join(each.text.split()) == button
            ][-1]
            pairs += [(pressed["name"], pressed["value"])] if "name" in pressed else []
        return self.send(form.attributes["action"], pairs)

    def follow(self, page: Page) -> Page:
        """Go where a page leads."""
        assert page.status == 303, page.response.text
        return self.get(urljoin("/", page.location))

    def _ask(self, method: str, path: str, **request: Any) -> Page:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self._desk.app, raise_app_exceptions=False)
            headers = {**self._headers, **request.pop("headers", {})}
            async with httpx.AsyncClient(
                transport=transport, base_url="http://desk", headers=headers
            ) as client:
                return await client.request(method, path, **request)

        return Page(asyncio.run(asked()))
