"""What a schema says of one value: of all subschemas that apply to it, as far as a form can show it.

A subschema applies *in any case* if ``$ref`` and ``allOf`` lead to it; so does the one part of ``anyOf`` or
``oneOf`` beside a part that is null, which is how a value that may be null is often written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from runner.envelope.values import kind_of, same
from runner.forms.closed_objects import ClosedObjects
from runner.forms.form import form_of
from runner.forms.tree import Tree, children, read_schema
from runner.forms.words import NULL, TYPES

_ALL: Final = frozenset(TYPES)
_EITHER: Final = ("anyOf", "oneOf")
_OTHERS: Final = ("additionalProperties", "unevaluatedProperties")
_PERHAPS: Final = frozenset({*_EITHER, "if", "then", "else", "dependentSchemas"})
_LABELS: Final = frozenset({"const", "title", "description", "type", "$comment", "deprecated"})
_OF_KIND: Final = {
    "object": ("properties", "required", "additionalProperties", "patternProperties", "minProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}


@dataclass(frozen=True, slots=True)
class FieldPlace:
    """The subschemas that speak of a value, by their pointers."""

    pointers: tuple[str, ...]
    closed: bool = False
    """Whether it is reached without a composition, so that objects in it are closed."""
    sure: bool = True
    """Whether they apply in any case; if not, only their types and texts are taken."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the values that are allowed."""

    value: Any
    title: str = ""
    description: str = ""


class Schema:
    """A schema that is asked what it says of its places."""

    def __init__(self, schema_json: bytes) -> None:
        """Raises SchemaRefused for what ``check_schema`` refuses."""
        form_of(schema_json)
        self._tree: Tree = read_schema(schema_json)
        self._objects = ClosedObjects(self._tree)

    @property
    def root(self) -> FieldPlace:
        """The place of the answers."""
        return FieldPlace(("",), closed=True)

    def at(self, place: FieldPlace) -> Said:
        """Return what is said of a place."""
        return Said(self._tree, self._objects, place)


class Said:
    """What is said of one place."""

    def __init__(self, tree: Tree, objects: ClosedObjects, place: FieldPlace) -> None:
        self._tree = tree
        self._objects = objects
        self.place = place
        self._firm = self._reached(place.pointers, in_any_case=True)
        firm = set(self._firm)
        self._soft = [each for each in self._reached(place.pointers, in_any_case=False) if each not in firm]
        self.nodes: list[dict[str, Any]] = [node for node in map(self._node, self._firm) if node is not None]
        self.is_refused = any(tree.nodes[pointer] is False for pointer in self._firm)

    def first(self, keyword: str) -> Any:
        """Return the first value of a keyword; None where nobody says it."""
        return next((node[keyword] for node in self.nodes if keyword in node), None)

    def every(self, keyword: str) -> list[Any]:
        """Return all values of a keyword that apply in any case."""
        return [node[keyword] for node in self.nodes if keyword in node] if self.place.sure else []

    def text(self, keyword: str) -> str:
        """Return a title or description; empty where there is none."""
        value = self.first(keyword)
        return value if isinstance(value, str) else ""

    @property
    def types(self) -> frozenset[str]:
        """Types without null; of what says no type, the one that its keywords are about, or all."""
        types = _ALL
        for pointer in self.place.pointers:
            types = _common(types, self._types_of(pointer, ()))
        if types != _ALL:
            return types - {NULL}
        about = [kind for kind, keywords in _OF_KIND.items() if self._says_any(keywords)]
        return frozenset(about) if len(about) == 1 else _ALL - {NULL}

    @property
    def is_nullable(self) -> bool:
        """Whether null is allowed, and somebody says so."""
        return any(map(_names_null, [*self.nodes, *self._branches()])) and all(
            NULL in self._types_of(pointer, ()) for pointer in self.place.pointers
        )

    @property
    def choices(self) -> tuple[Choice, ...] | None:
        """The values that are allowed, null not among them; None where they are not listed."""
        lists = [self._listed(pointer) for pointer in self._firm]
        found = [choices for choices in lists if choices is not None]
        if not found:
            return None
        titled = max(found, key=lambda choices: any(choice.title for choice in choices))
        return tuple(
            choice
            for choice in titled
            if choice.value is not None
            and all(any(same(choice.value, other.value) for other in choices) for choices in found)
        )

    @property
    def required(self) -> frozenset[str]:
        """Fields that are required in any case."""
        return frozenset(name for names in self.every("required") for name in names)

    @property
    def is_strict(self) -> bool:
        """Whether fields without a name in the schema are refused."""
        refusing = [node for node in self.nodes if any(node.get(keyword) is False for keyword in _OTHERS)]
        if any("patternProperties" not in node for node in refusing):
            return True
        is_closed = any(self.place.closed and self._objects.is_closed(each) for each in self._closing())
        return is_closed and not any(self._says_of_others(each) for each in (*self._firm, *self._soft))

    def fields(self) -> dict[str, FieldPlace]:
        """Return the places of named fields; a field that several compositions name takes anything."""
        named: dict[str, list[tuple[str, str]]] = {}
        for pointer in self._firm:
            for name, child in self._properties(pointer):
                named.setdefault(name, []).append((pointer, child))
        places = {name: self._part(name, found) for name, found in named.items()}
        for name, found in self._named_perhaps().items():
            places.setdefault(name, FieldPlace(tuple(found) if len(found) == 1 else (), sure=False))
        for name in sorted(self.required):
            places.setdefault(name, FieldPlace(()))
        return places

    def entries(self) -> FieldPlace | None:
        """Return the place of the entries of a list; None where they are not all alike, or anything."""
        if any("prefixItems" in node or "unevaluatedItems" in node for node in self.nodes):
            return None
        found = [pointer for pointer in self._firm if "items" in (self._node(pointer) or {})]
        if not found:
            return None
        closed = all(self._closes_below(pointer, "items", "") for pointer in found)
        return FieldPlace(tuple(f"{pointer}/items" for pointer in found), closed=closed, sure=self.place.sure)

    def _says_of_others(self, pointer: str) -> bool:
        """Whether a subschema allows fields that it does not name."""
        node = self._node(pointer) or {}
        return "patternProperties" in node or any(node.get(each, False) is not False for each in _OTHERS)

    def _node(self, pointer: str) -> dict[str, Any] | None:
        node = self._tree.nodes[pointer]
        return node if isinstance(node, dict) else None

    def _properties(self, pointer: str) -> list[tuple[str, str]]:
        node = self._node(pointer) or {}
        return list(children(pointer, "properties", node["properties"])) if "properties" in node else []

    def _part(self, name: str, found: list[tuple[str, str]]) -> FieldPlace:
        closed = all(self._closes_below(pointer, "properties", name) for pointer, _ in found)
        return FieldPlace(tuple(child for _, child in found), closed=closed, sure=self.place.sure)

    def _closes_below(self, pointer: str, keyword: str, name: str) -> bool:
        return (
            self.place.closed
            and pointer in self._closing()
            and self._objects.closes_below(pointer, keyword, name)
        )

    def _closing(self) -> list[str]:
        """Return the subschemas at which the objects of this place are closed: behind a lone ``$ref``."""
        found = []
        for pointer in self.place.pointers:
            at = pointer
            while self._objects.leads_only(at) and self._tree.refs[at] not in found:
                at = self._tree.refs[at]
            found.append(at)
        return found

    def _named_perhaps(self) -> dict[str, list[str]]:
        """Return what may name fields, where no others are allowed anyway."""
        if not self.is_strict:
            return {}
        named: dict[str, list[str]] = {}
        for pointer in self._soft:
            for name, child in self._properties(pointer):
                named.setdefault(name, []).append(child)
            for name in (self._node(pointer) or {}).get("required", ()):
                named.setdefault(name, [])
        return named

    def _reached(self, pointers: tuple[str, ...], *, in_any_case: bool) -> list[str]:
        found = dict.fromkeys(pointers)
        waiting = list(pointers)
        while waiting:
            pointer = waiting.pop(0)
            sure = {"$ref", "allOf"} if in_any_case else {"$ref", "allOf", *_PERHAPS}
            parts = [child for keyword, child in self._tree.here(pointer) if keyword in sure]
            parts += self._beside_null(pointer) if in_any_case else []
            for child in parts:
                if child not in found:
                    found[child] = None
                    waiting.append(child)
        return list(found)

    def _beside_null(self, pointer: str) -> list[str]:
        """Return the one part of ``anyOf`` or ``oneOf`` that is not only null, if there is one."""
        node = self._node(pointer) or {}
        found = []
        for keyword in _EITHER:
            if keyword in node:
                parts = [child for _, child in children(pointer, keyword, node[keyword])]
                others = [child for child in parts if not _is_null(self._tree.nodes[child])]
                found += others if len(others) == 1 else []
        return found

    def _branches(self) -> list[Any]:
        return [part for node in self.nodes for key in _EITHER for part in node.get(key, ())]

    def _says_any(self, keywords: tuple[str, ...]) -> bool:
        return any(keyword in node for node in self.nodes for keyword in keywords)

    def _listed(self, pointer: str) -> list[Choice] | None:
        node = self._node(pointer) or {}
        if "const" in node:
            return [_choice(node)]
        if "enum" in node:
            return [Choice(value) for value in node["enum"]]
        for keyword in _EITHER:
            parts = node.get(keyword)
            if parts and all(isinstance(p, dict) and p.keys() <= _LABELS and "const" in p for p in parts):
                return [_choice(part) for part in parts]
        return None

    def _types_of(self, pointer: str, path: tuple[str, ...]) -> frozenset[str]:
        node = self._tree.nodes[pointer]
        if not isinstance(node, dict):
            return _ALL if node else frozenset()
        types = _said_types(node)
        either: dict[str, frozenset[str]] = {}
        for keyword, child in self._tree.here(pointer):
            if keyword in {"$ref", "allOf"}:
                types = _common(types, self._types_of(child, (*path, pointer)))
            elif keyword in _EITHER:
                either[keyword] = either.get(keyword, frozenset()) | self._types_of(child, (*path, pointer))
        for each in either.values():
            types = _common(types, each)
        return types


def _said_types(node: dict[str, Any]) -> frozenset[str]:
    said = node.get("type")
    types = _ALL if said is None else frozenset([said] if isinstance(said, str) else said)
    values = node.get("enum", [node["const"]] if "const" in node else None)
    return types if values is None else _common(types, frozenset(map(kind_of, values)))


def _common(some: frozenset[str], others: frozenset[str]) -> frozenset[str]:
    whole = {"integer", "number"}
    both = {"integer"} if some & whole and others & whole else frozenset[str]()
    return some & others | both


def _is_null(node: Any) -> bool:
    return isinstance(node, dict) and (
        node.get("type") == NULL or ("const" in node and node["const"] is None) or node.get("enum") == [None]
    )


def _names_null(node: Any) -> bool:
    if not isinstance(node, dict):
        return False
    said = node.get("type")
    return _is_null(node) or (isinstance(said, list) and NULL in said) or None in node.get("enum", ())


def _choice(node: dict[str, Any]) -> Choice:
    title, description = node.get("title"), node.get("description")
    return Choice(
        node["const"],
        title if isinstance(title, str) else "",
        description if isinstance(description, str) else "",
    )
