"""The fields of a form, made from a definition: ``schema``, ``uiOrder`` and ``uiWidgets``.

Nothing is impossible to answer: what no control can show is a field of JSON text, and so are fields that an
object takes beside those that the schema names. In ``uiOrder`` and ``uiWidgets`` a field within another is
named by its path, ``address/street``; the entries of a list are left out: ``items/price``. What they name and
the form has not is read over. A widget is a text, or an object with the text in ``widget``:

| field | widgets, the first without ``uiWidgets`` |
|---|---|
| text | ``text``; ``textarea`` (also by itself where more than 200 characters are allowed) |
| text with format ``date``, ``date-time``, ``email``, ``uri`` | a control of its own; ``text`` |
| number, integer | a control of its own; ``text`` |
| boolean | ``radio``; ``checkbox``, which says false where it is not ticked; ``select`` |
| ``enum``, ``const``, ``oneOf`` of ``const`` with ``title`` | ``radio`` up to five, else ``select`` |
| list of such values, ``uniqueItems`` | ``checkboxes``; ``list`` |
| any | ``json`` |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from runner.envelope import plain
from runner.envelope.paths import MISSING
from runner.forms.tree import escaped
from runner.web.pages.names import humanised
from runner.web.pages.said import Choice, FieldPlace, Said, Schema

MAX_FIELDS: Final = 500
"""Fields of one form; what is beyond is JSON text of the field around it."""
MAX_LEVELS: Final = 8
"""Levels of fields within fields."""
MAX_RADIOS: Final = 5
MAX_FRESH: Final = 20
"""Entries that an empty list begins with at most, where it has to have some."""
LONG: Final = 200
"""Characters from which a text gets several lines."""


class Kind(StrEnum):
    """What a field takes."""

    TEXT = "text"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    CHOICES = "choices"
    GROUP = "group"
    LIST = "list"
    JSON = "json"


class Widget(StrEnum):
    """How a field is shown."""

    TEXT = "text"
    TEXTAREA = "textarea"
    NUMBER = "number"
    DATE = "date"
    DATE_TIME = "date-time"
    EMAIL = "email"
    URI = "uri"
    RADIO = "radio"
    SELECT = "select"
    CHECKBOX = "checkbox"
    CHECKBOXES = "checkboxes"
    LIST = "list"
    FIELDSET = "fieldset"
    JSON = "json"


_FORMATS: Final = {
    "date": Widget.DATE,
    "date-time": Widget.DATE_TIME,
    "email": Widget.EMAIL,
    "uri": Widget.URI,
}
FORMATTED: Final = frozenset(_FORMATS.values())
"""Widgets of texts with a form of their own: blanks around them are none of theirs."""

_WIDGETS: Final = {
    Kind.TEXT: frozenset({Widget.TEXT, Widget.TEXTAREA}),
    Kind.NUMBER: frozenset({Widget.NUMBER, Widget.TEXT}),
    Kind.INTEGER: frozenset({Widget.NUMBER, Widget.TEXT}),
    Kind.BOOLEAN: frozenset({Widget.RADIO, Widget.CHECKBOX, Widget.SELECT}),
    Kind.CHOICE: frozenset({Widget.RADIO, Widget.SELECT}),
    Kind.CHOICES: frozenset({Widget.CHECKBOXES}),
}


@dataclass(frozen=True, slots=True)
class Option:
    """One answer of several: ``key`` is what a browser posts for it."""

    key: str
    value: Any
    title: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A keyword of the schema that a value has to meet, as plain JSON."""

    keyword: str
    limit: Any


@dataclass(frozen=True, slots=True)
class Field:
    """What a person is asked for: one value, or a tree of them."""

    kind: Kind
    widget: Widget
    name: str = ""
    """Of the property; empty for the root and for entries of lists."""
    is_entry: bool = False
    """Whether it is what each entry of a list is."""
    title: str = ""
    description: str = ""
    required: bool = False
    """Whether the object around it has to have it."""
    nullable: bool = False
    default: Any = MISSING
    """Shown where nothing was saved; any JSON, whether or not the schema allows it."""
    format: str = ""
    rules: tuple[Rule, ...] = ()
    options: tuple[Option, ...] = ()
    parts: tuple[Field, ...] = ()
    """Of a group."""
    entry: Field | None = None
    """Of a list: what each entry is."""
    is_open: bool = False
    """Of a group: it takes more fields than its parts."""

    def rule(self, keyword: str) -> Any:
        """Return the limit of a rule; None where there is no such rule."""
        return next((rule.limit for rule in self.rules if rule.keyword == keyword), None)


ANYTHING: Final = Field(Kind.JSON, Widget.JSON)
"""The form of a task without a definition: answers of any shape, as JSON text."""


@lru_cache(maxsize=256)
def fields_of(definition: bytes) -> Field:
    """Return the root of the form of a definition, JSON as ``DefineTask`` keeps it.

    Raises SchemaRefused for a schema that cannot be used, ValueError for what is no definition.
    """
    split = plain.split(definition)
    if "schema" not in split:
        raise ValueError("a definition has a schema")
    order, widgets = (
        plain.decode(split[name]) if name in split else None for name in ("uiOrder", "uiWidgets")
    )
    reader = _Reader(Schema(bytes(split["schema"])), _ranks(order), _named_widgets(widgets))
    return reader.root()


def initial(field: Field) -> Any:
    """Return what a field shows where nothing was saved: its default; MISSING where it has none.

    A group that may be left out shows none but its own: it would not be left out any more.
    """
    if field.default is not MISSING:
        return field.default
    if field.kind is Kind.GROUP:
        parts = {
            part.name: initial(part) if part.required or part.kind is not Kind.GROUP else part.default
            for part in field.parts
        }
        return {name: value for name, value in parts.items() if value is not MISSING}
    if field.kind is Kind.LIST and field.required and field.entry is not None:
        least = field.rule("minItems") or 0
        return [fresh(field.entry) for _ in range(min(int(least), MAX_FRESH))]
    return MISSING


def fresh(entry: Field) -> Any:
    """Return what a new entry of a list shows: its default, or what is blank in a list."""
    value = initial(entry)
    return blank_entry(entry) if value is MISSING else value


def blank_entry(entry: Field) -> Any:
    """Return what an entry of a list is that was left blank."""
    if entry.nullable:
        return None
    return [] if entry.kind in {Kind.LIST, Kind.CHOICES} else "" if entry.kind is Kind.TEXT else None


def _ranks(order: Any) -> dict[str, int]:
    names = order if isinstance(order, list) else []
    ranks: dict[str, int] = {}
    for rank, name in enumerate(names):
        if isinstance(name, str):
            ranks.setdefault(name.removeprefix("/"), rank)
    return ranks


def _named_widgets(widgets: Any) -> dict[str, str]:
    found = {}
    for path, said in widgets.items() if isinstance(widgets, dict) else ():
        name = said.get("widget") if isinstance(said, dict) else said
        if isinstance(name, str):
            found[path.removeprefix("/")] = name
    return found


class _Reader:
    """Reads fields out of a schema; counts them, and notes which places it is within."""

    def __init__(self, schema: Schema, ranks: Mapping[str, int], widgets: Mapping[str, str]) -> None:
        self._schema = schema
        self._ranks = ranks
        self._widgets = widgets
        self._count = 0
        self._within: list[FieldPlace] = []

    def root(self) -> Field:
        said = self._schema.at(self._schema.root)
        root = Field(
            Kind.JSON,
            Widget.JSON,
            title=said.text("title").strip(),
            description=said.text("description"),
            default=_default(said),
        )
        return self._shaped(replace(root, kind=Kind.GROUP), said, "")

    def _field(self, place: FieldPlace, path: str, name: str, *, required: bool) -> Field | None:
        """Return the field of a place; None where the schema allows no value there."""
        said = self._schema.at(place)
        if said.is_refused:
            return None
        self._count += 1
        field = Field(
            _kind(said),
            Widget.JSON,
            name=name,
            title=said.text("title").strip() or humanised(name),
            description=said.text("description"),
            required=required,
            nullable=said.is_nullable,
            default=_default(said),
        )
        if self._widgets.get(path) == Widget.JSON or self._count > MAX_FIELDS:
            return _as_json(field)
        return self._shaped(field, said, path)

    def _shaped(self, field: Field, said: Said, path: str) -> Field:
        """Return a field with all that is of its kind."""
        if field.kind in {Kind.GROUP, Kind.LIST}:
            place = said.place
            if place in self._within or len(self._within) >= MAX_LEVELS:
                return _as_json(field)
            self._within.append(place)
            shaped = (
                self._group(field, said, path) if field.kind is Kind.GROUP else self._list(field, said, path)
            )
            self._within.pop()
            return shaped
        field = replace(field, rules=_rules(said), format=_format(said))
        if field.kind is Kind.CHOICE:
            field = replace(field, options=_options(said.choices or ()))
        return replace(field, widget=self._widget(field, path))

    def _group(self, field: Field, said: Said, path: str) -> Field:
        places = said.fields()
        if not places:
            return _as_json(field)
        parts = [
            self._field(
                place, f"{path}/{escaped(name)}".removeprefix("/"), name, required=name in said.required
            )
            for name, place in places.items()
        ]
        found = [part for part in parts if part is not None]
        last = len(self._ranks)
        found.sort(key=lambda part: self._ranks.get(f"{path}/{escaped(part.name)}".removeprefix("/"), last))
        return replace(
            field,
            widget=Widget.FIELDSET,
            rules=_rules(said),
            parts=tuple(found),
            is_open=not said.is_strict,
        )

    def _list(self, field: Field, said: Said, path: str) -> Field:
        place = said.entries()
        entry = None if place is None else self._field(place, path, "", required=True)
        if entry is None:
            return _as_json(field)
        field = replace(field, widget=Widget.LIST, rules=_rules(said), entry=replace(entry, is_entry=True))
        many = entry.kind is Kind.CHOICE and not entry.nullable and field.rule("uniqueItems") is True
        if many and self._widgets.get(path) != Widget.LIST:
            field = replace(field, kind=Kind.CHOICES, widget=Widget.CHECKBOXES, options=entry.options)
        return field

    def _widget(self, field: Field, path: str) -> Widget:
        wanted = self._widgets.get(path)
        allowed = _WIDGETS.get(field.kind, frozenset())
        return next((widget for widget in allowed if widget == wanted), _usual_widget(field))


def _usual_widget(field: Field) -> Widget:
    match field.kind:
        case Kind.TEXT:
            is_long = (field.rule("maxLength") or 0) > LONG
            return _FORMATS.get(field.format, Widget.TEXTAREA if is_long else Widget.TEXT)
        case Kind.NUMBER | Kind.INTEGER:
            return Widget.NUMBER
        case Kind.BOOLEAN:
            return Widget.CHECKBOX if field.rule("const") is True else Widget.RADIO
        case Kind.CHOICE:
            return Widget.RADIO if len(field.options) <= MAX_RADIOS else Widget.SELECT
        case _:
            return Widget.JSON


def _kind(said: Said) -> Kind:
    types = said.types
    if types == {"boolean"}:
        return Kind.BOOLEAN
    if said.choices:
        return Kind.CHOICE
    if types and types <= {"integer", "number"}:
        return Kind.NUMBER if "number" in types else Kind.INTEGER
    kinds = {"string": Kind.TEXT, "object": Kind.GROUP, "array": Kind.LIST}
    return kinds.get(next(iter(types)), Kind.JSON) if len(types) == 1 else Kind.JSON


def _as_json(field: Field) -> Field:
    return replace(field, kind=Kind.JSON, widget=Widget.JSON)


def _default(said: Said) -> Any:
    return next((node["default"] for node in said.nodes if "default" in node), MISSING)


def _format(said: Said) -> str:
    value = next(iter(said.every("format")), "")
    return value if isinstance(value, str) else ""


_LOW: Final = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems"})
_HIGH: Final = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems"})
_OTHERS: Final = ("multipleOf", "pattern", "uniqueItems")


def _rules(said: Said) -> tuple[Rule, ...]:
    """Return the rules that apply in any case, of several limits the narrowest; a pattern is one each."""
    found = []
    for keyword in sorted(_LOW | _HIGH):
        limits = said.every(keyword)
        if limits:
            found.append(Rule(keyword, min(limits) if keyword in _LOW else max(limits)))
    found += [Rule(keyword, limit) for keyword in _OTHERS for limit in said.every(keyword)]
    choices = said.choices
    if choices and len(choices) == 1:
        found.append(Rule("const", choices[0].value))
    return tuple(found)


def _options(choices: tuple[Choice, ...]) -> tuple[Option, ...]:
    """Return options with keys that differ: texts as they are, all else as JSON."""
    options: dict[str, Option] = {}
    for choice in choices:
        text = plain.encode(choice.value).decode()
        if isinstance(choice.value, str):
            key, title = choice.value if _is_key(choice.value) else text, choice.value
        else:
            key = title = text
        options.setdefault(key, Option(key, choice.value, choice.title or title, choice.description))
    return tuple(options.values())


def _is_key(text: str) -> bool:
    """Whether a text is its own key: it is posted as it is, not blank, and no JSON of another value."""
    if not text.strip() or not text.isprintable():
        return False
    try:
        plain.decode(text.encode())
    except (ValueError, RecursionError):
        return True
    return False
