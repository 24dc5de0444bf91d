"""Violations: what is wrong with a request, as answers say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runner.envelope.plain import is_well_formed


def violations_of(errors: Sequence[Mapping[str, Any]], above: str = "") -> list[dict[str, str]]:
    """Return the errors of a model as violations; ``above``: what stands before each pointer."""
    return [
        {"pointer": above + _pointer(each["loc"]), "rule": _text(each["type"]), "message": _text(each["msg"])}
        for each in errors
    ]


def place_of(location: Sequence[Any]) -> tuple[str, Sequence[Any]]:
    """Return where in a request something is wrong: body, query, path or header, and where in that."""
    return (str(location[0]), location[1:]) if location else ("", ())


def _pointer(location: Sequence[Any]) -> str:
    return "".join(f"/{_text(str(each)).replace('~', '~0').replace('/', '~1')}" for each in location)


def _text(text: str) -> str:
    return text if is_well_formed(text) else text.encode("utf-8", "backslashreplace").decode()
