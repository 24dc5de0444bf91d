"""Permissions: the operations that a worker needs on its topics, and the error where one is missing.

``docs/operations.md`` lists them for those who grant them; a test grants exactly that list.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from runner.errors import FatalError
from runner.kafka.topics import Cluster

READ: Final = "READ"
WRITE: Final = "WRITE"


def require_permissions(cluster: Cluster, operations: Mapping[str, Collection[str]]) -> None:
    """FatalError unless all operations are allowed; it names every topic and what is missing on it."""
    missing = missing_permissions(cluster, operations)
    if missing:
        raise FatalError(f"no permission: {'; '.join(missing)}; allow it (kafka-acls --topic)")


def missing_permissions(cluster: Cluster, operations: Mapping[str, Collection[str]]) -> list[str]:
    """Return the missing permissions, a line a topic; none where the broker does not name operations.

    A broker hides topics that may not be described: whether such a topic exists is not known.
    """
    lines = []
    for name, needed in operations.items():
        topic = cluster.topics.get(name)
        allowed = topic.operations if topic is not None else None
        hidden = name in cluster.forbidden
        missing = [each for each in needed if hidden or (allowed and each not in allowed)]
        if missing:
            lines.append(f"{' and '.join(each.title() for each in missing)} on topic {name}")
    return lines
