"""Topics: which exist, the largest message of each, and the id of the requests topic.

The broker is asked at the start, every half a minute and when there is a new partition, by a separate
thread; the loop reads the last answer and never waits for one.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from string import digits
from typing import Any, Final

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from runner import log
from runner.envelope.codec import Codec, Sections
from runner.errors import LogUnavailable
from runner.kafka.errors import unreachable

ASK_SECONDS: Final = 10.0
EVERY_SECONDS: Final = 30.0
WRITE: Final = "WRITE"
USUAL_LIMIT_BYTES: Final = 1_000_000
"""Assumed where the broker does not answer it: a little under Kafka's default."""

_FORBIDDEN: Final = object()
_DIGITS_AT_ONCE: Final = 18
_log: Final = log.get("topics")


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic, as the broker described it."""

    id: str
    partitions: int
    limit_bytes: int
    operations: frozenset[str] = frozenset()
    """Operations this client is allowed, as READ and WRITE; empty where the broker does not name them."""
    cleanup_policy: str = ""
    """``delete``, ``compact`` or both; empty where the broker does not name it."""
    tombstones_ms: int | None = None
    """How long a compacted topic keeps tombstones; None where the broker does not say."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One answer of the broker; topics that do not exist are not in it."""

    id: str
    topics: Mapping[str, Topic] = field(default_factory=dict)
    forbidden: frozenset[str] = frozenset()
    """Topics that this client may not describe; they may or may not exist."""

    @property
    def is_mock(self) -> bool:
        """Whether this is librdkafka's mock broker, which has no transactions."""
        return self.id.startswith("mockCluster")


class KafkaTopicCatalog:
    """The TopicCatalog of the actions: pure look-ups in the last answer of the broker."""

    def __init__(
        self, cluster: Cluster, codecs: Mapping[str, Codec], default: Codec, *, by_suffix: bool = False
    ) -> None:
        """``by_suffix``: partitions follow the digits at the end of the request id."""
        self.cluster = cluster
        self._codecs = codecs
        self._default = default
        self._by_suffix = by_suffix

    def encode(self, stream: str, sections: Sections) -> bytes:
        return self._codecs.get(stream, self._default).encode(sections)

    def limit_bytes(self, stream: str) -> int | None:
        topic = self.cluster.topics.get(stream)
        return None if topic is None else topic.limit_bytes

    def partition(self, stream: str, request_id: str) -> int | None:
        """Return the partition by the trailing digits of the request id, where so configured."""
        if not self._by_suffix:
            return None
        topic = self.cluster.topics.get(stream)
        suffix = request_id[len(request_id.rstrip(digits)) :]
        if topic is None or not suffix:
            return None
        return _remainder(suffix, topic.partitions)


class TopicWatch:
    """Refreshes the topic catalogue, and notices when the requests topic was deleted or made again."""

    def __init__(
        self,
        admin: AdminClient,
        topics: KafkaTopicCatalog,
        requests: str,
        names: Collection[str],
        every_seconds: float = EVERY_SECONDS,
        dispensable: Collection[str] = (),
    ) -> None:
        """``dispensable``: topics that are left out of the catalogue while they may not be written."""
        self._admin = admin
        self._topics = topics
        self._requests = requests
        self._names = tuple(names)
        self._every_seconds = every_seconds
        self._dispensable = frozenset(dispensable)
        self._closing = threading.Event()
        self._soon = threading.Event()
        self._thread = threading.Thread(target=self._run, name="topic-watch", daemon=True)
        self.failed: str | None = None
        """Why the worker must exit; None while all is well."""

    def start(self) -> None:
        self._thread.start()

    def has_home(self, partition: int) -> bool:
        """Whether the requests topic has this partition, by the last answer; if not, it is asked soon."""
        topic = self._topics.cluster.topics.get(self._requests)
        known = topic is not None and partition < topic.partitions
        if not known:
            self._soon.set()
        return known

    def close(self) -> None:
        """Stop the thread, and wait until it has ended."""
        self._closing.set()
        self._soon.set()
        self._thread.join(ASK_SECONDS)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._soon.wait(self._every_seconds)
            self._soon.clear()
            if self._closing.is_set():
                return
            try:
                self._compare(ask_cluster(self._admin, self._names))
            except LogUnavailable as error:
                _log.warning("topics_unknown", reason=str(error))

    def _compare(self, cluster: Cluster) -> None:
        hidden = cluster.forbidden - self._topics.cluster.forbidden
        if hidden:
            _log.warning("topics_forbidden", topics=sorted(hidden))
        if cluster.forbidden - self._dispensable:
            return  # They may exist: the last answer about them stays.
        cluster = without_unwritable(cluster, self._dispensable)
        before = self._topics.cluster.topics.get(self._requests)
        now = cluster.topics.get(self._requests)
        if before is not None and (now is None or now.id != before.id):
            self.failed = f"topic {self._requests!r} was deleted or made again; restart the worker"
            return  # The catalogue keeps describing the topic that was opened.
        if before is not None and now is not None and now.partitions < before.partitions:
            self.failed = (
                f"topic {self._requests!r} has only {now.partitions} partitions now; restart the worker"
            )
            return
        if before is not None and now is not None and now.partitions > before.partitions:
            _log.info("partitions_added", topic=self._requests, before=before.partitions, now=now.partitions)
        self._log_changes(set(self._topics.cluster.topics), set(cluster.topics))
        self._topics.cluster = cluster

    def _log_changes(self, before: set[str], now: set[str]) -> None:
        for topic in sorted(before - now):
            _log.warning("topic_gone", topic=topic)
        for topic in sorted(now - before):
            _log.info("topic_found", topic=topic)


def without_unwritable(cluster: Cluster, dispensable: Collection[str]) -> Cluster:
    """Return an answer without those topics that a worker can do without and may not write to."""
    closed = {
        name
        for name, topic in cluster.topics.items()
        if name in dispensable and topic.operations and WRITE not in topic.operations
    }
    if not closed:
        return cluster
    return replace(cluster, topics={n: topic for n, topic in cluster.topics.items() if n not in closed})


def ask_cluster(admin: AdminClient, names: Collection[str]) -> Cluster:
    """Return the broker's answer about these topics; LogUnavailable without one in time."""
    try:
        listed = admin.list_topics(timeout=ASK_SECONDS)
        cluster = Cluster(str(listed.cluster_id))
        if cluster.is_mock:
            # The mock broker answers metadata only, and its topics have no ids.
            return replace(cluster, topics=_listed(listed.topics, names))
        futures = admin.describe_topics(
            TopicCollection(list(names)), include_authorized_operations=True, request_timeout=ASK_SECONDS
        )
        descriptions = {name: _described(future) for name, future in futures.items()}
    except (KafkaException, TimeoutError) as error:
        raise unreachable(f"Kafka does not answer: {_reason(error)}", error) from error
    forbidden = frozenset(name for name, topic in descriptions.items() if topic is _FORBIDDEN)
    described = {
        name: topic for name, topic in descriptions.items() if topic is not None and name not in forbidden
    }
    settings = _settings(admin, list(described))
    topics = {name: _topic(topic, settings.get(name, _Settings())) for name, topic in described.items()}
    return replace(cluster, topics=topics, forbidden=forbidden)


def _remainder(number: str, divisor: int) -> int:
    """Return the remainder of a number of any length: int() refuses thousands of digits at once."""
    remainder = 0
    for first in range(0, len(number), _DIGITS_AT_ONCE):
        part = number[first : first + _DIGITS_AT_ONCE]
        remainder = (remainder * 10 ** len(part) + int(part)) % divisor
    return remainder


def _listed(topics: Mapping[str, Any], names: Collection[str]) -> dict[str, Topic]:
    """Return the topics in metadata; one that does not exist has an error there."""
    return {
        name: Topic("", len(topics[name].partitions), USUAL_LIMIT_BYTES)
        for name in names
        if name in topics and topics[name].error is None
    }


def _described(future: Any) -> Any:
    try:
        return future.result(ASK_SECONDS)
    except KafkaException as error:
        match error.args[0].name():
            case "UNKNOWN_TOPIC_OR_PART":
                return None
            case "TOPIC_AUTHORIZATION_FAILED":
                return _FORBIDDEN
        raise


def _topic(topic: Any, settings: _Settings) -> Topic:
    operations = frozenset(operation.name for operation in topic.authorized_operations or ())
    return Topic(str(topic.topic_id), len(topic.partitions), operations=operations, **asdict(settings))


@dataclass(frozen=True, slots=True)
class _Settings:
    """Settings of a topic; the defaults stand where they may not be read."""

    limit_bytes: int = USUAL_LIMIT_BYTES
    cleanup_policy: str = ""
    tombstones_ms: int | None = None


def _settings(admin: AdminClient, names: list[str]) -> dict[str, _Settings]:
    """Return the settings of the topics whose settings may be read."""
    if not names:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    settings = {}
    for resource, future in admin.describe_configs(resources, request_timeout=ASK_SECONDS).items():
        try:
            values = future.result(ASK_SECONDS)
            settings[resource.name] = _Settings(
                int(values["max.message.bytes"].value),
                str(values["cleanup.policy"].value),
                int(values["delete.retention.ms"].value),
            )
        except (KafkaException, TimeoutError, KeyError, TypeError) as error:
            _log.warning("topic_limit_unknown", topic=resource.name, reason=_reason(error))
    return settings


def _reason(error: BaseException) -> str:
    return str(error.args[0]) if error.args else f"no answer within {ASK_SECONDS:.0f} s"
