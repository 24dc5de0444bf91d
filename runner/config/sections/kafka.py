"""Sections about Kafka: brokers and clients, topics, responses, encoding, schema registry."""

import re
from collections.abc import Iterator
from typing import Final, Literal

from pydantic import Field, SecretStr, field_validator

from runner.config.fixed import MAX_IN_FLIGHT, MAX_IN_FLIGHT_NAMES
from runner.config.sections.section import BrokenRule, Section
from runner.config.values import (
    Brokers,
    Frozen,
    ProceededStatus,
    Properties,
    RegistryFiles,
    RegistryProperties,
    RegistryUrl,
    SecretFiles,
    Text,
    Topic,
    Topics,
)


class Kafka(Section):
    """Where Kafka is, and what the two clients are told besides."""

    brokers: Brokers = ""
    """Brokers to begin with, host:port, comma-separated. A worker does not start without."""
    group: Text = "saga-task-runner"
    """Consumer group. The Redis key space belongs to it: a new name needs a new redis.prefix."""
    assignment: Literal["range", "cooperative-sticky", "consumer"] = "range"
    """How the group shares the partitions: range, cooperative-sticky, or consumer (KIP-848, from Kafka 4.0
    on). The same for all workers of a group.
    """
    properties: Properties = Field(default={})
    """librdkafka properties of both clients, by their own names; none by default."""
    consumer: Properties = Field(default={})
    """librdkafka properties of the consumer only; they win over properties."""
    producer: Properties = Field(default={})
    """librdkafka properties of the producer only; they win over properties."""
    secret_files: SecretFiles = Field(default={})
    """librdkafka properties whose value is read from a file: property name to path."""

    def _broken_rules(self) -> Iterator[BrokenRule]:
        for key, properties in (("properties", self.properties), ("producer", self.producer)):
            for name in MAX_IN_FLIGHT_NAMES:
                if whole_number(properties.get(name), MAX_IN_FLIGHT) > MAX_IN_FLIGHT:
                    yield BrokenRule(
                        (key, name),
                        (key, name),
                        f"is more than {MAX_IN_FLIGHT}, where the broker no longer keeps the order",
                        f"set it to {MAX_IN_FLIGHT} or less",
                    )


def whole_number(value: str | SecretStr | None, otherwise: int) -> int:
    """Return the number of a property; librdkafka, which knows the range, refuses what is no number."""
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,19}", value) else otherwise


TASKS: Final = "tasks"


class TopicNames(Section):
    """The topics, each of which must be another."""

    requests: Topic = "requests"
    """Events to handle; the home of every task. Must not be compacted."""
    responses: Topic = "responses"
    """Replies and resumed events. Its readers must set isolation.level to read_committed."""
    dead_letters: Topic = "dead-letters"
    """Messages that can never be handled, byte for byte, with headers that say why."""
    tasks: Topic | None = TASKS
    """Compacted topic that is told every change of a task, and from which Redis is filled again when it has
    lost something (with at_least_once it serves lists only); as many partitions as redis.shards. null: none,
    and Redis holds the only copy of the tasks. A key space that was made without it goes on without it;
    runner restore --fill-changelog turns it on.
    """

    notifications: Topic | None = None
    """What people have to hear of their tasks, as CloudEvents; runner notify makes mail and chat of it. null:
    nothing is sent.
    """

    replies: Topic | None = "replies"
    """Replies to the commands of runner web; eventMeta.responseStream may always name it. A worker does
    without it. null: none, and no runner web.
    """

    @field_validator("tasks", "notifications", "replies", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        """Read the text ``null``, which a variable may hold, as null: no topic has that name."""
        return None if value == "null" else value

    def named(self) -> dict[str, str]:
        """Return the topics by their settings; one that is null is left out."""
        topics = {
            "requests": self.requests,
            "responses": self.responses,
            "deadLetters": self.dead_letters,
            "tasks": self.tasks,
            "notifications": self.notifications,
            "replies": self.replies,
        }
        return {key: name for key, name in topics.items() if name is not None}

    def _broken_rules(self) -> Iterator[BrokenRule]:
        taken: dict[str, str] = {}
        for key, name in self.named().items():
            other = taken.setdefault(name, key)
            if other != key:
                what = f"is {name}, as is topics.{other}"
                yield BrokenRule((key,), (other,), what, "give each its own topic")

    @property
    def are_tasks_given(self) -> bool:
        """Whether ``tasks`` differs from its default, which a file may spell out without a choice."""
        return self.tasks != TASKS


class Responses(Section):
    """How replies and resumed events find their readers."""

    partitioner: Literal["murmur2", "suffix"] = "murmur2"
    """Partition of a response: murmur2 of the key, as Java clients do, or suffix: the trailing digits of the
    request id modulo the number of partitions.
    """
    streams: Topics = ()
    """Other topics that eventMeta.responseStream may name; any other is FAIL 13020."""
    proceeded_status: ProceededStatus = "PROCEEDED"
    """Status of an event that goes on after ProceedTask; some engines expect SUCCESS."""


EncodingName = Literal["json", "avro", "confluent-avro"]


class Encoding(Section):
    """How values are written: JSON, Avro by itself, or Avro with a schema registry."""

    default: EncodingName = "json"
    """Encoding of every topic that is not named below: json; avro, single-object encoding, which needs no
    registry; or confluent-avro, the wire format of Confluent, which needs schemaRegistry. topics.replies is
    json unless it is named.
    """
    topics: Frozen[Topic, EncodingName] = Field(
        default={}, json_schema_extra={"additionalProperties": {"enum": ["json", "avro", "confluent-avro"]}}
    )
    """Encoding of single topics, by their names. Dead letters keep the bytes they came with."""

    def of(self, topic: str) -> EncodingName:
        return self.topics.get(topic, self.default)


class SchemaRegistry(Section):
    """Where the schemas of topics with confluent-avro are; used for nothing else."""

    url: RegistryUrl | None = None
    """Address of the registry, http or https; several, comma-separated, are tried in turn."""
    url_file: Text | None = None
    """File that holds the URL, instead of url."""
    timeout_ms: int = Field(default=2000, ge=10, le=10_000)
    """How long a step may take before the registry counts as away, in milliseconds."""
    register_schema: bool = Field(default=True, alias="register")
    """Whether a worker registers schemas/envelope.avsc as <topic>-value; false: it must be there."""
    properties: RegistryProperties = Field(default={})
    """Properties of confluent-kafka's SchemaRegistryClient: authentication, TLS, proxy."""
    secret_files: RegistryFiles = Field(default={})
    """Properties whose value is read from a file: property name to path."""
