"""A definition in a file, as people write it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import typer

from runner.cli.screen import plain
from runner.config.yaml_file import read_yaml
from runner.envelope.plain import decode
from runner.errors import FatalError

NAMES: Final = ("taskSpec", "description", "schema", "uiOrder", "uiWidgets", "outcomes")
"""What a definition consists of; the home says what is wrong with their values."""

_STANDARD_INPUT: Final = Path("-")


def read_definition(file: Path) -> dict[str, Any]:
    """Return the definition in a file of YAML or JSON, or on standard input.

    Wrong usage where it cannot be read, FatalError where it is no definition.
    """
    name = "standard input" if file == _STANDARD_INPUT else str(file)
    try:
        data = sys.stdin.buffer.read() if file == _STANDARD_INPUT else file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{name} cannot be read: {error.strerror}") from error
    try:
        tree = _tree(data)
    except UnicodeDecodeError as error:
        raise FatalError(f"{name}: is not UTF-8 (byte {error.start})") from error
    except (ValueError, RecursionError) as error:
        raise FatalError(f"{name}: {plain(str(error))}") from error
    if not isinstance(tree, Mapping):
        raise FatalError(f"{name}: holds no definition, but should have {', '.join(NAMES)}")
    unknown = [str(field) for field in tree if field not in NAMES]
    if unknown:
        raise FatalError(
            f"{name}: {plain(unknown[0], 100)} is no part of a definition; it has {', '.join(NAMES)}"
        )
    missing = [field for field in ("taskSpec", "schema") if tree.get(field) is None]
    if missing:
        raise FatalError(f"{name}: {missing[0]} is missing; a definition needs taskSpec and schema")
    return dict(tree)


def _tree(data: bytes) -> Any:
    """Return what a file says: JSON where it begins with a brace, whose numbers keep their digits."""
    text = data.decode("utf-8-sig")
    if not text.lstrip().startswith("{"):
        return read_yaml(text)
    try:
        return decode(text.encode())
    except ValueError as error:
        raise ValueError(f"is no JSON: {error}") from error
