"""Errors of pydantic as problems that the author of the configuration understands.

Values are shown only where a number, a choice or true/false was meant: text may be a secret that was
put in the wrong place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic_core import ErrorDetails

from runner.config.problems import Problem
from runner.config.schema_tree import SchemaNode, matching, nearest
from runner.config.secrets import mask_url
from runner.config.sections.section import Path

Origins = Mapping[Path, str]
"""Which environment variable or file a part of the tree came from; all else is from the file."""

_LONGEST_VALUE: Final = 40
_KEY_MARK: Final = "[key]"
_WRONG_TYPE: Final = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "string_type": "text",
    "invalid_key": "text",
    "tuple_type": "a list",
    "mapping_type": 'a section of "key: value" lines',
    "dict_type": 'a section of "key: value" lines',
    "model_type": 'a section of "key: value" lines',
}
_SHOWN: Final = frozenset({"int_type", "int_from_float", "bool_type"})


def explain(
    errors: Sequence[ErrorDetails], schema_node: SchemaNode, source: str, origins: Origins
) -> list[Problem]:
    """Return one problem for each error, in the order of the settings."""
    return [_explain(error, schema_node, source, origins) for error in errors]


def where(path: Path, source: str, origins: Origins) -> str:
    """Return the variable or file that a setting came from."""
    for length in range(len(path), 0, -1):
        if path[:length] in origins:
            return origins[path[:length]]
    return source


def _explain(error: ErrorDetails, schema_node: SchemaNode, source: str, origins: Origins) -> Problem:
    loc = tuple(part for part in error["loc"] if part != _KEY_MARK)
    path = tuple(part for part in loc if isinstance(part, str))
    what, remedy = _words(error, path, schema_node)
    return Problem(where(path, source, origins), _dotted(loc), what, remedy)


def _words(error: ErrorDetails, path: Path, schema_node: SchemaNode) -> tuple[str, str]:
    """Return what is wrong, and the way out."""
    kind = error["type"]
    if kind == "invalid":
        return error["ctx"]["what"], error["ctx"]["remedy"]
    if kind == "extra_forbidden":
        return "is not a setting", _meant(path, schema_node)
    place = schema_node.at(path)
    if kind == "missing":
        choices = place.choices if place else ()
        return "is missing", f"set it to one of {', '.join(choices)}" if choices else "set it"
    if kind in _WRONG_TYPE:
        return _wrong_type(kind, error["input"], _default(place))
    return _wrong_value(error, place), _default(place)


def _wrong_value(error: ErrorDetails, place: SchemaNode | None) -> str:
    kind = error["type"]
    if place is not None and place.limits and kind in {"greater_than_equal", "less_than_equal"}:
        return f"must be from {place.limits[0]} to {place.limits[1]}, not {_shown(error['input'])}"
    if place is not None and kind == "literal_error":
        return f"must be {' or '.join(place.choices)}, not {_shown(error['input'])}"
    if kind in {"string_too_short", "too_short"}:
        return "must not be empty"
    return f"cannot be used ({error['msg']})"


def _wrong_type(kind: str, value: Any, remedy: str) -> tuple[str, str]:
    expected = _WRONG_TYPE[kind]
    if value is None:
        empty = {"a list": "[]", "text": '""'}.get(expected, "{}")
        return (
            f"is empty, but must be {expected}",
            f"write {empty} or remove it" if kind not in _SHOWN else remedy,
        )
    if expected == "text" and not isinstance(value, Mapping | list | tuple):
        return "must be text", "put it in quotes"
    return f"must be {expected}, not {_shown(value) if kind in _SHOWN else _kind(value)}", remedy


def _meant(path: Path, schema_node: SchemaNode) -> str:
    parent = schema_node.at(path[:-1])
    siblings = parent.children if parent is not None else {}
    near = nearest(path[-1], siblings)
    if near is not None:
        return f"did you mean {_dotted((*path[:-1], near))}?"
    elsewhere = [setting for setting in schema_node.settings() if matching(path[-1], [setting[-1]])]
    if len(elsewhere) == 1 and len(path) <= len(elsewhere[0]):
        return f"did you mean {_dotted(elsewhere[0])}?"
    return f"remove it, or use one of {', '.join(siblings)}"


def _default(place: SchemaNode | None) -> str:
    if place is None or place.default is None:
        return "correct it or remove it"
    return f"correct it, or remove it for the default {json.dumps(place.default)}"


def _dotted(loc: Sequence[str | int]) -> str:
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _shown(value: Any) -> str:
    if isinstance(value, Mapping | list | tuple):
        return _kind(value)
    text = mask_url(json.dumps(value, default=str))
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a section"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    return "text" if isinstance(value, str) else f"a {type(value).__name__}"
