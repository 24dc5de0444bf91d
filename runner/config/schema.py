"""The JSON Schema of the configuration, and the tree of settings that exist, which is read from it.

Environment variables and misspelt keys are looked up in the tree, so that there is one list of settings only.
``python -m runner.config.schema`` prints the schema, for editors: ``schemas/config.schema.json``. A test
compares the two.
"""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from runner.config.model import Config

Path = tuple[str, ...]

_CLOSE_ENOUGH: Final = 0.75


@dataclass(frozen=True, slots=True)
class SchemaNode:
    """What may stand at one place of the tree.

    ``children`` are its settings by their YAML names; ``free`` is the shape of a value whose name the
    operator chooses (a domain, a property), if there may be any. ``types`` are JSON Schema's.
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
        """The shape at a path of YAML names below this one; None where no setting is."""
        place: SchemaNode | None = self
        for name in path:
            place = None if place is None else place.children.get(name, place.free)
        return place

    def settings(self, above: Path = ()) -> Iterator[Path]:
        """The path of every setting, in the order of the classes; sections and free names left out."""
        for name, child in self.children.items():
            if child.children:
                yield from child.settings((*above, name))
            else:
                yield (*above, name)


def schema_tree(schema: Mapping[str, Any]) -> SchemaNode:
    """The tree of a JSON Schema as pydantic makes it: ``properties``, ``$ref``, ``anyOf`` with null."""
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
        choices=tuple(whole.get("enum", ())),
        limits=limits,
        default=whole.get("default"),
    )


def _flat(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The node with its ``$ref`` and the branch that is not null laid over each other."""
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
    """A name without what spellings differ in: ``partition_width`` and ``PARTITIONWIDTH`` are one."""
    return name.lower().replace("_", "").replace("-", "").replace(".", "")


def matching(name: str, known: Iterable[str]) -> str | None:
    """The known name that this is another spelling of."""
    return next((candidate for candidate in known if plain(candidate) == plain(name)), None)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant; None if none is near."""
    names = list(known)
    exact = matching(name, names)
    if exact is not None:
        return exact
    by_plain = {plain(candidate): candidate for candidate in names}
    close = difflib.get_close_matches(plain(name), by_plain, n=1, cutoff=_CLOSE_ENOUGH)
    return by_plain[close[0]] if close else None


DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema (2020-12) of a configuration file, with every default and description."""
    head = {"$schema": DIALECT, "title": "Configuration of saga-task-runner"}
    return head | {
        name: _untitled(child) for name, child in Config.model_json_schema().items() if name != "title"
    }


def text() -> str:
    """The schema as it stands in its file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _untitled(node: Any) -> Any:
    """Without the titles made from names, which only repeat them."""
    if isinstance(node, dict):
        return {
            name: _untitled(child)
            for name, child in node.items()
            if not (name == "title" and isinstance(child, str))
        }
    return [_untitled(child) for child in node] if isinstance(node, list) else node


if __name__ == "__main__":
    sys.stdout.write(text())
