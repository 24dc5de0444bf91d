"""The form of a schema: the schema checked, compiled once, and asked about answers and drafts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import Any, Final

import msgspec
from jsonschema_rs import Draft202012Validator, ValidationError

from runner.envelope import plain
from runner.forms.closed_objects import ClosedObjects, closed_schema
from runner.forms.cost import Cost, regex_options
from runner.forms.draft import Draft
from runner.forms.refusal import SchemaRefused
from runner.forms.tree import Tree, escaped, read_schema
from runner.forms.values import Measure, Unusual, for_validator
from runner.forms.words import TOO_LARGE, TYPE, UNKNOWN, Violation, clipped, violations_of

MAX_VIOLATIONS: Final = 100
MAX_WORK: Final = 500_000_000
"""Units of the validator's work on one answer: what a value may cost, times the characters of the answer."""
MAX_EXPLAINED: Final = 300_000
"""What a value may cost, times the values of an answer, up to which it is told what is wrong where."""
MAX_POINTER: Final = 1000
"""Characters of the pointer of a violation: what is deeper is told of what it is in."""
MAX_FORMS: Final = 256
"""Compiled forms that are kept."""


def check_schema(schema: Any) -> None:
    """Check the schema of a definition, plain values as ``plain.decode`` gives them.

    Raises SchemaRefused with the pointer of what is wrong.
    """
    try:
        text = plain.encode(schema)
    except (TypeError, ValueError, RecursionError) as error:
        raise SchemaRefused("", f"is not JSON: {error}") from None
    Form(text)


@lru_cache(maxsize=MAX_FORMS)
def form_of(schema_json: bytes) -> Form:
    """Return the form of a schema that ``check_schema`` let through; SchemaRefused for another."""
    return Form(schema_json)


def compiled(schema: dict[str, Any]) -> Draft202012Validator:
    """Return the validator of a schema that fetches nothing, asserts formats and matches in linear time."""
    return Draft202012Validator(
        plain.encode(schema).decode(),
        validate_formats=True,
        ignore_unknown_formats=False,
        offline=True,
        pattern_options=regex_options(),
    )


class Form:
    """What a person is asked for. Immutable to its users; answers are never changed."""

    def __init__(self, schema_json: bytes) -> None:
        """``schema_json`` is a schema as JSON. Raises SchemaRefused."""
        tree = read_schema(schema_json)
        _check_root(tree)
        _check_keywords(tree)
        self._cost = Cost(tree)
        objects = ClosedObjects(tree)
        try:
            self._validator = compiled(closed_schema(objects))
        except ValidationError as error:
            raise SchemaRefused("", clipped(_reason(error))) from None
        self._draft = Draft(objects)

    def violations(self, answers: Any) -> tuple[Violation, ...]:
        """Return what is wrong with answers, at most ``MAX_VIOLATIONS`` in the order of the answers."""
        measure = Measure()
        value = _read(answers, measure)
        if isinstance(value, Violation):
            return (value,)
        levels = measure.levels if self._cost.is_unique else 1
        if self._cost.most * measure.characters * levels > MAX_WORK:
            return (Violation("", TOO_LARGE, "is too large for this form"),)
        if self._validator.is_valid(value):
            return ()
        if self._cost.most * measure.values > MAX_EXPLAINED:
            return (Violation("", TOO_LARGE, "does not fit the form, and is too large to say where"),)
        return self._explained(value)

    def draft_violations(self, draft: Any) -> tuple[Violation, ...]:
        """Return what of a draft has a name that the form does not know, or the wrong type."""
        value = _read(draft, Measure())
        if isinstance(value, Violation):
            return (value,)
        return _in_order(islice(self._draft.violations(value), MAX_VIOLATIONS), value)

    def _explained(self, answers: Any) -> tuple[Violation, ...]:
        """Return what is wrong with answers that are not valid.

        A part of a composition that fails takes the names with it that it knows: these are not unknown.
        """
        errors: list[ValidationError] = list(self._validator.iter_errors(answers))
        found = dict.fromkeys(violation for error in errors for violation in violations_of(error))
        unknown = {each.pointer for each in self._draft.violations(answers) if each.rule == UNKNOWN}
        kept = [each for each in found if each.rule != UNKNOWN or each.pointer in unknown]
        return _in_order(kept or found, answers)


def _in_order(found: Iterable[Violation], answers: Any) -> tuple[Violation, ...]:
    """Return violations in the order of the answers, each once, with pointers that are not too long."""
    if not (found := list(found)):
        return ()
    first = sorted(found, key=_Order(answers).place)[:MAX_VIOLATIONS]
    return tuple(dict.fromkeys(map(_pointed, first)))


def _pointed(violation: Violation) -> Violation:
    pointer = violation.pointer
    while len(pointer) > MAX_POINTER:
        pointer = pointer.rpartition("/")[0]
    return msgspec.structs.replace(violation, pointer=pointer)


def _read(answers: Any, measure: Measure) -> Any:
    """Return answers as the validator takes them, or the violation that they are none."""
    if not isinstance(answers, dict):
        return Violation("", TYPE, "must be an object")
    try:
        return for_validator(answers, measure)
    except Unusual as unusual:
        return _pointed(Violation(unusual.pointer, TYPE, unusual.message))


class _Order:
    """Tells where in answers a pointer leads: what is missing comes last in its object."""

    def __init__(self, answers: Any) -> None:
        self._places: dict[str, tuple[int, ...]] = {"": ()}
        waiting: list[tuple[str, Any]] = [("", answers)]
        while waiting:
            pointer, value = waiting.pop()
            named = value.items() if isinstance(value, dict) else enumerate(value)
            for index, (name, part) in enumerate(named):
                at = f"{pointer}/{escaped(str(name))}"
                self._places[at] = (*self._places[pointer], index)
                if isinstance(part, dict | list):
                    waiting.append((at, part))

    def place(self, violation: Violation) -> tuple[float, ...]:
        known = self._places.get(violation.pointer)
        if known is not None:
            return known
        parent = violation.pointer.rpartition("/")[0]
        return (*self._places.get(parent, ()), float("inf"))


def _check_root(tree: Tree) -> None:
    """Refuse a schema whose type says that answers are no object: none could ever fit it."""
    types = tree.root.get("type", "object") if isinstance(tree.root, dict) else "object"
    if "object" not in (types if isinstance(types, list) else [types]):
        raise SchemaRefused("/type", "must be object: answers are an object, a field for each")


def _check_keywords(tree: Tree) -> None:
    """Refuse what the language itself does not allow, with the pointer into the author's schema."""
    try:
        compiled({"$defs": {}, "allOf": [_with_pointers(tree)]})
    except ValidationError as error:
        at = "".join(f"/{escaped(str(segment))}" for segment in list(error.instance_path)[2:])
        raise SchemaRefused(at, clipped(_reason(error))) from None


def _reason(error: ValidationError) -> str:
    return f"is not valid: {error.message}"


def _with_pointers(tree: Tree) -> Any:
    """Return the schema of a tree without references, which were followed already."""
    return _without(tree.root, {"$ref", "$id", "$schema", "$anchor"})


def _without(value: Any, dropped: set[str]) -> Any:
    if isinstance(value, list):
        return [_without(entry, dropped) for entry in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _without(part, dropped)
        for name, part in value.items()
        if name not in dropped or not isinstance(part, str)
    }
