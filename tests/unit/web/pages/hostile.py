"""Hostile requests: what may be sent to a page, by browsers and others, and what holds of each answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlencode, urljoin, urlsplit

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from hypothesis import strategies as st

from tests.unit.web.pages.browser import Element, parse

Pairs = list[tuple[str, str]]

FORM: Final = "application/x-www-form-urlencoded"
MARKER: Final = "hostile\"hostile'<hostile>&hostile;"
"""Stands in values that pages repeat; each of its signs means something to HTML."""
_RAW: Final = ('hostile"', "hostile'", "<hostile", "&hostile;")
_INTERNAL: Final = re.compile(
    r"Traceback|File \"|site-packages|\brunner\.\w+\.\w+"
    r"|\b(pydantic|starlette|fastapi|jinja2|sqlalchemy|msgspec)\b"
    r"|\wError\b|\wException\b|object at 0x"
)
_OWN_PATH: Final = re.compile(r"/(?![/\\])[!-~]*")
_SOON: Final = frozenset({503, 504})
"""What an answer may be where something else does not answer; no other error is the server's."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes
    route: str
    """Path of the route that was reached; empty where there was none."""

    def header(self, name: str) -> str:
        """Return all values of a header, one after the other."""
        return ", ".join(value for each, value in self.headers if each == name)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def is_page(self) -> bool:
        return self.header("content-type").startswith("text/html")

    @property
    def is_file(self) -> bool:
        return self.route.startswith("/static/") and self.status == 200


class Sender:
    """Sends requests to an app as a server hands them on, byte by byte; ``run``: in its event loop."""

    def __init__(self, app: FastAPI, run: Callable[[Any], Answer], host: str = "desk") -> None:
        self._app = app
        self._run = run
        self._host = host

    def send(
        self, method: str, target: str, headers: Iterable[tuple[str, bytes]] = (), body: bytes = b""
    ) -> Answer:
        """Return the answer; ``target`` is path and query, of printable ASCII."""
        path, _, query = target.partition("?")
        own = [(b"host", self._host.encode()), (b"content-length", str(len(body)).encode())]
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode("ascii"),
            "query_string": query.encode("ascii"),
            "root_path": "",
            "headers": [*own, *((name.encode(), value) for name, value in headers)],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        return self._run(self._answer(scope, body))

    async def _answer(self, scope: dict[str, Any], body: bytes) -> Answer:
        status, headers, parts = 0, [], []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], message["headers"]
            else:
                parts.append(message.get("body", b""))

        await self._app(scope, receive, send)
        told = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        return Answer(status, told, b"".join(parts), getattr(scope.get("route"), "path", ""))


def routes_of_pages(app: FastAPI) -> list[tuple[str, str]]:
    """Return method and path of every route for browsers: all that are not in the OpenAPI document."""
    return sorted(
        (method, route.path or "")
        for route in iter_route_contexts(app.routes)
        if not route.include_in_schema and route.path != "/openapi.json"
        for method in route.methods or ()
    )


def require_harmless(answer: Answer, leads_to: Sequence[str] = (), cookies: Sequence[str] = ()) -> None:
    """Fail if an answer shows what it should not, or leads away.

    ``leads_to``: other sites that it may lead to; ``cookies``: how the cookies begin that it may set.
    """
    assert answer.status in _SOON or 200 <= answer.status < 500, (answer.status, answer.text)
    for name, value in answer.headers:
        assert value.isascii(), (name, value)
        assert value.isprintable(), (name, value)
    for value in (each for name, each in answer.headers if name == "set-cookie"):
        assert value.startswith(tuple(cookies)), value
        assert "samesite=lax" in value.lower()
    if not answer.is_file:
        assert (found := _INTERNAL.search(answer.text)) is None, (found, answer.text[:3000])
        assert "no-store" in answer.header("cache-control")
    if answer.is_page:
        _require_escaped(answer)
    _require_own(answer.header("location"), leads_to)


def _require_escaped(answer: Answer) -> None:
    policy = answer.header("content-security-policy")
    assert policy.startswith("default-src 'none'"), policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    for each in _RAW:
        assert each not in answer.text, answer.text[max(0, answer.text.find(each) - 300) :][:600]
    for element in parse(answer.text):
        _require_own_addresses(element)


def _require_own_addresses(element: Element) -> None:
    for name in ("href", "src", "action", "formaction"):
        value = element.attributes.get(name, "/")
        assert value.startswith("#") or _OWN_PATH.fullmatch(value), (element.tag, name, value)
    assert not {each for each in element.attributes if each.startswith("on") or each == "style"}


def _require_own(location: str, leads_to: Sequence[str]) -> None:
    if not location or location.startswith(tuple(leads_to)):
        return
    assert _OWN_PATH.fullmatch(location), location
    assert urlsplit(urljoin("https://here.example/a/b", location)).netloc == "here.example"


# -- what they are made of -------------------------------------------------------------------------

DEEP: Final = 20_000
VALUES: Final = (
    *(
        "",
        " ",
        "\0",
        "\x1b[0m",
        "\r\nSet-Cookie: x=1",
        "\ud800",
        "\udfff\ud800",
        "\ufeff",
        "\u2028",
        "x\u0301",
    ),
    *(MARKER, "{{ 7 * 7 }}", "{expected_value}", "%(time)s", "%s%n", "../../x", "x" * 1000, "x" * 100_000),
    *(
        "0",
        "-1",
        "+1",
        "007",
        "1e999",
        "-0",
        "NaN",
        "Infinity",
        "9" * 400,
        "0x10",
        "1_000",
        "\u0663",
        "\u00b2",
    ),
    *("2030-02-30T10:00", "9999-12-31T23:59", "0001-01-01T00:00+14:00", "2024-W01-1T00:00", "true", "on"),
    *("[" * DEEP, '{"a":' * DEEP, "[" + "0," * DEEP + "0]", '{"a":1,"a":2}', '"\\ud800"', "1e400", "-0.0"),
    *('{"__proto__":{"x":1}}', "null", "[null]", "{}", f'{{"{"k" * 5000}":1}}', "9" * 5000),
    *("//evil.example", "/\\evil.example", "https:evil.example", "/\t/evil.example", "\n//evil.example"),
    *("javascript:alert(1)", "/%09/evil.example", "/..//evil.example", "http://evil.example/", "/x?a#b"),
)
NAMES: Final = (
    *("csrf", "key", "do", "part", "basis", "version", "outcome", "task", "user", "roles", "reason", "text"),
    *("dueOn", "followUpOn", "timeoutOn", "priority", "notes", "notes_before", "language", "back", "next"),
    *("issuer", "state", "code", "error", "iss", "logout_token", "view", "cursor", "after", "did", "n", "v"),
    *("order", "status", "spec", "role", "owner", "domain", "action", "overdue", "priorityFrom", "dueTo"),
    *("attributes.amount", "attributes.amount[from]", "attributes.", "attributes.x[y]", "attributes.none"),
    *(
        "data",
        "json",
        "more",
        "data/",
        "json/",
        "more/",
        "add/parts",
        "remove/parts/0",
        "entry/parts",
        "",
        MARKER,
    ),
    *("data/parts/-1", "data/parts/0", "data/parts/00", "data/parts/99999999999999999999", "data/parts/NaN"),
    *(
        "data/at",
        "zone/at",
        "data/group/x/0/y",
        "json/group",
        "data/\0",
        "data/~2",
        "\ud800",
        "mine",
        "forMe",
    ),
)
TEXTS: Final = st.sampled_from(VALUES) | st.text(max_size=20)
PAIRS: Final = st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=12), TEXTS), max_size=6)
COOKIES: Final = st.lists(
    st.tuples(
        st.sampled_from(
            ["runner-language", "runner-zone", "x", "", "runner-80-session", "runner-8090-session"]
        ),
        st.sampled_from(
            [
                *(
                    "de",
                    "de; en",
                    "en-GB",
                    "xx",
                    "../../etc/passwd",
                    "/etc/localtime",
                    "Europe",
                    "Europe/Berlin",
                ),
                *(
                    "posixrules",
                    "Europe/Berlin\0",
                    "a" * 5000,
                    '"',
                    "\u00e9",
                    "tzdata.zi",
                    ".",
                    "..",
                    "leapseconds",
                ),
            ]
        )
        | st.text(st.characters(max_codepoint=0xFF, exclude_characters="\r\n"), max_size=20),
    ),
    max_size=3,
)


def encoded(pairs: Iterable[tuple[str, str]]) -> str:
    """Return pairs as a form or a query has them; half of a character pair as its bytes."""
    return urlencode(list(pairs), errors="surrogatepass")


def cookie(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, bytes]]:
    """Return cookies as a header."""
    text = "; ".join(f"{name}={value}" for name, value in pairs)
    return [("cookie", text.encode("latin-1", "replace"))] if text else []


@st.composite
def bent(draw: st.DrawFn, pairs: Pairs) -> Pairs:
    """Return the pairs of a form with some of them dropped, doubled, renamed, or with other values."""
    found = list(pairs)
    for _ in range(draw(st.integers(0, 4))):
        found = _BENDS[draw(st.sampled_from(sorted(_BENDS)))](draw, found)
    return found


def _place(draw: st.DrawFn, pairs: Pairs) -> int:
    return draw(st.integers(0, max(0, len(pairs) - 1)))


def _dropped(draw: st.DrawFn, pairs: Pairs) -> Pairs:
    at = _place(draw, pairs)
    return pairs[:at] + pairs[at + 1 :]


def _doubled(draw: st.DrawFn, pairs: Pairs) -> Pairs:
    at = _place(draw, pairs)
    return pairs + [(name, draw(TEXTS)) for name, _ in pairs[at : at + 1]]


def _swapped(draw: st.DrawFn, pairs: Pairs) -> Pairs:
    if not pairs:
        return pairs
    one, other = _place(draw, pairs), _place(draw, pairs)
    values = [value for _, value in pairs]
    values[one], values[other] = values[other], values[one]
    return [(name, value) for (name, _), value in zip(pairs, values, strict=True)]


def _renamed(draw: st.DrawFn, pairs: Pairs) -> Pairs:
    at = _place(draw, pairs)
    ending = draw(
        st.sampled_from(["/0", "/-1", "/0/a", "/" * 3, "/a" * 63, "/a" * 70, "/999999999999", "~", "\0"])
    )
    return [(name + ending * (at == number), value) for number, (name, value) in enumerate(pairs)]


def _revalued(draw: st.DrawFn, pairs: Pairs) -> Pairs:
    at, text = _place(draw, pairs), draw(TEXTS)
    return [(name, text if at == number else value) for number, (name, value) in enumerate(pairs)]


def _as_json(draw: st.DrawFn, pairs: Pairs) -> Pairs:
    at, text = _place(draw, pairs), draw(TEXTS)
    return pairs + [(re.sub(r"^data\b", "json", name), text) for name, _ in pairs[at : at + 1]]


def _joined(draw: st.DrawFn, pairs: Pairs) -> Pairs:
    return pairs + draw(PAIRS)


_BENDS: Final = {
    "as json": _as_json,
    "doubled": _doubled,
    "dropped": _dropped,
    "joined": _joined,
    "renamed": _renamed,
    "revalued": _revalued,
    "swapped": _swapped,
}
BYTES: Final = st.sampled_from(
    [b"", b"%FF", b"%", b"%zz", b"&&=&", b"\0", b"\xff\xfe", b";", b"%ED%A0%80", b"=" * 99]
)
"""What is put somewhere into a body."""
KINDS: Final = st.sampled_from(
    [
        *(
            b"application/json",
            b"multipart/form-data; boundary=x",
            b"text/plain",
            b"",
            b"\xff",
            b"application",
        ),
        *(FORM.encode(), FORM.upper().encode() + b" ; charset=utf-16"),
    ]
)
"""Content types; the last two are those of forms."""
