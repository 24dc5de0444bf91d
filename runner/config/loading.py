"""Loading: a file and the environment become a Config, or a list of every problem.

    file -> tree -> overrides of the environment -> secrets from files -> types -> rules across fields

Nothing is printed, nothing that was read is remembered between calls, and the process's own environment
is read by whoever calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, reduce
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from runner.config.cross_field_rules import broken_rules
from runner.config.environment import Override, overrides
from runner.config.explanation import explain, where
from runner.config.fixed import REGISTRY_REFUSED, refusal
from runner.config.model import DEFAULTS, Config
from runner.config.problems import ConfigError, Problem
from runner.config.schema_tree import SchemaNode, schema_tree
from runner.config.sections.redis import DEFAULT_REDIS_URL
from runner.config.sections.section import Path as Setting
from runner.config.yaml_file import read_secret, read_tree

_NO_TEXT: Final = re.compile("[\0\ud800-\udfff]")

Tree = dict[str, Any]
Origins = dict[Setting, str]


def load(path: Path | None, env: Mapping[str, str]) -> Config:
    """Return a complete, checked Config: the environment overrides the file, the file the defaults.

    ``path`` None: no file. Raises ConfigError with every problem that was found; a file that cannot
    be read or is no YAML is one, and then nothing else is looked at. Files that hold secrets are
    read here, once.
    """
    source = DEFAULTS if path is None else str(path)
    tree = {} if path is None else read_tree(path)
    schema_node = _schema_node()
    variables, problems = overrides(env, schema_node, tree)
    origins: Origins = {}
    for override in variables:
        tree = _overridden(tree, override, origins)
    tree = _with_secrets(tree, source, origins, problems)
    unreadable = list(dict.fromkeys(_unreadable(tree)))
    problems += [_no_text(path, source, origins) for path in unreadable]
    config, errors = _validated(reduce(_without, unreadable, tree))
    problems += explain(errors, schema_node, source, origins)
    if config is not None:
        problems += [
            Problem(where(each.path, source, origins), ".".join(each.path), each.what, each.remedy)
            for each in broken_rules(config, [*unreadable, *_broken(errors)])
        ]
    if config is None or problems:
        raise ConfigError(problems)
    return config.from_source(source)


@cache
def _schema_node() -> SchemaNode:
    """Return the tree of settings; cached, since building it takes longer than all the rest."""
    return schema_tree(Config.model_json_schema())


def _validated(tree: Tree) -> tuple[Config | None, list[ErrorDetails]]:
    """Return the Config and no errors; or a Config with defaults for what is wrong, and the errors."""
    try:
        return _config(tree), []
    except ValidationError as error:
        errors = error.errors()
    try:
        return _config(reduce(_without, _broken(errors), tree)), errors
    except ValidationError:
        return None, errors


def _config(tree: Tree) -> Config:
    return Config.model_validate(tree, by_alias=True, by_name=False)


def _broken(errors: list[ErrorDetails]) -> list[Setting]:
    """Return the path of each error; within a list, or for a key that is no text, that of its setting."""
    return [
        tuple(
            str(part)
            for part in takewhile(lambda part: isinstance(part, str) and part != "[key]", error["loc"])
        )
        for error in errors
    ]


def _without(tree: Tree, path: Setting) -> Tree:
    name, *rest = path or ("",)
    below = tree.get(name)
    if rest and isinstance(below, dict):
        return tree | {name: _without(below, tuple(rest))}
    return {key: value for key, value in tree.items() if key != name}


def _unreadable(tree: Tree) -> Iterator[Setting]:
    """Give the paths of texts with a NUL or a lone surrogate, which C libraries cannot take."""
    left: list[tuple[Setting, Any]] = [((), tree)]
    visited = set()
    while left:
        at, value = left.pop()
        if isinstance(value, str):
            if _NO_TEXT.search(value):
                yield at
        elif isinstance(value, dict | list) and id(value) not in visited:
            # YAML's aliases may repeat a part without end.
            visited.add(id(value))
            below = value.items() if isinstance(value, dict) else (("", each) for each in value)
            left += [((*at, str(name)) if name else at, each) for name, each in below]


def _no_text(path: Setting, source: str, origins: Origins) -> Problem:
    what = "holds a sign that no text may have (NUL, or half of a pair: a byte that is not UTF-8)"
    return Problem(where(path, source, origins), ".".join(path), what, "take it out")


def _overridden(tree: Tree, override: Override, origins: Origins) -> Tree:
    origins[override.path] = f"environment {override.name}"
    return _put(tree, override.path, override.value)


def _put(tree: Tree, path: Setting, value: Any) -> Tree:
    """Return a copy with the value at the path; a section that is no mapping stays for pydantic to refuse."""
    name, *rest = path
    below = tree.get(name)
    if not rest:
        return tree | {name: value}
    if below is not None and not isinstance(below, dict):
        return tree
    return tree | {name: _put(below or {}, tuple(rest), value)}


def _with_secrets(tree: Tree, source: str, origins: Origins, problems: list[Problem]) -> Tree:
    for file_at, value_at, path in _secret_files(tree):
        place, key = where(file_at, source, origins), ".".join(file_at)
        present = _get(tree, value_at)
        if present is not None and present != _default(value_at):
            problems.append(Problem(place, key, f"is set, and {'.'.join(value_at)} too", "keep one of them"))
            continue
        try:
            secret = read_secret(Path(path))
        except ConfigError as error:
            problems += [Problem(place, key, f"names {path}: it {p.what}", p.remedy) for p in error.problems]
            continue
        origins[value_at] = path
        tree = _put(tree, value_at, secret)
    return tree


def _secret_files(tree: Tree) -> list[tuple[Setting, Setting, str]]:
    """Return (setting that names a file, setting that the file holds, path of the file) of each."""
    named: list[tuple[Setting, Setting]] = [
        (("redis", "urlFile"), ("redis", "url")),
        (("redis", "passwordFile"), ("redis", "password")),
        (("redis", "sentinel", "passwordFile"), ("redis", "sentinel", "password")),
        (("schemaRegistry", "urlFile"), ("schemaRegistry", "url")),
        (("notify", "directory", "tokenFile"), ("notify", "directory", "token")),
        (("projection", "urlFile"), ("projection", "url")),
    ]
    channels = _get(tree, ("notify", "channelFiles"))
    if isinstance(channels, dict):
        named += [(("notify", "channelFiles", name), ("notify", "channels", name)) for name in channels]
    clients = _get(tree, ("web", "signIn"))
    if isinstance(clients, dict):
        named += [
            (("web", "signIn", name, "clientSecretFile"), ("web", "signIn", name, "clientSecret"))
            for name in clients
        ]
    for section, refused in (("kafka", refusal), ("schemaRegistry", REGISTRY_REFUSED.get)):
        properties = _get(tree, (section, "secretFiles"))
        if isinstance(properties, dict):
            named += [
                ((section, "secretFiles", name), (section, "properties", name))
                for name in properties
                if isinstance(name, str) and refused(name) is None
            ]
    return [
        (file_at, value_at, path)
        for file_at, value_at in named
        if isinstance(path := _get(tree, file_at), str) and path
    ]


def _default(setting: Setting) -> str | None:
    """Return the value that counts as not set: a file may spell out the default of redis.url."""
    return DEFAULT_REDIS_URL if setting == ("redis", "url") else None


def _get(tree: Tree, path: Setting) -> Any:
    place: Any = tree
    for name in path:
        place = place.get(name) if isinstance(place, dict) else None
    return place
