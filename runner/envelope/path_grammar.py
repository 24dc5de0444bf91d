"""The grammar of paths with brackets: names, quoted names, indexes and queries.

Between ``paths``, which tells the kinds of paths apart, and ``jsonpath``, whose library knows fewer names and
no escapes: a query is written anew for it, with every name in quotes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

_NAME: Final = r"""[^.\[\]*'"`|&(),?=<>!~\\]+"""
_QUOTED: Final = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_SEGMENT: Final = re.compile(
    rf"\.(?P<name>{_NAME})|\[(?P<index>-?[0-9]{{1,9}})\]|\[(?P<quoted>{_QUOTED})\]", re.DOTALL
)
_SEGMENTS: Final = re.compile(f"(?:{_SEGMENT.pattern.replace('?P<', '?P<one_')})+", re.DOTALL)
_INSIDE: Final = rf"(?:{_QUOTED}|[^\[\]'\"])*"
_STEP: Final = re.compile(
    rf"(?P<dots>\.\.?)(?P<name>{_NAME}|\*)|(?P<descent>\.\.)(?=\[)|\.`[^`]*`"
    rf"|\[(?P<inside>(?:{_INSIDE}\[{_INSIDE}\])*{_INSIDE})\]",
    re.DOTALL,
)
_STEPS: Final = re.compile(f"(?:{_STEP.pattern.replace('?P<', '?P<one_')})+", re.DOTALL)
_TEXT: Final = re.compile(_QUOTED, re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(u[dD][89abAB]..\\u[dD][c-fC-F]..|u....|.)", re.DOTALL)
_WORD: Final = re.compile(r"\s(?:where|wherenot)\s")
"""Words of the library between two paths."""


class NoPath(Exception):
    """The text is no path; the exception says why."""


@dataclass(frozen=True, slots=True)
class Selected:
    """A segment in brackets: an index (only of an array) or a name (only of an object)."""

    key: str | int


def segments_in(rest: str) -> tuple[str | Selected, ...] | None:
    """Return the way of a path with plain brackets; None for a query. Raises NoPath for a bad name.

    ``rest`` is what stands behind the start: it opens with a dot or a bracket.
    """
    if _SEGMENTS.fullmatch(rest) is None or _WORD.search(rest):
        return None
    return tuple(_segment(match) for match in _SEGMENT.finditer(rest))


def query_in(rest: str) -> str | None:
    """Return a query as its library reads it, from the start ``$``; None for what only the library knows.

    Raises NoPath for a bad name.
    """
    if _STEPS.fullmatch(rest) is None or _WORD.search(rest):
        return None
    return "$" + "".join(_step(match) for match in _STEP.finditer(rest))


def _segment(match: re.Match[str]) -> str | Selected:
    name, index, quoted = match.group("name", "index", "quoted")
    if name is not None:
        return str(name)
    return Selected(int(index)) if index is not None else Selected(_unquoted(quoted))


def _step(match: re.Match[str]) -> str:
    dots, name, inside = match.group("dots", "name", "inside")
    if inside is not None:
        return (
            f"[{_TEXT.sub(_again, inside) if inside.lstrip().startswith('?') else _TEXT.sub(_name, inside)}]"
        )
    if name is None or name == "*":
        return match[0]
    return f"{dots}{_quoted(name)}"


def _again(match: re.Match[str]) -> str:
    return _quoted(_unquoted(match[0]))


def _name(match: re.Match[str]) -> str:
    if match[0][1:-1] == "*":
        raise NoPath("a field of the name * cannot be found by a query")
    return _again(match)


def _quoted(name: str) -> str:
    """Quote a name for the library, which knows no other escape than of a single sign."""
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _unquoted(text: str) -> str:
    """Return what a text in quotes says, with the escapes of RFC 9535."""
    quote = text[0]

    def sign(match: re.Match[str]) -> str:
        escape = match[1]
        if escape == quote:
            return quote
        try:
            character: str = "" if escape in {"'", '"'} else json.loads(f'"{match[0]}"')
            character.encode()
        except ValueError:
            character = ""
        if not character:
            raise NoPath(
                f"there is no escape {match[0]}; use \\\\, \\{quote}, \\b, \\f, \\n, \\r, \\t, \\/ or \\u"
            )
        return character

    return _ESCAPE.sub(sign, text[1:-1])
