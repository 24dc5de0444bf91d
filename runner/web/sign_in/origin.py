"""Origin: how browsers reach this, what cookies are called there, and which requests come from its own pages.

Without ``web.publicUrl`` the address is whatever name of this machine a browser asks by; then every other
name is refused, since the owner of a name can let it lead here and would be taken for us (DNS rebinding).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from runner.config.web_values import is_loopback
from runner.web.problems import problem, respond

_HTTP_PORT: Final = 80
_OTHER_NAME: Final = "this is reached as localhost or 127.0.0.1 alone; see web.publicUrl"
_OUR_OWN_SITES: Final = frozenset({"same-origin", "none"})
"""Values of Sec-Fetch-Site of requests that no other site has caused; none: somebody typed the address."""


@dataclass(frozen=True, slots=True)
class OwnOrigin:
    """The origin of the pages; ``public_url`` None: by the names that a machine has for itself."""

    public_url: str | None = None

    def url(self, headers: Headers) -> str:
        """Return scheme, host and port, without a slash at the end."""
        return self.public_url or f"http://{headers.get('host', '')}"

    def is_secure(self) -> bool:
        """Whether browsers come over TLS: then cookies may have the prefix that ties them to this host."""
        return self.public_url is not None and self.public_url.startswith("https:")

    def cookie_name(self, name: str, headers: Headers) -> str:
        """Return the name of a cookie.

        Without TLS it has the port in it: cookies know no ports, and two runners of one machine would
        take each other's.
        """
        if self.is_secure():
            return f"__Host-runner-{name}"
        port = _port_of(self.url(headers)) or _HTTP_PORT
        return f"runner-{port}-{name}"

    def sent(self, headers: Headers) -> bool:
        """Whether a request that changes something comes from a page of ours."""
        return headers.getlist("origin") == [self.url(headers)]

    def asked(self, headers: Headers) -> bool:
        """Whether a request that only reads was not caused by a page of another site."""
        sites = headers.getlist("sec-fetch-site")
        return not sites or (len(sites) == 1 and sites[0] in _OUR_OWN_SITES)


def _port_of(url: str) -> int | None:
    try:
        return urlsplit(url).port
    except ValueError:
        return None


class LoopbackNames:
    """ASGI middleware that answers 421 to whoever asks by a name that is not this machine's own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _is_own(Headers(scope=scope).getlist("host")):
            await respond(problem(421, _OTHER_NAME))(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_own(hosts: list[str]) -> bool:
    """Whether the one header Host names this machine as the machine itself does."""
    if len(hosts) != 1 or any(sign in hosts[0] for sign in "/\\@?# \t"):
        return False
    try:
        parts = urlsplit(f"//{hosts[0]}")
        return parts.hostname is not None and is_loopback(parts.hostname) and parts.port != 0
    except ValueError:
        return False
