"""The configuration file: its bytes become a tree of plain values, or one clear problem.

Only what every version of YAML reads alike is taken. YAML 1.1 takes yes for true, 0777 for 511 and 7:00:00
for 25200; YAML 1.2 (its core schema) takes the first and the last for text and the second for 777. Whoever
wrote one of them meant one thing, so it is refused with its place; and so are dates, sets and bytes, which no
setting is.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from runner.config.problems import ConfigError, Problem

_LARGEST_SECRET_BYTES: Final = 65_536
_CORRECT: Final = "correct the file"


def read_tree(path: Path) -> dict[str, Any]:
    """Return the settings of a file; empty for an empty file. Raises ConfigError with one problem."""
    text = _read_text(path, "a configuration is YAML; config/runner.yaml lists every setting")
    try:
        tree = read_yaml(text)
    except ValueError as error:
        raise _refused(path, str(error), _CORRECT) from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise _refused(path, 'holds no settings, but should be lines of "key: value"', _CORRECT)
    return tree


def read_yaml(text: str) -> Any:
    """Return the value of a text of YAML; ValueError says why it has none, or more than one."""
    try:
        return yaml.load(text, Loader=Loader)  # noqa: S506 - derived from the safe loader
    except yaml.MarkedYAMLError as error:
        raise ValueError(f"is no YAML{_place(error)}: {error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # ValueError: more digits than Python reads. RecursionError: brackets without end.
        raise ValueError(f"is no YAML: {str(error).splitlines()[0]}") from error
    except (AttributeError, LookupError, TypeError) as error:
        # The library takes a tag at its word: "!!int" with nothing behind it, "!!bool x".
        raise ValueError("is no YAML: a value is not what its tag (!!…) says") from error


def read_secret(path: Path) -> str:
    """Return the secret in a file, without the line end. No ConfigError ever holds the text."""
    text = _read_text(path, "put the secret into it as text", limit_bytes=_LARGEST_SECRET_BYTES)
    secret = text.rstrip("\r\n")
    if not secret:
        raise _refused(path, "is empty", "put the secret into it")
    return secret


def _place(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark
    return "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"


def _read_text(path: Path, remedy: str, limit_bytes: int | None = None) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(-1 if limit_bytes is None else limit_bytes + 1)
    except FileNotFoundError as error:
        raise _refused(path, "does not exist", "correct the path or make the file") from error
    except IsADirectoryError as error:
        raise _refused(path, "is a directory", "name a file in it") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _refused(path, f"cannot be read: {reason}", "correct the path or its permissions") from error
    if limit_bytes is not None and len(data) > limit_bytes:
        raise _refused(path, f"is larger than {limit_bytes} bytes", remedy)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused(path, f"is not UTF-8 (byte {error.start})", remedy) from error


def _refused(path: Path, what: str, remedy: str) -> ConfigError:
    return ConfigError([Problem(str(path), "", what, remedy)])


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
    """A loader that refuses ambiguous values and duplicate keys."""

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
        keys = set()
        for key_node, _ in node.value:
            key = (key_node.tag, key_node.value) if isinstance(key_node, yaml.ScalarNode) else None
            if key is not None and key in keys:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key_node.value} is given twice", key_node.start_mark
                )
            keys.add(key)
        return super().construct_mapping(node, deep=deep)


class _Dumper(yaml.SafeDumper):
    """A dumper whose output the loader accepts."""


def is_ambiguous(text: str) -> bool:
    """Whether YAML 1.1 and YAML 1.2 read a plain text differently."""
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
        None, None, f"a !!{tag} is not taken; put it in quotes where text is meant", node.start_mark
    )


def _represented(dumper: _Dumper, text: str) -> yaml.Node:
    # A line break of Unicode is one only in some versions; between double quotes it is written as an escape.
    style = '"' if _UNICODE_BREAK.search(text) else "'" if is_ambiguous(text) else None
    return dumper.represent_scalar(f"{_TAG}str", text, style=style)


for _name in _NO_SETTING:
    Loader.add_constructor(_TAG + _name, _no_setting)
_Dumper.add_representer(str, _represented)
