"""What every setting means, and what it is now: the words of the schema beside the values in effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runner.config.environment import LEVEL, PREFIX
from runner.config.model import Config
from runner.config.schema import Path, SchemaNode, json_schema, nearest, schema_tree


@dataclass(frozen=True, slots=True)
class SettingDoc:
    """One setting."""

    name: str
    """Its path in a file, with dots."""
    variable: str
    """Its name in the environment."""
    value: Any
    """What holds; secrets are masked."""
    schema_node: SchemaNode


def setting_docs(config: Config, asked: Sequence[str]) -> list[SettingDoc]:
    """Return the settings of these names, each a setting or a section; all of them for none.

    Raises LookupError with the name that is nothing, and what was perhaps meant.
    """
    schema_node = schema_tree(json_schema())
    tree = config.describe()
    known = [_setting_doc(path, schema_node, tree) for path in schema_node.settings()]
    if not asked:
        return known
    return [setting_doc for name in asked for setting_doc in _named(name, known)]


def _named(name: str, known: Sequence[SettingDoc]) -> list[SettingDoc]:
    found = [
        setting_doc
        for setting_doc in known
        if setting_doc.name == name or setting_doc.name.startswith(f"{name}.")
    ]
    if not found:
        names = [setting_doc.name for setting_doc in known]
        near = nearest(name, [*names, *(each.partition(".")[0] for each in names)])
        raise LookupError(f"{name} is not a setting; {'see them all' if near is None else f'use {near}'}")
    return found


def _setting_doc(path: Path, schema_node: SchemaNode, tree: Any) -> SettingDoc:
    place = schema_node.at(path)
    for name in path:
        tree = tree[name]
    if place is None:
        raise LookupError(".".join(path))
    return SettingDoc(".".join(path), PREFIX + LEVEL.join(path).upper(), tree, place)
