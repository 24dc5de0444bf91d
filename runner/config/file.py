"""The configuration file: from bytes on disk to a tree of plain values, or one clear problem."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from runner.config.dialect import Loader
from runner.config.problems import ConfigError, Problem

_LARGEST_SECRET_BYTES: Final = 65_536
_CORRECT: Final = "correct the file"


def read_tree(path: Path) -> dict[str, Any]:
    """The file's settings as they stand; empty for an empty file. Raises ConfigError with one problem."""
    text = _read_text(path, "a configuration is YAML; config/runner.yaml lists every setting")
    try:
        tree = yaml.load(text, Loader=Loader)  # noqa: S506 - derived from the safe loader
    except yaml.MarkedYAMLError as error:
        raise _refused(path, f"is no YAML{_place(error)}: {error.problem}", _CORRECT) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # ValueError: more digits than Python reads. RecursionError: brackets without end.
        raise _refused(path, f"is no YAML: {str(error).splitlines()[0]}", _CORRECT) from error
    except (AttributeError, LookupError, TypeError) as error:
        # The library takes a tag at its word: "!!int" with nothing behind it, "!!bool x".
        raise _refused(path, "is no YAML: a value is not what its tag (!!…) says", _CORRECT) from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise _refused(path, 'holds no settings, but should be lines of "key: value"', _CORRECT)
    return tree


def read_secret(path: Path) -> str:
    """The text of a file that holds one secret, less the line end. No ConfigError ever holds the text."""
    text = _read_text(path, "put the secret into it as text", limit_bytes=_LARGEST_SECRET_BYTES)
    secret = text.rstrip("\r\n")
    if not secret:
        raise _refused(path, "is empty", "put the secret into it")
    return secret


def _place(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark
    return "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"


def _read_text(path: Path, meant: str, limit_bytes: int | None = None) -> str:
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
        raise _refused(path, f"is larger than {limit_bytes} bytes", meant)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused(path, f"is not UTF-8 (byte {error.start})", meant) from error


def _refused(path: Path, what: str, remedy: str) -> ConfigError:
    return ConfigError([Problem(str(path), "", what, remedy)])
