"""Functions on arrays. None changes its arguments; entries are compared as JSON (``values.key_of``)."""

from __future__ import annotations

from itertools import product
from typing import Any

from runner.envelope.functions.paths import finder_of
from runner.envelope.functions.signature import Evaluation, Misuse
from runner.envelope.values import Json, key_of, merge_objects


def remove_all(evaluation: Evaluation, entries: list[Any], removed: list[Any]) -> Json:
    """Return the entries that are not among those to remove."""
    keys = set(_keys(evaluation, removed))
    return [entry for entry, key in zip(entries, _keys(evaluation, entries), strict=True) if key not in keys]


def intersect(evaluation: Evaluation, left: list[Any], right: list[Any]) -> Json:
    """Return the entries of the first array that are in the second."""
    keys = set(_keys(evaluation, right))
    return [entry for entry, key in zip(left, _keys(evaluation, left), strict=True) if key in keys]


def distinct(evaluation: Evaluation, values: list[Any]) -> Json:
    """Return each value once, where it comes first."""
    firsts: dict[str, Any] = {}
    for value, key in zip(values, _keys(evaluation, values), strict=True):
        firsts.setdefault(key, value)
    return list(firsts.values())


def cartesian(evaluation: Evaluation, lists: list[list[Any]]) -> Json:
    """Return every way to take one entry of each array."""
    if not all(lists):
        return []
    ways = 1
    for each in lists:
        ways *= len(each)
        evaluation.spend(ways)
    evaluation.spend(ways * len(lists))
    return [list(way) for way in product(*lists)]


def element_at(entries: list[Any], index: int) -> Json:
    """Return the entry at a place, from 0; null beyond the array."""
    entry: Json = entries[index] if 0 <= index < len(entries) else None
    return entry


def group_by(evaluation: Evaluation, entries: list[dict[str, Any]], field: str) -> Json:
    """Return one object for each value at the field: the value as id, and the list of its entries."""
    ids = _values_at(evaluation, entries, field)
    groups: dict[str, dict[str, Any]] = {}
    for entry, identity, key in zip(entries, ids, _keys(evaluation, ids), strict=True):
        groups.setdefault(key, {"id": identity, "list": []})["list"].append(entry)
    return list(groups.values())


def lookup(
    evaluation: Evaluation,
    left: list[dict[str, Any]],
    right: list[dict[str, Any]],
    key: str,
    full: bool,  # noqa: FBT001 - as it is called
) -> Json:
    """Return each object of the left with each of the right that has the same at the key, spread into it.

    One that fits none stands alone, on the right only where asked; null fits nothing.
    """
    rights = _values_at(evaluation, right, key)
    by_key: dict[str, list[int]] = {}
    for place, value_key in enumerate(_keys(evaluation, rights)):
        if rights[place] is not None:
            by_key.setdefault(value_key, []).append(place)
    joined: list[Any] = []
    fitting: set[int] = set()
    lefts = _values_at(evaluation, left, key)
    for entry, value_key in zip(left, _keys(evaluation, lefts), strict=True):
        places = by_key.get(value_key, [])
        fitting.update(places)
        for other in [right[place] for place in places] or [{}]:
            evaluation.spend(len(entry) + len(other) + 1)
            joined.append({**entry, **other})
    alone = [entry for place, entry in enumerate(right) if place not in fitting] if full else []
    return joined + alone


def index_array(evaluation: Evaluation, entries: list[dict[str, Any]], field: str, start: int) -> Json:
    """Return each object with its position under a field."""
    evaluation.spend(sum(len(entry) + 1 for entry in entries))
    return [{**entry, field: position} for position, entry in enumerate(entries, start)]


def repeat(evaluation: Evaluation, template: dict[str, Any], entries: list[Any], key_field: str) -> Json:
    """Return the template merged with each entry; what is no object goes under the key field."""
    repeated: list[Any] = []
    for entry in entries:
        merged = merge_objects(template, entry if isinstance(entry, dict) else {key_field: entry})
        evaluation.measure(merged)
        repeated.append(merged)
    return repeated


def split_array(entries: list[Any], size: int) -> Json:
    """Return the array in pieces of that many entries."""
    if size < 1:
        raise Misuse("size is less than 1")
    return [entries[start : start + size] for start in range(0, len(entries), size)]


def merge_index(
    evaluation: Evaluation, left: list[Any], right: list[Any], left_field: str | None, right_field: str | None
) -> Json:
    """Return one object for each position: each side under its field, or spread into it."""
    merged: list[Any] = []
    for position in range(max(len(left), len(right))):
        entry: dict[str, Any] = {}
        for side, field in ((left, left_field), (right, right_field)):
            if position < len(side):
                entry |= _placed(side[position], field)
        evaluation.spend(len(entry) + 1)
        merged.append(entry)
    return merged


def _placed(value: Any, field: str | None) -> dict[str, Any]:
    if field is not None:
        return {field: value}
    if isinstance(value, dict):
        return value
    raise Misuse("only objects can be spread; name a field for other entries")


def _values_at(evaluation: Evaluation, entries: list[dict[str, Any]], path: str) -> list[Any]:
    find = finder_of(evaluation, path)
    evaluation.spend(len(entries) * (1 + path.count(".") + path.count("[")))
    return [find(entry) for entry in entries]


def _keys(evaluation: Evaluation, values: list[Any]) -> list[str]:
    evaluation.measure(values)
    return [key_of(value) for value in values]
