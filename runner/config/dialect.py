"""The YAML of the configuration: only what every version of YAML reads alike.

YAML 1.1 takes yes for true, 0777 for 511 and 7:00:00 for 25200; YAML 1.2 (its core schema) takes the first
and the last for text and the second for 777. Whoever wrote one of them meant one thing, so it is refused
with its place, and with it what settings never are: dates, sets, bytes.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from typing import Any, Final

import yaml

_TAG: Final = "tag:yaml.org,2002:"
_CORE: Final = (
    ("null", re.compile(r"~|null|Null|NULL|")),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE")),
    ("int", re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")),
    (
        "float",
        re.compile(
            r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
        ),
    ),
)
"""What plain text stands for in YAML 1.2; all else is text."""
_OCTAL: Final = re.compile(r"[-+]?0[0-9]+")
_NO_SETTING: Final = ("timestamp", "binary", "set", "omap", "pairs")
_UNICODE_BREAK: Final = re.compile("[\x85\u2028\u2029]")
_MERGE: Final = f"{_TAG}merge"


class Loader(yaml.SafeLoader):
    """Refuses what can be read in two ways, and a key that is given twice."""

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        """Return a scalar; where it is plain, only if every version reads it alike."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if event.implicit[0] and is_ambiguous(event.value):
            raise yaml.constructor.ConstructorError(
                None,
                None,
                f"YAML 1.1 and 1.2 read {event.value} differently: put it in quotes where text is meant, "
                "else write true, false or a plain number",
                event.start_mark,
            )
        return super().compose_scalar_node(anchor)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - the loader's own signature
        """Return a mapping; YAML lets a later key silently win over an earlier one."""
        seen = set()
        for key_node, _ in node.value:
            key = (key_node.tag, key_node.value) if isinstance(key_node, yaml.ScalarNode) else None
            if key is not None and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key_node.value} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


class _Dumper(yaml.SafeDumper):
    """Writes nothing that the loader would refuse."""


def is_ambiguous(text: str) -> bool:
    """Whether plain text stands for one thing in YAML 1.1, and for another in YAML 1.2."""
    kind = next((kind for kind, pattern in _CORE if pattern.fullmatch(text)), "str")
    before = _tag_of_1_1(text)
    return before != _MERGE and (
        before != _TAG + kind or (kind == "int" and _OCTAL.fullmatch(text) is not None)
    )


def dump(tree: Mapping[str, Any]) -> str:
    """Return a tree as YAML, which reads back as it was."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _tag_of_1_1(text: str) -> str:
    tag: str = yaml.SafeLoader("").resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return tag


def _no_setting(_: yaml.SafeLoader, node: yaml.Node) -> Any:
    tag = node.tag.removeprefix(_TAG)
    raise yaml.constructor.ConstructorError(
        None, None, f"no setting is a !!{tag}; put it in quotes where text is meant", node.start_mark
    )


def _represented(dumper: _Dumper, text: str) -> yaml.Node:
    # A line break of Unicode is one only in some versions; between double quotes it is written as an escape.
    style = '"' if _UNICODE_BREAK.search(text) else "'" if is_ambiguous(text) else None
    return dumper.represent_scalar(f"{_TAG}str", text, style=style)


for _name in _NO_SETTING:
    Loader.add_constructor(_TAG + _name, _no_setting)
_Dumper.add_representer(str, _represented)
