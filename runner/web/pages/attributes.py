"""What a browser checks by itself: attributes of a control, and the words of each for a script to say.

A browser is never stricter than the form, but for ``maxlength``, which counts a sign beyond the first
65,536 of Unicode twice. What HTML has no attribute for is checked when it is posted.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor, isfinite
from typing import Any, Final

from runner.envelope import plain
from runner.forms.words import MISSING, must_be, sentence
from runner.web.pages.fields import Field, Kind, Widget

Attributes = dict[str, str]

_NUMBER: Final = re.compile(r"-?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_EMAIL: Final = re.compile(
    r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*"
)
"""What browsers take for an address, as the standard of HTML has it."""
_LOCAL: Final = re.compile(
    r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d(?::(?!00(?!\.))\d\d(?:\.\d{0,2}[1-9])?)?", re.ASCII
)
"""A moment without zone as browsers write it: no seconds that are 0, and milliseconds at most."""
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

_LONGEST: Final = 30
"""Digits of a number, before and behind the point, that steps are counted with."""


def input_type(field: Field, text: str) -> str:
    """Return the type of the input of a field; ``text`` where a browser would change what is in it."""
    match field.widget:
        case Widget.NUMBER if not text or (_NUMBER.fullmatch(text) and isfinite(float(text))):
            return "number"
        case Widget.DATE if not text or (_DATE.fullmatch(text) and _is_date(text)):
            return "date"
        case Widget.DATE_TIME if not text or (_LOCAL.fullmatch(text) and _is_moment(text)):
            return "datetime-local"
        case Widget.EMAIL if not text or _EMAIL.fullmatch(text):
            return "email"
        case _:
            return "text"


def is_one_line(text: str) -> bool:
    """Whether an input of one line keeps a text: browsers take breaks out of it."""
    return "\n" not in text and "\r" not in text


def attributes_of(field: Field, kind_of_input: str, text: str, *, needed: bool) -> Attributes:
    """Return the attributes of an input or textarea; ``needed``: there are no valid answers without it."""
    found = (required_attributes() if needed else {}) | _hints(field, kind_of_input)
    match field.kind:
        case Kind.TEXT:
            return found | _of_text(field, kind_of_input)
        case Kind.NUMBER | Kind.INTEGER if kind_of_input == "number":
            return found | _of_number(field, text)
        case _:
            return found


def required_attributes() -> Attributes:
    """Return the attributes of a control that must not be left blank."""
    return {"required": "", "data-words-required": MISSING}


def _hints(field: Field, kind_of_input: str) -> Attributes:
    """Return what helps to type a value, and the words for what is no such value at all."""
    match field.kind:
        case Kind.NUMBER | Kind.INTEGER:
            mode = "numeric" if field.kind is Kind.INTEGER and _least(field) >= 0 else "decimal"
            hints = {} if kind_of_input == "number" else {"inputmode": mode}
            return {**hints, "data-words-type": must_be([field.kind.value])}
        case Kind.TEXT if field.format:
            hints = {
                "inputmode": {"email": "email", "idn-email": "email", "uri": "url"}.get(field.format, "")
            }
            words = sentence("format", {"format": field.format})
            return {**{name: mode for name, mode in hints.items() if mode}, "data-words-type": words}
        case _:
            return {}


def _least(field: Field) -> float:
    limits = [field.rule("minimum"), field.rule("exclusiveMinimum")]
    return max((limit for limit in limits if limit is not None), default=-1.0)


def _of_text(field: Field, kind_of_input: str) -> Attributes:
    if kind_of_input in {"date", "datetime-local"}:
        return {"step": "any"} if kind_of_input == "datetime-local" else {}
    found: Attributes = {}
    for keyword, name in (("minLength", "minlength"), ("maxLength", "maxlength")):
        limit = field.rule(keyword)
        if limit is not None:
            found |= {name: str(int(limit)), f"data-words-{name}": sentence(keyword, {"limit": limit})}
    patterns = [rule.limit for rule in field.rules if rule.keyword == "pattern"]
    if patterns and kind_of_input != "textarea":
        # HTML matches the whole text, the form looks for a match in it.
        found["pattern"] = "".join(f"(?=[^]*(?:{pattern}))" for pattern in patterns) + "[^]*"
        found["data-words-pattern"] = sentence("pattern", {"pattern": patterns[0]})
    return found


def _of_number(field: Field, text: str) -> Attributes:
    low, high = _bound(field, "minimum", 1), _bound(field, "maximum", -1)
    found = low | high
    step, words = _step(field)
    # A step counts from the least value, else from what is in the control.
    base = low.get("min", text or "0")
    if step and _is_multiple(str(base), step):
        return {**found, "step": step, "data-words-step": words}
    return {**found, "step": "any"}


def _bound(field: Field, keyword: str, inward: int) -> Attributes:
    """Return ``min`` or ``max``; of whole numbers the last that is allowed: HTML excludes no limit."""
    name = keyword[:3]
    excluded = f"exclusive{keyword.capitalize()}"
    found: list[tuple[Fraction, str, Any]] = []
    for rule in field.rules:
        if rule.keyword in {keyword, excluded}:
            limit = Fraction(written(rule.limit))
            if field.kind is Kind.INTEGER:
                limit = _whole(limit, inward, is_excluded=rule.keyword == excluded)
            found.append((limit * inward, rule.keyword, rule.limit))
    if not found:
        return {}
    limit, said, given = max(found, key=lambda each: each[0])
    text = str(limit * inward) if field.kind is Kind.INTEGER else written(given)
    return {name: text, f"data-words-{name}": sentence(said, {"limit": given})}


def _whole(limit: Fraction, inward: int, *, is_excluded: bool) -> Fraction:
    nearest = ceil(limit) if inward > 0 else floor(limit)
    return Fraction(nearest + inward if is_excluded and nearest == limit else nearest)


def _step(field: Field) -> tuple[str, str]:
    """Return what values are multiples of, as text, and the words for it; empty where unknown."""
    limits = [rule.limit for rule in field.rules if rule.keyword == "multipleOf"]
    if field.kind is Kind.INTEGER:
        limits = [limit for limit in limits if Fraction(written(limit)).denominator == 1]
        if not limits:
            return "1", must_be(["integer"])
    if len(limits) != 1:
        return "", ""
    return written(limits[0]), sentence("multipleOf", {"multiple_of": limits[0]})


def _is_multiple(text: str, step: str) -> bool:
    numbers = [Decimal(text), Decimal(step)]
    if any(
        abs(number.adjusted()) > _LONGEST or len(number.as_tuple().digits) > _LONGEST for number in numbers
    ):
        return False
    base, unit = (Fraction(number) for number in numbers)
    return base % unit == 0


def written(value: Any) -> str:
    """Return a JSON value as text, numbers as they were written."""
    return plain.encode(value).decode()


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
