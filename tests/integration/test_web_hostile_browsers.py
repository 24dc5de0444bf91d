"""Cookies, addresses and forms of any kind at every route for browsers, with real sessions.

A session that is not one of ours, letter for letter, is as good as none; nobody is led off the site; and
nothing that is sent without the value of a session's pages signs anybody in or out. The routes are those of
the app.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runner.web.pages.addresses import LONGEST_OWN
from tests.integration.sign_in_place import ME, ORIGIN, SignInPlace, ann, sign_in_place
from tests.servers.login_issuer import Login, LoginIssuer
from tests.servers.redis_server import RedisServer
from tests.unit.web.pages.hostile import (
    COOKIES,
    FORM,
    KINDS,
    MARKER,
    PAIRS,
    TEXTS,
    VALUES,
    Answer,
    Pairs,
    Sender,
    cookie,
    encoded,
    require_harmless,
    routes_of_pages,
)

EXAMPLES: Final = (15, pytest.param(150, marks=pytest.mark.thorough("a longer search for the same")))
"""For each route."""
SESSION: Final = "runner-8090-session"
PENDING: Final = "runner-8090-sign-in-"
FILLED: Final = {
    "view": "mine",
    "domain": "orders",
    "in_domain": "orders",
    "key": "t-1",
    "spec": "count",
    "name": "inbox.js",
    "verb": "claim",
    "number": "1",
}
ELSEWHERE: Final = (
    *("//evil.example", "/\\evil.example", "\\\\evil.example", "https:evil.example", "https://evil.example/"),
    *(
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        "javascript:alert(1)",
        "/x\r\nX: y",
        "",
        "evil",
    ),
    *(
        "/\u00e9",
        "/" + "a" * LONGEST_OWN,
        f"/{MARKER}",
        "/%0d%0aX:y",
        "/..//evil.example",
        "/.\\evil.example",
    ),
)


@dataclass(frozen=True)
class Street:
    """A place, the sessions of two people there, and somebody who sends anything to it."""

    place: SignInPlace
    sender: Sender
    good: str
    other: str

    def ask(self, method: str, target: str, cookies: Pairs = (), body: bytes = b"", **more: bytes) -> Answer:  # type: ignore[assignment]
        headers = [(name.replace("_", "-"), value) for name, value in more.items()]
        return self.sender.send(method, target, [*cookie(cookies), *headers], body)

    def user(self, cookies: Pairs) -> Any:
        """Return who the API takes somebody with these cookies for; for nobody: the status."""
        answer = self.ask("GET", ME, cookies)
        return json.loads(answer.body)["user"] if answer.status == 200 else answer.status

    def harmless(self, answer: Answer) -> Answer:
        leads_to = [f"{each.url}/" for each in self.place.issuers.values()] if answer.status == 303 else []
        setting = {"/sign-in", "/sign-in/callback"} & {answer.route}
        cookies = [PENDING] if setting else [f"{SESSION}=; "] if answer.route == "/sign-out" else []
        require_harmless(answer, leads_to, cookies)
        return answer


@pytest.fixture(scope="module", params=["issuer", "users"])
def street(
    request: pytest.FixtureRequest, valkey: RedisServer, login_issuer: LoginIssuer
) -> Iterator[Street]:
    issuers = {"staff": login_issuer} if request.param == "issuer" else {}
    with sign_in_place(valkey.url, issuers) as place:
        sessions = []
        for name in ("ann", "Zoë"):
            browser = place.browser()
            if issuers:
                browser.sign_in(Login(name, ["clerk"]))
            else:
                browser.post("/sign-in/as", user=name)
            sessions.append(str(browser.session))
        good, other = sessions
        yield Street(place, Sender(place.replicas[0], place.run, "127.0.0.1:8090"), good, other)


@st.composite
def bent_sessions(draw: st.DrawFn, good: str) -> Pairs:
    """Return cookies none of which is the good session, or that hold it twice."""
    cut = draw(st.integers(0, len(good) - 1))
    sign = draw(st.sampled_from('ABCxyz019-_.=%\u00e9\x00" '))
    wrong = draw(
        st.sampled_from(
            [
                *(
                    good[:cut],
                    good[:cut] + sign + good[cut + 1 :],
                    good + sign,
                    sign + good,
                    f'"{good}"',
                    good * 2,
                ),
                *(
                    "",
                    "." * 87,
                    "A" * 8000,
                    good.swapcase(),
                    good.replace(".", ":"),
                    good.split(".", maxsplit=1)[0],
                    "a=b",
                ),
            ]
        ).filter(lambda text: text.strip(" \t") != good)
    )
    name = draw(st.sampled_from([SESSION, SESSION.upper(), "__Host-runner-session", f"{SESSION}x", "", "x"]))
    twice = [(SESSION, good), (SESSION, draw(st.sampled_from([good, wrong])))]
    return draw(st.sampled_from([[(SESSION, wrong)], [(name, wrong)], twice, twice[::-1]])) + draw(
        COOKIES.filter(lambda pairs: SESSION not in dict(pairs))
    )


def targets(street: Street, method: str) -> list[str]:
    """Return an address of each route for browsers; KeyError for one that asks for what is not known here."""
    found = [path for each, path in routes_of_pages(street.place.replicas[0]) if each == method]
    return [
        path.format(**{name: value for name, value in FILLED.items() if f"{{{name}}}" in path})
        for path in found
    ]


@pytest.mark.parametrize("examples", EXAMPLES)
def test_a_session_that_is_bent_is_as_good_as_none(street: Street, examples: int) -> None:
    for target in targets(street, "GET"):
        compare_with_nobody(street, target, examples)


def compare_with_nobody(street: Street, target: str, examples: int) -> None:
    alone = _told(street.ask("GET", target))

    @settings(max_examples=examples)
    @given(bent_sessions(street.good))
    def asked(cookies: Pairs) -> None:
        assert _told(street.harmless(street.ask("GET", target, cookies))) == alone
        assert street.user(cookies) == 401

    asked()


def _told(answer: Answer) -> tuple[int, str]:
    """Return status and where it leads; what is random in it left out."""
    return answer.status, answer.header("location").partition("state=")[0]


@pytest.mark.parametrize("examples", EXAMPLES)
def test_a_session_beside_other_cookies_is_that_of_its_owner(street: Street, examples: int) -> None:
    for session, user in ((street.good, "ann"), (street.other, "Zoë")):
        look_beside(street, session, user, examples)


def look_beside(street: Street, session: str, user: str, examples: int) -> None:
    @settings(max_examples=examples)
    @given(COOKIES.filter(lambda pairs: not any(";" in value or SESSION in name for name, value in pairs)))
    def asked(cookies: Pairs) -> None:
        both = [*cookies, (SESSION, session)]
        assert street.user(both) == user
        for target in ("/inbox/mine", "/sign-out"):
            page = street.harmless(street.ask("GET", target, both))
            assert (page.status, f">{user}<" in page.text or f" {user}." in page.text) == (200, True)

    asked()


@pytest.mark.parametrize("examples", EXAMPLES)
def test_no_address_leads_elsewhere_or_is_an_error_of_ours(street: Street, examples: int) -> None:
    for target in targets(street, "GET"):
        ask_with_queries(street, target, examples)


def ask_with_queries(street: Street, target: str, examples: int) -> None:
    @settings(max_examples=examples)
    @given(PAIRS, st.sampled_from(ELSEWHERE), st.booleans(), TEXTS)
    def asked(pairs: Pairs, following: str, is_signed_in: bool, text: str) -> None:
        query = encoded([*pairs, ("next", following), ("state", text)])
        cookies = [(SESSION, street.good)] if is_signed_in else []
        street.harmless(street.ask("GET", f"{target}?{query}", cookies))

    asked()


@pytest.mark.parametrize("examples", EXAMPLES)
def test_no_form_without_the_value_of_a_page_signs_in_or_out(street: Street, examples: int) -> None:
    for target in targets(street, "POST"):
        # Any page of ours may say who one is (test_web_users): it takes no value of a session.
        if target != "/sign-in/as":
            send_anything(street, target, examples)
    assert (street.user([(SESSION, street.good)]), street.user([(SESSION, street.other)])) == ("ann", "Zoë")


def send_anything(street: Street, target: str, examples: int) -> None:
    @settings(max_examples=examples)
    @given(
        PAIRS,
        st.just(FORM.encode()) | KINDS,
        st.sampled_from([ORIGIN.encode(), b"null", b"\xff", b""]),
        TEXTS,
    )
    def sent(pairs: Pairs, kind: bytes, origin: bytes, csrf: str) -> None:
        body = encoded([*pairs, ("csrf", csrf), ("user", "ann")]).encode()
        for cookies in ([(SESSION, street.good)], [(SESSION, street.good[:-1])], []):
            answer = street.ask("POST", target, cookies, body, content_type=kind, origin=origin)
            # Without a session there is none to lose: one is signed out.
            is_free = cookies != [(SESSION, street.good)] and target == "/sign-out"
            if is_free and answer.status == 303:
                assert origin == ORIGIN.encode()
                continue
            street.harmless(answer)
            assert answer.status >= 400
            assert f"{SESSION}=" not in answer.header("set-cookie")

    sent()


# -- sign-ins that are under way -------------------------------------------------------------------


def pending(fields: Any) -> str:
    """Return the cookie of a sign-in as its owner could write it."""
    return urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


SCALARS: Final[st.SearchStrategy[Any]] = st.sampled_from(
    [*VALUES, None, 1, 1e308, -1, True, [], {}, "staff", "/"]
)


@given(data=st.data())
@example(data=None)
@settings(max_examples=100)
def test_no_cookie_of_a_sign_in_is_an_error_of_ours(street: Street, data: st.DataObject | None) -> None:
    fields: Any = {"issuer": "staff", "state": "s" * 43, "nonce": "n", "verifier": "v", "next": "\ud800"}
    fields["began_at"] = street.place.clock()
    if data is not None:
        for name in data.draw(st.lists(st.sampled_from([*fields, "other"]), max_size=3)):
            fields[name] = data.draw(SCALARS)
    state = fields["state"] if isinstance(fields["state"], str) else "x"
    query = urlencode({"state": state, "code": "x"}, errors="surrogatepass")
    answer = street.ask("GET", f"/sign-in/callback?{query}", [(f"{PENDING}{state[:12]}", pending(fields))])
    street.harmless(answer)
    assert answer.status >= 400


@pytest.mark.parametrize("following", ELSEWHERE)
def test_a_sign_in_whose_cookie_says_so_leads_nowhere_else(place: SignInPlace, following: str) -> None:
    browser = place.browser()
    back = browser.called_back(ann())
    [cookie_] = list(browser.cookies.jar)
    said = json.loads(urlsafe_b64decode(str(cookie_.value) + "=="))
    state = dict(parse_qsl(urlsplit(back).query))["state"]
    sender = Sender(place.replicas[0], place.run, "127.0.0.1:8090")
    answer = sender.send("GET", back, cookie([(PENDING + state[:12], pending({**said, "next": following}))]))
    assert answer.status == 303
    require_harmless(answer, cookies=(f"{SESSION}=", PENDING))
