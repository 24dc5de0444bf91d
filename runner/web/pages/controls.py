"""The controls of a page: fields with what is in them, what was typed, and what is wrong with it.

``shown`` makes a tree of them, which the template only writes down.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as having
from typing import Any, Final

import msgspec

from runner.envelope.paths import MISSING
from runner.envelope.values import same
from runner.forms.words import Violation
from runner.web.pages.attributes import (
    Attributes,
    attributes_of,
    input_type,
    is_one_line,
    required_attributes,
    written,
)
from runner.web.pages.fields import Field, Kind, Widget
from runner.web.pages.names import DATA, JSON, MORE, ZONE, address, below, id_of

UTC: Final = "Z"
ZONES: Final = (
    UTC,
    *("-12:00", "-11:00", "-10:00", "-09:30", "-09:00", "-08:00", "-07:00", "-06:00", "-05:00", "-04:00"),
    *("-03:30", "-03:00", "-02:00", "-01:00", "+01:00", "+02:00", "+03:00", "+03:30", "+04:00", "+04:30"),
    *("+05:00", "+05:30", "+05:45", "+06:00", "+06:30", "+07:00", "+08:00", "+08:45", "+09:00", "+09:30"),
    *("+10:00", "+10:30", "+11:00", "+12:00", "+12:45", "+13:00", "+14:00"),
)
"""Offsets of local time that are in use."""
MOST_IN_LISTS: Final = 2_000
"""Controls of a page that are in entries of lists: what goes beyond it is JSON text, which costs no time."""
MOST_ERRORS: Final = 20
"""What is said at one control."""

_MOMENT: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d)(?::00)?((?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:\d\d)", re.ASCII
)
_KINDS: Final[Mapping[Kind, type | tuple[type, ...]]] = {
    Kind.TEXT: str,
    Kind.NUMBER: (int, float),
    Kind.INTEGER: (int, float),
    Kind.BOOLEAN: bool,
    Kind.GROUP: dict,
    Kind.LIST: list,
    Kind.CHOICES: list,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the answers that a control offers."""

    key: str
    title: str
    description: str
    is_chosen: bool


@dataclass(slots=True)
class Control:
    """One field on the page."""

    field: Field
    pointer: str
    name: str
    id: str
    title: str
    number: int = 0
    """Of an entry of a list, from 1; 0 for others."""
    needed: bool = False
    """Whether there are no valid answers without it; an optional group frees what is in it."""
    type: str = ""
    """Of the input, or ``textarea``, ``select``, ``answers``, ``tick``, ``fieldset``, ``list``."""
    text: str = ""
    attributes: Attributes = having(default_factory=dict)
    answers: tuple[Answer, ...] = ()
    zone: str = ""
    zone_name: str = ""
    zones: tuple[str, ...] = ()
    parts: list[Control] = having(default_factory=list)
    """Of a group its fields, of a list its entries."""
    more: Control | None = None
    """Of an open group: its fields without a name in the schema, as JSON text."""
    can_add: bool = False
    errors: list[str] = having(default_factory=list)

    def named(self, prefix: str) -> str:
        """Return the name of what belongs to this control: a mark of an entry, a button."""
        return address(prefix, self.pointer)

    @property
    def described_by(self) -> str:
        """The ids of hint and error, as far as there are any."""
        hint = [f"{self.id}:hint"] if self.field.description else []
        return " ".join(hint + ([f"{self.id}:error"] if self.errors else []))


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One line of the summary of what is wrong; ``within`` are the titles of the groups around it."""

    id: str
    within: tuple[str, ...]
    title: str
    message: str


def shown(
    root: Field, value: Any, typed: Mapping[str, str] | None = None, violations: Iterable[Violation] = ()
) -> Control:
    """Return the controls of a form.

    ``value`` is what was saved or posted, ``initial(root)`` where nothing was; ``typed`` is what was typed
    where it did not convert, by names of controls; ``violations`` are put to the fields they are about.
    """
    control = _Page(typed or {}).control(root, {} if value is MISSING else value, "", needed=True)
    by_pointer = _by_pointer(control)
    for violation in violations:
        errors = _nearest(by_pointer, violation.pointer).errors
        if len(errors) < MOST_ERRORS:
            errors.append(violation.message)
    return control


def control_of(root: Control, pointer: str) -> Control:
    """Return the control that a pointer into the answers leads to, else the nearest around it."""
    return _nearest(_by_pointer(root), pointer)


def _by_pointer(root: Control) -> dict[str, Control]:
    found = {root.pointer: root}
    for part in root.parts:
        found |= _by_pointer(part)
    return found


def _nearest(by_pointer: Mapping[str, Control], pointer: str) -> Control:
    around = pointer
    while around and around not in by_pointer:
        around = around.rpartition("/")[0]
    found = by_pointer[around]
    return found if around == pointer else found.more or found


def controls(root: Control) -> Iterator[Control]:
    """Give all controls in the order of the page."""
    yield root
    for part in root.parts:
        yield from controls(part)
    if root.more is not None:
        yield root.more


def problems(root: Control, within: tuple[str, ...] = ()) -> list[FieldProblem]:
    """Return what is wrong, in the order of the page."""
    found = [FieldProblem(root.id, within, _numbered(root), message) for message in root.errors]
    around = (*within, _numbered(root)) if root.pointer else within
    for part in root.parts:
        # The title of an entry says already of which list it is.
        found += problems(part, within if part.title == root.title else around)
    if root.more is not None:
        found += [FieldProblem(root.more.id, within, "", message) for message in root.more.errors]
    return found


def _numbered(control: Control) -> str:
    return f"{control.title} {control.number}" if control.number else control.title


class _Page:
    """Makes controls; knows what was typed."""

    def __init__(self, typed: Mapping[str, str]) -> None:
        self._typed = typed
        self._left_in_lists = MOST_IN_LISTS

    def control(self, field: Field, value: Any, pointer: str, *, needed: bool) -> Control:
        """Return the control of a field with a value, which is MISSING or null where it is blank."""
        control = Control(field, pointer, address(DATA, pointer), id_of(pointer), field.title, needed=needed)
        if self._is_json(field, value, pointer):
            self._fill_json(control, value)
            return control
        match field.kind:
            case Kind.GROUP:
                self._fill_group(control, value if isinstance(value, dict) else {})
            case Kind.LIST:
                self._fill_list(control, value if isinstance(value, list) else [])
            case Kind.CHOICE | Kind.CHOICES | Kind.BOOLEAN:
                _fill_answers(control, value)
            case _:
                self._fill_input(control, value)
        return control

    def _is_json(self, field: Field, value: Any, pointer: str) -> bool:
        """Whether a field is JSON text: it is such a field, or its value of another kind or too long."""
        if field.kind is Kind.JSON or address(JSON, pointer) in self._typed:
            return True
        if value is None or value is MISSING:
            return False
        if field.kind is Kind.CHOICE:
            return False
        is_number = field.kind in {Kind.NUMBER, Kind.INTEGER}
        if not isinstance(value, _KINDS[field.kind]) or (is_number and isinstance(value, bool)):
            return True
        if isinstance(value, list):
            return not self._has_room(len(value) * _size(field.entry))
        return isinstance(value, str) and "\0" in value  # HTML cannot hold it

    def _has_room(self, controls: int) -> bool:
        """Whether a page can show so many controls more in lists; then they count."""
        if controls > self._left_in_lists:
            return False
        self._left_in_lists -= controls
        return True

    def _fill_json(self, control: Control, value: Any) -> None:
        control.name = address(JSON, control.pointer)
        control.type = "textarea"
        is_blank = value is MISSING or (value is None and not control.field.nullable)
        if not control.pointer and isinstance(value, dict):
            # Of a whole form: people who write no JSON see none, and what was taken back is null.
            is_blank = all(part is None for part in value.values())
        control.text = self._typed.get(control.name, "" if is_blank else pretty(value))
        control.attributes = _json_attributes(needed=control.needed and bool(control.pointer))

    def _fill_group(self, control: Control, value: dict[str, Any]) -> None:
        control.type = "fieldset"
        for part in control.field.parts:
            pointer = below(control.pointer, part.name)
            needed = control.needed and part.required and not part.nullable
            control.parts.append(self.control(part, value.get(part.name, MISSING), pointer, needed=needed))
        if control.field.is_open:
            control.more = self._more(control, value)

    def _more(self, control: Control, value: dict[str, Any]) -> Control:
        known = {part.name for part in control.field.parts}
        others = {name: other for name, other in value.items() if name not in known and other is not None}
        name = address(MORE, control.pointer)
        text = self._typed.get(name, pretty(others) if others else "")
        more = Field(Kind.JSON, Widget.JSON)
        return Control(
            more,
            control.pointer,
            name,
            address(MORE, control.pointer),
            "",
            type="textarea",
            text=text,
            attributes=_json_attributes(needed=False),
        )

    def _fill_list(self, control: Control, value: list[Any]) -> None:
        control.type = "list"
        entry, most = control.field.entry, control.field.rule("maxItems")
        if entry is None:
            return
        control.can_add = most is None or len(value) < most
        for index, part in enumerate(value):
            made = self.control(entry, part, below(control.pointer, index), needed=_is_needed(entry))
            made.title, made.number = entry.title or control.title, index + 1
            control.parts.append(made)

    def _fill_input(self, control: Control, value: Any) -> None:
        field = control.field
        text = (
            "" if value is None or value is MISSING else value if isinstance(value, str) else written(value)
        )
        text = self._typed.get(control.name, text)
        if field.widget is Widget.DATE_TIME:
            text = _with_zone(control, text, self._typed)
        is_long = field.widget is Widget.TEXTAREA or not is_one_line(text)
        control.type = "textarea" if is_long else input_type(field, text)
        control.text = text
        control.attributes = attributes_of(field, control.type, text, needed=control.needed)


def _size(field: Field | None) -> int:
    """Return how many controls a field is, without the entries of its lists."""
    return 0 if field is None else 1 + sum(map(_size, field.parts))


def _is_needed(entry: Field) -> bool:
    """Whether an entry must not be blank: a text may be, and a list, unless it says something else."""
    return not entry.nullable and entry.kind not in {Kind.TEXT, Kind.LIST, Kind.CHOICES}


def _json_attributes(*, needed: bool) -> Attributes:
    found: Attributes = {"spellcheck": "false", "autocapitalize": "none", "data-json": ""}
    return {**found, **required_attributes()} if needed else found


def _with_zone(control: Control, text: str, typed: Mapping[str, str]) -> str:
    """Return what is in the input of a moment: local time, if a browser can show it, the offset apart."""
    control.zone_name = address(ZONE, control.pointer)
    match = _MOMENT.fullmatch(text)
    local = "" if match is None else match[1] + match[2]
    zone = typed.get(control.zone_name, UTC) if match is None else match[3]
    if text and input_type(control.field, local) != "datetime-local":
        return text
    control.zone = zone
    control.zones = ZONES if zone in ZONES else (*ZONES, zone)
    return local


def _fill_answers(control: Control, value: Any) -> None:
    field = control.field
    types = {Widget.SELECT: "select", Widget.CHECKBOX: "tick"}
    control.type = types.get(field.widget, "answers")
    if field.kind is Kind.BOOLEAN:
        control.answers = (Answer("true", "", "", value is True), Answer("false", "", "", value is False))
    else:
        chosen: list[Any] = value if field.kind is Kind.CHOICES and isinstance(value, list) else [value]
        control.answers = tuple(
            Answer(
                option.key,
                option.title,
                option.description,
                any(each is not MISSING and same(option.value, each) for each in chosen),
            )
            for option in field.options
        )
    # A box that is not ticked says false, and no browser asks for one of several boxes.
    needed = control.needed and field.widget is not Widget.CHECKBOXES
    if needed and (field.widget is not Widget.CHECKBOX or field.rule("const") is True):
        control.attributes = required_attributes()


def pretty(value: Any) -> str:
    """Return JSON over several lines, numbers as they were written."""
    text = written(value)
    try:
        return msgspec.json.format(text.encode(), indent=2).decode()
    except (msgspec.DecodeError, RecursionError):
        return text
