"""The schema that answers are validated with: the author's, closed against fields that it does not name.

Closed are the root and what it reaches by fields and entries, not what stands in a composition: there a
field may be named by another part of it. Of a definition that is used in both ways there are two copies.
"""

from __future__ import annotations

from typing import Any, Final

from runner.forms.cost import are_whole
from runner.forms.tree import BELOW_LIST, BELOW_MAP, HERE_LIST, HERE_MAP, LIST, MAP, ONE, Tree, children

BLANK: Final = "(?:[^\\s])"
"""The expression that a required text has to match; an author's own is written otherwise."""

_DROPPED: Final = frozenset(
    {"$schema", "$id", "$anchor", "$defs", "definitions", "$comment", "contentSchema"}
    | {"title", "description", "default", "examples", "readOnly", "writeOnly", "deprecated"}
)
_SPEAKS: Final = frozenset({"additionalProperties", "unevaluatedProperties", "patternProperties"})
_OF_OBJECTS: Final = frozenset(
    {"properties", "required", "dependentRequired", "dependentSchemas", "propertyNames"}
    | {"minProperties", "maxProperties"}
)
_OTHER_PARTS: Final = frozenset(
    {*BELOW_MAP, *BELOW_LIST, *HERE_LIST, *HERE_MAP, "not", "if", "then", "else", "items", "contains"}
    | {"unevaluatedItems", "additionalProperties", "unevaluatedProperties"}
)
_CLOSED_BELOW: Final = frozenset({"properties", "items", "prefixItems", "additionalProperties"})


class ClosedObjects:
    """Which objects of a tree are closed."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._here: dict[str, list[str]] = {}

    def applied_here(self, pointer: str) -> list[str]:
        """Return the pointers of all that may apply to the same value, this one first."""
        known = self._here.get(pointer)
        if known is None:
            known = [pointer]
            seen = {pointer}
            for each in known:
                for _, child in self.tree.here(each):
                    if child not in seen:
                        seen.add(child)
                        known.append(child)
            self._here[pointer] = known
        return known

    def leads_only(self, pointer: str) -> bool:
        """Whether a subschema is a ``$ref`` with nothing beside it that names parts of the value."""
        return pointer in self.tree.refs and not _OTHER_PARTS & self.tree.nodes[pointer].keys()

    def is_closed(self, pointer: str) -> bool:
        """Whether fields that a subschema does not name are refused, it being the root or below it."""
        node = self.tree.nodes[pointer]
        if not isinstance(node, dict) or _SPEAKS & node.keys() or self.leads_only(pointer):
            return False
        nodes = [self.tree.nodes[each] for each in self.applied_here(pointer)]
        said = [each for each in nodes if isinstance(each, dict)]
        if any("enum" in each or "const" in each for each in said):
            return False
        return not pointer or any(_names_objects(each) for each in said)

    def closes_below(self, pointer: str, keyword: str, name: str) -> bool:
        """Whether what a closed subschema says of a part is closed: nothing else speaks of the part."""
        node = self.tree.nodes[pointer]
        if keyword not in _CLOSED_BELOW or (keyword == "properties" and "patternProperties" in node):
            return False
        return not any(
            other != "properties" or keyword != "properties" or other_name == name
            for each in self.applied_here(pointer)[1:]
            for other, other_name, _ in self.tree.below(each)
            if other != "propertyNames"
        )


def _names_objects(node: dict[str, Any]) -> bool:
    types = node.get("type")
    return (
        bool(_OF_OBJECTS & node.keys())
        or types == "object"
        or (isinstance(types, list) and "object" in types)
    )


def closed_schema(objects: ClosedObjects) -> dict[str, Any]:
    """Return the schema that answers are validated with, its references by names of its own."""
    return _Writer(objects, closed=True).written()


def open_schema(objects: ClosedObjects) -> dict[str, Any]:
    """Return the author's schema without closing anything: what the official suite is run through."""
    return _Writer(objects, closed=False).written()


class _Writer:
    """Writes subschemas anew, closed or as they were."""

    def __init__(self, objects: ClosedObjects, *, closed: bool) -> None:
        self._objects = objects
        self._tree = objects.tree
        self._closed = closed
        self._names: dict[tuple[str, bool], str] = {}
        self._waiting: list[tuple[str, bool]] = []

    def written(self) -> dict[str, Any]:
        root = self._write("", closed=self._closed)
        definitions: dict[str, Any] = {}
        while self._waiting:
            pointer, closed = self._waiting.pop()
            definitions[self._names[pointer, closed]] = self._write(pointer, closed=closed)
        return {**root, "$defs": definitions}

    def _reference(self, pointer: str, *, closed: bool) -> str:
        if (pointer, closed) not in self._names:
            self._names[pointer, closed] = str(len(self._names))
            self._waiting.append((pointer, closed))
        return f"#/$defs/{self._names[pointer, closed]}"

    def _write(self, pointer: str, *, closed: bool) -> Any:
        node = self._tree.nodes[pointer]
        if not isinstance(node, dict):
            return node
        written = {
            keyword: self._write_keyword(pointer, keyword, value, closed=closed)
            for keyword, value in node.items()
            if keyword not in _DROPPED
        }
        if are_whole(node.get("enum")) and node.get("type", "number") == "number":
            written["type"] = "integer"  # looked at first: other numbers are not compared with each entry
        required = node.get("required")
        if self._closed and isinstance(required, list) and required:
            filled = {"properties": {name: {"pattern": BLANK} for name in required}}
            written["allOf"] = [*written.get("allOf", ()), filled]
        if closed and self._objects.is_closed(pointer):
            written["unevaluatedProperties"] = False
        return written

    def _write_keyword(self, pointer: str, keyword: str, value: Any, *, closed: bool) -> Any:
        if keyword == "$ref":
            closed = closed and self._objects.leads_only(pointer)
            return self._reference(self._tree.refs[pointer], closed=closed)
        if keyword not in ONE | LIST | MAP:
            return value
        parts = {
            name: self._write(child, closed=closed and self._objects.closes_below(pointer, keyword, name))
            for name, child in children(pointer, keyword, value)
        }
        return parts[""] if keyword in ONE else list(parts.values()) if keyword in LIST else parts
