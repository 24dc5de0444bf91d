"""A schema as a tree of subschemas: what each applies to, where every ``$ref`` points, what is refused.

A subschema applies *here*, to the value that its parent applies to, or *below*, to a part of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from runner.envelope import plain
from runner.forms.refusal import SchemaRefused

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
MAX_BYTES: Final = 65_536
"""Bytes of a schema as compact JSON."""
MAX_DEPTH: Final = 32
"""Levels of objects and lists in a schema."""
MAX_SUBSCHEMAS: Final = 2000
MAX_PATTERN: Final = 1000
"""Characters of a regular expression."""
MAX_NUMBER: Final = 1e308
MAX_DIGITS: Final = 40
"""Characters of a number in a schema."""

FORMATS: Final = frozenset(
    {"date", "date-time", "duration", "email", "hostname", "idn-email", "idn-hostname", "ipv4", "ipv6", "iri"}
    | {"iri-reference", "json-pointer", "relative-json-pointer", "time", "uri", "uri-reference"}
    | {"uri-template", "uuid"}
)
"""Formats that are asserted. ``regex`` is not among them: it would compile what a person typed."""

HERE_ONE: Final = ("not", "if", "then", "else")
HERE_LIST: Final = ("allOf", "anyOf", "oneOf")
HERE_MAP: Final = ("dependentSchemas",)
BELOW_ONE: Final = (
    *("additionalProperties", "unevaluatedProperties", "propertyNames"),
    *("items", "contains", "unevaluatedItems"),
)
BELOW_LIST: Final = ("prefixItems",)
BELOW_MAP: Final = ("properties", "patternProperties")
KEPT_ONE: Final = ("contentSchema",)
KEPT_MAP: Final = ("$defs", "definitions")
ONE: Final = frozenset({*HERE_ONE, *BELOW_ONE, *KEPT_ONE})
LIST: Final = frozenset({*HERE_LIST, *BELOW_LIST})
MAP: Final = frozenset({*HERE_MAP, *BELOW_MAP, *KEPT_MAP})

REFUSED: Final = {
    "$dynamicRef": "use $ref",
    "$dynamicAnchor": "use $anchor",
    "$recursiveRef": "use $ref",
    "$recursiveAnchor": "use $anchor",
    "$vocabulary": "a schema of answers has the usual vocabularies",
    "dependencies": "use dependentRequired or dependentSchemas",
}
"""Keywords that are refused, and what to do instead."""


@dataclass(slots=True)
class Tree:
    """A schema whose subschemas are all known by their JSON pointers."""

    root: Any
    text: bytes
    """The schema as compact JSON."""
    nodes: dict[str, Any] = field(default_factory=dict)
    anchors: dict[str, str] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    """Pointer of a subschema that has a ``$ref``, and the pointer that it leads to."""

    def here(self, pointer: str) -> Iterator[tuple[str, str]]:
        """Give keyword and pointer of all that applies to the same value, what ``$ref`` names included."""
        node = self.nodes[pointer]
        if isinstance(node, dict):
            if pointer in self.refs:
                yield "$ref", self.refs[pointer]
            for keyword in (*HERE_ONE, *HERE_LIST, *HERE_MAP):
                if keyword in node:
                    for _, child in children(pointer, keyword, node[keyword]):
                        yield keyword, child

    def below(self, pointer: str) -> Iterator[tuple[str, str, str]]:
        """Give keyword, name and pointer of all that applies to parts of the value."""
        node = self.nodes[pointer]
        if isinstance(node, dict):
            for keyword in (*BELOW_ONE, *BELOW_LIST, *BELOW_MAP):
                if keyword in node:
                    for name, child in children(pointer, keyword, node[keyword]):
                        yield keyword, name, child


def escaped(name: str) -> str:
    """Return a name as a segment of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def children(pointer: str, keyword: str, value: Any) -> Iterator[tuple[str, str]]:
    """Give name (empty where there is one only) and pointer of the subschemas of a keyword."""
    here = f"{pointer}/{escaped(keyword)}"
    if keyword in ONE:
        yield "", here
    elif keyword in LIST:
        yield from ((str(index), f"{here}/{index}") for index in range(len(value)))
    elif keyword in MAP:
        yield from ((name, f"{here}/{escaped(name)}") for name in value)


def read_schema(schema_json: bytes) -> Tree:
    """Return the tree of a schema; SchemaRefused for what is no schema or not one of ours."""
    if len(schema_json) > MAX_BYTES:
        raise SchemaRefused("", f"is larger than {MAX_BYTES} bytes")
    try:
        schema = plain.decode_whole(schema_json)
    except (ValueError, RecursionError) as error:
        raise SchemaRefused("", f"is not JSON: {error}") from None
    if not isinstance(schema, dict):
        raise SchemaRefused("", "must be an object")
    if schema.get("$schema", DIALECT) not in (DIALECT, f"{DIALECT}#"):
        raise SchemaRefused("/$schema", f"must be {DIALECT}")
    _measure(schema)
    tree = Tree(schema, schema_json)
    _collect(tree)
    for pointer, node in tree.nodes.items():
        if isinstance(node, dict) and "$ref" in node:
            tree.refs[pointer] = _target(tree, pointer, node["$ref"])
    return tree


def _measure(schema: Any) -> None:
    """Refuse what is nested too deep, and numbers out of range; iterative, for nothing is bounded yet."""
    waiting: list[tuple[str, Any, int]] = [("", schema, 1)]
    while waiting:
        pointer, value, level = waiting.pop()
        if level > MAX_DEPTH and isinstance(value, dict | list):
            raise SchemaRefused(pointer, f"is nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, dict):
            waiting += ((f"{pointer}/{escaped(name)}", part, level + 1) for name, part in value.items())
        elif isinstance(value, list):
            waiting += ((f"{pointer}/{index}", part, level + 1) for index, part in enumerate(value))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            _check_number(pointer, value)


def _check_number(pointer: str, value: float) -> None:
    text = value.text if isinstance(value, plain.Written) else str(value) if abs(value) < 10**60 else ""
    is_lost = value == 0 and any(digit in "123456789" for digit in text.lower().partition("e")[0])
    if not 0 < len(text) <= MAX_DIGITS or not abs(value) <= MAX_NUMBER or is_lost:
        raise SchemaRefused(pointer, f"is a number beyond {MAX_DIGITS} digits or the range of a double")


def _collect(tree: Tree) -> None:
    """Note every subschema and anchor of a tree."""
    waiting: list[tuple[str, Any]] = [("", tree.root)]
    while waiting:
        pointer, node = waiting.pop()
        if not isinstance(node, dict | bool):
            raise SchemaRefused(pointer, "must be a schema: an object, true or false")
        tree.nodes[pointer] = node
        if len(tree.nodes) > MAX_SUBSCHEMAS:
            raise SchemaRefused(pointer, f"is one subschema more than {MAX_SUBSCHEMAS}")
        if isinstance(node, dict):
            _check_node(tree, pointer, node)
            below = [part for keyword in node for part in _parts(pointer, keyword, node[keyword])]
            waiting += reversed(below)


def _parts(pointer: str, keyword: str, value: Any) -> list[tuple[str, Any]]:
    pointers = [child for _, child in _shaped(pointer, keyword, value)]
    if keyword in ONE:
        return [(pointers[0], value)]
    values = value if isinstance(value, list) else value.values() if keyword in MAP else ()
    return list(zip(pointers, values, strict=True)) if pointers else []


def _shaped(pointer: str, keyword: str, value: Any) -> Iterator[tuple[str, str]]:
    here = f"{pointer}/{escaped(keyword)}"
    if keyword in LIST and not (isinstance(value, list) and value):
        raise SchemaRefused(here, "must be a list of schemas that is not empty")
    if keyword in MAP and not isinstance(value, dict):
        raise SchemaRefused(here, "must be an object of schemas")
    return children(pointer, keyword, value)


def _check_node(tree: Tree, pointer: str, node: dict[str, Any]) -> None:
    """Refuse keywords that are not supported, unknown formats and long patterns; note the anchor."""
    for keyword in node.keys() & REFUSED.keys():
        raise SchemaRefused(f"{pointer}/{keyword}", f"is not supported: {REFUSED[keyword]}")
    for keyword in {"$id", "$schema"} & node.keys() if pointer else ():
        raise SchemaRefused(f"{pointer}/{keyword}", "is supported at the root only")
    if "format" in node and node["format"] not in sorted(FORMATS):
        raise SchemaRefused(f"{pointer}/format", f"is unknown; known are {', '.join(sorted(FORMATS))}")
    for at, pattern in patterns_of(pointer, node):
        if not isinstance(pattern, str) or len(pattern) > MAX_PATTERN:
            raise SchemaRefused(at, f"must be a regular expression of at most {MAX_PATTERN} characters")
    if "$anchor" in node:
        anchor = node["$anchor"]
        if not isinstance(anchor, str) or anchor in tree.anchors:
            raise SchemaRefused(
                f"{pointer}/$anchor", "must be a text, and of this name there may be one only"
            )
        tree.anchors[anchor] = pointer


def patterns_of(pointer: str, node: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give the regular expressions of a subschema, each with its pointer."""
    if "pattern" in node:
        yield f"{pointer}/pattern", node["pattern"]
    patterns = node.get("patternProperties")
    for pattern in patterns if isinstance(patterns, dict) else ():
        yield f"{pointer}/patternProperties/{escaped(pattern)}", pattern


def _target(tree: Tree, pointer: str, ref: Any) -> str:
    """Return the pointer of the subschema that a ``$ref`` names."""
    at = f"{pointer}/$ref"
    if not isinstance(ref, str) or not ref.startswith("#"):
        raise SchemaRefused(at, "must begin with #: nothing is fetched from elsewhere")
    named = unquote(ref[1:])
    target = named if named.startswith("/") or not named else tree.anchors.get(named)
    if target not in tree.nodes:
        raise SchemaRefused(at, f"leads to no schema: {ref[:200]}")
    return target
