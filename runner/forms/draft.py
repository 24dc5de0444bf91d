"""What a draft is checked for: names and types only. All that is not wrong yet comes when the task is ended.

Of a composition every part counts: a field that any part of it names is known, and has the type that any of
them says. So a draft on its way to valid answers is never refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from jsonschema_rs import Draft202012Validator

from runner.forms.closing import Closing
from runner.forms.cost import regex_options
from runner.forms.tree import escaped
from runner.forms.words import TOO_LARGE, TYPE, TYPES, UNKNOWN, UNKNOWN_FIELD, Violation, must_be

MAX_STEPS: Final = 1_000_000
"""Steps of one check; a usual draft takes one for each value."""
MAX_KEPT: Final = 200_000
"""Names that are remembered, of all places together."""

_ALL: Final = frozenset(TYPES)
_Place = tuple[tuple[str, ...], bool]
"""The subschemas that may speak of a value, and whether fields that they do not name are refused."""


@dataclass(slots=True)
class _Known:
    """What subschemas together say of a value."""

    types: frozenset[str]
    strict: bool
    names: dict[str, _Place] = field(default_factory=dict)
    patterns: list[tuple[str, _Place]] = field(default_factory=list)
    others: _Place | None = None
    first: list[_Place] = field(default_factory=list)
    rest: _Place | None = None


class Draft:
    """Checks drafts against what is known of a schema; remembers what it has put together."""

    def __init__(self, closing: Closing) -> None:
        self._closing = closing
        self._tree = closing.tree
        self._types: dict[str, frozenset[str]] = {}
        self._known: dict[_Place, _Known] = {}
        self._kept = 0
        self._matchers: dict[str, Draft202012Validator] = {}

    def violations(self, draft: Any) -> Iterator[Violation]:
        """Give what is wrong with a draft as ``for_validator`` gives it; null is a value of every field."""
        waiting: list[tuple[str, Any, _Place]] = [("", draft, (("",), True))]
        steps = 0
        while waiting:
            pointer, value, place = waiting.pop()
            known = self._known.get(place)
            if known is None:
                known = self._put_together(place)
                steps += self._keep(place, known)
            steps += 1 + (len(known.patterns) * len(value) if isinstance(value, dict) else 0)
            if steps > MAX_STEPS:
                yield Violation(pointer, TOO_LARGE, "is too large for this form")
                return
            if value is None:
                continue
            if not _is_of(value, known.types):
                yield _wrong(pointer, known.types)
            elif isinstance(value, dict):
                fields = [(f"{pointer}/{escaped(name)}", name, part) for name, part in value.items()]
                places = [self._place_of(known, name) for _, name, _ in fields]
                if known.strict:
                    yield from _unknown(fields, places)
                below = [
                    (at, part, place)
                    for (at, _, part), place in zip(fields, places, strict=True)
                    if place is not None
                ]
                waiting += reversed(below)
            elif isinstance(value, list):
                waiting += reversed(list(_entries(pointer, value, known)))

    def _keep(self, place: _Place, known: _Known) -> int:
        """Remember what was put together, and return how many steps that took."""
        steps = 100 + len(known.names) + sum(len(self._closing.applied_here(each)) for each in place[0])
        self._kept += steps
        if self._kept > MAX_KEPT:
            self._known.clear()
            self._kept = steps
        self._known[place] = known
        return steps

    def _place_of(self, known: _Known, name: str) -> _Place | None:
        """Return what speaks of a field; None where nothing does."""
        named = known.names.get(name)
        matching = [place for pattern, place in known.patterns if self._matches(pattern, name)]
        places = [*([] if named is None else [named]), *matching]
        if not places:
            return known.others
        pointers = tuple(dict.fromkeys(pointer for place in places for pointer in place[0]))
        return pointers, len(places) == 1 and places[0][1]

    def _matches(self, pattern: str, name: str) -> bool:
        matcher = self._matchers.get(pattern)
        if matcher is None:
            matcher = Draft202012Validator({"pattern": pattern}, pattern_options=regex_options())
            self._matchers[pattern] = matcher
        return name.isprintable() and matcher.is_valid(name)

    def _put_together(self, place: _Place) -> _Known:
        pointers, closed = place
        if closed and len(pointers) == 1 and self._closing.leads_only(pointers[0]):
            known = self._put_together(((self._tree.refs[pointers[0]],), True))
            known.types = _common(known.types, self._types_of(pointers[0]))
            return known
        return self._gathered(pointers, closed=closed)

    def _gathered(self, pointers: tuple[str, ...], *, closed: bool) -> _Known:
        """Return what subschemas and all that applies beside them say."""
        types = frozenset[str]().union(*(self._types_of(pointer) for pointer in pointers))
        strict = all(self._is_strict(pointer, closed=closed) for pointer in pointers)
        known = _Known(types, strict)
        for pointer in pointers:
            for each in self._closing.applied_here(pointer):
                node = self._tree.nodes[each]
                for name in node.get("required", ()) if isinstance(node, dict) else ():
                    known.names.setdefault(name, ((), False))
                for keyword, name, child in self._tree.below(each):
                    inner = (
                        closed
                        and each == pointer
                        and len(pointers) == 1
                        and self._closing.closes_below(pointer, keyword, name)
                    )
                    _note(known, keyword, name, ((child,), inner))
        return known

    def _is_strict(self, pointer: str, *, closed: bool) -> bool:
        node = self._tree.nodes[pointer]
        says = isinstance(node, dict) and (
            node.get("additionalProperties") is False or node.get("unevaluatedProperties") is False
        )
        return says or (closed and self._closing.is_closed(pointer))

    def _types_of(self, pointer: str) -> frozenset[str]:
        """Return the types that a subschema allows, as far as it says so unconditionally."""
        known = self._types.get(pointer)
        if known is None:
            known = self._types[pointer] = self._read_types(pointer)
        return known

    def _read_types(self, pointer: str) -> frozenset[str]:
        node = self._tree.nodes[pointer]
        if not isinstance(node, dict):
            return _ALL if node else frozenset()
        said = node.get("type")
        types = _ALL if said is None else frozenset([said] if isinstance(said, str) else said)
        either: dict[str, frozenset[str]] = {}
        for keyword, child in self._tree.here(pointer):
            if keyword in {"$ref", "allOf"}:
                types = _common(types, self._types_of(child))
            elif keyword in {"anyOf", "oneOf"}:
                either[keyword] = either.get(keyword, frozenset()) | self._types_of(child)
        for each in either.values():
            types = _common(types, each)
        return types


def _common(some: frozenset[str], others: frozenset[str]) -> frozenset[str]:
    """Return the types that are allowed by both; every integer is a number."""
    both = some & others
    if "integer" in some | others and "number" in some | others:
        both |= {"integer"} if ("number" in some or "number" in others) else frozenset()
    return both


def _note(known: _Known, keyword: str, name: str, place: _Place) -> None:
    if keyword == "properties":
        known.names[name] = _joined(known.names.get(name), place)
    elif keyword == "patternProperties":
        known.patterns.append((name, place))
    elif keyword in {"additionalProperties", "unevaluatedProperties"}:
        if place[0] and not known.strict:
            known.others = _joined(known.others, place)
    elif keyword == "prefixItems":
        index = int(name)
        known.first += [((), False)] * (index + 1 - len(known.first))
        known.first[index] = _joined(known.first[index], place)
    elif keyword in {"items", "unevaluatedItems"}:
        known.rest = _joined(known.rest, place)


def _joined(earlier: _Place | None, place: _Place) -> _Place:
    if earlier is None or not earlier[0]:
        return place
    return tuple(dict.fromkeys((*earlier[0], *place[0]))), False


def _unknown(fields: list[tuple[str, str, Any]], places: list[_Place | None]) -> list[Violation]:
    return [
        Violation(at, UNKNOWN, UNKNOWN_FIELD)
        for (at, _, _), place in zip(fields, places, strict=True)
        if place is None
    ]


def _entries(pointer: str, value: list[Any], known: _Known) -> Iterator[tuple[str, Any, _Place]]:
    for index, entry in enumerate(value):
        place = known.first[index] if index < len(known.first) else known.rest
        if place is not None and place[0]:
            yield f"{pointer}/{index}", entry, place


def _is_of(value: Any, types: frozenset[str]) -> bool:
    if isinstance(value, bool):
        return "boolean" in types
    if isinstance(value, int | float | Decimal):
        return "number" in types or ("integer" in types and _is_whole(value))
    kind = "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"
    return kind in types


def _is_whole(value: float | Decimal) -> bool:
    if isinstance(value, Decimal):
        return value == value.to_integral_value()
    return isinstance(value, int) or value.is_integer()


def _wrong(pointer: str, types: frozenset[str]) -> Violation:
    if not types:
        return Violation(pointer, UNKNOWN, UNKNOWN_FIELD)
    named = [name for name in TYPES if name in types and not (name == "integer" and "number" in types)]
    return Violation(pointer, TYPE, must_be(named))
