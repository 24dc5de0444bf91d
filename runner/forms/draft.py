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

from runner.forms.closed_objects import ClosedObjects
from runner.forms.cost import regex_options
from runner.forms.tree import escaped
from runner.forms.words import TOO_LARGE, TYPE, TYPES, UNKNOWN, UNKNOWN_FIELD, Violation, must_be

MAX_STEPS: Final = 1_000_000
"""Steps of one check; a usual draft takes one for each value."""
MAX_KEPT: Final = 200_000
"""Names that are remembered, of all places together."""

_ALL: Final = frozenset(TYPES)
_WHOLE: Final = frozenset({"integer", "number"})


@dataclass(frozen=True, slots=True)
class _Place:
    """The subschemas that speak of a value; of no subschema, the value is anything."""

    firm: tuple[str, ...] = ()
    """Those that apply in any case."""
    soft: tuple[str, ...] = ()
    """Those that may apply, by a composition; if none is firm, at least one of these does."""
    closed: bool = False
    """Whether fields that they do not name are refused."""


_FREE: Final = _Place()


@dataclass(slots=True)
class _Known:
    """What the subschemas of a place together say of a value and its parts."""

    types: frozenset[str]
    strict: bool
    names: dict[str, _Place] = field(default_factory=dict)
    patterns: list[tuple[str, _Place]] = field(default_factory=list)
    others: _Place | None = None
    first: list[_Place] = field(default_factory=list)
    rest: _Place = _FREE


_OTHERS: Final = ("additionalProperties", "unevaluatedProperties")
_IN_ANY_CASE: Final = frozenset({"$ref", "allOf"})
_PERHAPS: Final = frozenset({*_IN_ANY_CASE, "anyOf", "oneOf", "if", "then", "else", "dependentSchemas"})


class Draft:
    """Checks drafts against what is known of a schema; remembers what it has put together."""

    def __init__(self, objects: ClosedObjects) -> None:
        self._objects = objects
        self._tree = objects.tree
        self._types: dict[str, frozenset[str]] = {}
        self._known: dict[_Place, _Known] = {}
        self._kept = 0
        self._matchers: dict[str, Draft202012Validator] = {}

    def violations(self, draft: Any) -> Iterator[Violation]:
        """Give what is wrong with a draft as ``for_validator`` gives it; null is a value of every field."""
        waiting: list[tuple[str, Any, _Place]] = [("", draft, _Place(("",), closed=True))]
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
        steps = (
            100
            + len(known.names)
            + sum(len(self._objects.applied_here(each)) for each in (*place.firm, *place.soft))
        )
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
        return _joined(places) if places else known.others

    def _matches(self, pattern: str, name: str) -> bool:
        matcher = self._matchers.get(pattern)
        if matcher is None:
            matcher = Draft202012Validator({"pattern": pattern}, pattern_options=regex_options())
            self._matchers[pattern] = matcher
        return matcher.is_valid(name)

    def _put_together(self, place: _Place) -> _Known:
        target = place.firm[0] if place.closed else ""
        if place.closed and self._objects.leads_only(target):
            known = self._put_together(_Place((self._tree.refs[target],), closed=True))
            known.types = _common(known.types, self._types_of(target))
            return known
        firm = list(dict.fromkeys(each for pointer in place.firm for each in self._firm_here(pointer)))
        soft = [each for pointer in (*place.firm, *place.soft) for each in self._applied_here(pointer)]
        soft = list(dict.fromkeys(each for each in soft if each not in set(firm)))
        known = _Known(self._types_at(place), self._is_strict_at(place))
        self._note_fields(known, place, firm, soft)
        self._note_entries(known, place, firm, soft)
        return known

    def _note_fields(self, known: _Known, place: _Place, firm: list[str], soft: list[str]) -> None:
        is_open = not known.strict or any(self._says_of_others(pointer) for pointer in (*firm, *soft))
        named: dict[str, list[_Place]] = {}
        others: list[_Place] = []
        for pointer in (*firm, *soft):
            is_firm = pointer in place.firm or pointer in firm
            for keyword, name, child in self._tree.below(pointer):
                part = _Place((child,)) if is_firm else _FREE if is_open else _Place((), (child,))
                if keyword == "properties":
                    closed = place.closed and pointer in place.firm
                    closed = closed and self._objects.closes_below(pointer, keyword, name)
                    named.setdefault(name, []).append(_Place((child,), closed=True) if closed else part)
                elif keyword == "patternProperties":
                    known.patterns.append((name, part))
                elif keyword in _OTHERS and self._tree.nodes[child] is not False:
                    closed = keyword == "additionalProperties" and place.closed and pointer in place.firm
                    closed = closed and self._objects.closes_below(pointer, keyword, name)
                    is_sure = is_firm and keyword == "additionalProperties"
                    others.append(_Place((child,), closed=closed) if is_sure else _FREE)
        known.names = {name: _joined(parts) for name, parts in named.items()}
        known.others = _joined(others) if others else None
        for pointer in (*firm, *soft):
            node = self._tree.nodes[pointer]
            for name in node.get("required", ()) if isinstance(node, dict) else ():
                known.names.setdefault(name, _FREE)

    def _note_entries(self, known: _Known, place: _Place, firm: list[str], soft: list[str]) -> None:
        """Note what applies to entries in any case, and beside it what names their fields."""
        first: list[list[_Place]] = []
        lists = [(pointer, list(self._tree.below(pointer))) for pointer in (*firm, *soft)]
        longest = max((sum(each == "prefixItems" for each, _, _ in parts) for _, parts in lists), default=0)
        first = [[] for _ in range(longest)]
        rest: list[_Place] = []
        for pointer, parts in lists:
            count = 0
            for keyword, name, child in parts:
                closed = place.closed and pointer in place.firm
                closed = closed and self._objects.closes_below(pointer, keyword, name)
                part = _Place((child,), closed=closed) if pointer in firm else _Place((), (child,))
                if keyword == "prefixItems":
                    count += 1
                    first[int(name)].append(part)
                elif keyword == "unevaluatedItems":
                    rest.append(_Place((), (child,)))
                elif keyword == "items":
                    rest.append(part)
            for keyword, _, child in parts:
                if keyword == "items":
                    part = _Place((child,)) if pointer in firm else _Place((), (child,))
                    for entries in first[count:]:
                        entries.append(part)
        known.first = [_sure(_joined(parts)) for parts in first]
        known.rest = _sure(_joined(rest))

    def _firm_here(self, pointer: str) -> list[str]:
        """Return all that applies to the same value in any case, this subschema first."""
        return self._reached(pointer, _IN_ANY_CASE)

    def _applied_here(self, pointer: str) -> list[str]:
        return self._reached(pointer, _PERHAPS)

    def _reached(self, pointer: str, keywords: frozenset[str]) -> list[str]:
        found = {pointer: None}
        waiting = [pointer]
        while waiting:
            for keyword, child in self._tree.here(waiting.pop()):
                if keyword in keywords and child not in found:
                    found[child] = None
                    waiting.append(child)
        return list(found)

    def _says_of_others(self, pointer: str) -> bool:
        """Whether a subschema says of fields that it does not name that they may be there."""
        node = self._tree.nodes[pointer]
        if not isinstance(node, dict):
            return False
        return "patternProperties" in node or any(
            node.get(keyword, False) is not False for keyword in _OTHERS
        )

    def _is_strict_at(self, place: _Place) -> bool:
        if place.firm:
            return any(self._is_strict(pointer, closed=place.closed) for pointer in place.firm)
        return bool(place.soft) and all(self._is_strict(pointer, closed=False) for pointer in place.soft)

    def _types_at(self, place: _Place) -> frozenset[str]:
        types = frozenset[str]().union(*(self._types_of(pointer) for pointer in place.soft))
        if place.firm or not place.soft:
            types = _ALL
        for pointer in place.firm:
            types = _common(types, self._types_of(pointer))
        return types

    def _is_strict(self, pointer: str, *, closed: bool) -> bool:
        node = self._tree.nodes[pointer]
        says = isinstance(node, dict) and (
            node.get("additionalProperties") is False or node.get("unevaluatedProperties") is False
        )
        return says or (closed and self._objects.is_closed(pointer))

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
    whole = {"integer"} if some & _WHOLE and others & _WHOLE else frozenset[str]()
    return some & others | whole


def _joined(places: list[_Place]) -> _Place:
    """Return the place of all; what may be anything by one of them is anything, unless another is firm."""
    firm = tuple(dict.fromkeys(pointer for place in places for pointer in place.firm))
    if not firm and _FREE in places:
        return _FREE
    soft = tuple(dict.fromkeys(pointer for place in places for pointer in place.soft))
    return _Place(firm, soft, closed=len(places) == 1 and places[0].closed)


def _sure(place: _Place) -> _Place:
    """Return a place; an entry need not be spoken of at all, so without something firm it is anything."""
    return place if place.firm else _FREE


def _unknown(fields: list[tuple[str, str, Any]], places: list[_Place | None]) -> list[Violation]:
    return [
        Violation(at, UNKNOWN, UNKNOWN_FIELD)
        for (at, _, _), place in zip(fields, places, strict=True)
        if place is None
    ]


def _entries(pointer: str, value: list[Any], known: _Known) -> Iterator[tuple[str, Any, _Place]]:
    for index, entry in enumerate(value):
        place = known.first[index] if index < len(known.first) else known.rest
        if place is not _FREE:
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
