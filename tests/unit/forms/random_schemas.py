"""Schemas and answers at random, of few names so that they meet."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

_NAMES = st.sampled_from(["a", "b", "c", "~/"])
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from(["", "a", "ab", "2020-01-01", 0.5, 1.0, 10**30])
)
_REFS = st.sampled_from(["#", "#/$defs/a", "#/$defs/b", "#/properties/a", "#x", "http://x.invalid/"])
_TYPES = st.sampled_from(["string", "integer", "number", "object", "array", "null", "boolean"])


def answers() -> st.SearchStrategy[Any]:
    """Values of which most are objects."""
    parts = st.recursive(
        _SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
        max_leaves=10,
    )
    return st.dictionaries(_NAMES, parts, max_size=4) | parts


def _keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(inner, min_size=1, max_size=2)
    maps = st.dictionaries(_NAMES, inner, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": _TYPES | st.lists(_TYPES, min_size=1, max_size=2, unique=True),
            "properties": maps,
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b$", "("]), inner, max_size=1),
            "additionalProperties": inner,
            "unevaluatedProperties": inner,
            "required": st.lists(_NAMES, max_size=2, unique=True),
            "items": inner,
            "prefixItems": lists,
            "contains": inner,
            "allOf": lists,
            "anyOf": lists,
            "oneOf": lists,
            "not": inner,
            "if": inner,
            "then": inner,
            "dependentSchemas": maps,
            "$ref": _REFS,
            "enum": st.lists(_SCALARS, max_size=3),
            "minimum": _SCALARS,
            "pattern": st.sampled_from(["^a", "b", "(?=a)"]),
            "format": st.sampled_from(["date", "email", "strange"]),
            "uniqueItems": st.booleans(),
            "$anchor": st.just("x"),
        },
    )


def schemas() -> st.SearchStrategy[Any]:
    """Schemas, most of them valid."""
    inner: st.SearchStrategy[Any] = st.recursive(st.booleans() | st.just({}), _keywords, max_leaves=12)
    root = _keywords(inner)
    definitions = st.fixed_dictionaries({"a": inner, "b": inner})
    return st.builds(lambda schema, defs: {**schema, "$defs": defs}, root, definitions)
