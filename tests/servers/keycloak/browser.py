"""Somebody in front of a browser, who signs in with a form; no JavaScript runs in it."""

from html.parser import HTMLParser
from types import TracebackType
from typing import Final, Self
from urllib.parse import urljoin

import httpx

from tests.waiting import WAIT_SECONDS

LOGIN_FORM: Final = "kc-form-login"
MOST_REDIRECTS: Final = 10


class NotSignedIn(Exception):
    """Keycloak did not let somebody in, or answered something else than its form."""


class Browser:
    """One person's cookies. A second visit needs no form: Keycloak knows them."""

    def __init__(self, keycloak_url: str) -> None:
        self._home = keycloak_url
        self._client = httpx.Client(timeout=WAIT_SECONDS, event_hooks={"response": [self._keep_cookies]})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def close(self) -> None:
        self._client.close()

    def visit(self, url: str) -> str | None:
        """Open a page of Keycloak; return the address that leads away from it, None where a page is shown."""
        away = self._followed(self._client.get(url))
        return away if isinstance(away, str) else None

    def sign_in(self, url: str, person: str, password: str) -> str:
        """Open a page of Keycloak, send its form, and return the address that leads away from it."""
        form = self._followed(self._client.get(url))
        if isinstance(form, str):
            raise NotSignedIn(f"nobody was asked who they are on the way to {form}")
        given = {"username": person, "password": password}
        away = self._followed(self._client.post(_action(form), data=given))
        if isinstance(away, str):
            return away
        raise NotSignedIn(f"{person} is not let in: status {away.status_code} of {away.url}")

    def _followed(self, answer: httpx.Response) -> httpx.Response | str:
        """Follow redirects within Keycloak: the page they end at, or the address that leads elsewhere."""
        for _ in range(MOST_REDIRECTS):
            if not answer.has_redirect_location:
                return answer
            target = urljoin(str(answer.url), answer.headers["Location"])
            if not target.startswith(f"{self._home}/"):
                return target
            answer = self._client.get(target)
        raise NotSignedIn(f"more than {MOST_REDIRECTS} redirects, the last to {answer.url}")

    def _keep_cookies(self, _answer: httpx.Response) -> None:
        """Send cookies back that are marked Secure: to loopback, browsers do so without TLS as well."""
        for cookie in self._client.cookies.jar:
            cookie.secure = False


class _LoginForm(HTMLParser):
    action: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "form" and found.get("id") == LOGIN_FORM:
            self.action = found.get("action")


def _action(page: httpx.Response) -> str:
    form = _LoginForm()
    form.feed(page.text)
    if form.action is None:
        raise NotSignedIn(
            f"{page.url} has no form {LOGIN_FORM}; status {page.status_code}: {page.text[:500]}"
        )
    return urljoin(str(page.url), form.action)
