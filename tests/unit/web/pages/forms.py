"""Definitions at random of all that a form can show, each with values that its schema allows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import assume
from hypothesis import strategies as st

from runner.envelope import plain
from runner.envelope.values import is_blank
from runner.forms.form import Form

NAMES: Final = ("a", "dueDate", "first name", "a/b", "~1", "%41", "ü", "0", "data", '"<&>', "x\ny")
_TEXT: Final = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=12)
_FILLED: Final = _TEXT.filter(str.strip)
_VALUES: Final = ["1", 1, "true", True, "", " ", "a", "<b>", 1.5, "1.5", {"a": 1}, [1], "null", "x\ny", "\0"]
_ZONES: Final = st.sampled_from(["Z", "+01:00", "-09:30", "+05:45", "+00:01"])
_ANY: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXT, inner, max_size=2),
    max_leaves=5,
)


@dataclass(frozen=True, slots=True)
class Sample:
    """A schema, values that it allows and that are not blank on a page, and its widget."""

    schema: dict[str, Any]
    filled: st.SearchStrategy[Any]
    blank: tuple[Any, ...] = ()
    """Values that a page shows as blank; only outside of lists are they kept."""
    widgets: dict[str, str] = field(default_factory=dict)
    always: bool = False
    """Whether a page always answers it."""


@dataclass(frozen=True, slots=True)
class Case:
    """A definition as JSON, its schema as JSON, and answers that are valid."""

    definition: bytes
    schema: bytes
    answers: Any


def _numbers() -> st.SearchStrategy[Any]:
    texts = st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
    return texts.map(lambda text: plain.decode(text.encode()))


def _moments() -> st.SearchStrategy[str]:
    seconds = st.sampled_from(["00", "05", "59"])
    fractions = st.sampled_from(["", ".5", ".120", ".123456"])
    return st.builds(
        lambda at, s, f, zone: f"{at:%Y-%m-%dT%H:%M}".rjust(16, "0") + f":{s}{f}{zone}",
        st.datetimes(),
        seconds,
        fractions,
        _ZONES,
    )


def _leaves() -> st.SearchStrategy[Sample]:
    texts = st.sampled_from([{}, {"minLength": 1}, {"maxLength": 500}, {"pattern": "."}])
    widgets = st.sampled_from([{}, {"": "textarea"}, {"": "text"}, {"": "json"}])
    blanks = ("", " \n")
    return st.one_of(
        st.builds(
            lambda rules, w: Sample(
                {"type": "string", **rules},
                _FILLED.filter(lambda text: "pattern" not in rules or text.strip("\n") != ""),
                () if rules.keys() & {"minLength", "pattern"} else blanks,
                w,
            ),
            texts,
            widgets,
        ),
        st.just(Sample({"type": "integer"}, st.integers() | st.integers(10**30, 10**40))),
        st.just(Sample({"type": "number"}, _numbers())),
        st.just(Sample({"type": "boolean"}, st.booleans())),
        st.just(Sample({"type": "boolean"}, st.just(True), (False,), {"": "checkbox"}, always=True)),
        st.just(Sample({"type": "string", "format": "date"}, st.dates().map(str))),
        st.just(Sample({"type": "string", "format": "date-time"}, _moments())),
        st.just(
            Sample({"type": "string", "format": "email"}, st.sampled_from(["a@b.c", '"a b"@c.d', "x+y@z"]))
        ),
        st.just(Sample({}, _ANY.filter(lambda value: not is_blank(value)))),
        st.just(Sample({"type": ["string", "integer"]}, _FILLED | st.integers())),
        _choices(),
    )


def _choices() -> st.SearchStrategy[Sample]:
    lists = st.lists(st.sampled_from(_VALUES), min_size=1, max_size=8, unique_by=json.dumps)
    shown = st.sampled_from([{}, {"": "select"}, {"": "radio"}])
    enum = st.builds(lambda v, w: Sample({"enum": v}, st.sampled_from(v), (), w), lists, shown)
    titled = lists.map(
        lambda v: Sample(
            {"oneOf": [{"const": c, "title": f"T{n}"} for n, c in enumerate(v)]}, st.sampled_from(v)
        )
    )
    several = lists.map(
        lambda v: Sample(
            {"type": "array", "uniqueItems": True, "items": {"enum": v}},
            st.sets(st.integers(0, len(v) - 1), min_size=1).map(
                lambda places: [v[n] for n in sorted(places)]
            ),
            ([],),
        )
    )
    return enum | titled | several


def _nullable(sample: Sample) -> Sample:
    """Return a sample that may be null as well."""
    if sample.always or "type" not in sample.schema or isinstance(sample.schema["type"], list):
        return sample
    schema = {"anyOf": [sample.schema, {"type": "null"}]}
    return Sample(schema, sample.filled, (*sample.blank, None), sample.widgets)


@st.composite
def _group(draw: st.DrawFn, inner: st.SearchStrategy[Sample]) -> Sample:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    parts = {name: draw(inner) for name in names}
    required = [name for name in names if parts[name].always or draw(st.booleans())]
    rest: dict[str, Any] = draw(
        st.sampled_from([{}, {"additionalProperties": False}, {"additionalProperties": {"type": "integer"}}])
    )
    schema: dict[str, Any] = {"type": "object", "properties": {n: p.schema for n, p in parts.items()}, **rest}
    if required:
        schema["required"] = required
    others = st.dictionaries(st.sampled_from(["more", "other one"]), st.integers(), max_size=2)
    filled = st.fixed_dictionaries(
        {name: parts[name].filled for name in required},
        optional={name: part.filled for name, part in parts.items() if name not in required},
    )
    if rest.get("additionalProperties"):
        filled = st.builds(lambda some, more: {**more, **some}, filled, others)
    widgets = {
        f"{_segment(name)}/{path}".removesuffix("/"): widget
        for name, part in parts.items()
        for path, widget in part.widgets.items()
    }
    return Sample(schema, filled.filter(bool), ({},) if not required else (), widgets)


def _segment(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _listed(sample: Sample) -> Sample:
    entries = st.lists(sample.filled, min_size=1, max_size=3)
    return Sample({"type": "array", "items": sample.schema}, entries, ([],), sample.widgets)


def _samples() -> st.SearchStrategy[Sample]:
    return st.recursive(
        _leaves() | _leaves().map(_nullable),
        lambda inner: _group(inner) | inner.map(_listed) | _group(inner).map(_nullable),
        max_leaves=8,
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Definitions with valid answers, blank values among them where they are kept."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True))
    parts = {name: draw(_samples()) for name in names}
    required = [name for name in names if parts[name].always or draw(st.booleans())]
    answers: dict[str, Any] = {}
    for name, part in parts.items():
        blanks = [value for value in part.blank if name not in required or not isinstance(value, str)]
        is_blank_here = draw(st.booleans())
        if blanks and is_blank_here:
            answers[name] = draw(st.sampled_from(blanks))
        elif name in required or draw(st.booleans()):
            answers[name] = draw(part.filled)
    root: dict[str, Any] = {
        "type": "object",
        "properties": {
            name: {"$ref": f"#/$defs/d{place}"} if place % 2 else parts[name].schema
            for place, name in enumerate(names)
        },
        "$defs": {f"d{place}": parts[name].schema for place, name in enumerate(names)},
    }
    if required:
        root["required"] = required
    widgets = {
        f"{_segment(name)}/{path}".removesuffix("/"): widget
        for name, part in parts.items()
        for path, widget in part.widgets.items()
    }
    order: list[str] = draw(st.permutations([_segment(name) for name in names]))
    definition = {"schema": root, "uiOrder": order, "uiWidgets": widgets}
    # A text of blanks is missing where it is required, though a list of values may have it.
    assume(not Form(plain.encode(root)).violations(answers))
    return Case(plain.encode(definition), plain.encode(root), answers)
