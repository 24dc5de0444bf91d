"""Functions on paths of names and indexes in one value (``envelope.paths``); queries are refused.

``$`` is the value that the function is given; the event is out of its sight. Other than an output, a
write replaces instead of merging. What is written is a copy; what lies off the way is shared.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeAlias

import re2

from runner.envelope.functions.signature import Evaluation, Misuse
from runner.envelope.path_grammar import Selected
from runner.envelope.paths import MISSING, Path, Root, Segments, compile_path
from runner.envelope.values import Json, read_index
from runner.errors import EventError

MAX_REGEX_CHARACTERS: Final = 256
MAX_REGEX_BYTES: Final = 250_000
"""Memory of one compiled expression, of which a part is for the states met while it searches."""

_UNITS_A_REGEX: Final = 2000
"""To compile one, or to find out that it is too large."""

_UNITS_A_PATH: Final = 3
_CHARACTERS_A_UNIT: Final = 8
_STEPS_A_UNIT: Final = 200
"""At worst a character is compared with every part of the regular expression."""

Find: TypeAlias = Callable[[Any], Any]


def get_element(evaluation: Evaluation, node: Any, path: str) -> Json:
    """Return the value at the path; null where there is none."""
    element: Json = finder_of(evaluation, path)(node)
    return element


def set_element(evaluation: Evaluation, node: Any, path: str, value: Json) -> Json:
    """Return a copy with the value at the path; names that are missing on the way become objects."""
    copy: Json = _replaced(evaluation, node, _way(evaluation, path), value)
    return copy


def remove_elements(evaluation: Evaluation, node: Any, fields: Any) -> Json:
    """Return a copy without these fields of objects; what is not there is no mistake."""
    copy: Json = node
    for field in [fields] if isinstance(fields, str) else fields:
        way = _way(evaluation, field)
        if not way:
            raise Misuse("the path names no field")
        copy = _removed(evaluation, copy, way)
    return copy


def find_paths(evaluation: Evaluation, node: Any, regex: str) -> Json:
    """Return the paths of everything below the value in which the regular expression finds a match."""
    evaluation.spend(_UNITS_A_REGEX)
    pattern = _pattern_of(regex)
    matches: list[Any] = []
    waiting = _below("", node)
    while waiting:
        path, child = waiting.pop()
        evaluation.spend(_UNITS_A_PATH + len(path) * pattern.programsize // _STEPS_A_UNIT)
        if pattern.search(path):
            matches.append(path)
        if isinstance(child, dict | list):
            evaluation.spend(len(child) * (1 + len(path) // _CHARACTERS_A_UNIT))
            waiting += _below(f"{path}.", child)
    return matches


def finder_of(evaluation: Evaluation, path: str) -> Find:
    """Return what finds the value at a path, or null; Misuse for a path that names no one place."""
    find = _understood(evaluation, path).find

    def value_at(node: Any) -> Any:
        value = find(node)
        return None if value is MISSING else value

    return value_at


def _way(evaluation: Evaluation, text: str) -> Segments:
    segments = _understood(evaluation, text).segments
    return () if segments is None else segments


def _understood(evaluation: Evaluation, text: str) -> Path:
    # A unit a character: what it takes to understand a path that was not met before.
    evaluation.spend(len(text))
    try:
        path = compile_path(text)
    except EventError as error:
        raise Misuse(error.message) from None
    if path.root is Root.EVENT:
        raise Misuse("the path starts at the event (@), which a function does not see; start at $ or a name")
    if path.segments is None:
        raise Misuse("the path is a query; name one place")
    return path


def _replaced(evaluation: Evaluation, node: Any, way: Segments, value: Any) -> Any:
    if not way:
        return value
    key, rest = _key(node, way[0]), way[1:]
    if isinstance(node, list):
        if not isinstance(key, int) or not 0 <= key <= len(node):
            raise Misuse(f"{_shown(way[0])} is no index of an array of {len(node)}")
        evaluation.spend(len(node))
        child = node[key] if key < len(node) else None
        return [*node[:key], _replaced(evaluation, child, rest, value), *node[key + 1 :]]
    if node is not None and not isinstance(node, dict):
        raise Misuse(f"the path leads through a scalar at {_shown(way[0])}")
    if not isinstance(key, str):
        raise Misuse(f"{_shown(way[0])} is an index, and no array is there")
    known: dict[str, Any] = node or {}
    evaluation.spend(len(known))
    return {**known, key: _replaced(evaluation, known.get(key), rest, value)}


def _removed(evaluation: Evaluation, node: Any, way: Segments) -> Any:
    key, rest = _key(node, way[0]), way[1:]
    if isinstance(node, list) and rest and isinstance(key, int) and 0 <= key < len(node):
        evaluation.spend(len(node))
        return [*node[:key], _removed(evaluation, node[key], rest), *node[key + 1 :]]
    if not isinstance(node, dict) or key not in node:
        return node
    evaluation.spend(len(node))
    if rest:
        return {**node, key: _removed(evaluation, node[key], rest)}
    return {name: value for name, value in node.items() if name != key}


def _key(node: Any, segment: str | Selected) -> str | int:
    """Return the name or index that a segment is in a node; in brackets it is only what it says."""
    key = segment.key if isinstance(segment, Selected) else segment
    if not isinstance(node, list):
        return key
    if isinstance(segment, str):
        return read_index(segment)
    return key + len(node) if isinstance(key, int) and key < 0 else key


def _shown(segment: str | Selected) -> str:
    return repr(segment.key if isinstance(segment, Selected) else segment[:40])


def _below(above: str, node: Any) -> list[tuple[str, Any]]:
    """Return paths and values of what lies in a container, the last first."""
    named = node.items() if isinstance(node, dict) else enumerate(node)
    return [(f"{above}{name}", child) for name, child in named][::-1]


def _pattern_of(regex: str) -> Any:
    """Return the compiled expression of a sender; Misuse for one that is wrong or too large.

    RE2 takes linear time whatever the expression is, and bounded memory.
    """
    pattern = _known(regex)
    if pattern is None:
        raise Misuse(
            "regex is no RE2 expression (no look-around, no back-references) of at most "
            f"{MAX_REGEX_CHARACTERS} characters and {MAX_REGEX_BYTES} bytes compiled"
        )
    return pattern


@lru_cache(maxsize=64)
def _known(regex: str) -> Any:
    options = re2.Options()
    options.max_mem = MAX_REGEX_BYTES
    options.log_errors = False
    try:
        return re2.compile(regex, options) if len(regex) <= MAX_REGEX_CHARACTERS else None
    except (re2.error, UnicodeEncodeError):
        return None
