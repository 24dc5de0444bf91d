"""What a worker must be allowed to do with its topics, and what it says where it is not.

``docs/operations.md`` lists the same for those who grant it; a test grants exactly that list.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from runner.errors import FatalError
from runner.worker.topics import Cluster

READ: Final = "READ"
WRITE: Final = "WRITE"


def require_permissions(cluster: Cluster, operations: Mapping[str, Collection[str]]) -> None:
    """FatalError, naming every topic and what must be allowed on it, unless all of that is."""
    missing = missing_permissions(cluster, operations)
    if missing:
        raise FatalError(f"no permission: {'; '.join(missing)}; allow it (kafka-acls --topic)")


def missing_permissions(cluster: Cluster, operations: Mapping[str, Collection[str]]) -> list[str]:
    """Return what is not allowed, a line a topic. Where the broker does not tell, nothing is missing.

    A broker hides what may not even be described: whether there is such a topic cannot be told.
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
