"""The tree of settings that exist, read from the JSON Schema of the configuration.

Environment variables and misspelt keys are looked up here, so that there is one list of settings only.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from runner.config.sections.section import Path

_CLOSE_ENOUGH: Final = 0.75


@dataclass(frozen=True, slots=True)
class SchemaNode:
    """A setting or section of the tree, and what it accepts.

    ``children`` are its settings by their YAML names; ``free`` is the shape of a value whose name the
    operator chooses (a domain, a property), if there may be any. ``types`` are JSON Schema's; ``choices`` are
    those of the items, where it is a list.
    """

    children: Mapping[str, SchemaNode]
    free: SchemaNode | None
    types: frozenset[str]
    choices: tuple[str, ...]
    limits: tuple[int, int] | None
    default: Any

    @property
    def is_text(self) -> bool:
        """Whether text is a value as it stands, and must not be read as a number or a list."""
        return "string" in self.types

    def at(self, path: Path) -> SchemaNode | None:
        """Return the node at a path of YAML names; None where there is no setting."""
        place: SchemaNode | None = self
        for name in path:
            place = None if place is None else place.children.get(name, place.free)
        return place

    def settings(self, above: Path = ()) -> Iterator[Path]:
        """Give the path of every setting, in the order of the classes, without sections and free names."""
        for name, child in self.children.items():
            if child.children:
                yield from child.settings((*above, name))
            else:
                yield (*above, name)


def schema_tree(schema: Mapping[str, Any]) -> SchemaNode:
    """Return the tree of a JSON Schema made by pydantic: ``properties``, ``$ref``, ``anyOf`` with null."""
    return _schema_node(schema, schema.get("$defs", {}))


def _schema_node(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> SchemaNode:
    whole = _flat(node, definitions)
    free = next(iter(whole.get("patternProperties", {}).values()), whole.get("additionalProperties"))
    limits = (whole["minimum"], whole["maximum"]) if "minimum" in whole and "maximum" in whole else None
    return SchemaNode(
        children={
            name: _schema_node(child, definitions) for name, child in whole.get("properties", {}).items()
        },
        free=_schema_node(free, definitions) if isinstance(free, Mapping) else None,
        types=_types(node, definitions),
        choices=tuple(whole.get("enum", whole.get("items", {}).get("enum", ()))),
        limits=limits,
        default=whole.get("default"),
    )


def _flat(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return a node merged with its ``$ref`` and with its branch that is not null."""
    whole: dict[str, Any] = {}
    for branch in node.get("anyOf", ()):
        if branch.get("type") != "null":
            whole |= _flat(branch, definitions)
    if "$ref" in node:
        whole |= _flat(definitions[node["$ref"].rpartition("/")[2]], definitions)
    return whole | dict(node)


def _types(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> frozenset[str]:
    if "anyOf" in node:
        return frozenset[str]().union(*(_types(branch, definitions) for branch in node["anyOf"]))
    types = _flat(node, definitions).get("type", ())
    return frozenset([types] if isinstance(types, str) else types)


def plain(name: str) -> str:
    """Return a name without case and separators: ``partition_width`` and ``PARTITIONWIDTH`` are equal."""
    return name.lower().replace("_", "").replace("-", "").replace(".", "")


def matching(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that differs in spelling only; None without one."""
    return next((candidate for candidate in known if plain(candidate) == plain(name)), None)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar; None if none is similar enough."""
    names = list(known)
    exact = matching(name, names)
    if exact is not None:
        return exact
    by_plain = {plain(candidate): candidate for candidate in names}
    close = difflib.get_close_matches(plain(name), by_plain, n=1, cutoff=_CLOSE_ENOUGH)
    return by_plain[close[0]] if close else None
