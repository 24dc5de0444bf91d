"""Every route of the pages holds against whatever is sent: forms, addresses, cookies.

Forms are real ones, read from the pages of a task that was started for them, and then bent. The routes are
those that the app has: one that shows nothing, or that no form of a page is sent to, fails a test here.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import parse_qsl

import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import escape

from runner.tasks.keys import TaskKey
from runner.tasks.path_key import path_key
from runner.web.app import build_app
from runner.web.pages.controls import MOST_IN_LISTS
from runner.web.pages.visit import MOST_FIELDS
from tests.unit.web.desk import Inquirer
from tests.unit.web.pages.browser import Element, parse, posts
from tests.unit.web.pages.hostile import (
    BYTES,
    COOKIES,
    FORM,
    KINDS,
    MARKER,
    NAMES,
    PAIRS,
    VALUES,
    Answer,
    Pairs,
    Sender,
    bent,
    cookie,
    encoded,
    require_harmless,
    routes_of_pages,
)

BODY_BYTES: Final = 1_048_576
EXAMPLES: Final = (15, pytest.param(60, marks=pytest.mark.thorough("a longer search for the same")))
"""For each route, and for each kind of form; each makes a page, or several."""
KEY_AT: Final = 3
"""Which part of the paths that forms are sent to is the key of a task."""
Headers = list[tuple[str, bytes]]
CSRF: Final = "csrf-of-the-desk"
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "title": MARKER,
    "required": ["sum"],
    "properties": {
        "sum": {"type": "integer", "minimum": 1, "title": MARKER, "description": MARKER},
        "note": {"type": "string", "default": MARKER},
        "mail": {"type": "string", "format": "email"},
        "day": {"type": "string", "format": "date"},
        "at": {"type": "string", "format": "date-time"},
        "yes": {"type": "boolean"},
        "kind": {"enum": ["a", 1, None, MARKER]},
        "kinds": {"type": "array", "uniqueItems": True, "items": {"enum": ["a", "b", MARKER]}},
        "parts": {"type": "array", "items": {"type": "string"}},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"price": {"type": "number"}, "name": {"type": "string"}},
            },
        },
        "group": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"x": {"type": "array", "items": {"type": "integer"}}, "y": {"type": "number"}},
        },
        "free": {},
    },
}
TYPED: Final = {"data/sum": "3", "text": "said", "user": "bob", "reason": "why", "priority": "70"}
"""What somebody who means well types into the fields of forms."""
FILLED: Final = {
    "view": ["mine", "available", "all", "finished"],
    "domain": ["orders"],
    "in_domain": ["orders"],
    "key": ["t-0"],
    "spec": ["count"],
    "name": ["inbox.css", "inbox.js", "icon.svg", "layout.css"],
    "verb": ["claim", "cancel"],
    "number": ["1"],
}
"""What parameters of paths may be, where the answer is a page."""
_SEGMENTS: Final = """
~ ~~ ~AAAA ~_w ~gICA ~dC0w t-0 t-none t-0;x=1 orders closed none mine count claim comments answers bulk
-1 0 1 1.0 1_0 99999999999999999999 %D9%A1 %C2%B2 %00 %FF %20 %2F %5C %ED%A0%80 %0d%0aX:y hostile%22hostile%27
%2e%2e .. . ..%2f..%2fvisit.py own.css inbox.css %3Chostile%3E
"""
SEGMENTS: Final = st.sampled_from([*_SEGMENTS.split(), "", "a" * 9000, "~" + "A" * 9000])
"""Parts of a path."""
WHO: Final = st.sampled_from(["ann", "root", "eve", None])
HEADERS: Final[st.SearchStrategy[Headers]] = st.lists(
    st.sampled_from(
        [
            *(("accept", b"application/json"), ("accept", b"\xff"), ("x-unattended", b"1")),
            *(("accept-language", b"de;q=nan, xx;q=1e9, *"), ("accept-language", b"de"), ("referer", b"x")),
        ]
    ),
    max_size=2,
)


BY: Final = (("ann", False), ("ann", True), ("root", False), ("root", True))
"""Who has a page before them, and whether ann has claimed its task."""


@dataclass(frozen=True)
class Form:
    """A form of a page, as somebody has it before them."""

    who: str
    action: str
    pairs: Pairs
    buttons: list[tuple[str, str]]

    @property
    def kind(self) -> str:
        """The way it is sent, whatever task it is about."""
        path = self.action.partition("?")[0].split("/")
        return "/".join(part for at, part in enumerate(path) if at != KEY_AT)


@dataclass
class Scene:
    """A desk whose task is a new one for each test, and a task beside it that no form is about."""

    desk: Inquirer = field(default_factory=lambda: Inquirer(body_bytes=BODY_BYTES))
    app: FastAPI = field(init=False)
    bystander: TaskKey = field(init=False)
    number: int = 0
    loop: asyncio.Runner = field(default_factory=asyncio.Runner)

    def __post_init__(self) -> None:
        self.app = build_app(replace(self.desk.parts, stylesheet=b"body{}"))
        self.sender = Sender(self.app, self.loop.run)
        body = {"schema": SCHEMA, "description": MARKER, "outcomes": ["right", "wrong", MARKER]}
        assert self.desk.ask("root", "PUT", "/definitions/orders/count", json=body).status_code == 200
        self.bystander = self.desk.start("t-0", taskRoles="manager", taskName=MARKER, notes=MARKER)

    def task(self, *, is_claimed: bool) -> TaskKey:
        """Start the task that a test is about; of those before, the lists show none."""
        self.number += 1
        self.desk.lists._rows.clear()
        self.desk.lists.note(self.bystander)
        named = f"t-{self.number}{MARKER}"
        key = self.desk.start(named, taskRoles="manager", taskName=MARKER, taskSpec="count", notes=MARKER)
        if is_claimed:
            [path] = [
                each.attributes["action"] for each in self._elements("ann", key) if _verb(each) == "claim"
            ]
            assert self.send("ann", path, [("csrf", CSRF)]).status == 303
            [path] = [
                each.attributes["action"] for each in self._elements("ann", key) if _verb(each) == "comments"
            ]
            assert self.send("ann", path, [("csrf", CSRF), ("text", MARKER)]).status == 303
            self.desk.lists.note(key)
        return key

    def ask(
        self, who: str | None, method: str, target: str, *headers: tuple[str, bytes], body: bytes = b""
    ) -> Answer:
        named = [] if who is None else [("authorization", f"Bearer {who}".encode())]
        return self.sender.send(method, target, [*named, *headers], body)

    def send(self, who: str | None, target: str, pairs: Pairs) -> Answer:
        return self.ask(who, "POST", target, ("content-type", FORM.encode()), body=encoded(pairs).encode())

    def forms(self, who: str, key: TaskKey) -> list[Form]:
        """Return the forms on the page of a task, and of the list beside it, where it is chosen."""
        chosen = f"{key.domain}/{path_key(key.id)}"
        return [
            Form(
                who,
                each.attributes["action"],
                [*posts(each), *(("task", chosen) for _ in each.all("input", name="task", value=chosen))],
                [
                    (button.attributes["name"], button.attributes["value"])
                    for button in each.all("button")
                    if "name" in button.attributes
                ],
            )
            for each in self._elements(who, key)
        ]

    def _elements(self, who: str, key: TaskKey) -> list[Element]:
        answer = self.ask(who, "GET", page_of(who, key))
        assert answer.status == 200, answer.text
        return parse(answer.text).all("form", method="post")

    def record(self, key: TaskKey) -> Any:
        return self.desk.worker.store.record(key)

    def route_of(self, method: str, target: str) -> str:
        """Return the path of the route that an address leads to; who sends nothing is refused by it."""
        return self.ask(None, method, target).route


def _verb(form: Element) -> str:
    return form.attributes["action"].partition("?")[0].rpartition("/")[2]


def page_of(who: str, key: TaskKey) -> str:
    """Return the address of a task beside a list with filters."""
    view = "all" if who == "root" else "available"
    return f"/inbox/{view}/{key.domain}/{path_key(key.id)}?text=x&spec=count"


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.loop.close()


def meant(form: Form, button: int) -> Pairs:
    """Return what a form sends that is filled in well; ``button``: which of those with a name, -1: none."""
    pairs = [(name, value or TYPED.get(name, "")) for name, value in form.pairs]
    return pairs if button < 0 else [*pairs, form.buttons[button]]


# -- all of it is reached ---------------------------------------------------------------------------


def test_every_address_shows_something(scene: Scene) -> None:
    for path in paths(scene, "GET"):
        answers = [scene.ask("root", "GET", target) for target in targets(path)]
        assert {each.route for each in answers} == {path}
        assert {each.status for each in answers} <= {200, 303}, path
        for answer in answers:
            require_harmless(answer)


def paths(scene: Scene, method: str) -> list[str]:
    """Return the paths of all routes of pages with a method."""
    return [path for each, path in routes_of_pages(scene.app) if each == method]


def parameters(path: str) -> list[str]:
    return [part.partition("}")[0] for part in path.split("{")[1:]]


def targets(path: str) -> list[str]:
    """Return addresses of a route; KeyError for one that asks for what is not known here."""
    found = [path]
    for name in parameters(path):
        found = [each.replace(f"{{{name}}}", value) for each in found for value in FILLED[name]]
    return found


def test_every_form_does_something_and_every_route_for_forms_has_one(scene: Scene) -> None:
    """Filled in as it is meant, a form is carried out: so what is bent below are forms."""
    done = set()
    for who, is_claimed in BY:
        for at in range(len(scene.forms(who, scene.task(is_claimed=is_claimed)))):
            buttons = len(scene.forms(who, scene.task(is_claimed=is_claimed))[at].buttons)
            for button in range(-1, buttons):
                key = scene.task(is_claimed=is_claimed)
                form, before = scene.forms(who, key)[at], scene.record(key)
                answer = scene.send(who, form.action, meant(form, button))
                require_harmless(answer, cookies=("runner-language=",))
                if answer.route == "/language" or scene.record(key) != before:
                    done.add(answer.route)
    assert done == {*paths(scene, "POST")}


# -- what comes back -------------------------------------------------------------------------------


def test_what_an_address_says_comes_back_as_text(scene: Scene) -> None:
    seen = set()
    for path in paths(scene, "GET"):
        for name in NAMES:
            answer = scene.ask("root", "GET", f"{targets(path)[0]}?{encoded([(name, MARKER)])}")
            require_harmless(answer)
            seen |= {name} if escape(MARKER) in answer.text and answer.status == 200 else set()
    assert {"text", "spec", "attributes.amount"} <= seen


def test_what_a_form_says_comes_back_as_text_and_leads_nowhere_else(scene: Scene) -> None:
    for kind, ways in kinds_of_forms(scene).items():
        who, is_claimed = ways[0]
        form = form_of(scene, kind, who, scene.task(is_claimed=is_claimed))
        for name in {name for name, _ in (*form.pairs, *form.buttons)} - {"csrf"}:
            for value in (MARKER, "//evil.example", " ", "9" * 5000):
                key = scene.task(is_claimed=is_claimed)
                form = form_of(scene, kind, who, key)
                pairs = [*meant(form, len(form.buttons) - 1), (name, value)]
                sent(scene, key, form, pairs)


@pytest.mark.parametrize("value", VALUES)
def test_who_chooses_a_language_stays_here(scene: Scene, value: str) -> None:
    answer = scene.send("ann", "/language", [("csrf", CSRF), ("language", "de"), ("back", value)])
    assert answer.status == 303
    require_harmless(answer, cookies=("runner-language=de",))


def form_of(scene: Scene, kind: str, who: str, key: TaskKey) -> Form:
    return next(each for each in scene.forms(who, key) if each.kind == kind)


def sent(scene: Scene, key: TaskKey, form: Form, pairs: Pairs) -> Answer:
    """Send a form with other fields."""
    headers = [("content-type", FORM.encode())]
    return changed_alone(scene, key, form.who, form.action, headers, encoded(pairs).encode())


# -- whatever is sent ------------------------------------------------------------------------------


@st.composite
def addresses(draw: st.DrawFn, path: str) -> str:
    """Return an address that looks like one of a route: often one that shows something, and else any."""
    for name in parameters(path):
        path = path.replace(f"{{{name}}}", draw(st.sampled_from(FILLED[name]) | SEGMENTS))
    query = encoded(draw(PAIRS)).replace("+", draw(st.sampled_from(["+", "%20", "%00", "%FF"])))
    return f"{path}?{query}" if query else path


@pytest.mark.parametrize("examples", EXAMPLES)
def test_no_address_is_an_error_of_ours(scene: Scene, examples: int) -> None:
    for path in paths(scene, "GET"):
        ask_for(scene, path, examples)


def ask_for(scene: Scene, path: str, examples: int) -> None:
    @settings(max_examples=examples)
    @given(addresses(path), WHO, COOKIES, HEADERS)
    def asked(target: str, who: str | None, cookies: Pairs, headers: Headers) -> None:
        before = len(scene.desk.exchange.sent)
        require_harmless(scene.ask(who, "GET", target, *cookie(cookies), *headers))
        assert len(scene.desk.exchange.sent) == before

    asked()


@pytest.mark.parametrize("examples", EXAMPLES)
def test_a_form_that_is_bent_changes_its_task_or_nothing(scene: Scene, examples: int) -> None:
    for kind, ways in kinds_of_forms(scene).items():
        send_bent(scene, kind, ways, examples)


def kinds_of_forms(scene: Scene) -> dict[str, list[tuple[str, bool]]]:
    """Return all kinds of forms, and in which ways somebody has each before them."""
    found = defaultdict(list)
    for who, is_claimed in BY:
        for form in scene.forms(who, scene.task(is_claimed=is_claimed)):
            found[form.kind].append((who, is_claimed))
    return found


def send_bent(scene: Scene, kind: str, ways: Sequence[tuple[str, bool]], examples: int) -> None:
    @settings(max_examples=examples)
    @given(st.sampled_from(ways), st.data())
    def sent_so(way: tuple[str, bool], data: st.DataObject) -> None:
        who, is_claimed = way
        key = scene.task(is_claimed=is_claimed)
        form = form_of(scene, kind, who, key)
        pairs = data.draw(bent(meant(form, data.draw(st.integers(-1, len(form.buttons) - 1)))))
        body = encoded(pairs).encode()
        if data.draw(st.booleans()):
            at = data.draw(st.integers(0, 10_000)) % (len(body) + 1)
            body = body[:at] + data.draw(BYTES) + body[at:]
        content = data.draw(st.just(FORM.encode()) | KINDS)
        headers = [("content-type", content), *data.draw(HEADERS), *cookie(data.draw(COOKIES))]
        changed_alone(scene, key, who, form.action, headers, body)

    sent_so()


def changed_alone(scene: Scene, key: TaskKey, who: str, target: str, headers: Headers, body: bytes) -> Answer:
    """Send a form; fail if it changed anything but its task, or that although its answer says it did not."""
    before, other, sent = scene.record(key), scene.record(scene.bystander), len(scene.desk.exchange.sent)
    answer = scene.ask(who, "POST", target, *headers, body=body)
    require_harmless(answer, cookies=("runner-language=",) if answer.route == "/language" else ())
    assert scene.record(scene.bystander) == other
    count = len(scene.desk.exchange.sent) - sent
    said = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=None))
    is_form = dict(headers)["content-type"].lower().startswith(FORM.encode())
    if not is_form or said.get("csrf", "").partition(" ")[0] != CSRF:
        assert (count, answer.status >= 400) == (0, True), answer.text
    if scene.record(key) != before:
        assert count == 1
        assert answer.status in {200, 207, 303}
        assert answer.status != 200 or answer.header("content-type") == "application/json"
    return answer


@pytest.mark.parametrize("examples", EXAMPLES)
def test_what_is_no_form_of_ours_changes_nothing(scene: Scene, examples: int) -> None:
    for path in paths(scene, "POST"):
        send_any(scene, path, scene.task(is_claimed=True), examples)


def send_any(scene: Scene, path: str, key: TaskKey, examples: int) -> None:
    @settings(max_examples=examples)
    @given(addresses(path), WHO, KINDS, st.binary(max_size=60) | PAIRS.map(encoded), HEADERS)
    def sent_so(target: str, who: str | None, kind: bytes, body: bytes | str, headers: Headers) -> None:
        raw = body.encode() if isinstance(body, str) else body
        before, count = scene.record(key), len(scene.desk.exchange.sent)
        answer = scene.ask(who, "POST", target, ("content-type", kind), *headers, body=raw)
        require_harmless(answer)
        assert answer.status >= 400
        assert (scene.record(key), len(scene.desk.exchange.sent)) == (before, count)

    sent_so()


@pytest.mark.parametrize("name", ["data/lines/{}/price", "data/parts/{}", "data/kinds", "data/group/x/{}"])
def test_a_form_of_many_fields_is_answered_with_a_page_that_is_not_large(scene: Scene, name: str) -> None:
    """What there would be too many controls of is JSON text: a page is made while all others wait."""
    key = scene.task(is_claimed=True)
    form = form_of(scene, "/tasks/orders/answers", "ann", key)
    pairs = [(name.format(number), f"no {number}") for number in range(MOST_FIELDS - len(form.pairs) - 2)]
    for button in (("do", "finish"), ("add/lines", ""), ("do", "save")):
        answer = sent(scene, key, form, [*form.pairs, *pairs, button])
        assert answer.status in {200, 303, 412, 422}, answer.status
        assert len(answer.body) < BODY_BYTES
        assert len(parse(answer.text).all("input")) < MOST_IN_LISTS + 100
        shown = scene.ask("ann", "GET", page_of("ann", key))
        assert (shown.status, len(shown.body) < BODY_BYTES) == (200, True)


def test_a_form_of_too_many_fields_is_refused(scene: Scene) -> None:
    key = scene.task(is_claimed=True)
    form = form_of(scene, "/tasks/orders/answers", "ann", key)
    answer = sent(scene, key, form, [*form.pairs, *([("x", "")] * MOST_FIELDS)])
    assert answer.status == 413
