"""What a schema may cost: how often its subschemas are applied to one value of an answer, at most.

Counted when a schema is defined, so that what grows without bounds is refused: a ``$ref`` that comes back
to itself on the same value, compositions that double with each level of schema or of answers. The unit is
about five nanoseconds of the validator; the weights are measured (docs/forms.md).
"""

from __future__ import annotations

from collections import Counter
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
"""Schemas that lead from one to the next on the same value: with the levels of an answer they bound the stack."""
MAX_STEPS: Final = 1_000_000
"""Steps that counting itself may take."""
REGEX_BYTES: Final = 262_144
"""Bytes of a compiled regular expression, and of the memory that it is matched in."""

_ANY: Final = ""
"""Parts of a value that no name tells apart."""
_AGAIN: Final = 3
"""How often unevaluated* looks into each composition beside it."""
_COMPARED: Final = 50
_COMPARED_MIXED: Final = 200
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
            raise SchemaRefused(pointer, "is applied too often to one value: its compositions multiply")
        self._here[pointer] = total
        return total

    def _cost_below(self) -> int:
        """Return the most that any one value costs, however deep in an answer it is."""
        worst = dict(self._here)
        for _ in range(MAX_LEVELS):
            parts = self._parts(worst)
            deeper = {
                pointer: max(cost, parts[pointer][_ANY], *parts[pointer].values())
                for pointer, cost in self._here.items()
            }
            for pointer, cost in deeper.items():
                if cost > MAX_COST:
                    raise SchemaRefused(pointer, "is applied too often to one value: it multiplies downwards")
            if deeper == worst:
                break
            worst = deeper
        return max(worst.values())

    def _parts(self, worst: dict[str, int]) -> dict[str, Counter[str]]:
        """Return by name what the parts of a value cost, for each subschema that may be applied to it.

        The count of a name includes what is applied to a part of any name.
        """
        found: dict[str, Counter[str]] = {}
        for pointer in sorted(self._here, key=self._order):
            found[pointer] = self._named_parts(pointer, worst, found)
        return found

    def _order(self, pointer: str) -> int:
        """A subschema costs more than each that it applies to the same value, so it comes behind them."""
        return self._here[pointer]

    def _named_parts(
        self, pointer: str, worst: dict[str, int], found: dict[str, Counter[str]]
    ) -> Counter[str]:
        node = self._tree.nodes[pointer]
        named: Counter[str] = Counter()
        everywhere = 1
        for keyword, name, child in self._tree.below(pointer):
            if keyword in {"properties", "prefixItems"}:
                named[f"{keyword}/{name}"] += worst[child]
            else:
                everywhere += worst[child]
        if isinstance(node, dict):
            everywhere += sum(regex_cost(pattern) for pattern in node.get("patternProperties", ()))
        for _, child in self._tree.here(pointer):
            inner = found[child]
            everywhere += inner[_ANY] * _times(node)
            for name, count in inner.items():
                if name != _ANY:
                    named[name] += (count - inner[_ANY]) * _times(node)
            self._step(pointer, len(inner))
        self._step(pointer, len(named))
        return Counter({name: count + everywhere for name, count in named.items()} | {_ANY: everywhere})

    def _step(self, pointer: str, count: int) -> None:
        self._steps += 1 + count
        if self._steps > MAX_STEPS:
            raise SchemaRefused(pointer, "is too complex to tell what it costs")


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
    weight += _enum_weight(_listed(node.get("enum")))
    weight += _COMPARED * sum(keyword in node for keyword in ("const", "multipleOf"))
    weight += _HASHED * ("uniqueItems" in node)
    return weight + sum(regex_cost(pattern, at) for at, pattern in patterns_of(pointer, node))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _enum_weight(values: list[Any]) -> int:
    """Texts are looked up; other values are compared one by one."""
    if all(type(value) is str for value in values):
        return 1
    return len(values) * (_COMPARED if all(type(value) is int for value in values) else _COMPARED_MIXED)


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
