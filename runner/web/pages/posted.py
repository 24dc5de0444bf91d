"""What a browser posted of a form, as JSON: the answers, and what of them does not convert.

Blank counts as not answered. A blank field is left out, and where something is saved for it, null takes it
back (docs/design.md, "Departures from the first plan"); a required one that may be null is null. A group that
may be left out is left out if all in it is blank. Entries of lists keep their place: a blank text is empty
there, all else null.

What was not on the page is not in the answers and keeps what is saved. A break of a line is one sign, however
the browser wrote it. Any input has an answer: nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from runner.actions.answers import completed
from runner.envelope import plain
from runner.envelope.paths import MISSING
from runner.envelope.values import deep_merge, read_index
from runner.forms.form import Form
from runner.forms.values import Measure, Unusual, for_validator
from runner.forms.words import TYPE, Violation, must_be, sentence
from runner.web.pages.fields import FORMATTED, Field, Kind, Widget, blank_entry, fresh
from runner.web.pages.names import (
    ADD,
    DATA,
    ENTRY,
    JSON,
    MORE,
    PREFIXES,
    REMOVE,
    ZONE,
    address,
    below,
    segment,
)

MAX_SEGMENTS: Final = 64
"""Segments of the name of a control; the fields of a form are not so deep."""

NOT_JSON: Final = "is not valid JSON"

_NUMBER: Final = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?([eE][+-]?\d+)?", re.ASCII)
_LOCAL: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d)((?::\d\d(?:\.\d+)?)?)", re.ASCII)
_BREAK: Final = re.compile(r"\r\n?")


@dataclass(frozen=True, slots=True)
class Posted:
    """What was posted."""

    data: Any
    """The answers as far as they convert: an object, but where the whole form is JSON text."""
    typed: dict[str, str]
    """What does not convert, as it was typed, by names of controls."""
    violations: tuple[Violation, ...]
    """What is wrong with it."""
    changed: str | None
    """Pointer of the list or entry that a button for entries was pressed for; None: no such button."""


def read_posted(root: Field, pairs: Iterable[tuple[str, str]], saved: Any = None) -> Posted:
    """Return what the pairs of a form say; ``saved`` is the draft that the answers will be merged into."""
    reading = _Reading()
    found = reading.read(root, _tree(pairs), "", saved)
    data = found.value
    if data is MISSING:
        # The whole form is JSON text: blank, it takes back all that is saved.
        data = taking_back(saved, {}) if found == _BLANK else {}
    return Posted(data, reading.typed, tuple(reading.violations), reading.changed)


def shown_value(posted: Posted, saved: Any) -> Any:
    """Return the value that a page shows after it was posted: what is saved, and over it what was posted."""
    return deep_merge(saved, posted.data)


def wrong_with(posted: Posted, form: Form, saved: Any = None) -> tuple[Violation, ...]:
    """Return all that is wrong with posted answers if a task was ended with them now."""
    found = form.violations(completed(saved, posted.data, form))
    return posted.violations + tuple(each for each in found if not _was_typed(posted, each.pointer))


def _was_typed(posted: Posted, pointer: str) -> bool:
    """Whether what a pointer leads to, or is in, did not convert, so that the form has not seen it."""
    ways = [pointer]
    while ways[-1]:
        ways.append(ways[-1].rpartition("/")[0])
    return any(address(prefix, way) in posted.typed for way in ways for prefix in (DATA, JSON))


class _Node:
    """What was posted at one place, by prefix, and below it."""

    __slots__ = ("parts", "texts")

    def __init__(self) -> None:
        self.parts: dict[str, _Node] = {}
        self.texts: dict[str, list[str]] = {}

    def last(self, prefix: str) -> str | None:
        """Return the text that counts of several; None where there is none."""
        texts = self.texts.get(prefix)
        return None if texts is None else texts[-1]


_NOTHING: Final = _Node()


def _tree(pairs: Iterable[tuple[str, str]]) -> _Node:
    root = _Node()
    for name, text in pairs:
        prefix, *segments = name.split("/", MAX_SEGMENTS + 1)
        if prefix not in PREFIXES or len(segments) > MAX_SEGMENTS:
            continue
        node = root
        for each in segments:
            node = node.parts.setdefault(each, _Node())
        whole = text if plain.is_well_formed(text) else text.encode("utf-8", "replace").decode()
        node.texts.setdefault(prefix, []).append(_BREAK.sub("\n", whole))
    return root


@dataclass(frozen=True, slots=True)
class _Found:
    """What was found of a field."""

    value: Any = MISSING
    is_blank: bool = True
    was_posted: bool = True


_BLANK: Final = _Found()
_NOT_POSTED: Final = _Found(was_posted=False)
_TYPED: Final = _Found(is_blank=False)
"""It does not convert."""


class _Reading:
    """Reads fields from a tree of what was posted; notes what is wrong."""

    def __init__(self) -> None:
        self.typed: dict[str, str] = {}
        self.violations: list[Violation] = []
        self.changed: str | None = None

    def read(self, field: Field, node: _Node, pointer: str, saved: Any) -> _Found:
        """Return what was posted for a field."""
        if field.kind is Kind.JSON or JSON in node.texts:
            return self._json(node, pointer, saved)
        match field.kind:
            case Kind.GROUP:
                return self._group(field, node, pointer, saved)
            case Kind.LIST:
                return self._list(field, node, pointer)
            case Kind.CHOICES:
                return self._choices(field, node, pointer)
            case _:
                return self._single(field, node, pointer, saved)

    def _single(self, field: Field, node: _Node, pointer: str, saved: Any) -> _Found:
        text = node.last(DATA)
        if text is None:
            return _NOT_POSTED
        if not text.strip():
            return _Found(text) if field.kind is Kind.TEXT and field.is_entry else _BLANK
        match field.kind:
            case Kind.TEXT:
                return _Found(_moment(field, text, node.last(ZONE)), is_blank=False)
            case Kind.CHOICE:
                return self._choice(field, pointer, text, saved)
            case Kind.BOOLEAN:
                return self._boolean(field, pointer, text)
            case _:
                return self._number(field, pointer, text)

    def _choice(self, field: Field, pointer: str, text: str, saved: Any) -> _Found:
        found = next((option for option in field.options if option.key == text), None)
        if found is None:
            return self._wrong(DATA, pointer, text, _no_option(field, pointer))
        return _Found(taking_back(saved, found.value), is_blank=False)

    def _boolean(self, field: Field, pointer: str, text: str) -> _Found:
        if text not in {"true", "false"}:
            return self._wrong(DATA, pointer, text, Violation(pointer, TYPE, must_be(["boolean"])))
        if text == "false" and field.rule("const") is True:
            return _BLANK
        return _Found(text == "true", is_blank=field.widget is Widget.CHECKBOX and text == "false")

    def _number(self, field: Field, pointer: str, text: str) -> _Found:
        number = number_of(text.strip())
        if number is None:
            return self._wrong(DATA, pointer, text, Violation(pointer, TYPE, must_be([field.kind.value])))
        try:
            exact = for_validator(number, Measure(), pointer)
        except Unusual as unusual:
            return self._wrong(DATA, pointer, text, Violation(pointer, TYPE, unusual.message))
        if field.kind is Kind.INTEGER and not _is_whole(exact):
            return self._wrong(DATA, pointer, text, Violation(pointer, TYPE, must_be(["integer"])))
        return _Found(number, is_blank=False)

    def _json(self, node: _Node, pointer: str, saved: Any) -> _Found:
        text = node.last(JSON)
        if text is None:
            return _NOT_POSTED
        if not text.strip():
            return _BLANK
        value, wrong = _parsed(text, pointer)
        if wrong is not None:
            return self._wrong(JSON, pointer, text, wrong)
        return _Found(taking_back(saved, value), is_blank=False)

    def _group(self, field: Field, node: _Node, pointer: str, saved: Any) -> _Found:
        old = saved if isinstance(saved, dict) else {}
        data: dict[str, Any] = {}
        found = {
            part.name: self.read(part, node.parts.get(segment(part.name), _NOTHING), at, old.get(part.name))
            for part in field.parts
            for at in (below(pointer, part.name),)
        }
        is_blank = True
        for part in field.parts:
            each, was_blank = found[part.name], is_blank_in(part, old.get(part.name))
            is_blank &= each.is_blank if each.was_posted else was_blank
            if each.value is not MISSING:
                data[part.name] = each.value
            elif each == _BLANK and (not was_blank or (part.name not in old and _is_null(part))):
                data[part.name] = None
        others = self._more(field, node, pointer, old) if field.is_open else _NOT_POSTED
        data |= {} if others.value is MISSING else others.value
        is_blank &= others.is_blank
        was_posted = others.was_posted or any(each.was_posted for each in found.values())
        if pointer and (is_blank or not was_posted) and (field.nullable or not field.required):
            return _Found(was_posted=was_posted)
        return _Found(data, is_blank, was_posted)

    def _more(self, field: Field, node: _Node, pointer: str, saved: dict[str, Any]) -> _Found:
        """Return the fields of a group that have no control, those that are gone as null."""
        text = node.last(MORE)
        if text is None:
            return _NOT_POSTED
        value, wrong = _parsed(text, pointer) if text.strip() else ({}, None)
        if wrong is None and not isinstance(value, dict):
            wrong = Violation(pointer, TYPE, must_be(["object"]))
        if wrong is not None:
            return self._wrong(MORE, pointer, text, wrong)
        named = {part.name for part in field.parts}
        old, others = (
            {name: part for name, part in fields.items() if name not in named} for fields in (saved, value)
        )
        return _Found(taking_back(old, others), is_blank=not others)

    def _list(self, field: Field, node: _Node, pointer: str) -> _Found:
        entry = field.entry
        if entry is None or not (node.parts or node.texts):
            return _NOT_POSTED if entry is None or not field.required else _Found([], was_posted=False)
        values: list[Any] = []
        indexes = sorted(
            (read_index(name), part) for name, part in node.parts.items() if read_index(name) >= 0
        )
        for _, part in indexes:
            if REMOVE in part.texts:
                self.changed = pointer
                continue
            found = self.read(entry, part, below(pointer, len(values)), None)
            values.append(blank_entry(entry) if found.value is MISSING else found.value)
        if ADD in node.texts:
            values.append(fresh(entry))
            self.changed = below(pointer, len(values) - 1)
        return _some(field, values)

    def _choices(self, field: Field, node: _Node, pointer: str) -> _Found:
        if not (DATA in node.texts or ENTRY in node.texts):
            return _NOT_POSTED
        chosen = [text for text in dict.fromkeys(node.texts.get(DATA, ())) if text.strip()]
        values = {option.key: option.value for option in field.options}
        self.violations += [
            _no_option(field, below(pointer, place)) for place, key in enumerate(chosen) if key not in values
        ]
        return _some(field, [values[key] for key in chosen if key in values])

    def _wrong(self, prefix: str, pointer: str, text: str, violation: Violation) -> _Found:
        self.typed[address(prefix, pointer)] = text
        self.violations.append(violation)
        return _TYPED


def _some(field: Field, values: list[Any]) -> _Found:
    """Return a list; an empty one that may be left out is."""
    is_blank = not values and (field.nullable or not field.required)
    return _BLANK if is_blank else _Found(values, is_blank=not values)


def _is_null(field: Field) -> bool:
    """Whether a blank field has to be there, as null."""
    return field.required and field.nullable


def is_blank_in(field: Field, value: Any) -> bool:
    """Whether a value is shown as a blank control, so that a blank one says the same."""
    if value is None:
        return True
    match field.kind:
        case Kind.TEXT:
            return isinstance(value, str) and not value.strip()
        case Kind.BOOLEAN:
            return value is False and field.widget is Widget.CHECKBOX
        case Kind.LIST | Kind.CHOICES:
            return isinstance(value, list) and not value
        case Kind.GROUP if isinstance(value, dict):
            parts = {part.name: part for part in field.parts}
            return all(
                is_blank_in(parts[name], part) if name in parts else part is None
                for name, part in value.items()
            )
        case _:
            return False


def taking_back(saved: Any, value: Any) -> Any:
    """Return a value with null for each field that is saved and not in it: drafts are merged."""
    if not isinstance(saved, dict) or not isinstance(value, dict):
        return value
    taken = {name: taking_back(saved.get(name), part) for name, part in value.items()}
    gone = {name: None for name, part in saved.items() if name not in value and part is not None}
    return taken | gone


def number_of(text: str) -> int | float | None:
    """Return the number that a text is, exactly; None if it is none. ``.5`` and ``05`` are some, too."""
    match = _NUMBER.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        return None
    sign, whole, part, exponent = ("" if group is None else group for group in match.groups())
    json_text = "-" * (sign == "-") + (whole.lstrip("0") or "0")
    json_text += f".{part}" * bool(part) + exponent
    number = plain.decode(json_text.encode())
    return number if isinstance(number, int | float) else None


def _is_whole(number: float | Decimal) -> bool:
    if isinstance(number, Decimal):
        return number == number.to_integral_value()
    return isinstance(number, int) or number.is_integer()


def _moment(field: Field, text: str, zone: str | None) -> str:
    """Return a text as the form takes it: of a date-time the local time with its offset."""
    if field.widget not in FORMATTED:
        return text
    text = text.strip()
    match = _LOCAL.fullmatch(text) if field.widget is Widget.DATE_TIME else None
    return text if match is None or zone is None else f"{match[1]}{match[2] or ':00'}{zone}"


def _no_option(field: Field, pointer: str) -> Violation:
    options = [option.value for option in field.options]
    return Violation(pointer, "enum", sentence("enum", {"options": options}))


def _parsed(text: str, pointer: str) -> tuple[Any, Violation | None]:
    """Return the value of JSON text, or what is wrong with it."""
    try:
        value = plain.decode_whole(text)
        for_validator(value, Measure(), pointer)
    except Unusual as unusual:
        return None, Violation(unusual.pointer, TYPE, unusual.message)
    except (ValueError, RecursionError):
        return None, Violation(pointer, TYPE, NOT_JSON)
    return value, None
