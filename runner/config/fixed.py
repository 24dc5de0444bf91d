"""Client properties that an operator may not set, each with the reason.

Exactly-once holds only under certain client settings; the runner sets those itself (``clients``) and
refuses them here, so that no configuration can quietly weaken the guarantee.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Refusal(NamedTuple):
    """Why a property is refused, and what to do instead."""

    why: str
    remedy: str


_GROUP: Final = Refusal("is the name of the consumer group, which the store belongs to", "set kafka.group")
_BROKERS: Final = Refusal("has a setting of its own", "set kafka.brokers")
_COMMIT: Final = Refusal(
    "is fixed: offsets are committed with the messages they belong to, never by a clock", "remove it"
)
_ACKS: Final = Refusal("is fixed at all: what one broker alone has seen can be lost with it", "remove it")
_ASSIGNMENT: Final = Refusal("has a setting of its own", "set kafka.assignment")
_STATIC: Final = Refusal(
    "would make a static member, which may take its partitions back without being told that it had lost them",
    "remove it",
)
_TEST: Final = Refusal("starts a mock broker inside the client", 'remove it and run "runner dev"')
_LOOP: Final = Refusal("is fixed: the worker's loop depends on it", "remove it")

REFUSED: Final[dict[str, Refusal]] = {
    "acks": _ACKS,
    "auto.commit.enable": _COMMIT,
    "auto.commit.interval.ms": _COMMIT,
    "auto.offset.reset": Refusal(
        "is fixed at error: earliest would replay and latest would lose events after offsets expired",
        "remove it",
    ),
    "bootstrap.servers": _BROKERS,
    "delivery.report.only.error": _LOOP,
    "enable.auto.commit": _COMMIT,
    "enable.auto.offset.store": _COMMIT,
    "enable.idempotence": Refusal("follows from delivery", "set delivery"),
    "enable.partition.eof": _LOOP,
    "group.id": _GROUP,
    "group.instance.id": _STATIC,
    "group.protocol": _ASSIGNMENT,
    "group.protocol.type": _ASSIGNMENT,
    "group.remote.assignor": Refusal("is left to the broker", "remove it"),
    "isolation.level": Refusal(
        "is fixed at read_committed: anything else would act on events that were taken back", "remove it"
    ),
    "metadata.broker.list": _BROKERS,
    "offset.store.method": _COMMIT,
    "partition.assignment.strategy": _ASSIGNMENT,
    "partitioner": Refusal("decides where readers look for a reply", "set responses.partitioner"),
    "queuing.strategy": Refusal("is fixed at fifo: messages keep their order", "remove it"),
    "request.required.acks": _ACKS,
    "session.timeout.ms": Refusal("has a setting of its own", "set worker.sessionTimeoutMs"),
    "transaction.timeout.ms": Refusal(
        "is fixed at 10 s, so that a dead worker's open transaction does not hold up its partitions",
        "remove it",
    ),
    "transactional.id": Refusal("is made new for every process; safety comes from the group", "remove it"),
}
_REGISTRY_LOOP: Final = Refusal(
    "is fixed: the worker asks again by itself, and must not wait here", "set schemaRegistry.timeoutMs"
)
_REGISTRY_CACHE: Final = Refusal("is fixed: the worker keeps schemas itself", "remove it")
REGISTRY_REFUSED: Final[dict[str, Refusal]] = {
    "cache.capacity": _REGISTRY_CACHE,
    "cache.latest.ttl.sec": _REGISTRY_CACHE,
    "max.retries": _REGISTRY_LOOP,
    "retries.max.wait.ms": _REGISTRY_LOOP,
    "retries.wait.ms": _REGISTRY_LOOP,
    "timeout": _REGISTRY_LOOP,
    "url": Refusal("has a setting of its own", "set schemaRegistry.url"),
}
"""Properties of the registry's client that are not passed through."""

REFUSED_PREFIX: Final = "test."
MAX_IN_FLIGHT_NAMES: Final = ("max.in.flight", "max.in.flight.requests.per.connection")
MAX_IN_FLIGHT: Final = 5
"""More requests under way than this and the broker can no longer keep a producer's order."""


def refusal(name: str) -> Refusal | None:
    """Return why a property is refused; None if it may be set."""
    return _TEST if name.startswith(REFUSED_PREFIX) else REFUSED.get(name)
