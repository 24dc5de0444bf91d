"""A page as a browser has it: its elements, and the pairs that its form posts.

What the standard of HTML says of parsing and of posting is followed where it changes values: breaks of lines,
the first break of a textarea, values that an input of their type cannot have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from html.parser import HTMLParser
from typing import Final

from runner.web.pages.controls import Control, problems
from runner.web.pages.languages import USUAL
from runner.web.pages.spoken import spoken

_VOID: Final = frozenset({"input", "meta", "link", "br"})
_NUMBER: Final = re.compile(r"-?([0-9]+(\.[0-9]+)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_PAGE: Final = spoken(USUAL).from_string(
    '{% from "form.html" import problems, fields, buttons %}'
    '<form method="post">{{ problems(found) }}{{ fields(root) }}{{ buttons(outcomes) }}</form>'
)


@dataclass(slots=True)
class Element:
    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        return [
            each
            for each in self
            if (not tag or each.tag == tag) and attributes.items() <= each.attributes.items()
        ]

    def one(self, tag: str = "", **attributes: str) -> Element:
        (found,) = self.all(tag, **attributes)
        return found

    def __iter__(self) -> Iterator[Element]:
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("")
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)

    def parsed(self) -> Element:
        assert self._open == [self.root], "an element is not closed"
        return self.root


def parse(html: str) -> Element:
    """Return the elements of a page."""
    parser = _Parser()
    parser.feed(re.sub(r"\r\n?", "\n", html).replace("\0", "\ufffd"))
    parser.close()
    return parser.parsed()


def page(root: Control, outcomes: tuple[str, ...] = ()) -> Element:
    """Return the page of a form."""
    return parse(_PAGE.render(root=root, found=problems(root), outcomes=outcomes))


def posts(element: Element, pressed: str | None = None) -> list[tuple[str, str]]:
    """Return what a browser posts if a button of a name is pressed, or none."""
    pairs = []
    for each in element:
        name = each.attributes.get("name")
        value = None if name is None else _value(each, pressed)
        if name is not None and value is not None:
            pairs.append((name, re.sub(r"\r\n?|\n", "\r\n", value)))
    return pairs


def _value(element: Element, pressed: str | None) -> str | None:
    """Return the value of a control; None if it posts nothing."""
    given = element.attributes
    match element.tag:
        case "textarea":
            return element.text.removeprefix("\n")
        case "select":
            options = element.all("option")
            return next((o for o in options if "selected" in o.attributes), options[0]).attributes["value"]
        case "button":
            return given.get("value", "") if given["name"] == pressed else None
        case "input" if given.get("type") in {"radio", "checkbox"}:
            return given["value"] if "checked" in given else None
        case "input":
            return _kept(given.get("type", "text"), given.get("value", ""))
    return None


def _kept(kind: str, value: str) -> str:
    """Return what an input of a type keeps of its value."""
    match kind:
        case "hidden":
            return value
        case "number":
            return value if _NUMBER.fullmatch(value) and abs(float(value)) < float("inf") else ""
        case "date":
            return value if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value) and _is(date, value) else ""
        case "datetime-local":
            return re.sub(r"(:..):00$", r"\1", value) if _is(datetime, value) else ""
        case "email":
            return re.sub(r"[\r\n]", "", value).strip()
        case "text" | "search":
            return re.sub(r"[\r\n]", "", value)
    raise AssertionError(kind)


def _is(kind: type[date], value: str) -> bool:
    try:
        kind.fromisoformat(value)
    except ValueError:
        return False
    return True
