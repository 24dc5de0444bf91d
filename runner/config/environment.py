"""Environment variables: the setting that each one overrides, and the value that its text stands for.

``RUNNER_`` + section + ``__`` + setting, in any case, a setting's words with or without ``_`` between
them: ``RUNNER_TASK__PARTITIONWIDTH`` and ``RUNNER_TASK__PARTITION_WIDTH`` are ``task.partitionWidth``.
Names without ``__`` that resemble no setting are left alone: Kubernetes adds ``RUNNER_PORT`` and the
like beside a service called runner, and so do CI systems.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from runner.config.problems import Problem
from runner.config.schema_tree import SchemaNode, matching, nearest, plain
from runner.config.sections.section import Path

PREFIX: Final = "RUNNER_"
LEVEL: Final = "__"

# What Kubernetes gives every pod for a service called runner-http: RUNNER_HTTP_PORT=tcp://10.0.0.1:80.
_SERVICE_LINKS: Final = ("tcp://", "udp://", "sctp://")

_EVENT_META: Final = (
    *("requestTime", "handler", "action", "version", "domain", "inputElement", "outputElement"),
    *("responseStream", "deployments", "parameters"),
)
_PARAMETERS: Final = (
    *("inputPattern", "outputPattern", "taskIdPath", "taskName", "taskSpec", "taskAction", "taskRoles"),
    *("taskUser", "timeout", "timeoutOn", "enrichPath", "fromTimePath", "toTimePath", "ignoreErrors"),
    "skipPattern",
)
# Names the operator chooses have no spelling of ours; these are the ones the protocol spells.
_SPELLINGS: Final[dict[Path, tuple[str, ...]]] = {("meta",): _EVENT_META, ("meta", "parameters"): _PARAMETERS}


# Sections whose free names are properties of a client, where _ in a variable stands for a dot.
_DOTTED: Final = frozenset({"kafka", "schemaRegistry"})


@dataclass(frozen=True, slots=True)
class Override:
    """One override: the variable ``name`` sets the setting at ``path`` to ``value``."""

    name: str
    path: Path
    value: Any


def overrides(
    env: Mapping[str, str], schema_node: SchemaNode, tree: Mapping[str, Any]
) -> tuple[list[Override], list[Problem]]:
    """Return the overrides in the order of their variables' names, and the problems of the other variables.

    ``tree`` is the file: the spelling of free names (domains) in it counts.
    """
    by_path: dict[Path, Override] = {}
    problems = []
    for name in sorted(env):
        if not name.upper().startswith(PREFIX) or env[name].startswith(_SERVICE_LINKS):
            continue
        read = _read(name, env[name], schema_node, tree)
        if isinstance(read, Problem):
            problems.append(read)
        elif read is not None and read.path in by_path:
            problems.append(_twice(read, by_path[read.path]))
        elif read is not None:
            by_path[read.path] = read
    return list(by_path.values()), problems


def _read(
    name: str, text: str, schema_node: SchemaNode, tree: Mapping[str, Any]
) -> Override | Problem | None:
    segments = name[len(PREFIX) :].split(LEVEL)
    path: Path = ()
    place = schema_node
    for segment in segments:
        step = _step(segment, path, place, tree)
        if step is None:
            return _unknown(name, segments, path, schema_node)
        path, place = step
    return Override(name, path, _value(text, place))


def _step(
    segment: str, path: Path, place: SchemaNode, tree: Mapping[str, Any]
) -> tuple[Path, SchemaNode] | None:
    known = matching(segment, place.children) if segment else None
    if known is not None:
        return (*path, known), place.children[known]
    if place.free is None or not segment:
        return None
    return (*path, _free_name(segment, path, tree)), place.free


def _free_name(segment: str, path: Path, tree: Mapping[str, Any]) -> str:
    in_file: Any = tree
    for name in path:
        in_file = in_file.get(name) if isinstance(in_file, Mapping) else None
    names = [name for name in in_file if isinstance(name, str)] if isinstance(in_file, Mapping) else []
    spelled = matching(segment, [*names, *_SPELLINGS.get(path, ())])
    if spelled is not None:
        return spelled
    return segment.lower().replace("_", ".") if path[0] in _DOTTED else segment.lower()


def _value(text: str, place: SchemaNode) -> Any:
    """Return the value of a text: the text itself for a text setting, otherwise JSON where it is JSON."""
    if place.is_text:
        return None if not text and "null" in place.types else text
    try:
        return json.loads(text.lower() if text.lower() in {"true", "false", "null"} else text)
    except (ValueError, RecursionError):
        return text


def _unknown(name: str, segments: list[str], path: Path, schema_node: SchemaNode) -> Problem | None:
    """Return the problem of a misspelt setting; None for a variable of another program."""
    by_plain = {plain("".join(setting)): variable(setting) for setting in schema_node.settings()}
    suggestion = by_plain.get(plain("".join(segments)))
    if suggestion is None and len(segments) == 1:
        section = nearest(segments[0], schema_node.children)
        suggestion = None if section is None else variable((section,))
        if suggestion is None:
            return None
    if suggestion is None:
        here = schema_node.at(path)
        near = nearest(segments[len(path)], here.children if here is not None else ())
        suggestion = None if near is None else variable((*path, near))
    remedy = (
        "remove it (config/runner.yaml lists every setting)"
        if suggestion is None
        else f"did you mean {suggestion}?"
    )
    return Problem(f"environment {name}", "", "is not a setting", remedy)


def variable(path: Path) -> str:
    """Return the name of a setting's environment variable, as messages spell it."""
    return PREFIX + LEVEL.join(path).upper()


def _twice(second: Override, first: Override) -> Problem:
    return Problem(
        f"environment {second.name}",
        ".".join(second.path),
        f"is set by {first.name} as well",
        "remove one of them",
    )
