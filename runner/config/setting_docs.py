"""What every setting means, and what it is now: the words of the schema beside the values in effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runner.config.environment import LEVEL, PREFIX
from runner.config.model import Config
from runner.config.schema import json_schema
from runner.config.schema_tree import Path, Shape, nearest, shape_of


@dataclass(frozen=True, slots=True)
class Guide:
    """One setting."""

    name: str
    """Its path in a file, with dots."""
    variable: str
    """Its name in the environment."""
    value: Any
    """What holds; secrets are masked."""
    shape: Shape


def guides(config: Config, asked: Sequence[str]) -> list[Guide]:
    """Return the settings of these names, each a setting or a section; all of them for none.

    Raises LookupError with the name that is nothing, and what was perhaps meant.
    """
    shape = shape_of(json_schema())
    tree = config.describe()
    known = [_guide(path, shape, tree) for path in shape.settings()]
    if not asked:
        return known
    return [guide for name in asked for guide in _named(name, known)]


def _named(name: str, known: Sequence[Guide]) -> list[Guide]:
    found = [guide for guide in known if guide.name == name or guide.name.startswith(f"{name}.")]
    if not found:
        names = [guide.name for guide in known]
        near = nearest(name, [*names, *(each.partition(".")[0] for each in names)])
        raise LookupError(f"{name} is not a setting; {'see them all' if near is None else f'use {near}'}")
    return found


def _guide(path: Path, shape: Shape, tree: Any) -> Guide:
    place = shape.at(path)
    for name in path:
        tree = tree[name]
    if place is None:
        raise LookupError(".".join(path))
    return Guide(".".join(path), PREFIX + LEVEL.join(path).upper(), tree, place)
