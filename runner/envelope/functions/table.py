"""Every function by its name, with its signature as users read it (docs/patterns.md), and those left out.

The plain ones, most of the standard ones among them, do work in proportion to what they are given and
give, which is counted where they are called; the others count for themselves.
"""

from __future__ import annotations

from functools import partial
from operator import add
from typing import Any, Final

from runner.envelope.functions import (
    arrays,
    evaluation,
    formats,
    numbers,
    objects,
    paths,
    standard,
    text,
    time_formats,
)
from runner.envelope.functions.signature import Function, LeftOut, parse_signature
from runner.envelope.values import truthy

_STANDARD: Final[dict[str, Any]] = {
    "abs(value: number)": abs,
    "avg(values: array[number])": numbers.average,
    "ceil(value: number)": numbers.ceil,
    "ends_with(text: string, suffix: string)": str.endswith,
    "floor(value: number)": numbers.floor,
    "keys(obj: object)": list,
    "length(value: array|object|string)": len,
    "map(expr: expression, list: array)": lambda expr, entries: [expr.evaluate(entry) for entry in entries],
    "max(values: array[number]|array[string])": partial(max, default=None),
    "max_by(list: array, expr: expression)": standard.greatest_by,
    "merge(object...: object)": standard.merge,
    "min(values: array[number]|array[string])": partial(min, default=None),
    "min_by(list: array, expr: expression)": standard.least_by,
    "not_null(value...: any)": lambda *values: next((value for value in values if value is not None), None),
    "reverse(value: array|string)": lambda value: value[::-1],
    "sort(values: array[number]|array[string])": sorted,
    "sort_by(list: array, expr: expression)": standard.ordered_by,
    "starts_with(text: string, prefix: string)": str.startswith,
    "sum(values: array[number])": numbers.total,
    "to_array(value: any)": lambda value: value if isinstance(value, list) else [value],
    "to_number(value: any)": standard.to_number,
    "type(value: any)": objects.type_of,
    "values(obj: object)": lambda obj: list(obj.values()),
}

_PLAIN: Final[dict[str, Any]] = {
    "add_all(left: array, right: array)": add,
    "element_at(list: array, index: integer)": arrays.element_at,
    "split_array(list: array, size: integer)": arrays.split_array,
    "k_vtoo(key: string, value: any)": lambda key, value: {key: value},
    "substr(text: string, start: integer, end?: integer)": lambda text, start, end: text[start:end],
    "trim(text: string)": str.strip,
    "to_lower(text: string)": str.lower,
    "to_upper(text: string)": str.upper,
    "atob(text: string)": text.atob,
    "divide(left: number, right: number)": numbers.divide,
    "multiply(left: number, right: number)": numbers.multiply,
    "mod(left: number, right: number)": numbers.mod,
    "power(left: number, right: number)": numbers.power,
    "minus(value: number)": numbers.minus,
    "to_int(value: number|string)": numbers.to_int,
    "cond(test: any, ifTrue: any, ifFalse: any)": lambda test, yes, no: yes if truthy(test) else no,
}

_COUNTING: Final[dict[str, Any]] = {
    "contains(subject: array|string, search: any)": standard.contains,
    "join(glue: string, texts: array[string])": standard.join,
    "to_string(value: any)": standard.to_string,
    "remove_all(list: array, toRemove: array)": arrays.remove_all,
    "intersect(left: array, right: array)": arrays.intersect,
    "distinct(values: array)": arrays.distinct,
    "compare(left: any, right: any)": objects.compare,
    "lookup(left: array[object], right: array[object], key: string, full: boolean = false)": arrays.lookup,
    "cartesian(lists: array[array])": arrays.cartesian,
    "group_by(list: array[object], field: string)": arrays.group_by,
    'index_array(list: array[object], field: string = "index", start: integer = 0)': arrays.index_array,
    "repeat(template: object, list: array, keyField: string)": arrays.repeat,
    "merge_index(left: array, right: array, leftField?: string, rightField?: string)": arrays.merge_index,
    "deep_merge(object...: object)": objects.deep_merge,
    "deep_diff(old: any, new: any)": objects.deep_diff,
    "ltoo(pairs: array[object], keyField: string)": objects.ltoo,
    "otol(obj: object, keyField: string, valueField: string)": objects.otol,
    "get_element(obj: object|array, path: string)": paths.get_element,
    "set_element(obj: object|array, path: string, value: any)": paths.set_element,
    "remove_elements(obj: object|array, fields: array[string]|string)": paths.remove_elements,
    "remove_nulls(obj: object|array, emptyStrings: boolean = false)": objects.remove_nulls,
    "find_paths(input: object|array, regex: string)": paths.find_paths,
    "dynamic(input: any, expr: string)": lambda search, value, expr: search.search(expr, value),
    "dynamic_repeat(input: any, list: array, expr: string)": evaluation.dynamic_repeat,
    "dynamic_filter(input: any, list: array, expr: string)": evaluation.dynamic_filter,
    "replace(text: string, search: string, replacement: string)": text.replace,
    "split(text: string, delimiter: string)": text.split,
    "slug(text: string, transliterate: boolean = false)": text.slug,
    "to_json(text: string)": formats.to_json,
    "from_json(value: any)": formats.from_json,
    "csv_to_json(text: string, options: object = {})": formats.csv_to_json,
    "json_to_csv(records: array[object], options: object = {})": formats.json_to_csv,
    'date_to_string(ms: integer, pattern: string = "MM-dd-yyyy")': time_formats.date_to_string,
    'string_to_date(text: string, pattern: string = "MM-dd-yyyy")': time_formats.string_to_date,
    "btoa(value: any)": text.btoa,
    "encode_url(text: string)": text.encode_url,
    "decode_url(text: string)": text.decode_url,
    "now()": lambda evaluation: evaluation.given_ms(),
    "guid()": evaluation.uuid,
    "uuid()": evaluation.uuid,
    "rand(min: number, max: number)": evaluation.rand,
}

FUNCTIONS: Final[dict[str, Function]] = {
    function.name: function
    for table, counts in ((_STANDARD, False), (_PLAIN, False), (_COUNTING, True))
    for function in (parse_signature(text, body, counts=counts) for text, body in table.items())
}
"""All functions. ``type`` is not the standard one."""

OF_AN_EVENT: Final = frozenset({"now", "guid", "uuid", "rand"})
"""Functions that say something of the event, and have nothing to say without one."""

_KEYS: Final = "keys do not belong in events"
_REASONS: Final = {
    "get_env": "an event must not read the worker's environment",
    "encrypt": _KEYS,
    "decrypt": _KEYS,
    "hash": _KEYS,
    "validate_hash": _KEYS,
    "salt_key": _KEYS,
    "cron": "a deadline is set with timeout or timeoutOn",
}

LEFT_OUT: Final = {name: LeftOut(name, reason) for name, reason in _REASONS.items()}
"""Functions that are refused by name, with the reason."""
