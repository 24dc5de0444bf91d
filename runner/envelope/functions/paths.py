"""Functions on dotted paths: ``a.0.b`` is a name of an object, then an index of an array, then a name.

Not the paths of ``envelope.paths``: no start, no brackets, no queries, and a write replaces instead of
merging. What is written is a copy; what lies off the way is shared.
"""

from __future__ import annotations

from typing import Any, Final

from runner.envelope.functions.regex import pattern_of
from runner.envelope.functions.signature import Evaluation, Misuse
from runner.envelope.merge import Json

MAX_CHARACTERS: Final = 1024
MAX_NAMES: Final = 100

_MAX_INDEX_DIGITS: Final = 9
_UNITS_A_REGEX: Final = 2000
"""To compile one, or to find out that it is too large."""

_UNITS_A_PATH: Final = 3
_CHARACTERS_A_UNIT: Final = 8
_STEPS_A_UNIT: Final = 200
"""At worst a character is compared with every part of the regular expression."""


def get_element(node: Any, path: str) -> Json:
    """The value at the path; null where there is none."""
    element: Json = find(node, names_of(path))
    return element


def set_element(evaluation: Evaluation, node: Any, path: str, value: Json) -> Json:
    """A copy with the value at the path; names that are missing on the way become objects."""
    copy: Json = _replaced(evaluation, node, names_of(path), value)
    return copy


def remove_elements(evaluation: Evaluation, node: Any, fields: Any) -> Json:
    """A copy without these fields of objects; what is not there is no mistake."""
    copy: Json = node
    for field in [fields] if isinstance(fields, str) else fields:
        copy = _removed(evaluation, copy, names_of(field))
    return copy


def find_paths(evaluation: Evaluation, node: Any, regex: str) -> Json:
    """The paths of everything below the value in which the regular expression finds a match."""
    evaluation.spend(_UNITS_A_REGEX)
    pattern = pattern_of(regex)
    found: list[Any] = []
    waiting = _below("", node)
    while waiting:
        path, child = waiting.pop()
        evaluation.spend(_UNITS_A_PATH + len(path) * pattern.programsize // _STEPS_A_UNIT)
        if pattern.search(path):
            found.append(path)
        if isinstance(child, dict | list):
            evaluation.spend(len(child) * (1 + len(path) // _CHARACTERS_A_UNIT))
            waiting += _below(f"{path}.", child)
    return found


def names_of(path: str) -> tuple[str, ...]:
    """Return the names of a dotted path; Misuse for what is none."""
    names = tuple(path.split("."))
    if len(path) > MAX_CHARACTERS or len(names) > MAX_NAMES:
        raise Misuse(f"the path is longer than {MAX_CHARACTERS} characters or {MAX_NAMES} names")
    if "" in names:
        raise Misuse("the path is empty, or has an empty name between its dots")
    return names


def find(node: Any, names: tuple[str, ...]) -> Any:
    """Return the value at these names; None where there is none."""
    for name in names:
        if isinstance(node, dict):
            node = node.get(name)
        elif isinstance(node, list):
            index = _index(name)
            node = node[index] if 0 <= index < len(node) else None
        else:
            return None
    return node


def _replaced(evaluation: Evaluation, node: Any, names: tuple[str, ...], value: Any) -> Any:
    if not names:
        return value
    name, rest = names[0], names[1:]
    if isinstance(node, list):
        index = _index(name)
        if not 0 <= index <= len(node):
            raise Misuse(f"{name[:40]!r} is no index of an array of {len(node)}")
        evaluation.spend(len(node))
        child = node[index] if index < len(node) else None
        return [*node[:index], _replaced(evaluation, child, rest, value), *node[index + 1 :]]
    if node is not None and not isinstance(node, dict):
        raise Misuse(f"the path leads through a scalar at {name[:40]!r}")
    known: dict[str, Any] = node or {}
    evaluation.spend(len(known))
    return {**known, name: _replaced(evaluation, known.get(name), rest, value)}


def _removed(evaluation: Evaluation, node: Any, names: tuple[str, ...]) -> Any:
    name, rest = names[0], names[1:]
    if isinstance(node, list) and rest and 0 <= (index := _index(name)) < len(node):
        evaluation.spend(len(node))
        return [*node[:index], _removed(evaluation, node[index], rest), *node[index + 1 :]]
    if not isinstance(node, dict) or name not in node:
        return node
    evaluation.spend(len(node))
    if rest:
        return {**node, name: _removed(evaluation, node[name], rest)}
    return {key: value for key, value in node.items() if key != name}


def _below(above: str, node: Any) -> list[tuple[str, Any]]:
    """Return paths and values of what lies in a container, the last first."""
    named = node.items() if isinstance(node, dict) else enumerate(node)
    return [(f"{above}{name}", child) for name, child in named][::-1]


def _index(name: str) -> int:
    """Return the index that a name spells, or -1."""
    spells_one = name.isascii() and name.isdecimal() and len(name) <= _MAX_INDEX_DIGITS
    return int(name) if spells_one and (name == "0" or name[0] != "0") else -1
