"""What a schema may cost: how often its subschemas are applied to one value of an answer, at most.

Counted when a schema is defined, so that what grows without bounds is refused: a ``$ref`` that comes back
to itself on the same value, compositions that double with each level of schema or of answers. The unit is
about five nanoseconds of the validator; the weights are measured (docs/forms.md).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import jsonschema_rs

from runner.forms.refusal import SchemaRefused
from runner.forms.tree import Tree, patterns_of

MAX_COST: Final = 100_000
"""Units for one value of an answer."""
MAX_LEVELS: Final = 200
"""Levels of an answer: those of a message."""
MAX_CHAIN: Final = 64
"""Schemas that lead from one to the next on the same value; this times levels bounds the stack."""
MAX_STEPS: Final = 1_000_000
"""Steps that counting itself may take."""
REGEX_BYTES: Final = 262_144
"""Bytes of a compiled regular expression, and of the memory that it is matched in."""

_FIELD: Final = "field"
_ENTRY: Final = "entry"
_OF_LISTS: Final = frozenset({"prefixItems", "items", "contains", "unevaluatedItems"})
_RESTS: Final = frozenset({"additionalProperties", "unevaluatedProperties", "items", "unevaluatedItems"})
_Parts = dict[tuple[str, str | None], int]
"""What a field or an entry costs by its name or index; None is any that is not named."""

_AGAIN: Final = 3
"""How often unevaluated* looks into each composition beside it."""
_NUMBER: Final = 200
_VALUE: Final = 4
_WHOLE: Final = 3
_DIVIDED: Final = 50
_HASHED: Final = 20


class Cost:
    """Counts what the subschemas of a tree cost; ``most`` is the answer."""

    def __init__(self, tree: Tree) -> None:
        """Raises SchemaRefused."""
        self._tree = tree
        self._here: dict[str, int] = {}
        self._steps = 0
        for pointer in tree.nodes:
            self._cost_here(pointer, ())
        self.most = self._cost_below()
        self.is_unique = any(isinstance(node, dict) and "uniqueItems" in node for node in tree.nodes.values())

    def _cost_here(self, pointer: str, path: tuple[str, ...]) -> int:
        """Return what a subschema costs with all that applies to the same value."""
        known = self._here.get(pointer)
        if known is not None:
            return known
        if pointer in path:
            raise SchemaRefused(pointer, "comes back to itself by $ref on the same value")
        if len(path) > MAX_CHAIN:
            raise SchemaRefused(pointer, f"is a chain of more than {MAX_CHAIN} schemas on the same value")
        node = self._tree.nodes[pointer]
        parts = sum(self._cost_here(child, (*path, pointer)) for _, child in self._tree.here(pointer))
        total = _weight(pointer, node) + parts * _times(node)
        if total > MAX_COST:
            raise SchemaRefused(
                pointer, "costs too much: its compositions multiply, or it lists too many numbers"
            )
        self._here[pointer] = total
        return total

    def _cost_below(self) -> int:
        """Return the most that any one value costs, however deep in an answer it is."""
        worst = dict(self._here)
        for _ in range(MAX_LEVELS):
            parts = self._parts(worst)
            deeper = {pointer: max(cost, *parts[pointer].values()) for pointer, cost in self._here.items()}
            for pointer, cost in deeper.items():
                if cost > MAX_COST:
                    raise SchemaRefused(
                        pointer, "costs too much: what it applies to one part of a value multiplies"
                    )
            if deeper == worst:
                break
            worst = deeper
        return max(worst.values())

    def _parts(self, worst: dict[str, int]) -> dict[str, _Parts]:
        """Return for each subschema what the parts of its value cost.

        A subschema costs more than each that it applies to the same value, so it comes behind them.
        """
        found: dict[str, _Parts] = {}
        for pointer in sorted(self._here, key=self._here.__getitem__):
            parts = self._own_parts(pointer, worst)
            times = _times(self._tree.nodes[pointer])
            for _, child in self._tree.here(pointer):
                parts = _sum(parts, found[child], times)
                self._step(pointer, len(parts))
            self._step(pointer, len(parts))
            found[pointer] = parts
        return found

    def _own_parts(self, pointer: str, worst: dict[str, int]) -> _Parts:
        """Return what a subschema by itself costs its parts: a rest is not applied to what has a name."""
        node = self._tree.nodes[pointer]
        every, rest = {_FIELD: 1, _ENTRY: 1}, {_FIELD: 0, _ENTRY: 0}
        named: _Parts = {}
        for keyword, name, child in self._tree.below(pointer):
            kind = _ENTRY if keyword in _OF_LISTS else _FIELD
            if keyword in {"properties", "prefixItems"}:
                named[kind, name] = worst[child]
            elif keyword in _RESTS:
                rest[kind] += worst[child]
            else:
                every[kind] += worst[child]
        if isinstance(node, dict):
            every[_FIELD] += sum(regex_cost(pattern) for pattern in node.get("patternProperties", ()))
        parts = {(kind, name): cost + every[kind] for (kind, name), cost in named.items()}
        return parts | {(kind, None): every[kind] + rest[kind] for kind in every}

    def _step(self, pointer: str, count: int) -> None:
        self._steps += 1 + count
        if self._steps > MAX_STEPS:
            raise SchemaRefused(pointer, "is too complex to tell what it costs")


def _sum(some: _Parts, others: _Parts, times: int) -> _Parts:
    """Return what is applied to each part by both, by the others so many times."""
    return {
        (kind, name): some.get((kind, name), some[kind, None])
        + times * others.get((kind, name), others[kind, None])
        for kind, name in some | others
    }


def _times(node: Any) -> int:
    again = isinstance(node, dict) and ("unevaluatedProperties" in node or "unevaluatedItems" in node)
    return _AGAIN if again else 1


def _weight(pointer: str, node: Any) -> int:
    """Return what the keywords of one subschema cost by themselves."""
    if not isinstance(node, dict):
        return 1
    weight = 1 + len(node) + len(_listed(node.get("required")))
    needed = node.get("dependentRequired")
    weight += sum(1 + len(_listed(names)) for names in needed.values()) if isinstance(needed, dict) else 0
    weight += _compared(_listed(node.get("enum"))) + _compared([node.get("const")])
    weight += _DIVIDED * ("multipleOf" in node) + _HASHED * ("uniqueItems" in node)
    return weight + sum(regex_cost(pattern, at) for at, pattern in patterns_of(pointer, node))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _compared(values: list[Any]) -> int:
    """Texts are looked up; a list with other values is gone through, and numbers are slow to compare."""
    if all(isinstance(value, str | bool | None) for value in values):
        return 1
    if are_whole(values):
        return _WHOLE * len(values)
    return sum(_NUMBER if isinstance(value, int | float) else _VALUE for value in values)


def are_whole(values: Any) -> bool:
    """Whether all values of an ``enum`` are whole numbers: others need not be compared with them."""
    return isinstance(values, list) and bool(values) and all(type(value) is int for value in values)


def regex_options(size: int = REGEX_BYTES) -> jsonschema_rs.RegexOptions:
    """Return the options of the engine that matches in linear time."""
    return jsonschema_rs.RegexOptions(size_limit=size, dfa_size_limit=REGEX_BYTES)


@lru_cache(maxsize=4096)
def regex_cost(pattern: str, at: str = "") -> int:
    """Return what a character costs at worst: it grows with the size of the compiled expression.

    Raises SchemaRefused for what the engine does not take.
    """
    size = 2048
    while size <= REGEX_BYTES:
        try:
            jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=regex_options(size))
        except jsonschema_rs.ValidationError:
            size *= 2
        else:
            return size // 128
    raise SchemaRefused(
        at, "must be a regular expression without look-around and back-references, and not so large"
    )
