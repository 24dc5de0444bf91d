"""What was found wrong with answers, in words that a form can show to a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from jsonschema_rs import ValidationError

from runner.envelope import plain
from runner.forms.closed_objects import BLANK
from runner.forms.tree import escaped

MAX_QUOTED: Final = 200
"""Characters of a value or of a schema that a message repeats at most."""

REQUIRED: Final = "required"
UNKNOWN: Final = "unknown"
TYPE: Final = "type"
TOO_LARGE: Final = "size"


class Violation(msgspec.Struct, frozen=True):
    """One thing that is wrong with answers; ``rule`` is one of docs/forms.md, "Rules and words"."""

    pointer: str
    rule: str
    message: str


UNKNOWN_FIELD: Final = "is not a field of this form"
MISSING: Final = "is required"
NULL: Final = "null"
TYPES: Final = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "empty (null)",
    "number": "a number",
    "object": "an object",
    "string": "text",
}

_SENTENCES: Final = {
    "anyOf": "fits none of what is allowed here",
    "const": "must be {expected_value}",
    "contains": "does not have the entries that are needed, or has too many of them",
    "enum": "must be one of {options}",
    "exclusiveMaximum": "must be less than {limit}",
    "exclusiveMinimum": "must be more than {limit}",
    "format": "is not a valid {format}",
    "maxItems": "must have no more than {limit} entries",
    "maxLength": "must be no longer than {limit} characters",
    "maxProperties": "must have no more than {limit} fields",
    "maximum": "must be no more than {limit}",
    "minItems": "must have at least {limit} entries",
    "minLength": "must be at least {limit} characters long",
    "minProperties": "must have at least {limit} fields",
    "minimum": "must be at least {limit}",
    "multipleOf": "must be a multiple of {multiple_of}",
    "not": "is what is not allowed here",
    "oneOf": "must fit exactly one of what is allowed here",
    "pattern": "must match {pattern}",
    "propertyNames": "has a field whose name is not allowed",
    "uniqueItems": "must not have the same entry twice",
    "unevaluatedItems": "has more entries than are allowed",
    "additionalItems": "has more entries than are allowed",
}
"""What a message says for a keyword, with names of what the validator tells of it."""


def violations_of(error: ValidationError) -> list[Violation]:
    """Return what one error of the validator says; several where it names several fields."""
    pointer = "".join(f"/{escaped(str(segment))}" for segment in error.instance_path)
    rule, said = error.kind.name, error.kind.as_dict()
    match rule:
        case "required":
            return [Violation(f"{pointer}/{escaped(said['property'])}", REQUIRED, MISSING)]
        case "unevaluatedProperties" | "additionalProperties":
            names = said["unexpected"]
            return [Violation(f"{pointer}/{escaped(name)}", UNKNOWN, UNKNOWN_FIELD) for name in names]
        case "anyOf" if within := _only_branch(error, said["context"]):
            return within
        case "pattern" if said["pattern"] == BLANK:
            return [Violation(pointer, REQUIRED, MISSING)]
        case "falseSchema":
            return [Violation(pointer, UNKNOWN, UNKNOWN_FIELD)]
        case _:
            return [Violation(pointer, rule, sentence(rule, said))]


def sentence(rule: str, said: dict[str, Any]) -> str:
    """Return what a message says for a keyword; ``said`` has what the validator tells of it, by its names."""
    if rule == TYPE:
        return must_be(said["types"])
    words = _SENTENCES.get(rule, "is not what the form allows")
    return words.format(**{name: _quoted(name, value) for name, value in said.items() if name in words})


def must_be(types: list[str]) -> str:
    """Return what a value of the wrong type must be."""
    named = [TYPES[name] for name in types if name != NULL or len(types) == 1]
    return f"must be {' or '.join(named)}"


def _only_branch(error: ValidationError, branches: list[list[ValidationError]]) -> list[Violation]:
    """Return what the one branch says that the value has the type of; a field or null is written so."""
    of_type = [branch for branch in branches if not any(_is_other_type(error, each) for each in branch)]
    if len(of_type) != 1:
        return []
    return [violation for each in of_type[0] for violation in violations_of(each)]


def _is_other_type(error: ValidationError, inner: ValidationError) -> bool:
    return inner.kind.name == "type" and len(inner.instance_path) <= len(error.instance_path)


def _quoted(name: str, value: Any) -> str:
    if name == "options" and isinstance(value, list):
        return clipped(", ".join(_shown(option) for option in value[:MAX_QUOTED]))
    return clipped(_shown(value))


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value[: MAX_QUOTED + 1]
    try:
        return plain.encode(value).decode()[: MAX_QUOTED + 1]
    except TypeError:
        return str(value)[: MAX_QUOTED + 1]


def clipped(text: str) -> str:
    """Return a text of at most ``MAX_QUOTED`` characters."""
    return text if len(text) <= MAX_QUOTED else f"{text[: MAX_QUOTED - 1]}…"


def sentence_templates() -> Iterator[str]:
    """Give all that messages are made of, with ``{name}`` where a value stands, for whoever translates."""
    yield from (MISSING, UNKNOWN_FIELD, *TYPES.values(), *_SENTENCES.values())
