"""Json paths: find a value in an event, write an output into its payload (docs/protocol.md, "Paths").

Between the decoded event and the actions: every ``inputElement``, ``taskIdPath`` and
``outputElement`` comes through here. Pure, on decoded JSON values, which it never changes.

A path is one of three kinds, told apart once and cached:

- dotted, ``a.0.b``: the hot path, a closure over the names (0.2 µs for two of them);
- with simple brackets, ``a[0]['b c']``: the same, but a bracket means only what it says;
- a query, with wildcards, filters, slices or descents: jsonpath-ng, for reading only.

Spelling: ``$``, ``$.x`` and ``$[…`` start at the payload, ``@``, ``@.x`` and ``@[…`` at the event. ``$ref``
and ``@type`` are names like any other. ``..`` is a descent after a start (``$..id``) or beside
brackets, and a mistake elsewhere. In a query a number between dots is a name, never an index.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

from runner.envelope.path_grammar import NoPath, Selected, query_in, segments_in
from runner.envelope.refusal import refusal
from runner.envelope.values import Json, deep_merge, read_index

MAX_CHARACTERS: Final = 1024
MAX_SEGMENTS: Final = 100
"""A write creates an object per segment; what it nests must still be decodable everywhere."""

MAX_CACHED: Final = 1024
DROP: Final = "-"
"""The outputElement that drops the output."""

_BRACKETED: Final = re.compile(r"\[.*\]", re.DOTALL)
"""From the first bracket to the last: only a name behind all of them is looked at."""
_QUERY_SIGN: Final = re.compile(r"[\[\]*]")


class Missing(Enum):
    """The value of a path that leads nowhere; not the same as null."""

    MISSING = "missing"

    def __bool__(self) -> Literal[False]:
        """Nothing is false."""
        return False


MISSING: Final = Missing.MISSING


class Root(Enum):
    """Where a path starts."""

    NODE = "node"
    """At the value at hand: the input, or the input element."""
    PAYLOAD = "payload"
    EVENT = "event"


Segments: TypeAlias = tuple[str | Selected, ...]
Finder: TypeAlias = Callable[[Json | Missing], Json | Missing]


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled path. Equal paths have equal texts."""

    text: str
    root: Root = field(compare=False)
    segments: Segments | None = field(compare=False)
    """The way to the node; None for a query, which can be read but not written."""
    find: Finder = field(compare=False, repr=False)
    """Gives the value at the path, starting at the value given, or ``MISSING``.

    A query with one match gives that value, with several the list of them. Raises ``EventError``
    10011 for a query that cannot be evaluated."""


def compile_path(text: str) -> Path:
    """Give the path for a text, from a bounded cache; ``EventError`` 10011 names what is wrong with it."""
    if type(text) is not str:
        raise refusal("path", text, "is not text")
    return _compiled(text)


def read(
    path_text: str, *, node: Json | Missing, payload: Json, event: Callable[[], dict[str, Any]]
) -> Json | Missing:
    """Give the value at a path from the start that the path names, or ``MISSING``.

    ``event`` is asked for the whole event only by a path that starts with ``@``. Raises
    ``EventError`` 10011 for a bad path.
    """
    path = compile_path(path_text)
    if path.root is Root.NODE:
        return path.find(node)
    return path.find(payload if path.root is Root.PAYLOAD else event())


def write(root: dict[str, Any], path: Path, value: Json) -> dict[str, Any]:
    """Give a copy of ``root`` with ``value`` deeply merged into the node at the path.

    ``path`` is taken from ``root``, wherever it says it starts. A null value changes nothing. Names
    that are missing (or null) on the way become objects; an array index may be that of an element
    or the next one; a name in brackets must be there. Only what lies on the way is copied.
    Raises ``EventError`` 10011: the path is a query, leads through a scalar or past the end of an
    array, or the value would leave ``root`` something else than an object.
    """
    if path.segments is None:
        raise refusal("path", path.text, "a query can be read but not written; name one node")
    return _written(root, path.segments, path.text, value)


def write_output(
    payload: dict[str, Any], value: Json, *, input_element: str | None, output_element: str | None
) -> dict[str, Any]:
    """Give the payload with an action's output at outputElement (docs/protocol.md, "Writing an output").

    outputElement is relative to inputElement when that is given; ``$`` and ``$.x`` start at the
    payload; ``-`` drops the output; absent it is inputElement, else the payload itself. A null
    value changes nothing, but a bad path is refused all the same. Raises ``EventError`` 10011 as
    ``write``, and for ``@``: only the payload may be written.
    """
    if output_element == DROP:
        return payload
    text, segments = _target(input_element, output_element)
    return _written(payload, segments, text, value)


def _target(input_element: str | None, output_element: str | None) -> tuple[str, Segments]:
    """Return the text and the segments of the payload's node that an output is written to."""
    if output_element is None:
        return (
            ("$", ()) if input_element is None else (input_element, _writable("inputElement", input_element))
        )
    output = compile_path(output_element)
    segments = _writable("outputElement", output_element)
    if output.root is not Root.NODE or input_element is None:
        return output_element, segments
    joint = "" if output_element.startswith("[") else "."
    return f"{input_element}{joint}{output_element}", _writable("inputElement", input_element) + segments


def _writable(kind: str, text: str) -> Segments:
    path = compile_path(text)
    if path.root is Root.EVENT:
        raise refusal(kind, text, "only the payload may be written; start at $ or drop the output with -")
    if path.segments is None:
        raise refusal(kind, text, "a query can be read but not written; name one node")
    return path.segments


def _written(root: dict[str, Any], segments: Segments, text: str, value: Json) -> dict[str, Any]:
    if value is None:
        return root
    way: list[tuple[Any, str | int]] = []
    node: Any = root
    for segment in segments:
        key = _place(node, segment, text)
        way.append((node, key))
        node = _child(node, key)
    merged: Any = value if node is MISSING else deep_merge(node, value)
    for container, key in reversed(way):
        merged = _with_child(container, key, merged)
    if isinstance(merged, dict):
        return merged
    raise refusal("path", text, f"the payload must stay an object, and the output is {_kind(value)}")


def _place(node: Any, segment: str | Selected, text: str) -> str | int:
    """Key or index under which a segment is, or will be, in a node that is written."""
    if isinstance(segment, Selected):
        return _selected_place(node, segment.key, text)
    if node is MISSING or node is None or isinstance(node, dict):
        return segment
    if isinstance(node, list):
        index = read_index(segment)
        if 0 <= index <= len(node):
            return index
        raise refusal("path", text, f"{segment!r} is no index of an array of {len(node)}")
    raise refusal("path", text, f"path through a scalar: {segment!r} is looked for in {_kind(node)}")


def _selected_place(node: Any, key: str | int, text: str) -> str | int:
    if isinstance(key, str) and isinstance(node, dict) and key in node:
        return key
    if isinstance(key, int) and isinstance(node, list) and -len(node) <= key < len(node):
        return key % len(node)
    raise refusal("path", text, f"[{key!r}] is not there, and only a dotted name can be created")


def _child(node: Any, key: str | int) -> Any:
    if isinstance(node, dict):
        return node.get(key, MISSING)
    if isinstance(node, list) and isinstance(key, int) and key < len(node):
        return node[key]
    return MISSING


def _with_child(container: Any, key: Any, child: Any) -> Any:
    """Copy a node with one child put in; nothing at all becomes an object."""
    if not isinstance(container, list):
        return {**container, key: child} if isinstance(container, dict) else {key: child}
    return [*container[:key], child, *container[key + 1 :]]


def _kind(value: Json) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, list):
        return "an array"
    return "an object" if isinstance(value, dict) else "a number"


@lru_cache(maxsize=MAX_CACHED)
def _compiled(text: str) -> Path:
    _check_text(text)
    root, rest = _start(text)
    if _is_dotted(root, rest):
        names = _names(text, rest)
        return Path(text, root, names, _dotted_finder(names))
    try:
        segments = segments_in(rest)
        query = query_in(rest) if segments is None else None
    except NoPath as error:
        raise refusal("path", text, str(error)) from None
    if segments is None:
        return Path(text, root, None, _query_finder(text, query or _as_it_stands(text, root, rest)))
    _check_count(text, len(segments))
    return Path(text, root, segments, _bracketed_finder(segments))


def _as_it_stands(text: str, root: Root, rest: str) -> str:
    if "," in _BRACKETED.sub("", rest):
        # The library would take it for two names.
        raise refusal("path", text, "has a comma in a name; quote a name such as ['a,b']")
    return f"${rest}" if root is not Root.NODE or rest.startswith("[") else text


def _is_dotted(root: Root, rest: str) -> bool:
    descends = root is not Root.NODE and ".." in rest
    return not descends and _QUERY_SIGN.search(rest) is None


def _check_text(text: str) -> None:
    if not text.strip():
        raise refusal("path", text, "is empty")
    if len(text) > MAX_CHARACTERS:
        raise refusal("path", text, f"is longer than {MAX_CHARACTERS} characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise refusal("path", text, "holds half of a character pair, which cannot be a name") from None


def _start(text: str) -> tuple[Root, str]:
    """Split off the start; the rest is empty or opens with ``.`` or ``[``."""
    root = {"$": Root.PAYLOAD, "@": Root.EVENT}.get(text[0], Root.NODE)
    if root is not Root.NODE and (len(text) == 1 or text[1] in ".["):
        return root, text[1:]
    return Root.NODE, text if text[0] == "[" else f".{text}"


def _names(text: str, rest: str) -> tuple[str, ...]:
    names = tuple(rest[1:].split(".")) if rest else ()
    if "" in names:
        raise refusal("path", text, "has an empty name between its dots")
    _check_count(text, len(names))
    return names


def _check_count(text: str, count: int) -> None:
    if count > MAX_SEGMENTS:
        raise refusal("path", text, f"has more than {MAX_SEGMENTS} names")


def _dotted_finder(names: tuple[str, ...]) -> Finder:
    indexes = {name: read_index(name) for name in names}

    def find(node: Any) -> Any:
        for name in names:
            if isinstance(node, dict):
                node = node.get(name, MISSING)
            elif isinstance(node, list):
                index = indexes[name]
                node = node[index] if 0 <= index < len(node) else MISSING
            else:
                return MISSING
        return node

    return find


def _bracketed_finder(segments: Segments) -> Finder:
    steps = tuple(_dotted_finder((s,)) if isinstance(s, str) else _selected_finder(s.key) for s in segments)

    def find(node: Any) -> Any:
        for step in steps:
            node = step(node)
        return node

    return find


def _selected_finder(key: str | int) -> Finder:
    def find(node: Any) -> Any:
        if isinstance(key, str):
            return node.get(key, MISSING) if isinstance(node, dict) else MISSING
        return node[key] if isinstance(node, list) and -len(node) <= key < len(node) else MISSING

    return find


def _query_finder(text: str, expression: str) -> Finder:
    # Imported here: most workers never see a query, and its parser costs more than all paths do.
    from runner.envelope.jsonpath import compile_query  # noqa: PLC0415

    matches = compile_query(text, expression)

    def find(node: Json | Missing) -> Json | Missing:
        values = [] if isinstance(node, Missing) else matches(node)
        if len(values) > 1:
            return values
        return values[0] if values else MISSING

    return find
