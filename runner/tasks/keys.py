"""Keys of records: of tasks, and of the definitions that tasks are pinned to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple


class TaskKey(NamedTuple):
    """The key of a record: domain and task id. Equal ids in two domains are two tasks."""

    domain: str
    id: str


_DEFINITIONS: Final = " definition"
"""Behind the name of a domain, which has no space in it: no task is in such a domain."""


def definition_key(domain: str, spec: str) -> TaskKey:
    """Return the key of the record of a definition, which no task id can name."""
    return TaskKey(domain + _DEFINITIONS, spec)


def is_definition(key: TaskKey) -> bool:
    """Whether a key is that of a definition."""
    return key.domain.endswith(_DEFINITIONS)


def domain_of_definition(key: TaskKey) -> str:
    """Return the domain to which a definition belongs."""
    return key.domain.removesuffix(_DEFINITIONS)


def spaces_of(domains: Iterable[str]) -> tuple[str, ...]:
    """Return all that stands in keys for these domains: each for its tasks, and for its definitions."""
    return tuple(space for domain in domains for space in (domain, domain + _DEFINITIONS))
