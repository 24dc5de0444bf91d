"""Functions on whole values, most of them objects. None changes what it is given."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, Final

from runner.envelope.functions.formats import printed
from runner.envelope.functions.paths import finder_of
from runner.envelope.functions.signature import Evaluation, Misuse
from runner.envelope.values import KINDS, Json, kind_of, merge_objects, same

MAX_LEVELS: Final = 200
"""How deep functions look that go through a value level by level; events are no deeper."""


def deep_merge(evaluation: Evaluation, *objects: dict[str, Any]) -> Json:
    """Return the objects laid over each other, the last on top; arrays and scalars are replaced."""
    merged: dict[str, Any] = {}
    for each in objects:
        evaluation.measure(each)
        merged = merge_objects(merged, each)
        evaluation.measure(merged)
    return merged


def deep_diff(evaluation: Evaluation, old: Json, new: Json) -> Json:
    """Return what differs: a list of fields with their old and new values, nested as the values are."""
    for value in (old, new):
        evaluation.measure(value)
        evaluation.measure(value)
    if _are_alike(old, new):
        return _differences(old, new, MAX_LEVELS)
    return [] if same(old, new) else [{"old": old, "new": new}]


def ltoo(evaluation: Evaluation, pairs: list[dict[str, Any]], key_field: str) -> Json:
    """Return the objects of a list by the value at their key field; of equal keys the last counts."""
    find = finder_of(evaluation, key_field)
    evaluation.spend(len(pairs) * (1 + key_field.count(".")))
    return {_key(find(pair), position): pair for position, pair in enumerate(pairs)}


def otol(evaluation: Evaluation, node: dict[str, Any], key_field: str, value_field: str) -> Json:
    """Return one object for each pair, with key and value under these fields."""
    if key_field == value_field:
        raise Misuse("keyField and valueField are the same")
    evaluation.spend(2 * len(node))
    return [{key_field: key, value_field: value} for key, value in node.items()]


def remove_nulls(evaluation: Evaluation, node: Json, empty_strings: bool) -> Json:  # noqa: FBT001 - as it is called
    """Return a copy without null fields and entries, at all levels; without empty texts where asked."""
    evaluation.measure(node)
    unwanted = (None, "") if empty_strings else (None,)
    copy: Json = _without(node, unwanted, MAX_LEVELS)
    return copy


def compare(evaluation: Evaluation, left: Json, right: Json) -> Json:
    """Return -1, 0 or 1: the first comes before the second, is the same, comes after it.

    Null comes before false, true, numbers, texts (by their characters), arrays (by the first entries
    that differ) and objects (by names and values, in the order of the names).
    """
    evaluation.measure(left)
    evaluation.measure(right)
    waiting: list[tuple[Any, Any]] = [(left, right)]
    while waiting:
        one, other = waiting.pop()
        order = _sign(KINDS.index(kind_of(one)), KINDS.index(kind_of(other)))
        if order == 0 and isinstance(one, list | dict):
            entries, others = _entries(one), _entries(other)
            waiting.append((len(entries), len(others)))
            waiting += reversed(list(zip(entries, others, strict=False)))
        elif order == 0 and one is not None:
            order = _sign(one, other)
        if order:
            return order
    return 0


def type_of(value: Json) -> Json:
    """Return OBJECT, ARRAY, NUMBER, STRING, BOOLEAN or NULL."""
    if isinstance(value, bool):
        return "BOOLEAN"
    return kind_of(value).upper()


def _are_alike(old: Any, new: Any) -> bool:
    return (isinstance(old, dict) and isinstance(new, dict)) or (
        isinstance(old, list) and isinstance(new, list)
    )


def _differences(old: Any, new: Any, levels: int) -> list[Any]:
    before, after = _fields(old), _fields(new)
    different: list[Any] = []
    for field in dict.fromkeys((*before, *after)):
        if field not in after:
            different.append({"field": field, "old": before[field]})
        elif field not in before:
            different.append({"field": field, "new": after[field]})
        else:
            different += _changed(field, before[field], after[field], levels)
    return different


def _changed(field: str, old: Any, new: Any, levels: int) -> list[Any]:
    if _are_alike(old, new):
        if levels == 0:
            raise Misuse(f"the values are nested deeper than {MAX_LEVELS} levels")
        inner = _differences(old, new, levels - 1)
        return [{"field": field, "differences": inner}] if inner else []
    if isinstance(old, dict | list) or isinstance(new, dict | list) or not same(old, new):
        return [{"field": field, "old": old, "new": new}]
    return []


def _fields(node: Any) -> dict[str, Any]:
    if isinstance(node, dict):
        return node
    return {str(index): entry for index, entry in enumerate(node)}


def _key(value: Any, position: int) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return printed(int(value) if isinstance(value, float) and value.is_integer() else value)
    raise Misuse(f"keyField of entry {position} leads to no text, number or boolean")


def _without(node: Any, unwanted: tuple[Any, ...], levels: int) -> Any:
    if not isinstance(node, dict | list):
        return node
    if levels == 0:
        raise Misuse(f"the value is nested deeper than {MAX_LEVELS} levels")
    if isinstance(node, list):
        return [_without(entry, unwanted, levels - 1) for entry in node if entry not in unwanted]
    return {
        key: _without(entry, unwanted, levels - 1) for key, entry in node.items() if entry not in unwanted
    }


def _entries(value: list[Any] | dict[str, Any]) -> list[Any]:
    if isinstance(value, list):
        return value
    return [part for field in sorted(value.items(), key=itemgetter(0)) for part in field]


def _sign(one: Any, other: Any) -> int:
    return bool(one > other) - bool(one < other)
